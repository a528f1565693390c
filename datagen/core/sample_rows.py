"""What a sample tells of its inputs and its edit, as `inputs` and `edits` hold it (docs/on-disk.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def reference_row(label: str, *, number: int = 0) -> dict[str, Any]:
    """One of a sample's inputs: a reference picture of what its label names."""
    return _input_row(f"ref_{number}", role="reference", label=label, caption="")


def source_row(*, caption: str = "") -> dict[str, Any]:
    """One of a sample's inputs: the picture before the edit, and what it shows if that is known."""
    return _input_row("source", role="source", label="", caption=caption)


def _input_row(member: str, *, role: str, label: str, caption: str) -> dict[str, Any]:
    return {"member": member, "role": role, "label": label, "appears": True, "caption": caption}


def edit_row(
    text: str, *, operation: str, subject: str = "", box: Sequence[float] = (), mask: str = ""
) -> dict[str, Any]:
    """One of a sample's edits. The box is in pixels of the source, `mask` the member that holds what changes."""
    told = {"instruction": text, "op": operation, "object": subject}
    return {**told, "box": list(box), "mask": mask, "candidates": []}
