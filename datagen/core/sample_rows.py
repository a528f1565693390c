"""Makes the rows of a sample's `inputs` and `edits`, whose format is in docs/on-disk.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datagen.core.fields import PLACEHOLDER

SCHEMAS = (1, 2)
"""Versions of KEY.json that are read; the last one is written."""


def reference_row(label: str, *, number: int = 0) -> dict[str, Any]:
    """The row of an input that is a reference picture; `label` names the object in it, `number` counts from 0."""
    return _input_row(f"ref_{number}", role="reference", label=label, caption="")


def in_picture(text: str) -> str:
    """An edit's text as an instruction with the placeholder of the picture before it."""
    return f"In {PLACEHOLDER}: {text}"


def source_row(*, caption: str = "") -> dict[str, Any]:
    """The row of the input that is the picture before the edit; `caption` says what it shows, '' if unknown."""
    return _input_row("source", role="source", label="", caption=caption)


def _input_row(member: str, *, role: str, label: str, caption: str) -> dict[str, Any]:
    return {"member": member, "role": role, "label": label, "appears": True, "caption": caption}


def edit_row(
    text: str, *, operation: str, subject: str = "", box: Sequence[float] = (), mask: str = ""
) -> dict[str, Any]:
    """The row of one edit. `box` is xyxy in pixels of the source; `mask` names the member that marks what changes."""
    edit = {"instruction": text, "op": operation, "object": subject}
    return {**edit, "box": list(box), "mask": mask, "candidates": []}
