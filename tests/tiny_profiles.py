"""A shipped config's profile as it stands, but for the weights: tiny real models, on the CPU, and no score too low."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import tiny_grounding
import tiny_pipelines
import tiny_scorers
from pydantic import BaseModel

from datagen.config import load
from datagen.graph import build
from datagen.nodes import Graph, Node

TINY: dict[str, Callable[[Path], Path]] = {
    "clip": lambda folder: tiny_scorers.clip(folder / "clip"),
    "siglip2": lambda folder: tiny_scorers.siglip(folder / "siglip"),
    "open_clip": lambda folder: tiny_scorers.open_clip(folder / "open_clip"),
    "dino": lambda folder: tiny_scorers.dino(folder / "dino"),
    "dinov2": lambda folder: tiny_scorers.dinov2(folder / "dinov2"),
    "laion_v1": lambda folder: tiny_scorers.laion_v1(folder / "laion_v1.pth"),
    "laion_v2": lambda folder: tiny_scorers.laion_v2(folder / "laion_v2.pth"),
    "aesthetic_v2_5": lambda folder: tiny_scorers.aesthetic_v2_5(folder / "aesthetic_v2_5.pth"),
    "image_classifier": lambda folder: tiny_scorers.classifier(folder / "nsfw"),
    "grounding_dino": lambda folder: tiny_grounding.save_grounding_dino(folder / "grounding_dino"),
    "sam": lambda folder: tiny_grounding.save_sam(folder / "sam.pth"),
    "lama": lambda folder: tiny_pipelines.lama(folder / "big-lama.pt"),
    "Flux2KleinPipeline": tiny_pipelines.klein_edit,
}
"""What makes the weights of each kind; its file or folder is made once."""


def tiny(config: Path, *, profile: str, folder: Path, server: str, sets: tuple[str, ...] = ()) -> Graph:
    """The profile with tiny weights below `folder`, language models at `server`, and every threshold let down."""
    changes = [
        f"{path}={json.dumps(value)}"
        for node in build(load(config, profile=profile)).nodes
        for path, value in _changes(node, folder, server)
    ]
    return build(load(config, profile=profile, sets=[*changes, *sets]))


def _changes(node: Node, folder: Path, server: str) -> Iterator[tuple[str, Any]]:
    yield f"{node.entry}.resources.gpus", 0
    options = _small(node.config.model_dump(mode="json"), folder, server)
    for threshold in node.stage.thresholds:
        if options[threshold.option] is not None:
            options[threshold.option] = _loosest(node.stage.Config, threshold.option, threshold.keeps)
    for name, value in options.items():
        yield f"{node.entry}.{name}", value


def _small(value: Any, folder: Path, server: str) -> Any:
    """Options with every model's weights replaced, however deep they stand."""
    if isinstance(value, list):
        return [_small(item, folder, server) for item in value]
    if not isinstance(value, dict):
        return value
    made = {name: _small(item, folder, server) for name, item in value.items()}
    if value.get("kind") == "openai":
        made |= {"base_url": server, "api_key_env": ""}
    what = value.get("pipeline") or value.get("kind")
    if what in TINY and "weights" in value:
        made |= {"weights": str(_made(what, folder / what)), "commit": "", "sha256": ""}
    return made


@cache
def _made(what: str, folder: Path) -> Path:
    folder.mkdir(parents=True)
    return TINY[what](folder)


def _loosest(options: type[BaseModel], name: str, keeps: str) -> float:
    """The bound that lets everything pass."""
    wanted = "ge" if keeps == "least" else "le"
    bounds = [getattr(rule, wanted) for rule in options.model_fields[name].metadata if hasattr(rule, wanted)]
    return float(bounds[0]) if bounds else (-1e9 if keeps == "least" else 1e9)
