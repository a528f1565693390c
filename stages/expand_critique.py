"""Make the records of a judged output: one to be inspected, and of a flawed picture one to be mended."""

from __future__ import annotations

from typing import Literal

from datagen import Children, Expand, Record, Reject, StageConfig
from datagen.core.fields import VERDICT


class ExpandCritique(Expand):
    """Decide which samples come of a judged output; `critique_form` says which one a record is to become.

    A description becomes `inspect_text` and a picture `inspect_image`. A picture that is inconsistent becomes `refine`
    besides, if it is to be mended by an editor; a pair that the source mended already becomes `refine` alone. Rejects
    such a pair as `not_flawed` if its first picture was found consistent.
    """

    reads = ("critique_of", "verdict")
    writes = ("critique_form",)
    rejects = ("not_flawed",)
    fields = (VERDICT,)
    version = 2

    class Config(StageConfig):
        """Which samples."""

        refine: Literal["edited", "given", "none"] = "edited"
        """`edited`: of inconsistent pictures, which a later stage mends. `given`: of the source's mended pictures."""

    config: Config

    def process(self, batch: list[Record]) -> list[Children]:
        """The records that come of each."""
        return [self._children(record) for record in batch]

    def _children(self, record: Record) -> Children:
        kind, refine, flawed = record["critique_of"], self.config.refine, record["verdict"] == "inconsistent"
        if kind == "mended" and refine == "given" and not flawed:
            return Reject("not_flawed", "the picture was found consistent: there is nothing to mend")
        forms = {
            "description": ["inspect_text"],
            "picture": ["inspect_image", *(["refine"] if refine == "edited" and flawed else [])],
            "mended": ["refine"] if refine == "given" else [],
        }
        return [{"critique_form": form} for form in forms[kind]]
