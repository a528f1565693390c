"""Check whether a picture shows what its scene graph says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from datagen import Answer, AsyncMap, Failed, Record, Reject, StageConfig
from datagen.models.scene_checkers import SceneCheckerConfig
from datagen.models.scene_checkers.flat_colours import FlatColoursConfig
from datagen.scene_graphs.graph import SceneGraph
from datagen.scene_graphs.matching import AtomVerdict

_REASONS = {
    "object": "wrong_object",
    "count": "wrong_count",
    "attribute": "wrong_attribute",
    "relation": "wrong_relation",
}


class CheckScene(AsyncMap):
    """Hold a picture to its graph, atom by atom: its objects, their numbers, attributes and relations.

    `atoms` has a row for each: its kind, the ids `subject` and `object`, `value` and `attribute`, what was `expected`
    and `found`, and whether it `holds`; null if the checker cannot judge it. A thing that the graph has not, where the
    checker sees it, has a row of kind `object` without a subject. Each score is the share of the graph's atoms of its
    kind that hold, of those that were judged, and 1 if there are none.

    Rejects as `wrong_object`, `wrong_count`, `wrong_attribute` or `wrong_relation`, for the first in this order.
    """

    reads = ("image", "graph")
    writes = ("atoms", "object_score", "count_score", "attribute_score", "relation_score")
    rejects = ("wrong_object", "wrong_count", "wrong_attribute", "wrong_relation")
    version = 1
    remote = False

    class Config(StageConfig):
        """Who checks, and what follows from it."""

        checker: SceneCheckerConfig = FlatColoursConfig()
        """Who says what a picture shows."""
        on_fail: Literal["reject", "mark"] = "reject"
        """Whether a picture with a wrong atom is rejected, or goes on with its scores."""
        on_unknown: Literal["fail", "accept"] = "fail"
        """Whether a picture fails if the checker cannot judge one of its atoms, or is judged by the others."""

    config: Config

    def setup(self, device: str) -> None:
        """Load the checker."""
        self.checker = self.config.checker.load(device, runtime=self.runtime)

    async def process_one(self, record: Record) -> Answer:
        """Check one picture."""
        graph = SceneGraph.model_validate(record["graph"])
        verdicts = await self.checker.check(record["image"], graph, record=record.id)
        unknown = next((one for one in verdicts if one.holds is None), None)
        if unknown and self.config.on_unknown == "fail":
            return Failed(
                f"the checker '{self.config.checker.kind}' cannot judge the {unknown.atom.kind} "
                f"'{unknown.expected:.80}'; take another checker, or `on_unknown: accept`"
            )
        fields = {"atoms": [_row(one) for one in verdicts], **_scores(verdicts)}
        wrong = [one for one in verdicts if one.holds is False]
        if not wrong or self.config.on_fail == "mark":
            return fields
        first = min(wrong, key=lambda one: [*_REASONS].index(one.atom.kind))
        detail = "; ".join(f"expected {one.expected}, found {one.found}" for one in wrong)
        return Reject(_REASONS[first.atom.kind], detail, fields)

    async def close(self) -> None:
        """Let go of what the checker opened, if it was loaded."""
        if hasattr(self, "checker"):
            await self.checker.close()


def _row(one: AtomVerdict) -> dict[str, Any]:
    return {**one.atom._asdict(), "expected": one.expected, "found": one.found, "holds": one.holds}


def _scores(verdicts: Sequence[AtomVerdict]) -> dict[str, float]:
    scores = {}
    for kind in _REASONS:
        judged = [one.holds for one in verdicts if one.atom.kind == kind and one.atom.subject and one.holds is not None]
        scores[f"{kind}_score"] = round(sum(judged) / len(judged), 6) if judged else 1.0
    return scores
