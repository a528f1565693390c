"""The source `hq_edit`: HQ-Edit, edits with their inverse instructions in Parquet files."""

from __future__ import annotations

from typing import Literal

from datagen.sources.base import Source
from datagen.sources.formats.pairs.layout import Direction, TableLayout
from datagen.sources.formats.pairs.tables import PairTableOptions

_DIRECTIONS: dict[str, tuple[Direction, ...]] = {
    "forward": ("forward",),
    "inverse": ("inverse",),
    "both": ("forward", "inverse"),
}


class HqEditConfig(PairTableOptions):
    """HQ-Edit, as Parquet; not verified on real data."""

    kind: Literal["hq_edit"] = "hq_edit"
    """Pairs that GPT-4V and DALL-E 3 made, each with a request that leads back."""
    direction: Literal["forward", "inverse", "both"] = "forward"
    """From input to output, back, or both, which makes two records of a row, in one `session`."""
    license: str = "CC-BY-NC-4.0"
    """Licence of every picture, as the dataset's card has it."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        layout = TableLayout("input_image", "output_image", "edit", "input", "output", inverse_text="inverse_edit")
        return self._pair_table(layout, directions=_DIRECTIONS[self.direction])
