"""The source `seed_edit_part1`: pairs that automatic pipelines made of pictures from Unsplash or Open Images.

The layout follows the dataset's card and its viewer on the Hugging Face hub
(AILab-CVC/SEED-Data-Edit-Part1-Unsplash). `auto_editing/unsplash` has the folders `annotations`
with `split_0001.jsonl` and so on, `annotations_GPT4V` with such files, and the unpacked `images`.
A line has `source_image`, `source_caption`, `target_image`, `target_caption` and `instruction`;
lines of `annotations_GPT4V` also have `instruction_ori`. The name of the match score is not
visible there. Not verified on real data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from datagen.core.errors import ConfigError, nearest
from datagen.sources.base import ForeignOptions, Source, SourceRow, escape_id
from datagen.sources.file_listing import FileListing
from datagen.sources.formats.pairs.rows import build_pair, path_inside
from datagen.sources.id_set import with_unique_ids
from datagen.sources.rows import PAIR_FIELDS, SCORED_PAIR_FIELDS, faulty_row
from datagen.sources.tables import TableRow, table_rows


class SeedEditPart1Config(ForeignOptions):
    """SEED-Data-Edit part 1, pairs that its authors' pipelines made; not verified on real data."""

    kind: Literal["seed_edit_part1"] = "seed_edit_part1"
    """A folder such as `auto_editing/unsplash`, with annotations as JSON lines and the pictures that they name."""
    annotations: str = Field(default="annotations", pattern=r"^[^/]+$")
    """Folder of the annotations; `annotations_GPT4V` holds those few that GPT-4V reworded."""
    images: str = Field(default="images", pattern=r"^[^/]+$")
    """Folder from which the pictures' names count."""
    score_key: str = "match_score"
    """Key of the match score, which MIGE filters by (appendix B); '' if it is not to be read."""
    license: str = "CC-BY-NC-4.0"
    """Licence of every pair, as the dataset's card states it."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return SeedEditPart1(
            self.path,
            annotations=self.annotations,
            images=self.images,
            score_key=self.score_key,
            license=self.license,
            credit=self.credit,
        )


_ENDING = ".jsonl"
_NEEDED = ("source_image", "target_image", "instruction")
_CALLED = {"uri": "source_image", "target_uri": "target_image", "text": "instruction"}


class SeedEditPart1:
    """One record for each pair. Its id is the name of the file and the line, such as `split_0001/12`."""

    def __init__(self, path: str, *, annotations: str, images: str, score_key: str, license: str, credit: str) -> None:
        self.path = path
        folder = path.rstrip("/")
        self._annotations = FileListing(f"{folder}/{annotations}")
        self._images = f"{folder}/{images}/"
        self._score_key = score_key
        self.writes = SCORED_PAIR_FIELDS if score_key else PAIR_FIELDS
        self._called = {**_CALLED, "annotated_match": score_key}
        self._default = {key: value for key, value in (("license", license), ("credit", credit)) if value}

    def check(self) -> None:
        """Raise `ConfigError` if a local folder has no annotations, or if the first line lacks a key."""
        self._annotations.check_scheme()
        if not self._annotations.is_local:
            return
        name = next(self._files(), None)
        if name is None:
            raise ConfigError(self._empty())
        first = next((row for row in table_rows(f"{self._annotations.base}{name}") if not row.error), None)
        if first is not None:
            self._check_keys(first, f"{self._annotations.base}{name}")

    def _check_keys(self, row: TableRow, where: str) -> None:
        for key in (*_NEEDED, *filter(None, [self._score_key])):
            if key not in row.data:
                option = " (`score_key`; '' reads none)" if key == self._score_key else ""
                raise ConfigError(
                    f"{where}: {row.where} has no key '{key}'{option}; {nearest(key, row.data)}; "
                    f"it has: {', '.join(map(str, row.data))}"
                )

    def _empty(self) -> str:
        return f"{self._annotations.address}: holds no {_ENDING} files, which SEED-Data-Edit's annotations are"

    def count(self) -> int | None:
        """None: it is unknown without reading all annotations."""
        return None

    def rows(self) -> Iterator[SourceRow]:
        """The pairs by file and line."""
        yield from with_unique_ids(self._all(), path=self.path, empty=self._empty())

    def _all(self) -> Iterator[SourceRow]:
        for name in self._files():
            address = f"{self._annotations.base}{name}"
            for row in table_rows(address):
                yield self._row(row, id=f"{name.removesuffix(_ENDING)}/{row.where.removeprefix('line ')}", file=address)

    def _files(self) -> Iterator[str]:
        for folder in self._annotations.folders():
            yield from (f"{folder.path}{name}" for name in folder.files if name.endswith(_ENDING))

    def _row(self, row: TableRow, *, id: str, file: str) -> SourceRow:
        where = f"{file}: {row.where}"
        if row.error:
            return faulty_row(escape_id(id), f"{where}: {row.error}")
        try:
            data = self._pair(row.data, id)
        except ValueError as error:
            return faulty_row(escape_id(id), f"{where}: {error}")
        return build_pair(data, base=self._images, where=where, called=self._called)

    def _pair(self, data: Mapping[str, Any], id: str) -> dict[str, Any]:
        """The data of a line, with the keys of a pair. Raises `ValueError` for errors that `build_pair` would miss."""
        pair: dict[str, Any] = {
            **self._default,
            "id": id,
            "uri": path_inside("", data.get("source_image")),
            "target_uri": path_inside("", data.get("target_image")),
            "text": data.get("instruction"),
            "source_caption": data.get("source_caption"),
            "target_caption": data.get("target_caption"),
        }
        if self._score_key:
            score = data.get(self._score_key)
            if score is None:
                raise ValueError(f"'{self._score_key}': field required")
            pair["annotated_match"] = float(score) if isinstance(score, int) else score
        return pair
