"""Export of finished datasets to the layouts that public trainers of models of words and pictures read.

`exporting` goes through a dataset: `lessons` makes of each sample what it teaches, and a layout writes it (`layouts`
is the protocol; `irg`, `zebra_cot` and `reflection_flow`). `tokens` counts what a lesson costs a trainer,
`whole_folder` lets the export appear whole or not at all, and `export_text` says what was written.
"""

from datagen.export.exporting import FORMATS, Exported, export_dataset

__all__ = ["FORMATS", "Exported", "export_dataset"]
