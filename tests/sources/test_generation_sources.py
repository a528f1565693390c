"""BLIP3-GROUNDING-50M and Subjects200K: what their rows become, and which of them fail."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from foreign_generation import CAPTIONS, PLACED, TAGGED, blip3, pair, subjects200k
from hypothesis import given
from hypothesis import strategies as st

from datagen.core.errors import ConfigError
from datagen.sources.base import SourceRow
from datagen.sources.formats.generation.blip3_grounding import Blip3GroundingConfig
from datagen.sources.formats.generation.grounded import Grounded, parse
from datagen.sources.formats.generation.subjects200k import Subjects200kConfig


def counts_of(found: Grounded) -> dict[str, int]:
    """Words with boxes, and how many they have."""
    return {found.caption[one.start : one.end]: len(one.boxes) for one in found.words}


@pytest.mark.parametrize(
    ("text", "caption", "words"),
    [
        (PLACED, "A dog lies on a lawn.", {"dog": 1, "lawn": 1}),
        (TAGGED, "A dog lies on a lawn.", {"dog": 1}),
        (CAPTIONS, "A dog lies on a lawn.", {}),
        ("A big old dog (<bbox>[0.1, 0.2], [0.5, 0.9]</bbox>) sits.", "A big old dog sits.", {"big old dog": 1}),
        ("Men <bbox>0,0,.5,1</bbox>, <bbox>.5,0,1,1</bbox> talk.", "Men talk.", {"Men": 2}),
        ("Starts at (0.1, 0.2) and extends up to (0.5, 0.9).", ".", {}),
        ("A dog (starts at [0.5, 0.2] and extends upto [0.1, 0.9]) sits.", "A dog sits.", {}),
        ("A dog (starts at [-0.0, -1] and extends upto [9, 1.01]) sits.", "A dog sits.", {"dog": 1}),
        ("It is old. The image contains a cat (<bbox>0,0,1,1</bbox>).", "It is old.", {}),
        ("the man's hat <bbox>0,0,1,1</bbox> and", "the man's hat and", {"man's hat": 1}),
        ("", "", {}),
    ],
)
def test_places_are_taken_out_of_a_caption_and_the_words_before_them_kept(
    text: str, caption: str, words: dict[str, int]
) -> None:
    found = parse(text)
    assert found.caption == caption
    assert counts_of(found) == words


PIECES = st.sampled_from(
    ["A dog ", "the cat", " (starts at [0.1, 0.2] and extends upto [0.5, 0.9])", "<bbox>0,0,1,1</bbox>", "(", ")", ", ", "  ", "\n", "é", " and "]
)  # fmt: skip


@given(st.lists(PIECES, max_size=14).map("".join))
def test_words_lie_inside_the_caption_and_their_boxes_inside_the_picture(text: str) -> None:
    found = parse(text)
    assert found.caption == " ".join(found.caption.split())
    assert "<bbox>" not in found.caption
    for one in found.words:
        words = found.caption[one.start : one.end]
        assert words
        assert words == words.strip()
        assert all(0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1 for x0, y0, x1, y1 in one.boxes)


@pytest.mark.parametrize(
    "text", ["a (" * 30_000, " " * 90_000 + "<bbox>", "<bbox>0,0,1,1</bbox>" + "(" * 90_000, "[" * 90_000]
)
def test_text_that_is_made_to_be_slow_is_not(text: str) -> None:
    begun = time.process_time()
    parse(text)
    assert time.process_time() - begun < 5


def rows(config: Blip3GroundingConfig | Subjects200kConfig) -> list[SourceRow]:
    source = config.load()
    source.check()
    return list(source.rows())


def test_the_form_with_the_most_boxes_is_taken(tmp_path: Path) -> None:
    row = rows(Blip3GroundingConfig(path=str(blip3(tmp_path)), license="CC0-1.0"))[0]
    assert (row.id, row.error) == ("u0", "")
    assert row.fields["uri"] == "https://pictures.example.org/0.jpg"
    assert row.fields["caption"] == "A dog lies on a lawn."
    assert [words["boxes"] for words in row.fields["grounding"]] == [[[0.1, 0.2, 0.5, 0.9]], [[0, 0.5, 1, 1]]]
    assert row.fields["license"] == "CC0-1.0"


def test_captions_may_be_json_or_python_and_a_row_with_neither_fails_alone(tmp_path: Path) -> None:
    captions = [json.dumps([[PLACED, [True]]]), [[TAGGED]], "__import__('os').system('x')", "[", "7", [], [["  "]]]
    found = rows(Blip3GroundingConfig(path=str(blip3(tmp_path, captions))))
    assert [bool(row.error) for row in found] == [False, False, True, True, True, True, True]
    assert all("`captions`" in row.error for row in found[2:])


def test_a_row_without_an_address_fails_alone(tmp_path: Path) -> None:
    table = pa.table({"uid": ["a", None], "url": [None, "https://x.example.org/1.jpg"], "captions": ["[]", "[]"]})
    pq.write_table(table, tmp_path / "x.parquet")
    found = [row.error for row in rows(Blip3GroundingConfig(path=str(tmp_path)))]
    assert [text.partition(": row ")[2] for text in found] == ["0: `url` is None, no text", "1: `uid` is None, no text"]


def test_another_dataset_is_refused_with_the_nearest_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"uid": ["a"], "url": ["b"], "caption": ["c"]}), tmp_path / "x.parquet")
    with pytest.raises(ConfigError, match="there is no column 'captions'; did you mean 'caption'"):
        rows(Blip3GroundingConfig(path=str(tmp_path)))


def test_a_pair_of_panels_is_told_with_its_ratings(tmp_path: Path) -> None:
    found = rows(Subjects200kConfig(path=str(subjects200k(tmp_path))))
    assert [row.id for row in found] == [f"data/train-00000-of-00001/{number}" for number in range(3)]
    assert found[0].fields["panels"] == {
        "item": "cup",
        "captions": ["A cup on a table.", "The cup in a sink."],
        "valid": True,
        "ratings": {"compositeStructure": 5, "objectConsistency": 5, "imageQuality": 5},
    }
    assert found[2].fields["panels"]["ratings"] == {}
    assert {row.fields["license"] for row in found} == {"Apache-2.0"}


def test_one_collection_is_taken_and_a_misspelt_one_is_told(tmp_path: Path) -> None:
    path = str(subjects200k(tmp_path))
    assert len(rows(Subjects200kConfig(path=path, collection="collection_2"))) == 2
    with pytest.raises(ConfigError, match="has no 'colection_2'; did you mean 'collection_2'"):
        rows(Subjects200kConfig(path=path, collection="colection_2"))


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"description": {**pair(0)["description"], "item": None}}, "'description.item'"),
        ({"quality_assessment": {"compositeStructure": 99, "objectConsistency": 5, "imageQuality": 5}}, "compositeStructure"),
    ],
)  # fmt: skip
def test_a_row_of_another_form_fails_alone(tmp_path: Path, about: dict[str, Any], message: str) -> None:
    sound, wrong = rows(Subjects200kConfig(path=str(subjects200k(tmp_path, [pair(0), pair(1, **about)]))))
    assert not sound.error
    assert message in wrong.error
    assert "row 1" in wrong.error
