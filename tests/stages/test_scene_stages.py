"""The stages that place, render and plan scenes of graphs, alone and in a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from building import ledger_rows, run_local
from made_graphs import draw_shapes, with_changes

from datagen import Failed, Image, Record, Reject, SetupError
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.scene_graphs.graph import GraphObject, SceneGraph
from datagen.shards.reader import open_dataset
from datagen.worlds.graph_scene import scene_of, things_of
from datagen.worlds.specification import SceneSpecification
from stages.place_scene import PlaceScene
from stages.render_plan import RenderPlan
from stages.render_scene import RenderScene

SCENE = SceneSpecification(number=3, shadow=0.3)
GRAPH = draw_shapes(11)


def record(graph: SceneGraph = GRAPH, **fields: Any) -> Record:
    return Record("a", {"graph": graph.row(), "scene": SCENE.model_dump(mode="json"), **fields})


def plan_of(graph: SceneGraph = GRAPH, **fields: Any) -> Record:
    ids = [node.id for node in graph.objects]
    graphs = [graph.subgraph(ids[:count]).row() for count in range(1, len(ids) + 1)]
    return record(graph, step_graphs=graphs, steps=[{"instruction": "Add it."} for _ in graphs], **fields)


def render_scene(*records: Record) -> list[Any]:
    return RenderScene(RenderScene.Config()).process(list(records))


def render_plan(*records: Record) -> list[Any]:
    return RenderPlan(RenderPlan.Config()).process(list(records))


def test_a_rendered_scene_says_where_everything_is() -> None:
    (answer,) = render_scene(record())
    scene = scene_of(GRAPH, SCENE)
    assert np.array_equal(answer["image"].array, scene.render())
    assert len(GRAPH.objects) > 2
    assert [row["label"] for row in answer["instances"]] == [thing.label for thing in scene.objects]
    everything, *masks = answer["masks"]
    assert [row["mask"] for row in answer["instances"]] == [f"mask_{number + 1}" for number in range(len(masks))]
    for row, mask in zip(answer["instances"], masks, strict=True):
        x0, y0, x1, y1 = (int(edge) for edge in row["box"])
        assert mask[y0:y1, x0:x1].sum() == mask.sum() > 0
        assert not (mask & ~everything).any()
    assert all(row["attributes"] for row in answer["instances"])


def test_relations_name_each_pair_of_things() -> None:
    graph = with_changes(GRAPH, GRAPH.relations[0].subject, count=2)
    (answer,) = render_scene(record(graph))
    scene = scene_of(graph, SCENE)
    edges = [
        (edge.predicate, one.box, other.box)
        for edge in graph.relations
        for one in things_of(scene, edge.subject)
        for other in things_of(scene, edge.object)
    ]
    boxes = [tuple(row["box"]) for row in answer["instances"]]
    rows = [(row["predicate"], boxes[row["subject_id"]], boxes[row["object_id"]]) for row in answer["relations"]]
    assert sorted(rows) == sorted(edges)


def test_a_plan_changes_only_what_its_masks_mark() -> None:
    (answer,) = render_plan(plan_of())
    pictures = [picture.array for picture in (*answer["turns"], answer["target"])]
    assert len(pictures) == len(GRAPH.objects)
    (scene,) = render_scene(record())
    assert answer["target"] == scene["image"]
    assert answer["relations"] == scene["relations"]
    everything, *steps = answer["masks"]
    assert np.array_equal(everything, np.logical_or.reduce(steps))
    for before, after, mask in zip(pictures, pictures[1:], steps[1:], strict=False):
        assert np.array_equal((before != after).any(axis=-1), mask)
        assert mask.any()


@pytest.mark.parametrize("render", [render_scene, render_plan])
def test_graphs_without_a_scene_are_rejected(render: Any) -> None:
    many, strange = (
        GRAPH.model_copy(update={"objects": (*GRAPH.objects, GraphObject(id="x", label=label, count=count))})
        for label, count in (("ring", 40), ("cat", 1))
    )
    room, drawable, good = render(plan_of(many), plan_of(strange), plan_of())
    assert isinstance(room, Reject)
    assert room.reason == "no_room"
    assert isinstance(drawable, Reject)
    assert drawable.reason == "not_drawable"
    assert "has no 'cat'" in drawable.detail
    assert not isinstance(good, Reject | Failed)


@pytest.mark.parametrize("render", [render_scene, render_plan])
@pytest.mark.parametrize(
    "scene",
    [
        {"look": "shape"},
        {"background": {"name": "x", "uri": "/gone.png", "split": "tuned"}},
    ],
)
def test_a_scene_that_cannot_be_rendered_fails_alone(render: Any, scene: dict[str, Any]) -> None:
    wrong, good = render(plan_of(scene=scene), plan_of())
    assert isinstance(wrong, Failed)
    assert "cannot be rendered: " in wrong.error
    assert not isinstance(good, Failed)


def test_a_plan_needs_a_graph_for_each_step() -> None:
    for fields in ({"step_graphs": []}, {"steps": []}, {"steps": [], "step_graphs": []}):
        (answer,) = render_plan(Record("a", {**plan_of(), **fields}))
        assert isinstance(answer, Failed)
        assert "it needs one graph a step" in answer.error


def placed(*ids: str, **options: Any) -> list[SceneSpecification]:
    stage = PlaceScene(PlaceScene.Config(**options))
    stage.setup("cpu")
    answers = stage.process([Record(id, {"caption": "a cat"}) for id in ids])
    return [SceneSpecification.model_validate(answer["scene"]) for answer in answers if isinstance(answer, dict)]


def test_each_record_has_a_scene_of_its_own() -> None:
    first, second, again = placed("a", "b", "a", height=128)
    assert first == again != second
    assert (first.width, first.height) == (256, 128)
    assert isinstance(first.background, str)
    (cutouts,) = placed("a", look="cutouts")
    assert not isinstance(cutouts.background, str)
    assert scene_of(SceneGraph(), cutouts).render().shape == (256, 256, 3)


def test_a_folder_needs_a_list_with_backgrounds(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"place_scene: .*photographs.toml"):
        placed("a", photographs=str(tmp_path))
    (tmp_path / "photographs.toml").write_text('[[photograph]]\nname = "a"\nuri = "a.png"\nsplit = "tuned"\n')
    (tmp_path / "a.png").write_bytes(Image.of(np.zeros((80, 80, 3), np.uint8)).encoded())
    (spec,) = placed("a", photographs=str(tmp_path), background="photograph")
    assert scene_of(SceneGraph(), spec).render().max() == 0
    with pytest.raises(SetupError, match="names no background whose split is 'held_out'"):
        placed("a", photographs=str(tmp_path), split="held_out")


CONFIG = """
pipeline: plans
source: {kind: scenes, count: 6, width: 128, height: 128}
stages:
  - use: draw_graph
  - use: sample_plan
  - use: render_plan
"""


def test_a_config_of_scenes_runs_and_gives_plans(tmp_path: Path) -> None:
    (tmp_path / "plans.yaml").write_text(CONFIG)
    run_local(build(load(tmp_path / "plans.yaml")), tmp_path / "out")
    rows = ledger_rows(tmp_path / "out")
    assert {row["status"] for row in rows.values()} <= {"accepted", "rejected"}
    samples = list(open_dataset(str(tmp_path / "out")))
    assert samples
    for sample in samples:
        images = [step["image"] for step in sample.info["steps"]]
        assert [*images[:-1]] == [f"turn_{number}.png" for number in range(len(images) - 1)]
        assert images[-1] == "target.png"
        assert sample.info["instances"]
        assert sample.read("turn_0.png")
