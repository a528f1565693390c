"""A yes or a no, read from JSON or from words, and never guessed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.models.language.verdict import Verdict, read_verdict

WORDS = {"true": True, "yes": True, "false": False, "no": False}
REPLIES = st.sampled_from(sorted(WORDS)).flatmap(
    lambda word: st.tuples(st.sampled_from([word, word.upper(), word.capitalize()]), st.just(WORDS[word]))
)
AROUND = st.sampled_from(["{}", "**{}**", "`{}`", '"{}"', "'{}'", "({})", "- {}", "1. {}", "  {}\n", "__{}__"])
AFTER = st.sampled_from(["", ".", "!", "!!!", "...", ",", "\n"])
BEFORE = st.sampled_from(["", "Answer: ", "**Answer:** ", "Final answer: ", "The answer is ", "Verdict:\n"])
REASONS = st.sampled_from(["", " The dog is whole.", " its tail is cut off", " There is no doubt about it.", "\nSeen."])
CLEAN = st.text().filter(lambda text: not any(word in text.casefold() for word in WORDS))


@given(REPLIES, AROUND, BEFORE, AFTER)
def test_a_word_is_read_however_it_is_dressed(reply: tuple[str, bool], around: str, before: str, after: str) -> None:
    word, means = reply
    assert read_verdict(before + around.format(word + after)) is means


@given(REPLIES, AROUND, st.sampled_from([".", ",", ":", "\n", " -"]), REASONS)
def test_a_reason_may_follow(reply: tuple[str, bool], around: str, after: str, reason: str) -> None:
    word, means = reply
    text = around.format(word) + after + reason
    assert Verdict.from_text(text) == Verdict(answer=means, reason=" ".join(text.split()))


@given(
    REPLIES, REPLIES, AROUND, st.sampled_from([". ", ", ", "\n", " and ", "; or ", ". But ", "\nAnswer: ", "/", " - "])
)
def test_two_words_that_contradict_each_other_are_never_read(
    one: tuple[str, bool], other: tuple[str, bool], around: str, between: str
) -> None:
    if one[1] is not other[1]:
        with pytest.raises(ValueError, match="neither a clear yes nor a clear no"):
            read_verdict(around.format(one[0]) + between + around.format(other[0]))


@given(CLEAN)
def test_words_without_an_answer_are_never_read(text: str) -> None:
    with pytest.raises(ValueError, match="neither a clear yes nor a clear no"):
        read_verdict(text)


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    try:
        read_verdict(text)
    except ValueError as error:
        assert "clear" in str(error)  # noqa: PT017 - it may also be read


@pytest.mark.parametrize(
    "text",
    [
        "Maybe yes.",
        "No problem.",
        "Yes or no?",
        "I cannot tell. No.",
        "1. Yes 2. No",
        "It is not true",
        "True/False",
        "Yes, I think the answer would be no.",
        "",
    ],
)
def test_what_is_not_clear_is_never_read(text: str) -> None:
    with pytest.raises(ValueError, match="neither a clear yes nor a clear no"):
        read_verdict(text)


@pytest.mark.parametrize(("answer", "means"), [(True, True), (False, False), ("True.", True), (" no", False)])
def test_json_says_it_as_a_value_or_in_a_word(answer: object, means: bool) -> None:
    result = Verdict.model_validate_json(json.dumps({"answer": answer, "reason": "r", "sure": 0.9}))
    assert result == Verdict(answer=means, reason="r")


@pytest.mark.parametrize("answer", ["hm", None, 1, 0, 0.5, [True], "", "True and false"])
def test_json_that_says_something_else_is_refused(answer: object) -> None:
    with pytest.raises(ValueError, match="answer"):
        Verdict.model_validate_json(json.dumps({"answer": answer}))
