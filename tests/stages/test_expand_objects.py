"""Expanding: one record an object; one bad object fails alone."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from building import PAINT, ledger_rows, run_local, toy_graph
from picture_files import noise

from datagen.core.record import Record
from datagen.execute.maintain.verify import verify
from datagen.imaging.image import Image
from stages.expand_objects import ExpandObjects


def thing(label: str, box: list[Any], **keys: Any) -> dict[str, Any]:
    return {"label": label, "box": box, "polygons": [], "mask": None, "attributes": [], **keys}


def expand(*things: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    record = Record("a", {"objects": list(things), **fields})
    return [dict(child) for child in ExpandObjects(ExpandObjects.Config()).process([record])[0]]


CUP = thing("cup", [1, 2, 5, 6], polygons=[[[1, 2], [5, 2], [5, 6]]], attributes=["red"])
POT = thing("pot", [3, 3, 7, 8], mask={"size": [9, 9], "counts": [81]})


def test_each_object_becomes_the_subject_of_a_record() -> None:
    cup, pot = expand(CUP, POT)
    assert set(cup) == set(ExpandObjects.writes)
    assert (cup["subject"], cup["box"], cup["attributes"]) == ("cup", (1, 2, 5, 6), ["red"])
    assert cup["polygons"] == CUP["polygons"]
    assert (cup["annotated_mask"], pot["annotated_mask"]) == ({}, {"size": [9, 9], "counts": [81]})
    lines = [
        {"label": one["label"], "box": one["box"], "mask": "", "attributes": one["attributes"]} for one in (CUP, POT)
    ]
    assert cup["instances"] == pot["instances"] == lines


def test_no_objects_are_no_children() -> None:
    assert expand() == []


BAD = {
    "inverted": [9, 2, 5, 6],
    "empty": [5, 5, 5, 5],
    "nan": [None, 2, 5, 6],
    "left of it": [-30, 2, -20, 6],
}


@pytest.mark.parametrize("box", BAD.values(), ids=BAD)
def test_an_object_with_a_bad_box_is_a_record_but_no_siblings_instance(box: list[Any]) -> None:
    cup, bad = expand(CUP, thing("ghost", box))
    assert [instance["label"] for instance in cup["instances"]] == ["cup"]
    assert bad["subject"] == "ghost"
    assert all(
        math.isnan(edge) if found is None else edge == found for edge, found in zip(bad["box"], box, strict=True)
    )


def test_where_the_picture_is_at_hand_its_size_counts() -> None:
    outside = thing("ghost", [50, 50, 60, 60])
    assert len(expand(CUP, outside)[0]["instances"]) == 2
    assert len(expand(CUP, outside, image=Image.of(noise(20, 30)))[0]["instances"]) == 1


def test_bad_objects_reach_their_samples_without_harm_to_their_siblings(tmp_path: Path) -> None:
    boxes = {
        "cup": "[1, 2, 5, 6]",
        "nan": "[NaN, 2, 5, 6]",
        "infinite": "[0, 0, Infinity, 6]",
        "inverted": "[9, 2, 5, 6]",
    }
    things = ", ".join(f'{{"label": "{label}", "box": {box}}}' for label, box in boxes.items())
    row = f'{{"id": "a", "uri": "x", "objects": [{things}]}}'
    run_local(toy_graph(tmp_path, [{"use": "expand_objects"}, PAINT], rows=[row]), tmp_path / "out")
    found = ledger_rows(tmp_path / "out")
    assert {id: row["status"] for id, row in found.items()} == {
        "a": "expanded",
        **{f"a#{n}": "accepted" for n in range(4)},
    }
    rows = [json.loads(row["fields"], parse_constant=pytest.fail) for id, row in found.items() if "#" in id]
    assert {row["subject"]: row["box"][0] for row in rows} == {"cup": 1, "nan": None, "infinite": 0, "inverted": 9}
    assert verify(str(tmp_path / "out")) == []


def test_objects_that_were_found_stand_in_the_place_of_those_of_the_source() -> None:
    [cup] = expand(found_objects=[{**CUP, "score": 0.9}])
    assert cup["subject"] == "cup"
    assert expand(CUP, found_objects=[]) == [], "nothing was found, and the source's were no objects"
