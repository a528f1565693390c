"""The samples that are judged on: pictures at the size of judgement, words, boxes, and what is known of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from datagen.core.errors import ConfigError, DataError, DatagenError
from datagen.core.fields import Box
from datagen.imaging.image import Mask, Pixels
from datagen.shards.reader import Dataset, Sample
from datagen.train.data.examples import WHOLE, ExamplePart, TrainingExample, framed_example, read_pictures
from datagen.train.data.framing import Framing, Size, frame, nearest_size
from datagen.train.data.selection import Facts, Needs, boxes_of, chosen_by_hash, iter_usable

SourceKind = Literal["picture", "original"]
"""What counts as one source: the picture before the edit, or the original picture that KEY.json names, of which there
may be several crops or states."""
SEVERAL: Final = "several"
"""Group of samples with edits of several operations."""
_READERS: Final = 16


class CaseFacts(NamedTuple):
    """What is known of a sample before its pictures are read."""

    number: int
    """Its place in the dataset."""
    facts: Facts
    original: str
    """Checksum or address of the original picture; '' if KEY.json names none."""
    captions: Mapping[str, str]
    """Of `source` and `target`, '' where there is none."""

    @property
    def group(self) -> str:
        """The operation of its edits, `several` if they differ, '' if none is known."""
        ops = {part.op for part in self.facts.parts}
        return SEVERAL if len(ops) > 1 else next(iter(ops), "")


@dataclass
class CaseList:
    """The samples of a split that are judged on."""

    cases: list[CaseFacts] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """Samples that cannot be judged on, by reason, a key of `datagen.train.data.selection.REASONS`."""
    found: int = 0
    """Samples of the split."""


class Case(NamedTuple):
    """One sample at the size of judgement."""

    key: str
    source: str
    """The key of its source, by which intervals are computed."""
    group: str
    example: TrainingExample
    captions: Mapping[str, str]
    framing: Framing
    size: Size
    """Of its own pictures."""
    boxes: tuple[Box, ...]
    """Known boxes of its edits, xyxy, in pixels at the size of judgement; none if one of them has no box."""

    @property
    def words(self) -> str:
        """The instruction without placeholders, where there is one."""
        return self.example.text or self.example.instruction

    def with_words(self, text: str, parts: Sequence[str]) -> Case:
        """The same sample with another sample's words, without placeholders, at its own places."""
        places = [part.box for part in self.example.parts] or [WHOLE]
        other = tuple(ExamplePart(words, places[number % len(places)]) for number, words in enumerate(parts))
        return self._replace(example=self.example._replace(instruction=text, text=text, parts=other, inputs=()))


def box_mask(boxes: Sequence[Box], shape: tuple[int, ...]) -> Mask:
    """The pixels of a picture of `shape` (height, width) that a box touches."""
    mask_HW = np.zeros(shape[:2], np.bool_)
    for x0, y0, x1, y1 in boxes:
        mask_HW[int(np.floor(y0)) : int(np.ceil(y1)), int(np.floor(x0)) : int(np.ceil(x1))] = True
    return mask_HW


def list_cases(dataset: Dataset, needs: Needs, *, sizes: Sequence[Size], limit: int | None = None) -> CaseList:
    """The samples of a split that can be judged on, in its order; of more than `limit`, that many, the same each time.

    Raises `ConfigError` if there are none.
    """
    found = CaseList(found=len(dataset))
    usable = iter_usable(dataset, needs, sizes=sizes, left_out=found.left_out, about=_origin_and_captions)
    found.cases = [CaseFacts(number, facts, *about) for number, facts, about in usable]
    if limit is not None and limit < len(found.cases):
        chosen = chosen_by_hash([case.facts.key for case in found.cases], limit)
        found.cases = [found.cases[place] for place in chosen]
    if not found.cases:
        why = ", ".join(f"{number} {reason}" for reason, number in found.left_out.items()) or "it is empty"
        raise ConfigError(f"{dataset!r}: no sample can be judged on: {why}; give another dataset or --split")
    return found


def _origin_and_captions(info: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    return _original_of(info), _captions_of(info)


def _captions_of(info: Mapping[str, Any]) -> dict[str, str]:
    captions = info.get("captions")
    known = captions if isinstance(captions, Mapping) else {}
    return {side: str(known.get(side) or "").strip() for side in ("source", "target")}


def _original_of(info: Mapping[str, Any]) -> str:
    origin = info.get("source") or {}
    return str(origin.get("sha256") or origin.get("uri") or "") if isinstance(origin, Mapping) else ""


def read_cases(
    dataset: Dataset, listed: Sequence[CaseFacts], *, sizes: Sequence[Size], by: SourceKind
) -> Iterator[Case | str]:
    """The cases with their pictures, or why one cannot be read. Without `sizes` each is judged at its own size."""
    with ThreadPoolExecutor(_READERS) as readers:
        yield from readers.map(lambda case: _read_case(dataset[case.number], case, sizes=sizes, by=by), listed)


def _read_case(sample: Sample, about: CaseFacts, *, sizes: Sequence[Size], by: SourceKind) -> Case | str:
    facts = about.facts
    try:
        pictures = read_pictures(sample.read_all(), facts)
    except (DatagenError, OSError) as error:
        return str(error)
    boxes = boxes_of(facts)
    framing = frame(facts.size, nearest_size(facts.size, sizes) if sizes else facts.size, boxes=boxes)
    example = framed_example(pictures, facts, framing)
    width, height = framing.size
    known = bool(facts.parts) and len(boxes) == len(facts.parts)
    shares = [part.box for part in example.parts] if known else []
    placed = tuple((x0 * width, y0 * height, x1 * width, y1 * height) for x0, y0, x1, y1 in shares)
    digest = hashlib.sha256(pictures.source.tobytes()).hexdigest()
    key = about.original or digest if by == "original" else digest
    return Case(facts.key, key, about.group, example, about.captions, framing, facts.size, placed)


def fitted(output_HWC: Pixels, case: Case) -> Pixels:
    """An output at the size of judgement. Raises `DataError` if its shape is another one than the sample's."""
    height, width = output_HWC.shape[:2]
    seen, own = case.framing.size, case.size
    if (width, height) == seen:
        return output_HWC
    # as large as the picture, but for a rounded pixel: it shows the whole of it
    if abs(width * own[1] - height * own[0]) <= max(own):
        return case.framing.picture(output_HWC)
    raise DataError(
        f"an output of {width}x{height}: wanted is the shape of the sample, {own[0]}x{own[1]}, or the size of "
        f"judgement, {seen[0]}x{seen[1]}"
    )
