"""The columns of a published dataset of pairs in tables."""

from __future__ import annotations

from typing import Literal, NamedTuple

Direction = Literal["forward", "inverse"]


class TableLayout(NamedTuple):
    """The names of the columns of a published dataset; '' for a column that it does not have."""

    source: str
    target: str
    text: str
    source_caption: str = ""
    target_caption: str = ""
    session: str = ""
    turn: str = ""
    reach: Literal["", "global", "local"] = ""
    """Whether all its edits change the whole picture or a part of it; '' if they differ."""
    local_if: str = ""
    """A column that has a value if the edit is limited to a region. The whole column may be missing."""
    mask: str = ""
    """A column with a mask of what the edit changes. The whole column may be missing."""
    inverse_text: str = ""
    """A column with the instruction for the inverse edit, from the target to the source."""
