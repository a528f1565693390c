"""The schema of a model's output for one prompt, and the records that are made of it: one for each part to judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from datagen.core.fields import PLACEHOLDER
from datagen.core.options import Options
from datagen.sources.base import SourceRow, escape_id

CritiqueOf = Literal["description", "picture", "mended"]
"""What of an output is judged: a step's words, its picture, or the picture into which a flawed one was mended."""
PARTS: tuple[CritiqueOf, ...] = ("description", "picture", "mended")


def _without_placeholder(text: str) -> str:
    if PLACEHOLDER in text:
        raise ValueError(
            f"it holds {PLACEHOLDER}, which stands for a picture in datagen's own instructions: take it out"
        )
    return text


def _with_words(text: str) -> str:
    if not text:
        raise ValueError("it is empty; it has to say something")
    return text


_Text = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=100_000), AfterValidator(_without_placeholder)
]
_Words = Annotated[_Text, AfterValidator(_with_words)]
_Address = Annotated[str, StringConstraints(max_length=10_000)]


class OutputStep(Options):
    """One step of a model: what it set out to do, what it wrote of it, and what it painted."""

    instruction: _Words
    """What the step is to do."""
    picture: _Address = Field(min_length=1)
    """Address of the picture after the step."""
    description: _Text = ""
    """What the picture shows, in the model's words; '' if it wrote none."""
    mended: _Address = ""
    """Address of the picture into which a flawed one was mended already; '' if there is none."""
    verdict: Literal["", "consistent", "inconsistent"] = ""
    """What is known of the step's picture and description; '' if nothing is."""
    critique: _Text = ""
    """What is wrong with it."""
    correction: _Text = ""
    """The instruction that mends it."""
    description_verdict: Literal["", "consistent", "inconsistent"] = ""
    """What is known of the description, where it is not as good as the picture, or better; '' if `verdict` holds."""
    description_critique: _Text = ""
    """What is wrong with the description, if it has a verdict of its own."""
    description_correction: _Text = ""
    """What would mend the picture if it were as described, likewise."""

    @model_validator(mode="after")
    def _is_flawed_where_mended(self) -> Self:
        if self.mended and self.verdict != "inconsistent":
            raise ValueError("'mended' needs `verdict: inconsistent`, a critique and a correction")
        return self

    @model_validator(mode="after")
    def _says_which_verdict(self) -> Self:
        if (self.description_critique or self.description_correction) and not self.description_verdict:
            raise ValueError("'description_critique' and 'description_correction' need a 'description_verdict'")
        return self


class ModelOutput(Options):
    """What a model made of one prompt."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
    """Its name."""
    prompt: _Words
    """What was wanted."""
    steps: tuple[OutputStep, ...] = Field(max_length=100)
    """All steps in their order, at least one."""
    license: _Text = ""
    """Licence of the pictures."""
    credit: _Text = ""
    """Who made them."""

    @field_validator("steps")
    @classmethod
    def _not_empty(cls, steps: tuple[OutputStep, ...]) -> tuple[OutputStep, ...]:
        # not by `min_length`, which counts faulty steps as missing ones
        if not steps:
            raise ValueError("it has no step")
        return steps


OUTPUT_FIELDS = (
    *("uri", "base", "sha256", "target_uri", "target_sha256", "reference_uri", "reference_sha256"),
    *("license", "credit", "caption", "session", "canvas", "critique_of", "step", "generation"),
)
"""The fields of each record. `target_uri` is the picture that is judged. `uri` is the one before it; it is '' and
`canvas` is `blank` for a first picture, and where only words are judged. `reference_uri` is the mended picture."""


class OutputPart(NamedTuple):
    """One part of an output that is judged."""

    name: str
    """Its name within the output."""
    kind: CritiqueOf
    step: int
    """The number of its step, from 1."""


def parts_of(output: ModelOutput, *, kinds: Sequence[CritiqueOf]) -> Iterator[OutputPart]:
    """The parts of an output of these kinds, step by step: descriptions and mended pictures only where there are."""
    for number, step in enumerate(output.steps, 1):
        there = {"description": bool(step.description), "picture": True, "mended": bool(step.mended)}
        yield from (OutputPart(f"{number}/{kind}", kind, number) for kind in kinds if there[kind])


def part_row(output: ModelOutput, part: OutputPart, *, base: str) -> SourceRow:
    """The record of one part. Relative addresses count from the folder `base`."""
    step = output.steps[part.step - 1]
    before = output.steps[part.step - 2].picture if part.kind == "picture" and part.step > 1 else ""
    fields = {
        "uri": before,
        "base": base,
        "target_uri": step.picture,
        "reference_uri": step.mended if part.kind == "mended" else "",
        **dict.fromkeys(("sha256", "target_sha256", "reference_sha256"), ""),
        "license": output.license,
        "credit": output.credit,
        "caption": output.prompt,
        "session": output.id,
        "canvas": "picture" if before else "blank",
        "critique_of": part.kind,
        "step": part.step,
        "generation": [each.model_dump(exclude={"picture", "mended"}) for each in output.steps],
    }
    return SourceRow(escape_id(f"{output.id}/{part.name}"), fields)
