"""The protocol of scene checkers: they hold a picture to a scene graph, atom by atom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, Protocol

from datagen.models.scene_checkers.geneval import geneval_verdicts
from datagen.scene_graphs.graph import SceneGraph
from datagen.scene_graphs.matching import AtomVerdict, SceneThing, judge_things

if TYPE_CHECKING:
    from datagen.imaging.image import Image


class SceneChecker(Protocol):
    """Says of each atom of a graph whether a picture shows it."""

    async def check(self, image: Image, graph: SceneGraph, *, record: str) -> list[AtomVerdict]:
        """One verdict for each atom, in the order of `graph.atoms()`, then one for each label that is not in the graph.

        `holds` is None where the checker cannot judge an atom. A checker that finds only what it looks for has no
        verdicts on other labels. Raises `DataError` if the picture cannot be judged at all; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Close what it opened."""
        ...


JudgeRule = Literal["matched", "geneval"]
"""How things that were found become verdicts: matched one to one with the graph's nodes (`judge_things`), or by the
rules that GenEval has published (`geneval_verdicts`)."""
RULES: Final[Mapping[JudgeRule, Callable[[SceneGraph, Sequence[SceneThing]], list[AtomVerdict]]]] = {
    "matched": judge_things,
    "geneval": geneval_verdicts,
}
