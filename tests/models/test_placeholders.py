"""Captions in which names give way to placeholders: nothing else changes, and what meets is never replaced twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.core.errors import DataError
from datagen.core.fields import PLACEHOLDER
from datagen.models.grammar import Span, choose_disjoint, replace_spans

CAPTION = "A dog chases the red ball past a dog house, and the dogs bark."
WORDS = st.text(st.sampled_from("ab <>.,'é\u202e日 "), max_size=60)


@st.composite
def captions_and_spans(draw: st.DrawFn) -> tuple[str, list[Span]]:
    caption = draw(WORDS)
    edges = st.tuples(st.integers(0, len(caption)), st.integers(0, len(caption)))
    pairs = draw(st.lists(edges, max_size=6))
    return caption, [Span(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]]


@given(captions_and_spans())
def test_what_is_not_replaced_stays_to_the_character(given_: tuple[str, list[Span]]) -> None:
    caption, spans = given_
    chosen = [spans[number] for number in choose_disjoint(spans)]
    found = replace_spans(caption, chosen)
    assert found.count(PLACEHOLDER) == len(chosen)
    parts, at = found.split(PLACEHOLDER), 0
    for part, span in zip(parts, [*chosen, None], strict=True):
        assert caption[at : span.start if span else None] == part
        at = span.end if span else at


@given(captions_and_spans())
def test_of_spans_that_meet_the_longest_is_taken_and_none_is_left_out_without_cause(
    given_: tuple[str, list[Span]],
) -> None:
    _, spans = given_
    chosen = choose_disjoint(spans)
    taken = [spans[number] for number in chosen]
    assert taken == sorted(taken)
    assert not any(one.overlaps(other) for one in taken for other in taken if one is not other)
    for number in set(range(len(spans))) - set(chosen):
        rivals = [span for span in taken if span.overlaps(spans[number])]
        assert rivals
        assert max(span.end - span.start for span in rivals) >= spans[number].end - spans[number].start


@pytest.mark.parametrize("spans", [[Span(0, 3), Span(2, 5)], [Span(2, 2)], [Span(0, 999)], [Span(-1, 2)]])
def test_spans_that_cannot_be_are_refused(spans: list[Span]) -> None:
    with pytest.raises(DataError, match="cannot be replaced"):
        replace_spans(CAPTION, spans)


def test_a_caption_with_the_placeholder_in_it_is_refused() -> None:
    with pytest.raises(DataError, match="the caption holds <imagehere> itself"):
        replace_spans("Add <imagehere> to it", [])
