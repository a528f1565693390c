"""The protocol of critics, and when a critique contradicts itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from datagen.imaging.image import Image

VerdictWord = Literal["consistent", "inconsistent"]
_NOTHING = frozenset(
    {
        *("-", "correct", "fine", "n/a", "na", "nil", "no", "none", "none needed", "null", "ok", "okay"),
        *("no fault", "no faults", "no issue", "no issues", "no problem", "nothing", "nothing wrong"),
        *("nothing is wrong", "nothing to change", "nothing to correct", "no change", "no changes"),
        *("no change needed", "no changes needed", "no correction", "no correction needed"),
    }
)
"""Words with which models say that there is nothing."""


class Critique(NamedTuple):
    """What a critic says of one output."""

    verdict: VerdictWord
    critique: str = ""
    """What is wrong; '' if nothing is."""
    correction: str = ""
    """The instruction that mends it; '' if there is nothing to mend."""


class JudgedPart(NamedTuple):
    """One part of a model's output, with all that a critic has to know of it."""

    kind: Literal["description", "picture"]
    """A description is judged against the prompt; a picture against the instruction of its step."""
    prompt: str
    """What was wanted of the model as a whole."""
    steps: Sequence[Mapping[str, Any]]
    """All steps of the model, as in the field `generation`; those after `number` were still to come."""
    number: int
    """The number of the step that is judged, from 1."""
    image: Image
    """The picture after the step."""
    before: Image | None = None
    """The picture before it; None for a first picture."""

    @property
    def step(self) -> Mapping[str, Any]:
        """The step that is judged."""
        return self.steps[self.number - 1]


class Refinement(NamedTuple):
    """A flawed picture and what came of its correction."""

    goal: str
    """What the picture was to show: the instruction of its step."""
    critique: str
    """What is wrong with the flawed picture."""
    correction: str
    """The instruction by which it was mended."""
    flawed: Image
    mended: Image


class Critic(Protocol):
    """Judges real outputs. A verdict is never believed that contradicts its critique: see `contradiction`."""

    async def judge(self, part: JudgedPart, *, record: str) -> Critique:
        """The critique of one part of the output of the record with this id.

        A step that is still to come is no fault. Raises `DataError` if there is no critique, or only one that
        contradicts itself; see also `LanguageModel`.
        """
        ...

    async def judge_refinement(self, refinement: Refinement, *, record: str) -> Critique:
        """Whether a correction was carried out and did no harm. Raises `DataError` as `judge` does."""
        ...

    async def close(self) -> None:
        """Close what it opened."""
        ...


def without_nothings(text: str) -> str:
    """Text on one line; '' if all that it says is that there is nothing, such as "None."."""
    line = " ".join(text.split())
    return "" if line.lower().rstrip(" .!") in _NOTHING else line


def contradiction(critique: Critique) -> str:
    """How a verdict and its words contradict each other; '' if they do not."""
    if critique.verdict == "consistent":
        for name, text in (("critique", critique.critique), ("correction", critique.correction)):
            if text:
                return f"the verdict is consistent, yet the {name} is not empty: {text:.200}"
        return ""
    missing = [name for name in ("critique", "correction") if not getattr(critique, name)]
    return f"the verdict is inconsistent, yet there is no {' and no '.join(missing)}" if missing else ""
