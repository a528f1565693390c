"""From a graph to its parts, to plans, and to samples in which one step is judged."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from made_graphs import draw_shapes, graph_of, is_part, node

from datagen.core.fields import catalogue
from datagen.core.record import Record
from datagen.core.stage import Failed, Reject
from datagen.imaging.codecs import check_value
from datagen.scene_graphs.graph import GraphRelation, SceneGraph
from datagen.scene_graphs.reading import read_caption
from datagen.scene_graphs.wording import describe
from datagen.shards.options import ImageOptions
from datagen.shards.sample import SampleSettings, compose
from datagen.worlds.specification import SceneSpecification
from stages.expand_scene_graph import ExpandSceneGraph
from stages.sample_plan import SamplePlan
from stages.spoil_step import SpoilStep

CHAIN = graph_of(
    node("a", "circle", colour="red"),
    node("b", "square", 2, colour="blue"),
    node("c", "star", colour="green"),
    node("d", "heart", colour="pink"),
    relations="a left-of b, b above c, d below c",
)
SINGLE = graph_of(node("a", "circle"))


def record_of(graph: SceneGraph, *, id: str = "r", **fields: Any) -> Record:
    scene = SceneSpecification(number=sum(id.encode())).model_dump(mode="json")
    return Record(id, {"graph": graph.row(), "caption": describe(graph), "scene": scene, **fields})


# expand_scene_graph


def parts_of(graph: SceneGraph, **options: Any) -> Any:
    stage = ExpandSceneGraph(ExpandSceneGraph.Config(**options))
    (answer,) = stage.process([Record("r", {"whole_graph": graph.row()})])
    return answer


def test_parts_have_captions_of_their_own() -> None:
    parts = parts_of(CHAIN, count=4)
    assert len(parts) == 4
    for part in parts:
        graph = SceneGraph.model_validate(part["graph"])
        assert is_part(graph, CHAIN)
        assert len(read_caption(part["caption"]).objects) == len(graph.objects)
    assert len({part["caption"] for part in parts}) == 4


def test_a_graph_that_is_smaller_than_a_part_has_none() -> None:
    assert parts_of(SINGLE) == []
    assert parts_of(CHAIN, least_objects=5) == []
    assert parts_of(CHAIN, least_atoms=99) == []


def test_a_graph_whose_relation_lacks_an_end_fails_with_its_name() -> None:
    graph = CHAIN.model_copy(update={"relations": (GraphRelation(subject="a", predicate="above", object="z"),)})
    answer = parts_of(graph)
    assert isinstance(answer, Failed)
    assert answer.error == (
        "the graph has no parts: 'a' above 'z': the graph lacks an end of it; put `validate_graph` before"
    )
    scene = SceneSpecification().model_dump(mode="json")
    for stage in (SamplePlan(SamplePlan.Config()), SpoilStep(SpoilStep.Config())):
        (answer,) = stage.process([Record("r", {"graph": graph.row(), "caption": "", "scene": scene})])
        assert isinstance(answer, Reject)
        assert answer.reason == "no_plan"


# sample_plan


def planned(graph: SceneGraph, *, with_scene: bool = True, **options: Any) -> Any:
    record = record_of(graph) if with_scene else Record("r", {"graph": graph.row(), "caption": describe(graph)})
    (answer,) = SamplePlan(SamplePlan.Config.model_validate(options)).process([record])
    return answer


def test_a_plan_has_a_graph_a_picture_and_words_for_each_step() -> None:
    fields = planned(CHAIN)
    steps, graphs = fields["steps"], fields["step_graphs"]
    assert 4 <= len(steps) == len(graphs) <= 6
    assert [step["image"] for step in steps] == [*(f"turn_{n}" for n in range(len(steps) - 1)), "target"]
    assert [step["description"] for step in steps] == [describe(SceneGraph.model_validate(row)) for row in graphs]
    assert graphs[-1] == CHAIN.row()
    assert fields["instruction"] == fields["text"] == describe(CHAIN)
    assert (fields["inputs"], fields["edits"], fields["task"]) == ([], [], "plan_generation")
    assert set(fields) == set(SamplePlan.writes)


def test_a_detour_takes_what_the_scene_can_show_or_what_the_options_name() -> None:
    plan = {"detours": 1, "kinds": ["remove"]}
    steps = planned(CHAIN, plan=plan)["steps"]
    assert any(step["instruction"].startswith("Remove the ") for step in steps)
    steps = planned(CHAIN, plan=plan, labels=["kettle"], with_scene=False)["steps"]
    assert "Remove the kettle." in [step["instruction"] for step in steps]
    steps = planned(CHAIN, plan=plan, with_scene=False)["steps"]
    assert not any("Remove" in step["instruction"] for step in steps)


def test_a_graph_of_one_object_has_no_plan() -> None:
    answer = planned(SINGLE, plan={"detours": 0})
    assert isinstance(answer, Reject)
    assert answer.reason == "no_plan"
    assert "1 objects and what else may come late make 1 steps" in answer.detail


# spoil_step


def spoilt(graph: SceneGraph, *, id: str = "r", fields: dict[str, Any] | None = None, **options: Any) -> Any:
    stage = SpoilStep(SpoilStep.Config.model_validate(options), seed=3)
    (answer,) = stage.process([record_of(graph, id=id, **(fields or {}))])
    return answer


def test_one_sample_of_each_form_with_all_its_fields() -> None:
    samples = spoilt(CHAIN)
    assert [sample["task"] for sample in samples] == ["inspect_text", "inspect_image", "refine"]
    for sample in samples:
        assert set(sample) == set(SpoilStep.writes)
        for name, value in sample.items():
            check_value(catalogue(SpoilStep.fields)[name], value)


def test_a_sample_agrees_with_itself() -> None:
    for seed in range(12):
        for sample in spoilt(draw_shapes(seed + 3, most_nodes=5), id=f"r{seed}") or ():
            if isinstance(sample, str):  # no plan
                break
            last, is_refined = sample["steps"][-1], sample["task"] == "refine"
            assert (last["image"], last["verdict"], last["critique"], last["correction"]) == (
                "target",
                *(sample[name] for name in ("verdict", "critique", "correction")),
            )
            assert len(sample["turns"]) == len(sample["steps"]) - 1
            assert len(sample["step_graphs"]) == len(sample["steps"])
            is_wrong = sample["verdict"] == "inconsistent"
            assert bool(sample["fault"]) == bool(sample["critique"]) == bool(sample["correction"]) == is_wrong
            assert sample["label"] == ("negative" if is_wrong and not is_refined else "positive")
            (mask_HW,) = sample["masks"]
            differs_HW = (sample["source"].array != sample["target"].array).any(axis=2)
            assert np.array_equal(mask_HW, differs_HW)
            assert [edit["instruction"] for edit in sample["edits"]] == ([sample["correction"]] if is_refined else [])


def test_samples_can_be_stored() -> None:
    settings = SampleSettings(catalogue(SpoilStep.fields), {}, [], "run", 1, ImageOptions())
    record = record_of(CHAIN)
    for number, sample in enumerate(spoilt(CHAIN)):
        stored = compose(record.child(str(number), sample), settings=settings)
        assert stored.info.task == sample["task"]
        assert [step.verdict for step in stored.info.steps][-1] == sample["verdict"]
        assert "target.png" in stored.members


def test_verdicts_of_each_form_are_balanced() -> None:
    verdicts: Counter[tuple[str, str]] = Counter()
    for number in range(80):
        samples = spoilt(CHAIN, id=f"r{number}")
        verdicts.update((sample["task"], sample["verdict"]) for sample in samples)
    assert verdicts["refine", "inconsistent"] == 80
    for form in ("inspect_text", "inspect_image"):
        assert 28 <= verdicts[form, "consistent"] <= 52
        assert verdicts[form, "consistent"] + verdicts[form, "inconsistent"] >= 78


def test_forms_and_kinds_are_options() -> None:
    for number in range(10):
        for sample in spoilt(CHAIN, id=f"r{number}", forms=["refine"], kinds=["missing"]):
            assert sample["task"] == "refine"
            assert sample["fault"]["kind"] == "missing"
            assert sample["critique"].endswith("missing.")


@pytest.mark.parametrize(
    ("graph", "options", "reason"),
    [
        pytest.param(SINGLE, {"plan": {"detours": 0}}, "no_plan", id="one object"),
        pytest.param(
            graph_of(node("a", "circle"), node("b", "square"), node("c", "star"), node("d", "heart")),
            {"forms": ["refine"], "kinds": ["relation"]},
            "no_fault",
            id="no relation to mirror",
        ),
        pytest.param(
            graph_of(node("a", "circle"), node("b", "square"), node("c", "star"), node("d", "kettle")),
            {},
            "not_drawable",
            id="a label that the look has not",
        ),
        pytest.param(
            graph_of(*(node(label, label, 300) for label in ("circle", "square", "star", "heart"))),
            {"plan": {"late_counts": 0}},
            "no_room",
            id="more things than there is room for",
        ),
    ],
)
def test_what_is_rejected(graph: SceneGraph, options: dict[str, Any], reason: str) -> None:
    answer = spoilt(graph, **options)
    assert isinstance(answer, Reject), answer
    assert answer.reason == reason


def test_a_scene_that_is_none_fails() -> None:
    answer = spoilt(CHAIN, fields={"scene": {"look": "watercolour"}})
    assert isinstance(answer, Failed)
    assert "graph or scene cannot be used" in answer.error
