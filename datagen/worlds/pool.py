"""What objects a session may have: kinds by label, each with its looks, and the photographs that they come from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from datagen.core.errors import ConfigError
from datagen.fetch import SCHEMES, read_file
from datagen.worlds.colours import COLOURS
from datagen.worlds.photographs import LARGEST_LIST, LIST, Photographs, Split, own_photographs, parse_photographs
from datagen.worlds.specification import LookName
from datagen.worlds.sprites import CutoutLook, Look, ShapeLook, shape_outlines

COLOUR_NAMES: Final = tuple(COLOURS)


class Pool:
    """Looks by label, and the colours that a new object may have; '' is its own colours."""

    def __init__(self, looks: Mapping[str, tuple[Look, ...]], colours: tuple[str, ...]) -> None:
        self.looks = looks
        self.labels = tuple(looks)
        self.colours = colours


@lru_cache(maxsize=8)
def load_pool(look: LookName, *, split: Split, folder: str, background: str) -> Pool:
    """The objects of a look. Cutouts are those of `folder`'s list, '' for datagen's own, but none of the background's.

    "The coin" before a photograph of coins would name none.

    Raises `ConfigError` if the list is not sound or has no outline in the split, `DataError` if it cannot be read.
    """
    if look == "shapes":
        return Pool({label: (ShapeLook(label),) for label in shape_outlines()}, COLOUR_NAMES)
    photographs = folder_list(folder) if folder else own_photographs()
    looks: dict[str, tuple[Look, ...]] = {}
    for photo in photographs.with_objects(split):
        if photo.name == background:
            continue
        for outline in photo.object:
            cutout = CutoutLook(outline.label, photo.name, photo.uri, folder, photo.sha256, outline.polygons)
            looks[outline.label] = (*looks.get(outline.label, ()), cutout)
    if len(looks) < LEAST_LABELS:
        raise ConfigError(
            f"{folder.rstrip('/')}{'/' if folder else ''}{LIST}: cutouts need outlines of {LEAST_LABELS} kinds of "
            f"objects in photographs that are '{split}' and not the background '{background}'; it has {len(looks)}: "
            "draw more, or choose `look: shapes`"
        )
    # Half of the cutouts come in their own colours, and one of a kind can be told from another by a colour.
    return Pool(looks, (*("",) * len(COLOUR_NAMES), *COLOUR_NAMES))


LEAST_LABELS = 4
"""Kinds of objects below which a session could hardly name one by its kind."""


def folder_list(folder: str) -> Photographs:
    """The list in a folder. Raises `ConfigError` if it is not sound, `DataError` if it cannot be read."""
    data = read_file(LIST, base=f"{folder.rstrip('/')}/", schemes=SCHEMES, max_bytes=LARGEST_LIST)
    return parse_photographs(data, where=f"{folder.rstrip('/')}/{LIST}")
