from __future__ import annotations

from pathlib import Path

from datagen import Answer, Failed, Map, Record, StageConfig


class Flaky(Map):
    """Fail records whose caption or subject begins with `dud` until a file `mended` is there; note who came by."""

    reads = ("caption",)
    optional = ("subject",)
    writes = ("task",)

    class Config(StageConfig):
        """Where it notes, and looks."""

        folder: str

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        folder = Path(self.config.folder)
        with (folder / "came_by").open("a") as file:
            file.writelines(f"{record.id}\n" for record in batch)
        mended = (folder / "mended").exists()
        return [{"task": "toy"} if mended or not self._is_dud(record) else Failed("not yet") for record in batch]

    def _is_dud(self, record: Record) -> bool:
        return record["caption"].startswith("dud") and not record.id.endswith("#0")
