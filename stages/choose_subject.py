"""Find the annotated object that the subject's name means."""

from __future__ import annotations

import math
from typing import Any

from datagen import Answer, Map, Record, Reject
from datagen.models.grammar.phrases import key


class ChooseSubject(Map):
    """Take box and outline of the annotated object whose label matches the subject's name.

    A label that equals the name goes first. Else whole words have to match at the beginning or the end: a "lightning
    tower" is a "tower". If an earlier stage wrote `found_objects`, they replace the source's `objects`. Rejects as
    `no_subject` if nothing matches, and as `several_subjects` if several objects match equally well.
    """

    reads = ("objects", "subject")
    optional = ("found_objects",)
    writes = ("box", "polygons", "annotated_mask")
    rejects = ("no_subject", "several_subjects")
    version = 2

    def process(self, batch: list[Record]) -> list[Answer]:
        """Choose among the objects of each picture."""
        return [self._chosen(record.get("found_objects", record["objects"]), record["subject"]) for record in batch]

    def _chosen(self, things: list[dict[str, Any]], subject: str) -> Answer:
        wanted = key(subject)
        same = [thing for thing in things if key(thing["label"]) == wanted]
        like = same or [thing for thing in things if _is_like(key(thing["label"]), wanted)]
        if not things:
            return Reject("no_subject", f"nothing is annotated that could be called '{subject:.100}'; {_LOOK}")
        if not like:
            has = ", ".join(dict.fromkeys(thing["label"] for thing in things))
            return Reject("no_subject", f"no annotated object is called '{subject:.100}'; there are: {has:.300}")
        if len(like) > 1:
            return Reject("several_subjects", f"{len(like)} annotated objects are called like '{subject:.100}'")
        (thing,) = like
        box = tuple(math.nan if edge is None else edge for edge in thing["box"])
        return {"box": box, "polygons": thing["polygons"], "annotated_mask": thing["mask"] or {}}


_LOOK = (
    "where a source annotates no objects, `ask_boxes` before this stage, or `ground_subject` in its place, looks for it"
)


def _is_like(label: str, wanted: str) -> bool:
    """Whether the longer of two names begins or ends with the shorter, by whole words."""
    # spaces around, so that "cat" is no end of "tomcat"
    one, other = (f" {name} " for name in (label, wanted))
    shorter, longer = sorted((one, other), key=len)
    return longer.endswith(shorter) or longer.startswith(shorter)
