"""Filters that score, as someone tired would write them, and weights that are not what they are said to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from building import PAINT, toy_config
from commands import refused

CLIP = {"kind": "clip", "weights": "openai/clip-vit-large-patch14"}
HEAD = {"kind": "laion_v2", "weights": "./sac+logos+ava1-l14-linearMSE.pth"}
MATCH = {"scorer": CLIP, "text": "a photo of {caption}", "min_score": 0.255}

CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "no predictor": ("filter_aesthetic", {"min_score": 5}, "'predictor' is missing; add it"),
    "no bound": ("filter_aesthetic", {"predictor": HEAD}, "'min_score' is missing; add it"),
    "no kind": (
        "filter_aesthetic",
        {"predictor": {"weights": "./x.pth"}, "min_score": 5},
        "'predictor' needs a `kind`",
    ),
    "a kind that is nearly right": (
        "filter_aesthetic",
        {"predictor": {**HEAD, "kind": "laion-v2"}, "min_score": 5},
        "'predictor' has no kind 'laion-v2'; did you mean 'laion_v2'?",
    ),
    "a file without its path": (
        "filter_aesthetic",
        {"predictor": {**HEAD, "weights": "sac.pth"}, "min_score": 5},
        "'sac.pth' is neither a repository `owner/name` nor a path; start a path with ./",
    ),
    "a score times 100": ("filter_match", {**MATCH, "min_score": 25.5}, "'min_score' is 25.5"),
    "a field that nobody declares": (
        "filter_match",
        {**MATCH, "text": "a photo of {capton}"},
        "names a field 'capton' that nobody declares; did you mean 'caption'?",
    ),
    "a field that nothing writes": (
        "filter_match",
        {**MATCH, "text": "a photo of {subject}"},
        "reads 'subject', but nothing before it writes 'subject'",
    ),
    "a field that is a picture": (
        "filter_match",
        {**MATCH, "text": "{target}"},
        "the field 'target' is no text but image",
    ),
    "half a brace": ("filter_match", {**MATCH, "text": "{caption"}, "a brace that is meant as one is written twice"),
    "no references": (
        "filter_match",
        {**MATCH, "picture": "refs"},
        "reads 'refs', but nothing before it writes 'refs'",
    ),
    "no labels": (
        "filter_nsfw",
        {"classifier": {"kind": "image_classifier", "weights": "a/b", "labels": []}, "max_score": 0.5},
        "'classifier.labels' is []",
    ),
    "bounds the wrong way round": (
        "filter_similarity",
        {"embedder": CLIP, "min_similarity": 0.9, "max_similarity": 0.5},
        "min_similarity 0.9 is above max_similarity 0.5",
    ),
}


def _config(folder: Path, use: str, options: dict[str, Any]) -> Path:
    names = {"image": "target", "source": "target"} if use == "filter_similarity" else {"image": "target"}
    if options.get("picture") == "refs" or use == "filter_similarity":
        names.pop("image")
    return toy_config(folder, [PAINT, {"use": use, "map": names, "with": options}])


@pytest.mark.parametrize("case", CASES)
def test_a_filter_that_cannot_score_is_told_by_check(
    tmp_path: Path, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    use, options, message = CASES[case]
    error = refused("check", _config(tmp_path, use, options), capfd=capfd)
    assert "toy.yaml:" in error
    assert message in error


def _run(folder: Path, use: str, options: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> str:
    config = _config(folder, use, options)
    return refused("run", config, "--engine", "local", "--out", folder / "out", capfd=capfd)


@pytest.mark.torch
def test_weights_that_are_not_there_end_the_run_before_any_record(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = {**MATCH, "scorer": {"kind": "clip", "weights": str(tmp_path / "clip")}}
    result = _run(tmp_path, "filter_match", options, capfd)
    assert "stage 'filter_match' cannot start: there are no weights at" in result
    assert "put them there on every machine, or name a repository" in result


@pytest.mark.torch
def test_weights_of_another_model_end_the_run_before_any_record(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import tiny_scorers

    dinov2 = str(tiny_scorers.dinov2(tmp_path / "dinov2"))
    result = _run(tmp_path, "filter_match", {**MATCH, "scorer": {"kind": "clip", "weights": dinov2}}, capfd)
    assert "stage 'filter_match' cannot start" in result
    assert "weights of a CLIPModel, such as" in result
    clip = {"kind": "clip", "weights": str(tiny_scorers.clip(tmp_path / "clip"))}
    head = {
        "kind": "laion_v2",
        "weights": str(tiny_scorers.laion_v2(tmp_path / "head.pth", width=768)),
        "encoder": clip,
    }
    result = _run(tmp_path, "filter_aesthetic", {"predictor": head, "min_score": 5}, capfd)
    assert "takes embeddings of 768 numbers" in result


@pytest.mark.torch
def test_a_checksum_that_is_another_ends_the_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import tiny_scorers

    head = {"kind": "laion_v2", "weights": str(tiny_scorers.laion_v2(tmp_path / "head.pth")), "sha256": "0" * 64}
    result = _run(tmp_path, "filter_aesthetic", {"predictor": head, "min_score": 5}, capfd)
    assert f"not {'0' * 64} (`sha256`): it is damaged or another file" in result
