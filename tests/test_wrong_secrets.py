"""Secrets come from the environment, and are written nowhere."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from building import PAINT, ledger_rows, toy_config
from commands import call, refused
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen import cli
from datagen.core.redact import escape_control, redact, redact_address, secret_in

SECRET = "hunter2-swordfish"
KEY = "orange-marmalade-9"
SIGNED = f"https://host.example/a.png?X-Amz-Credential=AKIA&X-Amz-Signature={SECRET}&size=3"
LOGIN = f"https://me:{SECRET}@host.example/b.png"


@pytest.mark.parametrize("path", [f"s3://me:{SECRET}@bucket/m.jsonl", SIGNED, f"s3://AKIA:{SECRET}/x+y@bucket/m.jsonl"])
def test_an_address_with_a_secret_is_refused_in_a_config(
    tmp_path: Path, path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    config = toy_config(tmp_path, [PAINT], source={"kind": "manifest", "path": path})
    told = refused("check", config, capfd=capfd)
    assert "'source.path' holds a " in told
    assert "put it into the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in told
    assert SECRET not in told
    sound = toy_config(tmp_path, [PAINT])
    told = refused("check", sound, "--set", f"source.path={path}", capfd=capfd)
    assert "'source.path' holds a " in told
    assert SECRET not in told


def test_a_key_is_refused_in_a_config_by_its_name_its_form_or_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPILT_API_KEY", KEY)
    for name, value, what in [
        ("api_key", SECRET, "a secret, by its name"),
        ("side", "sk-proj-0123456789abcdef", "what looks like a key of a service"),
        ("side", f"x{KEY}", "the value of the variable SPILT_API_KEY"),
    ]:
        told = refused("check", toy_config(tmp_path, [{**PAINT, "with": {name: value}}]), capfd=capfd)
        assert f"'stages.0.with.{name}' holds {what}; configs are saved with the dataset" in told
        assert value not in told


def test_an_out_with_a_password_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = f"s3://me:{SECRET}@bucket/out"
    for words in (
        ["run", toy_config(tmp_path, [PAINT]), "--engine", "local", "--out", out],
        ["plan", toy_config(tmp_path, [PAINT]), "--out", out],
        ["verify", out],
        ["show", out, "r1"],
        ["retry", out],
        ["gc", out],
    ):
        told = refused(*words, capfd=capfd)
        assert told.startswith("error: s3://***@bucket/out holds a password in an address, which logs")
        assert SECRET not in told


def test_no_secret_of_a_row_or_of_the_environment_is_written_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPILT_API_KEY", KEY)
    rows = [
        {"id": f"{word}{n}", "uri": uri, "caption": word}
        for n, uri in enumerate([SIGNED, LOGIN])
        for word in ("spill", "pass")
    ]
    rows += [{"id": "odd", "uri": LOGIN, "objects": SIGNED}]
    config, out = toy_config(tmp_path, [{"use": "spill"}], rows=rows), tmp_path / "out"
    said = [call("run", config, "--engine", "local", "--out", out, capfd=capfd)]
    assert said[0].code == cli.SOME_FAILED
    said += [call("show", out, row["id"], capfd=capfd) for row in rows]
    said += [call("verify", out, capfd=capfd), call("retry", out, "--engine", "local", capfd=capfd)]
    ends = ledger_rows(out)
    assert "401 from https://***@host.example/b.png: no such key: ***" in ends["spill1"]["detail"]
    assert ends["pass0"]["source_uri"].endswith("X-Amz-Signature=***&size=3")
    written = [path.read_bytes() for path in out.rglob("*") if path.is_file()]
    for secret in (SECRET, KEY):
        assert not any(secret in one.out + one.err for one in said)
        assert secret not in json.dumps(ends)
        assert not any(secret.encode() in data for data in written)


def test_an_address_without_secrets_stays_as_it_is() -> None:
    for address in (
        "s3://bucket/a@2x.png",
        "https://host.example:8080/a@2x.png?size=3&page=2",
        "package://skimage/data/rocket.jpg",
        "photos/me@home=1.jpg",
        "memory://a/b",
    ):
        assert redact_address(address) == address
        assert secret_in(address, {}) == ""


@settings(deadline=None)
@given(st.text(), st.sampled_from(["", "https://", "s3://", "?token=", "key=", "a:b@", "\x1b["]))
def test_striking_out_twice_is_striking_out_once(text: str, before: str) -> None:
    once = redact(before + text, {"A_KEY": KEY})
    assert redact(once, {"A_KEY": KEY}) == once
    shown = escape_control(before + text)
    assert escape_control(shown) == shown
    assert not {sign for sign in shown if ord(sign) < 32 or 127 <= ord(sign) < 160} - {"\n", "\t"}


@pytest.mark.parametrize("part", ["a:b", "https://a", "x=", "token=", "sk-a", "?sig", "@", "a://b:c", " "])
def test_long_text_is_struck_out_in_linear_time(part: str) -> None:
    begun = time.perf_counter()
    redact(part * (200_000 // len(part)), {})
    assert time.perf_counter() - begun < 5
