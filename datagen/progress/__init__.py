"""The display of a run: a live panel on a terminal, plain lines elsewhere, and a log in OUT."""

from datagen.progress.watcher import Watcher

__all__ = ["Watcher"]
