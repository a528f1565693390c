"""The source `scenes`: rows are specifications of scenes, over plain tones, datagen's photographs, or a user's."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from photographs import photograph

from datagen.core.errors import ConfigError
from datagen.imaging.image import Image
from datagen.sources.drawn.scenes import DRAWN_LICENSE, Scenes, ScenesConfig
from datagen.worlds.colours import QUIET_TONES
from datagen.worlds.photographs import Photograph, own_photographs
from datagen.worlds.specification import SceneSpecification


def source(**options: Any) -> Scenes:
    made = ScenesConfig(**options).load()
    assert isinstance(made, Scenes)
    made.check()
    return made


def specifications(scenes: Scenes) -> list[SceneSpecification]:
    return [SceneSpecification.model_validate(row.fields["scene"]) for row in scenes.rows()]


def test_a_row_is_a_scene_on_a_quiet_tone() -> None:
    scenes = source(count=40, width=128, shadow=0.5)
    rows = list(scenes.rows())
    assert len(rows) == scenes.count() == 40
    assert len({row.id for row in rows}) == len({row.fields["session"] for row in rows}) == 40
    assert all(set(row.fields) == set(scenes.writes) for row in rows)
    assert {(row.fields["license"], row.fields["uri"]) for row in rows} == {(DRAWN_LICENSE, "")}
    specs = specifications(scenes)
    assert {spec.background for spec in specs} == set(QUIET_TONES)
    assert [spec.number for spec in specs] == list(range(40))
    assert {(spec.width, spec.height, spec.shadow) for spec in specs} == {(128, 256, 0.5)}


def test_more_scenes_leave_the_first_as_they_are() -> None:
    few, many = list(source(count=3).rows()), source(count=10**9)
    assert list(islice(many.rows(), 3)) == few
    assert next(source(count=1, seed=1).rows()).fields["scene"] != few[0].fields["scene"]


@pytest.mark.parametrize("split", ["tuned", "held_out"])
def test_cutouts_stand_on_photographs_of_their_split(split: str) -> None:
    scenes = source(count=30, look="cutouts", split=split)
    names = {photo.name for photo in own_photographs().backgrounds(split)}
    backgrounds = [spec.background for spec in specifications(scenes)]
    assert {photo.name for photo in backgrounds if isinstance(photo, Photograph)} == names
    row = next(scenes.rows())
    assert row.fields["license"]
    assert row.fields["credit"]
    plain = next(source(count=1, look="cutouts", split=split, background="plain").rows())
    assert plain.fields["uri"] == ""
    assert plain.fields["credit"], "cutouts are of photographs"


def test_a_folder_of_photographs_is_behind_shapes(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f"{number}.png").write_bytes(Image.of(photograph("coffee", long_side=96)).encoded())
    scenes = source(count=8, background="photograph", photographs=str(tmp_path), license="CC-BY-4.0")
    row = next(scenes.rows())
    assert row.fields["license"] == "CC-BY-4.0"
    assert row.fields["uri"].endswith(".png")
    (tmp_path / "none").mkdir()
    with pytest.raises(ConfigError, match="holds no photographs"):
        source(photographs=str(tmp_path / "none"), background="photograph")
