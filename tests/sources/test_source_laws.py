"""Laws of every source: the same rows twice, whatever the order of a listing; foreign bytes fail rows, never the driver."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from foreign import MAKERS as PICTURES
from foreign_edits import MAKERS as EDITS
from foreign_generation import MAKERS as GENERATION
from foreign_outputs import MAKERS as OUTPUTS
from foreign_pairs import MAKERS as PAIRS
from foreign_sessions import MAKERS as SESSIONS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rings import example_count

from datagen.core.errors import DatagenError
from datagen.core.options import Options
from datagen.execute.workers.slices import cut
from datagen.sources.base import Source
from datagen.sources.config import SOURCES

MAKERS = {**PICTURES, **EDITS, **GENERATION, **OUTPUTS, **PAIRS, **SESSIONS}


@pytest.fixture(params=MAKERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


OWN = {
    *(
        "manifest",
        "images",
        "webdataset",
        "huggingface",
        "pairs",
        "sessions",
        "prompts",
        "reviewed",
        "mix",
        "world",
        "generations",
        "scenes",
    ),
}
"""Formats, rather than datasets that somebody published."""


@pytest.mark.parametrize("chosen", SOURCES, ids=lambda chosen: chosen.model_fields["kind"].default)
def test_a_published_dataset_that_was_never_read_says_so(chosen: type[Options]) -> None:
    found = "not verified on real data" in (chosen.__doc__ or "")
    assert found is (chosen.model_fields["kind"].default not in OWN)


def names(source: Source) -> list[str]:
    return [part.name for part in cut(source, size=1)]


class Shuffled:
    """What `os.scandir` gives, in another order each time."""

    def __init__(self, path: str) -> None:
        with SCAN(path) as entries:
            self.entries = list(entries)
        random.shuffle(self.entries)

    def __enter__(self) -> Iterator[Any]:
        return iter(self.entries)

    def __exit__(self, *_: object) -> None: ...


SCAN = os.scandir


def test_the_same_slices_are_cut_whatever_the_order_of_a_listing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = MAKERS[kind](tmp_path)
    first = names(source)
    assert first
    monkeypatch.setattr(os, "scandir", Shuffled)
    assert names(source) == names(MAKERS[kind](tmp_path)) == first


def test_rows_have_what_the_source_promises_and_are_plain_data(kind: str, tmp_path: Path) -> None:
    source = MAKERS[kind](tmp_path)
    for row in source.rows():
        assert set(row.fields) == (set() if row.error else set(source.writes))
        assert json.loads(json.dumps(row.fields)) == row.fields
        assert row.id.encode()


def test_a_count_is_that_of_the_rows(kind: str, tmp_path: Path) -> None:
    source = MAKERS[kind](tmp_path)
    counted = source.count()
    assert counted in (None, sum(1 for row in source.rows() if not row.id.startswith("%")))


@settings(max_examples=example_count(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_fail_rows_or_are_told(
    kind: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    source = MAKERS[kind](folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".png", ".jpg"))
    path = data.draw(st.sampled_from(files))
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    junk = data.draw(st.binary(max_size=8) | st.sampled_from([b"\xff" * 8, b"\0" * 8, b"{[", b'"', b"-1", b"9" * 40]))
    whole[at : at + data.draw(st.integers(0, 8))] = junk
    path.write_bytes(bytes(whole[: data.draw(st.sampled_from([len(whole), at]))]))
    for look in (source.check, lambda: list(source.rows())):
        try:
            for row in look() or ():
                assert not row.error or str(folder) in row.error
        except DatagenError as error:
            assert str(folder) in str(error)  # noqa: PT017
