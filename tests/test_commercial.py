"""The licence gate: models and pictures by name, with the config's line, and exit code 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from building import PAINT, context_of, ledger_rows, plain_rows, run_local, toy_config, toy_graph
from commands import call, refused
from finished import mixing

from datagen.execute import finish as finish_module
from datagen.execute.finish import about_run
from datagen.execute.ledger.ledger import Counts
from datagen.models.base import ModelConfig
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.shards.index import read_dataset
from datagen.storage.store import Store

MIX = Path("configs/mix.yaml")


def asking(**model: Any) -> dict[str, Any]:
    """A toy stage whose model is a language model."""
    return {"use": "consult", "with": {"model": {"kind": "openai", "model": "gpt-4o", **model}}}


def rows(*licenses: str) -> list[dict[str, Any]]:
    return [{**row, "license": name} for row, name in zip(plain_rows(len(licenses)), licenses, strict=True)]


def test_a_free_pipeline_passes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = toy_config(tmp_path, [PAINT], rows=rows("MIT", "CC0-1.0"))
    result = call("check", config, "--commercial", capfd=capfd)
    assert result.code == 0
    assert result.out.endswith("profile embedded; no licence forbids commercial use\n")


def test_models_are_named_with_their_lines(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stages = [
        {**asking(model="black-forest-labs/FLUX.1-Kontext-dev"), "id": "edit"},
        {**asking(model="nobody/knows"), "id": "guess", "map": {"remark": "subject"}},
        PAINT,
    ]
    config = toy_config(tmp_path, stages, rows=rows("MIT"))
    message = refused("check", config, "--commercial", capfd=capfd)
    edit, guess = message.splitlines()
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
    result = call("check", config, "--commercial", capfd=capfd)
    assert result.code == 0
    assert "uses gpt-4o, under LicenseRef-OpenAI-Terms, which has conditions: read https://openai.com" in result.out
    assert "1 of 1 pictures, such as 'r0', under CC-BY-SA-4.0, which has conditions" in result.out
    found = call("check", config, "--commercial", "--json", capfd=capfd).data
    assert [row["standing"] for row in found["licences"]] == ["conditions", "conditions"]


def test_pictures_are_counted_by_licence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = toy_config(tmp_path, [PAINT], rows=rows("MIT", "CC-BY-NC-4.0", "", "CC-BY-NC-4.0"))
    message = refused("check", config, "--commercial", capfd=capfd)
    assert "the source: 2 of 4 pictures, such as 'r1', under CC-BY-NC-4.0, which forbids commercial use" in message
    assert "the source: 1 of 4 pictures, such as 'r2', under no licence that is stated" in message
    assert "put the stage `filter_license` first" in message
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


@pytest.mark.parametrize("name", ["CC-BY-NC-4.0", "cc-by-nc-4.0", "our own"])
def test_a_stage_that_lets_more_pass_is_no_gate(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    stages: list[Any] = [{"use": "filter_license", "with": {"allow": [name]}}, PAINT]
    config = toy_config(tmp_path, stages, rows=rows("MIT", name))
    message = refused("check", config, "--commercial", capfd=capfd)
    assert "1 of 2 pictures, such as 'r1', under " in message
    assert name in message
    assert call("check", config, "--commercial", "--allow", name.upper(), capfd=capfd).code == 0


def test_what_is_allowed_anyway_leaves_the_gate_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stages: list[Any] = [{"use": "filter_license", "with": {"allow": ["CC-BY-SA-4.0"], "keep": ["allowed"]}}, PAINT]
    config = toy_config(tmp_path, stages, rows=rows("MIT", "CC-BY-NC-4.0"))
    assert call("check", config, "--commercial", capfd=capfd).code == 0


class Flux(ModelConfig):
    """A model that forbids commercial use."""

    license = "LicenseRef-FLUX-1-dev-Non-Commercial"


@pytest.fixture
def flux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset whose targets a non-commercial model made, of a free picture and one under a licence of its own."""
    graph = toy_graph(tmp_path, [PAINT], rows=rows("MIT", "our own"))
    with monkeypatch.context() as runtime:
        runtime.setattr(finish_module, "models_of", lambda node: [Flux(kind="kontext")])
        run_local(graph, tmp_path / "flux")
    return tmp_path / "flux"


def mixed(capfd: pytest.CaptureFixture[str], path: Path, *words: str) -> list[str]:
    """What is refused of a mix of one dataset."""
    return refused("check", MIX, "--set", mixing({"edits": path}), "--commercial", *words, capfd=capfd).splitlines()


def test_a_mix_is_bound_by_the_models_and_the_pictures_of_its_datasets(
    flux: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model, picture = mixed(capfd, flux)
    assert "'edits' was made with kontext@1 ('paint' of run " in model
    assert "under LicenseRef-FLUX-1-dev-Non-Commercial, which forbids commercial use" in model
    assert model.endswith("leave 'edits' out of the mix")
    assert "1 of 2 pictures, such as 'edits/" in picture
    assert "under 'our own', of which nothing is known" in picture
    assert len(mixed(capfd, flux, "--allow", "our own")) == 1


def test_a_licence_filter_in_a_mix_judges_pictures_and_no_models(
    tmp_path: Path, flux: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "mix.yaml"
    config.write_text(MIX.read_text().replace("stages:\n", "stages:\n  - use: filter_license\n"))
    sets = ("--set", mixing({"edits": flux}))
    [model] = refused("check", config, *sets, "--commercial", capfd=capfd).splitlines()
    assert "was made with kontext@1" in model
    run_local(build(load(config, sets=[sets[1]])), tmp_path / "out")
    ends = sorted((row["status"], row["reason"]) for row in ledger_rows(tmp_path / "out").values())
    assert ends == [("accepted", ""), ("rejected", "license_unknown")]
    assert Flux.license in (tmp_path / "out" / "README.md").read_text(), "the mix's card names the model"
    stages = [stage for run in read_dataset(Store(str(tmp_path / "out"))).runs for stage in run.stages]
    assert {"kontext@1": Flux.license} in [stage.licenses for stage in stages], "and so does a mix of the mix"


def test_a_dataset_that_is_older_than_licences_is_read_and_known_by_its_weights_or_not_at_all(
    flux: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = json.loads((flux / "dataset.json").read_text())
    [row] = found["runs"][0]["stages"]
    del row["licenses"]
    (flux / "dataset.json").write_text(json.dumps(found))
    output, _ = mixed(capfd, flux)
    assert "under no licence that is stated; its dataset.json is older than licences in it" in output
    row["revision"] = "diffusers@1:black-forest-labs/FLUX.1-Kontext-dev@0123abcd"
    (flux / "dataset.json").write_text(json.dumps(found))
    output, _ = mixed(capfd, flux)
    assert "FLUX.1-Kontext-dev@0123abcd ('paint'" in output
    assert "which forbids commercial use" in output


def test_allow_needs_the_gate(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = toy_config(tmp_path, [PAINT])
    assert "--allow goes with --commercial" in refused("check", config, "--allow", "MIT", capfd=capfd)


def test_the_card_lists_the_licence_of_every_model(tmp_path: Path) -> None:
    stages = [asking(), {**asking(model="mine"), "id": "other", "map": {"remark": "subject"}}, PAINT]
    about = about_run(context_of(toy_graph(tmp_path, stages)), Counts())
    assert about.model_licenses == {"openai@1:gpt-4o": "LicenseRef-OpenAI-Terms", "openai@1:mine": "none stated"}
