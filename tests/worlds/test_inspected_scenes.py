"""Pictures of spoilt steps: exactly the atoms of the fault fail, and the correction's words give the clean picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from made_graphs import WORDS, draw_shapes
from rings import example_count

from datagen.core.draws import Draws
from datagen.core.errors import DataError
from datagen.scene_graphs.edit_words import read_edit
from datagen.scene_graphs.edits import apply_edit
from datagen.scene_graphs.graph import SceneGraph
from datagen.scene_graphs.inspections import FORMS, InspectionForm, JudgedStep, judged_steps
from datagen.scene_graphs.matching import SceneThing, judge_things
from datagen.scene_graphs.plans import PlanStep, make_plan
from datagen.worlds.graph_scene import scene_of
from datagen.worlds.inspected_scenes import InspectedScenes, SpoiltSceneError, inspected_scenes, vocabulary_of
from datagen.worlds.scene import Scene, changed_pixels
from datagen.worlds.scene_grid import NoRoomError
from datagen.worlds.specification import SceneSpecification

Sample = tuple[JudgedStep, InspectedScenes, list[PlanStep], SceneSpecification]


def samples(form: InspectionForm, count: int) -> Iterator[Sample]:
    """Of each graph that has a plan, the first sample that can be made."""
    for seed in range(count):
        spec = SceneSpecification(number=seed)
        try:
            plan = make_plan(draw_shapes(seed), Draws(seed), vocabulary=WORDS)
        except DataError:
            continue
        for judged in judged_steps(form, plan, Draws(seed, form), vocabulary=WORDS):
            try:
                yield judged, inspected_scenes(form, judged, plan, spec), plan, spec
            except (SpoiltSceneError, NoRoomError):
                continue
            break


def things_in(scene: Scene, graph: SceneGraph) -> list[SceneThing]:
    """What a scene shows, taken from the scene and not from a picture of it; of sizes, what its graph says."""
    nodes = {node.id: node for node in graph.objects}
    return [
        SceneThing(thing.label, thing.box, {"colour": thing.colour, "size": nodes[thing.node].get("size") or "neither"})
        for thing in scene.objects
    ]


@pytest.mark.parametrize("form", FORMS)
def test_exactly_the_atoms_of_the_fault_fail(form: InspectionForm) -> None:
    kinds: Counter[str] = Counter()
    for judged, scenes, _, _ in samples(form, example_count(200)):
        shown = scenes.source if form == "refine" else scenes.target
        verdicts = judge_things(judged.graph, things_in(shown, judged.shown))
        failing = {verdict.atom for verdict in verdicts if verdict.holds is False}
        assert failing == set(judged.fault.failing if judged.fault else ()), judged
        kinds[judged.fault.kind if judged.fault else ""] += 1
    assert len(kinds) >= (5 if form == "refine" else 6)


@pytest.mark.parametrize("form", FORMS)
def test_the_words_of_the_correction_alone_give_the_clean_picture_to_the_byte(form: InspectionForm) -> None:
    for judged, scenes, _, spec in samples(form, example_count(200)):
        if not judged.fault:
            continue
        spoilt = judged.fault.spoilt
        mended = apply_edit(read_edit(judged.fault.correction, spoilt), spoilt)
        again = scene_of(mended, spec)
        assert np.array_equal(again.render(), scene_of(judged.graph, spec).render()), judged.fault.correction
        if form == "refine":
            assert np.array_equal(again.render(), scenes.target.render())


def test_only_what_the_fault_is_about_changes() -> None:
    """Outside the things of its node, and of what moved because of it, both pictures are equal."""
    for judged, scenes, _, _ in samples("refine", example_count(60)):
        assert judged.fault
        moved = {
            thing.node
            for scene, other in ((scenes.source, scenes.target), (scenes.target, scenes.source))
            for thing in scene.objects
            if thing.box not in {each.box for each in other.objects} or thing.node == judged.fault.node
        }
        boxes = [
            thing.box for scene in (scenes.source, scenes.target) for thing in scene.objects if thing.node in moved
        ]
        changed_HW = changed_pixels(scenes.source.render(), scenes.target.render()).copy()
        assert changed_HW.any()
        for x0, y0, x1, y1 in boxes:
            changed_HW[int(y0) : int(y1), int(x0) : int(x1)] = False
        assert not changed_HW.any()


def test_the_box_of_a_fault_is_where_it_is() -> None:
    for judged, scenes, _, spec in samples("refine", example_count(60)):
        assert judged.fault
        assert scenes.box
        x0, y0, x1, y1 = scenes.box
        assert 0 <= x0 < x1 <= spec.width
        assert 0 <= y0 < y1 <= spec.height
        changed_HW = changed_pixels(scenes.source.render(), scenes.target.render())
        assert changed_HW[int(y0) : int(y1), int(x0) : int(x1)].any()


def test_a_description_comes_with_all_pictures_before_it() -> None:
    for judged, scenes, plan, spec in samples("inspect_text", example_count(20)):
        assert not scenes.source.objects
        assert len(scenes.turns) == judged.number - 1
        before = [scene_of(step.graph, spec, final=judged.graph) for step in plan[: judged.number - 1]]
        assert list(scenes.turns) == before


def test_a_picture_comes_with_the_one_before_it() -> None:
    for judged, scenes, plan, spec in samples("inspect_image", example_count(20)):
        graph = plan[judged.number - 2].graph if judged.number > 1 else SceneGraph()
        assert scenes.source == scene_of(graph, spec, final=judged.graph)
        assert scenes.turns == ()


def test_other_words_are_those_that_the_look_can_show() -> None:
    words = vocabulary_of(SceneSpecification())
    assert set(WORDS.labels) <= set(words.labels)
    assert dict(words.values)["size"] == ("small", "large")
    assert "red" in dict(words.values)["colour"]
