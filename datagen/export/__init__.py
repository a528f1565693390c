"""Export of finished datasets to the layouts that public trainers of models of words and pictures read."""

from datagen.export.exporting import FORMATS, Exported, export_dataset

__all__ = ["FORMATS", "Exported", "export_dataset"]
