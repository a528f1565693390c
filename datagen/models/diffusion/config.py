"""How a pipeline of diffusers is named, and what it is called with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from datagen.errors import nearest
from datagen.models.diffusion.signature import call_arguments
from datagen.models.weights.config import WeightsConfig
from datagen.options import PACE

Scalar = bool | int | float | str | None

FILLED_IN = ("image", "mask_image", "prompt", "height", "width", "generator")
"""Arguments of a pipeline's call that datagen fills in."""

SETTLED = (
    "callback", "callback_on_step_end", "callback_on_step_end_tensor_inputs", "callback_steps", "latents",
    "max_area", "num_images_per_prompt", "output_type", "return_dict", "_auto_resize",
)  # fmt: skip
"""Arguments that only one value suits here: one picture for each prompt, pixels as output, and so on."""

IN_BATCHES = (
    "FluxFillPipeline",
    "FluxKontextPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionInstructPix2PixPipeline",
    "StableDiffusionXLInpaintPipeline",
)
"""Pipelines that take a list of pictures as one for each prompt; to others it means several pictures of one edit."""


class DiffusersConfig(WeightsConfig):
    """A pipeline of the diffusers library, by the repository or folder that `save_pretrained` wrote."""

    packages: ClassVar[tuple[str, ...]] = ("torch", "diffusers", "transformers", "accelerate")
    fetched: ClassVar[tuple[str, ...]] = (
        "model_index.json",
        *(f"*/*.{ending}" for ending in ("json", "txt", "model", "safetensors", "jinja")),
    )
    takes: ClassVar[tuple[str, ...]] = ("prompt",)
    """Arguments that a pipeline of this role has."""
    lacks: ClassVar[tuple[str, ...]] = ()
    """Arguments by which it is seen to be made for another role."""
    example: ClassVar[str] = ""
    """A pipeline of this role, for messages."""

    kind: Literal["diffusers"] = "diffusers"
    pipeline: str = Field(default="", pattern=r"^[A-Za-z0-9_]*$")
    """The pipeline's class in diffusers; the one that the weights name, if not given. Where it is given, `check` holds
    `arguments` against its signature, by the source of the diffusers that is installed."""
    arguments: dict[str, Scalar | list[Scalar]] = {}
    """What the pipeline is called with besides pictures, prompts and sizes, by the names that it has for them itself:
    {num_inference_steps: 28, guidance_scale: 3.5}. What is not given is as diffusers has it."""
    multiple: int = Field(default=16, ge=8, le=128)
    """Sides are brought to multiples of so many pixels; 8 does for Stable Diffusion, FLUX and Qwen want 16."""
    safety_checker: Literal["keep", "leave_out"] = "keep"
    """What comes of the checker that weights of Stable Diffusion bring, which blackens what it takes for unsafe.
    Weights without one, such as FLUX's and Qwen's, are checked by nothing either way."""
    offload: Annotated[Literal["none", "model", "sequential"], PACE] = "none"
    """Keep the weights in main memory, and bring them to the GPU part by part: `model` whole networks, slower by
    little; `sequential` single layers, slower by much."""
    batch_size: Annotated[int, PACE] = Field(default=1, ge=1)
    """Pictures that the model takes at once, if its pipeline can; a batch that does not fit into memory is halved."""
    gpu_memory_gb: Annotated[float, PACE] = Field(default=24, gt=0)
    """GPU memory that it takes with such a batch, in GiB; `plan` holds it against the GPUs' own."""

    @model_validator(mode="after")
    def _callable(self) -> Self:
        known = call_arguments(self.pipeline) if self.pipeline else None
        fault = self.fault(self.pipeline, known) if known is not None else self._fault_of_names()
        if fault:
            raise ValueError(fault)
        return self

    def fault(self, pipeline: str, known: Iterable[str]) -> str | None:
        """Why a pipeline whose call has the arguments `known` cannot be called so, or None."""
        names = set(known)
        missing = [argument for argument in self.takes if argument not in names]
        foreign = [argument for argument in self.lacks if argument in names]
        if missing or foreign:
            why = f"takes no `{missing[0]}`" if missing else f"wants a `{foreign[0]}`"
            return f"pipeline: {pipeline} {why}: it is made for something else; name one such as {self.example}"
        return self._fault_of_names() or self._fault_of_unknown(pipeline, names) or self._fault_of_batch(pipeline)

    def _fault_of_names(self) -> str | None:
        """Why one of `arguments` can be none of any pipeline's, or None."""
        for argument in self.arguments:
            if argument in FILLED_IN:
                return f"arguments: `{argument}` is filled in from the record and the other options; take it out"
            if argument in SETTLED:
                return f"arguments: only one value of `{argument}` suits here, and that is given; take it out"
        return None

    def _fault_of_unknown(self, pipeline: str, names: set[str]) -> str | None:
        for argument in self.arguments:
            if argument not in names:
                free = names - {"self", *FILLED_IN, *SETTLED}
                return f"arguments: {pipeline} takes no `{argument}`; {nearest(argument, free)}"
        return None

    def _fault_of_batch(self, pipeline: str) -> str | None:
        if self.batch_size == 1 or pipeline in IN_BATCHES or "image" not in self.takes:
            return None
        return (
            f"batch_size: {pipeline} is not known to take several pictures for as many prompts at once, "
            f"as {', '.join(IN_BATCHES)} do; set it to 1"
        )
