"""Inpainting by copying patches from the rest of the picture.

The hole is filled from coarse to fine scales. At each scale every patch that overlaps the hole is matched with the most
similar known patch, and each pixel of the hole becomes a weighted mean of the matches that cover it (Wexler et al.
2007). Matches are searched by propagation and random search, as in PatchMatch (Barnes et al. 2009). Besides its three
colours a pixel has a texture channel, the amount of fine detail around it: without it smooth patches would match best
everywhere (Newson et al. 2014). At the end the gradients of the copied pixels are integrated from the edge of the hole
(Perez et al. 2003), which leaves no seam and no colour offset.
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
"""Half the side of a patch: patches are 7 x 7 pixels."""
_SPAN = np.arange(-_REACH, _REACH + 1)
"""Offsets of a patch's pixels from its centre, on each axis."""
_SAMPLES = np.array([-3, -1, 1, 3])
"""Offsets of the pixels by which patches are compared: 4 x 4 of the 7 x 7."""
_BUSY = 2.0
"""Weight of the texture channel against a colour."""
_SLACK = 3.0
_NOISE = 16.0
"""A neighbour's match is nearly as good if its cost is below the own one times `_SLACK` plus `_NOISE`."""
_MAX_GAIN = 2.5
"""Largest factor by which fine detail is raised at the end."""
_MEAN_OVER_MEDIAN = 1.18  # of absolute values, if they are Gaussian
_MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))
_NEAR = 8
"""Radius of the random search in pixels, once a coarser scale has found where to look."""
_LARGE = 60_000
"""Holes of at least so many patches are not searched again at this scale: they use the coarser scale's matches."""
_COARSEST = 5
"""Scales are added until the hole is at most so many pixels deep."""
_SEED = 20240229


class Matches(NamedTuple):
    """For each target pixel the centre of a known patch, and the mean squared difference of the two patches."""

    ys: Index
    xs: Index
    cost: Floats


class PatchInpainter:
    """Fills holes with texture copied from around them; the module's docstring describes the method."""

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
        """See `Inpainter`; pixels outside the mask stay as they are."""
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
    """The picture, 0 to 255, with its hole filled; filled smoothly if no whole patch is known."""
    smooth_HWC = fill_smoothly(image_HWC, hole_HW)
    texture_HWC = fill_smoothly(_texture_channel(smooth_HWC, hole_HW), dilate(hole_HW, 2))
    found = _search_all_scales(np.concatenate([smooth_HWC, texture_HWC], axis=2), hole_HW, rounds)
    if found is None:
        return smooth_HWC
    search, matches = found
    return _raise_detail(search.integrate(matches)[..., :3], hole_HW)


def _search_all_scales(smooth_HWC: Floats, hole_HW: Mask, rounds: int) -> tuple[PatchSearch, Matches] | None:
    """The search at the finest scale and its matches; None if no scale has a whole known patch."""
    rng = np.random.default_rng(_SEED)
    found: tuple[PatchSearch, Matches] | None = None
    for scale in _scales(hole_HW):
        search = PatchSearch(*_shrink(smooth_HWC, hole_HW, scale), rng=rng)
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


class PatchSearch:
    """At one scale: the target pixels, whose patches overlap the hole, and the search for known patches like theirs.

    The picture is padded by `_REACH` mirrored pixels on each side, so that every patch of it is whole.
    """

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
        """Matches drawn at random."""
        ys, xs = np.nonzero(self.valid_HW)
        drawn = self.rng.integers(len(ys), size=len(self.ys))
        return self._measured(ys[drawn], xs[drawn])

    def refine(self, coarse: PatchSearch, matches: Matches) -> Matches:
        """The matches of the next coarser scale, scaled to this one; random ones where those are of no use."""
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
        """Improve the matches and repaint the hole from them, `rounds` times; `reach` is the search radius."""
        for _ in range(rounds):
            matches = self.improve(matches, reach=reach)
            self.vote(matches)
        return matches

    def improve(self, matches: Matches, *, reach: int) -> Matches:
        """Better matches: shifted ones of neighbours, and random ones up to `reach` pixels from each match."""
        matches = self._measured(matches.ys, matches.xs)  # the picture may have changed since
        for jump in (4, 2, 1):
            for move in _MOVES:
                matches = self._better(matches, *self._beside(matches, move[0] * jump, move[1] * jump))
            for radius in _radii(reach):
                matches = self._better(matches, *self._random(matches, radius))
        return matches

    def cohere(self, matches: Matches) -> Matches:
        """Take a neighbour's match, shifted, wherever it is nearly as good: larger pieces are copied in one."""
        limit = matches.cost * _SLACK + np.float32(_NOISE)
        for jump in (1, 1, 2, 4, 8, 1):
            for move in _MOVES:
                ys, xs = self._beside(matches, move[0] * jump, move[1] * jump)
                matches = self._better(matches, ys, xs, limit=limit)
        return matches

    def vote(self, matches: Matches) -> None:
        """Set each pixel of the hole to the mean of the patches that cover it, similar patches weighted most."""
        scale = np.float32(max(float(np.percentile(matches.cost, 75)), 1.0))
        weight = np.exp(-matches.cost / (2 * scale)) * self.trust
        total = np.zeros((self.hole_HW.size, 5))
        for dy in _SPAN:
            for dx in _SPAN:
                here = (self.ys + dy) * self.hole_HW.shape[1] + self.xs + dx
                votes = self.image_HWC[matches.ys + dy, matches.xs + dx]
                total[here, :4] += votes * weight[:, None]
                total[here, 4] += weight
        hole = self.hole_HW.ravel() & (total[:, 4] > 0)
        flat = self.image_HWC.reshape(-1, 4)
        flat[hole] = (total[hole, :4] / total[hole, 4:]).astype(np.float32)

    def integrate(self, matches: Matches) -> Floats:
        """The picture without the padding, the hole filled with the gradients of the matched pixels."""
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
        # Patches centred deep in the hole count less: fewer of their pixels are known.
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
        for start in range(0, len(rows), 16384):  # in parts, to bound the memory of the gathered samples
            part = slice(start, start + 16384)
            mine = flat[(self.ys[rows[part]] * width + self.xs[rows[part]])[:, None] + around]
            mine -= flat[(ys[part] * width + xs[part])[:, None] + around]
            cost[part] = np.einsum("nkc,nkc->n", mine, mine) / np.float32(mine.shape[1] * 4)
        return cost


def _texture_channel(smooth_HWC: Floats, hole_HW: Mask) -> Floats:
    """HW1: the mean fine detail around each pixel, measured on known pixels only."""
    known = (~dilate(hole_HW, 2)).astype(np.float32)
    detail_HW = np.abs(_fine(smooth_HWC).mean(2)) * known
    share_HW = np.maximum(_blurred(known, 4), np.float32(1e-3))
    return np.asarray(_BUSY * _blurred(detail_HW, 4) / share_HW, np.float32)[..., None]


def _raise_detail(filled_HWC: Floats, hole_HW: Mask) -> Floats:
    """Raise the fine detail in the hole to the level around it: averaging the gradients has reduced it."""
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
    """Search radii from `reach` down to 1, each a third of the last."""
    radii = [reach]
    while radii[-1] > 1:
        radii.append(radii[-1] // 3 or 1)
    return radii


def _scales(hole_HW: Mask) -> list[int]:
    """How often the picture is halved, from the coarsest scale to 0."""
    deepest = 0
    while mask_depth(hole_HW) / 2**deepest > _COARSEST and min(hole_HW.shape) / 2 ** (deepest + 1) > 6 * _REACH:
        deepest += 1
    return list(range(deepest, -1, -1))


def _size(image_HWC: Floats, scale: int) -> tuple[int, int]:
    width, height = image_HWC.shape[1], image_HWC.shape[0]
    for _ in range(scale):
        width, height = (width + 1) // 2, (height + 1) // 2
    return width, height


def _shrink(image_HWC: Floats, hole_HW: Mask, scale: int) -> tuple[Floats, Mask]:
    size = _size(image_HWC, scale)
    small_HWC = np.asarray(cv2.resize(image_HWC, size, interpolation=cv2.INTER_AREA), np.float32)
    share_HW = cv2.resize(hole_HW.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return small_HWC, np.asarray(share_HW > (0.5 if scale else 0))


def _window(mask_HW: Mask, margin: int) -> tuple[slice, slice]:
    """Rows and columns of the mask's bounding box, enlarged by `margin` pixels."""
    ys, xs = np.nonzero(mask_HW)
    return (
        slice(max(0, int(ys.min()) - margin), int(ys.max()) + margin + 1),
        slice(max(0, int(xs.min()) - margin), int(xs.max()) + margin + 1),
    )
