"""Fill a hole with given gradients, continuous with the picture at its edge.

This is Poisson's equation on the pixel grid (Perez et al. 2003). SciPy's sparse LU solves it exactly, so that the
result does not depend on a start value or on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from datagen.imaging.image import Mask

Floats = NDArray[np.float32]
Index = NDArray[np.intp]

_SHIFTS = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""From a pixel to its four neighbours, y and x."""


def fill_smoothly(image_HWC: Floats, hole_HW: Mask) -> Floats:
    """The picture with its hole filled as smoothly as its edge allows (Laplace's equation); zeros if all is hole."""
    if hole_HW.all():
        return np.zeros_like(image_HWC)
    return solve_poisson(image_HWC, hole_HW, lambda here, there: np.float32(0))  # noqa: ARG005


def solve_poisson(image_HWC: Floats, hole_HW: Mask, step: Callable[[Index, Index], Floats | np.float32]) -> Floats:
    """The picture with its hole filled so that differences of neighbours are as close as possible to those wanted.

    `step(here, there)` gives the wanted differences of pixels `here` minus their neighbours `there`, both flat indices.
    At least one pixel must be outside the hole.
    """
    flat_NC = image_HWC.reshape(-1, image_HWC.shape[2]).copy()
    here = np.flatnonzero(hole_HW)
    row_of = np.full(hole_HW.size, -1)
    row_of[here] = np.arange(len(here))
    wanted_NC = np.zeros((len(here), flat_NC.shape[1]))
    weight = np.zeros(len(here))
    rows, columns = [np.arange(len(here))], [np.arange(len(here))]
    for of, there in _neighbours(here, hole_HW.shape):
        unknown = row_of[there] >= 0
        wanted_NC[of] += step(here[of], there)
        wanted_NC[of[~unknown]] += flat_NC[there[~unknown]]
        weight[of] += 1
        rows.append(of[unknown])
        columns.append(row_of[there[unknown]])
    flat_NC[here] = _solve(rows, columns, weight, wanted_NC)
    return flat_NC.reshape(image_HWC.shape)


def _neighbours(here: Index, shape: tuple[int, ...]) -> Iterator[tuple[Index, Index]]:
    """For each direction: positions in `here` of pixels that have a neighbour there, and the neighbours' indices."""
    height, width = shape
    ys, xs = here // width, here % width
    for dy, dx in _SHIFTS:
        inside = (ys + dy >= 0) & (ys + dy < height) & (xs + dx >= 0) & (xs + dx < width)
        of = np.flatnonzero(inside)
        yield of, here[of] + dy * width + dx


def _solve(
    rows: list[Index], columns: list[Index], weight: NDArray[np.float64], wanted_NC: NDArray[np.float64]
) -> NDArray[np.float64]:
    from scipy import sparse
    from scipy.sparse.linalg import splu

    linked = sum(len(part) for part in rows[1:])
    values = np.concatenate([weight, np.full(linked, -1.0)])
    places = (np.concatenate(rows), np.concatenate(columns))
    matrix = sparse.csc_matrix((values, places), shape=(len(weight), len(weight)))
    factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return np.asarray(factors.solve(wanted_NC))
