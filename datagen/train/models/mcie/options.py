"""The options of the family `mcie`; what it computes is in `guidance` and `learning`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from datagen.models.weights.config import WeightsConfig
from datagen.train.data.selection import BoxRule, Facts, Needs
from datagen.train.models.ip2p import Ip2pConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from datagen.imaging.image import Pixels
    from datagen.train.data.examples import TrainingExample
    from datagen.train.models.mcie.learning import MCIEModel
    from datagen.train.models.mcie.pipeline import MCIEPipeline


class SourceEncoderConfig(WeightsConfig):
    """The vision encoder of a CLIP, which the background is seen by. It is not trained."""

    kind: Literal["clip_vision"] = "clip_vision"
    weights: str = "openai/clip-vit-large-patch14"
    commit: str = "32bd64288804d66eefd0ccbe215aa642df71cc41"


class MCIEConfig(Ip2pConfig):
    """MCIE (arXiv:2602.07993, section 3.2), from an InstructPix2Pix, a text-to-image model, or an earlier MCIE.

    Trained are the boxes' and the background's own parts, the U-Net's cross-attentions, and a LoRA of its
    self-attentions, which is merged into the U-Net when the model is saved.
    """

    kind: Literal["mcie"] = "mcie"  # type: ignore[assignment]
    image_encoder: SourceEncoderConfig = SourceEncoderConfig()
    """What the source is seen by for the background; of an earlier MCIE its own one is taken."""
    boxes: BoxRule = "required"
    """`required`: samples without boxes are not used; `whole_picture`: an edit without a box may be anywhere; `unused`:
    boxes are not looked at."""
    most_edits: int = Field(default=4, ge=1)
    """Most single edits of a sample; samples with more are not used."""
    masking: Literal["one_softmax", "literal"] = "one_softmax"
    """How a sub-instruction is bound to its box. `one_softmax`: what a pixel does not lie in is hidden from it.
    `literal`: equation 7 as printed, which multiplies products by the mask and hides nothing."""
    schedule: Literal["early", "literal", "none"] = "early"
    """When boxes bind most: `early`, while the layout is decided, as the paper's prose says; `literal`, equation 8 as
    printed, at the end; `none`, always."""
    background: Literal["outside", "literal", "none"] = "outside"
    """Where the source is mixed in: `outside` of all boxes; `literal`, everywhere (equations 10 and 11 as printed);
    `none`, nowhere."""
    box_queries: int = Field(default=2, ge=1)
    """Tokens that a box becomes (2 in section 4.2)."""
    box_depth: int = Field(default=2, ge=1)
    """Transformer blocks that make them."""
    background_queries: int = Field(default=16, ge=1)
    """Tokens that the source becomes (16 in section 4.2)."""
    background_depth: int = Field(default=4, ge=1)
    """Transformer blocks that make them."""
    lora_rank: int = Field(default=16, ge=0)
    """Rank of the LoRA of self-attentions; 0 for none. The paper does not give its own."""
    train_cross_attention: bool = True
    """Whether the U-Net's cross-attentions are trained too."""

    def needs(self) -> Needs:  # type: ignore[override]
        """A source, boxes as `boxes` says, and words that the text encoder takes, in the whole and in each part."""
        return Needs(boxes=self.boxes, most_edits=self.most_edits, also=self._any_too_long)

    def _any_too_long(self, facts: Facts) -> str:
        whole = [facts, *(facts._replace(text=part.text, instruction=part.text) for part in facts.parts)]
        return next((reason for each in whole if (reason := self._too_long(each))), "")

    def build(self) -> MCIEModel:
        """The model, whose new parts have random weights. Raises `ConfigError` and `SetupError`."""
        from datagen.train.models.mcie.learning import read_mcie

        return read_mcie(self)

    @property
    def uses_boxes(self) -> bool:
        """Whether boxes are looked at."""
        return self.boxes != "unused"

    def batch(self, model: nn.Module, examples: Sequence[TrainingExample]) -> dict[str, Tensor]:
        """`source`, `target` B,3,H,W, `tokens` B,m+1,L with the whole first, `boxes` B,m,4 and `there` B,m."""
        from datagen.train.models.mcie.learning import batch_of

        words = [self.words_of(example) for example in examples]
        return batch_of(model, examples, words, uses_boxes=self.uses_boxes, most_edits=self.most_edits)

    def encode(self, model: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """As of `ip2p`, with `text` B,m+1,L,C, and the `features` of the source B,P,v if there is a background."""
        from datagen.train.models.mcie.learning import encoded_of

        return encoded_of(model, batch)

    def losses(
        self, model: nn.Module, encoded: Mapping[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The loss of each example, and the time, 0 to 1, at which it was taken: B and B."""
        from datagen.train.models.mcie.learning import losses_of

        drops = {"drop_text": self.drop_text, "drop_image": self.drop_image, "drop_both": self.drop_both}
        return losses_of(model, encoded, generator, **drops)

    def pipeline(self, model: MCIEModel) -> MCIEPipeline:  # type: ignore[override]
        """The model as a pipeline that edits."""
        return model.pipeline()

    def save(self, model: MCIEModel, folder: str) -> None:  # type: ignore[override]
        """Write the pipeline with a stock U-Net, into which the LoRA is merged."""
        model.merged_pipeline().save_pretrained(folder)

    def load_pipeline(self, folder: str) -> MCIEPipeline:
        """The pipeline in a folder."""
        from datagen.train.models.mcie.pipeline import MCIEPipeline

        pipeline: MCIEPipeline = MCIEPipeline.from_pretrained(folder, local_files_only=True)
        return pipeline

    def edit(self, pipeline: Any, example: TrainingExample, *, seed: int) -> Pixels:
        """What a pipeline makes of an example's source: HWC uint8. Raises `DataError` for too many words."""
        from datagen.train.models.mcie.learning import edited

        return edited(
            pipeline,
            example,
            self.words_of(example),
            uses_boxes=self.uses_boxes,
            seed=seed,
            num_inference_steps=self.sampling_steps,
            guidance_scale=self.guidance_scale,
            image_guidance_scale=self.image_guidance_scale,
        )
