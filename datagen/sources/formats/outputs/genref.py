"""The source `genref`: GenRef as WebDataset, pairs of a flawed and a better picture with a reflection between them.

A sample has `good_image.jpg`, `bad_image.jpg`, `reflection.txt`, `prompt.txt` and `subset.txt`, as
train_flux/train/data.py of Diffusion-CoT/ReflectionFlow reads it at fd7b1c8. Its one reflection is both critique and
correction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO, Final, Literal

from pydantic import Field, ValidationError

from datagen.core.errors import ConfigError
from datagen.fetch import scheme_of
from datagen.fetch.addresses import range_address
from datagen.sources.base import ForeignOptions, Source, SourceRow, escape_id
from datagen.sources.file_listing import FileListing
from datagen.sources.formats.outputs.rows import (
    OUTPUT_FIELDS,
    CritiqueOf,
    ModelOutput,
    OutputPart,
    OutputStep,
    part_row,
)
from datagen.sources.id_set import with_unique_ids
from datagen.sources.rows import faulty_row
from datagen.sources.tars import Member, Tar, read_member, tars_at
from datagen.sources.webdataset import PICTURES, read_samples, rows_of_samples

SHORTEST_REFLECTION: Final = 5
"""Characters below which ReflectionFlow takes a reflection for none."""


class GenRefConfig(ForeignOptions):
    """GenRef (ReflectionFlow) as WebDataset: flawed and better pictures, and what to change; not verified on real data.

    Of a sample come the flawed picture (inconsistent), the better one (consistent), and the pair of both. If the
    reflection has fewer than 5 characters, only the better picture comes.
    """

    kind: Literal["genref"] = "genref"
    """Tars whose samples have a good and a bad picture, a prompt and a reflection."""
    path: str = Field(min_length=1)
    """Address of a tar, of a folder of tars, a glob, or braces, such as genref_{0..208}.tar."""
    parts: tuple[CritiqueOf, ...] = Field(default=("picture", "mended"), min_length=1)
    """What records are made of: `picture` for each of the two, `mended` for the pair."""
    subsets: tuple[str, ...] = Field(default=("general", "length", "rule"), min_length=1)
    """Which subsets. In `editing`, the fourth, the first picture is the source of an edit and has no flaw."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return GenRef(self)


class GenRef:
    """Up to three records for each sample. Their ids are the path of the tar, the key, and `bad`, `good` or
    `mended`."""

    writes = OUTPUT_FIELDS

    def __init__(self, config: GenRefConfig) -> None:
        self.path = config.path
        self._config = config

    def check(self) -> None:
        """Raise `ConfigError` if a local folder has no tar, or if the first sample lacks a member."""
        FileListing(self.path).check_scheme()
        if scheme_of(self.path) != "file":
            return
        first = next(tars_at(self.path), None)
        if first is None:
            raise ConfigError(self._empty())
        with first.listing.open(first.path) as file:
            sample = next((members for _, members, error in read_samples(file) if not error), None)
        try:
            for stem in ("good_image", "bad_image") if sample is not None else ():
                _picture_of(sample or {}, stem)
        except ValueError as error:
            raise ConfigError(f"{first.address}: its first sample {error}") from error

    def _empty(self) -> str:
        return f"{self.path}: holds no tars"

    def count(self) -> int | None:
        """None: it is unknown without reading all tars."""
        return None

    def rows(self) -> Iterator[SourceRow]:
        """The records, tar by tar."""
        found = rows_of_samples(self.path, self._rows_of)
        yield from with_unique_ids(found, path=self.path, empty=self._empty())

    def _rows_of(self, tar: Tar, file: IO[bytes], key: str, members: Mapping[str, Member]) -> list[SourceRow]:
        id = f"{tar.path.removesuffix('.tar')}/{key}"
        try:
            return self._sample(tar, file, id, members)
        except ValueError as fault:
            return [faulty_row(escape_id(id), f"{tar.address}: sample '{key:.200}': {_message(fault)}")]

    def _sample(self, tar: Tar, file: IO[bytes], id: str, members: Mapping[str, Member]) -> list[SourceRow]:
        """The records of one sample. Raises `ValueError`."""
        prompt, reflection, subset = (_text(file, members, name) for name in ("prompt", "reflection", "subset"))
        if subset not in self._config.subsets:
            return []
        good, bad = (
            range_address(tar.path, offset=member.offset, size=member.size)
            for member in (_picture_of(members, "good_image"), _picture_of(members, "bad_image"))
        )
        flawed = OutputStep(
            instruction=prompt,
            picture=bad,
            mended=good,
            verdict="inconsistent",
            critique=reflection,
            correction=reflection,
        )
        sound = OutputStep(instruction=prompt, picture=good, verdict="consistent")
        steps: list[tuple[str, CritiqueOf, OutputStep]] = [("good", "picture", sound)]
        if len(reflection) >= SHORTEST_REFLECTION:
            steps = [("bad", "picture", flawed), *steps, ("mended", "mended", flawed)]
        rights = {"license": self._config.license, "credit": self._config.credit}
        return [
            part_row(
                ModelOutput(id=id, prompt=prompt, steps=(step,), **rights),
                OutputPart(name, kind, 1),
                base=tar.listing.base,
            )
            for name, kind, step in steps
            if kind in self._config.parts
        ]


def _message(fault: ValueError) -> str:
    if not isinstance(fault, ValidationError):
        return str(fault)
    return "; ".join(f"'{'.'.join(map(str, each['loc']))}': {each['msg']}" for each in fault.errors()[:5])


def _picture_of(members: Mapping[str, Member], stem: str) -> Member:
    """The picture of this name. Raises `ValueError` if there is none."""
    names = ", ".join(f"{name:.60}" for name in list(members)[:20])
    found = next((members[name] for ending in PICTURES if (name := f"{stem}.{ending}") in members), None)
    if found is None:
        raise ValueError(f"has no member '{stem}.jpg'; it has: {names}")
    return found


def _text(file: IO[bytes], members: Mapping[str, Member], stem: str) -> str:
    """The text of a member. Raises `ValueError` if it is missing, too large, or no UTF-8."""
    name = f"{stem}.txt"
    if name not in members:
        raise ValueError(f"has no member '{name}'; it has: {', '.join(f'{each:.60}' for each in list(members)[:20])}")
    try:
        return read_member(file, members[name]).decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"'{name}' is not valid UTF-8: {error.reason} at byte {error.start + 1}") from error
