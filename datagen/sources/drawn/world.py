"""The source `world`: sessions of edits whose truth is known, as specifications that `render_turn` renders.

Nothing is rendered here: a row is the numbers that a session is made from, and the number of a turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from datagen.core.draws import Draws
from datagen.core.options import Options
from datagen.sources.base import Source, SourceRow
from datagen.sources.drawn.backgrounds import find_backgrounds, rights_of
from datagen.sources.file_listing import FileListing
from datagen.worlds.damage import DamageKind
from datagen.worlds.photographs import LIST, Photograph, Split, own_photographs
from datagen.worlds.pool import folder_list, load_pool
from datagen.worlds.script import plots_of
from datagen.worlds.session import write_session
from datagen.worlds.specification import (
    MOST_TURNS,
    OPERATIONS,
    LookName,
    NameSplit,
    Operation,
    Wording,
    WorldSpecification,
)
from datagen.worlds.wording import load_wording

_UNKNOWN = ("operation", "reach", "source_caption", "target_caption")
"""What other sources of pairs may know. A world leaves it open, so that nothing of the truth is given away."""


class WorldConfig(Options):
    """Sessions of edits that are drawn and rendered, so that objects, boxes, masks, conflicts and damage are known."""

    kind: Literal["world"] = "world"
    """Drawn sessions, a row a turn; the stage `render_turn` renders them."""
    count: int = Field(default=1000, ge=1)
    """Number of sessions. There is no last one: a larger number only adds sessions."""
    turns: int = Field(default=4, ge=1, le=MOST_TURNS)
    """Turns of each session."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Another seed gives other sessions."""
    look: LookName = "shapes"
    """`shapes`: textured shapes. `cutouts`: objects cut out of photographs."""
    width: int = Field(default=256, ge=96, le=1024)
    """Of the pictures, in pixels."""
    height: int = Field(default=256, ge=96, le=1024)
    """Of the pictures, in pixels."""
    photographs: str = ""
    """Address of a folder of photographs as backgrounds; '' for those that come with datagen's dependencies.

    A `photographs.toml` in it, of the form of datagen/worlds/photographs.toml, names their splits and licences, and
    outlines for `cutouts`. Without one, all its pictures are taken, and the first bit of the SHA-256 of a picture's
    path holds half of them out; `cutouts` then are those of datagen's own list."""
    license: str = ""
    """Licence of the photographs of such a folder that no list names."""
    split: Split = "tuned"
    """Which photographs are used: those that may be tuned on, or those that are held out."""
    wording: Wording = "tuned"
    """Which wording is used, likewise; `plain` has few templates and no other names, for models that learn from
    scratch."""
    operations: tuple[Operation, ...] = Field(default=OPERATIONS, min_length=1)
    """What turns do; another operation stands in only where the scene allows none of these."""
    names: NameSplit = "any"
    """Which colours of which shapes edits bring about. `held_out` is a sixth of them all. `common` never shows those:
    a model can be judged by combinations that it has not seen."""
    damages: tuple[DamageKind, ...] = Field(default=("none",), min_length=1)
    """What the editing model does to a picture beside the edit. Sessions go through all kinds and strengths."""
    strengths: tuple[Annotated[float, Field(ge=0, le=2)], ...] = Field(default=(1.0,), min_length=1)
    """How much: 1 is mild, 2 is strong."""
    shadow: float = Field(default=0, ge=0, le=1)
    """Strength of the contact shadow below each object, 0 for none."""
    group_by: str = "session"
    """Field whose equal values keep consecutive rows in one slice."""

    @field_validator("damages", "strengths", "operations")
    @classmethod
    def _all_differ(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) < len(values):
            raise ValueError("a value stands twice; name each once")
        return values

    @property
    def path(self) -> str:
        """Where the photographs are."""
        return self.photographs or LIST

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return World(self)


class World:
    """One row for each turn; its id is the session's number and the turn's, from 1."""

    writes = ("world", "session", "turn", "uri", "license", "credit", *_UNKNOWN)

    def __init__(self, config: WorldConfig) -> None:
        self._config = config

    def check(self) -> None:
        """Raise `ConfigError` if there are no photographs, outlines or words of the splits that are asked for."""
        load_wording(self._config.wording)
        folder = self._config.photographs
        if not folder or FileListing(folder).is_local:
            listed, backgrounds = find_backgrounds(self._config.photographs, split=self._config.split)
            for photo in backgrounds:
                self._check_pool(photo, listed)

    def _check_pool(self, background: Photograph, listed: bool) -> None:
        folder = self._config.photographs if listed else ""
        load_pool(self._config.look, split=self._config.split, folder=folder, background=background.name)

    def count(self) -> int | None:
        """The number of turns."""
        return self._config.count * self._config.turns

    def rows(self) -> Iterator[SourceRow]:
        """The turns, session by session."""
        listed, backgrounds = find_backgrounds(self._config.photographs, split=self._config.split)
        for number in range(self._config.count):
            yield from self._session(number, backgrounds, listed)

    def _session(self, number: int, backgrounds: tuple[Photograph, ...], listed: bool) -> Iterator[SourceRow]:
        config = self._config
        damages = [(kind, strength) for kind in config.damages for strength in config.strengths]
        plots = len(plots_of(config.operations))
        # Every plot meets every damage: each round of plots starts one damage further.
        damage, strength = damages[(number // plots + number % plots) % len(damages)]
        specification = WorldSpecification(
            session=number,
            seed=config.seed,
            look=config.look,
            width=config.width,
            height=config.height,
            turns=config.turns,
            damage=damage,
            strength=0 if damage == "none" else strength,
            shadow=config.shadow,
            split=config.split,
            wording=config.wording,
            operations=config.operations,
            names=config.names,
            photographs=config.photographs,
            listed=listed,
            background=Draws(config.seed, number, "background").choose(backgrounds),
        )
        license, credit = self._rights(specification)
        fields = {
            **dict.fromkeys(_UNKNOWN, ""),
            "world": specification.model_dump(mode="json"),
            "session": f"world/{number}",
            "uri": specification.background.uri,
            "license": license,
            "credit": credit,
        }
        for turn in range(1, config.turns + 1):
            yield SourceRow(f"{number:06d}/{turn}", {**fields, "turn": turn})

    def _rights(self, specification: WorldSpecification) -> tuple[str, str]:
        """Licence and credit of all photographs in a session."""
        photos = {specification.background.name: specification.background}
        if specification.look == "cutouts":
            known = folder_list(self._config.photographs) if specification.listed else own_photographs()
            used = write_session(specification).photographs
            photos |= {photo.name: photo for photo in known.photograph if photo.name in used}
        return rights_of(photos.values(), default=self._config.license)
