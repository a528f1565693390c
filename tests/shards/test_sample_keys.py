from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.shards.sample import key_of

HOSTILE = [
    "",
    ".",
    "..",
    "../../etc/passwd",
    "a/b.c",
    "con",
    "-rf",
    "__",
    "_",
    "ünïcødé",
    "猫" * 50,
    "x" * 10_000,
    "\ud800",
]


@given(st.text() | st.from_regex(r"[a-zA-Z0-9#+._-]+", fullmatch=True))
def test_a_key_follows_the_rules(id: str) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,79}", key_of(id))


@given(st.lists(st.text(alphabet="aA-_.#/é ", max_size=4), unique=True, max_size=40))
def test_different_ids_have_different_keys(ids: list[str]) -> None:
    assert len({key_of(id) for id in ids}) == len(ids)


@given(st.text())
def test_a_key_is_nobody_elses_key(id: str) -> None:
    assert key_of(id) == id or key_of(key_of(id)) != key_of(id)


def test_hostile_ids_have_different_safe_keys() -> None:
    keys = [key_of(id) for id in HOSTILE]
    assert len(set(keys)) == len(HOSTILE)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,79}", key) for key in keys)


@pytest.mark.parametrize("id", ["coins", "con", "a-b_c", "0", "x" * 80])
def test_an_id_that_may_be_a_key_is_its_own(id: str) -> None:
    assert key_of(id) == id


@pytest.mark.parametrize(("id", "start"), [("A/1.jpg", "a-1-jpg-"), ("a b#3", "a-b-3-")])
def test_a_key_still_tells_whose_it_is(id: str, start: str) -> None:
    assert key_of(id).startswith(start)


@pytest.mark.parametrize(("id", "key"), [("coins#3", "coins__3"), ("a+0", "a--0"), ("coins#3+0", "coins__3--0")])
def test_derived_ids_have_readable_keys(id: str, key: str) -> None:
    assert key_of(id) == key


@given(st.lists(st.text("ab01_-#+", min_size=1, max_size=6), min_size=2, max_size=2, unique=True))
def test_marks_never_make_two_ids_one_key(ids: list[str]) -> None:
    assert key_of(ids[0]) != key_of(ids[1])
