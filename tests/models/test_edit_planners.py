"""Plans of edits: by grammar alone, and by a vision-language model on a real server on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from chat_server import Chat, chatting, says, words_of
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import noise
from rings import example_count

from datagen.core.errors import DataError
from datagen.core.stage import Runtime
from datagen.imaging.image import Image
from datagen.models.edit_planners.base import PlannedEdit
from datagen.models.edit_planners.language import LanguageEditPlannerConfig
from datagen.models.edit_planners.rules import RulesEditPlannerConfig
from datagen.models.grammar import decompose_edit, split_edit
from datagen.models.language.prompt import LONGEST

PICTURE = Image.of(noise(50, 200))
CUP = {"instruction": "add a cup on the table", "box": [100, 200, 500, 1000]}
NIGHT = {"instruction": " make it\nnight ", "box": None}


@pytest.fixture
def chat() -> Iterator[Chat]:
    with chatting() as server:
        server.does(says({"edits": [CUP, NIGHT]}))
        yield server


def plan(config: Any, text: str, *, most: int = 4) -> list[PlannedEdit]:
    async def run() -> list[PlannedEdit]:
        planner = config.load("cpu", runtime=Runtime())
        try:
            found: list[PlannedEdit] = await planner.plan(PICTURE, text, most=most)
            return found
        finally:
            await planner.close()

    return asyncio.run(run())


def asking(chat: Chat, **options: Any) -> LanguageEditPlannerConfig:
    model = {"model": "m", "base_url": chat.address, "api_key_env": "", "repairs": 1, "retries": 0}
    return LanguageEditPlannerConfig.model_validate({"model": model, **options})


def test_a_model_that_sees_the_picture_plans_edits_with_boxes(chat: Chat) -> None:
    found = plan(asking(chat), "Add a cup on the table and\nmake it night.", most=3)
    assert found == [
        PlannedEdit("add a cup on the table", (20.0, 10.0, 100.0, 50.0)),
        PlannedEdit("make it night", None),
    ]
    assert [*map(str, found)] == ["add a cup on the table: 20,10,100,50", "make it night: the whole picture"]
    question = words_of(chat.requests[0])
    assert "The instruction: <data>Add a cup on the table and make it night.</data>" in question
    assert "at most 3 of them" in question
    assert "to 1000 at its right edge" in question
    assert [part["type"] for part in chat.requests[0]["messages"][1]["content"]] == ["image_url", "text"]


def test_a_box_on_another_scale_is_named(chat: Chat) -> None:
    chat.does(says({"edits": [{"instruction": "add a cup", "box": [10, 20, 50, 100]}]}))
    assert plan(asking(chat, extent=100), "add a cup")[0].box == (20.0, 10.0, 100.0, 50.0)
    chat.does(says({"edits": [NIGHT, {"instruction": "add a cup", "box": [10, 20, 1500, 900]}]}))
    with pytest.raises(DataError, match=r"reaches to 1500, beyond the picture's edge at 1000.*See `extent`"):
        plan(asking(chat), "add a cup")


@pytest.mark.parametrize(
    ("edits", "fault"),
    [
        ([], "edits: List should have at least 1 item"),
        ([{"instruction": "  ", "box": None}], "edits.0.instruction"),
        ([{"instruction": "add a cup"}], "edits.0.box: Field required"),
        ([{"instruction": "add a cup", "box": [500, 0, 100, 9]}], "left less than right"),
        ([{"instruction": "add a cup", "box": [-5, 0, 100, 9]}], "edits.0.box"),
        ([CUP] * 25, "edits: List should have at most 24 items"),
    ],
)
def test_what_is_no_plan_is_asked_for_anew_and_then_named(chat: Chat, edits: list[Any], fault: str) -> None:
    chat.does(says({"edits": edits}), says({"edits": [CUP]}))
    assert [edit.text for edit in plan(asking(chat), "add a cup")] == ["add a cup on the table"]
    assert fault in words_of(chat.requests[1])
    chat.does(says({"edits": edits}))
    with pytest.raises(DataError, match="gave no answer of the asked form, 2 times"):
        plan(asking(chat), "add a cup")


def test_an_instruction_that_the_prompt_would_cut_is_not_asked_about(chat: Chat) -> None:
    with pytest.raises(DataError, match="has 2,001 characters, at most 2,000"):
        plan(asking(chat), "a" * (LONGEST + 1))
    assert chat.requests == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Remove the dog and make the cat black.", ["Remove the dog", "make the cat black"]),
        (
            "Please remove the cup and then add a red star at the top left, and finally recolour the car blue!",
            ["Please remove the cup", "add a red star at the top left", "recolour the car blue!"],
        ),
        (
            "Add three apples. Then, remove the knife and keep everything else unchanged.",
            ["Add three apples", "remove the knife and keep everything else unchanged"],
        ),
        (
            "Put in a ring and leave the remainder as it stands. Remove the cup.",
            ["Put in a ring and leave the remainder as it stands", "Remove the cup"],
        ),
        ("get rid of the cat; brighten the picture", ["get rid of the cat", "brighten the picture"]),
        # each half alone would mean something else, or nothing
        ("Add a cat and make it red.", ["Add a cat and make it red"]),
        ("add a cat and a dog", ["add a cat and a dog"]),
        ("swap the cat and the dog", ["swap the cat and the dog"]),
        ("Change the black and white cat to brown", ["Change the black and white cat to brown"]),
        ("Remove the man or remove the woman", ["Remove the man or remove the woman"]),
        ("Füge eine Katze hinzu und entferne den Hund", ["Füge eine Katze hinzu und entferne den Hund"]),
    ],
)
def test_rules_split_an_instruction_where_a_clause_stands_alone(text: str, parts: list[str]) -> None:
    assert plan(RulesEditPlannerConfig(), text) == [PlannedEdit(part, None) for part in parts]


CLAUSES = (
    "add a cup",
    "remove the dog",
    "make the cat black",
    "make it red",
    "put a hat on the man",
    "replace the car with a bike",
    "a star",
    "the ring too",
    "brighten the picture",
    "undo that",
    "keep the sky as it is",
    "from now on everything is blue",
    "swap the cat and the dog",
)


@settings(max_examples=example_count(100), deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(CLAUSES), st.sampled_from((" and ", ", ", ". ", ", then ", "; also "))), max_size=4
    )
)
def test_the_parts_of_an_instruction_mean_together_what_the_whole_means(clauses: list[tuple[str, str]]) -> None:
    whole = "".join(f"{clause}{joint}" for clause, joint in clauses)
    parts = split_edit(whole)
    if len(parts) > 1:
        assert [part for text in parts for part in decompose_edit(text)] == decompose_edit(whole)
    assert [split_edit(text) for text in parts] == [[text] for text in parts]
    at = 0
    for text in parts:
        at = whole.index(text, at) + len(text) if text in whole else -1
        assert at >= 0
