"""The options of the family `lora`; its model is in `net`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from datagen.core.options import PACE, Options
from datagen.models.diffusion.config import DiffusersConfig
from datagen.models.weights.config import WeightsSourceConfig
from datagen.train.data.selection import Needs
from datagen.train.models.family import Family

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from datagen.imaging.image import Pixels
    from datagen.train.data.examples import TrainingExample

LEAST_SIDE = 64
"""Shortest side of a picture that the pipeline takes, in pixels."""
MOST_RATIO = 8
"""Largest ratio of sides that it takes."""
MOST_PIXELS = 1024 * 1024
"""Above, the pipeline itself makes pictures smaller."""
MULTIPLE = 16


class KleinWeights(WeightsSourceConfig):
    """FLUX.2 Klein, as the pipeline `Flux2KleinPipeline` of diffusers: a repository, or a folder."""

    packages: ClassVar[tuple[str, ...]] = DiffusersConfig.packages
    fetched: ClassVar[tuple[str, ...]] = DiffusersConfig.fetched
    extra: ClassVar[str] = "train"
    kind: Literal["klein"] = "klein"
    weights: Annotated[str, PACE] = Field(default="black-forest-labs/FLUX.2-klein-base-4B", min_length=1)
    """A repository of the hub, `owner/name`, or a folder here, which starts with `/`, `./`, `../` or `~`."""
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    """Number format of its weights, which are not trained; those of the LoRA are float32."""

    def as_pipeline(self) -> DiffusersConfig:
        """The same weights as a pipeline that is to be loaded."""
        return DiffusersConfig(weights=self.weights, commit=self.commit, precision=self.precision)


class LoraOptions(Options):
    """The small weights that are trained: two thin matrices beside each large one."""

    rank: int = Field(default=16, ge=1, le=1024)
    """Width of the two matrices."""
    alpha: int = Field(default=16, ge=1)
    """What they give is scaled by `alpha / rank`."""
    dropout: float = Field(default=0, ge=0, lt=1)
    """How often one of their inputs is left out in training."""
    targets: tuple[str, ...] = Field(
        default=(
            "to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out",
            "to_qkv_mlp_proj", "attn.to_out",
        ),
        min_length=1,
    )  # fmt: skip
    """Linear layers of the transformer that get them, by the ends of their names; by default all of attention."""


class LoraConfig(Family):
    """A LoRA on FLUX.2 Klein: the source is its first picture, the references follow."""

    packages: ClassVar[tuple[str, ...]] = ("torch", "diffusers", "transformers", "accelerate", "peft")

    kind: Literal["lora"] = "lora"
    base: KleinWeights = KleinWeights()
    """The model that is trained on. Its licence is also that of what is trained."""
    lora: LoraOptions = LoraOptions()
    """The weights that are trained."""
    prompt: Literal["numbered", "text"] = "numbered"
    """Words that the model reads. `numbered`: the instruction, with "image 1", "image 2" for its placeholders; `text`:
    what the dataset has without placeholders."""
    most_references: int = Field(default=3, ge=0, le=9)
    """Most reference pictures of a sample, beside its source; samples with more are not used."""
    reference_pixels: int = Field(default=512 * 512, ge=LEAST_SIDE**2, le=MOST_PIXELS)
    """A reference with more pixels is made smaller."""
    tokens: int = Field(default=512, ge=16, le=4096)
    """Most tokens of a prompt, the frame of a chat among them; samples with more are not used."""
    text_layers: tuple[int, ...] = Field(default=(9, 18, 27), min_length=1)
    """Layers of the text encoder whose states are read, counted from 0, that of the words alone."""
    times: Literal["logit_normal", "uniform"] = "logit_normal"
    """How often which amount of noise is trained; `logit_normal`: mostly the middle."""
    sampling_steps: int = Field(default=50, ge=1)
    """Steps from noise to a picture."""
    guidance: float = Field(default=4, ge=1)
    """How strongly an edit follows the prompt; 1 is without guidance: one call of the transformer a step, not two."""

    @property
    def multiple(self) -> int:
        """What the sides of pictures have to be multiples of."""
        return MULTIPLE

    def fault_of_size(self, width: int, height: int) -> str:
        """What is wrong with training at a size; '' if nothing is."""
        if min(width, height) < LEAST_SIDE or max(width, height) > MOST_RATIO * min(width, height):
            return f"FLUX.2 Klein takes sides from {LEAST_SIDE} pixels on, one at most {MOST_RATIO} times the other"
        if width * height > MOST_PIXELS:
            return f"FLUX.2 Klein takes pictures of at most {MOST_PIXELS:,} pixels"
        return super().fault_of_size(width, height)

    def bases(self) -> tuple[KleinWeights, ...]:
        """FLUX.2 Klein."""
        return (self.base,)

    def needs(self) -> Needs:
        """What it needs of a sample."""
        from datagen.train.models.lora.net import too_long

        return Needs(source=False, most_references=self.most_references, also=lambda facts: too_long(self, facts))

    def build(self) -> nn.Module:
        """FLUX.2 Klein with new small weights, which change nothing yet."""
        from datagen.train.models.lora.net import built

        return built(self)

    def batch(self, model: nn.Module, examples: Sequence[TrainingExample]) -> dict[str, Tensor]:
        """Examples of one size as tensors: pictures B,3,H,W, references B,R,3,h,w, tokens B,L."""
        from datagen.train.models.lora.net import batch_of

        return batch_of(self, model, examples)

    def encode(self, model: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Latents of the target, of source and references in a row, and states of the words."""
        from datagen.train.models.lora.net import encoded_of

        return encoded_of(self, model, batch)

    def losses(
        self, model: nn.Module, encoded: Mapping[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The loss of each example, and the time, 0 to 1, at which it was taken: B and B."""
        from datagen.train.models.lora.net import losses_of

        return losses_of(model, encoded, generator, times=self.times)

    def pipeline(self, model: nn.Module) -> Any:
        """The `Flux2KleinPipeline` with the small weights in it."""
        return model.pipe

    def save(self, model: nn.Module, folder: str) -> None:
        """Write the small weights alone: `pytorch_lora_weights.safetensors`."""
        from datagen.train.models.lora.net import save_lora

        save_lora(model, folder)

    def load_pipeline(self, folder: str) -> Any:
        """FLUX.2 Klein with the small weights of a folder."""
        from datagen.train.models.lora.net import loaded_pipeline

        return loaded_pipeline(self, folder)

    def edit(self, pipeline: Any, example: TrainingExample, *, seed: int) -> Pixels:
        """What a pipeline makes of an example's source and references: HWC uint8."""
        from datagen.train.models.lora.net import edited

        return edited(self, pipeline, example, seed=seed)
