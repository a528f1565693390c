"""Stages that find objects, as someone tired would write them, and weights that are not what they are said to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from building import PAINT, ledger_rows, toy_config
from commands import call, refused

from datagen.cli import SOME_FAILED

DINO = {"kind": "grounding_dino"}
SAM = {"kind": "sam", "weights": "./sam_vit_h_4b8939.pth"}
DETECT = {"detector": DINO, "phrases": ["cup"], "min_score": 0.35}
ASK = {"asker": {"model": {"model": "m", "api_key_env": ""}}}

CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "no detector": ("detect_objects", {"phrases": ["cup"], "min_score": 0.3}, "'detector' is missing; add it"),
    "no bound": ("detect_objects", {"detector": DINO, "phrases": ["cup"]}, "'min_score' is missing; add it"),
    "no phrases": ("detect_objects", {"detector": DINO, "min_score": 0.3}, "'phrases' is missing; add it"),
    "a kind that is nearly right": (
        "detect_objects",
        {**DETECT, "detector": {"kind": "groundingdyno"}},
        "'detector' has no kind 'groundingdyno'; did you mean 'groundingdino'?",
    ),
    "a segmenter that needs what people drew": (
        "detect_objects",
        {**DETECT, "segmenter": {"kind": "annotated"}},
        "'segmenter' has no kind 'annotated'; known: grabcut, sam, sam2, sam3",
    ),
    "a checkpoint without its path": (
        "detect_objects",
        {**DETECT, "segmenter": {**SAM, "weights": "sam_vit_h.pth"}},
        "'sam_vit_h.pth' is neither a repository `owner/name` nor a path; start a path with ./",
    ),
    "an architecture that nobody knows": (
        "detect_objects",
        {**DETECT, "detector": {"kind": "groundingdino", "weights": "./x.pth", "architecture": "swin_l"}},
        "'swin_l' is neither swin_t nor swin_b, nor a file that ends in .py",
    ),
    "an architecture whose file is not there": (
        "detect_objects",
        {**DETECT, "detector": {"kind": "groundingdino", "weights": "./x.pth", "architecture": "./nowhere.py"}},
        "`architecture`: ./nowhere.py cannot be read: No such file or directory",
    ),
    "a phrase that is no text": (
        "detect_objects",
        {**DETECT, "phrases": ["{box}"]},
        "the field 'box' is no text but box",
    ),
    "text around a field": (
        "detect_objects",
        {**DETECT, "phrases": ["a {caption}"]},
        "braces hold a field by itself, such as '{subject}', not 'a {caption}'",
    ),
    "a field that nothing writes": (
        "detect_objects",
        {**DETECT, "phrases": ["{subject}"]},
        "reads 'subject', but nothing before it writes 'subject'",
    ),
    "what the source gives": ("detect_objects", DETECT, "writes 'objects', which the source gives already"),
    "a score in percent": ("detect_objects", {**DETECT, "min_score": 35}, "'min_score' is 35"),
    "no segmenter": ("ground_subject", {"detector": DINO, "min_score": 0.3}, "'segmenter' is missing; add it"),
    "nobody to ask": ("ask_boxes", {}, "'asker' is missing; add it"),
    "a prompt that is nearly right": (
        "ask_boxes",
        {"asker": {**ASK["asker"], "prompt": "ask_boxs"}},
        "there is no prompt 'ask_boxs'; did you mean 'ask_boxes'?",
    ),
}


def _config(folder: Path, use: str, options: dict[str, Any], *, named: str = "objects") -> Path:
    names = {"image": "target", "objects": named} if use != "ground_subject" else {"image": "target"}
    return toy_config(folder, [PAINT, {"use": use, "map": names, "with": options}])


@pytest.mark.parametrize("case", CASES)
def test_a_stage_that_cannot_find_is_told_by_check(
    tmp_path: Path, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    use, options, found = CASES[case]
    message = refused("check", _config(tmp_path, use, options), capfd=capfd)
    assert found in message
    assert "toy.yaml:" in message


def _run(config: Path, capfd: pytest.CaptureFixture[str]) -> str:
    out = config.parent / "out"
    message = refused("run", config, "--engine", "local", "--out", out, capfd=capfd)
    assert not (out / "run" / "ledger").exists() or not list((out / "run" / "ledger").rglob("0*.parquet"))
    return message


@pytest.mark.torch
@pytest.mark.parametrize("segmenter", ["sam", "sam2"])
def test_weights_that_are_not_there_end_the_run_before_any_record(
    tmp_path: Path, segmenter: str, capfd: pytest.CaptureFixture[str]
) -> None:
    import tiny_grounding

    detector = {"kind": "grounding_dino", "weights": str(tiny_grounding.save_grounding_dino(tmp_path / "dino"))}
    wanting = {"kind": segmenter, "weights": str(tmp_path / "nowhere")}
    config = _config(
        tmp_path, "detect_objects", {**DETECT, "detector": detector, "segmenter": wanting}, named="annotated"
    )
    assert f"there are no weights at {tmp_path}/nowhere (`weights` of kind '{segmenter}')" in _run(config, capfd)


@pytest.mark.torch
def test_weights_of_another_model_end_the_run_before_any_record(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import tiny_grounding

    other = {"kind": "grounding_dino", "weights": str(tiny_grounding.save_sam2(tmp_path / "sam2"))}
    config = _config(tmp_path, "detect_objects", {**DETECT, "detector": other}, named="annotated")
    result = _run(config, capfd)
    assert "stage 'detect_objects' cannot start" in result
    assert "sam2" in result


@pytest.mark.torch
def test_a_tokenizer_without_its_words_ends_the_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import tiny_grounding

    folder = tiny_grounding.save_grounding_dino(tmp_path / "dino")
    for name in ("tokenizer.json", "vocab.txt"):
        (folder / name).unlink(missing_ok=True)
    detector = {"kind": "grounding_dino", "weights": str(folder)}
    config = _config(tmp_path, "detect_objects", {**DETECT, "detector": detector}, named="annotated")
    assert "tokenizer" in _run(config, capfd)


@pytest.mark.torch
def test_a_phrase_without_a_word_fails_its_record_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import tiny_grounding

    detector = {"kind": "grounding_dino", "weights": str(tiny_grounding.save_grounding_dino(tmp_path / "dino"))}
    options = {"detector": detector, "phrases": ["{caption}"], "min_score": 0}
    rows = [
        {"id": n, "uri": f"{n}.png", "caption": c} for n, c in (("good", "a red cup"), ("dots", "..."), ("none", ""))
    ]
    stages = [PAINT, {"use": "detect_objects", "map": {"image": "target", "objects": "annotated"}, "with": options}]
    result = call(
        "run", toy_config(tmp_path, stages, rows=rows), "--engine", "local", "--out", tmp_path / "out", capfd=capfd
    )
    assert result.code == SOME_FAILED
    ends = ledger_rows(tmp_path / "out")
    assert {id: row["status"] for id, row in ends.items()} == {"good": "accepted", "dots": "failed", "none": "rejected"}
    assert "there is no word in the phrase to look for, '...'" in ends["dots"]["detail"]
    assert ends["none"]["reason"] == "no_object"
