"""What licences say of commercial use, and under which one well-known weights are given.

Both stand in `licenses.toml`, each with where it was read. A name that is not
there is `unknown`, never allowed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Any, Literal

CommercialUse = Literal["allowed", "conditions", "forbidden", "unknown"]
"""Of commercial use; `conditions` are such as a model's field of use, which somebody has to read."""

_CREATIVE_COMMONS = re.compile(r"(?:https?://)?creativecommons\.org/licenses/(by[a-z-]*)/(\d\.\d)\S*", re.IGNORECASE)
_PUBLIC_DOMAIN = re.compile(r"(?:https?://)?creativecommons\.org/publicdomain/(zero|mark)/(\d\.\d)\S*", re.IGNORECASE)
_NAMES = {"zero": "CC0", "mark": "PDM"}


def commercial_use(license: str) -> CommercialUse:
    """What a licence says of commercial use: an SPDX name, its address at creativecommons.org, or one of the table."""
    found = _entry(license)
    return found["commercial"] if found else "unknown"


def source_of(license: str) -> str:
    """Where it was read what a licence says; '' for an unknown one."""
    found = _entry(license)
    return found["read"] if found else ""


def license_of(weights: str) -> str:
    """The licence of a hub's repository or a served model, by its name; '' where none is known."""
    name = weights.partition(":")[0]
    for row in _table()["weights"]:
        if any(fnmatchcase(name, pattern) for pattern in row["of"]):
            return str(row["license"])
    return ""


def known_as(license: str) -> str:
    """A licence's name as SPDX has it, of an address at creativecommons.org too."""
    license = license.strip()
    if found := _CREATIVE_COMMONS.fullmatch(license):
        return f"CC-{found[1].upper()}-{found[2]}"
    if found := _PUBLIC_DOMAIN.fullmatch(license):
        return f"{_NAMES[found[1].lower()]}-{found[2]}"
    return license


def is_among(license: str, names: Iterable[str]) -> bool:
    """Whether a licence is one of those, however each is spelt: case, or its address at creativecommons.org."""
    return known_as(license).lower() in {known_as(name).lower() for name in names}


def _entry(license: str) -> dict[str, Any] | None:
    name = known_as(license).lower()
    rows = (row for row in _table()["licenses"] if any(fnmatchcase(name, known.lower()) for known in row["names"]))
    return next(rows, None)


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(resources.files("datagen.core").joinpath("licenses.toml").read_text(encoding="utf-8"))
