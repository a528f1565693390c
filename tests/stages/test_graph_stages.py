"""Captions parsed to graphs, graphs checked, and graphs drawn."""

from __future__ import annotations

from typing import Any

import pytest
from async_answers import answer_of
from chat_server import chatting, says, words_of
from made_graphs import edge, node

from datagen import DataError, Failed, Record, Reject
from datagen.core.stage import Runtime
from datagen.scene_graphs.canonical import same_content
from datagen.scene_graphs.checks import check_graph
from datagen.scene_graphs.graph import SceneGraph
from datagen.scene_graphs.reading import read_caption
from datagen.worlds.specification import SceneSpecification
from stages.draw_graph import DrawGraph
from stages.parse_graph import ParseGraph
from stages.validate_graph import ValidateGraph

CAPTION = "A red circle is to the left of two blue squares."
CIRCLE_LEFT = SceneGraph(
    objects=(node("o1", "circle", colour="red"), node("o2", "square", 2, colour="blue")),
    relations=(edge("o1", "left of", "o2"),),
)


def parsed(caption: str, **options: Any) -> Any:
    stage = ParseGraph(ParseGraph.Config.model_validate(options))

    stage.runtime = Runtime()
    return answer_of(stage, Record("a", {"caption": caption}))


def test_a_caption_is_parsed_by_rules() -> None:
    assert parsed(CAPTION) == {"graph": CIRCLE_LEFT.row()}


@pytest.mark.parametrize("caption", ["ein roter Kreis", "a cat and a dog on a mat", "there are no cats", ""])
def test_a_caption_that_rules_are_not_sure_of_is_rejected(caption: str) -> None:
    answer = parsed(caption)
    assert isinstance(answer, Reject)
    assert answer.reason == "not_understood"
    assert not answer.detail.startswith("not understood")


GRAPH_FORM = {
    "objects": [
        {"label": "circle", "count": 1, "attributes": [{"kind": "Colour", "value": "red"}]},
        {"label": "square", "count": 2, "attributes": [{"kind": "colour", "value": "blue"}]},
    ],
    "relations": [{"subject": 1, "predicate": "is to the left of", "object": 2}],
    "background": "",
    "style": "",
}


def asked_of_model(*answers: Any, caption: str = CAPTION, **options: Any) -> tuple[Any, list[str]]:
    with chatting() as chat:
        chat.does(*(says(answer) for answer in answers))
        model = {"kind": "openai", "model": "m", "base_url": chat.address, "api_key_env": "", "repairs": 0, **options}
        answer = parsed(caption, parser={"kind": "language", "model": model})
        return answer, [words_of(request) for request in chat.requests]


def test_a_model_parses_a_caption_in_one_call() -> None:
    answer, questions = asked_of_model(GRAPH_FORM)
    assert answer == {"graph": CIRCLE_LEFT.row()}
    assert len(questions) == 1
    assert f"The description: <data>{CAPTION}</data>" in questions[0]


def test_a_model_that_finds_nothing_understood_nothing() -> None:
    answer, _ = asked_of_model({**GRAPH_FORM, "objects": [], "relations": []})
    assert answer == Reject("not_understood", "the model found no object in the caption")


def test_a_relation_of_a_model_to_nothing_is_found_by_the_check() -> None:
    answer, _ = asked_of_model({**GRAPH_FORM, "relations": [{"subject": 1, "predicate": "above", "object": 9}]})
    assert validated(answer["graph"]) == Reject("dangling", "'o1' above 'o9': there is no object 'o9'")


@pytest.mark.parametrize(
    "wrong",
    [
        {"objects": "two squares"},
        {"objects": [{"label": "", "count": 1, "attributes": []}]},
        {"objects": [{"label": "cat", "count": 0, "attributes": []}]},
        {"relations": [{"subject": 0, "predicate": "above", "object": 1}]},
        {"extra": 1},
    ],
)
def test_an_answer_of_another_form_is_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        asked_of_model({**GRAPH_FORM, **wrong})


def validated(graph: dict[str, Any], *, caption: str | None = None, **options: Any) -> Any:
    stage = ValidateGraph(ValidateGraph.Config(**options))
    fields = {"graph": graph} if caption is None else {"graph": graph, "caption": caption}
    return stage.process([Record("a", fields)])[0]


def test_a_sound_graph_passes_with_and_without_its_caption() -> None:
    row = CIRCLE_LEFT.row()
    assert validated(row) == {}
    assert validated(row, caption=CAPTION) == {}
    assert validated(row, caption="") == {}
    assert validated(row, caption="A red circle and a square.") == Reject(
        "unfaithful", "the caption does not say 2 of 'square'"
    )
    assert validated(row, least_atoms=7) == Reject("too_simple", "6 atoms, at least 7 are wanted")
    assert validated(row, most_atoms=5) == Reject("too_complex", "6 atoms, at most 5 are wanted")


@pytest.mark.parametrize(
    "graph", [{"objects": "x"}, {"nodes": []}, {"objects": [{"id": "a", "label": "cat", "count": 0}]}]
)
def test_a_graph_of_another_form_fails_by_name(graph: dict[str, Any]) -> None:
    answer = validated(graph)
    assert isinstance(answer, Failed)
    assert "has not the form of `SceneGraph`" in answer.error


def drawn(*ids: str, scene: dict[str, Any] | None = None, **options: Any) -> list[Any]:
    stage = DrawGraph(DrawGraph.Config(**options), id="draw_graph", seed=3)
    row = SceneSpecification().model_dump(mode="json") if scene is None else scene
    return stage.process([Record(id, {"scene": row}) for id in ids])


def test_graphs_are_drawn_with_their_captions() -> None:
    ids = [f"r{number}" for number in range(30)]
    answers = drawn(*ids, sized=True)
    for answer in answers:
        graph = SceneGraph.model_validate(answer["graph"])
        assert check_graph(graph, caption=answer["caption"], least_atoms=4, most_atoms=10) is None
        assert same_content(read_caption(answer["caption"]), graph)
    assert drawn(*ids[10:], sized=True) == answers[10:]
    assert len({answer["caption"] for answer in answers}) == len(answers)


def test_only_the_labels_that_are_given_are_drawn() -> None:
    for answer in drawn("a", "b", "c", labels=("cup", "espresso machine")):
        assert {node["label"] for node in answer["graph"]["objects"]} <= {"cup", "espresso machine"}


@pytest.mark.parametrize(
    ("options", "scene", "fault"),
    [
        ({"labels": ("cup",), "least_atoms": 25, "most_atoms": 30}, None, "no graph of 25 to 30 atoms"),
        ({}, {"look": "oil"}, "no graph can be drawn"),
    ],
)
def test_a_graph_that_cannot_be_drawn_fails(options: dict[str, Any], scene: Any, fault: str) -> None:
    (answer,) = drawn("a", scene=scene, **options)
    assert isinstance(answer, Failed)
    assert fault in answer.error


def test_bounds_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="least_atoms is 6, more than most_atoms, which is 5"):
        DrawGraph.Config(least_atoms=6, most_atoms=5)
