"""Whether a licence allows commercial use, and which licence well-known model weights have.

Both tables are in `licenses.toml`, each row with the page that it was read from. A licence that is not there is
`unknown`, which is never treated as allowed.
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
"""Whether commercial use is allowed; `conditions`, such as a field of use, have to be read by a person."""

_CREATIVE_COMMONS = re.compile(r"(?:https?://)?creativecommons\.org/licenses/(by[a-z-]*)/(\d\.\d)\S*", re.IGNORECASE)
_PUBLIC_DOMAIN = re.compile(r"(?:https?://)?creativecommons\.org/publicdomain/(zero|mark)/(\d\.\d)\S*", re.IGNORECASE)
_NAMES = {"zero": "CC0", "mark": "PDM"}


def commercial_use(license: str) -> CommercialUse:
    """Whether a licence allows commercial use.

    `license` is an SPDX name, a URL at creativecommons.org, or a name in the table.
    """
    found = _entry(license)
    return found["commercial"] if found else "unknown"


def source_of(license: str) -> str:
    """The page from which a licence's row was read; '' for an unknown licence."""
    found = _entry(license)
    return found["read"] if found else ""


def license_of(weights: str) -> str:
    """The licence of model weights, by the name of the hub's repository or of the served model; '' if unknown."""
    name = weights.partition(":")[0]
    for row in _table()["weights"]:
        if any(fnmatchcase(name, pattern) for pattern in row["of"]):
            return str(row["license"])
    return ""


def spdx_name(license: str) -> str:
    """The SPDX name of a licence's URL at creativecommons.org; any other text as it is, stripped."""
    license = license.strip()
    if found := _CREATIVE_COMMONS.fullmatch(license):
        return f"CC-{found[1].upper()}-{found[2]}"
    if found := _PUBLIC_DOMAIN.fullmatch(license):
        return f"{_NAMES[found[1].lower()]}-{found[2]}"
    return license


def is_listed(license: str, names: Iterable[str]) -> bool:
    """Whether a licence is one of `names`. Case does not matter, and a URL at creativecommons.org equals its name."""
    return spdx_name(license).lower() in {spdx_name(name).lower() for name in names}


def _entry(license: str) -> dict[str, Any] | None:
    name = spdx_name(license).lower()
    rows = (row for row in _table()["licenses"] if any(fnmatchcase(name, known.lower()) for known in row["names"]))
    return next(rows, None)


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(resources.files("datagen.core").joinpath("licenses.toml").read_text(encoding="utf-8"))
