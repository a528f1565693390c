"""Send records on different routes through one pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field as Option

from datagen import Answer, Map, Record, StageConfig
from datagen.core.draws import Draws
from datagen.core.fields import Field


class ChooseRoute(Map):
    """Choose a route for each record: the stages behind it run where `when: {route: NAME}` says so.

    Records of one `session` take one route, so that they can be combined later.
    """

    reads = ()
    optional = ("session",)
    writes = ("route",)
    fields = (Field("route", "text", "The route that a record takes through the pipeline."),)
    version = 1

    class Config(StageConfig):
        """The routes."""

        routes: dict[str, Annotated[float, Option(gt=0, le=1e6)]] = Option(min_length=1, max_length=20)
        """The share of the records that takes each route; shares are relative to their sum."""

    config: Config

    @classmethod
    def choices(cls, config: Any) -> Mapping[str, tuple[str, ...]]:
        """The routes that there are."""
        return {"route": tuple(config.routes)}

    def process(self, batch: list[Record]) -> list[Answer]:
        """Choose by a draw that the record, or its session, seeds."""
        return [{"route": self._choose(record)} for record in batch]

    def _choose(self, record: Record) -> str:
        group = record.get("session") or record.id
        at = Draws(self.seed, self.id, group).between(0, sum(self.config.routes.values()))
        for name, share in self.config.routes.items():
            at -= share
            if at < 0:
                return name
        return next(reversed(self.config.routes))
