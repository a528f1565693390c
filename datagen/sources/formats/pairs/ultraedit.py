"""The source `ultraedit`: UltraEdit, free-form and region-based edits in Parquet files."""

from __future__ import annotations

from typing import Literal

from datagen.sources.base import Source
from datagen.sources.formats.pairs.layout import TableLayout
from datagen.sources.formats.pairs.tables import PairTableOptions


class UltraEditConfig(PairTableOptions):
    """UltraEdit, free-form and region-based, as Parquet; not verified on real data."""

    kind: Literal["ultraedit"] = "ultraedit"
    """Pairs that SDXL Turbo made of captions of real pictures."""
    license: str = "CC-BY-4.0"
    """Licence of every picture, as the dataset's card has it."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        layout = TableLayout("source_image", "edited_image", "edit_prompt", "source_caption", "target_caption")
        return self._pair_table(layout._replace(local_if="edit_object"))  # which only region-based edits have
