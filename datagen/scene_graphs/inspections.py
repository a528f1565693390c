"""Which step of a plan is judged in a sample, and whether one fault has spoilt it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final, Literal, NamedTuple, get_args

from datagen.core.draws import Draws
from datagen.core.errors import DataError
from datagen.scene_graphs.differences import write_edits
from datagen.scene_graphs.faults import FAULT_KINDS, LACKS, FaultKind, GraphFault, could_become, draw_fault
from datagen.scene_graphs.graph import SceneGraph
from datagen.scene_graphs.plans import PlanStep
from datagen.scene_graphs.vocabulary import Vocabulary

InspectionForm = Literal["inspect_text", "inspect_image", "refine"]
FORMS: Final[tuple[InspectionForm, ...]] = get_args(InspectionForm)


class JudgedStep(NamedTuple):
    """A step of a plan that is judged."""

    number: int
    """Its number in the plan, from 1."""
    instruction: str
    """Its instruction, with the fault where the text is spoilt."""
    graph: SceneGraph
    """What its picture should show."""
    fault: GraphFault | None
    """What is wrong; None if nothing is."""

    @property
    def shown(self) -> SceneGraph:
        """What its description or picture shows."""
        return self.fault.spoilt if self.fault else self.graph


def judged_steps(
    form: InspectionForm,
    plan: Sequence[PlanStep],
    draws: Draws,
    *,
    vocabulary: Vocabulary | None = None,
    kinds: Collection[FaultKind] = FAULT_KINDS,
) -> Iterator[JudgedStep]:
    """The steps that a sample may judge, in a random order; a sample takes the first one that can be made.

    First are drawn whether it is consistent (never in `refine`), and whether it is the last step or one before; each is
    so in half of all cases, and neither draw depends on the other. All steps that are returned agree with both draws.
    Then kinds of faults come in a random order.

    - `inspect_text` judges a description against the last graph: the step's graph is a beginning of it, so no step
      amid a detour is judged. The fault is of what the step itself does, and its instruction has the fault too. Where
      less is there than should be, the instruction stays, because else it would be an unfinished beginning.
    - `inspect_image` judges a picture against the step's instruction: the fault is of what the step itself does, or
      there is an object too many.
    - `refine` has any fault.
    """
    is_consistent = draws.happens(0.5) and form != "refine"
    is_last = draws.happens(0.5)
    whole = plan[-1].graph
    numbers = [len(plan)] if is_last else draws.shuffle(range(1, len(plan)))
    if form == "inspect_text":
        numbers = [number for number in numbers if could_become(plan[number - 1].graph, whole)]
    if is_consistent:
        yield from (JudgedStep(n, plan[n - 1].instruction, plan[n - 1].graph, None) for n in numbers)
        return
    # The kind is drawn before the step, else a kind that few steps allow would be rare.
    for kind in draws.shuffle([kind for kind in FAULT_KINDS if kind in kinds]):
        for number in numbers:
            yield from _spoilt_steps(form, kind, number, plan, draws, vocabulary)


def _spoilt_steps(
    form: InspectionForm,
    kind: FaultKind,
    number: int,
    plan: Sequence[PlanStep],
    draws: Draws,
    vocabulary: Vocabulary | None,
) -> Iterator[JudgedStep]:
    step, whole = plan[number - 1], plan[-1].graph
    before = plan[number - 2].graph if number > 1 else whole.subgraph(())
    faults = draw_fault(
        step.graph,
        draws,
        whole=whole if form == "inspect_text" else step.graph,
        vocabulary=vocabulary,
        kinds=(kind,),
        nodes=None if form == "refine" else _touched(before, step.graph),
    )
    for fault in faults:
        instruction = step.instruction
        if form == "inspect_text" and kind not in LACKS:
            try:
                instruction = write_edits(before, fault.spoilt)
            except DataError:
                continue
            if not instruction:  # what the step takes away would be there still
                continue
        yield JudgedStep(number, instruction, step.graph, fault)


def _touched(before: SceneGraph, after: SceneGraph) -> set[str]:
    """The nodes that are new or changed."""
    return {node.id for node in after.objects if before.get(node.id) != node}
