"""The profiles of shipped configs that take weights and language models, whole: every stage with its real code.

Weights are tiny and drawn from a seed, GPUs are left out, thresholds let everything pass, and the language model is a
server on this machine; all else is the config as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from building import ledger_rows, run_local
from chat_server import Act, Asked, Chat, chatting, says, words_of
from tiny_profiles import tiny

ANSWERS = {
    "answer": True,
    "reason": "it is clear",
    "name": "red cup",
    "caption": "A thing on a table.",
    "instruction": "Add <imagehere> to the left of <imagehere>. It is small.",
    "relations": [],
}
"""What the model says to whatever it is asked, by key."""


def _answer(asked: Asked, number: int) -> Act:
    """An answer with the keys that the prompt's last lines ask for, taken from what it tells where it has to be."""
    words = words_of(asked)
    keys = re.findall(r'"(\w+)",? ', words.rpartition("Give JSON:")[2])
    told = re.findall(r"<data>(.*?)</data>", words.rpartition("---")[2] or words)
    answer: dict[str, Any] = {key: ANSWERS[key] for key in keys if key in ANSWERS}
    if "entities" in keys:
        answer["entities"] = re.findall(r"[a-z]{4,}", told[-1])[:6]
    if "subject" in keys and "relations" not in keys:
        new = told[-1].rstrip(".").split()[-1]
        answer |= {"subject": new, "instruction": told[-1].replace(new, "<imagehere>")}
    return says(answer)


@pytest.fixture
def chat() -> Iterator[Chat]:
    with chatting() as server:
        server.act = _answer
        yield server


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


KLEIN = "{num_inference_steps: 1, guidance_scale: 1.0, text_encoder_out_layers: [1, 2], max_sequence_length: 32}"
"""A text encoder of two layers has no ninth, which the pipeline would take."""
SETS = {
    ("re_edit", "gpu"): (f"edit_image.editor.arguments={KLEIN}", "fit_image.pixels=4096"),
    ("re_edit", "generate"): (
        *(f"{stage}.arguments={KLEIN}" for stage in ("edit_image.editor", "generate_image.generator")),
        *(f"generate_image.generator.{side}=64" for side in ("width", "height")),
    ),
}


PROFILES = [
    ("subject_generation", "gpu"),
    ("subject_generation", "gpu_captions"),
    ("instruct_edit", "gpu"),
    ("re_edit", "gpu"),
    ("re_edit", "generate"),
    ("mige_bench", "gpu"),
]


@pytest.mark.parametrize(("config", "profile"), PROFILES)
def test_a_profile_runs_whole(tmp_path: Path, weights: Path, chat: Chat, config: str, profile: str) -> None:
    path = Path(f"configs/{config}.yaml")
    graph = tiny(path, profile=profile, folder=weights, server=chat.address, sets=SETS.get((config, profile), ()))
    out = tmp_path / "out"
    run_local(graph, out, limit=2)
    rows = ledger_rows(out).values()
    for row in rows:
        print(row["id"], row["status"], row["stage"], row["reason"], row["detail"])
    assert [row["detail"] for row in rows if row["status"] == "failed"] == []
    assert any(row["status"] == "accepted" for row in rows)
