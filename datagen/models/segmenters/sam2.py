"""SAM 2 and SAM 3 as segmenters, implemented by transformers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from PIL import Image
from pydantic import Field

from datagen.core.fields import Box
from datagen.core.options import PACE
from datagen.models.segmenters.base import BoxPrompts, PromptedConfig, Segmentation, Segmenter
from datagen.models.segmenters.sam_masks import best_masks
from datagen.models.weights.batches import Batches
from datagen.models.weights.inference import inference_mode
from datagen.models.weights.pretrained import load_errors_explained, load_pretrained

if TYPE_CHECKING:
    import torch


class Sam2Config(PromptedConfig):
    """SAM 2 and 2.1 (arXiv:2408.00714) by transformers, on still pictures."""

    kind: Literal["sam2"] = "sam2"
    license: ClassVar[str] = "Apache-2.0"

    weights: Annotated[str, PACE] = Field(default="facebook/sam2.1-hiera-large", min_length=1)
    """A repository of the hub, or a folder as transformers saves it."""
    commit: str = "665f8e2ad61cf5f53d65644ff27c8ee525124610"
    """The commit that pins them; this one is the default's, others have none unless it is given."""

    def load(self, device: str) -> Segmenter:
        """The segmenter. Raises `SetupError` if packages, weights or device are missing."""
        self.check_packages()
        return Sam2Segmenter(self, device=device)


class Sam3Config(PromptedConfig):
    """SAM 3 (arXiv:2511.16719) by transformers, prompted by boxes as its tracker is."""

    kind: Literal["sam3"] = "sam3"
    license: ClassVar[str] = "LicenseRef-SAM"

    weights: Annotated[str, PACE] = Field(default="facebook/sam3", min_length=1)
    """A repository of the hub, which asks for consent to its licence, or a folder as transformers saves it."""

    def load(self, device: str) -> Segmenter:
        """The segmenter. Raises `SetupError` if packages, weights or device are missing."""
        self.check_packages()
        return Sam3Segmenter(self, device=device)


class Sam2Segmenter:
    """Encodes a picture once, then decodes its boxes in batches; only the encoder computes in half precision."""

    model_class: ClassVar[str] = "Sam2Model"
    processor_class: ClassVar[str] = "Sam2Processor"
    """Names of classes in transformers; strings, because transformers is imported only when the model is loaded."""

    def __init__(self, config: Sam2Config | Sam3Config, *, device: str) -> None:
        import torch
        import transformers

        self._dtype, self._device = config.prepare(device), device
        self._takes_best = config.masks == "best"
        self._model = load_pretrained(
            getattr(transformers, self.model_class), config, device=device, dtype=torch.float32
        )
        self._model.vision_encoder.to(self._dtype)
        self._model.vision_encoder.register_forward_hook(_upcast_features)
        with load_errors_explained(config, "processor"):
            processor: Any = getattr(transformers, self.processor_class)
            self._processor = processor.from_pretrained(config.weights_path(), local_files_only=True)
        self._pictures, self._boxes = Batches(config.batch_size), Batches(config.boxes_at_once)

    @inference_mode
    def __call__(self, pictures: list[BoxPrompts]) -> list[list[Segmentation]]:
        """See `Segmenter`; annotations are ignored, scores are the model's estimates of the mask's IoU."""
        return self._pictures.map(pictures, self._segment)

    def _segment(self, pictures: Sequence[BoxPrompts]) -> list[list[Segmentation]]:
        images = [Image.fromarray(picture.image) for picture in pictures]
        inputs = self._processor.image_processor(images, return_tensors="pt")
        levels_BCHW = self._model.get_image_embeddings(inputs["pixel_values"].to(self._device, self._dtype))
        return [
            self._boxes.map(
                picture.boxes,
                partial(self._decode, list(picture.image.shape[:2]), [level[n : n + 1] for level in levels_BCHW]),
            )
            for n, picture in enumerate(pictures)
        ]

    def _decode(self, size: list[int], levels_BCHW: list[torch.Tensor], boxes: Sequence[Box]) -> list[Segmentation]:
        """`size` is the picture's (height, width); `levels_BCHW` are its features, with B = 1."""
        prompts = self._processor(
            original_sizes=[size], input_boxes=[[list(box) for box in boxes]], return_tensors="pt"
        )
        out = self._model(
            image_embeddings=levels_BCHW,
            input_boxes=prompts["input_boxes"].to(self._device),
            multimask_output=self._takes_best,
        )
        masks_BCHW = self._processor.post_process_masks([out.pred_masks[0]], [size])[0]
        return best_masks(masks_BCHW, out.iou_scores[0])


class Sam3Segmenter(Sam2Segmenter):
    """The same with the tracker of SAM 3, which takes boxes like SAM 2."""

    model_class: ClassVar[str] = "Sam3TrackerModel"
    processor_class: ClassVar[str] = "Sam3TrackerProcessor"


def _upcast_features(_module: torch.nn.Module, _args: Any, out: Any) -> Any:
    """A hook that converts the encoder's feature maps to float32, in which the decoder computes."""
    out.fpn_hidden_states = tuple(level.float() for level in out.fpn_hidden_states)
    return out
