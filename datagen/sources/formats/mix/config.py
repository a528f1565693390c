"""The config of the source `mix`.

It is apart from the reader, which imports pyarrow and the shards: `check` of another source does without them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from datagen.core.options import Options
from datagen.sources.base import Source


class PartConfig(Options):
    """One finished dataset of a mix."""

    path: str = Field(min_length=1)
    """Address of its OUT folder."""
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]{0,23}$")]
    """What its samples are called by: ids are NAME/KEY, and those of further copies NAME/KEY/1, NAME/KEY/2, ..."""
    weight: float | None = Field(default=None, gt=0, le=1_000_000)
    """Its part against the others that have a weight; without one, all of it is taken."""
    cap: int | None = Field(default=None, ge=1)
    """Most samples that are taken of it, copies included."""
    repeats: int = Field(default=1, ge=1, le=1000)
    """How often a sample may be taken, so that weights find more than there is; without a weight, how often it is."""
    split: Literal["train", "val"] | None = None
    """Which of its splits; both, if not given."""


class MixConfig(Options):
    """Finished datasets of datagen, by weights and caps; the stage `read_sample` reads what is taken."""

    kind: Literal["mix"] = "mix"
    """Every sample that is not taken is rejected by `read_sample`, unread, with the reason."""
    datasets: tuple[PartConfig, ...] = Field(min_length=1)
    """The datasets, in the order in which their samples come."""
    seed: int = Field(default=0, ge=0)
    """Draws which samples are taken, where not all are."""
    group_by: str = ""
    """Field whose equal values keep consecutive rows in one slice, for stages that combine by it."""

    @property
    def path(self) -> str:
        """All addresses."""
        return ", ".join(part.path for part in self.datasets)

    @field_validator("datasets")
    @classmethod
    def _all_differ(cls, datasets: tuple[PartConfig, ...]) -> tuple[PartConfig, ...]:
        for what, values in (
            ("name", [part.name for part in datasets]),
            ("path", [part.path.rstrip("/") for part in datasets]),
        ):
            if twice := _first_duplicate(values):
                raise ValueError(f"two datasets have the {what} '{twice}'; to take samples twice, use `repeats`")
        return datasets

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        from datagen.sources.formats.mix.mix import Mix

        return Mix(self.datasets, seed=self.seed)


def _first_duplicate(values: Iterable[str]) -> str:
    known: set[str] = set()
    for value in values:
        if value in known:
            return value
        known.add(value)
    return ""
