"""Configs of the chain from drawn sessions to samples, for tests of `measure`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def stages() -> list[dict[str, Any]]:
    """The chain from specifications to samples."""
    after = {"map": {"target": "raw_target"}}
    return [
        {"use": "render_turn", **after},
        {"use": "decompose_instruction"},
        {"use": "propose_boxes", **after},
        {"use": "select_box", **after},
        {"use": "gather_turns", **after},
        {"use": "judge_session"},
        {"use": "merge_turns", "map": {"target": "raw_target", "turns": "raw_turns"}},
        {"use": "filter_conflicts"},
        {"use": "filter_alignment", **after},
        {"use": "paste_back"},
        {"use": "join_instructions"},
    ]


def config(**options: Any) -> dict[str, Any]:
    """A config of the chain; `options` are those of its source."""
    source = {"kind": "world", "count": 4, **options}
    return {"pipeline": "worlds", "source": source, "stages": stages()}


def write_config(folder: Path, **options: Any) -> Path:
    """The file of such a config."""
    path = folder / "worlds.yaml"
    path.write_text(yaml.safe_dump(config(**options), sort_keys=False))
    return path
