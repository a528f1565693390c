"""Which samples of a dataset a model can be trained on; each of the others is left out for one reason, and counted."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeVar

from datagen.core.errors import StoreError
from datagen.core.fields import PLACEHOLDER, Box
from datagen.imaging.geometry import check_box, clip_box
from datagen.shards.reader import Dataset, Sample, numbered_members
from datagen.train.data.flip import flipped_texts
from datagen.train.data.framing import Size, frame, nearest_size, shows

BoxRule = Literal["required", "whole_picture", "unused"]
"""What a model does about edits without a box: they cannot be used, the box is the whole picture, or it uses none."""
REASONS: Final = {
    "damaged": "its KEY.json cannot be read",
    "no_size": "its KEY.json does not say how large its pictures are",
    "no_target": "it has no picture after the edit",
    "no_source": "it has no picture before the edit, and the model edits pictures",
    "no_instruction": "it has no instruction",
    "negative": "it is a negative example",
    "no_edit": "its words are judged, and its picture need not show what its instruction asks for",
    "too_many_references": "it has more reference pictures than the model takes",
    "too_many_edits": "it has more single edits than the model takes",
    "too_many_tokens": "its words and pictures have more tokens than the model reads",
    "unbound_pictures": "a reference has no placeholder, or a placeholder stands for a picture that is not shown",
    "no_boxes": "an edit has no box, and the model needs boxes",
    "wrong_box": "a box lies outside the picture or is empty",
    "beyond_most": "the dataset's `most` has been reached",
    "cut_off": "most of an edit lies outside what is seen at the size of training",
}
"""Why a sample is not used."""
SOURCE: Final = -1
"""What a placeholder stands for that stands for the picture before the edit."""
LEAST_SEEN: Final = 0.75
"""Least share of an edit's box that has to be seen."""
_READERS: Final = 16
About = TypeVar("About")


class SingleEdit(NamedTuple):
    """One single edit of a sample."""

    text: str
    op: str
    box: Box | None
    """xyxy in pixels of the source; None if it is not known."""


class Facts(NamedTuple):
    """What decides whether and how a sample is used."""

    key: str
    size: Size
    """Of the source, or of the target where there is none."""
    instruction: str
    """With a placeholder for each picture."""
    text: str
    """Without placeholders."""
    parts: tuple[SingleEdit, ...]
    has_source: bool
    references: int
    inputs: tuple[int | None, ...] = ()
    """What each placeholder of the instruction stands for: the number of a reference, `SOURCE`, or None for another
    picture."""


@dataclass(frozen=True)
class Needs:
    """What a model needs of a sample, and what it can take."""

    source: bool = True
    boxes: BoxRule = "unused"
    most_references: int = 0
    most_edits: int | None = None
    """None if the model takes an instruction as a whole, whatever single edits it asks for."""
    also: Callable[[Facts], str] | None = None
    """A rule of the model's own: why it cannot take a sample, a key of `REASONS`; '' if it can. A sample that may be
    mirrored is also looked at with the words of its mirrored picture."""
    placeholders: bool = False
    """Whether each reference has to have a placeholder, and each placeholder has to stand for one or for the source."""


@dataclass
class Selected:
    """The samples of one dataset that are used."""

    facts: list[Facts] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    """Their numbers in the dataset."""
    left_out: Counter[str] = field(default_factory=Counter)
    """How many were left out, by reason."""

    def limited(self, most: int | None) -> Selected:
        """At most so many of them, in their order: those whose keys have the lowest hashes."""
        if most is None or most >= len(self.numbers):
            return self
        chosen = chosen_by_hash([facts.key for facts in self.facts], most)
        left_out = self.left_out + Counter(beyond_most=len(self.numbers) - most)
        return Selected([self.facts[index] for index in chosen], [self.numbers[index] for index in chosen], left_out)


def select(dataset: Dataset, needs: Needs, *, sizes: Sequence[Size]) -> Selected:
    """The samples of a dataset that can be used at one of these sizes, in its order. Reads each sample's KEY.json."""
    chosen = Selected()
    for number, facts, _ in iter_usable(dataset, needs, sizes=sizes, left_out=chosen.left_out, about=lambda _: None):
        chosen.facts.append(facts)
        chosen.numbers.append(number)
    return chosen


def iter_usable(
    dataset: Dataset,
    needs: Needs,
    *,
    sizes: Sequence[Size],
    left_out: Counter[str],
    about: Callable[[Mapping[str, Any]], About],
) -> Iterator[tuple[int, Facts, About]]:
    """The samples of a dataset that can be used at one of these sizes, or, without any, at their own; in its order.

    Gives of each its number, its facts, and what `about` takes from the content of its KEY.json. The others are counted
    in `left_out`, by reason.
    """

    def read(sample: Sample) -> tuple[Facts, About] | str:
        try:
            facts = facts_of(sample.info, key=sample.key, members=sample.members)
            return facts if isinstance(facts, str) else (facts, about(sample.info))
        except (StoreError, TypeError, ValueError, AttributeError):  # no JSON, or of another form
            return "damaged"

    with ThreadPoolExecutor(_READERS) as readers:  # a bucket answers one read in some 30 ms
        for number, found in enumerate(readers.map(read, dataset)):
            if isinstance(found, str):
                left_out[found] += 1
            elif reason := why_unusable(found[0], needs, sizes=sizes or [found[0].size]):
                left_out[reason] += 1
            else:
                yield number, *found


def chosen_by_hash(keys: Sequence[str], most: int) -> list[int]:
    """The places, in their order, of the `most` keys with the lowest hashes: the same ones each time."""
    hashes = [hashlib.sha256(key.encode()).digest() for key in keys]
    return sorted(sorted(range(len(hashes)), key=hashes.__getitem__)[:most])


def facts_of(info: Mapping[str, Any], *, key: str, members: Collection[str]) -> Facts | str:
    """What the content of KEY.json and the names of a sample's members say of it, or why it cannot be used."""
    names = {member.split(".")[0] for member in members}
    if "target" not in names:
        return "no_target"
    if info.get("label") == "negative":
        return "negative"
    if info.get("task") == "inspect_text":
        return "no_edit"
    width, height = info.get("size") or (0, 0)
    if min(width, height) < 1:
        return "no_size"
    references = numbered_members(members, "ref")
    numbers = {name: number for number, name in enumerate(references)}
    numbers |= {name: SOURCE for name in members if name.split(".")[0] == "source"}
    return Facts(
        key,
        (int(width), int(height)),
        str(info.get("instruction", "")).strip(),
        str(info.get("text", "")).strip(),
        tuple(_part(row) for row in info.get("edits") or ()),
        "source" in names,
        len(references),
        tuple(numbers.get(str(name)) for name in info.get("inputs") or ()),
    )


def _part(row: Mapping[str, Any]) -> SingleEdit:
    box: list[float] = row.get("box") or []
    return SingleEdit(
        str(row.get("instruction", "")),
        str(row.get("op", "")),
        (float(box[0]), float(box[1]), float(box[2]), float(box[3])) if len(box) == 4 else None,
    )


def why_unusable(facts: Facts, needs: Needs, *, sizes: Sequence[Size]) -> str:
    """Why a sample cannot be used, a key of `REASONS`; '' if it can."""
    if needs.source and not facts.has_source:
        return "no_source"
    if not (facts.instruction or facts.text):
        return "no_instruction"
    if facts.references > needs.most_references:
        return "too_many_references"
    if needs.placeholders and not _all_bound(facts):
        return "unbound_pictures"
    if needs.most_edits is not None and len(facts.parts) > needs.most_edits:
        return "too_many_edits"
    if any(part.box and check_box(part.box, facts.size) for part in facts.parts):
        return "wrong_box"
    local = [part for part in facts.parts if part.op != "global"]
    if needs.boxes == "required" and (not facts.parts or not all(part.box for part in local)):
        return "no_boxes"
    if needs.also and (reason := next(filter(None, map(needs.also, _as_shown(facts))), "")):
        return reason
    boxes = boxes_of(facts)
    framing = frame(facts.size, nearest_size(facts.size, sizes), boxes=boxes)
    return "" if all(shows(framing, facts.size, box, least=LEAST_SEEN) for box in boxes) else "cut_off"


def _as_shown(facts: Facts) -> list[Facts]:
    """A sample as it is, and with the words of its mirrored picture where these differ and it may be mirrored."""
    texts = [facts.instruction, facts.text, *(part.text for part in facts.parts)]
    words = None if facts.references else flipped_texts(texts)
    if words is None or words == texts:
        return [facts]
    parts = tuple(part._replace(text=text) for part, text in zip(facts.parts, words[2:], strict=True))
    return [facts, facts._replace(instruction=words[0], text=words[1], parts=parts)]


def _all_bound(facts: Facts) -> bool:
    """Whether every reference has a placeholder, and every placeholder stands for a picture that a model is shown."""
    as_many = facts.instruction.count(PLACEHOLDER) == len(facts.inputs)
    return as_many and None not in facts.inputs and {*range(facts.references)} <= {*facts.inputs}


def boxes_of(facts: Facts) -> list[Box]:
    """The known boxes of single edits, inside the picture; a global edit has none."""
    return [clip_box(part.box, facts.size) for part in facts.parts if part.box and part.op != "global"]
