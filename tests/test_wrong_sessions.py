"""Editing sessions that are not whole, or not what they seem: each ends by name, and its neighbours go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import drawn_sessions as drawn
import pytest
import yaml
from building import ledger_rows, run_local
from commands import refused

import datagen
from datagen.core.errors import ConfigError
from datagen.imaging.image import Image
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.sources.config import AnySource

THINGS = (
    *("lamp", "cup", "tree", "dog", "box", "hat", "bell", "coin", "leaf", "shoe", "vase", "drum", "boat", "bird"),
    *("fish", "star", "kite", "desk", "bag", "key"),
)


def run(folder: Path, rows: list[dict[str, Any]], **options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The ledger's rows of a run over sessions that are listed in the folder."""
    table = folder / "sessions.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = folder / "sessions.yaml"
    source = {"kind": "sessions", "path": str(table)}
    config.write_text(yaml.safe_dump(drawn.config(source, **options), sort_keys=False))
    run_local(build(load(config)), folder / "out")
    return {id: dict(row) for id, row in ledger_rows(folder / "out").items()}


def session(folder: Path, name: str = "clean") -> dict[str, Any]:
    """One drawn session on disk, as a row."""
    [row] = [json.loads(line) for line in drawn.write_sessions(folder, names=[name]).read_text().splitlines()]
    return dict(row)


def ends(rows: dict[str, dict[str, Any]], status: str) -> dict[str, str]:
    return {
        id: f"{row['stage']}/{row['reason'] or row['detail']}" for id, row in rows.items() if row["status"] == status
    }


def windows(folder: Path) -> list[list[str]]:
    """The instructions of each accepted sample's edits."""
    found = [sample.info for sample in datagen.open(str(folder / "out"))]
    return sorted([edit["instruction"] for edit in info["edits"]] for info in found)


def test_a_missing_picture_breaks_its_session_in_two(tmp_path: Path) -> None:
    row = session(tmp_path, "mixed")
    (tmp_path / row["pictures"][2]).unlink()
    rows = run(tmp_path, [row])
    assert ends(rows, "failed").keys() == {"mixed/2", "mixed/3"}
    assert ends(rows, "rejected") == {"mixed/1+0": "merge_turns/no_window"}
    assert rows["mixed/1+0"]["detail"] == "2 turns: turn 4 lost"


def test_a_repeated_picture_is_a_turn_that_changes_nothing(tmp_path: Path) -> None:
    row = session(tmp_path)
    row["pictures"].insert(1, row["pictures"][1])
    row["instructions"].insert(1, "polish the ball")
    rows = run(tmp_path, [row])
    assert windows(tmp_path) == [row["instructions"][2:]]
    assert not ends(rows, "failed")


def test_a_turn_of_another_size_is_in_no_window(tmp_path: Path) -> None:
    row = session(tmp_path)
    small = drawn.ground()[:40, :50].copy()
    (tmp_path / row["pictures"][3]).write_bytes(Image.of(small).encoded())
    run(tmp_path, [row])
    assert windows(tmp_path) == [row["instructions"][:2]]


def test_one_turn_and_twenty_turns(tmp_path: Path) -> None:
    colours, pictures, texts = ("red", "green"), [drawn.ground()], []
    for number in range(20):
        x, y = 4 + 9 * (number % 10), 6 + 30 * (number // 10)
        pictures.append(drawn.square(pictures[-1], (x, y, x + 6, y + 20), colours[number % 2]))
        texts.append(f"add a {THINGS[number]}")
    names = [f"{number}.png" for number in range(21)]
    for name, picture in zip(names, pictures, strict=True):
        (tmp_path / name).write_bytes(Image.of(picture).encoded())
    rows = run(
        tmp_path,
        [
            {"id": "one", "pictures": names[:2], "instructions": texts[:1]},
            {"id": "twenty", "pictures": names, "instructions": texts},
        ],
    )
    assert ends(rows, "rejected") == {"one/1": "gather_turns/too_few_turns"}
    assert len(windows(tmp_path)) == 19 * 20 // 2
    longest = max(datagen.open(str(tmp_path / "out")), key=lambda sample: len(sample.info["steps"]))
    assert {f"turn_{number}.png" for number in range(19)} < set(longest.members)


def test_another_language_is_never_taken_for_clean(tmp_path: Path) -> None:
    row = session(tmp_path)
    row["instructions"][1] = "Füge ein grünes Quadrat hinzu"
    rows = run(tmp_path, [row])
    assert set(ends(rows, "rejected").values()) == {"filter_conflicts/unknown"}
    run(tmp_path, [row], filter_conflicts={"kinds": ["same_object"]})
    assert len(windows(tmp_path)) == 3, "a config may take them all the same"


def test_a_window_whose_words_reach_before_it_is_rejected(tmp_path: Path) -> None:
    row = session(tmp_path, "mixed")
    row["instructions"][1] = "paint it blue"
    rows = run(tmp_path, [row], merge_turns={"min_turns": 1})
    assert set(ends(rows, "rejected").values()) == {"filter_conflicts/same_object", "filter_conflicts/dangling"}
    assert all("paint it blue" not in texts[0] for texts in windows(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": {"group_by": ""}}, "'gather_turns' combines records by 'session'; add `group_by: session`"),
        ({"filter_conflicts": {"kinds": ["same_thing"]}}, "'same_thing'"),
        ({"gather_turns": {"min_turns": 5, "max_turns": 3}}, "min_turns 5 is above max_turns 3"),
        ({"merge_turns": {"min_turns": 0}}, "greater than or equal to 1"),
        ({"judge_session": {"judge": {"kind": "oracle"}}}, "oracle"),
        ({"decompose_instruction": {"decomposer": {"kind": "language", "prompt": "decompose"}}}, "model"),
    ],
)
def test_a_config_of_sessions_that_is_wrong(
    change: dict[str, Any], message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    table = drawn.write_sessions(tmp_path)
    source = {"kind": "sessions", "path": str(table), **change.pop("source", {})}
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump(drawn.config(source, **change), sort_keys=False))
    assert message in refused("check", config, capfd=capfd)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "sessions", "path": "none.jsonl"}, "none.jsonl"),
        ({"kind": "prompts", "path": "none.txt"}, "none.txt"),
        ({"kind": "imgedit_turns", "path": "none", "images": "none"}, "none"),
    ],
)
def test_a_source_of_sessions_that_is_not_there(options: dict[str, str], message: str, tmp_path: Path) -> None:
    source = AnySource.model_validate({"source": {**options, "path": str(tmp_path / options["path"])}}).source
    with pytest.raises(ConfigError, match=f"{tmp_path}/{message}"):
        source.load().check()


def test_a_column_of_sessions_that_means_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.jsonl").write_text('{"id": "a", "pictures": ["a", "b"], "texts": ["x"]}\n')
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump(drawn.config({"kind": "sessions", "path": str(tmp_path / "s.jsonl")})))
    assert "the column 'texts' means nothing; " in refused("check", config, capfd=capfd)
