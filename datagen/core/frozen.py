"""Lists and dicts that refuse to be changed: what a stage reads belongs to every stage.

They are subclasses of `list` and `dict`, so `isinstance`, `json.dumps`, `==` and slices work as usual. `[*value]`,
`dict(value)`, `sorted(value)`, `value.copy()`, `copy.deepcopy(value)` and pickling give ordinary lists and dicts.
"""

from __future__ import annotations

import sys
import zlib
from functools import lru_cache
from typing import Any, NoReturn

from datagen.core.errors import DataError

_CHANGES_OF_LISTS = (
    *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse"),
    *("__setitem__", "__delitem__", "__iadd__", "__imul__"),
)
_CHANGES_OF_DICTS = ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update")


class FrozenValueError(TypeError):
    """A stage tried to change a value that it was given. No `DatagenError`: the traceback says where in the stage."""


@lru_cache(maxsize=1024)
def _frozen_types(name: str) -> tuple[type[list[Any]], type[dict[str, Any]]]:
    """A class of lists and one of dicts whose error calls the value by `name`."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise FrozenValueError(
            f"a stage must not change {name}, which it was given: "
            "copy it first, such as by `[*value]`, `dict(value)` or `copy.deepcopy(value)`"
        )

    def members(base: type, changes: tuple[str, ...]) -> dict[str, Any]:
        return {
            **dict.fromkeys(changes, refuse),
            "__slots__": (),
            "__doc__": f"A {base.__name__} that cannot be changed.",
            "__reduce_ex__": lambda self, _: (base, (base(self),)),
        }

    return (
        type("FrozenList", (list,), members(list, _CHANGES_OF_LISTS)),
        type("FrozenDict", (dict,), members(dict, _CHANGES_OF_DICTS)),
    )


def frozen(value: Any, *, name: str) -> Any:
    """A copy of a list or dict of JSON values in which nothing can be changed; any other value is returned unchanged.

    `name` is what the error calls it, such as "field 'objects'". Raises `DataError` if it is nested too deep.
    """
    lists, dicts = _frozen_types(name)

    def copied(part: Any) -> Any:
        if not isinstance(part, list):
            return dicts({key: copied(item) if type(item) in _CONTAINERS else item for key, item in part.items()})
        if _CONTAINERS.isdisjoint(map(type, part)):  # most lists are pairs of numbers: no loop in Python for these
            return lists(part)
        return lists([copied(item) if type(item) in _CONTAINERS else item for item in part])

    if not isinstance(value, list | dict):
        return value
    try:
        return copied(value)
    except RecursionError as error:
        raise DataError(f"{name} is nested too deep") from error


def pixel_digest(value: Any) -> Any:
    """A checksum of each array in a value; None where nothing can write into it.

    `torch.from_numpy` shares the memory of arrays that are read-only and writes into it: no other library is known to.
    So pixels cost nothing where torch is not loaded. A picture keeps its own checksum, as it decodes itself later.
    """
    if "torch" not in sys.modules:
        return None
    if isinstance(value, tuple):
        return tuple(map(pixel_digest, value))
    return zlib.crc32(value) if hasattr(value, "__array_interface__") else None


def are_pixels_changed(value: Any, *, digest: Any) -> bool:
    """Whether something wrote into the arrays of a value, or the pixels of its pictures, since `pixel_digest`."""
    items = value if isinstance(value, tuple) else (value,)
    pictures = any(item.is_changed() for item in items if hasattr(item, "is_changed"))
    return pictures or (digest is not None and bool(pixel_digest(value) != digest))


_CONTAINERS = frozenset((list, dict))
