"""Configs over tiny real models, for the stages whose models have weights: the contract takes its examples from them.

Each maker writes its models and one config into a folder. Add yours to `MAKERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

Maker = Callable[[Path, Path], Path]
"""Given a folder, and the manifest of a few small pictures with captions and annotated objects: the config."""


def config_of(folder: Path, manifest: Path, stages: list[dict[str, Any]], *, name: str) -> Path:
    """A config over the manifest."""
    path = folder / f"{name}.yaml"
    data = {"pipeline": name, "source": {"kind": "manifest", "path": str(manifest)}, "stages": stages}
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


MAKERS: tuple[Maker, ...] = (scoring, generating, grounding)
