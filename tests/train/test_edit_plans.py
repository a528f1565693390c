"""Plans of a complex instruction, from the command to the model that edits: where boxes go, and what goes wrong."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from chat_server import Chat, chatting, fails, says, words_of
from commands import CommandResult, call, refused
from PIL import Image as Pillow

from datagen import cli
from datagen.core.errors import ConfigError
from datagen.core.redact import HIDDEN
from datagen.models.edit_planners.rules import RulesEditPlannerConfig
from datagen.train.data.examples import WHOLE, ExamplePart, TrainingExample
from datagen.train.data.framing import frame
from datagen.train.edit_plans import load_planner, plan_edits
from datagen.train.editing import load_model, save_model
from datagen.train.models.ip2p import Ip2pConfig
from datagen.train.models.small import SmallConfig

pytestmark = pytest.mark.torch

WORDS = "Add a cup and make it night."
CUP = {"instruction": "add a cup", "box": [0, 500, 500, 1000]}
NIGHT = {"instruction": "make it night", "box": None}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt nothing, but that sees words and boxes."""
    torch.manual_seed(0)
    family = SmallConfig(channels=(16,), fold=8, text_width=8, words=8, vocabulary=64, most_edits=2)
    net = family.build()
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    folder = tmp_path_factory.mktemp("model")
    save_model(family, net, sizes=[(32, 32)], folder=folder)
    return folder


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "picture.png"
    noise_HWC = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Pillow.fromarray(noise_HWC).save(path)
    return path


@pytest.fixture
def chat() -> Iterator[Chat]:
    with chatting() as server:
        server.does(says({"edits": [CUP, NIGHT]}))
        yield server


def planner(place: Path, address: str, **model: Any) -> Path:
    options = {"kind": "openai", "model": "m", "base_url": address, "api_key_env": "", "retries": 0, "repairs": 0}
    path = place / "planner.yaml"
    path.write_text(yaml.safe_dump({"kind": "language", "model": {**options, **model}}))
    return path


def edit(model: Path, picture: Path, *words: object, capfd: pytest.CaptureFixture[str]) -> CommandResult:
    return call("edit", model, picture, *words, capfd=capfd)


def edited(path: Path) -> np.ndarray:
    with Pillow.open(path) as picture:
        return np.asarray(picture)


def test_a_plan_is_shown_and_its_boxes_reach_the_model(
    model: Path, picture: Path, chat: Chat, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ("--planner", planner(tmp_path, chat.address), "--to", tmp_path / "planned.png")
    done = edit(model, picture, WORDS, *options, capfd=capfd)
    assert done.code == cli.OK, done.err
    assert done.err.splitlines() == ["add a cup: 0,32,32,64", "make it night: the whole picture"]
    assert "planned.png: 32x32" in done.out
    trained = load_model(str(model), device=torch.device("cpu"))
    source_HWC = frame((64, 64), (32, 32), boxes=[]).picture(edited(picture))
    parts = (ExamplePart("add a cup", (0.0, 0.5, 0.5, 1.0)), ExamplePart("make it night", WHOLE))
    example = TrainingExample("", source_HWC, source_HWC, (), WORDS, WORDS, parts, False)
    np.testing.assert_array_equal(edited(tmp_path / "planned.png"), trained.edit(example))
    elsewhere = example._replace(parts=(ExamplePart("add a cup", (0.5, 0.0, 1.0, 0.5)), parts[1]))
    assert (trained.edit(elsewhere) != trained.edit(example)).any()


def test_rules_split_without_a_service_and_every_part_may_be_anywhere(
    model: Path, picture: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    planned, given = tmp_path / "planned.png", tmp_path / "given.png"
    words = "Add a cup, then remove the dog."
    done = edit(model, picture, words, "--planner", "rules", "--to", planned, capfd=capfd)
    assert done.code == cli.OK, done.err
    assert done.err.splitlines() == ["Add a cup: the whole picture", "remove the dog: the whole picture"]
    assert edit(model, picture, "Add a cup", "remove the dog", "--to", given, capfd=capfd).code == cli.OK
    np.testing.assert_array_equal(edited(planned), edited(given))


def test_more_edits_than_the_model_takes_are_refused(
    model: Path, picture: Path, chat: Chat, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    message = "3 single edits: the model was trained on at most 2, its `most_edits`"
    chat.does(says({"edits": [CUP, NIGHT, CUP]}))
    assert message in refused("edit", model, picture, WORDS, "--planner", planner(tmp_path, chat.address), capfd=capfd)
    assert message in refused("edit", model, picture, "a", "b", "c", capfd=capfd)
    assert "at most 2 of them" in words_of(chat.requests[0])


def test_what_does_not_go_with_a_planner_is_refused(
    model: Path, picture: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    by_rules = ("--planner", "rules")
    both = refused("edit", model, picture, WORDS, "--box", "1,1,9,9", *by_rules, capfd=capfd)
    assert "--planner finds the boxes of all edits: leave out --box" in both
    several = refused("edit", model, picture, "add a cup", "remove it", *by_rules, capfd=capfd)
    assert "--planner splits one instruction, and here are 2" in several
    assert "the instruction is empty" in refused("edit", model, picture, " ", *by_rules, capfd=capfd)
    assert "instruction 2 is empty" in refused("edit", model, picture, "add a cup", "", capfd=capfd)
    words = picture.with_name("words.txt")
    words.write_text("no picture")
    assert f"{words}: " in refused("edit", model, words, "add a cup", capfd=capfd)
    whole = Ip2pConfig(weights="./nowhere")
    with pytest.raises(ConfigError, match="family 'ip2p' takes an instruction as a whole: leave out --planner"):
        plan_edits(RulesEditPlannerConfig(), picture.read_bytes(), WORDS, family=whole)


def test_a_failing_service_leaves_no_picture_and_names_the_remedy(
    model: Path, picture: Path, chat: Chat, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        to = tmp_path / "edited.png"
        done = edit(model, picture, WORDS, "--planner", planner(tmp_path, address), "--to", to, capfd=capfd)
    assert f"there is no plan: m at {address} failed 1 times, the last time: the connection failed" in done.err
    chat.does(says({"edits": []}))
    empty = edit(model, picture, WORDS, "--planner", planner(tmp_path, chat.address), "--to", to, capfd=capfd)
    assert "edits: List should have at least 1 item" in empty.err
    chat.does(says({"edits": [{"instruction": "add a cup", "box": [0, 0, 1600, 900]}]}))
    beyond = edit(model, picture, WORDS, "--planner", planner(tmp_path, chat.address), "--to", to, capfd=capfd)
    assert "beyond the picture's edge at 1000" in beyond.err
    for each in (done, empty, beyond):
        assert each.code not in (cli.OK, cli.INTERRUPTED)
        assert "without --planner, each edit and its --box can be given by hand" in each.err
    assert not to.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "kind: language\nmodel:\n  model: m\n  base_ur: x",
            r"planner.yaml:4: unknown key 'model.base_ur'; did you mean",
        ),
        ("kind: langauge", r"planner.yaml:1: 'kind' of a planner is 'langauge'; did you mean 'language'\?"),
        ("model: {model: m}", r"planner.yaml:\d+: 'kind' of a planner is null; known: language, rules"),
        ("kind: language", "planner.yaml:1: 'model' is missing; add it"),
        ("kind: [rules", r"planner.yaml:\d+: not valid YAML"),
        ("kind: language\nmodel: {model: m, api_key_env: sk-abcdefghijklmnopqrstuvwx}", "holds what looks like a key"),
    ],
)
def test_a_planner_file_that_is_wrong_is_named_by_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "planner.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as refusal:
        load_planner(str(path))
    assert "sk-abc" not in str(refusal.value)


def test_a_planner_file_that_is_not_there_is_named_before_the_model_is_loaded(
    picture: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone.yaml"
    found = refused("edit", tmp_path / "no_model", picture, WORDS, "--planner", gone, capfd=capfd)
    assert "gone.yaml: there is no such file" in found


def test_the_key_of_a_planner_is_not_shown(
    model: Path,
    picture: Path,
    chat: Chat,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PLANNING_WORD", "opensesame77")
    chat.does(fails(400, "opensesame77 may not"))
    path = planner(tmp_path, chat.address, api_key_env="PLANNING_WORD")
    done = edit(model, picture, WORDS, "--planner", path, capfd=capfd)
    assert chat.headers[0]["authorization"] == "Bearer opensesame77"
    assert f"{HIDDEN} may not" in done.err
    assert "opensesame" not in done.err
