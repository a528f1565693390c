"""A pipeline of diffusers: held against what its call takes, loaded, called."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image as Pillow

from datagen.imaging.geometry import resize
from datagen.imaging.image import Mask, Pixels
from datagen.models.diffusion.config import DiffusersConfig
from datagen.models.diffusion.loading import load_pipeline
from datagen.models.generated import Declined, Generated
from datagen.models.weights.batches import Batches


class ImageRequest(NamedTuple):
    """One picture that is to be made."""

    prompt: str
    seed: int
    size: tuple[int, int]
    """Width and height, multiples of what the model takes."""
    image: Pixels | None = None
    """The picture to start from, of that size."""
    mask: Mask | None = None
    """What of it is to be painted."""


class DiffusersPipeline:
    """Makes pictures, those of one size in batches; each from its own noise, whatever else is wished for."""

    def __init__(self, config: DiffusersConfig, device: str) -> None:
        self.pipe = load_pipeline(config, device)
        self.names = set(inspect.signature(type(self.pipe).__call__).parameters)
        self.arguments = config.arguments
        self.batches = Batches(config.batch_size)

    def make(self, wishes: Sequence[ImageRequest]) -> list[Generated]:
        """A picture for each wish, of the size that was wished for. Raises `DataError` for one too large by itself."""
        return self.batches.map_grouped(wishes, self._called, key=lambda wish: wish.size)

    def _called(self, wishes: Sequence[ImageRequest]) -> list[Generated]:
        told = self.pipe(**self._filled_in(wishes), **self._given(len(wishes)), output_type="pil")
        unsafe = getattr(told, "nsfw_content_detected", None) or [False] * len(wishes)
        pictures = [resize(np.asarray(image.convert("RGB")), wishes[0].size) for image in told.images]
        return [_UNSAFE if bad else picture for picture, bad in zip(pictures, unsafe, strict=True)]

    def _given(self, number: int) -> dict[str, Any]:
        """The config's arguments; several prompts want as many negative ones, or Stable Diffusion takes neither."""
        return {
            name: [value] * number if number > 1 and _is_negative(name, value) else value
            for name, value in self.arguments.items()
        }

    def _filled_in(self, wishes: Sequence[ImageRequest]) -> dict[str, Any]:
        """The arguments that come from the records, as far as the pipeline has them; noise is drawn on the CPU, so that
        it is the same on any GPU.
        """
        import torch

        width, height = wishes[0].size
        given = {
            "prompt": _listed([wish.prompt for wish in wishes]),
            "generator": _listed([torch.Generator("cpu").manual_seed(wish.seed) for wish in wishes]),
            "width": width,
            "height": height,
            "max_area": width * height,  # FLUX Kontext scales to its own otherwise, and the picture to another shape
            "_auto_resize": False,
        }
        images = [Pillow.fromarray(wish.image) for wish in wishes if wish.image is not None]
        masks = [Pillow.fromarray(wish.mask.astype(np.uint8) * 255) for wish in wishes if wish.mask is not None]
        given |= {"image": _listed(images)} if images else {}
        given |= {"mask_image": _listed(masks)} if masks else {}
        return {name: value for name, value in given.items() if name in self.names}


_UNSAFE = Declined("unsafe", "the model's own safety checker objects to what it made, and blackened it")


def _is_negative(name: str, value: Any) -> bool:
    return name.startswith("negative_prompt") and isinstance(value, str)


def _listed(values: list[Any]) -> Any:
    """One value as itself: to some pipelines a list of pictures is several of one edit."""
    return values if len(values) > 1 else values[0]
