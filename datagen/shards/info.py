"""The schema of KEY.json: the same for every task. All keys are always there; those that do not apply are empty."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from datagen.core.fields import PLACEHOLDER
from datagen.core.options import Options


def _ordered(box: list[float]) -> list[float]:
    if box and (len(box) != 4 or box[0] > box[2] or box[1] > box[3]):
        raise ValueError(f"a box is [] or [x0, y0, x1, y1] with x0 <= x1 and y0 <= y1, this one is {box}")
    return box


StoredBox = Annotated[list[float], AfterValidator(_ordered)]
"""x0, y0, x1, y1 in pixels of the source image, end excluded; [] where there is none."""


class InputInfo(Options):
    """The input that one placeholder stands for."""

    role: str = ""
    label: str = ""
    appears: bool = True
    """Whether the input is visible in the target; false if it only lends its style, for example."""
    caption: str = ""


class Captions(Options):
    """Captions of the pictures."""

    source: str = ""
    target: str = ""


class Candidate(Options):
    """A box that a detector proposed."""

    box: StoredBox = []
    score: float = 0.0


class Edit(Options):
    """One single edit; `mask` names a member."""

    instruction: str = ""
    op: str = ""
    object: str = ""
    box: StoredBox = []
    mask: str = ""
    candidates: list[Candidate] = []


class Step(Options):
    """One turn of a session, or one thought on the way; `image` names a member."""

    instruction: str = ""
    description: str = ""
    image: str = ""
    verdict: str = ""
    critique: str = ""
    correction: str = ""


class Instance(Options):
    """An object in the picture; `mask` names a member."""

    label: str = ""
    box: StoredBox = []
    mask: str = ""
    attributes: list[str] = []


Number = Annotated[int, Field(ge=0)]


class Relation(Options):
    """A relation between two objects, such as `cup` `on` `table`.

    The numbers are places in `instances`, from 0. A number is None where no single instance is meant, where it is not
    known which one is, and in schema 1.
    """

    subject: str = ""
    predicate: str = ""
    object: str = ""
    subject_id: Number | None = None
    object_id: Number | None = None


class Score(Options):
    """A measured number, and the stage or model that measured it."""

    name: str
    by: str = ""
    value: float


class Origin(Options):
    """The original picture."""

    uri: str = ""
    sha256: str = ""
    license: str = ""


class SampleInfo(Options):
    """The content of KEY.json."""

    model_config = ConfigDict(populate_by_name=True)

    version: Literal[1, 2] = Field(default=2, alias="schema")
    """In schema 1, relations have labels alone."""
    key: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,79}$")
    id: str
    task: str = ""
    label: Literal["positive", "negative"] = "positive"
    instruction: str = ""
    """Its placeholders stand for `inputs`, in their order."""
    text: str = ""
    """The instruction without placeholders."""
    inputs: list[Annotated[str, Field(min_length=1)]] = []
    input_info: list[InputInfo] = []
    target: str = ""
    captions: Captions = Captions()
    subject: str = ""
    size: list[int] = []
    """Width and height of the source, or of the target where there is none."""
    edits: list[Edit] = []
    steps: list[Step] = []
    instances: list[Instance] = []
    relations: list[Relation] = []
    scores: list[Score] = []
    unchecked: list[str] = []
    license: str = ""
    source: Origin = Origin()
    run: str = ""
    """Fingerprint of the run that made it."""
    seed: int = 0

    @model_validator(mode="after")
    def _inputs_fit(self) -> SampleInfo:
        found = self.instruction.count(PLACEHOLDER)
        if not found == len(self.inputs) == len(self.input_info):
            raise ValueError(
                f"the instruction has {found} {PLACEHOLDER} for {len(self.inputs)} inputs "
                f"({len(self.input_info)} described); each input has one"
            )
        return self

    @model_validator(mode="after")
    def _relations_fit(self) -> SampleInfo:
        numbers = [number for each in self.relations for number in (each.subject_id, each.object_id)]
        if beyond := [number for number in numbers if number is not None and number >= len(self.instances)]:
            raise ValueError(f"a relation names instance {beyond[0]}, of {len(self.instances)} that count from 0")
        return self

    def members(self) -> list[str]:
        """Names of the members that KEY.json refers to; a name occurs as often as it is used."""
        named = [*self.inputs, self.target]
        named += [edit.mask for edit in self.edits] + [step.image for step in self.steps]
        named += [instance.mask for instance in self.instances]
        return [name for name in named if name]

    def encoded(self) -> bytes:
        """Compact JSON, keys in the order of the schema."""
        return self.model_dump_json(by_alias=True).encode()
