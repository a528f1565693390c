"""Pictures held to their graphs: scores, reasons and marks."""

from __future__ import annotations

from typing import Any

import pytest
from async_answers import answer_of
from drawn_shapes import DrawnShape, draw_shapes_on, photograph
from made_graphs import graph_of, node

from datagen import Failed, Image, Record, Reject
from datagen.core.errors import DataError
from datagen.core.fields import catalogue
from datagen.imaging.codecs import check_value
from stages.check_scene import CheckScene

CIRCLE = DrawnShape("circle", "red", 20, 20)
STAR = DrawnShape("star", "green", 150, 20)
WANTED = graph_of(node("c", "circle", colour="red"), node("s", "star", colour="green"), relations="c left-of s")
SCORES = ("object_score", "count_score", "attribute_score", "relation_score")


def checked(*shapes: DrawnShape, graph: Any = WANTED, image: Image | None = None, **options: Any) -> Any:
    stage = CheckScene(CheckScene.Config.model_validate(options))
    record = Record("a", {"image": image or draw_shapes_on(*shapes), "graph": graph.row()})

    return answer_of(stage, record)


def test_a_true_picture_has_full_scores_and_a_row_an_atom() -> None:
    found = checked(CIRCLE, STAR)
    assert [found[name] for name in SCORES] == [1, 1, 1, 1]
    assert len(found["atoms"]) == len([*WANTED.atoms()])
    assert found["atoms"][-1] == {
        **{"kind": "relation", "subject": "c", "value": "left of", "attribute": "", "object": "s"},
        **{"expected": "circle left of star", "found": "left of", "holds": True},
    }
    for name, value in found.items():
        check_value(catalogue()[name], value)


@pytest.mark.parametrize(
    ("shapes", "reason", "scores"),
    [
        ([CIRCLE], "wrong_object", (0.5, 0.5, 0.5, 0)),
        ([CIRCLE, STAR, DrawnShape("heart", "red", 20, 150)], "wrong_object", (1, 1, 1, 1)),
        ([CIRCLE, STAR, DrawnShape("star", "green", 150, 150)], "wrong_count", (1, 0.5, 1, 1)),
        ([CIRCLE, STAR._replace(colour="blue")], "wrong_attribute", (1, 1, 0.5, 1)),
        ([CIRCLE._replace(x=180), STAR._replace(x=20)], "wrong_relation", (1, 1, 1, 0)),
    ],
)
def test_each_fault_has_its_reason_and_lowers_its_score(
    shapes: list[DrawnShape], reason: str, scores: tuple[float, ...]
) -> None:
    found = checked(*shapes)
    assert isinstance(found, Reject)
    assert found.reason == reason
    assert tuple(found.fields[name] for name in SCORES) == scores
    marked = checked(*shapes, on_fail="mark")
    assert tuple(marked[name] for name in SCORES) == scores
    assert any(row["holds"] is False for row in marked["atoms"])


def test_the_detail_says_what_was_expected_and_found() -> None:
    assert checked(CIRCLE, STAR._replace(colour="blue")).detail == "expected green star, found blue"


def test_what_cannot_be_judged_fails_or_is_left_out() -> None:
    wooden = graph_of(node("c", "circle", colour="red", material="wooden"))
    failed = checked(CIRCLE, graph=wooden)
    assert isinstance(failed, Failed)
    assert "cannot judge the attribute 'wooden circle'" in failed.error
    assert "on_unknown: accept" in failed.error
    found = checked(CIRCLE, graph=wooden, on_unknown="accept")
    assert [row["holds"] for row in found["atoms"]] == [True, True, True, None]
    assert found["attribute_score"] == 1


def test_a_photograph_is_no_scene_of_shapes() -> None:
    with pytest.raises(DataError, match="not plain"):
        checked(image=Image.of(photograph()))
