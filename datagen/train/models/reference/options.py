"""The options of the family `reference`; its model is in `net`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from datagen.core.options import Options
from datagen.models.weights.config import WeightsConfig, WeightsSourceConfig
from datagen.train.data.selection import Needs
from datagen.train.models.family import Family

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from datagen.imaging.image import Pixels
    from datagen.train.data.examples import TrainingExample

MULTIPLE = 16
"""Pixels of a side that one token of the transformer covers: 8 of the autoencoder, 2 of a patch."""


class PretrainedPart(WeightsSourceConfig):
    """A network with weights: a repository or folder of it alone, or of a pipeline that has it."""

    packages: ClassVar[tuple[str, ...]] = ("torch", "diffusers", "transformers", "sentencepiece")
    extra: ClassVar[str] = "train"
    kind: Literal["pretrained"] = "pretrained"
    precision: Literal["float32", "bfloat16"] = "float32"
    """Number format of its weights; what is trained has to be float32."""

    def as_model(self) -> WeightsConfig:
        """The same weights as a model that is to be loaded."""
        return WeightsConfig(kind=self.kind, weights=self.weights, commit=self.commit, precision=self.precision)


class NewTransformer(Options):
    """A transformer that begins with random weights."""

    kind: Literal["new"] = "new"
    layers: int = Field(default=12, ge=1)
    """Blocks of self-attention, attention to the words, and a feed-forward network."""
    heads: int = Field(default=6, ge=1)
    """Of attention."""
    head_width: int = Field(default=64, ge=4, multiple_of=4)
    """Channels of one head."""


class QFormerOptions(Options):
    """The network that makes a few tokens of what the image encoder sees; it begins with random weights."""

    queries: int = Field(default=32, ge=1, le=256)
    """Tokens of one picture (32 in MIGE)."""
    width: int = Field(default=768, ge=8)
    """Channels; a multiple of `heads` and of the 8 heads of the fusion."""
    layers: int = Field(default=12, ge=1)
    """Every second one looks at the picture."""
    heads: int = Field(default=12, ge=1)
    """Of attention."""

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> QFormerOptions:
        if self.width % self.heads or self.width % FUSION_HEADS:
            raise ValueError(f"width {self.width} is no multiple of heads ({self.heads}) and of {FUSION_HEADS}")
        return self


FUSION_HEADS = 8
_PIXART = "PixArt-alpha/PixArt-XL-2-512x512"
Transformer = Annotated[PretrainedPart | NewTransformer, Field(discriminator="kind")]


class ReferenceConfig(Family):
    """An editor whose instructions have pictures among their words, as in MIGE."""

    packages: ClassVar[tuple[str, ...]] = ("torch", "diffusers", "transformers", "sentencepiece")

    kind: Literal["reference"] = "reference"
    transformer: Transformer = PretrainedPart(weights=_PIXART)
    """A `PixArtTransformer2DModel` for latents of 4 channels, which gets 4 more for the source; or a new one."""
    vae: PretrainedPart = PretrainedPart(weights=_PIXART)
    """An `AutoencoderKL`, for sources, targets and references; it is not trained."""
    language_model: PretrainedPart = PretrainedPart(weights=_PIXART)
    """A T5, whose encoder reads words and pictures, with its tokenizer."""
    image_encoder: PretrainedPart = PretrainedPart(weights="openai/clip-vit-large-patch14")
    """A CLIP, whose vision tower sees what a reference is; it is not trained."""
    qformer: QFormerOptions = QFormerOptions()
    """What makes tokens of a reference."""
    freeze: tuple[Literal["language_model"], ...] = ()
    """What is not trained either; MIGE trains all but the two image encoders."""
    most_references: int = Field(default=4, ge=0, le=32)
    """Most reference pictures of a sample; samples with more are not used."""
    tokens: int = Field(default=256, ge=2, le=4096)
    """Most tokens of an instruction, those of its pictures among them; samples with more are not used."""
    reference_side: int = Field(default=256, ge=MULTIPLE, multiple_of=MULTIPLE)
    """Side, in pixels, at which the autoencoder sees a reference, in a white square."""
    drop: float = Field(default=0.05, ge=0, le=1 / 3)
    """How often the source is left out in training, how often the instruction, and how often both, for guidance."""
    sampling_steps: int = Field(default=20, ge=1)
    """Steps from noise to a picture."""
    guidance: float = Field(default=7.5, ge=0)
    """How strongly an edit follows the instruction and its pictures; 1 is as trained."""
    source_guidance: float = Field(default=1.5, ge=0)
    """How strongly it follows the source; 1 is as trained."""

    @model_validator(mode="after")
    def _trained_in_full_precision(self) -> ReferenceConfig:
        frozen = "language_model" in self.freeze
        for name, part in (
            ("transformer", self.transformer),
            *([] if frozen else [("language_model", self.language_model)]),
        ):
            if isinstance(part, PretrainedPart) and part.precision != "float32":
                remedy = "; or freeze it" if name == "language_model" else ""
                raise ValueError(f"{name}.precision: it is trained, which wants float32{remedy}")
        return self

    @property
    def multiple(self) -> int:
        """What the sides of pictures have to be multiples of."""
        return MULTIPLE

    def bases(self) -> tuple[PretrainedPart, ...]:
        """The parts that have weights, each repository once."""
        parts = (self.transformer, self.vae, self.language_model, self.image_encoder)
        return tuple({part.revision: part for part in parts if isinstance(part, PretrainedPart)}.values())

    def needs(self) -> Needs:
        """What it needs of a sample."""
        from datagen.train.models.reference.net import too_long

        return Needs(
            source=False,
            most_references=self.most_references,
            placeholders=True,
            also=lambda facts: too_long(self, facts),
        )

    def build(self) -> nn.Module:
        """The networks, those without weights drawn at random."""
        from datagen.train.models.reference.net import built

        return built(self)

    def batch(self, model: nn.Module, examples: Sequence[TrainingExample]) -> dict[str, Tensor]:
        """Examples of one size as tensors: pictures B,3,H,W, tokens B,L, and B,P,3,s,s for what stands among them."""
        from datagen.train.models.reference.net import batch_of

        return batch_of(self, model, examples)

    def encode(self, model: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the two image encoders make of a batch."""
        from datagen.train.models.reference.net import encoded_of

        return encoded_of(model, batch)

    def losses(
        self, model: nn.Module, encoded: Mapping[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The loss of each example, and the time, 0 to 1, at which it was taken: B and B."""
        from datagen.train.models.reference.net import losses_of

        return losses_of(model, encoded, generator, drop=self.drop)

    def pipeline(self, model: nn.Module) -> Any:
        """The `ReferenceEditPipeline` of the networks."""
        return model.pipe

    def load_pipeline(self, folder: str) -> Any:
        """The pipeline in a folder."""
        from datagen.train.models.reference.pipeline import ReferenceEditPipeline

        return ReferenceEditPipeline.from_pretrained(folder, local_files_only=True)

    def edit(self, pipeline: Any, example: TrainingExample, *, seed: int) -> Pixels:
        """What a pipeline makes of an example's source and references: HWC uint8."""
        from datagen.train.models.reference.net import edited

        return edited(self, pipeline, example, seed=seed)
