"""Renders a session of edits from its specification: pictures, words and truth."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from datagen.core.draws import Draws
from datagen.imaging.geometry import encode_rle, mask_bounds
from datagen.imaging.image import Image, Mask
from datagen.worlds.conflicts import TurnRelation, find_relations
from datagen.worlds.damage import DamagedSession
from datagen.worlds.layout import CELLS
from datagen.worlds.pool import Pool, load_pool
from datagen.worlds.scene import Background, Scene, change_of
from datagen.worlds.script import Script, Turn, draw_object, is_held_out, order_turns, plots_of
from datagen.worlds.specification import WorldSpecification
from datagen.worlds.sprites import CutoutLook
from datagen.worlds.wording import load_wording


class WrittenSession(NamedTuple):
    """A session without its pictures."""

    first: Scene
    """The scene before the first turn."""
    turns: tuple[Turn, ...]
    relations: tuple[TurnRelation, ...]

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """The scene before the first turn, then that after each."""
        return (self.first, *(turn.facts.after for turn in self.turns))

    @property
    def photographs(self) -> tuple[str, ...]:
        """Names of the photographs that objects are cut from, sorted; the background's is in the specification."""
        looks = [thing.look for scene in self.scenes for thing in scene.objects]
        return tuple(sorted({look.photograph for look in looks if isinstance(look, CutoutLook)}))


class RenderedTurn(NamedTuple):
    """One turn as a stage gives it."""

    source: Image
    target: Image
    text: str
    truth: dict[str, Any]
    shift: tuple[float, float]
    """How far damage has moved the target since the session's first picture, in pixels: right and down."""
    stray: Mask
    """What damage has edited elsewhere in the target so far, this turn and those before it."""
    is_flip: bool
    """Whether the turn mirrored the picture."""
    tones: tuple[str, ...]
    """The changes of tone, of `colours.TONES`, that the turn made to the whole picture."""


@lru_cache(maxsize=4)
def write_session(specification: WorldSpecification) -> WrittenSession:
    """The turns of a session and how they conflict.

    Raises `ConfigError` or `DataError` for a list of photographs or wording that cannot be used.
    """
    spec = specification
    folder = spec.photographs if spec.listed else ""
    pool = load_pool(spec.look, split=spec.split, folder=folder, background=spec.background.name)
    wording = load_wording(spec.wording)
    draws = Draws(spec.seed, spec.session, "session")
    first = _first_scene(spec, pool, draws)
    script = Script(first, spec, pool=pool, wording=wording, draws=draws)
    plots = plots_of(spec.operations)
    plot = plots[spec.session % len(plots)]
    for name in order_turns(plot, turns=spec.turns, draws=draws):
        script.write(name)
    turns = tuple(script.turns)
    return WrittenSession(first, turns, tuple(find_relations([turn.facts for turn in turns])))


# A source's rows of one session follow each other, so that one render serves all of its turns.
@lru_cache(maxsize=4)
def render_session(specification: WorldSpecification) -> tuple[RenderedTurn, ...]:
    """All turns of a session, each starting from the damaged result of the one before. Errors as of `write_session`."""
    spec = specification
    written = write_session(spec)
    damage = DamagedSession(spec.damage, strength=spec.strength, draws=Draws(spec.seed, spec.session, "damage"))
    clean = [scene.render() for scene in written.scenes]
    before = Image.of(clean[0])
    rendered = []
    for number, turn in enumerate(written.turns, 1):
        change_HW = change_of(clean[number - 1], clean[number])
        mask_HW: Mask = change_HW > 0
        truth = _truth(number, turn, spec, written, _moved(mask_HW, damage.shift))
        # How far the edit is seen: the mean difference in its mask, in grey levels.
        truth["contrast"] = round(float(change_HW.sum()) / max(int(mask_HW.sum()), 1), 2)
        if turn.facts.is_flip:
            damage.flip()
        damage.change_tone(turn.facts.tones)
        # Of a change of the whole picture no part is painted anew.
        place_HW = mask_HW if turn.label else np.zeros_like(mask_HW)
        after = Image.of(damage.apply(clean[number], place_HW))
        stray_HW = _moved(damage.stray(mask_HW.shape), damage.shift)
        rendered.append(
            RenderedTurn(before, after, turn.text, truth, damage.shift, stray_HW, turn.facts.is_flip, turn.facts.tones)
        )
        before = after
    return tuple(rendered)


def _first_scene(spec: WorldSpecification, pool: Pool, draws: Draws) -> Scene:
    photo = spec.background
    place = draws.between(0, 1), draws.between(0, 1), draws.between(0.6, 1)
    background = Background(photo.uri, spec.photographs, photo.sha256, *place, mirrored=draws.happens(0.5))
    scene = Scene(spec.width, spec.height, background)
    names: set[tuple[str, str]] = set()
    for cell in draws.shuffle(range(CELLS))[: 3 + draws.below(3)]:
        # Names that tell objects apart: no two of a kind and colour, and one without a colour is alone of its kind.
        taken = {label for label, _ in names}
        single = {label for label, colour in names if not colour}
        fits = [
            (label, colour)
            for label in pool.labels
            for colour in pool.colours
            if (label, colour) not in names
            and label not in single
            and (colour or label not in taken)
            and not (spec.names == "common" and is_held_out(label, colour))
        ]
        name = draws.choose(fits)
        names.add(name)
        thing = draw_object(name, id=len(names), cell=cell, size=scene.size, pool=pool, draws=draws, shadow=spec.shadow)
        scene = scene.add(thing)
    return scene


def _moved(mask_HW: Mask, shift: tuple[float, float]) -> Mask:
    """A mask in the pixels of a picture that damage has moved: by whole pixels; what leaves the frame is lost."""
    x, y = (round(step) for step in shift)
    if not x and not y:
        return mask_HW
    moved_HW = np.zeros_like(mask_HW)
    height, width = mask_HW.shape
    moved_HW[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = mask_HW[
        max(-y, 0) : height + min(-y, 0), max(-x, 0) : width + min(-x, 0)
    ]
    return moved_HW


def _truth(number: int, turn: Turn, spec: WorldSpecification, written: WrittenSession, mask_HW: Mask) -> dict[str, Any]:
    """What is known of a turn. Box and mask are in pixels of its source."""
    whole = turn.label == ""
    box = (0, 0, spec.width, spec.height) if whole else mask_bounds(mask_HW) if mask_HW.any() else (0, 0, 0, 0)
    return {
        "op": turn.op,
        "object": turn.object,
        "label": turn.label,
        "attributes": list(turn.attributes),
        "renamed_to": turn.renamed_to,
        "count": turn.count,
        "box": list(box),
        "mask": {"size": [spec.height, spec.width], "counts": encode_rle(mask_HW)},
        "damage": {"kind": spec.damage, "strength": spec.strength},
        "background": spec.background.name,
        "photographs": sorted({spec.background.name, *written.photographs}),
        "split": spec.split,
        "wording": spec.wording,
        "relations": [
            {"first": first, "second": second, "kind": kind, "reason": reason, "sure": sure}
            for first, second, kind, reason, sure in written.relations
            if second == number
        ],
    }
