"""What all commands have in common: help by examples, JSON for scripts, quiet ends, and completion by the shell."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from building import PAINT, plain_rows, run_local, toy_config, toy_graph
from commands import call
from conftest import ROOT
from typer.testing import CliRunner

import datagen
from datagen import cli
from datagen.cli import completion

COMMANDS = sorted(
    str(command.name or command.callback.__name__) for command in cli.app.registered_commands if command.callback
)
PLAIN = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run in a folder with its config, `toy.yaml`."""
    folder = tmp_path_factory.mktemp("toy")
    run_local(
        toy_graph(folder, [{"use": "sift"}, {"use": "fan_out"}, PAINT], rows=plain_rows(12)), folder / "out" / "toy"
    )
    return folder / "out" / "toy"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_by_examples(command: str) -> None:
    helped = CliRunner().invoke(cli.app, [command, "--help"])
    assert helped.exit_code == 0
    assert f"python -m datagen {command} " in helped.output
    assert max(map(len, helped.output.splitlines())) <= 120


def test_the_first_page_names_every_command() -> None:
    output = CliRunner().invoke(cli.app, ["--help"]).output
    for command in COMMANDS:
        assert f"  {command} " in output


def _words(out: Path) -> dict[str, list[str | Path]]:
    config = out.parent.parent / "toy.yaml"
    return {
        "check": ["check", config],
        "describe": ["describe", "stages"],
        "verify": ["verify", out],
        "show": ["show", out, "r0"],
        "status": ["status", out],
        "gc": ["gc", out, "--dry-run"],
        "plan": ["plan", config, "--out", out],
        "diff": ["diff", out, out],
    }


@pytest.mark.parametrize("command", ["check", "describe", "verify", "show", "status", "gc", "plan", "diff"])
def test_json_is_all_there_is_on_standard_output(command: str, out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = call(*_words(out)[command], "--json", capfd=capfd)
    assert result.code == cli.OK, result.err
    assert result.data
    plain = call(*_words(out)[command], capfd=capfd)
    assert plain.code == cli.OK
    assert plain.out
    assert "\x1b" not in plain.out + plain.err + result.out + result.err


def test_check_tells_a_script_what_is_wrong(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = toy_config(tmp_path, [{"use": "sfit"}, {"use": "paint", "with": {"side": 0}}])
    result = call("check", config, "--json", capfd=capfd)
    assert (result.code, result.err, result.data["sound"]) == (cli.WRONG, "", False)
    assert "did you mean 'sift'?" in result.data["faults"][0]
    assert len(result.data["faults"]) == 2


def test_verify_tells_a_script_what_is_damaged(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run_local(toy_graph(tmp_path, [PAINT]), tmp_path / "out")
    shard = next((tmp_path / "out" / "shards").iterdir())
    shard.write_bytes(shard.read_bytes()[:-1])
    result = call("verify", tmp_path / "out", "--json", capfd=capfd)
    assert (result.code, result.data["whole"]) == (cli.BROKEN, False)
    assert result.data["problems"][0]["file"] == f"shards/{shard.name}"
    mended = call("verify", tmp_path / "out", "--repair", "--json", capfd=capfd)
    assert (mended.code, mended.data["whole"], mended.data["problems"]) == (cli.OK, True, [])
    assert mended.data["repaired"]


@pytest.mark.parametrize("topic", ["stages", "fields", "sources", "models", "config", "segment_subject"])
def test_describe_gives_an_editor_what_it_needs(topic: str, capfd: pytest.CaptureFixture[str]) -> None:
    result = call("describe", topic, "--json", capfd=capfd)
    assert result.code == cli.OK
    if topic == "config":
        assert result.data["properties"]["slice_size"]["minimum"] == 1
    if topic == "segment_subject":
        assert "segmenter" in result.data["options"]["properties"]
    wrong = call("describe", f"{topic}x", "--json", capfd=capfd)
    assert (wrong.code, wrong.out) == (cli.WRONG, "")
    assert f"did you mean '{topic}'?" in wrong.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rnu"], "No such command 'rnu'. Did you mean 'run'?"),
        (["check", "toy.yaml", "--jsn"], "No such option: --jsn (Possible options: --json"),
        (["status"], "Missing argument 'OUT'."),
        (["status", "a", "b"], "unexpected extra argument"),
        (["plan", "toy.yaml", "--estimate", "many"], "Invalid value for '--estimate'"),
    ],
)
def test_a_slip_of_the_keyboard_is_told_with_what_was_meant(
    words: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    result = call(*words, capfd=capfd)
    assert (result.code, result.out) == (cli.WRONG, "")
    assert result.err.splitlines()[-1].startswith("Error: ")
    assert message in result.err
    assert "Traceback" not in result.err


@pytest.mark.subprocess
def test_a_reader_that_leaves_early_ends_it_quietly(out: Path) -> None:
    line = f"{shlex.quote(sys.executable)} -m datagen describe config | head -1"
    process = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=PLAIN, check=True)
    assert (process.stdout, process.stderr) == ("# Config reference\n", "")
    with subprocess.Popen(
        [sys.executable, "-m", "datagen", "status", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=PLAIN
    ) as running:
        assert running.stdout
        assert running.stderr
        running.stdout.close()
        assert running.stderr.read() == b""


@pytest.fixture(scope="module")
def shell(out: Path) -> Path:
    """A folder with a program `datagen`, as an installed one is, and the script that completes it."""
    folder = out.parent.parent
    program = folder / "bin" / "datagen"
    program.parent.mkdir()
    code = "from datagen.__main__ import leave; leave()"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.argv[0] = 'datagen'\n{code}\n")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    return folder


def _in_bash(folder: Path, script: str) -> str:
    variables = {**PLAIN, "PATH": f"{folder / 'bin'}:{PLAIN['PATH']}", "HOME": str(folder)}
    # typer takes the parent process for the shell: `exit` keeps bash there, which else a last command would replace.
    script = f"{script}\nexit $?"
    process = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    return process.stdout


@pytest.mark.subprocess
def test_completion_is_installed_for_the_command_that_a_shell_can_complete(shell: Path) -> None:
    python = shlex.quote(sys.executable)
    found = _in_bash(shell, f"{python} -m datagen --install-completion")
    assert "bash completion installed" in found
    script = (shell / ".bash_completions" / "datagen.sh").read_text()
    assert "complete -o default -F _datagen_completion datagen" in script
    assert _in_bash(shell, "datagen --show-completion").strip() == script.strip()


@pytest.mark.subprocess
def test_bash_completes_commands_configs_profiles_stages_folders_and_keys(shell: Path) -> None:
    (shell / "toy.yaml").write_text((shell / "toy.yaml").read_text() + "profiles: {small: {}, large: {}}\n")
    [key, *_] = sorted(sample.key for sample in datagen.open(str(shell / "out" / "toy")))
    cases = {
        "datagen stat": ["status"],
        "datagen check to": ["toy.yaml"],
        "datagen run toy.yaml --profile s": ["small"],
        "datagen describe segment_s": ["segment_subject"],
        "datagen show ou": ["out/"],
        "datagen show ''": ["out/toy"],
        f"datagen show out/toy {key[:-1]}": [key],
        "datagen show nowhere r": [],
        "datagen plan nowhere.yaml --profile s": [],
    }
    lines = [f"source {shell}/.bash_completions/datagen.sh"]
    for line in cases:
        words = " ".join(shlex.quote(word) for word in line.split())
        lines += [f"COMP_WORDS=({words.replace(chr(39) + chr(39), '')})", f"COMP_CWORD={len(line.split()) - 1}"]
        lines += ["COMPREPLY=()", "_datagen_completion datagen", 'echo "${COMPREPLY[*]}" | tr "\\n" " "; echo']
    found = [line.split() for line in _in_bash(shell, "\n".join(lines)).splitlines()]
    for (line, wanted), offered in zip(cases.items(), found, strict=True):
        assert (offered[:1], bool(wanted)) == (wanted, bool(offered)), line


def test_words_are_offered_from_what_is_there(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = out.parent.parent
    monkeypatch.chdir(folder)
    (folder / "configs").mkdir()
    (folder / "configs" / "one.yaml").write_text("profiles: {small: {}, large: {}}")
    (folder / "configs" / "notes.txt").touch()
    (folder / ".hidden").mkdir()
    assert completion.configs("") == ["configs/one.yaml"]
    assert completion.configs("configs/") == ["configs/one.yaml"]
    assert completion.outs("") == ["out/toy"]
    assert completion.outs("o") == ["out/"]
    assert completion.outs(".h") == [".hidden/"]
    assert completion.outs("nowhere/x") == []
    assert completion.topics("sour") == ["sources"]
    assert "segment_subject" in completion.topics("seg")

    class Typed:
        params: dict[str, object] = {"config": None, "out": out}
        args = ["configs/one.yaml"]

    typed: Any = Typed()
    assert completion.profiles(typed, "s") == ["small"]
    assert completion.keys(typed, "r") == sorted(sample.key for sample in datagen.open(str(out)))
    Typed.args, Typed.params = [], {}
    assert (completion.profiles(typed, ""), completion.keys(typed, "")) == ([], [])
