"""Slices: the same ones every time, groups whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count

from datagen.core.errors import ConfigError
from datagen.execute.workers.slices import Slice, cut
from datagen.sources.base import SourceRow


class Rows:
    """A source of rows that are at hand."""

    writes = ("session", "caption")

    def __init__(self, rows: list[SourceRow]) -> None:
        self._rows = rows
        self.given = 0

    def check(self) -> None: ...

    def rows(self) -> Iterator[SourceRow]:
        for row in self._rows:
            self.given += 1
            yield row


def grouped(*sessions: str) -> Rows:
    """Rows of these sessions; `!` is a faulty row."""
    rows = [
        SourceRow(f"r{n}", {}, "it is faulty") if name == "!" else SourceRow(f"r{n}", {"session": name})
        for n, name in enumerate(sessions)
    ]
    return Rows(rows)


def ids(slices: Iterator[Slice]) -> list[list[str]]:
    return [[row.id for row in part.rows] for part in slices]


ROWS = st.lists(
    st.builds(
        SourceRow,
        st.sampled_from(["a", "b", "c"]),
        st.dictionaries(st.sampled_from(["caption", "session"]), st.text(max_size=3) | st.lists(st.integers(), max_size=2)),
        st.sampled_from(["", "broken"]),
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip


@given(st.lists(st.integers(), max_size=40), st.integers(1, 50))
def test_rows_stay_in_order_and_none_is_lost(numbers: list[int], size: int) -> None:
    source = Rows([SourceRow(f"r{n}", {"caption": str(number)}) for n, number in enumerate(numbers)])
    slices = list(cut(source, size=size))
    assert [row for part in slices for row in part.rows] == list(source.rows())
    assert [part.number for part in slices] == list(range(len(slices)))
    assert all(len(part.rows) == size for part in slices[:-1])
    assert [part.name for part in slices] == [part.name for part in cut(source, size=size)]


@given(ROWS, ROWS, st.integers(0, 5), st.integers(0, 5))
def test_a_name_changes_if_and_only_if_rows_or_number_do(
    one: list[SourceRow], other: list[SourceRow], number: int, next: int
) -> None:
    same = (number, one) == (next, other)
    assert (Slice(number, tuple(one)).name == Slice(next, tuple(other)).name) == same
    turned = [SourceRow(row.id, dict(reversed(row.fields.items())), row.error) for row in one]
    assert Slice(number, tuple(one)).name == Slice(number, tuple(turned)).name


def test_a_name_is_fit_for_a_file() -> None:
    assert Slice(7, (SourceRow("../\ud800", {"caption": "\0"}),)).name.startswith("000007-")


@settings(max_examples=example_count(200))
@given(
    st.lists(st.tuples(st.sampled_from("abcdef!"), st.integers(1, 5)), max_size=8, unique_by=lambda run: run[0]),
    st.integers(1, 7),
)
def test_groups_stay_whole_and_slices_as_small_as_they_allow(runs: list[tuple[str, int]], size: int) -> None:
    names = [name for name, length in runs for _ in range(length)]
    found = list(cut(grouped(*names), size=size, group_by="session"))
    assert [row.id for part in found for row in part.rows] == [f"r{n}" for n in range(len(names))]
    homes: dict[str, set[int]] = {}
    for part in found:
        for row in part.rows:
            if not row.error:
                homes.setdefault(row.fields["session"], set()).add(part.number)
        assert not any("was closed" in row.error for row in part.rows)
    assert all(len(numbers) == 1 for numbers in homes.values())
    assert all(len(part.rows) >= size for part in found[:-1])


def test_rows_without_a_group_stand_alone() -> None:
    assert ids(cut(grouped("", "", "", "", ""), size=2, group_by="session")) == [["r0", "r1"], ["r2", "r3"], ["r4"]]


def test_a_group_that_comes_back_fails_by_name() -> None:
    found = [row for part in cut(grouped("a", "b", "a", "b", "c"), size=1, group_by="session") for row in part.rows]
    rows = [row.error for row in found]
    assert rows[:2] == ["", ""]
    assert rows[2] == "its session 'a' was closed by other rows; put equal ones together"
    assert rows[3] == "its session 'b' was closed by other rows; put equal ones together"
    assert rows[4] == ""


def test_a_faulty_row_does_not_close_the_group_around_it() -> None:
    found = list(cut(grouped("a", "a", "!", "a", "b"), size=2, group_by="session"))
    assert ids(iter(found)) == [["r0", "r1", "r2", "r3"], ["r4"]]
    assert [row.error for part in found for row in part.rows] == ["", "", "it is faulty", "", ""]


def test_a_limit_reads_no_further() -> None:
    source = grouped(*"abcdefgh")
    assert ids(cut(source, size=2, limit=3)) == [["r0", "r1"], ["r2"]]
    assert source.given == 3
    assert ids(cut(source, size=2, limit=0)) == []


def test_slices_are_cut_only_as_they_are_asked_for() -> None:
    source = grouped(*"abcdefgh")
    next(cut(source, size=2))
    assert source.given <= 3


def test_a_group_by_an_unknown_field_is_told() -> None:
    with pytest.raises(ConfigError, match="the source has no field 'album' to group by; it has: session, caption"):
        list(cut(grouped("a"), size=1, group_by="album"))


def test_names_do_not_hang_on_what_a_name_is_made_of() -> None:
    rows: list[dict[str, Any]] = [{"caption": "a"}, {"caption": "a", "session": ""}, {}]
    assert len({Slice(0, (SourceRow("r", fields),)).name for fields in rows}) == 3
