"""Configs over tiny real models, for the stages whose models have weights: the contract takes its examples from them.

Each maker writes its models and one config into a folder. Add yours to `MAKERS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

Maker = Callable[[Path, Path], Path]
"""Given a folder, and the manifest of a few small pictures with captions and annotated objects: the config."""


def config_of(folder: Path, manifest: Path, stages: list[dict[str, Any]], *, name: str) -> Path:
    """A config over the manifest."""
    return written_config(folder, {"kind": "manifest", "path": str(manifest)}, stages, name=name)


def written_config(folder: Path, source: dict[str, Any], stages: list[dict[str, Any]], *, name: str) -> Path:
    """A config over a source."""
    path = folder / f"{name}.yaml"
    data = {"pipeline": name, "source": source, "stages": stages}
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path


def scoring(folder: Path, manifest: Path) -> Path:
    """Every filter that scores, on pictures from which an object was removed."""
    import tiny_scorers

    clip = {"kind": "clip", "weights": str(tiny_scorers.clip(folder / "clip"))}
    head = {"kind": "laion_v2", "weights": str(tiny_scorers.laion_v2(folder / "laion.pth")), "encoder": clip}
    dino = {"kind": "dinov2", "weights": str(tiny_scorers.dinov2(folder / "dinov2"))}
    nsfw = {"kind": "image_classifier", "weights": str(tiny_scorers.classifier(folder / "nsfw")), "labels": ["nsfw"]}
    of_target = {"map": {"image": "target"}}
    removed = [
        {"use": "read_image", **of_target},
        {"use": "expand_objects", **of_target},
        {"use": "segment_subject", **of_target},
        {"use": "remove_subject", **of_target, "with": {"inpainter": {"kind": "telea"}, "dilate_px": 2}},
        {"use": "cut_out_subject", **of_target},
        {"use": "write_instruction"},
    ]
    bounds = dict.fromkeys(("min_source_match", "min_target_match", "min_direction", "min_similarity"), -1)
    scored = [
        {"use": "filter_aesthetic", **of_target, "with": {"predictor": head, "min_score": -50}},
        {"use": "filter_nsfw", **of_target, "with": {"classifier": nsfw, "max_score": 0.9}},
        {
            "use": "filter_match",
            "with": {"scorer": clip, "picture": "refs", "text": "a photo of {subject}", "min_score": -1},
        },
        {"use": "filter_similarity", "with": {"embedder": dino, "min_similarity": -1}},
        {
            "use": "filter_direction",
            "map": {"source_caption": "subject", "target_caption": "caption", "similarity": "clip_similarity"},
            "with": {"scorer": clip, **bounds},
        },
    ]
    return config_of(folder, manifest, removed + scored, name="scoring")


def generating(folder: Path, manifest: Path) -> Path:
    """Pictures made of captions."""
    import tiny_pipelines

    weights = str(tiny_pipelines.text_to_image(folder))
    generator = {"weights": weights, "arguments": {"num_inference_steps": 2}, "width": 64, "height": 64}
    stages: list[dict[str, Any]] = [
        {"use": "read_image", "map": {"image": "target"}},
        {"use": "expand_objects", "map": {"image": "target"}},
        {"use": "write_instruction"},
        {"use": "generate_image", "with": {"generator": generator}},
    ]
    return config_of(folder, manifest, stages, name="generating")


def grounding(folder: Path, manifest: Path) -> Path:
    """Objects found by phrases, and each of them grounded again by its name."""
    import tiny_grounding

    detector = {"kind": "grounding_dino", "weights": str(tiny_grounding.save_grounding_dino(folder / "grounding"))}
    sam = {"kind": "sam", "weights": str(tiny_grounding.save_sam(folder / "sam.pth"))}
    asker = {"model": {"model": "nobody", "base_url": "http://127.0.0.1:9/v1", "api_key_env": ""}}
    looking = {"phrases": ["a cup", "a red box"], "min_score": 0.0, "max_objects": 3}
    stages: list[dict[str, Any]] = [
        {"use": "read_image", "map": {"image": "target"}},
        {
            "use": "detect_objects",
            "map": {"image": "target", "objects": "found_objects"},
            "with": {"detector": detector, "segmenter": sam, **looking},
        },
        {
            "use": "ask_boxes",  # asks nobody, as all pictures have objects by now
            "map": {"image": "target", "annotated": "found_objects", "objects": "annotated"},
            "with": {"asker": asker},
        },
        {"use": "expand_objects", "map": {"image": "target"}},
        {
            "use": "ground_subject",
            "map": {"image": "target", "box": "entity_box"},
            "with": {"detector": detector, "segmenter": sam, "min_score": 0.1},
        },
        {"use": "write_instruction"},
    ]
    return config_of(folder, manifest, stages, name="grounding")


def painting(folder: Path, manifest: Path) -> Path:
    """A model's steps painted anew, and its own pictures judged, criticised and mended."""
    import tiny_pipelines

    from datagen.sources.manifest import read_lines

    uris = [json.loads(line)["uri"] for _, line in read_lines(str(manifest))]
    judged = {"verdict": "inconsistent", "critique": "The dog is missing.", "correction": "Add a dog."}
    steps = [
        {"instruction": "Draw a cat.", "picture": uris[0], "description": "a cat", "verdict": "consistent"},
        {"instruction": "Add a dog.", "picture": uris[1], "description": "a cat", **judged},
    ]
    path = folder / "generations.jsonl"
    path.write_text(json.dumps({"id": "a", "prompt": "a cat and a dog", "steps": steps}), encoding="utf-8")
    two = {"arguments": {"num_inference_steps": 2}}
    generator = {"weights": str(tiny_pipelines.text_to_image(folder)), "width": 64, "height": 64, **two}
    editor = {"kind": "diffusers", "weights": str(tiny_pipelines.instruct_pix2pix(folder)), "pixels": 4096, **two}
    refine = {"when": {"critique_form": "refine"}}
    stages: list[dict[str, Any]] = [
        {"use": "paint_plan", "map": {"steps": "generation", "target": "raw_target"},
         "with": {"generator": generator, "editor": editor}},
        *judging(refined={"use": "edit_image", "with": {"editor": editor}, **refine,
                          "map": {"source": "image", "instruction": "correction", "target": "mended"}}),
    ]  # fmt: skip
    return written_config(folder, {"kind": "generations", "path": str(path)}, stages, name="painting")


def judging(refined: dict[str, Any], critic: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The stages that judge outputs and make samples of them; `refined` gives `mended`."""
    by = {"with": {"critic": critic or {"kind": "given"}}}
    names = {name: f"target_{name}" for name in ("uri", "sha256", "original_sha256")}
    refine = {"when": {"critique_form": "refine"}}
    return [
        {"use": "read_image", "map": names},
        {"use": "read_image", "id": "read_before", "when": {"canvas": "picture"}, "map": {"image": "source"}},
        {"use": "write_critique", **by},
        {"use": "expand_critique", "with": {"refine": "edited" if refined["use"] == "edit_image" else "given"}},
        {"use": "write_inspection", "when": {"critique_form": ["inspect_text", "inspect_image"]}},
        refined,
        {"use": "judge_refinement", **by, **refine},
        {"use": "write_refinement", **refine},
    ]


def drawing(folder: Path, manifest: Path) -> Path:
    """Pictures of drawn graphs, held to their graphs."""
    stages: list[dict[str, Any]] = [
        {"use": "draw_graph", "map": {"caption": "instruction"}},
        {"use": "render_scene", "map": {"image": "target"}},
        {"use": "check_scene", "map": {"image": "target"}},
    ]
    return written_config(folder, {"kind": "scenes", "count": 4, "width": 128, "height": 128}, stages, name="drawing")


def planning(folder: Path, manifest: Path) -> Path:
    """Rendered plans whose pictures are looked at for movements, as those of an editor are."""
    stages = [{"use": use} for use in ("draw_graph", "sample_plan", "render_plan", "filter_step_alignment")]
    return written_config(folder, {"kind": "scenes", "count": 4, "width": 128, "height": 128}, stages, name="planning")


MAKERS: tuple[Maker, ...] = (scoring, generating, grounding, drawing, planning, painting)
