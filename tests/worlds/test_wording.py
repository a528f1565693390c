"""Wording files: what is wrong with one is named, and templates are filled with what they ask for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from datagen.core.draws import Draws
from datagen.core.errors import ConfigError
from datagen.worlds import wording
from datagen.worlds.wording import (
    GLOBAL,
    OPTIONAL,
    SECTIONS,
    load_wording,
    parse_wording,
    plural,
    sentences,
    slots_of,
    with_article,
    wording_path,
)

TUNED = wording_path("tuned").read_text()


@pytest.mark.parametrize("name", ["tuned", "plain"])
def test_the_wording_has_words_for_every_kind_of_turn(name: Any) -> None:
    known = load_wording(name)
    assert all(known.has(section) for section in SECTIONS)
    assert all(known.has(f"global.{name}") for name in GLOBAL)


@pytest.mark.skipif(not wording_path("held_out").is_file(), reason="somebody else writes it")
def test_held_out_wording_shares_no_template() -> None:
    def templates(split: str) -> set[str]:
        known = load_wording(split)  # type: ignore[arg-type]
        return {text.lower().strip(" .") for texts in known._sections.values() for text in texts}

    assert not templates("tuned") & templates("held_out")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("add = [", "add = [[", "is no TOML"),
        ("\nmove = [", "\nmoves = [", "unknown section 'moves'; did you mean 'move'"),
        ('"remove the {object}"', '"remove the {thing}"', "'remove the {thing}' has the slot {thing}"),
        ('"remove the {object}"', '"remove the thing"', "lacks the slot {noun} or {object}"),
        ('"remove the {object}"', '"remove the {object"', "has a brace"),
        ('"remove the {object}"', '"remove the {object.__class__}"', "has the slot {object.__class__}"),
        ('"undo the last change"', '"  "', "says nothing"),
        ('"undo the last change"', "3", "a list of templates is wanted"),
        ("flip = [", "flop = [", "global: flip: a list of templates is wanted"),
        ("cyan = [", "cyann = [", "colours: unknown name 'cyann'; did you mean 'cyan'"),
        ('\ncircle = ["circle"', '\ncircle = []\ndisc = ["disc"', "nouns: 'circle': a list of names is wanted"),
    ],
)
def test_wording_that_is_wrong_names_its_fault(old: str, new: str, message: str) -> None:
    text = TUNED.replace(old, new)
    assert text != TUNED
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse_wording(text.encode(), where="held_out.toml")


@pytest.mark.parametrize("place", [True, False])
def test_additions_are_wanted_with_a_place_and_without_one(place: bool) -> None:
    lines = TUNED.splitlines()
    start, end = lines.index("add = ["), lines.index("]")
    left = [line for line in lines[start + 1 : end] if ("{place}" in line) is place]
    text = "\n".join([*lines[: start + 1], *left, *lines[end:]])
    with pytest.raises(ConfigError, match=re.escape("a template with {place} and one without it are wanted")):
        parse_wording(text.encode(), where="x")


def test_a_section_that_is_optional_may_lack() -> None:
    text = TUNED
    for section in OPTIONAL:
        text = re.sub(rf"{section} = \[\n.*?\n\]\n", "", text, flags=re.DOTALL)
    known = parse_wording(text.encode(), where="x")
    assert not any(known.has(section) for section in OPTIONAL)


def test_wording_that_nobody_wrote_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wording, "wording_path", lambda split: tmp_path / f"{split}.toml")
    load_wording.cache_clear()
    with pytest.raises(
        ConfigError, match=r"wording 'held_out': there is no datagen/worlds/wording/held_out\.toml; write"
    ):
        load_wording("held_out")
    load_wording.cache_clear()


def test_a_template_is_chosen_by_its_slots() -> None:
    known = load_wording("tuned")
    for seed in range(20):
        draws = Draws(seed)
        bare = known.choose("add", draws=draws, slots=("a_object",))
        placed = known.choose("add", draws=draws, slots=("a_object", "place"), having=("place",))
        assert bare
        assert placed
        assert slots_of(bare) == {"a_object"}
        assert slots_of(placed) == {"a_object", "place"}
    assert known.choose("move", draws=draws, slots=("object",)) is None


@pytest.mark.parametrize(
    ("noun", "plurals"),
    [("star", "stars"), ("cross", "crosses"), ("galaxy", "galaxies"), ("toy", "toys"), ("box", "boxes")],
)
def test_plurals(noun: str, plurals: str) -> None:
    assert plural(noun) == plurals


def test_articles_and_sentences() -> None:
    assert with_article("orange star") == "an orange star"
    assert with_article("red star") == "a red star"
    assert sentences("add a star") == "add a star"
    assert sentences("add a star", "make it red!") == "Add a star. Make it red!"
