"""The source `try_on`: virtual try-on triplets of a person, a garment, and the person in that garment.

The layouts are those that IDM-VTON's loaders read (github.com/yisol/IDM-VTON, `inference.py` and `inference_dc.py`).
VITON-HD has `image/NAME.jpg` and `cloth/NAME.jpg` below `train` or `test`. DressCode has `images/NUMBER_0.jpg` (the
person) and `NUMBER_1.jpg` (the garment) below `upper_body` and so on. A list of pairs has the two names on each line.
IDM-VTON saves its results under the person's name. Not verified on real data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from datagen.core.errors import ConfigError
from datagen.sources.base import ForeignOptions, Source, SourceRow
from datagen.sources.file_listing import FileListing
from datagen.sources.formats.pairs.rows import path_inside
from datagen.sources.id_set import with_unique_ids
from datagen.sources.manifest import read_lines
from datagen.sources.rows import PAIR, PAIR_FIELDS, faulty_row, validate_row


class TryOnConfig(ForeignOptions):
    """Virtual try-on triplets in VITON-HD's or DressCode's layout; not verified on real data."""

    kind: Literal["try_on"] = "try_on"
    """A person, a garment, and the person in that garment."""
    layout: Literal["viton_hd", "dress_code"]
    """VITON-HD has the folders `image` and `cloth` in `path`; DressCode has `images` alone."""
    pairs: str = Field(min_length=1)
    """Address of the list, such as test_pairs.txt: a person's and a garment's file name on each line."""
    results: str = Field(default="", pattern=r"^[^/]*$")
    """Folder in `path` of what a try-on model made of each pair, under the person's name, as IDM-VTON saves it."""
    source: Literal["photograph", "result", "agnostic"] = "photograph"
    """What is edited: the photograph into the result, the result back into the photograph, or VITON-HD's agnostic
    picture, in which the garment is greyed out, into the photograph. For the last two the list has to be the paired one
    in which the garment is what the photograph shows."""
    agnostic: str = Field(default="agnostic-v3.2", pattern=r"^[^/]+$")
    """VITON-HD's folder of agnostic pictures."""
    garment: str = Field(default="top", min_length=1, max_length=60)
    """What a garment is called: `top`, `dress`, `skirt`."""
    license: str = ""
    """Licence of every picture; VITON-HD's is CC-BY-NC-4.0, DressCode's an agreement of its own."""

    @model_validator(mode="after")
    def _made(self) -> Self:
        if self.source != "agnostic" and not self.results:
            raise ValueError(f"`source: {self.source}` needs `results`, the folder of what a try-on model made")
        if self.source == "agnostic" and self.layout != "viton_hd":
            raise ValueError("DressCode has no agnostic pictures; set `source: photograph` or `result`")
        return self

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        folders = FOLDERS[self.layout]._replace(result=self.results, agnostic=self.agnostic)
        return TryOn(
            self.path,
            self.pairs,
            folders=folders,
            edited=self.source,
            garment=self.garment,
            default={"license": self.license, "credit": self.credit},
        )


_LONGEST_LINE = 10_000


class Folders(NamedTuple):
    """The folders of a layout, relative to the folder of the dataset."""

    person: str
    garment: str
    result: str = ""
    agnostic: str = ""


FOLDERS = {"viton_hd": Folders("image", "cloth"), "dress_code": Folders("images", "images")}


class TryOn:
    """One record for each pair of the list. Its id is the person's and the garment's name, without extensions."""

    writes = PAIR_FIELDS
    always: Mapping[str, str] = {"reference_from": "file"}
    """Fields that have the same value in all rows."""

    def __init__(
        self,
        path: str,
        pairs: str,
        *,
        folders: Folders,
        edited: Literal["photograph", "result", "agnostic"],
        garment: str,
        default: Mapping[str, str],
    ) -> None:
        self.path, self.pairs = path, pairs
        self._base = f"{path.rstrip('/')}/"
        self._folders, self._edited = folders, edited
        self._text = f"replace the {garment} with another {garment}"
        self._default = {key: value for key, value in default.items() if value}

    def check(self) -> None:
        """Raise `ConfigError` if a local list is missing or empty, or if a required folder is missing."""
        FileListing(self.path).check_scheme()
        if not FileListing(self.path).is_local:
            return
        if next(read_lines(self.pairs), None) is None:
            raise ConfigError(self._empty())
        for folder in dict.fromkeys(self._paths("")):
            if FileListing(f"{self._base}{folder}").is_file():
                raise ConfigError(f"{self._base}{folder}: is a file, not a folder of pictures")

    def _empty(self) -> str:
        return f"{self.pairs}: holds no pairs; each line is a person's and a garment's file name"

    def count(self) -> int | None:
        """The number of pairs in the list; None if it is not on this machine."""
        return sum(1 for _ in read_lines(self.pairs)) if FileListing(self.pairs).is_local else None

    def rows(self) -> Iterator[SourceRow]:
        """The pairs in the order of the list."""
        yield from with_unique_ids(map(self._row, read_lines(self.pairs)), path=self.pairs, empty=self._empty())

    def _row(self, line: tuple[int, bytes]) -> SourceRow:
        where, name = f"{self.pairs}:{line[0]}", f"%line{line[0]}"
        words = line[1][:_LONGEST_LINE].decode("utf-8", "backslashreplace").split()
        if len(words) not in (2, 3):  # DressCode's lists over all categories have a third word, which counts them
            return faulty_row(name, f"{where}: has {len(words)} words; a person's and a garment's file name are wanted")
        try:
            person, garment = (path_inside("", word) for word in words[:2])
        except ValueError as error:
            return faulty_row(name, f"{where}: {error}")
        source, target, _ = self._paths(person)
        data = {
            "id": f"{_stem(person)}-{_stem(garment)}",
            "uri": source,
            "target_uri": target,
            "reference_uri": f"{self._folders.garment}/{garment}",
            "text": self._text,
            "operation": "replace",
            **self._default,
        }
        return validate_row(data, base=self._base, where=where, name=name, form=PAIR)

    def _paths(self, person: str) -> tuple[str, str, str]:
        """The paths of the source and the target of a person, and of the folder of garments."""
        folders = self._folders
        photograph, result = f"{folders.person}/{person}", f"{folders.result}/{person}"
        source, target = {
            "photograph": (photograph, result),
            "result": (result, photograph),
            "agnostic": (f"{folders.agnostic}/{person}", photograph),
        }[self._edited]
        return source, target, f"{folders.garment}/"


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name
