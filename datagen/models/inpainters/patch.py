"""Inpainting by patches found in the rest of the picture.

Coarse to fine, each pixel of the hole is voted on by the patches that cover
it, each copied from the known patch most like it (Wexler et al. 2007; nearest
patches by propagation and random search as in Barnes et al. 2009). Beside its
colours a pixel has a fourth channel, how busy the texture around it is, or else
smooth patches would fit best everywhere (Newson et al. 2014). Last, the copied
texture's steps are integrated from the hole's edge inwards (Perez et al. 2003),
which leaves no seam and no wrong colour.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen.core.errors import DataError
from datagen.imaging.geometry import dilate, mask_depth
from datagen.imaging.image import Mask
from datagen.models.base import ModelConfig
from datagen.models.inpainters.base import Inpainter
from datagen.models.inpainters.poisson import Floats, Index, fill_smoothly, solve_poisson


class PatchConfig(ModelConfig):
    """Texture copied from around the hole, coarse to fine, joined without a seam; docs/inpainting.md compares it."""

    kind: Literal["patch"] = "patch"
    margin: int = Field(default=100, ge=16, le=2000)
    """How far around the hole texture is looked for, in pixels."""
    rounds: int = Field(default=3, ge=1, le=20)
    """Searches at each coarse scale; many make it copy whole objects into the hole."""

    def load(self, device: str) -> Inpainter:  # noqa: ARG002
        """Anywhere: it computes on the CPU."""
        return PatchInpainter(margin=self.margin, rounds=self.rounds)


_REACH = 3
_SPAN = np.arange(-_REACH, _REACH + 1)
_SAMPLES = np.array([-3, -1, 1, 3])
_BUSY = 2.0
_SLACK = 3.0
_NOISE = 16.0
_MAX_GAIN = 2.5
_MEAN_OVER_MEDIAN = 1.18  # of absolute values, where they are Gaussian
_MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))
_NEAR = 8
_LARGE = 60_000  # so many pixels are left to the coarser scales
_COARSEST = 5
_SEED = 20240229


class Matches(NamedTuple):
    """For each target pixel the centre of a known patch, and its squared difference a value."""

    ys: Index
    xs: Index
    cost: Floats


class PatchInpainter:
    """Fills holes with texture copied from around them; see the module."""

    def __init__(self, *, margin: int, rounds: int) -> None:
        self.margin = margin
        self.rounds = rounds

    def __call__(
        self,
        images: list[NDArray[np.uint8]],
        masks: list[Mask],
        *,
        seeds: list[int],  # noqa: ARG002 - it draws the same for every picture
    ) -> list[NDArray[np.uint8]]:
        """The pictures with their masks painted anew; other pixels stay as they are."""
        return [self._paint(image, mask) for image, mask in zip(images, masks, strict=True)]

    def _paint(self, image_HWC: NDArray[np.uint8], mask_HW: Mask) -> NDArray[np.uint8]:
        if not mask_HW.any():
            return image_HWC.copy()
        if mask_HW.all():
            raise DataError("every pixel is to be painted, and none is left to paint from")
        window = _window(mask_HW, self.margin)
        filled_HWC = fill(image_HWC[window].astype(np.float32), mask_HW[window], rounds=self.rounds)
        painted_HWC = image_HWC.copy()
        part_HWC = filled_HWC.round().clip(0, 255).astype(np.uint8)
        painted_HWC[window][mask_HW[window]] = part_HWC[mask_HW[window]]
        return painted_HWC


def fill(image_HWC: Floats, hole_HW: Mask, *, rounds: int) -> Floats:
    """The picture with its hole filled, 0 to 255; smoothly where no known patch is whole."""
    smooth_HWC = fill_smoothly(image_HWC, hole_HW)
    busy_HWC = fill_smoothly(_busyness(smooth_HWC, hole_HW), dilate(hole_HW, 2))
    found = _searched(np.concatenate([smooth_HWC, busy_HWC], axis=2), hole_HW, rounds)
    if found is None:
        return smooth_HWC
    search, matches = found
    return _grained(search.integrate(matches)[..., :3], hole_HW)


def _searched(smooth_HWC: Floats, hole_HW: Mask, rounds: int) -> tuple[Search, Matches] | None:
    rng = np.random.default_rng(_SEED)
    found: tuple[Search, Matches] | None = None
    for scale in _scales(hole_HW):
        search = Search(*_shrunk(smooth_HWC, hole_HW, scale), rng=rng)
        if not search.valid_HW.any():
            continue  # the known part is thinner than a patch at this scale
        if found is None:
            matches = search.settle(search.guess(), rounds=rounds, reach=max(search.hole_HW.shape))
        else:
            matches = search.refine(*found)
            if scale and len(search.ys) < _LARGE:
                search.vote(matches)
                matches = search.settle(matches, rounds=rounds, reach=_NEAR)
        found = search, matches
    if found is None or len(found[0].ys) >= _LARGE:
        return found
    return found[0], found[0].cohere(found[0].improve(found[1], reach=_NEAR))


class Search:
    """The pixels whose patches touch the hole, and the known patches like theirs, at one scale."""

    def __init__(self, image_HWC: Floats, hole_HW: Mask, *, rng: np.random.Generator) -> None:
        frame = ((_REACH, _REACH), (_REACH, _REACH))
        self.rng = rng
        self.image_HWC = np.pad(image_HWC, (*frame, (0, 0)), mode="reflect")
        self.hole_HW = np.pad(hole_HW, frame, mode="reflect")
        patch = np.ones((len(_SPAN), len(_SPAN)), np.uint8)
        near = cv2.dilate(self.hole_HW.astype(np.uint8), patch).astype(np.bool_)
        inner = np.zeros_like(self.hole_HW)
        inner[_REACH:-_REACH, _REACH:-_REACH] = True
        self.valid_HW = inner & ~near
        self.ys, self.xs = np.nonzero(near & inner)
        self.row_of = np.zeros(self.hole_HW.shape, np.intp)
        self.row_of[self.ys, self.xs] = np.arange(len(self.ys))
        self.is_target = near & inner
        self.trust = self._trust()

    def guess(self) -> Matches:
        """Known patches drawn at random."""
        ys, xs = np.nonzero(self.valid_HW)
        drawn = self.rng.integers(len(ys), size=len(self.ys))
        return self._measured(ys[drawn], xs[drawn])

    def refine(self, coarse: Search, matches: Matches) -> Matches:
        """The matches of the next coarser scale, brought to this one."""
        cy = ((self.ys - _REACH) // 2 + _REACH).clip(0, coarse.hole_HW.shape[0] - 1)
        cx = ((self.xs - _REACH) // 2 + _REACH).clip(0, coarse.hole_HW.shape[1] - 1)
        known = coarse.is_target[cy, cx]
        row = coarse.row_of[cy, cx]
        ys = (matches.ys[row] - cy) * 2 + self.ys
        xs = (matches.xs[row] - cx) * 2 + self.xs
        usable = known & self._valid(ys, xs)
        random = self.guess()
        matches = Matches(np.where(usable, ys, random.ys), np.where(usable, xs, random.xs), random.cost)
        self._paste(matches)
        return self._measured(matches.ys, matches.xs)

    def settle(self, matches: Matches, *, rounds: int, reach: int) -> Matches:
        """Search and vote in turn."""
        for _ in range(rounds):
            matches = self.improve(matches, reach=reach)
            self.vote(matches)
        return matches

    def improve(self, matches: Matches, *, reach: int) -> Matches:
        """Better matches: those of neighbours, moved along, and random ones near each match."""
        matches = self._measured(matches.ys, matches.xs)
        for jump in (4, 2, 1):
            for move in _MOVES:
                matches = self._better(matches, *self._beside(matches, move[0] * jump, move[1] * jump))
            for radius in _radii(reach):
                matches = self._better(matches, *self._random(matches, radius))
        return matches

    def cohere(self, matches: Matches) -> Matches:
        """Matches that copy larger pieces: a neighbour's, moved along, wherever it is nearly as good."""
        limit = matches.cost * _SLACK + np.float32(_NOISE)
        for jump in (1, 1, 2, 4, 8, 1):
            for move in _MOVES:
                ys, xs = self._beside(matches, move[0] * jump, move[1] * jump)
                matches = self._better(matches, ys, xs, limit=limit)
        return matches

    def vote(self, matches: Matches) -> None:
        """Set each pixel of the hole to the mean of what its patches say, the likeliest first."""
        scale = np.float32(max(float(np.percentile(matches.cost, 75)), 1.0))
        weight = np.exp(-matches.cost / (2 * scale)) * self.trust
        total = np.zeros((self.hole_HW.size, 5))
        for dy in _SPAN:
            for dx in _SPAN:
                here = (self.ys + dy) * self.hole_HW.shape[1] + self.xs + dx
                said = self.image_HWC[matches.ys + dy, matches.xs + dx]
                total[here, :4] += said * weight[:, None]
                total[here, 4] += weight
        hole = self.hole_HW.ravel() & (total[:, 4] > 0)
        flat = self.image_HWC.reshape(-1, 4)
        flat[hole] = (total[hole, :4] / total[hole, 4:]).astype(np.float32)

    def integrate(self, matches: Matches) -> Floats:
        """The hole with the steps of the matched pixels, continuous with its edge; without the frame."""
        self._paste(matches)
        field_YX = np.indices(self.hole_HW.shape).reshape(2, -1)
        field_YX[:, self.ys * self.hole_HW.shape[1] + self.xs] = np.stack([matches.ys, matches.xs])
        flat = self.image_HWC.reshape(-1, 4)

        def step(here: Index, there: Index) -> Floats:
            forth, back = self._step(flat, field_YX, here, there), self._step(flat, field_YX, there, here)
            return (forth - back) / np.float32(2)

        solved = solve_poisson(self.image_HWC, self.hole_HW, step)
        return solved[_REACH:-_REACH, _REACH:-_REACH]

    def _step(self, flat: Floats, field_YX: NDArray[np.intp], here: Index, there: Index) -> Floats:
        height, width = self.hole_HW.shape
        at = field_YX[:, here]
        y = (at[0] + there // width - here // width).clip(0, height - 1)
        x = (at[1] + there % width - here % width).clip(0, width - 1)
        return np.asarray(flat[at[0] * width + at[1]] - flat[y * width + x])

    def _paste(self, matches: Matches) -> None:
        inside = self.hole_HW[self.ys, self.xs]
        self.image_HWC[self.ys[inside], self.xs[inside]] = self.image_HWC[matches.ys[inside], matches.xs[inside]]

    def _trust(self) -> Floats:
        depth = cv2.distanceTransform(self.hole_HW.astype(np.uint8), cv2.DIST_L2, 5)
        return np.asarray(1.3 ** -depth[self.ys, self.xs].astype(np.float64), np.float32)

    def _beside(self, matches: Matches, dy: int, dx: int) -> tuple[Index, Index]:
        y = (self.ys + dy).clip(0, self.hole_HW.shape[0] - 1)
        x = (self.xs + dx).clip(0, self.hole_HW.shape[1] - 1)
        row = self.row_of[y, x]
        beside = self.is_target[y, x]
        return np.where(beside, matches.ys[row] - dy, -1), np.where(beside, matches.xs[row] - dx, -1)

    def _random(self, matches: Matches, radius: int) -> tuple[Index, Index]:
        moved = self.rng.integers(-radius, radius + 1, (2, len(self.ys)))
        return matches.ys + moved[0], matches.xs + moved[1]

    def _better(self, matches: Matches, ys: Index, xs: Index, *, limit: Floats | None = None) -> Matches:
        fit = np.nonzero(self._valid(ys, xs))[0]
        cost = self._cost(fit, ys[fit], xs[fit])
        wins = cost < (matches.cost if limit is None else limit)[fit]
        won = fit[wins]
        new = Matches(matches.ys.copy(), matches.xs.copy(), matches.cost.copy())
        new.ys[won], new.xs[won], new.cost[won] = ys[won], xs[won], cost[wins]
        return new

    def _valid(self, ys: Index, xs: Index) -> NDArray[np.bool_]:
        height, width = self.hole_HW.shape
        inside = (ys >= 0) & (ys < height) & (xs >= 0) & (xs < width)
        return np.asarray(inside & self.valid_HW[ys.clip(0, height - 1), xs.clip(0, width - 1)])

    def _measured(self, ys: Index, xs: Index) -> Matches:
        return Matches(ys, xs, self._cost(np.arange(len(ys)), ys, xs))

    def _cost(self, rows: Index, ys: Index, xs: Index) -> Floats:
        width = self.hole_HW.shape[1]
        around = (_SAMPLES[:, None] * width + _SAMPLES).ravel()
        flat = self.image_HWC.reshape(-1, 4)
        cost = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), 16384):
            part = slice(start, start + 16384)
            mine = flat[(self.ys[rows[part]] * width + self.xs[rows[part]])[:, None] + around]
            mine -= flat[(ys[part] * width + xs[part])[:, None] + around]
            cost[part] = np.einsum("nkc,nkc->n", mine, mine) / np.float32(mine.shape[1] * 4)
        return cost


def _busyness(smooth_HWC: Floats, hole_HW: Mask) -> Floats:
    """Mean fine detail around each pixel, measured on known pixels alone."""
    known = (~dilate(hole_HW, 2)).astype(np.float32)
    detail_HW = np.abs(_fine(smooth_HWC).mean(2)) * known
    share_HW = np.maximum(_blurred(known, 4), np.float32(1e-3))
    return np.asarray(_BUSY * _blurred(detail_HW, 4) / share_HW, np.float32)[..., None]


def _grained(filled_HWC: Floats, hole_HW: Mask) -> Floats:
    """The hole with its fine detail raised to the level around it, which averaged steps fall short of."""
    fine_HWC = _fine(filled_HWC)
    ring_HW = dilate(hole_HW, 12) & ~dilate(hole_HW, 2)
    if not ring_HW.any():
        return filled_HWC
    wanted = np.median(np.abs(fine_HWC[ring_HW])) * np.float32(_MEAN_OVER_MEDIAN)
    found_HW = _blurred(np.abs(fine_HWC).mean(2), 4)
    gain_HW = (wanted / np.maximum(found_HW, np.float32(0.05))).clip(1, _MAX_GAIN)
    filled_HWC[hole_HW] += ((gain_HW - 1)[..., None] * fine_HWC)[hole_HW]
    return filled_HWC


def _fine(image_HWC: Floats) -> Floats:
    return image_HWC - _blurred(image_HWC, 1.5)


def _blurred(image: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)


def _radii(reach: int) -> list[int]:
    radii = [reach]
    while radii[-1] > 1:
        radii.append(radii[-1] // 3 or 1)
    return radii


def _scales(hole_HW: Mask) -> list[int]:
    deepest = 0
    while mask_depth(hole_HW) / 2**deepest > _COARSEST and min(hole_HW.shape) / 2 ** (deepest + 1) > 6 * _REACH:
        deepest += 1
    return list(range(deepest, -1, -1))


def _size(image_HWC: Floats, scale: int) -> tuple[int, int]:
    width, height = image_HWC.shape[1], image_HWC.shape[0]
    for _ in range(scale):
        width, height = (width + 1) // 2, (height + 1) // 2
    return width, height


def _shrunk(image_HWC: Floats, hole_HW: Mask, scale: int) -> tuple[Floats, Mask]:
    size = _size(image_HWC, scale)
    small_HWC = np.asarray(cv2.resize(image_HWC, size, interpolation=cv2.INTER_AREA), np.float32)
    share_HW = cv2.resize(hole_HW.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return small_HWC, np.asarray(share_HW > (0.5 if scale else 0))


def _window(mask_HW: Mask, margin: int) -> tuple[slice, slice]:
    ys, xs = np.nonzero(mask_HW)
    return (
        slice(max(0, int(ys.min()) - margin), int(ys.max()) + margin + 1),
        slice(max(0, int(xs.min()) - margin), int(xs.max()) + margin + 1),
    )
