"""What a sample teaches: its words and pictures in the order in which a model reads and writes them.

The tags `<ins>`, `<des>` and `<refine>` are those that the planning-in-stages model is reported to use; what stands
between them is a sample's own words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from datagen.core.errors import DatagenError
from datagen.core.fields import PLACEHOLDER
from datagen.shards.info import SampleInfo, Step

CONSISTENT: Final = "consistent"
INCONSISTENT: Final = "inconsistent"
INSPECTIONS: Final = ("inspect_text", "inspect_image")
_MARKERS = re.compile(
    r"<image_start>|<image_end>|<IMAGE_PLACEHOLDER>|</?(?:ins|des|refine|think|answer)>|<\|[a-z_0-9]+\|>"
)
"""What a reader takes for the place of a picture, for a tag of ours or its own, or for a special token."""
_PICTURE = re.compile(r"(source|target|turn_\d+|ref_\d+)\.(png|jpg|webp)")


class UnfitSampleError(DatagenError):
    """A sample that a layout has no place for: it is left out and counted by `reason`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class TextPiece(NamedTuple):
    """A piece of text."""

    text: str
    is_learnt: bool = False
    """Whether the model writes it, so that its tokens have a loss; else it is only read."""


class PictureUse(NamedTuple):
    """A picture, and what the model does with it."""

    member: str
    is_learnt: bool = False
    """Whether the model paints it, so that it has a loss."""
    is_painted_from: bool = False
    """Whether a picture behind it is painted from its pixels (BAGEL: clean latents of the VAE)."""
    is_understood: bool = True
    """Whether words or pictures behind it depend on what it shows (BAGEL: tokens of the vision transformer)."""


Piece = TextPiece | PictureUse


class Lesson(NamedTuple):
    """A sample as a layout takes it."""

    key: str
    task: str
    info: SampleInfo
    pieces: tuple[Piece, ...]
    pictures: Mapping[str, bytes]
    """The file of each picture that `pieces` name, by its member."""
    without_place: Counter[str]
    """Members of the sample that no layout has a place for, such as masks, by what they are."""

    @property
    def uses(self) -> list[PictureUse]:
        """Its pictures, in order; one may occur more than once."""
        return [piece for piece in self.pieces if isinstance(piece, PictureUse)]


def make_lesson(info: SampleInfo, members: Mapping[str, bytes]) -> Lesson:
    """The words and pictures of a sample with these members, in order.

    Raises `UnfitSampleError` if its task is none of `TASKS`, if it is no example to follow, or if words or pictures of
    it are missing or have no place.
    """
    if info.task not in TASKS:
        raise UnfitSampleError(f"other_task/{info.task or 'none'}", "no layout has a place for its task")
    pieces = tuple(TASKS[info.task](info, members))
    named = [piece.member for piece in pieces if isinstance(piece, PictureUse)]
    if missing := [name for name in named if name not in members]:
        raise UnfitSampleError("no_picture", f"a step names {missing[0]}, which the sample has not")
    # an inspection may have an empty picture as source, of the time before its first step
    empty = _source(members) if info.task in INSPECTIONS else ""
    if unused := [name for name in members if _PICTURE.fullmatch(name) and name not in (*named, empty)]:
        raise UnfitSampleError("picture_without_place", f"no step shows {unused[0]}")
    others = [name for name in members if name not in named and name not in ("json", "txt")]
    return Lesson(
        key=info.key,
        task=info.task,
        info=info,
        pieces=pieces,
        pictures={name: members[name] for name in named},
        without_place=Counter(re.sub(r"_\d+$", "", name.partition(".")[0]) for name in others)
        + _unused_judgements(info),
    )


def _unused_judgements(info: SampleInfo) -> Counter[str]:
    """How many steps have a verdict, a critique or a correction that the lesson does not say."""
    steps = info.steps if info.task == "plan_generation" else info.steps[:-1]
    names = ("verdict", "critique", "correction")
    return Counter(f"{name} of a step" for step in steps for name in names if getattr(step, name).strip())


def refuse_markers(lesson: Lesson) -> None:
    """Raise `UnfitSampleError` if words of a lesson would be read as a place of a picture, a tag or a special token."""
    for text in lesson_texts(lesson.info):
        if found := _MARKERS.search(text):
            raise UnfitSampleError("marker_in_words", f"its words have {found[0]}, which a reader takes for its own")


def lesson_texts(info: SampleInfo) -> Iterator[str]:
    """All words of a sample that a lesson may have."""
    yield from (info.instruction, info.text, info.captions.target)
    for step in info.steps:
        yield from (step.instruction, step.description, step.verdict, step.critique, step.correction)


def _plan(info: SampleInfo, members: Iterable[str]) -> Iterator[Piece]:
    """The prompt is given; each step's words and its picture, which the next is painted from, are learnt."""
    _refuse_negative(info)
    yield from _given(info, members)
    steps = _steps(info)
    for number, step in enumerate(steps, 1):
        if not step.image:
            raise UnfitSampleError("no_picture", f"step {number} has none")
        if step.verdict == INCONSISTENT:
            raise UnfitSampleError("negative", f"step {number} is {INCONSISTENT}")
        yield TextPiece(_step_text(step, number), is_learnt=True)
        is_last = number == len(steps)
        yield PictureUse(step.image, is_learnt=True, is_painted_from=not is_last, is_understood=not is_last)


def _inspection(info: SampleInfo, members: Iterable[str]) -> Iterator[Piece]:
    """All is given but the verdict on the last step, with its critique and correction."""
    *before, judged = _steps(info)
    prompt = _prompt(info)
    if (source := _source(members)) in info.inputs:
        yield PictureUse(source)
    if prompt != judged.instruction.strip():
        yield TextPiece(prompt)
    for number, step in enumerate(before, 1):
        yield TextPiece(_step_text(step, number))
        if step.image:
            yield PictureUse(step.image)
    yield TextPiece(_step_text(judged, len(info.steps)))
    if picture := judged.image or info.target:
        yield PictureUse(picture)
    elif info.task == "inspect_image":
        raise UnfitSampleError("no_picture", "the picture that is judged is missing")
    yield TextPiece(_verdict_text(judged), is_learnt=True)


def _refinement(info: SampleInfo, members: Iterable[str]) -> Iterator[Piece]:
    """The flawed picture and what is wrong with it are given; the correction and the mended picture are learnt."""
    _refuse_negative(info)
    first, *more = _steps(info)
    source = _source(members)
    if not source or not info.target:
        raise UnfitSampleError("no_picture", "it needs a flawed source and a mended target")
    if not first.critique.strip():
        raise UnfitSampleError("no_critique", "steps[0] does not say what is wrong with the source")
    if more:
        raise UnfitSampleError("other_steps", f"a refinement has one step, this one has {len(info.steps)}")
    if first.correction.strip() not in ("", _prompt(info)):
        raise UnfitSampleError("other_steps", "the correction of its step is not its instruction")
    if caption := info.captions.target.strip():
        yield TextPiece(caption)
    yield PictureUse(source, is_painted_from=True)
    # never the correction, which is to be learnt
    if first.instruction.strip() not in ("", _prompt(info)):
        yield TextPiece(_step_text(first, 1))
    elif first.description.strip() not in ("", caption):
        yield TextPiece(first.description.strip())
    yield TextPiece(first.critique.strip())
    yield TextPiece(f"<refine>{_prompt(info)}</refine>", is_learnt=True)
    yield PictureUse(info.target, is_learnt=True, is_understood=False)


TASKS: Final[Mapping[str, Callable[[SampleInfo, Iterable[str]], Iterator[Piece]]]] = {
    "plan_generation": _plan,
    "inspect_text": _inspection,
    "inspect_image": _inspection,
    "refine": _refinement,
}
"""How the samples of each task are taught, by task."""


def _given(info: SampleInfo, members: Iterable[str]) -> Iterator[Piece]:
    if source := _source(members):
        yield PictureUse(source, is_painted_from=True)
    yield TextPiece(_prompt(info))


def _source(members: Iterable[str]) -> str:
    """The member of the source, '' if there is none."""
    return next((name for name in members if name.startswith("source.")), "")


def _prompt(info: SampleInfo) -> str:
    """The instruction without placeholders."""
    text = (info.text or info.instruction).strip()
    if PLACEHOLDER in text:
        raise UnfitSampleError("placeholder", f"its words have {PLACEHOLDER}, and it has no text without")
    if not text:
        raise UnfitSampleError("no_words", "it has no instruction")
    if others := [name for name in info.inputs if not name.startswith("source.")]:
        raise UnfitSampleError("other_inputs", f"its instruction stands on {others[0]}")
    return text


def _steps(info: SampleInfo) -> list[Step]:
    if not info.steps:
        raise UnfitSampleError("no_steps", "KEY.json has none")
    return info.steps


def _refuse_negative(info: SampleInfo) -> None:
    if info.label == "negative":
        raise UnfitSampleError("negative", "its pictures are no example to follow")


def _step_text(step: Step, number: int) -> str:
    parts = {"ins": step.instruction.strip(), "des": step.description.strip()}
    text = "".join(f"<{tag}>{words}</{tag}>" for tag, words in parts.items() if words)
    if not text:
        raise UnfitSampleError("no_words", f"step {number} has neither instruction nor description")
    return text


def _verdict_text(step: Step) -> str:
    """`Verdict: inconsistent.`, the critique on a line of its own, and the correction in its tag."""
    if step.verdict not in (CONSISTENT, INCONSISTENT):
        raise UnfitSampleError("no_verdict", f"the last step is neither {CONSISTENT} nor {INCONSISTENT}")
    correction = step.correction.strip()
    lines = [f"Verdict: {step.verdict}.", step.critique.strip(), f"<refine>{correction}</refine>" if correction else ""]
    return "\n".join(line for line in lines if line)
