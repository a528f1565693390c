"""Checkpoints of a training: a file for each, complete as soon as it has its name."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import torch

from datagen.core.errors import StoreError

_NAME = re.compile(r"step-(\d{8})\.pt")


class Checkpoints:
    """The checkpoints in a folder, of which the newest `keep` stay."""

    def __init__(self, folder: Path, *, keep: int) -> None:
        self._folder = folder
        self._keep = keep

    def steps(self) -> list[int]:
        """The steps of all of them, the newest last."""
        names = os.listdir(self._folder) if self._folder.is_dir() else []
        return sorted(int(found[1]) for found in map(_NAME.fullmatch, names) if found)

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Store the state after a step, and remove what is too old. Raises `StoreError` if it cannot be written."""
        path = self._path(step)
        unfinished = path.with_suffix(".unfinished")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
            for old in self.steps()[: -self._keep]:
                self._path(old).unlink()
        except (OSError, RuntimeError) as error:
            unfinished.unlink(missing_ok=True)
            raise StoreError(f"{path} cannot be written: {error}; earlier checkpoints are still there") from error

    def load(self, step: int) -> dict[str, Any]:
        """The state after a step. Raises `StoreError` if the file is damaged."""
        path = self._path(step)
        try:
            found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises many kinds on damaged files
            remedy = "remove it, and the training goes on from the one before it"
            raise StoreError(f"{path} is damaged ({type(error).__name__}); {remedy}") from error
        return found

    def _path(self, step: int) -> Path:
        return self._folder / f"step-{step:08d}.pt"
