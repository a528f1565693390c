"""Export of finished datasets to the layouts that public trainers of models of words and pictures read."""

from datagen.export.exporting import FORMATS, Exported, export_dataset
from datagen.export.tokens import DEFAULT_MAX_TOKENS

__all__ = ["DEFAULT_MAX_TOKENS", "FORMATS", "Exported", "export_dataset"]
