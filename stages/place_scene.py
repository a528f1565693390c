"""Say how a record's graph is rendered."""

from __future__ import annotations

from datagen import Answer, DatagenError, Map, Record, SetupError, StageConfig
from datagen.core.draws import Draws
from datagen.worlds.photographs import LIST, Photograph, own_photographs
from datagen.worlds.pool import folder_list
from datagen.worlds.specification import SceneBackground, SceneOptions, SceneSpecification, choose_background


class PlaceScene(Map):
    """Write how the record's graph is rendered, for records of any source; `scenes` writes it itself.

    What is drawn is seeded by the record's id and the run's seed. Backgrounds are a plain tone, one of the photographs
    that come with datagen's dependencies, or one of those that `photographs.toml` lists in the folder `photographs`.
    """

    reads = ()
    writes = ("scene",)
    version = 1

    class Config(StageConfig, SceneOptions):
        """How it looks."""

        background: SceneBackground | None = None
        """What is behind the objects: a `plain` quiet tone, or a `photograph`. null: plain for shapes, else
        photographs."""

    config: Config

    def setup(self, device: str) -> None:  # noqa: ARG002 - no model
        """Read the list of photographs."""
        config = self.config
        try:
            listed = folder_list(config.photographs) if config.photographs else own_photographs()
        except DatagenError as error:
            raise SetupError(
                f"place_scene: {config.photographs}: needs a {LIST} of its photographs, which cannot be read: {error}"
            ) from error
        self._photographs: tuple[Photograph, ...] = tuple(
            photo.model_copy(update={"object": ()}) for photo in listed.backgrounds(config.split)
        )
        if not self._photographs:
            raise SetupError(
                f"place_scene: {config.photographs}/{LIST} names no background whose split is '{config.split}'; "
                "name one, or choose the other split"
            )

    def process(self, batch: list[Record]) -> list[Answer]:
        """How each record is rendered."""
        return [{"scene": self._specification(record).model_dump(mode="json")} for record in batch]

    def _specification(self, record: Record) -> SceneSpecification:
        config, draws = self.config, Draws(self.seed, self.id, record.id)
        return SceneSpecification(
            **{name: getattr(config, name) for name in SceneOptions.model_fields},
            seed=draws.below(1 << 32),
            listed=bool(config.photographs),
            background=choose_background(self._photographs, kind=config.background, look=config.look, draws=draws),
        )
