"""JSON on its way into a page: cells of the ledger as they are found, of which what is no use counts as nothing."""

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


def as_json(data: Any) -> str:
    """JSON that may stand in an HTML script element: nothing in it can end that, or begin a comment."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
