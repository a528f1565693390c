"""Inpainting by LaMa, from a TorchScript file.

Inputs and outputs are as in advimman/lama (`saicinpainting/evaluation/data.py`, `bin/predict.py`) and IOPaint
(`iopaint/model/lama.py`): RGB and mask from 0 to 1, BCHW, mirrored at the right and bottom to multiples of 8. These
truncate the result to whole grey levels; here it is rounded.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen.core.errors import SetupError
from datagen.core.options import PACE
from datagen.imaging.geometry import pad_to_multiple
from datagen.imaging.image import Mask, Pixels
from datagen.models.inpainters.base import Inpainter
from datagen.models.weights.batches import Batches
from datagen.models.weights.config import WeightsConfig


class LamaConfig(WeightsConfig):
    """LaMa (Suvorov et al. 2022), which MIGE removes subjects with, as a TorchScript file."""

    packages: ClassVar[tuple[str, ...]] = ("torch",)

    kind: Literal["lama"] = "lama"
    precision: Literal["float32"] = "float32"
    """Nothing else, whatever its file holds: in half precision its Fourier transforms are too coarse, and there for
    sides of powers of two alone."""
    batch_size: Annotated[int, PACE] = Field(default=1, ge=1)
    """Pictures of one size that it takes at once; a batch that does not fit into memory is halved, and stays so."""

    def load(self, device: str) -> Inpainter:
        """Load the file onto `device`. Raises `SetupError`."""
        return LamaInpainter(self, device)


_MULTIPLE = 8
"""Sides are padded to multiples of this many pixels: the network halves them three times."""
_Hole = tuple[Pixels, Mask]
"""A padded picture and its mask."""


class LamaInpainter:
    """Fills holes in one pass of the network, without random numbers."""

    def __init__(self, config: LamaConfig, device: str) -> None:
        config.prepare(device)
        self.model = _load_script(config, device)
        self.device = device
        self.batches = Batches(config.batch_size)

    def __call__(
        self,
        images: list[NDArray[np.uint8]],
        masks: list[NDArray[np.bool_]],
        *,
        seeds: list[int],  # noqa: ARG002 - nothing is drawn
    ) -> list[NDArray[np.uint8]]:
        """See `Inpainter`."""
        # Grouped by size: a batch is one tensor, so that all of its pictures need the same padded size.
        holes = [
            (pad_to_multiple(image, _MULTIPLE), pad_to_multiple(mask, _MULTIPLE))
            for image, mask in zip(images, masks, strict=True)
        ]
        painted = self.batches.map_grouped(holes, self._paint, key=lambda hole: hole[1].shape)
        return [one[: image.shape[0], : image.shape[1]] for one, image in zip(painted, images, strict=True)]

    def _paint(self, holes: Sequence[_Hole]) -> list[Pixels]:
        import torch

        image_BHWC = np.stack([image_HWC for image_HWC, _ in holes]).astype(np.float32) / 255
        mask_BHW = np.stack([mask_HW for _, mask_HW in holes]).astype(np.float32)
        image_BCHW = torch.from_numpy(image_BHWC).permute(0, 3, 1, 2).contiguous().to(self.device)
        mask_BCHW = torch.from_numpy(mask_BHW)[:, None].to(self.device)
        with torch.inference_mode():
            painted_BCHW = self.model(image_BCHW, mask_BCHW)
        levels_BCHW = (painted_BCHW * 255).round().clamp(0, 255).to(torch.uint8)
        return list(levels_BCHW.permute(0, 2, 3, 1).cpu().numpy())


def _load_script(config: LamaConfig, device: str) -> Any:
    import torch

    path = config.weights_path()
    if path.is_dir():
        raise SetupError(f"{path} is a folder, LaMa is one TorchScript file: name the file in it, such as big-lama.pt")
    load: Any = torch.jit.load  # it has no types
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="`torch.jit", category=FutureWarning)  # LaMa is published so
            return load(str(path), map_location=device).eval().float()  # a file may hold half precision
    except (RuntimeError, ValueError) as error:
        message = str(error).strip().splitlines()[0]
        raise SetupError(
            f"{path} cannot be loaded as TorchScript ({message}): LaMa's own checkpoint `best.ckpt` is none; "
            "take a `big-lama.pt` that was exported (docs/generators.md says where from)"
        ) from error
