"""Segment Anything by its authors' package `segment-anything`, from a `.pth` checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen.core.fields import Box
from datagen.core.options import PACE
from datagen.models.segmenters.base import BoxPrompts, PromptedConfig, Segmentation, Segmenter
from datagen.models.segmenters.sam_masks import best_masks
from datagen.models.weights.batches import Batches
from datagen.models.weights.inference import inference_mode
from datagen.models.weights.pretrained import load_errors_explained

if TYPE_CHECKING:
    import torch
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam


class SamConfig(PromptedConfig):
    """Segment Anything (arXiv:2304.02643) by the `segment-anything` package, from its `.pth` checkpoint.

    Which of its sizes it is, the checkpoint tells. In half precision only the image is encoded.
    """

    kind: Literal["sam"] = "sam"
    license: ClassVar[str] = "Apache-2.0"
    packages: ClassVar[tuple[str, ...]] = ("torch", "torchvision", "segment_anything")

    weights: Annotated[str, PACE] = Field(min_length=1)
    """The `.pth` file, such as sam_vit_h_4b8939.pth, or `owner/name:file` on the hub."""

    def load(self, device: str) -> Segmenter:
        """The segmenter. Raises `SetupError` if packages, weights or device are missing."""
        self.check_packages()
        return SamSegmenter(self, device=device)


_HEADS = 8
"""Attention heads of the mask decoder: the one size that no weight's shape shows; 8 in all published checkpoints."""


class SamSegmenter:
    """Encodes a picture once, then decodes its boxes in batches, like the package's `SamPredictor`."""

    def __init__(self, config: SamConfig, *, device: str) -> None:
        import torch
        from segment_anything.utils.transforms import ResizeLongestSide

        self._dtype, self._device = config.prepare(device), device
        self._takes_best = config.masks == "best"
        with load_errors_explained(config, "checkpoint"):
            self._sam = read_sam(torch.load(config.weights_path(), map_location="cpu", weights_only=True)).to(device)
            self._sam.image_encoder.to(self._dtype)
        self._resize = ResizeLongestSide(self._sam.image_encoder.img_size)
        self._pictures, self._boxes = Batches(config.batch_size), Batches(config.boxes_at_once)

    @inference_mode
    def __call__(self, pictures: list[BoxPrompts]) -> list[list[Segmentation]]:
        """See `Segmenter`; annotations are ignored, scores are the model's estimates of the mask's IoU."""
        return self._pictures.map(pictures, self._segment)

    def _segment(self, pictures: Sequence[BoxPrompts]) -> list[list[Segmentation]]:
        import torch

        resized = [torch.from_numpy(self._resize.apply_image(picture.image)).permute(2, 0, 1) for picture in pictures]
        pixels_BCHW = torch.stack([self._sam.preprocess(picture.to(self._device)) for picture in resized])
        encoded_BCHW = self._sam.image_encoder(pixels_BCHW.to(self._dtype)).float()
        sizes = [(picture.shape[-2], picture.shape[-1]) for picture in resized]
        return [
            self._boxes.map(picture.boxes, partial(self._decode, picture.image, encoded_CHW[None], size))
            for picture, encoded_CHW, size in zip(pictures, encoded_BCHW, sizes, strict=True)
        ]

    def _decode(
        self, image: NDArray[np.uint8], encoded_BCHW: torch.Tensor, size: tuple[int, int], boxes: Sequence[Box]
    ) -> list[Segmentation]:
        """`size` is the (height, width) of the resized picture, without the padding to a square."""
        import torch

        shape = image.shape[:2]
        prompts = torch.as_tensor(self._resize.apply_boxes(np.asarray(boxes), shape), dtype=torch.float)
        sparse, dense = self._sam.prompt_encoder(points=None, boxes=prompts.to(self._device), masks=None)
        logits_BCHW, scores_BC = self._sam.mask_decoder(
            image_embeddings=encoded_BCHW,
            image_pe=self._sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=self._takes_best,
        )
        masks_BCHW = self._sam.postprocess_masks(logits_BCHW, size, shape) > self._sam.mask_threshold
        return best_masks(masks_BCHW, scores_BC)


def read_sam(state: Mapping[str, Any]) -> Sam:
    """The model of a checkpoint. Its sizes are read from the shapes of the weights, so that no option has to name them.

    Raises `KeyError` if the checkpoint is of another model.
    """
    from segment_anything.modeling import Sam

    sam = Sam(_encoder(state), _prompt_encoder(state), _mask_decoder(state))
    sam.load_state_dict(state)
    return sam.eval()


def _encoder(state: Mapping[str, Any]) -> ImageEncoderViT:
    import torch
    from segment_anything.modeling import ImageEncoderViT

    width, _, patch, _ = state["image_encoder.patch_embed.proj.weight"].shape
    grid = state["image_encoder.pos_embed"].shape[1]
    # A table of relative positions has 2 n - 1 rows for attention over n patches: a window's, or the whole grid's.
    spans = [(len(state[name]) + 1) // 2 for name in _names(state, "image_encoder.blocks.{}.attn.rel_pos_h")]
    return ImageEncoderViT(
        img_size=grid * patch,
        patch_size=patch,
        embed_dim=width,
        depth=len(spans),
        num_heads=width // state["image_encoder.blocks.0.attn.rel_pos_h"].shape[1],
        mlp_ratio=len(state["image_encoder.blocks.0.mlp.lin1.weight"]) / width,
        out_chans=len(state["image_encoder.neck.0.weight"]),
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=min(spans),
        global_attn_indexes=[number for number, span in enumerate(spans) if span == grid],
    )


def _prompt_encoder(state: Mapping[str, Any]) -> PromptEncoder:
    from segment_anything.modeling import PromptEncoder

    patch, grid = state["image_encoder.patch_embed.proj.weight"].shape[-1], state["image_encoder.pos_embed"].shape[1]
    return PromptEncoder(
        embed_dim=state["prompt_encoder.no_mask_embed.weight"].shape[1],
        image_embedding_size=(grid, grid),
        input_image_size=(grid * patch, grid * patch),
        mask_in_chans=len(state["prompt_encoder.mask_downscaling.3.weight"]),
    )


def _mask_decoder(state: Mapping[str, Any]) -> MaskDecoder:
    from segment_anything.modeling import MaskDecoder, TwoWayTransformer

    tokens, width = state["mask_decoder.mask_tokens.weight"].shape
    transformer = TwoWayTransformer(
        depth=len(_names(state, "mask_decoder.transformer.layers.{}.mlp.lin1.weight")),
        embedding_dim=width,
        mlp_dim=len(state["mask_decoder.transformer.layers.0.mlp.lin1.weight"]),
        num_heads=_HEADS,
    )
    return MaskDecoder(
        transformer_dim=width,
        transformer=transformer,
        num_multimask_outputs=tokens - 1,
        iou_head_depth=len(_names(state, "mask_decoder.iou_prediction_head.layers.{}.weight")),
        iou_head_hidden_dim=len(state["mask_decoder.iou_prediction_head.layers.0.weight"]),
    )


def _names(state: Mapping[str, Any], pattern: str) -> list[str]:
    """The keys of `state` that match `pattern` with 0, 1, ..., as far as they exist."""
    count = 0
    while pattern.format(count) in state:
        count += 1
    return [pattern.format(number) for number in range(count)]
