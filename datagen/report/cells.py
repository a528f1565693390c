"""JSON in cells of the ledger, which a report takes as it finds it: what is no use there counts as nothing."""

from __future__ import annotations

import json
import math
from typing import Any, TypeGuard


def mapping_in(text: Any) -> dict[str, Any]:
    """The mapping that a cell holds; {} if it holds none."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def numbers_in(text: Any) -> dict[str, float]:
    """The finite numbers of the mapping that a cell holds."""
    return {name: float(value) for name, value in mapping_in(text).items() if is_number(value)}


def is_number(value: Any) -> TypeGuard[float]:
    """Whether it is a finite number, and no truth value."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False
