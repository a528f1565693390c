"""JSON for a page: tolerant reading of ledger cells (what is invalid counts as empty), and escaping for HTML."""

from __future__ import annotations

import json
import math
from typing import Any, TypeGuard


def mapping_in(text: Any) -> dict[str, Any]:
    """The JSON mapping in a cell; {} if the cell is empty or invalid."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def numbers_in(text: Any) -> dict[str, float]:
    """The finite numbers of the JSON mapping in a cell."""
    return {name: float(value) for name, value in mapping_in(text).items() if is_number(value)}


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a finite number. Booleans are not numbers here."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def as_json(data: Any) -> str:
    """JSON for an HTML script element: nothing in it can end the element or begin a comment."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":  # the last two end a line in older JavaScript
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode("utf-8", "backslashreplace").decode()  # lone surrogates, as in an address that is no UTF-8
