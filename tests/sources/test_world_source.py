"""The source `world`: rows are specifications, over datagen's own photographs or a folder of a user's."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from photographs import photograph

from datagen.imaging.image import Image
from datagen.sources.base import SourceRow
from datagen.sources.drawn.world import World, WorldConfig
from datagen.worlds.photographs import own_photographs, split_of
from datagen.worlds.script import PLOTS
from datagen.worlds.session import render_session
from datagen.worlds.specification import WorldSpecification


def source(**options: Any) -> World:
    made = WorldConfig(**options).load()
    assert isinstance(made, World)
    made.check()
    return made


def specifications(rows: Iterable[SourceRow]) -> list[WorldSpecification]:
    return [WorldSpecification.model_validate(row.fields["world"]) for row in rows]


def album(folder: Path, *, count: int = 12) -> Path:
    """A folder of small photographs, some in a folder below."""
    (folder / "more").mkdir(parents=True)
    for number in range(count):
        name = f"{'more/' if number % 3 == 0 else ''}{number}.png"
        pixels = photograph(("astronaut", "coffee", "rocket")[number % 3], long_side=128)
        (folder / name).write_bytes(Image.of(pixels).encoded())
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_a_row_is_a_turn_of_a_session() -> None:
    world = source(count=5, turns=3)
    rows = list(world.rows())
    assert len(rows) == world.count() == 15
    assert len({row.id for row in rows}) == 15
    assert [row.fields["turn"] for row in rows[:4]] == [1, 2, 3, 1]
    assert len({row.fields["session"] for row in rows}) == 5
    assert all(set(row.fields) == set(world.writes) for row in rows)
    assert all(not row.fields["operation"] for row in rows), "nothing of the truth is given away"


def test_more_sessions_leave_the_first_as_they_are() -> None:
    few, many = list(source(count=3).rows()), source(count=10**9)
    assert list(islice(many.rows(), len(few))) == few
    assert next(source(count=1, seed=1).rows()).fields["world"] != few[0].fields["world"]


def test_every_plot_meets_every_damage() -> None:
    damages = ["none", "shift", "all", "drift", "halo"]
    found = specifications(source(count=len(PLOTS) * 10, turns=1, damages=damages, strengths=[1, 2]).rows())
    met = {(spec.session % len(PLOTS), spec.damage, spec.strength) for spec in found}
    assert len(met) == len(PLOTS) * 9  # no damage has no strength
    assert all(spec.strength == 0 for spec in found if spec.damage == "none")


@pytest.mark.parametrize("split", ["tuned", "held_out"])
@pytest.mark.parametrize("look", ["shapes", "cutouts"])
def test_a_split_uses_its_own_photographs_alone(split: str, look: str) -> None:
    names = {photo.name for photo in own_photographs().photograph if photo.split == split}
    rows = list(source(count=12, turns=2, split=split, look=look).rows())
    used = {
        name
        for spec in specifications(rows[::2])
        for turn in render_session(spec)
        for name in turn.truth["photographs"]
    }
    assert used <= names
    assert len(used) > 5
    assert all(row.fields["license"] for row in rows)


def test_a_folder_of_photographs_is_split_by_names(tmp_path: Path) -> None:
    folder = album(tmp_path / "album")
    for split in ("tuned", "held_out"):
        rows = list(source(count=40, turns=1, photographs=str(folder), split=split, license="CC0-1.0").rows())
        used = {spec.background.name for spec in specifications(rows)}
        assert used
        assert {split_of(name) for name in used} == {split}
        assert {row.fields["license"] for row in rows} == {"CC0-1.0"}
        [turn] = render_session(specifications(rows)[0])
        assert turn.source.size == (256, 256)


def test_a_folder_may_name_splits_licences_and_outlines(tmp_path: Path) -> None:
    folder = album(tmp_path / "album", count=3)
    outline = "polygons = [[[10, 10], [60, 12], [50, 70]]]"
    parts = [
        f'[[photograph]]\nname = "{number}"\nuri = "{"more/" if number == 0 else ""}{number}.png"\nsplit = "tuned"\n'
        f'license = "L{number}"\n'
        + "".join(f'[[photograph.object]]\nlabel = "{label}{number}"\n{outline}\n' for label in "abc")
        for number in range(3)
    ]
    (folder / "photographs.toml").write_text("".join(parts))
    rows = list(source(count=6, photographs=str(folder), look="cutouts").rows())
    for row in rows[::4]:
        [spec] = specifications([row])
        truth = render_session(spec)[-1].truth
        assert set(truth["photographs"]) <= {"0", "1", "2"}
        assert row.fields["license"] == " AND ".join(f"L{name}" for name in truth["photographs"])
    shutil.rmtree(folder / "more")
    source(count=6, photographs=str(folder), look="cutouts")  # files are read by the workers alone
