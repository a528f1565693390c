"""Trainings from config to model: exact resumption, what is stored, errors before work is lost, and edits."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from commands import call, refused
from finished import finished
from PIL import Image as Pillow
from training_runs import Followed, same, small_options, small_training, steps_in

from datagen.core.errors import ConfigError, DataError, StoreError
from datagen.imaging.image import Image
from datagen.pipeline.config import load
from datagen.train.checkpoints import Checkpoints
from datagen.train.config import load_training
from datagen.train.editing import TrainedModel, edit_picture, load_model
from datagen.train.loop import train
from datagen.train.models.boxes import box_cells
from datagen.train.models.small import SmallConfig
from datagen.train.models.small_net import SmallEditPipeline
from datagen.train.models.words import word_numbers
from datagen.train.trial import try_out

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def edits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("edits") / "out")


def weights_of(model: Path) -> dict[str, torch.Tensor]:
    net = SmallEditPipeline.from_pretrained(str(model)).net
    return dict(net.state_dict())


@pytest.mark.parametrize("stopped_after", [1, 2, 3])
def test_a_training_that_is_stopped_and_resumed_ends_with_the_same_weights(
    edits: Path, tmp_path: Path, stopped_after: int
) -> None:
    whole = train(small_training(edits, tmp_path / "whole"), watcher=Followed())
    config = small_training(edits, tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        train(config, watcher=Followed(stop_after=stopped_after))
    followed = Followed()
    resumed = train(config, watcher=followed)
    assert f"resumed after step {stopped_after}" in followed.texts
    assert [report.step for report in followed.steps] == [*range(stopped_after + 1, 6)]
    assert same(weights_of(whole), weights_of(resumed))
    assert steps_in(tmp_path / "broken") == steps_in(tmp_path / "whole")


def test_an_interrupt_amid_a_step_waits_for_its_end(
    edits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(small_training(edits, tmp_path / "whole"), watcher=Followed())
    config, update, updates = small_training(edits, tmp_path / "broken"), torch.optim.AdamW.step, []

    def interrupted(optimizer: torch.optim.AdamW) -> None:
        update(optimizer)
        updates.append(1)
        if len(updates) == 3:
            signal.raise_signal(signal.SIGINT)  # the weights are new, their running mean is not

    monkeypatch.setattr(torch.optim.AdamW, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(config, watcher=Followed())
    assert same(weights_of(whole), weights_of(train(config, watcher=Followed())))
    assert steps_in(tmp_path / "broken") == steps_in(tmp_path / "whole")


def test_a_training_that_was_killed_goes_on_from_its_newest_checkpoint(edits: Path, tmp_path: Path) -> None:
    whole = train(small_training(edits, tmp_path / "whole"), watcher=Followed())
    config = small_training(edits, tmp_path / "killed")
    with pytest.raises(KeyboardInterrupt):
        train(config, watcher=Followed(stop_after=5))
    (tmp_path / "killed" / "checkpoints" / "step-00000005.pt").unlink()  # as if it had died before
    (tmp_path / "killed" / "checkpoints" / "step-00000006.unfinished").write_bytes(b"half")
    with (tmp_path / "killed" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "lo')
    assert same(weights_of(whole), weights_of(train(config, watcher=Followed())))
    assert steps_in(tmp_path / "killed") == steps_in(tmp_path / "whole")


def test_what_a_training_leaves(edits: Path, tmp_path: Path) -> None:
    followed = Followed()
    model = train(small_training(edits, tmp_path / "out"), watcher=followed)
    assert model == tmp_path / "out" / "model"
    assert sorted(path.name for path in (tmp_path / "out" / "checkpoints").iterdir()) == [
        "step-00000004.pt",
        "step-00000005.pt",
    ]
    assert [report.step for report in followed.evaluations] == [4, 5]
    with Pillow.open(tmp_path / "out" / "grids" / "step-00000005.png") as grid:
        assert grid.height in (32, 48)
        assert grid.width in (48, 72)
    card = (model / "README.md").read_text()
    assert str(edits) in card
    assert "library_name: diffusers" in card
    assert json.loads((model / "model_index.json").read_text())["_class_name"] == "SmallEditPipeline"


def test_a_batch_in_parts_has_the_gradient_of_the_whole(edits: Path, tmp_path: Path) -> None:
    whole, parts = Followed(), Followed()
    train(small_training(edits, tmp_path / "a", steps=1, seed=3), watcher=whole)
    train(small_training(edits, tmp_path / "b", steps=1, seed=3, micro_batch=4), watcher=parts)
    assert whole.steps[0].gradient == parts.steps[0].gradient
    halves = Followed()
    train(small_training(edits, tmp_path / "c", steps=1, seed=3, micro_batch=1), watcher=halves)
    assert halves.steps[0].loss == pytest.approx(whole.steps[0].loss, rel=0.9)  # other noise, the same samples


def test_the_learning_rate_rises_stays_and_falls(edits: Path, tmp_path: Path) -> None:
    rates = {"learning_rate": 0.01, "warmup_steps": 2, "decay_from": 0.5}
    followed = Followed()
    train(small_training(edits, tmp_path / "out", steps=8, optimizer=rates), watcher=followed)
    found = [report.learning_rate for report in followed.steps]
    assert found == pytest.approx([0.005, 0.01, 0.01, 0.01, 0.0075, 0.005, 0.0025, 0.0002])


def test_steps_without_a_finite_gradient_change_nothing_and_end_the_training(
    edits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SmallConfig, "losses", lambda *_: (torch.full((4,), torch.nan, requires_grad=True), None))
    config = small_training(edits, tmp_path / "out", steps=50, evaluation={"every": 100, "split": None})
    followed = Followed()
    with pytest.raises(DataError, match=r"20 steps in a row had no finite gradient; lower optimizer\.learning_rate"):
        train(config, watcher=followed)
    assert len(followed.steps) == 19


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 4}, "another value of seed"),
        ({"steps": 9}, "another value of steps"),
        ({"data": None}, "another value of data"),
    ],
)
def test_another_config_is_refused_where_a_training_was_begun(
    edits: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    train(small_training(edits, tmp_path / "out"), watcher=Followed())
    if change.get("data", 1) is None:
        change = {"data": {**small_options(edits, tmp_path)["data"], "flip": 0.1}}
    with pytest.raises(ConfigError, match=message):
        train(small_training(edits, tmp_path / "out", **change), watcher=Followed())
    train(small_training(edits, tmp_path / "out", checkpoints={"every": 1}), watcher=Followed())  # decides nothing


def test_a_damaged_checkpoint_is_named(edits: Path, tmp_path: Path) -> None:
    config = small_training(edits, tmp_path / "out")
    train(config, watcher=Followed())
    (tmp_path / "out" / "checkpoints" / "step-00000005.pt").write_bytes(b"no checkpoint")
    with pytest.raises(StoreError, match=r"step-00000005\.pt is damaged \(\w+\); remove it"):
        train(config, watcher=Followed())


def test_a_checkpoint_that_cannot_be_written_leaves_the_earlier_ones(tmp_path: Path, monkeypatch: Any) -> None:
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, {"a": torch.ones(2)})

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(StoreError, match="No space left on device; earlier checkpoints are still there"):
        checkpoints.save(2, {})
    assert checkpoints.steps() == [1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001.pt"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"datasets": [{"path": "nowhere"}]}}, "nowhere"),
        ({"device": "cuda:9"}, "device: 'cuda:9' cannot be used"),
        ({"out": "s3://bucket/out"}, "is no folder"),
    ],
)
def test_bad_input_is_named_before_the_first_step(
    edits: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises((ConfigError, StoreError), match=message):
        train(small_training(edits, tmp_path / "out", **change), watcher=Followed())


def test_a_dataset_without_a_usable_sample_is_named_with_the_reasons(edits: Path, tmp_path: Path) -> None:
    model = {**small_options(edits, tmp_path)["model"], "boxes": "required"}
    data = {**small_options(edits, tmp_path)["data"], "datasets": [{"path": str(edits), "split": None}]}
    without = finished(tmp_path / "edits", limit=1)
    data["datasets"] = [{"path": str(without), "split": "val"}, {"path": str(without), "split": "train"}]
    with pytest.raises(ConfigError, match="has no sample of the split"):
        train(small_training(edits, tmp_path / "out", data=data, model=model), watcher=Followed())


def test_two_processes_do_not_train_in_one_folder(edits: Path, tmp_path: Path) -> None:
    import filelock

    config = small_training(edits, tmp_path / "out")
    (tmp_path / "out").mkdir()
    with filelock.FileLock(tmp_path / "out" / "lock"), pytest.raises(ConfigError, match="another process trains there"):
        train(config, watcher=Followed())


def test_a_trial_writes_nothing(edits: Path, tmp_path: Path) -> None:
    trial = try_out(small_training(edits, tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    assert trial.parameters == trial.trained > 1000
    assert trial.memory.state == 5 * 4 * trial.parameters
    assert any("left out" in line or "samples" in line for line in trial.lines())


def test_a_saved_model_edits_as_the_trained_one(edits: Path, tmp_path: Path) -> None:
    model = train(small_training(edits, tmp_path / "out"), watcher=Followed())
    picture = Image.of(np.full((40, 60, 3), 120, np.uint8)).encoded()
    found = [
        edit_picture(load_model(str(place), device=torch.device("cpu")), picture, ["make it red"], boxes=[], seed=1)
        for place in (model, tmp_path / "out")
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert found[0].shape == (16, 24, 3)


@pytest.mark.parametrize(
    ("texts", "boxes", "message"),
    [
        (["a", "b"], [(0, 0, 9, 9)], "2 instructions and 1 boxes"),
        (["a"], [(50, 0, 90, 9)], "lies outside the picture"),
        (["a"], [(9, 0, 9, 9)], "is empty"),
    ],
)
def test_boxes_that_do_not_fit_are_named(
    edits: Path, tmp_path: Path, texts: list[str], boxes: list[Any], message: str
) -> None:
    family = SmallConfig(channels=(16,), fold=8, text_width=8)
    trained = TrainedModel(family.pipeline(family.build()), family, ((16, 16),))
    with pytest.raises(ConfigError, match=message):
        edit_picture(trained, Image.of(np.zeros((20, 40, 3), np.uint8)).encoded(), texts, boxes=boxes, seed=0)


def test_a_small_box_still_covers_a_cell_and_nothing_outside() -> None:
    cells = box_cells(torch.tensor([[[0.30, 0.30, 0.31, 0.31], [0, 0, 1, 1], [0.5, 0, 1, 0.5]]]), 4, 4)
    assert cells[0].sum(dim=(1, 2)).tolist() == [1, 16, 4]
    assert cells[0, 0, 1, 1] == 1


def test_words_are_numbers_and_the_rest_is_nothing() -> None:
    found = word_numbers(["Add a cup.", "add A", ""], words=4, vocabulary=100)
    assert (found[0, :2] == found[1, :2]).all()
    assert (found[0] > 0).all()
    assert found[1, 2:].tolist() == [0, 0]
    assert not found[2].any()
    assert found.max() < 100


def test_a_sub_instruction_changes_nothing_outside_its_box_at_the_first_attention() -> None:
    config = SmallConfig(channels=(16,), fold=8, text_width=8)
    torch.manual_seed(0)
    net = config.build()
    inside, seen = box_cells(torch.tensor([[[0.0, 0.0, 0.5, 1.0]]]), 4, 4), []
    attention = next(each for name, each in net.unet.named_modules() if name.endswith("attn2"))
    hidden = torch.randn(1, 16, 16)
    for words in (torch.randn(1, 3, 8), torch.randn(1, 3, 8)):
        words[:, 0] = 0  # the key for nothing is the same
        seen.append(attention(hidden, encoder_hidden_states=words, bias=torch.zeros(1, 1, 1, 3), inside=inside))
    differs = (seen[0] != seen[1]).any(dim=-1).view(4, 4)
    assert differs[:, :2].all()
    assert not differs[:, 2:].any()


def test_the_commands_train_and_edit(edits: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path, picture = tmp_path / "tiny.yaml", tmp_path / "picture.png"
    path.write_text(yaml.safe_dump(small_options(edits, tmp_path / "out", steps=2)))
    Pillow.new("RGB", (30, 20), (10, 20, 30)).save(picture)
    dry = call("train", path, "--dry-run", capfd=capfd)
    assert "parameters" in dry.out
    assert not (tmp_path / "out").exists()
    done = call("train", path, capfd=capfd)
    assert "trained:" in done.out
    assert "step 2 of 2" in done.err
    where = ("--box", "2,2,12,12", "--to", tmp_path / "edited.png")
    assert "edited.png: 24x16" in call("edit", tmp_path / "out", picture, "make it red", *where, capfd=capfd).out
    with Pillow.open(tmp_path / "edited.png") as edited:
        assert edited.size == (24, 16)
    assert "there is no datagen.json" in refused("edit", tmp_path, picture, "x", capfd=capfd)
    assert "four numbers" in refused("edit", tmp_path / "out", picture, "x", "--box", "1,2", capfd=capfd)
    assert "cannot be read" in refused("edit", tmp_path / "out", tmp_path / "no.png", "x", capfd=capfd)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: x\nsteps: 1\n", "data"),
        ("train: x\nsteps: 0\ndata: {datasets: [{path: a}]}\n", "x.yaml:2: 'steps' is 0"),
        ("train: x\nsteps: 1\ndata: {datasets: [{path: a}], sizes: [[30, 32]]}\n", "multiples of 8"),
        ("train: x\nsteps: 1\ndata: {datasets: []}\n", "datasets"),
        ("pipeline: x\nstages: []\n", "is a pipeline's config"),
        (
            "train: x\nsteps: 1\ndata:\n  datasets:\n    - {path: 's3://key:VerySecret1@bucket/out'}\n",
            r"x\.yaml:5: 'data\.datasets\.0\.path' holds a password",
        ),
        (
            "train: x\nsteps: 1\nmodel: {kind: small, channels: [20]}\ndata: {datasets: [{path: a}]}\n",
            "multiples of 16",
        ),
    ],
)
def test_a_wrong_config_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_training(path)


def test_a_training_that_is_taken_for_a_pipeline_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("# a training\ntrain: x\nsteps: 1\n")
    with pytest.raises(ConfigError, match=r"x\.yaml:2: is a training's config; use it as `python -m datagen train`"):
        load(path)


def test_a_set_names_the_nearest_key(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("train: x\nsteps: 1\ndata: {datasets: [{path: a}]}\n")
    assert load_training(path, sets=["steps=7", "optimizer.clip=2"]).steps == 7
    with pytest.raises(ConfigError, match=r"there is no key 'step'; did you mean 'steps'\?"):
        load_training(path, sets=["step=7"])
