"""The options of the family `ip2p`; what it computes is in `ip2p_net`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from datagen.train.models.stable_diffusion import StableDiffusionFamily

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from datagen.imaging.image import Pixels
    from datagen.train.data.examples import TrainingExample
    from datagen.train.models.latents import LatentDiffusion

Share = Field(default=0.05, ge=0, le=1)


class Ip2pConfig(StableDiffusionFamily):
    """InstructPix2Pix: Stable Diffusion that sees the source in four more channels (arXiv:2211.09800)."""

    encodes: ClassVar[bool] = True

    kind: Literal["ip2p"] = "ip2p"
    drop_text: float = Share
    """How often the model sees a sample without its words alone, so that guidance by words can be computed."""
    drop_image: float = Share
    """How often it sees one without its source alone."""
    drop_both: float = Share
    """How often it sees one without either."""
    sampling_steps: int = Field(default=20, ge=1)
    """Steps from noise to a picture."""
    guidance_scale: float = Field(default=7.5, ge=1)
    """How strongly an edit follows the words."""
    image_guidance_scale: float = Field(default=1.5, ge=1)
    """How strongly it keeps to the source."""

    @model_validator(mode="after")
    def _shares_fit(self) -> Ip2pConfig:
        if self.drop_text + self.drop_image + self.drop_both > 1:
            raise ValueError("drop_text, drop_image and drop_both are more than 1 together")
        return self

    def build(self) -> LatentDiffusion:
        """Stable Diffusion with 8 input channels, of which those it lacks begin as zeros."""
        from datagen.train.models.latents import LATENT_CHANNELS, read_stable_diffusion

        return read_stable_diffusion(self, channels=2 * LATENT_CHANNELS)

    def batch(self, model: nn.Module, examples: Sequence[TrainingExample]) -> dict[str, Tensor]:
        """Examples of one size as tensors: `source` and `target` B,3,H,W, and `tokens` B,L."""
        from datagen.train.models.ip2p_net import batch_of

        return batch_of(model, examples, [self.words_of(example) for example in examples])

    def encode(self, model: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`moments` of the target B,8,h,w, the latents of the `source` B,4,h,w, not scaled, and `text` B,L,C."""
        from datagen.train.models.ip2p_net import encoded_of

        return encoded_of(model, batch)

    def losses(
        self, model: nn.Module, encoded: Mapping[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The loss of each example, and the time, 0 to 1, at which it was taken: B and B."""
        from datagen.train.models.ip2p_net import losses_of

        return losses_of(
            model,
            encoded,
            generator,
            drop_text=self.drop_text,
            drop_image=self.drop_image,
            drop_both=self.drop_both,
        )

    def pipeline(self, model: Any) -> Any:
        """The model as diffusers' own pipeline of InstructPix2Pix."""
        return model.pipeline()

    def load_pipeline(self, folder: str) -> Any:
        """The pipeline in a folder."""
        from diffusers import StableDiffusionInstructPix2PixPipeline

        return StableDiffusionInstructPix2PixPipeline.from_pretrained(folder, local_files_only=True)

    def edit(self, pipeline: Any, example: TrainingExample, *, seed: int) -> Pixels:
        """What a pipeline makes of an example's source: HWC uint8. Raises `DataError` for too many words."""
        from datagen.train.models.ip2p_net import edited

        return edited(
            pipeline,
            example,
            self.words_of(example),
            seed=seed,
            num_inference_steps=self.sampling_steps,
            guidance_scale=self.guidance_scale,
            image_guidance_scale=self.image_guidance_scale,
        )
