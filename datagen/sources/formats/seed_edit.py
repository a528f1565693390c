"""SEED-Data-Edit part 1: pairs that automatic pipelines made, from Unsplash's pictures or Open Images'.

The layout is that of the dataset's card and of its viewer on the Hugging Face hub
(AILab-CVC/SEED-Data-Edit-Part1-Unsplash): below `auto_editing/unsplash` lie
`annotations/split_0001.jsonl` and so on, `annotations_GPT4V` likewise, and the
unpacked `images`. A line has `source_image`, `source_caption`, `target_image`,
`target_caption` and `instruction`, those of `annotations_GPT4V` also
`instruction_ori`; the name of the match score could not be seen. Not verified on
real data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from datagen.core.errors import ConfigError, nearest
from datagen.sources.base import SourceRow, escaped
from datagen.sources.file_listing import Place
from datagen.sources.formats.pairs.rows import inside, pair
from datagen.sources.id_set import once
from datagen.sources.rows import PAIR_FIELDS, SCORED_PAIR_FIELDS, faulty
from datagen.sources.tables import TableRow, table_rows

_ENDING = ".jsonl"
_NEEDED = ("source_image", "target_image", "instruction")
_CALLED = {"uri": "source_image", "target_uri": "target_image", "text": "instruction"}


class SeedEditPart1:
    """One record a pair; its id is its file's name and line, such as `split_0001/12`."""

    def __init__(self, path: str, *, annotations: str, images: str, score_key: str, license: str, credit: str) -> None:
        self.path = path
        folder = path.rstrip("/")
        self._annotations = Place(f"{folder}/{annotations}")
        self._images = f"{folder}/{images}/"
        self._score_key = score_key
        self.writes = SCORED_PAIR_FIELDS if score_key else PAIR_FIELDS
        self._called = {**_CALLED, "annotated_match": score_key}
        self._default = {key: value for key, value in (("license", license), ("credit", credit)) if value}

    def check(self) -> None:
        """Raise `ConfigError` if a local folder has no annotations, or their first line not the keys wanted."""
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
        """Not known without reading all annotations."""
        return None

    def rows(self) -> Iterator[SourceRow]:
        """Pairs by file and line."""
        yield from once(self._all(), place=self.path, empty=self._empty())

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
            return faulty(escaped(id), f"{where}: {row.error}")
        try:
            data = self._pair(row.data, id)
        except ValueError as error:
            return faulty(escaped(id), f"{where}: {error}")
        return pair(data, base=self._images, where=where, called=self._called)

    def _pair(self, data: Mapping[str, Any], id: str) -> dict[str, Any]:
        """A line under the names of a pair's keys. Raises `ValueError` for what `pair` would not tell."""
        told: dict[str, Any] = {
            **self._default,
            "id": id,
            "uri": inside("", data.get("source_image")),
            "target_uri": inside("", data.get("target_image")),
            "text": data.get("instruction"),
            "source_caption": data.get("source_caption"),
            "target_caption": data.get("target_caption"),
        }
        if self._score_key:
            score = data.get(self._score_key)
            if score is None:
                raise ValueError(f"'{self._score_key}': field required")
            told["annotated_match"] = float(score) if isinstance(score, int) else score
        return told
