"""Manifests: a faulty line fails alone and by name, a faulty file is an error that says what would do."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import fsspec
import pytest
from building import PAINT, ledger_rows, run_local, toy_graph
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count

from datagen.core.errors import ConfigError
from datagen.execute.maintain.verify import verify
from datagen.sources import manifest
from datagen.sources.base import SourceRow, escape_id
from datagen.sources.id_set import IdSet
from datagen.sources.manifest import Manifest

GOOD = {"id": "a", "uri": "a.png"}
BOXED = {"label": "cup", "box": [1, 2, 3, 4]}


def rows_of(folder: Path, *lines: str | bytes | dict[str, Any]) -> list[SourceRow]:
    found = [json.dumps(line) if isinstance(line, dict) else line for line in lines]
    data = b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in found)
    (folder / "m.jsonl").write_bytes(data)
    return list(Manifest(str(folder / "m.jsonl")).rows())


def fault_of(folder: Path, line: str | bytes | dict[str, Any]) -> tuple[str, str]:
    """The id and message of a faulty line between two good ones."""
    first, row, last = rows_of(folder, GOOD, line, {**GOOD, "id": "z"})
    assert (first.error, last.error, last.id) == ("", "", "z")
    where, _, found = row.error.partition("m.jsonl:2: ")
    assert where.startswith(str(folder))
    assert not row.fields
    return row.id, found


# The file


@pytest.mark.parametrize("content", [b"", b"\n \r\n\n", b"\xef\xbb\xbf\n"])
def test_an_empty_manifest_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.jsonl").write_bytes(content)
    for look in (Manifest(str(tmp_path / "m.jsonl")).check, lambda: rows_of(tmp_path, content)):
        with pytest.raises(ConfigError, match=r"m\.jsonl: holds no rows; a manifest has one JSON object a line"):
            look()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere.jsonl", "there is no such manifest; a relative path counts from here"),
        ("", "cannot be read as a manifest: Is a directory"),
        ("file.txt/m.jsonl", "cannot be read as a manifest: Not a directory"),
        ("a\0b", "cannot be read as a manifest: embedded null byte"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_a_remedy(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "file.txt").write_text("x")
    source = Manifest(str(tmp_path / path))
    for look in (source.check, lambda: list(source.rows())):
        with pytest.raises(ConfigError) as caught:
            look()
        assert str(caught.value) == f"{tmp_path / path}: {message}"


def test_a_remote_manifest_is_only_looked_at_when_it_runs() -> None:
    source = Manifest("memory://nowhere/m.jsonl")
    source.check()
    with pytest.raises(ConfigError, match="there is no such manifest"):
        list(source.rows())


def test_a_scheme_that_no_filesystem_has_is_told_without_network() -> None:
    source = Manifest("carrier-pigeon://m.jsonl")
    with pytest.raises(ConfigError, match="no filesystem has the scheme 'carrier-pigeon'"):
        source.check()
    with pytest.raises(ConfigError, match="cannot be read as a manifest: Protocol not known: carrier-pigeon"):
        list(source.rows())


def test_marks_ends_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r", b"  \r", b"", {**GOOD, "id": "b"})
    assert [(row.id, row.error) for row in rows] == [("a", ""), ("b", "")]


def test_the_last_line_needs_no_end(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text(json.dumps(GOOD))
    assert [row.id for row in Manifest(str(tmp_path / "m.jsonl")).rows()] == ["a"]


class Ranged(AbstractFileSystem):
    """Serves `CONTENT` by byte ranges, as object stores do."""

    protocol = "ranged"
    CONTENT = b"".join(json.dumps({**GOOD, "id": f"r{n}"}).encode() + b"\n" for n in range(50))

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        return {"name": path, "size": len(self.CONTENT), "type": "file"}

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> AbstractBufferedFile:
        file = AbstractBufferedFile(self, path, mode, block_size=64, size=len(self.CONTENT))
        file._fetch_range = lambda start, end: self.CONTENT[start:end]
        file.cache.fetcher = file._fetch_range
        return file


def test_a_file_in_an_object_store_is_read() -> None:
    fsspec.register_implementation("ranged", Ranged, clobber=True)
    rows = list(Manifest("ranged://bucket/some/m.jsonl").rows())
    assert [row.id for row in rows] == [f"r{n}" for n in range(50)]
    assert rows[0].fields["base"] == "ranged://bucket/some/"


@pytest.mark.parametrize(
    ("path", "base"),
    [("m.jsonl", ""), ("/m.jsonl", "/"), ("in/here/m.jsonl", "in/here/"), ("memory://m.jsonl", "memory://")],
)
def test_relative_addresses_count_from_the_manifests_folder(path: str, base: str) -> None:
    assert Manifest(path)._row(json.dumps(GOOD).encode(), 1).fields["base"] == base


# Its lines


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "b", ', "not valid JSON: Expecting property name"),
        ("once upon a time", "not valid JSON: Expecting value at character 1"),
        (b'{"id": "b", "uri": "\xff"}', "not valid UTF-8: invalid start byte at byte 21"),
        ('{"id": "b", "uri": "x"}'.encode("utf-16"), "not valid UTF-8"),
        ("[" * 100_000, "not valid JSON: nested too deep"),
        ('["id", "b"]', "a line is one JSON object, this one is a list"),
        ('"b"', "a line is one JSON object, this one is text"),
        ("7", "a line is one JSON object, this one is a number"),
        ("NaN", "a line is one JSON object, this one is null"),
        ('{"uri": "x"}', "'id': field required"),
        ('{"id": 7, "uri": "x"}', "'id': input should be a valid string"),
        ('{"id": "", "uri": "x"}', "'id': string should have at least 1 character"),
        ('{"id": "b", "id": "c", "uri": "x"}', "the key 'id' is there twice"),
        ('{"id": "%s", "uri": "x"}' % ("i" * 10_001), "'id': string should have at most 10000 characters"),
    ],
)  # fmt: skip
def test_a_line_without_a_usable_id_fails_by_its_number(tmp_path: Path, line: str | bytes, message: str) -> None:
    id, found = fault_of(tmp_path, line)
    assert id == "%line2"
    assert message in found


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"uri": None}, "'uri': input should be a valid string"),
        ({"urri": "x"}, "unknown key 'urri'; did you mean 'uri'?"),
        ({"\ud800": 1}, "a key: input should be a valid string, unable to parse raw data as a unicode"),
        ({"caption": 3}, "'caption': input should be a valid string"),
        ({"caption": "\ud800"}, "'caption': input should be a valid string, unable to parse raw data as a unicode"),
        ({"uri": "\udcff"}, "'uri': input should be a valid string, unable to parse raw data as a unicode"),
        ({"sha256": "AB"}, "'sha256': string should match pattern"),
        ({"objects": {}}, "'objects': input should be a valid list"),
        ({"objects": [{"box": [1, 2, 3, 4]}]}, "'objects.0.label': field required"),
        ({"objects": [{**BOXED, "lable": "cup"}]}, "unknown key 'objects.0.lable'; did you mean 'label'?"),
        ({"objects": [{**BOXED, "box": [1, 2, 3]}]}, "'objects.0.box': list should have at least 4 items"),
        ({"objects": [{**BOXED, "box": [1, 2, 3, "4"]}]}, "'objects.0.box.3': input should be a valid number"),
        (
            {"objects": [{**BOXED, "polygons": [[[0, 1e999]]]}]},
            "'objects.0.polygons.0.0.1': input should be a valid number",
        ),
        (
            {"objects": [{**BOXED, "polygons": [[[0, -1e300]]]}]},
            "'objects.0.polygons.0.0.1': input should be greater than or equal to -1000000",
        ),
        (
            {"objects": [{**BOXED, "mask": {"size": [2, 2], "counts": [2**63 - 1] * 2}}]},
            "'objects.0.mask.counts.0': input should be less than or equal to 2147483648",
        ),
        (
            {"objects": [{**BOXED, "mask": {"size": [2, 2], "counts": [4, 10**20]}}]},
            "'objects.0.mask.counts.1': input should be",
        ),
        (
            {"objects": [{**BOXED, "mask": {"size": [2, 2], "counts": [5, -1]}}]},
            "'objects.0.mask.counts.1': input should be greater than or equal to 0",
        ),
        (
            {"objects": [{**BOXED, "mask": {"size": [0, 2], "counts": []}}]},
            "'objects.0.mask.size.0': input should be greater than 0",
        ),
        ({"objects": [{**BOXED, "mask": {"size": [2, 2], "count": []}}]}, "unknown key 'objects.0.mask.count'; did"),
        ({"objects": [BOXED, {**BOXED, "label": ""}]}, "'objects.1.label': string should have at least 1"),
    ],
)
def test_a_line_with_a_fault_fails_by_its_id_and_tells_the_place(
    tmp_path: Path, keys: dict[str, Any], message: str
) -> None:
    id, found = fault_of(tmp_path, {"id": "b", "uri": "x", **keys})
    assert id == "b"
    assert message in found
    found.encode()


def test_a_line_that_is_too_long_fails_and_the_next_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "LONGEST_LINE", 200)
    for length in (150, 200, 201, 399, 400, 401, 402, 1000):
        line = json.dumps({**GOOD, "id": "b", "caption": ""})
        line = line.replace('""', '"' + "c" * (length - len(line)) + '"')
        rows = rows_of(tmp_path, GOOD, line, {**GOOD, "id": "z"})
        assert [row.id for row in rows] == ["a", "b" if length <= 199 else "%line2", "z"]
        assert ("longer than 200 bytes" in rows[1].error) == (length > 199)


def test_an_id_that_was_used_fails_where_it_comes_again(tmp_path: Path) -> None:
    first, second, third, other = rows_of(tmp_path, GOOD, GOOD, GOOD, {**GOOD, "id": "a%line2"})
    assert first.error == ""
    assert second.error.endswith("m.jsonl:2: the id 'a' was used above")
    assert len({first.id, second.id, third.id, other.id}) == 4
    assert other.error == ""


def test_all_keys_are_taken(tmp_path: Path) -> None:
    thing = {**BOXED, "polygons": [[[1, 2], [3, 2], [3, 4.5]]], "attributes": ["red"]}
    thing["mask"] = {"size": [2, 3], "counts": [1, 5]}
    keys = {"sha256": "0" * 64, "license": "CC0-1.0", "credit": "me", "caption": "Ein Krug", "session": "s"}
    row = rows_of(tmp_path, {**GOOD, **keys, "objects": [thing]})[0]
    assert row.error == ""
    assert row.fields == {"uri": "a.png", "base": f"{tmp_path}/", **keys, "objects": [thing]}
    assert set(row.fields) == set(Manifest.writes)


def test_what_is_not_finite_in_a_box_becomes_null_and_leaves_the_siblings(tmp_path: Path) -> None:
    box = '{"label": "cup", "box": [%s, 2, 3, 4]}'
    things = ", ".join(box % edge for edge in ("NaN", "-Infinity", "1e999", "null", "1"))
    row = rows_of(tmp_path, '{"id": "a", "uri": "x", "objects": [%s]}' % things)[0]  # noqa: UP031
    assert row.error == ""
    assert [thing["box"][0] for thing in row.fields["objects"]] == [None, None, None, None, 1]


@settings(max_examples=example_count(100), deadline=None)
@given(st.lists(st.text(alphabet="ab#+%235BL\ud800", min_size=1), min_size=2, max_size=8, unique=True))
def test_escaping_keeps_ids_apart_and_out_of_derived_ones(ids: list[str]) -> None:
    assert len({escape_id(id) for id in ids}) == len(ids)
    for id in ids:
        assert not set("#+") & set(escape_id(id))


NAMES = [
    "a.b.c",
    "a/b",
    "..",
    "../../etc/passwd",
    "/",
    ".",
    " ",
    "Ünïcødé ✓ 日本",
    "a#0",
    "a+0",
    "a%230",
    "%line3",
    "a\0b",
    "line\nbreak\ttab\x1b[31m",
    "x" * 10_000,
    "x" * 9_999 + "y",
    "A",
    "a",
    "\ud800",
    "\ud801",
    "-",
    "__",
]


def test_any_id_ends_in_a_sound_sample_or_fails_by_name(tmp_path: Path) -> None:
    rows = [{"id": name, "uri": f"nowhere/{n}.png", "caption": str(n)} for n, name in enumerate(NAMES)]
    stages = [{"use": "fan_out", "with": {"most": 2}}, PAINT]
    run_local(toy_graph(tmp_path, stages, rows=rows), tmp_path / "out")
    assert verify(str(tmp_path / "out")) == []
    found = ledger_rows(tmp_path / "out")
    sources = {id: row for id, row in found.items() if not row["parent"]}
    assert len(sources) == len(NAMES)
    failed = {id for id, row in sources.items() if row["status"] == "failed"}
    assert failed == {r"\ud800", r"\ud801"}
    assert sources["a%230"]["status"] in ("expanded", "rejected")
    keys = [row["key"] for row in found.values() if row["status"] == "accepted"]
    assert len(keys) == len(set(keys)) > 10
    for key in keys:
        assert len(key) <= 80
        assert set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")
    for path in (tmp_path / "out" / "shards").iterdir():
        assert path.suffix == ".tar"


def test_faulty_lines_fail_in_the_ledger_and_the_rest_goes_on(tmp_path: Path) -> None:
    lines = [GOOD, "{", {"id": "b", "uri": "x", "\ud800": 1}, GOOD, {**GOOD, "id": "c"}]
    run_local(toy_graph(tmp_path, [PAINT], rows=lines), tmp_path / "out")
    found = ledger_rows(tmp_path / "out")
    assert {id: (row["status"], row["stage"]) for id, row in found.items()} == {
        "a": ("accepted", ""),
        "%line2": ("failed", "source"),
        "b": ("failed", "source"),
        "a%line4": ("failed", "source"),
        "c": ("accepted", ""),
    }
    assert verify(str(tmp_path / "out")) == []
    for row in found.values():
        json.loads(row["fields"], parse_constant=pytest.fail)


# Reading a line at once, and slowly


_TEXT = st.text(alphabet='aé"\\#%\u2028 {}[]:,\n', max_size=6)
_NUMBER = st.integers(-(10**6), 10**20) | st.floats() | st.sampled_from([0, -0.0, 1e999, True, None, 10**400])
_THING = st.fixed_dictionaries(
    {"label": _TEXT, "box": st.lists(_NUMBER, min_size=3, max_size=5)},
    optional={
        "polygons": st.lists(st.lists(st.lists(_NUMBER, min_size=2, max_size=2), max_size=2), max_size=2),
        "mask": st.none() | st.fixed_dictionaries({"size": st.just([2, 2]), "counts": st.lists(_NUMBER, max_size=3)}),
        "attributes": st.lists(_TEXT, max_size=2),
    },
)
_LINE = st.fixed_dictionaries(
    {"id": _TEXT, "uri": _TEXT},
    optional={
        "caption": _TEXT,
        "session": _TEXT | st.none(),
        "sha256": st.sampled_from(["", "0" * 64, "x"]),
        "objects": st.lists(_THING, max_size=3),
        "odd": _TEXT,
    },
)


@settings(max_examples=example_count(400), deadline=None)
@given(_LINE, st.booleans(), st.sampled_from(["", ' "id": "twice",', ' "caption": "c", "caption": "d",', "-0"]))
def test_a_line_read_at_once_is_what_it_is_read_slowly(data: dict[str, Any], ascii: bool, odd: str) -> None:
    text = json.dumps(data, ensure_ascii=ascii)
    text = text.replace("[0,", f"[{odd},") if odd == "-0" else "{" + odd + text[1:]
    at_once, slowly = Manifest("m.jsonl"), Manifest("m.jsonl")
    with pytest.MonkeyPatch.context() as patched:
        one = at_once._row(text.encode(), 1)
        patched.setattr(manifest, "_parse_fast", lambda line: None)
        other = slowly._row(text.encode(), 1)
    assert repr(one) == repr(other)
    assert list(one.fields) == list(other.fields)


def test_rows_are_counted_where_they_lie_on_this_machine(tmp_path: Path) -> None:
    rows_of(tmp_path, GOOD, "", "{", GOOD)
    assert Manifest(str(tmp_path / "m.jsonl")).count() == 3
    assert Manifest(str(tmp_path / "nowhere.jsonl")).count() is None
    assert Manifest("memory://nowhere/m.jsonl").count() is None


@settings(max_examples=example_count(20), deadline=None)
@given(st.lists(st.text(max_size=3)))
def test_what_was_seen_is_remembered(ids: list[str]) -> None:
    seen, known = IdSet(), set[str]()
    for id in [*ids, *map(str, range(3000)), *ids]:
        assert seen.add(id) == (id not in known)
        known.add(id)
    assert len(seen) == len(known)


class Colliding(str):
    """An id whose `hash` is that of every other, as a salt may bring about in some process."""

    __slots__ = ()

    def __hash__(self) -> int:
        return 1


def test_ids_with_one_hash_are_told_apart() -> None:
    seen = IdSet()
    assert [seen.add(Colliding(id)) for id in ("a", "b", "a", "\ud800", "\ud801", "")] == [
        True, True, False, True, True, True,
    ]  # fmt: skip


def test_ids_take_some_16_bytes_each() -> None:
    seen = IdSet()
    tracemalloc.start()
    try:
        for number in range(100_000):
            seen.add(f"https://example.org/pictures/{number:08d}.jpg")
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 16 <= held / 100_000 < 33  # 8 bytes a slot, of which a quarter to a half is taken
