"""What a person sees of a run: a live panel on a terminal, plain lines elsewhere, and a log beside the dataset."""

from datagen.progress.watcher import Watcher

__all__ = ["Watcher"]
