"""The examples in the help of every command are true: what they name exists, and `check` accepts their configs."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from commands import call
from conftest import ROOT
from typer.main import get_command
from typer.testing import CliRunner

from datagen import cli
from datagen.pipeline.yaml_file import read_yaml
from datagen.shards.sample import key_of

GROUP: Any = get_command(cli.app)
SHIPPED = ("configs/", "docs/", "manifests/", "stages/")
OUTCOMES: dict[str, str] = json.loads((Path(__file__).parent / "demo_outcomes.json").read_text())
EXAMPLE = re.compile(r"^ .*?python -m datagen (.+)$", re.MULTILINE)


class Example(NamedTuple):
    """A line of a command's help."""

    words: tuple[str, ...]
    comment: str
    """What stands behind it, after two blanks or more."""

    def __str__(self) -> str:
        return shlex.join(self.words)

    def params(self) -> dict[str, Any]:
        """Arguments and options as the command would read them. Raises a usage error for an option that is not there."""
        with GROUP.make_context("datagen", list(self.words), resilient_parsing=True) as context:
            name, command, rest = GROUP.resolve_command(context, list(self.words))
            with command.make_context(name, rest, parent=context) as inner:
                return dict(inner.params)


def examples_of(text: str) -> list[Example]:
    """The examples in a help text; of a line of shell, what stands before a pipe or a redirection."""
    found = []
    for line in EXAMPLE.findall(text):
        command, _, comment = re.sub(r" {2,}", "\0", line, count=1).partition("\0")
        words = shlex.split(command)
        end = next((at for at, word in enumerate(words) if word in ("|", ">")), len(words))
        found.append(Example(tuple(words[:end]), comment.strip()))
    return found


def _examples() -> list[Example]:
    pages = [[], *([name] for name in sorted(GROUP.commands))]
    shown = [CliRunner().invoke(cli.app, [*page, "--help"]).output.partition("\n\n")[2] for page in pages]
    return list(dict.fromkeys(example for text in shown for example in examples_of(text)))


EXAMPLES = _examples()
WITH_CONFIG = [example for example in EXAMPLES if example.words[0] in ("check", "plan", "run")]


def missing_files(example: Example, *, root: Path) -> list[str]:
    """Words of an example that name a file of this repository which is not there; `--to` names one to be written."""
    read = [value for name, value in example.params().items() if name != "to"]
    return [str(word) for word in read if str(word).startswith(SHIPPED) and not (root / str(word)).exists()]


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_there_are_examples_of_every_command() -> None:
    assert {example.words[0] for example in EXAMPLES} == set(GROUP.commands)
    assert any(example.params()["sets"] for example in WITH_CONFIG)
    assert any(example.comment for example in WITH_CONFIG)


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_the_options_and_files_of_an_example_exist(example: Example) -> None:
    assert missing_files(example, root=ROOT) == []


@pytest.mark.parametrize("example", WITH_CONFIG, ids=str)
def test_the_config_of_an_example_is_sound(example: Example, capfd: pytest.CaptureFixture[str]) -> None:
    params = example.params()
    sets = [word for text in params["sets"] or [] for word in ("--set", text)]
    profile = ["--profile", params["profile"]] if params["profile"] else []
    done = call("check", params["config"], *profile, *sets, capfd=capfd)
    if example.comment.startswith("an error"):  # it shows how `check` answers: what is set exists, its value is wrong
        assert done.code == cli.WRONG
        assert "input should be" in done.err
    else:
        assert done.code == cli.OK, done.err


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.words[0] == "describe"], ids=str)
def test_what_an_example_describes_exists(example: Example, capfd: pytest.CaptureFixture[str]) -> None:
    assert call(*example.words, capfd=capfd).code == cli.OK


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.words[0] == "show"], ids=str)
def test_the_sample_of_an_example_is_in_the_demo(example: Example) -> None:
    key = example.params()["key"]
    accepted = {key_of(id): id for id, outcome in OUTCOMES.items() if outcome == "accepted"}
    if "--to" in example.words and "rejected.png" in example.words:
        assert OUTCOMES[key] != "accepted"
    else:
        assert key in accepted


def test_the_dataset_of_an_example_is_one_that_a_shipped_config_or_another_example_makes() -> None:
    made = {f"out/{read_yaml(path).data['pipeline']}" for path in (ROOT / "configs").glob("*.yaml")}
    made |= {example.params()["out"] for example in WITH_CONFIG if example.words[0] == "run"}
    for example in EXAMPLES:
        params = example.params()
        for name in ("out", "a", "b"):
            if str(params.get(name) or "").startswith("out/"):
                assert params[name] in made, example


def test_an_example_that_is_wrong_is_found(capfd: pytest.CaptureFixture[str]) -> None:
    """Each check above does fail for what it looks for."""
    lines = """
  python -m datagen run configs/subject_add.yaml --set segment.segmenter.kind=grabcut
  python -m datagen check configs/nowhere.yaml --json | jq .faults
  python -m datagen plan configs/subject_add.yaml --estimated 100     what it costs
  watch -n 60 python -m datagen status out/subject_add > log
"""
    no_stage, no_file, no_option, sound = examples_of(lines)
    with pytest.raises(AssertionError, match="there is no stage or key 'segment'"):
        test_the_config_of_an_example_is_sound(no_stage, capfd)
    assert missing_files(no_file, root=ROOT) == ["configs/nowhere.yaml"]
    with pytest.raises(Exception, match="No such option: --estimated"):
        missing_files(no_option, root=ROOT)
    assert no_option.comment == "what it costs"
    assert sound == Example(("status", "out/subject_add"), "")
    assert missing_files(sound, root=ROOT) == []
