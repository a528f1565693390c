"""Virtual try-on triplets: a person, a garment, and the person in that garment.

The layouts are those that IDM-VTON's loaders read (github.com/yisol/IDM-VTON,
`inference.py` and `inference_dc.py`): VITON-HD's `image/NAME.jpg` and `cloth/NAME.jpg`
below `train` or `test`, DressCode's `images/NUMBER_0.jpg` (the person) and
`NUMBER_1.jpg` (the garment) below `upper_body` and so on; a list of pairs has the two
names on each line. IDM-VTON saves what it makes under the person's name. Not
verified on real data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from datagen.core.errors import ConfigError
from datagen.sources.base import SourceRow
from datagen.sources.file_listing import Place
from datagen.sources.formats.pairs.rows import inside
from datagen.sources.id_set import once
from datagen.sources.manifest import lines_of
from datagen.sources.rows import PAIR, PAIR_FIELDS, checked, faulty

_LONGEST_LINE = 10_000


class Folders(NamedTuple):
    """The folders of a layout, below its own."""

    person: str
    garment: str
    result: str = ""
    agnostic: str = ""


FOLDERS = {"viton_hd": Folders("image", "cloth"), "dress_code": Folders("images", "images")}


class TryOn:
    """One record a pair of the list; its id is the person's and the garment's name without their endings."""

    writes = PAIR_FIELDS
    always: Mapping[str, str] = {"reference_from": "file"}
    """Fields that have one value in all rows."""

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
        """Raise `ConfigError` if a local list is missing or empty, or a folder that is needed is not there."""
        Place(self.path).check_scheme()
        if not Place(self.path).is_local:
            return
        if next(lines_of(self.pairs), None) is None:
            raise ConfigError(self._empty())
        for folder in dict.fromkeys(self._named("")):
            if Place(f"{self._base}{folder}").is_file():
                raise ConfigError(f"{self._base}{folder}: is a file, not a folder of pictures")

    def _empty(self) -> str:
        return f"{self.pairs}: holds no pairs; each line is a person's and a garment's file name"

    def count(self) -> int | None:
        """How many pairs the list has; None where it is not on this machine."""
        return sum(1 for _ in lines_of(self.pairs)) if Place(self.pairs).is_local else None

    def rows(self) -> Iterator[SourceRow]:
        """Pairs in the list's order."""
        yield from once(map(self._row, lines_of(self.pairs)), place=self.pairs, empty=self._empty())

    def _row(self, line: tuple[int, bytes]) -> SourceRow:
        where, name = f"{self.pairs}:{line[0]}", f"%line{line[0]}"
        words = line[1][:_LONGEST_LINE].decode("utf-8", "backslashreplace").split()
        if len(words) not in (2, 3):  # DressCode's lists over all categories have a third word, which counts them
            return faulty(name, f"{where}: has {len(words)} words; a person's and a garment's file name are wanted")
        try:
            person, garment = (inside("", word) for word in words[:2])
        except ValueError as error:
            return faulty(name, f"{where}: {error}")
        source, target, _ = self._named(person)
        data = {
            "id": f"{_stem(person)}-{_stem(garment)}",
            "uri": source,
            "target_uri": target,
            "reference_uri": f"{self._folders.garment}/{garment}",
            "text": self._text,
            "operation": "replace",
            **self._default,
        }
        return checked(data, base=self._base, where=where, name=name, form=PAIR)

    def _named(self, person: str) -> tuple[str, str, str]:
        """Where the source, the target and the garment lie."""
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
