"""The licence gate: models and pictures by name, with the config's line, and exit code 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from building import PAINT, ledger_rows, plain_rows, run_local, toy_config, toy_graph
from commands import call, refused

from datagen.execute.finish import about_run
from datagen.execute.ledger import Counts


def asking(**model: Any) -> dict[str, Any]:
    """A toy stage whose model is a language model."""
    return {"use": "consult", "with": {"model": {"kind": "openai", "model": "gpt-4o", **model}}}


def rows(*licenses: str) -> list[dict[str, Any]]:
    return [{**row, "license": name} for row, name in zip(plain_rows(len(licenses)), licenses, strict=True)]


def test_a_free_pipeline_passes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = toy_config(tmp_path, [PAINT], rows=rows("MIT", "CC0-1.0"))
    said = call("check", config, "--commercial", capfd=capfd)
    assert said.code == 0
    assert said.out.endswith("profile embedded; no licence forbids commercial use\n")


def test_models_are_named_with_their_lines(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stages = [
        {**asking(model="black-forest-labs/FLUX.1-Kontext-dev"), "id": "edit"},
        {**asking(model="nobody/knows"), "id": "guess", "map": {"remark": "subject"}},
        PAINT,
    ]
    config = toy_config(tmp_path, stages, rows=rows("MIT"))
    told = refused("check", config, "--commercial", capfd=capfd)
    edit, guess = told.splitlines()
    number = 1 + next(n for n, line in enumerate(config.read_text().splitlines()) if "FLUX.1" in line)
    line = int(edit.split("toy.yaml:")[1].split(":")[0])
    assert abs(line - number) <= 2
    assert "'edit' uses black-forest-labs/FLUX.1-Kontext-dev, under LicenseRef-FLUX-1-dev-Non-Commercial" in edit
    assert "which forbids commercial use (https://github.com/black-forest-labs/flux/" in edit
    assert edit.endswith("take another model for 'edit'")
    assert "'guess' uses nobody/knows, under no licence that is stated" in guess
    assert "write `weights_license: NAME` beside it" in guess


def test_a_config_may_state_the_licence_of_its_weights(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = toy_config(tmp_path, [asking(model="ours", weights_license="MIT"), PAINT], rows=rows("MIT"))
    assert call("check", config, "--commercial", capfd=capfd).code == 0
    config = toy_config(tmp_path, [asking(model="ours", weights_license="Our Own"), PAINT], rows=rows("MIT"))
    assert "under 'Our Own', of which nothing is known" in refused("check", config, "--commercial", capfd=capfd)
    assert call("check", config, "--commercial", "--allow", "Our Own", capfd=capfd).code == 0


def test_conditions_are_told_and_pass(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = toy_config(tmp_path, [asking(), PAINT], rows=rows("CC-BY-SA-4.0"))
    said = call("check", config, "--commercial", capfd=capfd)
    assert said.code == 0
    assert "uses gpt-4o, under LicenseRef-OpenAI-Terms, which has conditions: read https://openai.com" in said.out
    assert "1 of 1 pictures, such as 'r0', under CC-BY-SA-4.0, which has conditions" in said.out
    told = call("check", config, "--commercial", "--json", capfd=capfd).data
    assert [row["standing"] for row in told["licences"]] == ["conditions", "conditions"]


def test_pictures_are_counted_by_licence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = toy_config(tmp_path, [PAINT], rows=rows("MIT", "CC-BY-NC-4.0", "", "CC-BY-NC-4.0"))
    told = refused("check", config, "--commercial", capfd=capfd)
    assert "the source: 2 of 4 pictures, such as 'r1', under CC-BY-NC-4.0, which forbids commercial use" in told
    assert "the source: 1 of 4 pictures, such as 'r2', under no licence that is stated" in told
    assert "put the stage `filter_license` first" in told
    as_json = call("check", config, "--commercial", "--json", capfd=capfd)
    assert as_json.code == 2
    assert not as_json.data["sound"]
    assert len(as_json.data["faults"]) == 2


def test_a_stage_that_rejects_them_is_gate_enough(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    given = rows("MIT", "CC-BY-NC-4.0", "")
    stages: list[Any] = [{"use": "filter_license"}, PAINT]
    assert call("check", toy_config(tmp_path, stages, rows=given), "--commercial", capfd=capfd).code == 0
    lenient = [{"use": "filter_license", "with": {"keep": ["allowed", "forbidden"]}}, PAINT]
    assert "CC-BY-NC-4.0" in refused("check", toy_config(tmp_path, lenient, rows=given), "--commercial", capfd=capfd)
    run_local(toy_graph(tmp_path, stages, rows=given), tmp_path / "out")
    ends = {id: (row["status"], row["reason"]) for id, row in ledger_rows(tmp_path / "out").items()}
    assert ends == {
        "r0": ("accepted", ""),
        "r1": ("rejected", "license_forbids"),
        "r2": ("rejected", "license_unknown"),
    }


def test_allow_needs_the_gate(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = toy_config(tmp_path, [PAINT])
    assert "--allow goes with --commercial" in refused("check", config, "--allow", "MIT", capfd=capfd)


def test_the_card_lists_the_licence_of_every_model(tmp_path: Path) -> None:
    stages = [asking(), {**asking(model="mine"), "id": "other", "map": {"remark": "subject"}}, PAINT]
    about = about_run(toy_graph(tmp_path, stages), Counts())
    assert about.model_licenses == {"openai@1:gpt-4o": "LicenseRef-OpenAI-Terms", "openai@1:mine": "none stated"}
