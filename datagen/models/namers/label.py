"""Subjects named by their annotated labels."""

from __future__ import annotations

from typing import Literal

from datagen.core.stage import Runtime
from datagen.models.base import ModelConfig
from datagen.models.namers.base import Look, SubjectNamer


class LabelConfig(ModelConfig):
    """Calls the subject what its annotators called it."""

    kind: Literal["label"] = "label"

    def load(self, device: str, *, runtime: Runtime) -> SubjectNamer:  # noqa: ARG002
        """The namer; it needs no device and no runtime."""
        return LabelNamer()


class LabelNamer:
    """Returns the label."""

    async def name(self, annotated: str, *, look: Look | None, record: str) -> str:  # noqa: ARG002
        """See `SubjectNamer`."""
        return annotated

    async def close(self) -> None:
        """Nothing to close."""
