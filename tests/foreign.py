"""Datasets in foreign layouts, made small on disk as those who publish them write them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from picture_files import noise, saved

PNG = saved(noise(6, 8), "PNG")
JPG = saved(noise(16, 24), "JPEG")


def coco_text(counts: Iterable[int]) -> str:
    """Run lengths as COCO writes them: `rleToString` of cocoapi's common/maskApi.c, number by number."""
    told, lengths = "", list(counts)
    for at, length in enumerate(lengths):
        rest = length - lengths[at - 2] if at > 2 else length
        more = True
        while more:
            digit = rest & 0x1F
            rest >>= 5
            more = rest != -1 if digit & 0x10 else rest != 0
            told += chr((digit | 0x20 if more else digit) + 48)
    return told


def runs(mask_HW: NDArray[np.bool_]) -> list[int]:
    """A mask's run lengths, column by column, background first."""
    flat = mask_HW.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff([0, *edges.tolist(), flat.size]).tolist()
    return [0, *lengths] if flat[0] else lengths


def sa1b_annotation(mask_HW: NDArray[np.bool_], id: int, **keys: Any) -> dict[str, Any]:
    """One entry of SA-1B's `annotations`."""
    ys, xs = np.nonzero(mask_HW)
    box = (
        [int(xs.min()), int(ys.min()), int(xs.max() - xs.min()), int(ys.max() - ys.min())] if xs.size else [0, 0, 0, 0]
    )
    size = list(mask_HW.shape)
    return {
        "id": id,
        "segmentation": {"size": size, "counts": coco_text(runs(mask_HW))},
        "bbox": box,
        "area": int(mask_HW.sum()),
        "predicted_iou": 0.95,
        "stability_score": 0.97,
        "crop_box": [0, 0, size[1], size[0]],
        "point_coords": [[box[0] + 1.0, box[1] + 1.0]],
        **keys,
    }


def sa1b_file(number: int, masks: Iterable[NDArray[np.bool_]], *, width: int, height: int) -> bytes:
    """One picture's annotation file."""
    image = {"image_id": number, "width": width, "height": height, "file_name": f"sa_{number}.jpg"}
    annotations = [sa1b_annotation(mask, id) for id, mask in enumerate(masks, 1)]
    return json.dumps({"image": image, "annotations": annotations}).encode()


def write_tar(path: Path, files: Mapping[str, bytes], *, mode: str = "w") -> Path:
    """A tar of these files, in this order."""
    with tarfile.open(path, mode) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def write_files(folder: Path, files: Mapping[str, bytes | str]) -> Path:
    """A folder of these files."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return folder
