"""Sources of editing sessions and of prompts: turns in their order, masks, nulls, and rows that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import foreign_edits
import foreign_sessions as made
import pytest

from datagen.core.errors import ConfigError
from datagen.execute.workers.slices import cut
from datagen.fetch import SCHEMES, read_file
from datagen.sources.base import Source, SourceRow
from datagen.sources.formats.pairs.imgedit_turns import ImgEditTurnsConfig
from datagen.sources.prompts import PromptsConfig
from datagen.sources.sessions import SessionsConfig


def rows(source: Source) -> list[SourceRow]:
    source.check()
    found = list(source.rows())
    assert not any(row.error for row in found), found
    return found


def pick(row: SourceRow, *names: str) -> tuple[Any, ...]:
    return tuple(row.fields[name] for name in names)


@pytest.mark.parametrize("layout", ["sessions", "sessions-csv", "sessions-parquet"])
def test_a_manifest_of_sessions_gives_a_record_a_turn(layout: str, tmp_path: Path) -> None:
    source = made.MAKERS[layout](tmp_path)
    found = rows(source)
    assert [(row.id, *pick(row, "session", "turn", "uri", "target_uri", "text", "mask_uri")) for row in found] == [
        ("one/1", "one", 1, "a.png", "b.png", "add a hat", ""),
        ("one/2", "one", 2, "b.png", "c.png", "make it red", ""),
        ("two/1", "two", 1, "b.png", "a.png", "remove the hat", "m.png"),
    ]
    assert [row.fields["license"] for row in found] == ["CC0-1.0", "CC0-1.0", ""]
    assert [len(part.rows) for part in cut(source, size=1, group_by="session")] == [2, 1]


@pytest.mark.parametrize("layout", ["imgedit_turns", "imgedit_turns-jsonl"])
def test_a_turn_of_imgedit_may_go_back_and_have_a_second_input(layout: str, tmp_path: Path) -> None:
    found = rows(made.MAKERS[layout](tmp_path))
    assert [pick(row, "turn", "uri", "target_uri", "reference_uri") for row in found] == [
        (1, "0/a.jpg", "0/b.jpg", ""),
        (2, "0/b.jpg", "0/c.jpg", ""),
        (3, "0/b.jpg", "0/d.jpg", "0/c.jpg"),
    ]
    assert len({row.fields["session"] for row in found}) == 1


def test_null_turns_of_seed_edit_are_none(tmp_path: Path) -> None:
    found = rows(made.MAKERS["seed_edit-nulls"](tmp_path))
    assert [pick(row, "turn", "uri", "target_uri") for row in found] == [
        (1, "s/0.jpg", "s/1.jpg"),
        (2, "s/1.jpg", "s/2.jpg"),
    ]


@pytest.mark.parametrize("layout", ["magicbrush", "magicbrush-folders"])
def test_magicbrush_keeps_the_masks_that_people_drew(layout: str, tmp_path: Path) -> None:
    source = foreign_edits.MAKERS[layout](tmp_path)
    for row in rows(source):
        data = read_file(row.fields["mask_uri"], base=row.fields["base"], schemes=SCHEMES, max_bytes=10**6)
        assert data.startswith(b"\x89PNG")
    assert "mask_uri" in source.writes


def test_pairs_may_have_masks(tmp_path: Path) -> None:
    assert [row.fields["mask_uri"] for row in rows(made.MAKERS["pairs-masks"](tmp_path))] == ["m.png", ""]


@pytest.mark.parametrize(
    ("layout", "ids"),
    [
        ("prompts-txt", ["1", "3"]),
        ("prompts", ["p1", "p2"]),
        ("prompts-csv", ["p1", "p2"]),
        ("prompts-parquet", ["p1", "p2"]),
    ],
)
def test_prompts_are_captions_without_pictures(layout: str, ids: list[str], tmp_path: Path) -> None:
    source = made.MAKERS[layout](tmp_path)
    found = rows(source)
    assert [row.id for row in found] == ids
    assert [row.fields["caption"] for row in found] == ["a cat on a sofa", "two dogs"]
    assert source.count() == (3 if layout == "prompts-txt" else 2) - (layout == "prompts-txt")
    assert "uri" not in source.writes


def test_prompts_of_another_column(tmp_path: Path) -> None:
    path = made.written(tmp_path / "p.jsonl", [{"prompt": "a cat", "id": 7}])
    [row] = rows(PromptsConfig(path=str(path), column="prompt", license="CC0-1.0").load())
    assert (row.id, row.fields["caption"], row.fields["license"]) == ("7", "a cat", "CC0-1.0")
    with pytest.raises(ConfigError, match="there is no column 'caption'"):
        PromptsConfig(path=str(path)).load().check()


def errors(source: Source) -> list[str]:
    return [row.error for row in source.rows() if row.error]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"id": "x", "pictures": ["a.png"], "instructions": ["add"]},
            "has 1 pictures and 1 instructions; n turns need",
        ),
        ({"id": "x", "pictures": [], "instructions": []}, "has 0 pictures and 0 instructions"),
        ({"id": "", "pictures": ["a", "b"], "instructions": ["add"]}, "'id' is ''; it names the session"),
        ({"id": "x", "pictures": "a.png", "instructions": ["add"]}, "'pictures' is not valid JSON"),
        ({"id": "x", "pictures": 5, "instructions": ["add"]}, "'pictures' is int, not a list"),
        ({"id": "x", "pictures": ["a", "b"], "instructions": ["add"], "masks": ["m", "n"]}, "has 2 masks and 1"),
        ({"id": "x", "pictures": ["a", "b"], "instructions": ["add"], "mask": []}, "unknown key 'mask'; did you mean"),
    ],
)
def test_a_session_that_is_none_fails_alone(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = made.written(tmp_path / "s.jsonl", [made.SESSIONS[0], row])
    [error] = errors(SessionsConfig(path=str(path)).load())
    assert error.startswith(f"{path}: line 2: ")
    assert message in error


def test_a_picture_that_is_null_fails_its_two_turns(tmp_path: Path) -> None:
    row = {"id": "x", "pictures": ["a", "b", None, "d", "e"], "instructions": ["w", "x", "y", "z"]}
    path = made.written(tmp_path / "s.jsonl", [row])
    found = list(SessionsConfig(path=str(path)).load().rows())
    assert [bool(each.error) for each in found] == [False, True, True, False]
    assert "pictures.2" in found[1].error


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"turns": []}, "has no column 'data'; it has: turns"),
        ({"data": []}, "'data' has no turns"),
        ({"data": ["x"]}, "turn 1: is str, not an object with 'prompt'"),
        (
            {"data": [{"input_images": [], "output_images": ["a"], "prompt": "x"}]},
            "'input_images' is []; it has to list",
        ),
        ({"data": [{"input_images": ["../a"], "output_images": ["a"], "prompt": "x"}]}, "leads out of the folder"),
        ({"data": [{"input_images": ["a"], "output_images": ["b"], "prompt": None}]}, "'prompt'"),
    ],
)
def test_a_session_of_imgedit_that_is_wrong_fails_alone(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = made.imgedit(tmp_path, "jsonl", [row])
    [error] = errors(ImgEditTurnsConfig(path=str(path), images=f"{tmp_path}/images").load())
    assert message in error


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"caption": ""}, "'caption' is ''; it has to be text with a word in it"),
        ({"caption": 5}, "'caption' is 5"),
        ({"caption": "x", "id": [1]}, "'id' is [1]; it has to be text or a whole number"),
        ({"caption": "x", "session": 4}, "'session' is 4; it has to be text"),
        ({"caption": "x" * 100_001}, "has 100,001 characters"),
    ],
)
def test_a_prompt_that_is_none_fails_alone(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = made.written(tmp_path / "p.jsonl", [made.PROMPTS[0], row])
    [error] = errors(PromptsConfig(path=str(path)).load())
    assert error.startswith(f"{path}: line 2: ")
    assert message in error


def test_bytes_that_are_no_text_fail_their_line(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes(b"\xef\xbb\xbfa cat\n\xff\xfe\na dog\n")
    found = list(PromptsConfig(path=str(path)).load().rows())
    assert [row.fields.get("caption") for row in found] == ["a cat", None, "a dog"]
    assert "line 2: not valid UTF-8" in found[1].error


@pytest.mark.parametrize("config", [SessionsConfig, PromptsConfig])
def test_a_scheme_that_no_filesystem_has_is_refused_before_the_run(config: Any) -> None:
    with pytest.raises(ConfigError, match="no filesystem has the scheme 'tape'"):
        config(path="tape://x.jsonl").load().check()
