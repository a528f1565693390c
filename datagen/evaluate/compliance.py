"""Exact checks of single edits on drawn worlds: an output is compared with pictures of known scenes.

Nothing is learnt here and no model is asked. For each edit the picture of the scene as it has to be is held against
pictures of what it must not be: the edit not done, another shape, another colour, the old object still there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from datagen.core.errors import DataError
from datagen.core.fields import Box
from datagen.evaluate.cases import Case
from datagen.evaluate.truth import WindowTruth, WorldTruth
from datagen.imaging.geometry import mask_bounds
from datagen.imaging.image import Pixels
from datagen.worlds.colours import COLOURS, TONES
from datagen.worlds.scene import Scene, SceneObject
from datagen.worlds.script import Turn
from datagen.worlds.sprites import ShapeLook, shape_outlines

LEAST_DONE: Final = 0.7
"""Least share of an edit's change that has to be there: how far the output lies on the way from the picture without the
edit to the true one. It is 0.5 for the middle of the two."""
MOST_LEFT: Final = 0.35
"""Largest share of an edit's change that may be missing, or wrong: the squared error against the true picture, where
the edit changes it and next to that, over that of the picture without the edit."""
PLACE: Final = 0.25
"""How far what is brought may lie from its true place, as a share of its longer side; at least one pixel."""
_SEEN: Final = 8
"""Grey levels by which an edit has to change a pixel to be seen."""
_LEAST_PIXELS: Final = 4
_COARSE: Final = 3
"""Coarse steps to each side in the search for what lies a little elsewhere."""
_ALIKE: Final = 0.01
"""Share of the change below which two pictures cannot be told apart at this size."""
_FITS: Final = 8.0
"""Mean grey levels by which a sample's source may differ from the picture of its scene, as for JPEG."""

Floats = NDArray[np.float32]


class EditCheck(NamedTuple):
    """What became of one single edit."""

    op: str
    right: bool | None
    """None if it cannot be checked: it changes nothing that is seen at this size, or the whole picture among others."""
    left: float | None
    """The share of the change that is missing or wrong, 0 to about 1; more where something else was done."""


class ComplianceChecker:
    """Checks outputs for one sample. Pictures of scenes are rendered once for all outputs."""

    def __init__(self, truth: WindowTruth, show: Callable[[Pixels], Pixels], *, scale: tuple[float, float]) -> None:
        """`show` brings a picture of the sample's size to the size of judgement; `scale` is what a pixel of that size
        takes of the sample's, in x and y.
        """
        self._truth, self._show, self._scale = truth, show, scale
        self._pictures: dict[Scene, Floats] = {}
        self._edits = [_Alternatives(turn, truth.after) for turn in truth.turns]

    def fits(self, source_HWC: Pixels) -> bool:
        """Whether the sample's source, at the size of judgement, is what the scene before its edits shows."""
        shown = self._picture(self._truth.before)
        return shown.shape == source_HWC.shape and float(np.abs(shown - source_HWC).mean()) <= _FITS

    def boxes(self) -> list[Box]:
        """The bounds of what each edit changes, xyxy in pixels of judgement; [] if one is not known."""
        undone = [edit.undone() for edit in self._edits]
        changes = [
            np.abs(self._picture(edit.done) - self._picture(scene)).max(axis=-1) > 0
            for edit, scene in zip(self._edits, undone, strict=True)
            if scene is not None
        ]
        if len(changes) < len(self._edits):
            return []
        bounds = [mask_bounds(change_HW) for change_HW in changes if change_HW.any()]
        return [(float(x0), float(y0), float(x1), float(y1)) for x0, y0, x1, y1 in bounds]

    def check(self, output_HWC: Pixels) -> list[EditCheck]:
        """Each edit, in the order of the turns, for an output of the size of judgement."""
        output = output_HWC.astype(np.float32)
        return [self._check(edit, output) for edit in self._edits]

    def _check(self, edit: _Alternatives, output: Floats) -> EditCheck:
        undone = edit.undone()
        if undone is None:
            return EditCheck(edit.turn.op, None, None)
        done_HWC, undone_HWC = self._picture(edit.done), self._picture(undone)
        change_HW = np.abs(done_HWC - undone_HWC).max(axis=-1) > _SEEN
        if change_HW.sum() < _LEAST_PIXELS:
            return EditCheck(edit.turn.op, None, None)
        brought = edit.brought()
        reach = self._reach(brought) if brought else (0, 0)
        place_HW = _grown(change_HW, reach)
        whole = _error(done_HWC, undone_HWC, place_HW)
        best, error = edit.done, _error(output, done_HWC, place_HW)
        if brought and error:
            best, error = self._best_placed(
                edit.done, brought, reach, lambda picture: _error(output, picture, place_HW)
            )
        done, left = self._shares(output, best, undone_HWC)
        right = (
            done >= LEAST_DONE
            and left <= MOST_LEFT
            and not any(
                _error(output, picture, place_HW) < error
                for picture in map(self._picture, edit.wrong(best))
                if _error(self._picture(best), picture, place_HW) > _ALIKE * whole
            )
        )
        return EditCheck(edit.turn.op, right, round(left, 4))

    def _shares(self, output: Floats, best: Scene, undone_HWC: Floats) -> tuple[float, float]:
        """The shares of the change from `undone_HWC` to the scene `best` that an output has, and lacks or has wrong."""
        best_HWC = self._picture(best)
        change_HW = np.abs(best_HWC - undone_HWC).max(axis=-1) > _SEEN
        whole = _error(best_HWC, undone_HWC, change_HW)
        if not whole:
            return 0.0, 1.0
        made = (output - undone_HWC)[change_HW] * (best_HWC - undone_HWC)[change_HW]
        # with what lies close to it: a blot over a shape and its surroundings is not the shape
        return float(made.sum()) / whole, _error(output, best_HWC, _grown(change_HW, (1, 1))) / whole

    def _picture(self, scene: Scene) -> Floats:
        """A scene at the size of judgement, HWC, 0 to 255."""
        if scene not in self._pictures:
            self._pictures[scene] = self._show(scene.render()).astype(np.float32)
        return self._pictures[scene]

    def _reach(self, thing: SceneObject) -> tuple[int, int]:
        """How far it may lie from its place, in pixels of judgement: across and down."""
        side = PLACE * max(thing.width, thing.height)
        return max(1, int(side / self._scale[0])), max(1, int(side / self._scale[1]))

    def _best_placed(
        self, scene: Scene, thing: SceneObject, reach: tuple[int, int], error: Callable[[Floats], float]
    ) -> tuple[Scene, float]:
        """The scene with a thing where the error is least, and that error; in coarse steps, then fine ones."""
        best, least, place = scene, error(self._picture(scene)), (0, 0)
        span, stride = reach, max(1, max(reach) // _COARSE)
        while True:
            middle = place
            for across, down in product(*(range(-each, each + 1, stride) for each in span)):
                offset = middle[0] + across, middle[1] + down
                near = abs(offset[0]) <= reach[0] and abs(offset[1]) <= reach[1]
                shifted = self._shifted(scene, thing, offset) if near else None
                if shifted is not None and (found := error(self._picture(shifted))) < least:
                    best, least, place = shifted, found, offset
            if stride == 1:
                return best, least
            span, stride = (min(stride, reach[0]), min(stride, reach[1])), 1

    def _shifted(self, scene: Scene, thing: SceneObject, offset: tuple[int, int]) -> Scene | None:
        """The scene with a thing elsewhere, by whole pixels of judgement; None if it would leave the frame."""
        x, y = (round(start + step * scale) for start, step, scale in zip(thing.box, offset, self._scale, strict=False))
        try:
            return scene.move(thing.id, x=x, y=y)
        except DataError:
            return None


def checker_for(case: Case, truth: WorldTruth) -> ComplianceChecker | None:
    """The checker of one sample; None if its truth is not known, or is not what its source shows."""
    window = truth.find(case.key)
    if window is None or window.after.size != case.size:
        return None
    scale = case.size[0] / case.framing.scaled[0], case.size[1] / case.framing.scaled[1]
    checker = ComplianceChecker(window, case.framing.picture, scale=scale)
    return checker if checker.fits(case.example.source) else None


def _error(one: Floats, other: Floats, place_HW: NDArray[np.bool_]) -> float:
    """The squared error of two pictures in a place, summed."""
    return float(np.square(one[place_HW] - other[place_HW]).sum())


def _grown(change_HW: NDArray[np.bool_], reach: tuple[int, int]) -> NDArray[np.bool_]:
    """A change, and where it would be if what is brought lay elsewhere."""
    kernel = np.ones((2 * reach[1] + 1, 2 * reach[0] + 1), np.uint8)
    return cv2.dilate(change_HW.astype(np.uint8), kernel) > 0


class _Alternatives:
    """One edit: the scene in which it is done, and scenes in which it is not done, or wrongly."""

    def __init__(self, turn: Turn, done: Scene) -> None:
        self.turn, self.done = turn, done
        self._facts = turn.facts
        self._new_tones = turn.facts.after.background.tones[len(turn.facts.before.background.tones) :]

    def undone(self) -> Scene | None:
        """The last scene without this edit; None if there is no such scene."""
        if self._facts.is_flip:
            return self.done.flip()
        if not self._facts.touched:
            return self._with_tones(()) if self._new_tones else None
        scene = self.done
        for id in self._facts.touched:
            scene = self._with_old(scene, id)
        return scene

    def brought(self) -> SceneObject | None:
        """The one thing whose place is new; None if there is none, or several."""
        if len(self._facts.touched) != 1:
            return None
        before, after = (scene.get(self._facts.touched[0]) for scene in (self._facts.before, self.done))
        return after if after and (before is None or self.turn.op in ("replace", "move")) else None

    def wrong(self, best: Scene) -> Iterator[Scene]:
        """Like `best`, in which the edit is done, but with what must not be there."""
        if self._new_tones and not self._facts.touched:
            yield from (self._with_tones((name,)) for name in TONES if (name,) != self._new_tones)
        for id in self._facts.touched:
            thing, old = best.get(id), self._facts.before.get(id)
            if thing is None:
                continue
            for label, colour in product(_labels(thing), COLOURS if thing.colour else ("",)):
                if (label, colour) != (thing.label, thing.colour):
                    look = ShapeLook(label) if isinstance(thing.look, ShapeLook) else thing.look
                    yield best.replace(id, thing=replace(thing, look=look, colour=colour))
            if old is not None and self.turn.op in ("replace", "move"):
                spare = max(each.id for each in best.objects) + 1
                yield replace(best, objects=(replace(self._as_now(old), id=spare), *best.objects))

    def _with_old(self, scene: Scene, id: int) -> Scene:
        """A scene in which one object is as it was before the edit."""
        old = self._facts.before.get(id)
        if old is None:
            return scene.remove(id)
        if scene.get(id) is not None:
            return scene.replace(id, thing=self._as_now(old))
        place = [thing.id for thing in self._facts.before.objects].index(id)
        return replace(scene, objects=(*scene.objects[:place], self._as_now(old), *scene.objects[place:]))

    def _as_now(self, old: SceneObject) -> SceneObject:
        """An object of the scene before the edit as it would look in the last one: in its tones, and mirrored as it."""
        before, now = self._facts.before, self.done
        old = replace(old, tones=(*old.tones, *now.background.tones[len(before.background.tones) :]))
        if before.background.mirrored != now.background.mirrored:
            (old,) = replace(before, objects=(old,)).flip().objects
        return old

    def _with_tones(self, tones: tuple[str, ...]) -> Scene:
        """The last scene with other tones in the place of those that the edit brought."""
        return replace(
            self.done,
            background=replace(self.done.background, tones=self._exchanged(self.done.background.tones, tones)),
            objects=tuple(replace(thing, tones=self._exchanged(thing.tones, tones)) for thing in self.done.objects),
        )

    def _exchanged(self, found: tuple[str, ...], tones: tuple[str, ...]) -> tuple[str, ...]:
        (name,) = self._new_tones
        if name not in found:
            return found  # recoloured since
        place = len(found) - 1 - found[::-1].index(name)
        return (*found[:place], *tones, *found[place + 1 :])


def _labels(thing: SceneObject) -> tuple[str, ...]:
    """What it might be taken for: all shapes for a shape, itself alone for a cutout."""
    return tuple(shape_outlines()) if isinstance(thing.look, ShapeLook) else (thing.label,)
