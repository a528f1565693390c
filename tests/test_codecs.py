"""What travels between processes arrives as it was, and nobody changes it on the way."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from building import PAINT, context_of, ledger_rows, plain_rows, run_local, toy_graph
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from picture_files import noise, saved
from rings import example_count

from datagen.core.errors import DataError
from datagen.core.fields import Field, catalogue
from datagen.core.record import Record
from datagen.execute.ledger.ledger import Costs, Row
from datagen.execute.workers.slices import Job, Slice
from datagen.execute.workers.state import LiveRecord, RecordEnd, SliceOrder, SliceState
from datagen.imaging.codecs import (
    Blobs,
    canonical,
    check_value,
    dump_fields,
    dump_ledger_fields,
    load_fields,
    mask_from_runs,
    mask_to_runs,
)
from datagen.imaging.image import Image
from datagen.sources.base import SourceRow

EXTRA = (
    Field("pile", "images", "Some pictures."),
    Field("stack", "masks", "Some masks."),
    Field("sounds", "audio", "Some sounds."),
    Field("number", "int", "A number."),
    Field("share", "float", "A share."),
    Field("flag", "bool", "A flag."),
    Field("verdict", "text", "A verdict.", choices=("yes", "no")),
    Field("heap", "json", "Much.", bulky=True),
    Field("notes", "json", "Little."),
)
KNOWN = catalogue(EXTRA)

IMAGES = st.builds(
    lambda height, width, seed, encoded: (
        Image.decode(saved(noise(height, width, seed=seed), "PNG")) if encoded else Image.of(noise(height, width, seed=seed))
    ),
    st.integers(1, 9), st.integers(1, 9), st.integers(0, 3), st.booleans(),
)  # fmt: skip
MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9))
TEXT = st.text(max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
BOXES = st.tuples(*[st.integers(-9, 9) | st.floats(width=32)] * 4)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "target": IMAGES,
        "pile": st.lists(IMAGES, max_size=3),
        "mask": MASKS,
        "stack": st.lists(MASKS, max_size=3),
        "sounds": st.lists(st.binary(max_size=9), max_size=3),
        "caption": TEXT,
        "verdict": st.sampled_from(["yes", "no"]),
        "number": st.integers(-(2**63), 2**63 - 1),
        "share": NUMBERS,
        "sharpness": NUMBERS | st.integers(-9, 9),
        "flag": st.booleans(),
        "box": BOXES | BOXES.map(list),
        "notes": JSON,
        "heap": JSON,
    },
)


def same(one: Any, other: Any) -> bool:
    """Equal in type and value, NaN equal to itself."""
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    return type(one) is type(other) and bool(one == other)


def all_settled(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: canonical(KNOWN[name], value) for name, value in fields.items()}


@settings(max_examples=example_count(150), deadline=None)
@given(FIELDS)
def test_fields_arrive_as_they_were(fields: dict[str, Any]) -> None:
    sent, blobs = all_settled(fields), Blobs()
    text = dump_fields(sent, catalogue=KNOWN, blobs=blobs)
    json.loads(text, parse_constant=pytest.fail)
    found = load_fields(text, catalogue=KNOWN, blobs=Blobs(blobs.items))
    assert list(found) == list(sent)
    for name, value in sent.items():
        assert same(found[name], value), name
        assert same(canonical(KNOWN[name], value), value), "settling twice changes nothing"


@settings(max_examples=example_count(60), deadline=None)
@given(FIELDS)
def test_what_a_ledger_tells_is_json_for_any_reader(fields: dict[str, Any]) -> None:
    text = dump_ledger_fields(all_settled(fields), catalogue=KNOWN)
    found = json.loads(text.encode().decode(), parse_constant=pytest.fail)
    assert set(found) == set(fields) & {"caption", "verdict", "number", "share", "flag", "box", "notes"}


@settings(max_examples=example_count(40), deadline=None)
@given(
    records=st.lists(FIELDS, max_size=4),
    seconds=st.dictionaries(TEXT, st.floats(0, 1e6), max_size=3),
    tokens=st.integers(0, 2**50),
    usd=st.floats(0, 1e6),
    details=st.lists(TEXT, max_size=3),
)
def test_a_slice_arrives_as_it_was(
    records: list[dict[str, Any]], seconds: dict[str, float], tokens: int, usd: float, details: list[str]
) -> None:
    live = [
        LiveRecord(
            Record(f"r{n}#é", all_settled(fields), parent=f"r{n}"),
            Costs(dict(seconds), {"a": tokens}, {"a": usd}),
            "f00d" * (n % 2),
        )
        for n, fields in enumerate(records)
    ]
    rows = [Row(f"x{n}", "", "failed", detail=detail, tokens=tokens, usd=usd) for n, detail in enumerate(details)]
    found = SliceState.from_parcel(
        SliceState(SliceOrder("000-a"), live=live, rows=rows, catalogue=KNOWN).parcel(), catalogue=KNOWN
    )
    assert (found.slice, found.rows) == ("000-a", rows)
    assert len(found.live) == len(live)
    for one, other in zip(live, found.live, strict=True):
        assert (other.record.id, other.record.parent) == (one.record.id, one.record.parent)
        assert (other.costs, other.merged) == (one.costs, one.merged)
        assert list(other.record) == list(one.record)
        assert all(same(other.record[name], value) for name, value in one.record.items())


def test_equal_blobs_are_stored_once_and_shared_on_arrival() -> None:
    picture, mask, heap = Image.of(noise(8, 8)), canonical(KNOWN["mask"], np.eye(8, dtype=bool)), [{"a": 1}] * 9
    parent = Record("p", {"target": picture, "mask": mask, "heap": heap})
    children = [LiveRecord(parent.child(str(n), {"caption": str(n)})) for n in range(5)]
    twin = LiveRecord(Record("q", {"target": Image.of(noise(8, 8)), "pile": [picture, picture]}))
    parcel = SliceState(SliceOrder("s"), live=[*children, twin], rows=[], catalogue=KNOWN).parcel()
    assert sum(map(len, parcel.blobs)) == 3
    found = SliceState.from_parcel(parcel, catalogue=KNOWN).live
    for name in ("target", "mask", "heap"):
        assert len({id(live.record[name]) for live in found[:5]}) == 1
    assert found[5].record["pile"][0] is found[0].record["target"]


@settings(max_examples=example_count(100), deadline=None)
@given(MASKS)
def test_masks_survive_as_runs(mask: np.ndarray) -> None:
    found = mask_from_runs(mask_to_runs(mask))
    assert found.shape == mask.shape
    assert np.array_equal(found, mask)
    assert not found.flags.writeable


@pytest.mark.parametrize(("shape", "value", "numbers"), [
    ((3, 4), False, 3), ((3, 4), True, 4), ((1, 1), False, 3), ((1, 1), True, 4), ((0, 5), False, 3), ((5, 0), True, 3),
])  # fmt: skip
def test_runs_begin_with_the_background(shape: tuple[int, int], value: bool, numbers: int) -> None:
    mask = np.full(shape, value)
    data = mask_to_runs(mask)
    assert len(data) == 4 * numbers
    assert mask_from_runs(data).shape == shape
    assert mask_from_runs(data).all() == mask.all()
    sliced = np.full((9, 9), value)[:: 9 // shape[0] if shape[0] else 1, :4]
    assert np.array_equal(mask_from_runs(mask_to_runs(sliced)), sliced)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("target", noise(4, 4), "field 'target' takes an Image, not an array of uint8 (4, 4, 3)"),
        ("pile", Image.of(noise(2, 2)), "field 'pile' takes a list of Image, not Image Image(2x2 png)"),
        (
            "mask",
            np.zeros((4, 4), np.uint8),
            "field 'mask' takes a boolean array of height x width, not an array of uint8",
        ),
        ("mask", np.zeros((4, 4, 1), bool), "not an array of bool (4, 4, 1)"),
        ("stack", [np.zeros(4, bool)], "field 'stack' takes a list of boolean arrays of height x width, not list"),
        ("sounds", ["la"], "field 'sounds' takes a list of FLAC files' bytes, not list ['la']"),
        ("caption", None, "field 'caption' takes text in valid Unicode, not NoneType None"),
        ("caption", "a\ud800", r"field 'caption' takes text in valid Unicode, not str 'a\ud800'"),
        ("verdict", "perhaps", "field 'verdict' takes one of yes, no, not str 'perhaps'"),
        ("number", True, "field 'number' takes a whole number of at most 64 bits, not bool True"),
        ("number", 1.0, "field 'number' takes a whole number of at most 64 bits, not float 1.0"),
        ("share", math.nan, "field 'share' takes a finite number, not float nan"),
        ("sharpness", math.inf, "field 'sharpness' takes a finite number, not float inf"),
        ("flag", 1, "field 'flag' takes true or false, not int 1"),
        ("box", (1, 2, 3), "field 'box' takes four numbers, not tuple (1, 2, 3)"),
        ("box", (1, 2, 3, True), "field 'box' takes four numbers, not tuple (1, 2, 3, True)"),
        (
            "notes",
            {1, 2},
            "field 'notes' takes what JSON can hold (no NaN, no infinity, no number of over 64 bits), not set {1, 2}",
        ),
        (
            "notes",
            [math.nan],
            "field 'notes' takes what JSON can hold (no NaN, no infinity, no number of over 64 bits), not list [nan]",
        ),
        (
            "notes",
            {"a": "\udcff"},
            "field 'notes' takes what JSON can hold (no NaN, no infinity, no number of over 64 bits), not dict",
        ),
        (
            "heap",
            [noise(2, 2)],
            "field 'heap' takes what JSON can hold (no NaN, no infinity, no number of over 64 bits), not list",
        ),
    ],
)
def test_a_value_of_another_kind_is_told(name: str, value: Any, message: str) -> None:
    for look in (check_value, canonical):
        with pytest.raises(DataError) as caught:
            look(KNOWN[name], value)
        assert message in str(caught.value)
        str(caught.value).encode()


def test_settling_gives_what_arrives_elsewhere() -> None:
    assert canonical(KNOWN["box"], [1, np.float32(2), math.inf, 4])[:2] == (1.0, 2.0)
    assert math.isnan(canonical(KNOWN["box"], [1, 2, math.inf, 4])[2])
    assert canonical(KNOWN["notes"], ({1: (2, 3)},)) == [{"1": [2, 3]}]
    assert type(canonical(KNOWN["share"], np.float32(0.5))) is float
    assert isinstance(canonical(KNOWN["stack"], [np.eye(2, dtype=bool)]), tuple)


def test_what_a_stage_wrote_is_out_of_its_reach() -> None:
    notes: list[Any] = [1]
    stored = canonical(KNOWN["notes"], notes)
    notes.append(2)
    assert stored == [1]
    buffer = np.zeros((4, 4), bool)
    view = canonical(KNOWN["mask"], buffer[1:])
    buffer[...] = True
    assert not view.any()
    with pytest.raises(ValueError, match="read-only"):
        canonical(KNOWN["mask"], np.zeros((2, 2), bool))[0, 0] = True


@pytest.mark.parametrize("field", ["target", "mask"])
def test_a_stage_that_writes_over_its_input_fails_and_harms_nobody(tmp_path: Path, field: str) -> None:
    scribble = {"use": "scribble", "with": {"field": field}}
    graph = toy_graph(tmp_path, [{"use": "mark"}, PAINT, scribble], rows=plain_rows(3))
    run_local(graph, tmp_path / "out")
    for row in ledger_rows(tmp_path / "out").values():
        assert (row["status"], row["stage"]) == ("failed", "scribble")
        assert "read-only" in row["detail"]


def test_a_buffer_that_a_stage_uses_again_does_not_reach_another_record(tmp_path: Path) -> None:
    from datagen.execute.run import worker_context_of
    from datagen.execute.workers.operators import fuse
    from datagen.execute.workers.slices import cut
    from datagen.execute.workers.worker import Worker

    graph = toy_graph(tmp_path, [{"use": "mark"}, PAINT], rows=plain_rows(3))
    state = SliceState.start(Job(next(cut(graph.source, size=3))), catalogue=graph.catalogue)
    for operator in fuse(graph):
        Worker(operator, worker_context_of(context_of(graph, tmp_path))).run([state])
    assert len({live.record["mask"].tobytes() for live in state.live}) == 1, "as each was when the batch was answered"
    for live in state.live:
        with pytest.raises(ValueError, match="cannot set WRITEABLE"):
            live.record["mask"].setflags(write=True)


def test_a_source_row_of_the_wrong_kind_fails_by_name() -> None:
    rows = (
        SourceRow("a", {"uri": "x"}),
        SourceRow("b", {"uri": 7}),
        SourceRow("c", {"uri": "x", "objects": [math.nan]}),
        SourceRow("d", {}, "line \ud800 is damaged"),
    )
    state = SliceState.start(Job(Slice(0, rows)), catalogue=KNOWN)
    assert [live.record.id for live in state.live] == ["a"]
    assert [(row.id, row.status, row.stage) for row in state.rows] == [(id, "failed", "source") for id in "bcd"]
    assert state.rows[0].detail == "field 'uri' takes text in valid Unicode, not int 7"
    assert state.rows[2].detail == r"line \ud800 is damaged"
    SliceState.from_parcel(state.parcel(), catalogue=KNOWN)


def _arrived(number: int) -> SliceState:
    """A slice of records with a picture each, as an operator unpacks it."""
    live = [
        LiveRecord(Record(f"r{n}", {"target": Image.of(noise(16, 16, seed=n)), "caption": str(n)}))
        for n in range(number)
    ]
    sent = SliceState(SliceOrder("s"), live=live, rows=[], catalogue=KNOWN).parcel()
    return SliceState.from_parcel(sent, catalogue=KNOWN)


def test_what_nobody_changed_goes_on_as_it_came() -> None:
    state = _arrived(4)
    came = state.parcel()
    assert came.known == len(came.blobs) == 1, "nothing is added"
    state.live[0].record = state.live[0].record.adding({"mask": canonical(KNOWN["mask"], np.eye(16, dtype=bool))})
    added = state.parcel()
    assert (added.known, len(added.blobs), len(added.blobs[1])) == (1, 2, 1), "only the mask is sent"
    assert added.blobs[0] is came.blobs[0]
    again = SliceState.from_parcel(added, catalogue=KNOWN)
    for one, other in zip(state.live, again.live, strict=True):
        assert list(one.record) == list(other.record)
        assert all(same(other.record[name], value) for name, value in one.record.items())


def test_pictures_of_records_that_ended_do_not_travel_for_ever() -> None:
    state = _arrived(10)
    expected = [live.record["target"] for live in state.live[:2]]
    state.live = state.live[:2]
    sent = state.parcel()
    assert (sent.known, sum(map(len, sent.blobs))) == (0, 2)
    assert [live.record["target"] for live in SliceState.from_parcel(sent, catalogue=KNOWN).live] == expected


def test_a_picture_that_nobody_looks_at_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    state = _arrived(2)
    monkeypatch.setattr(Image, "carried", lambda data: pytest.fail("it was looked at"))
    record = state.live[0].record.seeing(["target", "caption"], renamed={}).adding({"subject": "x"})
    assert record["caption"] == "0"
    state.live[0].record = state.live[0].record.adding({"subject": "x"})
    state.end(state.live[0], RecordEnd("rejected", "stage", "why"))
    assert state.parcel().known == 1
