"""The options of a diffusers pipeline, checked against the signature of its call before any weights are there."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, ClassVar, Literal, Self, TypeVar

from pydantic import Field, ValidationInfo, field_validator, model_validator

from datagen.core.errors import nearest
from datagen.core.options import PACE
from datagen.models.diffusion.signature import call_arguments
from datagen.models.weights.config import WeightsConfig

Scalar = bool | int | float | str | None
Arguments = dict[str, Scalar | list[Scalar]]
Value = TypeVar("Value")

FILLED_IN = ("image", "mask_image", "prompt", "height", "width", "generator")
"""Arguments of a pipeline's call that come from the record and other options, so that `arguments` may not set them."""

FIXED = (
    "callback", "callback_on_step_end", "callback_on_step_end_tensor_inputs", "callback_steps", "latents",
    "max_area", "num_images_per_prompt", "output_type", "return_dict", "_auto_resize",
)  # fmt: skip
"""Arguments that have one usable value here (one picture per prompt, pixels as output, ...): not to be set either."""

BATCHED_PIPELINES = (
    "FluxFillPipeline",
    "FluxKontextPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionInstructPix2PixPipeline",
    "StableDiffusionXLInpaintPipeline",
)
"""Pipelines that take a list of pictures as one per prompt. Others read the list as several inputs of one edit."""


class DiffusersConfig(WeightsConfig):
    """A pipeline of the diffusers library, by the repository or folder that `save_pretrained` wrote."""

    packages: ClassVar[tuple[str, ...]] = ("torch", "diffusers", "transformers", "accelerate")
    fetched: ClassVar[tuple[str, ...]] = (
        "model_index.json",
        *(f"*/*.{ending}" for ending in ("json", "txt", "model", "safetensors", "jinja")),
    )
    takes: ClassVar[tuple[str, ...]] = ("prompt",)
    """Arguments that the call of a pipeline of this role must have."""
    lacks: ClassVar[tuple[str, ...]] = ()
    """Arguments that it must not have: they show that the pipeline is made for another role."""
    example: ClassVar[str] = ""
    """A pipeline of this role, named in error messages."""

    kind: Literal["diffusers"] = "diffusers"
    pipeline: str = Field(default="", pattern=r"^[A-Za-z0-9_]*$")
    """The pipeline's class in diffusers; the one that the weights name, if not given. Where it is given, `check` holds
    `arguments` against its signature, by the source of the diffusers that is installed."""
    arguments: Arguments = {}
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

    @field_validator("pipeline")
    @classmethod
    def _check_pipeline(cls, pipeline: str) -> str:
        known = call_arguments(pipeline) if pipeline else None
        return _value_unless(cls._fault_of_role(pipeline, known) if known else None, value=pipeline)

    @field_validator("arguments")
    @classmethod
    def _check_arguments(cls, arguments: Arguments, info: ValidationInfo) -> Arguments:
        pipeline = info.data.get("pipeline")
        known = call_arguments(pipeline) if pipeline else None
        return _value_unless(_fault_of_arguments(arguments, pipeline, known), value=arguments)

    @model_validator(mode="after")
    def _check_batch_size(self) -> Self:
        return _value_unless(self._fault_of_batch(self.pipeline) if self.pipeline else None, value=self)

    def fault(self, pipeline: str, known: Collection[str]) -> str | None:
        """Why these options do not suit the class `pipeline`, whose call has the arguments `known`; None if they do."""
        return (
            self._fault_of_role(pipeline, known)
            or _fault_of_arguments(self.arguments, pipeline, known)
            or self._fault_of_batch(pipeline)
        )

    @classmethod
    def _fault_of_role(cls, pipeline: str, known: Collection[str]) -> str | None:
        missing = [argument for argument in cls.takes if argument not in known]
        foreign = [argument for argument in cls.lacks if argument in known]
        if not missing and not foreign:
            return None
        why = f"takes no `{missing[0]}`" if missing else f"wants a `{foreign[0]}`"
        return f"pipeline {pipeline} {why}: it is made for something else; name one such as {cls.example}"

    def _fault_of_batch(self, pipeline: str) -> str | None:
        if self.batch_size == 1 or pipeline in BATCHED_PIPELINES or "image" not in self.takes:
            return None
        return (
            f"pipeline {pipeline} is not known to take several pictures for as many prompts at once, "
            f"as {', '.join(BATCHED_PIPELINES)} do; set `batch_size: 1`"
        )


def _fault_of_arguments(arguments: Arguments, pipeline: str | None, known: Collection[str] | None) -> str | None:
    for argument in arguments:
        if argument in FILLED_IN:
            return f"`{argument}` is filled in from the record and the other options; take it out"
        if argument in FIXED:
            return f"only one value of `{argument}` suits here, and that is given; take it out"
        if known is not None and argument not in known:
            free = {*known} - {"self", *FILLED_IN, *FIXED}
            return f"pipeline {pipeline} takes no `{argument}`; {nearest(argument, free)}"
    return None


def _value_unless(fault: str | None, *, value: Value) -> Value:
    if fault:
        raise ValueError(fault)
    return value
