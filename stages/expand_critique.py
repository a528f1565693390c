"""Make the records of a judged output: one to be inspected, and of a flawed picture one to be mended."""

from __future__ import annotations

from typing import Literal

from datagen import Children, Expand, Record, StageConfig


class ExpandCritique(Expand):
    """Decide which samples come of a judged output; `critique_form` says which one a record is to become.

    A description becomes `inspect_text` and a picture `inspect_image`. A picture that is inconsistent becomes `refine`
    besides, if it is to be mended by an editor; a pair that the source mended already becomes `refine` alone.
    """

    reads = ("critique_of", "verdict")
    writes = ("critique_form",)
    version = 1

    class Config(StageConfig):
        """Which samples."""

        refine: Literal["edited", "given", "none"] = "edited"
        """`edited`: of inconsistent pictures, which a later stage mends. `given`: of the source's mended pictures."""

    config: Config

    def process(self, batch: list[Record]) -> list[Children]:
        """The records that come of each."""
        return [[{"critique_form": form} for form in self._forms(record)] for record in batch]

    def _forms(self, record: Record) -> list[str]:
        kind, refine = record["critique_of"], self.config.refine
        if kind == "mended":
            return ["refine"] if refine == "given" else []
        if kind == "description":
            return ["inspect_text"]
        mends = refine == "edited" and record["verdict"] == "inconsistent"
        return ["inspect_image", "refine"] if mends else ["inspect_image"]
