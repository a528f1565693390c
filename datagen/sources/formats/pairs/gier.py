"""The source `gier`: photographs, requests for an edit, and the edited photographs.

The file is a JSON list of `{input, output, expert_summary: [...], amateur_summary: [...], operator: {name: {local,
ids}}}`, and the pictures are in one folder, as jshi31/T2ONet's `data/GIER/GIER.py` reads them. An edit is local if one
of its operators is. A pair has several requests: all are taken, or the first one, where experts come before amateurs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from datagen.core.errors import ConfigError
from datagen.fetch import folder_of
from datagen.sources.base import ForeignOptions, Source, SourceRow
from datagen.sources.file_listing import FileListing, split_address
from datagen.sources.formats.pairs.rows import as_list, build_pair, path_inside, read_json
from datagen.sources.id_set import with_unique_ids
from datagen.sources.rows import PAIR_FIELDS, faulty_row


class GierConfig(ForeignOptions):
    """GIER, whose pairs have several wordings of one request; not verified on real data."""

    kind: Literal["gier"] = "gier"
    """Photographs, requests, and what people made of them."""
    path: str = Field(min_length=1)
    """Address of its JSON file."""
    images: str = ""
    """Address of the folder of pictures; `images` beside the file, if not given."""
    wordings: Literal["first", "all"] = "first"
    """One record a pair, or one for every request; packing drops all but one of those that name operators."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return Gier(
            self.path, images=self.images, wordings=self.wordings, license=self.license, credit=self.credit
        )  # fmt: skip


_CALLED = {"text": "summary", "uri": "input", "target_uri": "output"}


class Gier:
    """One record for each pair or request. Its id is the two pictures' names and the number of the request, from 0."""

    writes = PAIR_FIELDS

    def __init__(self, path: str, *, images: str, wordings: Literal["first", "all"], license: str, credit: str) -> None:
        self.path = path
        self._base = f"{images.rstrip('/')}/" if images else f"{folder_of(path)}images/"
        self._most = 1 if wordings == "first" else None
        self._default = {key: value for key, value in (("license", license), ("credit", credit)) if value}

    def check(self) -> None:
        """Raise `ConfigError` if a local file is not in GIER's layout."""
        listing = FileListing(self.path)
        listing.check_scheme()
        if not listing.is_local:
            return
        entries = self._entries()
        if not entries:
            raise ConfigError(self._empty())
        if not any(isinstance(entry, dict) and {"input", "output"} <= entry.keys() for entry in entries):
            raise ConfigError(f"{self.path}: is none of GIER's: an entry is an object with 'input' and 'output'")

    def _empty(self) -> str:
        return f"{self.path}: holds no edits"

    def count(self) -> int | None:
        """None: it is unknown without reading all requests."""
        return None

    def rows(self) -> Iterator[SourceRow]:
        """The edits in the order of the file."""
        yield from with_unique_ids(self._all(), path=self.path, empty=self._empty())

    def _all(self) -> Iterator[SourceRow]:
        for number, entry in enumerate(self._entries()):
            where = f"{self.path}: entry {number}"
            try:
                yield from self._edits(entry, where)
            except ValueError as error:
                yield faulty_row(f"%entry{number}", f"{where}: {error}")

    def _edits(self, entry: Any, where: str) -> Iterator[SourceRow]:
        if not isinstance(entry, dict):
            raise ValueError(f"is {type(entry).__name__}, not a JSON object")
        fields = self._fields(entry)
        keys = ("expert_summary", "amateur_summary")
        requests = [request for key in keys for request in as_list(entry.get(key, []), where=f"'{key}'")]
        if not requests:
            raise ValueError("has no request, neither in 'expert_summary' nor in 'amateur_summary'")
        for number, request in enumerate(requests[: self._most]):
            id = f"{_stem(entry['input'])}-{_stem(entry['output'])}/{number}"
            yield build_pair({**fields, "id": id, "text": request}, base=self._base, where=where, called=_CALLED)

    def _fields(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a pair that do not depend on the request. Raises `ValueError`."""
        for key in ("input", "output"):
            if not isinstance(entry.get(key), str):
                raise ValueError(f"'{key}' names no picture")
        operators = entry.get("operator") or {}
        if not isinstance(operators, dict):
            raise ValueError(f"'operator' is {type(operators).__name__}, not a JSON object")
        local = any(isinstance(masks, dict) and masks.get("local") for masks in operators.values())
        return {
            **self._default,
            "uri": path_inside("", entry["input"]),
            "target_uri": path_inside("", entry["output"]),
            "operation": ", ".join(operators),
            "reach": ("local" if local else "global") if operators else "",
        }

    def _entries(self) -> list[Any]:
        listing, name = split_address(self.path)
        found = read_json(listing, name)
        try:
            return as_list(found, where="the file")
        except ValueError as error:
            raise ConfigError(f"{self.path}: {error}") from error


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name
