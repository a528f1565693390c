"""The text of an export: what was written and what was left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from datagen.export.exporting import Exported


def export_text(found: Exported, *, folder: Path) -> str:
    """What an export wrote and left out, for a terminal."""
    return "\n".join(_lines(found, folder))


def _lines(found: Exported, folder: Path) -> Iterator[str]:
    yield f"{folder}: {found.total:,} samples in the layout {found.format}"
    for split, tasks in found.samples.items():
        each = ", ".join(f"{number:,} {task}" for task, number in tasks.items())
        yield f"  {split:<6}{sum(tasks.values()):>9,}  {each}"
    if found.left_out:
        yield f"left out {sum(found.left_out.values()):,}:"
    for reason, number in found.left_out.items():
        yield f"  {number:>13,}  {reason}, such as {found.examples[reason]}"
    if found.without_place:
        each = ", ".join(f"{number:,} {what}" for what, number in found.without_place.items())
        yield f"no place in the layout: {each}"
    licenses = ", ".join(f"{license} ({number:,})" for license, number in found.licenses.items())
    yield f"licences {licenses}"
