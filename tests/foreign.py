"""Datasets in foreign layouts, made small on disk as those who publish them write them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from picture_files import noise, saved
from PIL import Image as Pillow

from datagen.sources.base import Source
from datagen.sources.formats.coco import CocoConfig
from datagen.sources.formats.sa1b import Sa1bConfig
from datagen.sources.huggingface import HuggingFaceConfig
from datagen.sources.images import ImagesConfig
from datagen.sources.manifest import ManifestConfig
from datagen.sources.webdataset import WebDatasetConfig

PNG = saved(noise(6, 8), "PNG")
JPG = saved(noise(16, 24), "JPEG")


def coco_text(counts: Iterable[int]) -> str:
    """Run lengths as COCO writes them: `rleToString` of cocoapi's common/maskApi.c, number by number."""
    found, lengths = "", list(counts)
    for at, length in enumerate(lengths):
        rest = length - lengths[at - 2] if at > 2 else length
        more = True
        while more:
            digit = rest & 0x1F
            rest >>= 5
            more = rest != -1 if digit & 0x10 else rest != 0
            found += chr((digit | 0x20 if more else digit) + 48)
    return found


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


MASKS = [np.ones((16, 24), np.bool_)]
"""What `JPG` has in SA-1B's layout."""
SAMPLES = {
    "0001.jpg": JPG,
    "0001.txt": b"a caption",
    "0001.json": json.dumps({"license": "CC0-1.0", "caption": "from json", "url": "x", "similarity": 0.3}).encode(),
    "sub/0002.JPG": PNG,
    "sub/0002.cls": b"7",
    "sub/0002.pyd": b"cos\nsystem\n",
}
"""Files of a WebDataset."""
MASK = np.zeros((6, 8), np.bool_)
MASK[2:5, 3:7] = True
INSTANCES: dict[str, Any] = {
    "info": {"year": 2017},
    "licenses": [
        {"id": 1, "name": "Attribution License", "url": "http://creativecommons.org/licenses/by/2.0/"},
        {"id": 7, "name": "No known copyright restrictions", "url": "http://flickr.com/commons/usage/"},
        {"id": 9, "name": "zero", "url": "https://creativecommons.org/publicdomain/zero/1.0/"},
    ],
    "images": [
        {"id": 9, "file_name": "000009.jpg", "height": 6, "width": 8, "license": 1, "flickr_url": "http://f/9"},
        {"id": 2, "file_name": "000002.jpg", "height": 6, "width": 8, "license": 7},
        {"id": 4, "file_name": "in/000004.jpg", "height": 6, "width": 8, "license": 9},
    ],
    "annotations": [
        {"id": 50, "image_id": 2, "category_id": 18, "bbox": [1, 2, 3.5, 4], "iscrowd": 0, "segmentation": [[1, 2, 4, 2, 4, 6]]},
        {"id": 40, "image_id": 2, "category_id": 1, "bbox": [0, 0, 8, 6], "iscrowd": 1, "segmentation": {"size": [6, 8], "counts": runs(MASK)}},
        {"id": 30, "image_id": 9, "category_id": 1, "bbox": [3, 2, 4, 3], "iscrowd": 0, "segmentation": {"size": [6, 8], "counts": coco_text(runs(MASK))}},
    ],
    "categories": [{"id": 1, "name": "person", "supercategory": "person"}, {"id": 18, "name": "dog"}],
}  # fmt: skip
CAPTIONS = {
    "images": INSTANCES["images"],
    "annotations": [
        {"id": 6, "image_id": 9, "caption": "second"},
        {"id": 5, "image_id": 9, "caption": "first"},
        {"id": 8, "image_id": 777, "caption": "of another split"},
    ],
}

HF_ROWS = 7


def png(number: int) -> bytes:
    """A picture `number` + 4 wide."""
    file = io.BytesIO()
    Pillow.new("RGB", (4 + number, 5), (number, 9, 9)).save(file, "PNG")
    return file.getvalue()


def dataset(rows: int = HF_ROWS) -> Any:
    """A `datasets.Dataset` of pictures 4, 5, ... wide."""
    import datasets

    features = datasets.Features(
        {
            "image": datasets.Image(),
            "text": datasets.Value("string"),
            "key": datasets.Value("int64"),
            "all": [datasets.Value("string")],
        }
    )
    data = {
        "image": [{"bytes": png(n), "path": f"{n}.png"} for n in range(rows)],
        "text": [f"caption {n}" for n in range(rows)],
        "key": list(range(100, 100 + rows)),
        "all": [[f"first {n}", "second"] for n in range(rows)],
    }
    return datasets.Dataset.from_dict(data, features=features)


ROWS = [{"id": f"r{n}", "uri": f"{n}.png", "caption": "c"} for n in range(9)]


def _images(folder: Path) -> Source:
    files = {f"{a}/{b}.png": PNG for a in "zya" for b in range(3)}
    write_files(folder, {**files, "a/0.txt": "x", "y/1.json": '{"license": "y"}'})
    return ImagesConfig(path=str(folder)).load()


def _table(folder: Path) -> Source:
    write_files(folder / "in", {f"{n}.png": PNG for n in range(5)})
    pq.write_table(
        pa.table({"file_name": [f"{n}.png" for n in range(1, 6)], "caption": list("abcde")}), folder / "t.parquet"
    )
    return ImagesConfig(path=f"{folder}/in", table=f"{folder}/t.parquet").load()


def _jsonl(folder: Path) -> Source:
    write_files(folder, {"m.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS)})
    return ManifestConfig(path=f"{folder}/m.jsonl").load()


def _csv(folder: Path) -> Source:
    write_files(folder, {"m.csv": "id,uri,caption\n" + "".join(f"r{n},{n}.png,c\n" for n in range(9))})
    return ManifestConfig(path=f"{folder}/m.csv").load()


def _parquet(folder: Path) -> Source:
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "m.parquet", row_group_size=4)
    return ManifestConfig(path=f"{folder}/m.parquet").load()


def _sa1b(folder: Path) -> Source:
    masks = sa1b_file(1, MASKS, width=24, height=16)
    write_files(folder, {f"sa_{n}.{kind}": data for n in range(4) for kind, data in (("jpg", JPG), ("json", masks))})
    write_tar(folder / "a.tar", {"sa_9.json": masks, "sa_8.jpg": JPG, "sa_9.jpg": JPG, "sa_8.json": masks})
    return Sa1bConfig(path=str(folder)).load()


def _webdataset(folder: Path) -> Source:
    for name in "bca":
        write_tar(folder / f"{name}.tar", SAMPLES)
    return WebDatasetConfig(path=str(folder)).load()


def _huggingface(folder: Path) -> Source:
    for name in ("b", "a"):
        dataset().to_parquet(f"{folder}/{name}.parquet")
    return HuggingFaceConfig(path=str(folder), caption_column="text").load()


def _arrow(folder: Path) -> Source:
    dataset().save_to_disk(f"{folder}/d", num_shards=2)
    return HuggingFaceConfig(path=f"{folder}/d", caption_column="text").load()


def _coco(folder: Path) -> Source:
    write_files(folder, {"i.json": json.dumps(INSTANCES), "val/a.jpg": JPG})
    return CocoConfig(path=f"{folder}/i.json", images=f"{folder}/val").load()


MAKERS: dict[str, Callable[[Path], Source]] = {
    "images": _images, "table": _table, "jsonl": _jsonl, "csv": _csv, "parquet": _parquet, "sa1b": _sa1b,
    "webdataset": _webdataset, "huggingface": _huggingface, "arrow": _arrow, "coco": _coco,
}  # fmt: skip
"""Writes a small dataset of each layout into a folder, and gives the source over it."""
