"""Stages that change what they are given, and numbers, exceptions and texts that foreign code comes up with."""

from __future__ import annotations

import copy
import json
import math
import pickle
import shutil
import warnings
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from building import PAINT, context_of, dataset_bytes, ledger_rows, plain_rows, run_local, toy_config, toy_graph
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import noise
from rings import example_count
from toys._panics import RAISED, PanicError, SilentError
from toys.sorter import WAYS

from datagen.core.error_text import LONGEST_SECRET, MOST_KEPT, brief, describe_error, message_of, shortened
from datagen.core.errors import ConfigError, DataError, SetupError
from datagen.core.fields import INT64, MOST_OBJECTS, Field, catalogue
from datagen.core.frozen import FrozenValueError, frozen
from datagen.core.record import Record
from datagen.core.stage import billing, charge
from datagen.execute.run import worker_context_of
from datagen.execute.workers.operators import fuse
from datagen.execute.workers.slices import Job, Slice
from datagen.execute.workers.stage_runner import wrapping_setup_errors
from datagen.execute.workers.state import SliceState
from datagen.execute.workers.worker import Worker
from datagen.imaging.codecs import Blobs, canonical, dump_fields
from datagen.imaging.image import Image
from datagen.pipeline.config import load
from datagen.sources.base import Source
from datagen.sources.manifest import Manifest

THINGS = [
    {"label": "b", "box": [1.0, 2.0, 3.0, 4.0], "attributes": ["old", "new"]},
    {"label": "c", "box": [0, 0, 1, 1]},
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


def _rows(number: int = 4) -> list[dict[str, Any]]:
    """Rows with objects; the second is called `sorted`."""
    rows = [{**row, "objects": THINGS} for row in plain_rows(number)]
    rows[1]["caption"] = "sorted"
    return rows


@pytest.mark.parametrize("way", WAYS)
def test_a_stage_that_changes_what_it_is_given_fails_its_record_alone(tmp_path: Path, way: str) -> None:
    sorter = {"use": "sorter", "with": {"way": way}, "resources": {"batch_size": 3}}
    run_local(toy_graph(tmp_path, [sorter, PAINT], rows=_rows()), tmp_path / "out")
    ends = ledger_rows(tmp_path / "out")
    assert [id for id, row in ends.items() if row["status"] == "failed"] == ["r1"]
    assert ends["r1"]["stage"] == "sorter"
    assert "field 'objects'" in ends["r1"]["detail"]
    assert "copy" in ends["r1"]["detail"]
    assert all(row["instruction"].endswith(" b.") for id, row in ends.items() if id != "r1")


def test_a_stage_that_sorts_its_batch_fails(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [{"use": "sorter", "with": {"way": "batch"}}, PAINT], rows=_rows())
    run_local(graph, tmp_path / "out")
    for row in ledger_rows(tmp_path / "out").values():
        assert (row["status"], row["stage"]) == ("failed", "sorter")
        assert "must not change the list of records" in row["detail"]


def test_kept_answers_of_such_a_stage_give_the_same_bytes_again(tmp_path: Path) -> None:
    stages = [{"use": "sorter", "durable": True}, PAINT]
    graph, out = toy_graph(tmp_path, stages, rows=_rows()), tmp_path / "out"
    run_local(graph, out)
    once = dataset_bytes(out)
    for folder in ("run/ledger", "run/parts", "shards"):
        shutil.rmtree(out / folder)
    (out / "dataset.json").unlink()
    run_local(graph, out)
    assert dataset_bytes(out) == once
    assert ledger_rows(out)["r1"]["status"] == "failed"


@settings(max_examples=example_count(100), deadline=None)
@given(value=JSON)
def test_frozen_values_read_like_others_and_copies_are_free(value: Any) -> None:
    given = frozen(value, name="it")
    assert given == value
    assert json.dumps(given, sort_keys=True) == json.dumps(value, sort_keys=True)
    assert isinstance(given, type(value))
    for copied in (copy.deepcopy(given), pickle.loads(pickle.dumps(given))):
        assert copied == value
        _assert_plain(copied)


def _assert_plain(value: Any) -> None:
    if isinstance(value, list | dict):
        assert type(value) in (list, dict)
        for item in value.values() if isinstance(value, dict) else value:
            _assert_plain(item)


LIST_CHANGES = {
    name for name in dir(list) if name not in dir(tuple) and name not in ("copy", "__reversed__")
} | {"__iadd__", "__imul__"}  # fmt: skip
DICT_CHANGES = {"__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update"}


def test_every_method_that_changes_a_list_or_dict_is_refused() -> None:
    given = frozen([1, {"a": 1}], name="field 'x'")
    for value, names in ((given, LIST_CHANGES), (given[1], DICT_CHANGES)):
        for name in names:
            with pytest.raises(FrozenValueError, match="field 'x'"):
                getattr(value, name)(0, 0)
    assert given == [1, {"a": 1}]
    for copied in ([*given], given[:], given.copy(), given + [], sorted(given[1]), copy.copy(given)):  # noqa: RUF005
        copied.append(2)
    for changed in (dict(given[1]), given[1].copy(), given[1] | {}):
        changed["b"] = 2


def test_siblings_and_stages_get_copies_of_their_own() -> None:
    parent = Record("a", {"objects": [[3], [1]]})
    views = [parent.child(str(n), {}).seeing(["objects"], renamed={}) for n in range(2)]
    list.sort(views[0]["objects"])
    list.append(views[0]["objects"][0], 7)
    assert views[0].changed_fields() == ["objects"]
    assert (views[1]["objects"], views[1].changed_fields()) == ([[3], [1]], [])
    assert parent["objects"] == [[3], [1]]


def test_records_pictures_and_masks_cannot_be_changed_either() -> None:
    view = Record("a", {"target": Image.of(noise(4, 4)), "mask": canonical(catalogue()["mask"], np.eye(4) > 0)})
    view = view.seeing(["target", "mask"], renamed={})
    for array in (view["target"].array, view["mask"], view["mask"][1:], view["target"].array[0].T):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
        with pytest.raises(ValueError, match="cannot set WRITEABLE"):
            array.setflags(write=True)
    for thing, name in ((view, "id"), (view, "parent"), (view["target"], "format"), (view["target"], "size")):
        with pytest.raises(AttributeError):
            setattr(thing, name, "other")


@pytest.mark.torch
def test_a_tensor_that_writes_into_pixels_is_found() -> None:
    import torch

    values: dict[str, Any] = {
        "target": Image.of(noise(4, 4)),
        "refs": (Image.of(noise(3, 3)),),
        "mask": canonical(catalogue()["mask"], np.eye(4) > 0),
    }
    for name, value in values.items():
        view = Record("a", {name: value}).seeing([name], renamed={})
        given = view[name]
        pixels = given[0].array if name == "refs" else given.array if name == "target" else given
        assert view.changed_fields() == []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.from_numpy(pixels).logical_not_()
        assert view.changed_fields() == [name]


def test_pixels_of_a_decoded_picture_cannot_be_made_writeable() -> None:
    for image in (Image.decode(Image.of(noise(5, 5)).encoded()), Image.carried(Image.of(noise(5, 5)).encoded())):
        with pytest.raises(ValueError, match="cannot set WRITEABLE"):
            image.array.setflags(write=True)


PANICS = [
    *({"use": f"panic{kind}"} for kind in ("", "_score", "_children", "_group", "_call", "_compute")),
    *({"use": use, "with": {"in_task": True}} for use in ("panic_call", "panic_compute")),
]


@pytest.mark.parametrize("stage", PANICS, ids=lambda stage: "-".join(map(str, stage.values())))
def test_whatever_a_stage_raises_fails_its_record_alone(tmp_path: Path, stage: dict[str, Any]) -> None:
    rows = [
        {**row, "session": row["id"], "caption": what}
        for row, what in zip(plain_rows(len(RAISED) + 2), ["fine", *RAISED, "fine"], strict=True)
    ]
    source = {"kind": "manifest", "path": str(tmp_path / "manifest.jsonl"), "group_by": "session"}
    run_local(toy_graph(tmp_path, [stage, PAINT], rows=rows, slice_size=20, source=source), tmp_path / "out")
    ends = ledger_rows(tmp_path / "out")
    for row in rows:
        end = ends[row["id"]]
        if row["caption"] == "fine":
            assert end["status"] in ("accepted", "expanded", "combined")
        else:
            assert (end["status"], end["stage"]) == ("failed", stage["use"])
            assert type(RAISED[row["caption"]]).__name__ in end["detail"]
            assert len(end["detail"]) < 20_000


def test_a_call_that_cancels_itself_fails_alone(tmp_path: Path) -> None:
    rows = plain_rows(3)
    rows[1]["caption"] = "cancels itself"
    run_local(toy_graph(tmp_path, [{"use": "panic_call"}, PAINT], rows=rows), tmp_path / "out")
    ends = ledger_rows(tmp_path / "out")
    assert [ends[id]["status"] for id in ("r0", "r2")] == ["accepted", "accepted"]


def test_a_stage_that_panics_as_it_starts_is_told(tmp_path: Path) -> None:
    [node, _] = toy_graph(tmp_path, [{"use": "panic"}, PAINT]).nodes
    for error in (PanicError("no GPU"), SilentError(), DataError(10**5000)):
        with pytest.raises(SetupError, match="stage 'panic' cannot start"), wrapping_setup_errors(node):
            raise error


def test_a_long_error_is_told_by_its_ends(tmp_path: Path) -> None:
    message = describe_error(ValueError(f"first {'a=b;key=secret ' * 3_000_000} last"))
    assert len(message) < sum(MOST_KEPT) + 100
    assert "characters are left out here" in message
    assert "ValueError: first" in message
    assert message.endswith("last")
    assert message_of(SilentError()) == "(its message cannot be made: PanicError)"
    assert len(brief("x" * 10**8)) <= 60
    assert brief(10**5000) == "that cannot be shown"


@settings(max_examples=example_count(30), deadline=None)
@given(at=st.integers(-200, 200), length=st.integers(20, 200), tail=st.booleans())
def test_no_secret_survives_where_a_text_is_cut(at: int, length: int, tail: bool) -> None:
    secret = ("s3cr3t" * length)[:length]
    head = MOST_KEPT[0] + 4 * LONGEST_SECRET + at
    rest = MOST_KEPT[1] + 4 * LONGEST_SECRET + at
    text = "x" * 60_000 + secret + "y" * rest if tail else "x" * head + secret + "y" * 60_000
    found = shortened(text, clean=lambda part: part.replace(secret, "***"))
    assert "s3c" not in found


NUMBERS = st.one_of(
    st.integers(),
    st.integers(2**62, 2**65),
    st.builds(lambda sign, digits: sign * 10**digits, st.sampled_from([1, -1]), st.sampled_from([18, 19, 30, 308, 309, 400, 5000])),
    st.floats(),
    st.sampled_from([Decimal("1e999"), np.float64("inf"), np.int64(7), np.uint64(2**64 - 1), np.longdouble("1e400"), 1j, True, None]),
)  # fmt: skip
KINDS = {
    kind: Field(kind, kind, "") for kind in ("int", "float", "score", "bool", "text", "json", "image", "mask", "audio")
}


@settings(max_examples=example_count(200), deadline=None)
@given(kind=st.sampled_from(sorted(KINDS)), number=NUMBERS, wrap=st.sampled_from(["alone", "list", "dict", "key"]))
def test_any_number_is_kept_or_refused_by_name(kind: str, number: Any, wrap: str) -> None:
    value = {"alone": number, "list": [number] * 4, "dict": {"a": [number]}}.get(wrap, {number: 1})
    for field in (KINDS[kind], Field("box", "box", "")):
        refused = ""
        try:
            found = canonical(field, value)
            dump_fields({field.name: found}, catalogue={field.name: field}, blobs=Blobs())
        except DataError as error:
            refused = str(error)
        if refused:
            assert f"field '{field.name}' takes" in refused
            assert len(refused) < 300
        else:
            assert not isinstance(found, int) or found in INT64


TEXTS = (
    "9" * 19,
    "9" * 30,
    "-" + "9" * 30,
    "9" * 400,
    "9" * 5000,
    "1e400",
    "-1e999",
    "NaN",
    "1e-400",
    "18446744073709551616",
)


@settings(max_examples=example_count(40), deadline=None)
@given(
    number=st.sampled_from(TEXTS), key=st.sampled_from(["width", "id", "caption", "box", "polygon", "counts", "size"])
)
def test_a_number_of_a_manifest_is_read_or_fails_its_row_alone(
    tmp_path_factory: pytest.TempPathFactory, number: str, key: str
) -> None:
    box = f"[{number},0,1,1]" if key == "box" else "[0,0,1,1]"
    polygon = f"[[[{number},0],[1,1],[1,0]]]" if key == "polygon" else "[]"
    mask = f'{{"size":[{number if key == "size" else 2},2],"counts":[{number if key == "counts" else 4}]}}'
    flat = "".join(f',"{name}":{number}' for name in ("width", "caption") if name == key)
    id = number if key == "id" else '"a"'
    line = f'{{"id":{id},"uri":"x"{flat},"objects":[{{"label":"l","box":{box},"polygons":{polygon},"mask":{mask}}}]}}'
    path = tmp_path_factory.mktemp("m") / "m.jsonl"
    path.write_text(f'{{"id":"good","uri":"x"}}\n{line}\n{{"id":"last","uri":"x"}}\n')
    _assert_rows(Manifest(str(path)), 3)


def _assert_rows(source: Source, number: int) -> None:
    """It gives so many rows, each of which can be a record or says why not, and the first and last are sound."""
    rows = list(source.rows())
    assert len(rows) == number
    assert not rows[0].error
    assert not rows[-1].error
    known = catalogue()
    for row in rows:
        with suppress(DataError):
            {name: canonical(known[name], value) for name, value in row.fields.items()}
    assert Slice(0, tuple(rows)).name


def _loaded(tmp_path: Path, source: dict[str, Any]) -> Source:
    config = toy_config(tmp_path, [PAINT])
    text = config.read_text().splitlines()
    start = text.index("source:")
    config.write_text("\n".join([*text[:start], f"source: {json.dumps(source)}", *text[start + 3 :], ""]))
    return load(config).pipeline.source.load()


@pytest.mark.parametrize("number", TEXTS)
def test_a_score_of_seed_edit_is_read_or_fails_its_row_alone(tmp_path: Path, number: str) -> None:
    (tmp_path / "annotations").mkdir()
    line = '{{"source_image":"a","target_image":"b","instruction":"do","match_score":{}}}\n'
    (tmp_path / "annotations" / "split_0001.jsonl").write_text("".join(map(line.format, ("0.5", number, "1"))))
    _assert_rows(_loaded(tmp_path, {"kind": "seed_edit_part1", "path": str(tmp_path)}), 3)


@pytest.mark.parametrize("number", [text for text in TEXTS if len(text) < 5000 and text != "NaN"])
@pytest.mark.parametrize("key", ["bbox", "id", "height", "counts", "caption"])
def test_a_number_of_coco_is_read_or_fails_its_row_alone(tmp_path: Path, number: str, key: str) -> None:
    found = {"bbox": "1", "id": "2", "height": "9", "counts": "4", "caption": '"c"'} | {key: number}
    images = [
        f'{{"id":{id},"file_name":"{id}.jpg","height":{high}}}' for id, high in ((1, 9), (2, found["height"]), (3, 9))
    ]
    things = [
        f'{{"id":{id},"image_id":2,"category_id":1,"bbox":[{found["bbox"]},1,1,1],'
        f'"segmentation":{{"size":[2,2],"counts":[{found["counts"]}]}},"iscrowd":0,"x":{found["caption"]}}}'
        for id in ("1", found["id"])
    ]
    text = (
        f'{{"images":[{",".join(images)}],"annotations":[{",".join(things)}],"categories":[{{"id":1,"name":"cat"}}]}}'
    )
    (tmp_path / "coco.json").write_text(text)
    source = _loaded(tmp_path, {"kind": "coco", "path": str(tmp_path / "coco.json"), "images": str(tmp_path / "p")})
    rows = [row for row in source.rows() if not row.id.startswith("%")]
    assert [row.id for row in rows] == ["1", "2", "3"]
    assert not rows[0].error
    assert not rows[2].error
    assert Slice(0, tuple(rows)).name


def test_a_coco_file_with_an_endless_number_is_refused(tmp_path: Path) -> None:
    (tmp_path / "coco.json").write_text(f'{{"images":[{{"id":1,"file_name":"a","height":{"9" * 300_000}}}]}}')
    source = _loaded(tmp_path, {"kind": "coco", "path": str(tmp_path / "coco.json"), "images": str(tmp_path / "p")})
    with pytest.raises(ConfigError, match=r"is not valid JSON: .*overflow"):
        list(source.rows())


@pytest.mark.parametrize("tokens", [-1, 10**30, math.inf, 1.5, "7", None])
def test_what_no_call_costs_cannot_be_charged(tokens: Any) -> None:
    with billing() as bill:
        for wrong in ({"tokens": tokens}, {"usd": -1.0}, {"usd": math.nan}, {"usd": 10**400}):
            with pytest.raises((ValueError, TypeError)):
                charge(**wrong)
    assert (bill.tokens, bill.usd) == (0, 0.0)


def test_what_a_finished_sample_brings_along_fails_its_record_alone(tmp_path: Path) -> None:
    odd = [
        '{"scores": [{"value": 1}]}',
        '{"scores": 7}',
        '{"scores": [{"name": "s", "value": "x"}]}',
        "[1]",
        '{"seed": "x"}',
    ]
    rows = [{**row, "caption": text} for row, text in zip(plain_rows(6), ["{}", *odd], strict=True)]
    run_local(toy_graph(tmp_path, [{"use": "carry"}, PAINT], rows=rows), tmp_path / "out")
    ends = ledger_rows(tmp_path / "out")
    assert [ends[row["id"]]["status"] for row in rows] == ["accepted", *["failed"] * 5]


def test_more_objects_than_a_picture_has_fail_their_row_alone(tmp_path: Path) -> None:
    rows = plain_rows(3)
    rows[1]["objects"] = [{"label": "l", "box": [0, 0, 1, 1]}] * (MOST_OBJECTS + 1)
    run_local(toy_graph(tmp_path, [PAINT], rows=rows), tmp_path / "out")
    ends = ledger_rows(tmp_path / "out")
    assert [ends[row["id"]]["status"] for row in rows] == ["accepted", "failed", "accepted"]
    assert f"'objects': list should have at most {MOST_OBJECTS} items" in ends["r1"]["detail"]


def test_more_children_than_a_record_may_have_fail_it_alone(tmp_path: Path) -> None:
    rows = plain_rows(2)
    rows[1]["caption"] = "many"
    run_local(toy_graph(tmp_path, [{"use": "litter"}, PAINT], rows=rows), tmp_path / "out")
    ends = ledger_rows(tmp_path / "out")
    assert (ends["r0"]["status"], ends["r1"]["status"]) == ("expanded", "failed")
    assert f"made {MOST_OBJECTS + 1:,} records of one" in ends["r1"]["detail"]


def test_siblings_share_what_their_parent_gave_all_of_them(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [{"use": "expand_objects"}, PAINT], rows=_rows(2))
    rows = tuple(graph.source.rows())
    state = SliceState.start(Job(Slice(0, rows)), catalogue=graph.catalogue)
    for operator in fuse(graph):
        Worker(operator, worker_context_of(context_of(graph, tmp_path))).run([state])
    one, other = (live.record.raw()["instances"] for live in state.live if live.record.parent == "r0")
    assert one is other, "else n objects take n squared memory"
