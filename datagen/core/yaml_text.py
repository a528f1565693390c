"""Writes YAML as PyYAML does, in a fraction of the time where libyaml can."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

_FAST: Any = getattr(yaml, "CSafeDumper", None)
# libyaml writes characters beyond 16 bits and empty keys otherwise than PyYAML itself.
_SAME = re.compile(r"[\n -\[\]-~]*")
_EMPTY_KEY = re.compile(r"^[ -]*'':", re.MULTILINE)


def to_yaml(data: Mapping[str, Any], **options: Any) -> str:
    """A mapping of plain data as YAML, in its own order: the bytes of PyYAML's own writer, with or without libyaml."""
    if _FAST:
        text: str = yaml.dump(data, Dumper=_FAST, sort_keys=False, **options)
        if _SAME.fullmatch(text) and not _EMPTY_KEY.search(text):
            return text
    found: str = yaml.safe_dump(data, sort_keys=False, **options)
    return found
