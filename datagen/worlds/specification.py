"""What a world is made from: a few numbers and names that decide every byte of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, get_args

from pydantic import Field

from datagen.core.draws import Draws
from datagen.core.options import Options
from datagen.worlds.colours import QUIET_TONES, QuietTone
from datagen.worlds.damage import DamageKind
from datagen.worlds.photographs import Photograph, Split

LookName = Literal["shapes", "cutouts"]
Operation = Literal["add", "remove", "recolour", "replace", "move", "global"]
OPERATIONS: Final[tuple[Operation, ...]] = get_args(Operation)
Wording = Literal["tuned", "held_out", "plain"]
NameSplit = Literal["any", "common", "held_out"]
MOST_TURNS = 20


class WorldSpecification(Options):
    """One session of edits."""

    session: int = Field(ge=0)
    """Its number, which decides what its featured turns are; `seed` and it seed all that is drawn."""
    seed: int = Field(default=0, ge=0)
    """Seeds all sessions of a source."""
    look: LookName = "shapes"
    """What objects look like: textured shapes, or cutouts of photographs."""
    width: int = Field(default=256, ge=96, le=1024)
    """Of the pictures, in pixels."""
    height: int = Field(default=256, ge=96, le=1024)
    """Of the pictures, in pixels."""
    turns: int = Field(default=4, ge=1, le=MOST_TURNS)
    """Number of edits."""
    damage: DamageKind = "none"
    """What the editing model does to the picture beside the edit."""
    strength: float = Field(default=1, ge=0, le=2)
    """How much: 1 is mild, 2 is strong."""
    shadow: float = Field(default=0, ge=0, le=1)
    """Strength of contact shadows, 0 for none."""
    split: Split = "tuned"
    """The split of the photographs."""
    wording: Wording = "tuned"
    """The split of the wording, or the plain one."""
    operations: tuple[Operation, ...] = Field(default=OPERATIONS, min_length=1)
    """What turns do, where the scene allows it."""
    names: NameSplit = "any"
    """Which colours of which shapes edits bring about: any, those that are not held out, or those that are."""
    photographs: str = ""
    """Address of the user's folder of photographs; '' for those that come with datagen's dependencies."""
    listed: bool = False
    """Whether that folder has a list, whose outlines are cut out; else those of datagen's own list are."""
    background: Photograph
    """The photograph behind the objects; its own outlines are left out."""


class SceneOptions(Options):
    """How scenes of graphs look."""

    look: LookName = "shapes"
    """What objects look like: textured shapes, or cutouts of photographs."""
    width: int = Field(default=256, ge=96, le=1024)
    """Of the pictures, in pixels."""
    height: int = Field(default=256, ge=96, le=1024)
    """Of the pictures, in pixels."""
    split: Split = "tuned"
    """The split of the photographs."""
    photographs: str = ""
    """Address of the user's folder of photographs; '' for those that come with datagen's dependencies."""
    shadow: float = Field(default=0, ge=0, le=1)
    """Strength of the contact shadow below each object, 0 for none."""


class SceneSpecification(SceneOptions):
    """How graphs are rendered. A graph's content and these options decide every byte of its picture."""

    seed: int = Field(default=0, ge=0)
    """Seeds all scenes of a source."""
    number: int = Field(default=0, ge=0)
    """Which scene of the source it is; `seed` and it seed all that is drawn."""
    listed: bool = False
    """Whether the folder `photographs` has a list, whose outlines are cut out; else those of datagen's own list are."""
    background: QuietTone | Photograph = "grey"
    """What is behind the objects: a quiet tone that no object has, or a photograph, without its own outlines."""


SceneBackground = Literal["plain", "photograph"]


def choose_background(
    photographs: Sequence[Photograph], *, kind: SceneBackground | None, look: LookName, draws: Draws
) -> QuietTone | Photograph:
    """A quiet tone or one of the photographs. Without a kind, shapes have a tone, and cutouts a photograph."""
    plain = look == "shapes" if kind is None else kind == "plain"
    return draws.choose(QUIET_TONES) if plain else draws.choose(photographs)
