"""Where a published dataset of pairs in tables has what."""

from __future__ import annotations

from typing import Literal, NamedTuple

Direction = Literal["forward", "inverse"]


class Layout(NamedTuple):
    """The columns of a published dataset; '' for what it does not have."""

    source: str
    target: str
    text: str
    source_caption: str = ""
    target_caption: str = ""
    session: str = ""
    turn: str = ""
    reach: Literal["", "global", "local"] = ""
    """How far all its edits reach, if that is known."""
    local_if: str = ""
    """A column that is filled where an edit is bound to a region; it may be missing altogether."""
    inverse_text: str = ""
    """A column with the request that leads from the target back to the source."""
