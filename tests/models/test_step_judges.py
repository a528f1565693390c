"""Steps of a plan judged by graphs and by a language model, and what becomes of a plan that goes wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from async_answers import answer_of
from chat_server import Chat, says, words_of
from drawn_shapes import DrawnShape, draw_shapes_on
from made_graphs import graph_of, node

from datagen import Failed, Record, Reject
from datagen.core.errors import DataError
from stages.judge_steps import JudgeSteps

CIRCLE = DrawnShape("circle", "red", 20, 20)
SQUARE = DrawnShape("square", "blue", 150, 20)
STAR = DrawnShape("star", "green", 20, 150)
WHOLE = graph_of(
    node("c", "circle", colour="red"),
    node("q", "square", colour="blue"),
    node("s", "star", colour="green"),
    relations="c left-of q, s below c",
)
GRAPHS = [WHOLE.subgraph(ids) for ids in ({"c"}, {"c", "q"}, {"c", "q", "s"})]
PICTURES = [[CIRCLE], [CIRCLE, SQUARE], [CIRCLE, SQUARE, STAR]]
STEPS = [
    {"instruction": words, "description": description, "image": member}
    for words, description, member in (
        ("Draw a red circle.", "A red circle.", "turn_0.png"),
        ("Add a blue square to the right of the circle.", "A red circle to the left of a blue square.", "turn_1.png"),
        ("Add a green star below the circle.", "All of it.", "target.png"),
    )
]


def plan(*pictures: Sequence[DrawnShape], **fields: Any) -> Record:
    drawn = [draw_shapes_on(*shapes) for shapes in pictures or PICTURES]
    values = {
        **{"raw_steps": STEPS, "step_graphs": [graph.row() for graph in GRAPHS], "caption": "Three shapes."},
        **{"raw_turns": drawn[:-1], "raw_target": drawn[-1]},
    }
    return Record("p", {**values, **fields})


def judged(record: Record, **options: Any) -> Any:
    stage = JudgeSteps(JudgeSteps.Config.model_validate(options))

    return answer_of(stage, record)


# By graphs


def test_a_sound_plan_is_consistent_in_every_step() -> None:
    found = judged(plan())
    assert [(row["verdict"], row["critique"], row["correction"]) for row in found["steps"]] == [
        ("consistent", "", "")
    ] * 3
    assert [row["instruction"] for row in found["steps"]] == [row["instruction"] for row in STEPS]
    assert found["instruction"] == found["text"] == "Three shapes."
    assert (found["turns"], found["target"], found["unfinished"]) == (
        [*plan()["raw_turns"]],
        plan()["raw_target"],
        False,
    )


def test_what_comes_later_is_not_missing_but_what_came_before_is() -> None:
    assert not isinstance(judged(plan()), Reject)
    lost = judged(plan([CIRCLE], [SQUARE], PICTURES[2]))
    assert lost == Reject("inconsistent_step", "step 2 of 3: The circle is missing.")


def test_a_sound_beginning_stays_if_it_is_long_enough() -> None:
    wrong = [CIRCLE, SQUARE, STAR._replace(colour="pink")]
    assert judged(plan(*PICTURES[:2], wrong)).reason == "inconsistent_step"
    assert judged(plan(*PICTURES[:2], wrong), keep_prefix=True).reason == "inconsistent_step"
    found = judged(plan(*PICTURES[:2], wrong), keep_prefix=True, min_pictures=2)
    assert [(row["image"], row["verdict"]) for row in found["steps"]] == [
        ("turn_0", "consistent"),
        ("target", "consistent"),
    ]
    assert (len(found["turns"]), found["target"], found["unfinished"]) == (1, plan()["raw_turns"][1], True)
    assert found["instruction"] == found["text"] == STEPS[1]["description"], "the caption says more than it shows"
    masked = plan(*PICTURES[:2], wrong, masks=[])
    assert judged(masked, keep_prefix=True, min_pictures=2).reason == "inconsistent_step", "masks are of all steps"
    first = judged(plan([SQUARE], *PICTURES[1:]), keep_prefix=True, min_pictures=1)
    assert first.reason == "inconsistent_step", "of a plan whose first picture is wrong nothing is left"


def test_a_plan_whose_parts_do_not_fit_fails() -> None:
    for record in (plan(raw_turns=[]), plan(step_graphs=[]), plan(raw_steps=STEPS[:2])):
        assert isinstance(judged(record), Failed)


def test_what_the_checker_cannot_judge_fails_and_names_the_other_judge() -> None:
    wooden = graph_of(node("c", "circle", material="wooden")).row()
    with pytest.raises(DataError, match=r"no verdict on 'wooden circle'.*kind: language"):
        judged(plan(step_graphs=[wooden, *(graph.row() for graph in GRAPHS[1:])]))


# By a language model


CONSISTENT = {"critique": "", "verdict": "consistent", "correction": ""}
WRONG = {"critique": "The square is green.", "verdict": "inconsistent", "correction": "Make the square blue."}


def by_language(chat: Chat, **options: Any) -> Any:
    model = {"kind": "openai", "model": "m", "base_url": chat.address, "api_key_env": "", "repairs": 1, "retries": 0}
    return judged(plan(), judge={"kind": "language", "model": model}, **options)


def step_of(request: dict[str, Any]) -> int:
    return int(words_of(request).partition("You judge step ")[2].partition(".")[0])


def pictures_of(request: dict[str, Any]) -> int:
    return sum(part["type"] == "image_url" for part in request["messages"][-1]["content"])


def test_a_judge_is_asked_once_a_step_and_told_the_plan(chat: Chat) -> None:
    chat.does(says(CONSISTENT))
    found = by_language(chat)
    assert [row["verdict"] for row in found["steps"]] == ["consistent"] * 3
    assert sorted(map(step_of, chat.requests)) == [1, 2, 3]
    assert {step_of(request): pictures_of(request) for request in chat.requests} == {1: 1, 2: 2, 3: 2}
    for request in chat.requests:
        text = words_of(request)
        assert "The caption: <data>Three shapes.</data>" in text
        assert all(step[name] in text for step in STEPS for name in ("instruction", "description"))
        assert f"You see {pictures_of(request)} picture" in text


def test_the_step_that_is_wrong_is_the_one_that_was_asked_about(chat: Chat) -> None:
    chat.act = lambda request, number: says(WRONG if step_of(request) == 2 else CONSISTENT)
    assert by_language(chat) == Reject("inconsistent_step", "step 2 of 3: The square is green.")
    found = by_language(chat, keep_prefix=True, min_pictures=1)
    assert [row["verdict"] for row in found["steps"]] == ["consistent"]


@pytest.mark.parametrize(
    "answer",
    [
        {**CONSISTENT, "correction": "Make the square blue."},
        {**CONSISTENT, "critique": "The square is green."},
        {**WRONG, "critique": ""},
        {**WRONG, "correction": " "},
    ],
)
def test_a_judge_that_contradicts_itself_is_asked_again_and_then_refused(chat: Chat, answer: dict[str, str]) -> None:
    chat.does(says(answer))
    with pytest.raises(DataError):
        by_language(chat)
    # the steps are asked about side by side: whichever fails first ends the others
    [(step, times)] = Counter(map(step_of, chat.requests)).most_common(1)
    assert times == 2
    again = [request for request in chat.requests if step_of(request) == step][1]
    assert ", yet the" in words_of(again)
    chat.requests.clear()
    chat.act = lambda request, number: says(CONSISTENT if len(request["messages"]) > 2 else answer)
    assert [row["verdict"] for row in by_language(chat)["steps"]] == ["consistent"] * 3
