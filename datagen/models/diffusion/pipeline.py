"""Call a diffusers pipeline on requests for pictures; editors, inpainters and generators are built on it."""

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
    """One picture to make."""

    prompt: str
    seed: int
    size: tuple[int, int]
    """Width and height in pixels, multiples of the config's `multiple`."""
    image: Pixels | None = None
    """The picture to start from, HWC uint8 RGB, of that size."""
    mask: Mask | None = None
    """The pixels of it to paint, HW."""


class DiffusersPipeline:
    """Makes pictures; requests of one size share a batch.

    Each request draws its own noise, so that its picture does not depend on the other requests.
    """

    def __init__(self, config: DiffusersConfig, device: str) -> None:
        self.pipe = load_pipeline(config, device)
        self.names = set(inspect.signature(type(self.pipe).__call__).parameters)
        self.arguments = config.arguments
        self.batches = Batches(config.batch_size)

    def generate(self, requests: Sequence[ImageRequest]) -> list[Generated]:
        """One picture for each request. Raises `DataError` if one alone does not fit into memory."""
        return self.batches.map_grouped(requests, self._call, key=lambda request: request.size)

    def _call(self, requests: Sequence[ImageRequest]) -> list[Generated]:
        """The pictures of one batch: requests of one size."""
        output = self.pipe(
            **self._request_arguments(requests), **self._config_arguments(len(requests)), output_type="pil"
        )
        unsafe = getattr(output, "nsfw_content_detected", None) or [False] * len(requests)
        pictures = [resize(np.asarray(image.convert("RGB")), requests[0].size) for image in output.images]
        return [_UNSAFE if bad else picture for picture, bad in zip(pictures, unsafe, strict=True)]

    def _config_arguments(self, number: int) -> dict[str, Any]:
        """The config's `arguments` for a batch of `number` prompts."""
        # One negative prompt is repeated for each prompt: Stable Diffusion refuses a batch with fewer of them.
        return {
            name: [value] * number if number > 1 and _is_negative(name, value) else value
            for name, value in self.arguments.items()
        }

    def _request_arguments(self, requests: Sequence[ImageRequest]) -> dict[str, Any]:
        """The arguments that come from the requests, without those that the pipeline's call does not take."""
        import torch

        width, height = requests[0].size
        images = [Pillow.fromarray(request.image) for request in requests if request.image is not None]
        masks = [Pillow.fromarray(one.mask.astype(np.uint8) * 255) for one in requests if one.mask is not None]
        # Generators on the CPU: noise drawn on a GPU would differ from one type of GPU to another.
        arguments = {
            "prompt": _single_or_list([request.prompt for request in requests]),
            "generator": _single_or_list([torch.Generator("cpu").manual_seed(request.seed) for request in requests]),
            "width": width,
            "height": height,
            # Without these two FLUX Kontext scales to a size of its own, and changes the picture's shape.
            "max_area": width * height,
            "_auto_resize": False,
        }
        arguments |= {"image": _single_or_list(images)} if images else {}
        arguments |= {"mask_image": _single_or_list(masks)} if masks else {}
        return {name: value for name, value in arguments.items() if name in self.names}


_UNSAFE = Declined("unsafe", "the model's own safety checker objects to what it made, and blackened it")


def _is_negative(name: str, value: Any) -> bool:
    return name.startswith("negative_prompt") and isinstance(value, str)


def _single_or_list(values: list[Any]) -> Any:
    """A single value as itself: some pipelines take a list of pictures as several inputs of one edit."""
    return values if len(values) > 1 else values[0]
