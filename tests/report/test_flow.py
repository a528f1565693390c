"""Records are neither lost nor made on their way through the diagram."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from datagen.report.flow import SOURCE, Flow, FlowNode, flow
from datagen.report.survey import DUPLICATE, End

STAGES = ("a", "b", "c", "d")


@st.composite
def ways(draw: st.DrawFn) -> tuple[tuple[str, ...], End]:
    """The stages that a record met, and its end: at the last of these, before the first one, or at packing."""
    path = tuple(sorted(draw(st.sets(st.sampled_from(STAGES)))))
    last = path[-1] if path else SOURCE
    lost = [End("failed", last, "error"), *([End("rejected", last, draw(st.sampled_from("xy")))] if path else [])]
    return path, draw(st.sampled_from([End("accepted"), DUPLICATE, *lost]))


@given(st.dictionaries(ways(), st.integers(1, 10**6), max_size=20))
def test_what_enters_leaves_and_every_end_is_there(ends: dict[tuple[tuple[str, ...], End], int]) -> None:
    found = flow(ends)
    into, out_of = _balance(found)
    for place, node in enumerate(found.nodes):
        if node.kind == "stage":
            assert into[place] == out_of[place] > 0
    assert sum(out_of[place] for place, node in enumerate(found.nodes) if node.kind == "source") == sum(ends.values())
    for kind, status in (("accepted", "accepted"), ("rejected", "rejected"), ("failed", "failed")):
        assert found.entering(kind) == sum(number for (_, end), number in ends.items() if end.status == status)
    assert all(link.records > 0 for link in found.links)


def _balance(found: Flow) -> tuple[Counter[int], Counter[int]]:
    into: Counter[int] = Counter()
    out_of: Counter[int] = Counter()
    for link in found.links:
        out_of[link.start] += link.records
        into[link.end] += link.records
    return into, out_of


def test_a_route_passes_by_the_stages_that_it_does_not_meet() -> None:
    ends = {
        (("a", "b"), End("accepted")): 5,
        (("a", "c"), End("accepted")): 7,
        (("a", "c"), End("rejected", "c", "x")): 2,
        (("a", "b"), End("rejected", "b", "y")): 1,
        (("a",), End("failed", "a", "error")): 4,
    }
    found = flow(ends)
    links = {(found.nodes[link.start].label, found.nodes[link.end].label): link.records for link in found.links}
    assert links["source", "a"] == 19
    assert links["a", "b"] == 6
    assert links["a", "c"] == 9
    assert links["a", "a: failed"] == 4
    assert links["c", "accepted"] == 7


def test_stages_that_lose_nothing_are_left_out() -> None:
    found = flow({(("a", "b"), End("accepted")): 3})
    assert found.nodes == [FlowNode(SOURCE, "source"), FlowNode("accepted", "accepted")]
    assert flow({}).nodes == []
