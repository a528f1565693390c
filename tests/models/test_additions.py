"""Additions taken apart by rules: the new thing gives way to a placeholder, and what is unclear is refused."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.core.fields import PLACEHOLDER
from datagen.core.stage import Runtime
from datagen.models.extractors.base import Extracted
from datagen.models.extractors.rules import RulesExtractorConfig
from datagen.models.grammar import parse_addition


@pytest.mark.parametrize(
    ("text", "subject", "instruction"),
    [
        ("add human over the stone in the bottom left", "human", "add <imagehere> over the stone in the bottom left"),
        ("add a car on the road at the bottom", "car", "add <imagehere> on the road at the bottom"),
        ("Add an owl on the left shoulder", "owl", "Add <imagehere> on the left shoulder"),
        ("Please put a cup of tea on the table.", "cup of tea", "Please put <imagehere> on the table."),
        ("insert a dog", "dog", "insert <imagehere>"),
        ("add another coin", "coin", "add <imagehere>"),
        ("add a different coin to it", "coin", "add <imagehere> to it"),
        ("add a dog running through the grass", "dog", "add <imagehere> through the grass"),
        ("Add some people walking to the street", "people", "Add <imagehere> to the street"),
        ("add more flowers to the vase", "flowers", "add <imagehere> to the vase"),
        ("add three more ducks to the pond", "three ducks", "add <imagehere> to the pond"),
        ("add a second dog on the left", "dog", "add <imagehere> on the left"),
        ("add a wedding ring to the box", "wedding ring", "add <imagehere> to the box"),
        ("add a bench to the place near the lake", "bench", "add <imagehere> to the place near the lake"),
        ("add a painting to the wall", "painting", "add <imagehere> to the wall"),
        ("Put a cat on the sofa. Make it orange.", "cat", "Put <imagehere> on the sofa. Make it orange."),
        ("add a ladder against the wall", "ladder", "add <imagehere> against the wall"),
        ("add trees along the road", "trees", "add <imagehere> along the road"),
        ("add a bridge across the river", "bridge", "add <imagehere> across the river"),
    ],
)
def test_the_new_thing_gives_way(text: str, subject: str, instruction: str) -> None:
    async def extract() -> Extracted | None:
        return await RulesExtractorConfig().load("cpu", runtime=Runtime()).extract(text, record="a")

    assert asyncio.run(extract()) == Extracted(subject, instruction)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "add",
        "add it to the picture",
        "add another",
        "add a cat and a dog to the sofa",
        "add a cat, then make it night",
        "make the sky blue",
        "add <imagehere> to it",
        "adding a cat",
        "Put him on the moon",
        "put her on a horse",
        "put them in the box",
        "Add a cat to the bed. Add a dog.",
        "add a cat to the bed and put a dog on the rug",
        "add a cat to the bed. also replace the lamp with a candle",
    ],
)
def test_what_is_unclear_is_no_addition(text: str) -> None:
    assert parse_addition(text) is None


@given(st.text(max_size=60))
def test_of_any_text_nothing_is_lost(text: str) -> None:
    found = parse_addition(f"add {text}")
    if found is not None:
        whole = " ".join(f"add {text}".split())
        assert whole.startswith(found.before)
        assert whole.endswith(found.after)
        assert found.subject
        assert PLACEHOLDER not in whole
