"""Where objects stand: one to a cell of a grid of 3 x 3, whose cells have the places' names."""

from __future__ import annotations

from typing import Final

from datagen.core.draws import Draws
from datagen.worlds.scene import Scene, SceneObject
from datagen.worlds.sprites import Look

COLUMNS: Final = 3
CELLS: Final = COLUMNS * COLUMNS
LEAST_SHARE, MOST_SHARE = 0.5, 0.86
"""Size of an object's longer side, over the shorter side of its cell."""


def cell_of(thing: SceneObject, size: tuple[int, int]) -> int:
    """The cell, row by row, in which an object's centre lies."""
    column = (2 * thing.x + thing.width) * COLUMNS // (2 * size[0])
    row = (2 * thing.y + thing.height) * COLUMNS // (2 * size[1])
    return row * COLUMNS + column


def free_cells(scene: Scene) -> list[int]:
    """The cells without an object."""
    taken = {cell_of(thing, scene.size) for thing in scene.objects}
    return [cell for cell in range(CELLS) if cell not in taken]


def is_alone(thing: SceneObject, scene: Scene) -> bool:
    """Whether an object has its cell for itself: nothing stands on it, and it on nothing."""
    cell = cell_of(thing, scene.size)
    return sum(cell_of(other, scene.size) == cell for other in scene.objects) == 1


def fit_cell(look: Look, *, size: tuple[int, int], draws: Draws) -> tuple[int, int]:
    """Width and height in pixels of a new object on a frame of `size`."""
    side = min(size) // COLUMNS * draws.between(LEAST_SHARE, MOST_SHARE)
    return max(4, int(side * min(1.0, look.aspect))), max(4, int(side * min(1.0, 1 / look.aspect)))


def place_in_cell(cell: int, *, item: tuple[int, int], size: tuple[int, int], draws: Draws) -> tuple[int, int]:
    """A random upper left corner of an item of (width, height) inside a cell."""
    row, column = divmod(cell, COLUMNS)
    wide, high = size[0] // COLUMNS, size[1] // COLUMNS
    return (
        column * size[0] // COLUMNS + draws.below(max(1, wide - item[0])),
        row * size[1] // COLUMNS + draws.below(max(1, high - item[1])),
    )


def place_on(thing: SceneObject, *, item: tuple[int, int]) -> tuple[int, int]:
    """The upper left corner of an item of (width, height) in the middle of an object."""
    return thing.x + (thing.width - item[0]) // 2, thing.y + (thing.height - item[1]) // 2
