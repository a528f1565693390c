"""Secrets come from the environment, and are written nowhere."""

from __future__ import annotations

import base64
import html
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from building import PAINT, context_of, ledger_rows, plain_rows, run_local, toy_config, toy_graph
from chat_server import Chat, chatting, fails, says
from commands import call, refused
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from rings import example_count

from datagen import cli
from datagen.core import redact as redaction
from datagen.core.fields import Field
from datagen.core.redact import (
    escape_control,
    redact,
    redact_address,
    redact_data,
    redact_values,
    secret_in,
    variables_named_in,
)
from datagen.core.secret_forms import HIDDEN, holds, strike
from datagen.execute.run import worker_context_of
from datagen.execute.workers import state as workers_state
from datagen.execute.workers.operators import fuse
from datagen.execute.workers.slices import Job, Slice
from datagen.execute.workers.state import SliceState
from datagen.execute.workers.worker import Worker

SECRET = "hunter2-swordfish"
KEY = "orange-marmalade-9"
SIGNED = f"https://host.example/a.png?X-Amz-Credential=AKIA&X-Amz-Signature={SECRET}&size=3"
LOGIN = f"https://me:{SECRET}@host.example/b.png"


@pytest.mark.parametrize("path", [f"s3://me:{SECRET}@bucket/m.jsonl", SIGNED, f"s3://AKIA:{SECRET}/x+y@bucket/m.jsonl"])
def test_an_address_with_a_secret_is_refused_in_a_config(
    tmp_path: Path, path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    config = toy_config(tmp_path, [PAINT], source={"kind": "manifest", "path": path})
    message = refused("check", config, capfd=capfd)
    assert "'source.path' holds a " in message
    assert "put it into the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in message
    assert SECRET not in message
    sound = toy_config(tmp_path, [PAINT])
    message = refused("check", sound, "--set", f"source.path={path}", capfd=capfd)
    assert "'source.path' holds a " in message
    assert SECRET not in message


def test_a_key_is_refused_in_a_config_by_its_name_its_form_or_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPILT_API_KEY", KEY)
    for name, value, what in [
        ("api_key", SECRET, "a secret, by its name"),
        ("side", "sk-proj-0123456789abcdef", "what looks like a key of a service"),
        ("side", f"x{KEY}", "the value of the variable SPILT_API_KEY"),
    ]:
        message = refused("check", toy_config(tmp_path, [{**PAINT, "with": {name: value}}]), capfd=capfd)
        assert f"'stages.0.with.{name}' holds {what}; configs are saved with the dataset" in message
        assert value not in message


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
        message = refused(*words, capfd=capfd)
        assert message.startswith("error: s3://***@bucket/out holds a password in an address, which logs")
        assert SECRET not in message


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
    lines = [call("run", config, "--engine", "local", "--out", out, capfd=capfd)]
    assert lines[0].code == cli.SOME_FAILED
    lines += [call("show", out, row["id"], capfd=capfd) for row in rows]
    lines += [call("verify", out, capfd=capfd), call("retry", out, "--engine", "local", capfd=capfd)]
    ends = ledger_rows(out)
    assert "401 from https://***@host.example/b.png: no such key: ***" in ends["spill1"]["detail"]
    assert ends["pass0"]["source_uri"].endswith("X-Amz-Signature=***&size=3")
    written = [path.read_bytes() for path in out.rglob("*") if path.is_file()]
    for secret in (SECRET, KEY):
        assert not any(secret in one.out + one.err for one in lines)
        assert secret not in json.dumps(ends)
        assert not any(secret.encode() in data for data in written)


def test_an_address_without_secrets_stays_as_it_is() -> None:
    for address in (
        "s3://bucket/a@2x.png",
        "https://host.example:8080/a@2x.png?size=3&page=2",
        "package://skimage/data/rocket.jpg",
        "photos/me@home=1.jpg",
        "memory://a/b",
        "https://host.example/a.png?code=DE&session=3",
        "https://host.example/a.png?code=sku-00123",
        "https://host.example/a.png?author=anna-maria-2&keyword=cat1cat2cat3&monkey=1&barcode=x&design=4",
        "https://host.example/a.png#page=3",
        "abfs://pictures-2024-01@account.dfs.core.windows.net/a.png",
    ):
        assert redact_address(address) == address
        assert secret_in(address, {}) == ""


@pytest.mark.parametrize(
    "address",
    [
        f"https://{SECRET}@host.example/a.png",
        f"https://me:a@b{SECRET}@host.example/a@2x.png",
        f"https://{'eyJ1' * 300}@host.example/a.png",
        *(
            f"https://host.example/a.png?size=3&{name}={SECRET}&page=2"
            for name in (
                "auth", "code", "jwt", "subscription-key", "Ocp-Apim-Subscription-Key", "X-Auth", "access_token",
                "client_secret", "id_token", "sig", "passwd", "oauth_code", "ticket", "session",
            )
        ),
        f"https://host.example/a.png#token={SECRET}",
        f"https://host.example/a.png#state=1&access_token={SECRET}&type=x",
        f"https://host.example/a.png?next=https%3A%2F%2Fhost%2F%3Fjwt%3D{SECRET}%26size%3D2",
        f"see \"https://host.example/a.png?a=1\\u0026auth={SECRET}\" here",
        f'<a href="https://host.example/a.png?a=1&amp;auth={SECRET}">',
    ],
)  # fmt: skip
def test_a_secret_in_an_address_is_struck_out_wherever_it_stands(address: str) -> None:
    for shown in (redact_address(address), redact(address, {}), redact_data([address], {})[0]):
        assert HIDDEN in shown
        assert SECRET not in shown
        assert "eyJ1" not in shown
        assert shown.count("size") == address.count("size"), "the rest stays"
        assert redact(shown, {}) == redact(redact(shown, {}), {})
    assert secret_in(address, {}).endswith("in an address")


@settings(deadline=None)
@given(st.text(), st.sampled_from(["", "https://", "s3://", "?token=", "key=", "a:b@", "\x1b["]))
def test_striking_out_twice_is_striking_out_once(text: str, before: str) -> None:
    once = redact(before + text, {"A_KEY": KEY})
    assert redact(once, {"A_KEY": KEY}) == once
    shown = escape_control(before + text)
    assert escape_control(shown) == shown
    assert not {sign for sign in shown if ord(sign) < 32 or 127 <= ord(sign) < 160} - {"\n", "\t"}


@pytest.mark.parametrize(
    "part",
    [
        "a:b",
        "https://a",
        "x=",
        "token=",
        "sk-a",
        "?sig",
        "@",
        "a://b:c",
        " ",
        "?code=",
        "&code=a",
        "a://b@",
        "a://b:c@d@",
        KEY[:-1],
    ],
)
def test_long_text_is_struck_out_in_linear_time(part: str) -> None:
    begun = time.thread_time()
    redact(part * (200_000 // len(part)), {"A_KEY": KEY})
    assert time.thread_time() - begun < 5


def _base64_of_login(key: str) -> str:
    return base64.b64encode(f"user:{key}".encode()).decode()


ESCAPES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": lambda key: json.dumps(key)[1:-1],
    "JSON, not ASCII": lambda key: json.dumps(key, ensure_ascii=False)[1:-1],
    "JSON in JSON": lambda key: json.dumps(json.dumps(key))[1:-1],
    "repr": repr,
    "ascii": ascii,
    "repr of bytes": lambda key: repr(key.encode()),
    "repr in JSON": lambda key: json.dumps(repr(key)),
    "percent": lambda key: quote(key, safe=""),
    "percent, in small letters": lambda key: quote(key, safe="").lower() if key == key.lower() else quote(key),
    "percent twice": lambda key: quote(quote(key, safe=""), safe=""),
    "plus": quote_plus,
    "percent in JSON": lambda key: json.dumps(quote(key)),
    "JSON in percent": lambda key: quote(json.dumps(key)),
    "HTML": html.escape,
    "JSON in HTML": lambda key: html.escape(json.dumps(key)),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 with a user": _base64_of_login,
    "base64 for addresses": lambda key: base64.urlsafe_b64encode(f"me:{key}".encode()).decode(),
    "base64 in an address": lambda key: quote(_base64_of_login(key), safe=""),
    "hexadecimal": lambda key: key.encode().hex(),
}

KEYS = st.text(
    st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\"'\\/%&+= <>\n\t"), min_size=6, max_size=60
)


@settings(deadline=None, max_examples=example_count(300))
@given(
    KEYS, st.sampled_from(sorted(ESCAPES)), st.sampled_from(["", " ", "key=", '"', "a\\", "100% "]), st.text(max_size=5)
)
@example("a\"b'c\\d\ne", "JSON in JSON", "", "")
@example("p\u00e4ssw\u00f6rt \U0001f600!", "ascii", "", "")
@example("****ab", "plain", "*", "ab")
def test_a_key_is_found_in_every_escaped_form(key: str, form: str, before: str, after: str) -> None:
    key = key.strip()
    assume(len(key) >= redaction.SHORTEST_NAMED and len(key.strip("\\")) >= redaction.SHORTEST_NAMED)
    escaped = ESCAPES[form](key)
    text = f"{before}{escaped} {after}"
    shown = strike(text, [key])
    assert HIDDEN in shown
    assert key not in shown
    assert not holds(shown, key)
    core = escaped.strip("=")[8:-4] if "base64" in form else escaped
    assert not core or core not in shown
    assert strike(shown, [key]) == shown
    environ = {"SPILT_TOKEN": f" {key}\n"}
    if len(key) >= 8 and key == redaction.key_in("SPILT_TOKEN", environ):
        assert key not in redact(text, environ)
        assert redact(redact(text, environ), environ) == redact(text, environ)


@settings(deadline=None, max_examples=example_count(100))
@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_data_without_a_secret_stay_the_same_object(data: Any) -> None:
    assume(KEY not in json.dumps(data))
    assert redact_values(data, {"A_KEY": KEY}) is data
    if "://" not in json.dumps(data):
        assert redact_data(data, {"A_KEY": KEY, "TOKEN": "t", "HOME_TOKEN": "marmalade", "KEY_FILE": "/etc"}) is data


def test_what_only_looks_like_a_secret_stays_in_data() -> None:
    environ = {"KEYBOARD": "standard", "TOKENIZER_DIR": str(Path(__file__)), "SOME_TOKEN": "abc", "A_KEY": KEY}
    text = f"a standard keyboard, token: gold, {Path(__file__)}, abc, sk-12345678"
    assert redact_data(text, environ) == text
    assert redact_data({"a": [KEY, text]}, environ) == {"a": [HIDDEN, text]}


def test_a_text_among_numbers_is_redacted() -> None:
    numbers = [1, 2.5, None, True]
    assert redact_values([[*numbers, KEY], (*numbers, [KEY])], {"A_KEY": KEY}) == [
        [*numbers, "***"],
        (*numbers, ["***"]),
    ]
    assert redact_values([KEY], {"A_KEY": KEY}) == ["***"]


def test_the_environment_is_read_once_an_answer_and_bulky_fields_are_not_searched_for_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = [{"label": "cup", "box": [0, 0, n + 1, 1]} for n in range(5)]
    rows = [{**row, "objects": objects} for row in plain_rows(1)]
    graph = toy_graph(tmp_path, [{"use": "expand_objects"}, PAINT], rows=rows)
    reads: list[int] = []
    read = redaction._data_secrets
    monkeypatch.setattr(redaction, "_data_secrets", lambda environ: (reads.append(1), read(environ))[1])
    searched: list[Any] = []
    monkeypatch.setattr(workers_state, "redact_data", lambda data: (searched.append(data), redact_data(data))[1])
    state = SliceState.start(Job(Slice(0, tuple(graph.source.rows()))), catalogue=graph.catalogue)
    (live,) = state.live
    live.record = live.record.adding({"notes_bulky": [KEY]})
    state.catalogue = {**state.catalogue, "notes_bulky": Field("notes_bulky", "json", "", bulky=True)}
    runner = Worker(fuse(graph)[0], worker_context_of(context_of(graph, tmp_path)))
    reads.clear()
    runner.run([state])
    assert len(state.live) == len(objects)
    assert len(reads) == 1 + 1 + 5, "the answer of all children, the row of their parent, an answer for each child"
    assert searched
    assert not any("notes_bulky" in data for data in searched)


def test_the_variables_of_keys_are_those_that_options_name() -> None:
    options = {
        "api_key_env": "LLM_AUTH",
        "source": {"storage_options": {"AUTH_ENV": "PAT"}},
        "stages": [{"with": {"models": [{"bearer_env": ["A", "B"]}, {"headers_env": {"x": "C"}}]}}],
        "environment": "NO",
        "env": "NO",
        "key": "NO",
        "empty_env": "",
        "odd_env": "not a name",
    }
    assert variables_named_in(options) == {"LLM_AUTH", "PAT", "A", "B", "C"}


BEARER = 'öra"nge/mar\\malade+9'


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_named", set())


@pytest.fixture
def chat() -> Iterator[Chat]:
    with chatting() as server:
        yield server


def _nowhere(key: str, out: Path, results: list[Any]) -> None:
    """No file and no output has the key in any form."""
    texts = [one.out + one.err for one in results]
    if (out / "dataset.json").exists():
        texts += [json.dumps(ledger_rows(out))]
    texts += [path.read_bytes().decode("latin-1") for path in out.rglob("*") if path.is_file()]
    texts += [path.read_bytes().decode("utf-8", "ignore") for path in out.rglob("*") if path.is_file()]
    assert not any(holds(text, key) for text in texts)


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("key", [f"{BEARER}\n", f' "Bearer {BEARER}"'])
def test_a_key_that_a_plugins_default_names_is_written_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], key: str
) -> None:
    monkeypatch.setenv("VLLM_BEARER", key)
    bare = redaction.key_in("VLLM_BEARER")
    rows = [
        {
            "id": how,
            "uri": f"https://host.example/{bare}.png",
            "caption": how,
            "objects": [{"label": bare, "box": [0, 0, 1, 1]}],
        }
        for how in ("answer", "reject", "raise", "cut")
    ]
    rows += [{"id": f"id-{bare}", "uri": "a.png", "caption": "answer"}]
    config = toy_config(tmp_path, [{"use": "leak", "durable": True}, PAINT], rows=rows)
    out = tmp_path / "out"
    lines = [call("check", config, capfd=capfd), call("run", config, "--engine", "local", "--out", out, capfd=capfd)]
    assert lines[1].code == cli.SOME_FAILED
    ends = ledger_rows(out)
    assert {row["status"] for row in ends.values()} == {"accepted", "rejected", "failed"}
    assert ends["reject"]["detail"].replace("Bearer ", "").replace('"', "") == "401: ***"
    assert HIDDEN in ends["raise"]["detail"]
    assert "***" in ends["cut"]["detail"]
    assert json.loads(ends["answer"]["fields"])["target_caption"].count(HIDDEN) == 6
    lines += [call("show", out, "raise", capfd=capfd), call("show", out, "answer", "--json", capfd=capfd)]
    for words in (["status", out], ["status", out, "--json"], ["report", out], ["verify", out], ["plan", config]):
        lines.append(call(*words, capfd=capfd))
    lines.append(call("retry", out, "--engine", "local", capfd=capfd))
    assert {one.code for one in lines} == {cli.OK, cli.SOME_FAILED}
    _nowhere(bare, out, lines)
    before = {id: row["fields"] for id, row in ends.items()}
    again = call("run", config, "--engine", "local", "--out", tmp_path / "out", "--set", "slice_size=2", capfd=capfd)
    assert again.code == cli.SOME_FAILED
    assert {id: row["fields"] for id, row in ledger_rows(out).items()} == before


@pytest.mark.usefixtures("forgetful")
def test_a_key_in_an_answer_is_kept_nowhere_and_a_rerun_reads_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chat: Chat
) -> None:
    key = "0range-marmalade"
    monkeypatch.setenv("LLM_AUTH", f"{key}\n")
    escaped = "".join(f"\\u{ord(char):04x}" for char in key)
    chat.does(says(f'{{"remark": "you sent {escaped}, {_base64_of_login(key)}"}}'))
    model = {"kind": "openai", "model": "m", "base_url": chat.address, "api_key_env": "LLM_AUTH"}

    def stages(mood: str) -> list[Any]:
        return [{"use": "consult", "with": {"model": model, "mood": mood}}, PAINT]

    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, stages("")), out)
    fresh = {id: json.loads(row["fields"])["remark"] for id, row in ledger_rows(out).items()}
    assert all(remark.startswith("you sent ***, ") for remark in fresh.values())
    _nowhere(key, out, [])
    run_local(toy_graph(tmp_path, stages("glum")), out)
    assert len(chat.requests) == 8, "the kept replies were read"
    assert {id: json.loads(row["fields"])["remark"] for id, row in ledger_rows(out).items()} == fresh
    assert {requests["authorization"] for requests in chat.requests if "authorization" in requests} <= {f"Bearer {key}"}


@pytest.mark.usefixtures("forgetful")
def test_an_error_of_a_service_repeats_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chat: Chat, capfd: pytest.CaptureFixture[str]
) -> None:
    key = "0range-marmalade"
    monkeypatch.setenv("OPENAI_PAT", key)
    chat.does(fails(401, f"who is {key}?"))
    model = {"kind": "openai", "model": "m", "base_url": chat.address, "api_key_env": "OPENAI_PAT"}
    config = toy_config(tmp_path, [{"use": "consult", "with": {"model": model}}, PAINT])
    out = tmp_path / "out"
    result = call("run", config, "--engine", "local", "--out", out, capfd=capfd)
    assert "who is ***?" in result.err
    _nowhere(key, out, [result])


@pytest.mark.ray
@pytest.mark.usefixtures("forgetful")
def test_workers_and_commands_on_an_out_know_the_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    graph = toy_graph(tmp_path, [{"use": "leak", "with": {"services": [{"bearer_env": "ONE"}]}}, PAINT])
    context = worker_context_of(context_of(graph, tmp_path / "out"))
    assert context.secret_variables == {"ONE"}
    monkeypatch.setattr(redaction, "_named", set())
    Worker(fuse(graph)[0], context)
    assert redaction._named == {"ONE"}
    monkeypatch.setenv("ONE", BEARER)
    run_local(graph, tmp_path / "out")
    for words in (["status"], ["show", "r1"], ["report"], ["verify"], ["gc"], ["retry"], ["diff", tmp_path / "out"]):
        monkeypatch.setattr(redaction, "_named", set())
        call(words[0], tmp_path / "out", *words[1:], capfd=capfd)
        assert redaction._named == {"ONE"}, words


@pytest.mark.usefixtures("forgetful")
def test_a_key_that_is_too_short_is_told_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    config = toy_config(tmp_path, [{"use": "leak"}, PAINT])
    for key, note in [
        ("a", "has fewer than 6 characters: it is not struck out"),
        ("garden", "is a plain word: it is struck out wherever it stands"),
    ]:
        monkeypatch.setenv("VLLM_BEARER", key)
        assert f"note: the key in the environment variable VLLM_BEARER {note}" in call("check", config, capfd=capfd).out
    assert redact_values("a garden", {"VLLM_BEARER": "a"}) == "a garden"


def test_a_key_in_the_place_of_a_variables_name_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    message = refused("check", toy_config(tmp_path, [{**PAINT, "with": {"api_key_env": SECRET}}]), capfd=capfd)
    assert "'stages.0.with.api_key_env' holds what is no name of an environment variable" in message
    assert SECRET not in message


@pytest.mark.parametrize(
    "part", ["%41", "\\", "\\u0041", "&amp;", '{"a": "b"}, ', "a caption & more, ", KEY, "orange-marmalade-", "+"]
)
def test_megabytes_are_searched_for_secrets_in_linear_time(part: str) -> None:
    begun = time.thread_time()
    strike(part * (1_000_000 // len(part)), [f"{KEY}{n}" for n in range(5)] + [KEY])
    assert time.thread_time() - begun < 5
