"""Configs, options and plugins as someone tired, hurried or malicious would give them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from building import PAINT, toy_config
from commands import call, refused

from datagen import cli
from datagen.pipeline import yaml_file as yamlfile

HEAD = "pipeline: toy\nplugins: [toys]\n"


def _lol() -> str:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    return "\n".join(["a0: &a0 [lol]", *levels, ""])


FILES = {
    "empty": ("", "holds nothing; a config is `key: value` lines"),
    "list": ("- pipeline\n", "holds no mapping; a config is `key: value` lines"),
    "bell": ("pipeline: a\x07b\n", "not valid YAML: unacceptable character #x0007"),
    "tab": ("pipeline:\n\t- toy\n", "x.yaml:2: not valid YAML: found character '\\t' that cannot start any token"),
    "bomb": (_lol(), "aliases make this file endless or huge; write the values out"),
    "circle": ("pipeline: &a [*a]\n", "aliases make this file endless or huge; write the values out"),
    "depth": ("pipeline: " + "[" * 9000, "not valid YAML: nested more than 64 deep"),
    "python": (
        "pipeline: !!python/object/apply:os.system ['touch pwned']\n",
        "x.yaml:1: the tag tag:yaml.org,2002:python/object/apply:os.system is not allowed; write plain values",
    ),
    "twice": ("pipeline: toy\npipeline: toy\n", "x.yaml:2: 'pipeline' stands twice here; remove one of the two"),
    "unknown key": (HEAD + "sede: 1\n", "x.yaml:3: unknown key 'sede'; did you mean 'seed'?"),
    "type": (HEAD + "seed: many\n", "x.yaml:3: 'seed' is 'many'; it has to be a whole number"),
    "nan": (HEAD + "output: {shard_mb: .nan}\n", "x.yaml:3: 'output.shard_mb' is nan; it has to be a finite number"),
    "beyond": (
        HEAD + "output: {shard_mb: 1e999}\n",
        "x.yaml:3: 'output.shard_mb' is inf; it has to be a finite number",
    ),
    "path as name": ("pipeline: ../../evil\n", "x.yaml:1: 'pipeline' is '../../evil'; it has to be text of the form"),
    "other letters": ("pipeline: добавить\n", "x.yaml:1: 'pipeline' is 'добавить'; it has to be text of the form"),
    "escape": ('pipeline: "\\e[31mred"\n', "x.yaml:1: 'pipeline' is '\\x1b[31mred'; it has to be text of the form"),
    "contradiction": (
        HEAD + "stages:\n  - use: paint\n    resources: {replicas: {min: 3, max: 2}}\n",
        "max (2) is less than min (3)",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_a_config_that_is_wrong_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    text, message = FILES[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.yaml").write_bytes(text.encode())
    error = refused("check", "x.yaml", capfd=capfd)
    assert error.startswith("error: x.yaml")
    assert message in error
    assert len(error) < 5000
    assert not (tmp_path / "pwned").exists()


def test_a_config_that_is_no_readable_file_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "nowhere.yaml: there is no such file" in refused("check", tmp_path / "nowhere.yaml", capfd=capfd)
    (tmp_path / "a.yaml").write_bytes(bytes(range(256)))
    assert f"is a folder; give a config file, such as {tmp_path}/a.yaml" in refused("check", tmp_path, capfd=capfd)
    message = refused("check", tmp_path / "a.yaml", capfd=capfd)
    assert "a.yaml: is no text in UTF-8 (invalid start byte at byte 129); a config is YAML" in message
    assert "cannot be read: Not a directory" in refused("check", tmp_path / "a.yaml" / "b.yaml", capfd=capfd)
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    assert "loop.yaml: cannot be read: Too many levels of" in refused("check", tmp_path / "loop.yaml", capfd=capfd)


def test_a_config_that_is_huge_or_endless_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "huge.yaml").write_text("#" * 1_000_001)
    for path in (tmp_path / "huge.yaml", Path("/dev/zero")):
        assert "is larger than 1,000,000 bytes; a config is a page or two" in refused("check", path, capfd=capfd)
    monkeypatch.setattr(yamlfile, "_MAX_NODES", 1000)
    (tmp_path / "many.yaml").write_text("pipeline: [" + "1," * 2000 + "]")
    assert "many.yaml:1: not valid YAML: more than" in refused("check", tmp_path / "many.yaml", capfd=capfd)


def test_of_endless_faults_the_first_are_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = toy_config(tmp_path, [{"use": f"nothing_{number}"} for number in range(200)])
    lines = refused("check", config, capfd=capfd).splitlines()
    assert len(lines) == 41
    assert lines[-1] == "... and 160 more"


SETS = {
    "": "write it as --set key=value",
    "=": "write it as --set key=value",
    "seed": "write it as --set key=value",
    ".=1": "write it as --set key=value",
    "seed=": "'seed' is null; it has to be a whole number",
    "seed=[": "not valid YAML",
    "seed=1e999": "'seed' is inf; it has to be",
    "seed=-1": "'seed' is -1",
    "seed=!!python/name:os.system": "the tag tag:yaml.org,2002:python/name:os.system is not allowed",
    "sede=1": "there is no stage or key 'sede'; did you mean 'seed'?",
    "se\x1b[31med=1": "there is no stage or key 'se\\x1b[31med'",
    "stages.0=1": "there is no stage or key 'stages'",
    "source=1": "'source' is 1; it has to be a mapping",
    "paint=1": "'paint' is a stage; set one of its options: --set paint.option=value",
    "paint.side.deep=1": "'side' is",
    "paint.resources.cpus=.nan": "'stages.0.resources.cpus' is nan",
}


@pytest.mark.parametrize("text", SETS)
def test_a_set_that_is_nonsense_is_told(tmp_path: Path, text: str, capfd: pytest.CaptureFixture[str]) -> None:
    message = refused("check", toy_config(tmp_path, [PAINT]), "--set", text, capfd=capfd)
    assert SETS[text] in message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--limit", "0"], "'--limit'"),
        (["--limit", "all"], "'--limit'"),
        (["--max-failed", "1.5"], "'--max-failed'"),
        (["--max-failed", "nan"], "'--max-failed'"),
        (["--in-flight-mb", "nan"], "'--in-flight-mb'"),
        (["--in-flight-mb", "inf"], "inf is no number that can be kept to"),
        (["--engine", "spark"], "'spark' is not one of"),
        (["--slices", "0/0"], "--slices takes I/N with I from 1 to N"),
        (["--slices", "3/2"], "--slices takes I/N with I from 1 to N"),
        (["--profile", "gpuu"], "there is no profile 'gpuu'"),
        (["--nonsense"], "No such option"),
    ],
)
def test_an_option_that_is_nonsense_is_told(
    tmp_path: Path, words: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    config = toy_config(tmp_path, [PAINT], profiles={"a": {}, "b": {}} if "--profile" in words else {})
    error = refused("run", config, "--out", tmp_path / "out", *words, capfd=capfd)
    assert message in error
    assert not (tmp_path / "out").exists()


def _plugin(folder: Path, monkeypatch: pytest.MonkeyPatch, *, name: str, code: str) -> Path:
    """A config that uses the stage `odd` of a package of this name."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").touch()
    (folder / name / "odd.py").write_text(code)
    monkeypatch.syspath_prepend(str(folder))
    return toy_config(folder, [{"use": "odd"}, PAINT], plugins=["toys", name])


ODD = """from datagen import Map
class Odd(Map):
    writes = ("task",)
    def process(self, batch):
        return [{"task": "toy"} for _ in batch]
"""


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("exits", "import sys\nsys.exit(0)\n", "SystemExit: 0"),
        ("lacks", "import no_such_package\n", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("broken", "1 +\n", "SyntaxError: invalid syntax"),
    ],
)
def test_a_plugin_that_fails_or_exits_at_import_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    code: str,
    message: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    config = _plugin(tmp_path, monkeypatch, name=name, code=code)
    assert f"stage 'odd' cannot be imported from {name}.odd: {message}" in refused("check", config, capfd=capfd)


def test_what_a_plugin_prints_at_import_is_no_part_of_the_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    config = _plugin(tmp_path, monkeypatch, name="prints", code="print('hello')\n" + ODD)
    result = call("plan", config, "--out", tmp_path / "out", "--json", capfd=capfd)
    assert result.code == cli.OK
    assert json.loads(result.out)["stages"]
    assert "hello" in result.err


@pytest.mark.parametrize("line", ["raise RuntimeError('no more')", "raise SystemExit(0)"])
def test_a_stage_that_fails_or_exits_as_it_starts_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    name = f"starts_{len(line)}"
    code = ODD + f"    def setup(self, device):\n        {line}\n"
    config = _plugin(tmp_path, monkeypatch, name=name, code=code)
    message = refused("run", config, "--engine", "local", "--out", tmp_path / "out", capfd=capfd)
    kind = line.removeprefix("raise ").partition("(")[0]
    assert f"stage 'odd' cannot start: {kind}: " in message
    assert f"{name}{os.sep}odd.py:7)" in message


def test_a_stage_that_exits_fails_its_record_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = toy_config(tmp_path, [{"use": "misbehave", "with": {"how": "exit"}}, PAINT])
    result = call("run", config, "--engine", "local", "--out", tmp_path / "out", capfd=capfd)
    assert result.code == cli.SOME_FAILED
    assert "8 failed" in result.out
