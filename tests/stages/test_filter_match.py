from __future__ import annotations

import pytest
from colours import BLUE, GREEN, RED, SCORER, Colours
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from datagen import Failed, Record, Reject
from datagen.models.templates import render_template, template_fields
from stages.filter_match import FilterMatch


def stage(**options):
    config = {"scorer": SCORER, "text": "a photo of {subject}", "min_score": 0.9, **options}
    made = FilterMatch(FilterMatch.Config.model_validate(config))
    made.scorer = Colours()
    return made


def test_a_picture_that_shows_the_text_passes_and_another_is_rejected_with_its_score():
    records = [Record(str(n), {"image": image, "subject": "red ball"}) for n, image in enumerate((RED, GREEN))]
    match, other = stage().process(records)
    assert match == {"match": pytest.approx(1)}
    assert other == Reject("no_match", "match 0 < 0.9 (min_score)", {"match": 0})


def test_the_bound_itself_is_kept():
    record = Record("a", {"image": RED, "subject": "red and green"})
    found = stage(min_score=-1).process([record])[0]["match"]
    assert stage(min_score=found).process([record])[0] == {"match": found}
    assert stage(min_score=found + 1e-6).process([record])[0].reason == "no_match"


def test_the_text_is_filled_with_the_records_words_and_braces_in_them_stay():
    made = stage(text="{subject}, {caption} {{sic}}")
    made.process([Record("a", {"image": RED, "subject": " a {red} car ", "caption": "{0.__class__}"})])
    assert made.scorer.requests == ["a {red} car, {0.__class__} {sic}"]
    assert FilterMatch.needs(made.config) == ("image", "subject", "caption")


def test_a_blank_field_is_rejected_and_the_others_go_on():
    records = [Record("a", {"image": RED, "subject": " "}), Record("b", {"image": RED, "subject": "red"})]
    blank, other = stage().process(records)
    assert blank == Reject("no_text", "a field of 'a photo of {subject}' is blank")
    assert other == {"match": pytest.approx(1)}


def test_nothing_is_asked_of_the_model_where_no_text_is_there():
    made = stage()
    made.process([Record("a", {"image": RED, "subject": ""})])
    assert made.scorer.calls == 0


def test_the_first_reference_is_scored_where_the_config_says_so():
    made = stage(picture="refs")
    assert FilterMatch.needs(made.config) == ("refs", "subject")
    answer = made.process([Record("a", {"refs": [BLUE, RED], "subject": "blue"})])
    assert answer == [{"match": pytest.approx(1)}]
    assert isinstance(made.process([Record("a", {"refs": [], "subject": "blue"})])[0], Failed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{subject", "written twice"),
        ("a } b", "written twice"),
        ("{}", "name of one field"),
        ("{subject!r}", "name of one field"),
        ("{subject.__class__}", "name of one field"),
        ("{subject:>9}", "name of one field"),
        ("{image}", "the field 'image' is no text but image"),
        ("{box}", "no text but box"),
        ("", "at least 1 character"),
    ],
)
def test_a_text_that_cannot_be_filled_is_refused(text, message):
    with pytest.raises(ValidationError, match=message):
        stage(text=text)


@given(st.text(), st.text())
def test_words_of_the_data_are_never_read_as_a_form(before, words):
    text = f"{before.replace('{', '{{').replace('}', '}}')}{{subject}}"
    assert template_fields(text) == ("subject",)
    found = render_template(text, Record("a", {"subject": words}))
    assert found == (before + words.strip() if words.strip() else "")
