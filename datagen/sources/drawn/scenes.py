"""The source `scenes`: specifications of scenes, for pipelines that draw or read graphs and render them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from datagen.core.draws import Draws
from datagen.sources.base import Source, SourceRow
from datagen.sources.drawn.backgrounds import find_backgrounds, rights_of
from datagen.sources.file_listing import FileListing
from datagen.worlds.graph_appearance import pool_of
from datagen.worlds.photographs import LIST, Photograph, own_photographs
from datagen.worlds.pool import folder_list
from datagen.worlds.specification import SceneBackground, SceneOptions, SceneSpecification, choose_background

DRAWN_LICENSE = "CC0-1.0"
"""Of shapes on a plain background: such a picture holds nobody's work."""


class ScenesConfig(SceneOptions):
    """Scenes that are drawn and rendered from graphs, so that objects, boxes, masks and relations are known."""

    kind: Literal["scenes"] = "scenes"
    """How each scene is rendered; `draw_graph` draws what it shows, and `render_scene` or `render_plan` renders it."""
    count: int = Field(default=1000, ge=1)
    """Number of scenes. There is no last one: a larger number only adds scenes."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Another seed gives other scenes."""
    background: SceneBackground | None = None
    """What is behind the objects: a `plain` quiet tone, or a `photograph`. null: plain for shapes, else photographs."""
    photographs: str = ""
    """Address of a folder of photographs as backgrounds; '' for those that come with datagen's dependencies. See
    `photographs` of the source `world`."""
    license: str = ""
    """Licence of the photographs of such a folder that no list names."""
    group_by: str = ""
    """Field whose equal values keep consecutive rows in one slice."""

    @property
    def path(self) -> str:
        """Where the photographs are."""
        return self.photographs or LIST

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return Scenes(self)


class Scenes:
    """One row for each scene; its id is the scene's number."""

    writes = ("scene", "session", "uri", "license", "credit")

    def __init__(self, config: ScenesConfig) -> None:
        self._config = config

    def check(self) -> None:
        """Raise `ConfigError` if there are no photographs or outlines of the split."""
        folder = self._config.photographs
        if not folder or FileListing(folder).is_local:
            listed, photographs = self._photographs()
            for photo in photographs:
                pool_of(self._specification(0, (photo,), listed))

    def count(self) -> int | None:
        """The number of scenes."""
        return self._config.count

    def rows(self) -> Iterator[SourceRow]:
        """The scenes in the order of their numbers."""
        config, (listed, photographs) = self._config, self._photographs()
        cutouts = self._cutouts(listed) if config.look == "cutouts" else ()
        for number in range(config.count):
            spec = self._specification(number, photographs, listed)
            behind = (spec.background,) if isinstance(spec.background, Photograph) else ()
            # Graphs are drawn later, so any cutout may be in the picture.
            photos = {photo.name: photo for photo in (*behind, *cutouts)}
            license, credit = rights_of(photos.values(), default=config.license) if photos else (DRAWN_LICENSE, "")
            fields = {
                "scene": spec.model_dump(mode="json"),
                "session": f"scenes/{number}",
                "uri": behind[0].uri if behind else "",
                "license": license,
                "credit": credit,
            }
            yield SourceRow(f"{number:06d}", fields)

    def _photographs(self) -> tuple[bool, tuple[Photograph, ...]]:
        return find_backgrounds(self._config.photographs, split=self._config.split)

    def _specification(self, number: int, photographs: tuple[Photograph, ...], listed: bool) -> SceneSpecification:
        config = self._config
        draws = Draws(config.seed, number, "background")
        return SceneSpecification(
            **{name: getattr(config, name) for name in SceneOptions.model_fields},
            seed=config.seed,
            number=number,
            listed=listed,
            background=choose_background(photographs, kind=config.background, look=config.look, draws=draws),
        )

    def _cutouts(self, listed: bool) -> tuple[Photograph, ...]:
        """The photographs of which objects may be cut out."""
        known = folder_list(self._config.photographs) if listed else own_photographs()
        return known.with_objects(self._config.split)
