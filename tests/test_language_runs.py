"""Runs that ask a language model: nothing is paid for twice, budgets end them cleanly, limits hold for all workers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_server import answers, batching
from building import PAINT, Quiet, ledger_rows, plain_rows, run_local, toy_config, toy_graph
from chaos import kill, running
from chat_server import Act, Chat, Request, chatting, fails, says, words_of
from examples import small_manifest

from datagen.cli import INTERRUPTED, main
from datagen.core.errors import AllowanceError, ConfigError, SetupError, StoreError
from datagen.execute.maintain.gc import collect_garbage
from datagen.execute.maintain.verify import verify
from datagen.execute.reuse.answer_cache import AnswerCache
from datagen.execute.reuse.fingerprints import stage_fingerprints
from datagen.execute.run import RunOptions, run
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.storage.append_log import AppendLog


@pytest.fixture
def chat() -> Iterator[Chat]:
    with chatting() as server:
        server.does(says({"remark": "nice"}))
        yield server


def stages(chat: Chat, *, mood: str = "", concurrency: int = 4, **options: Any) -> list[Any]:
    model = {"kind": "openai", "model": "m", "base_url": chat.address, "api_key_env": "", **options}
    consult = {"use": "consult", "with": {"model": model, "mood": mood}, "resources": {"concurrency": concurrency}}
    return [consult, PAINT]


def captions(chat: Chat) -> list[str]:
    """What was asked about, in order."""
    return [words_of(requests).splitlines()[-1] for requests in chat.requests]


def test_cost_stands_in_the_ledger_and_a_new_fingerprint_pays_nothing(tmp_path: Path, chat: Chat) -> None:
    prices = {"usd_per_million_in": 1000, "usd_per_million_out": 1000}
    out = tmp_path / "out"
    summary = run_local(toy_graph(tmp_path, stages(chat, **prices)), out)
    rows = ledger_rows(out).values()
    assert [row["tokens"] for row in rows] == [15] * 8
    assert sum(row["usd"] for row in rows) == pytest.approx(8 * 0.015)
    assert [json.loads(row["stage_tokens"]) for row in rows] == [{"consult": 15}] * 8
    assert sum(json.loads(row["stage_usd"])["consult"] for row in rows) == pytest.approx(8 * 0.015)
    assert summary.stage_counters["consult"].tokens == 120
    again = run_local(toy_graph(tmp_path, stages(chat, mood="glum", **prices)), out)
    assert (len(chat.requests), again.stage_counters["consult"].tokens) == (8, 0)
    assert again.stage_counters["consult"].calls == 8, "the stage ran, and found what it asked"
    collect_garbage(str(out))
    run_local(toy_graph(tmp_path, stages(chat, mood="gay")), out)
    assert len(chat.requests) == 8, "gc keeps what was paid for"


def test_what_says_how_fast_is_in_no_fingerprint(tmp_path: Path, chat: Chat) -> None:
    def prints(**options: Any) -> dict[str, str]:
        return stage_fingerprints(toy_graph(tmp_path, stages(chat, **options)))

    paces = {
        "timeout_s": 9,
        "retries": 1,
        "requests_per_minute": 60,
        "budget_tokens": 9,
        "base_url": "http://else/v1",
        "batch": {},
    }
    assert prints(**paces) == prints()
    for option in ({"model": "n"}, {"weights": "b"}, {"temperature": 1}, {"max_tokens": 9}, {"image_side": 99}):
        assert prints(**option) != prints(), option


@pytest.mark.parametrize("fault", [fails(429, Retry_After="1"), fails(500), says("hm")])
def test_what_passes_costs_no_record(tmp_path: Path, chat: Chat, fault: Act) -> None:
    def act(request: Request, number: int) -> Act:
        return fault if number == 2 else says({"remark": "nice"})

    chat.act = act
    run_local(toy_graph(tmp_path, stages(chat)), tmp_path / "out")
    assert {row["status"] for row in ledger_rows(tmp_path / "out").values()} == {"accepted"}
    assert len(chat.requests) == 9


def test_a_refusal_fails_its_record_alone(tmp_path: Path, chat: Chat) -> None:
    def act(request: Request, number: int) -> Act:
        return says("", refusal="not this one") if "c3" in words_of(request) else says({"remark": "nice"})

    chat.act = act
    run_local(toy_graph(tmp_path, stages(chat)), tmp_path / "out")
    failed = [row for row in ledger_rows(tmp_path / "out").values() if row["status"] == "failed"]
    assert [row["id"] for row in failed] == ["r3"]
    assert failed[0]["detail"] == f"m at {chat.address} refuses: not this one"


def test_a_server_that_wants_another_key_ends_the_run(tmp_path: Path, chat: Chat) -> None:
    chat.does(fails(401, "who are you"))
    with pytest.raises(SetupError, match="refuses calls without a key"):
        run_local(toy_graph(tmp_path, stages(chat)), tmp_path / "out")
    assert len(chat.requests) <= 4, "no more than were in flight"


def until_done(graph: Any, out: Path, *, engine: Any, runs: int = 30) -> int:
    """Run again and again; how often the budget ended it."""
    for ended in range(runs):
        try:
            run(graph, out=str(out), options=RunOptions(engine), watcher=Quiet())
        except AllowanceError as error:
            assert "of `budget_tokens: 400` are used" in str(error)  # noqa: PT017 - it may also end well
        else:
            return ended
    raise AssertionError("it never ends")


def test_a_budget_ends_the_run_and_the_same_command_goes_on(tmp_path: Path, chat: Chat) -> None:
    graph = toy_graph(tmp_path, stages(chat, budget_tokens=400, max_tokens=100), rows=plain_rows(50))
    assert until_done(graph, tmp_path / "out", engine="local") >= 2
    assert sorted(captions(chat)) == sorted(f"c{n}" for n in range(50)), "each is paid for once"
    assert verify(str(tmp_path / "out")) == []


def test_a_spent_budget_is_no_breakdown(
    tmp_path: Path, chat: Chat, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = toy_config(tmp_path, stages(chat, budget_tokens=100))
    monkeypatch.setattr(
        "sys.argv", ["datagen", "run", str(config), "--engine", "local", "--out", str(tmp_path / "out")]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == INTERRUPTED
    assert "what is done is kept, and the same command goes on" in capsys.readouterr().err


@pytest.mark.subprocess
def test_a_killed_run_repeats_no_more_calls_than_were_in_flight(tmp_path: Path, chat: Chat) -> None:
    chat.delay = 0.1
    config = toy_config(tmp_path, stages(chat, concurrency=6), rows=plain_rows(60), slice_size=30)
    out = tmp_path / "out"
    with running(config, out, words=("--engine", "local")) as process:
        while len(chat.requests) < 25:
            time.sleep(0.01)
        kill(process.process.pid)
        process.process.wait()
    requests = len(chat.requests)
    assert requests < 60
    chat.delay = 0.0
    run_local(build(load(config)), out)
    assert len(set(captions(chat))) == 60
    assert len(chat.requests) - 60 <= 6
    assert verify(str(out)) == []


@pytest.mark.subprocess
def test_a_run_killed_while_it_waits_for_a_batch_takes_it_up_and_sends_nothing_twice(tmp_path: Path) -> None:
    with batching() as server:
        server.polls = 10**9
        server.act = lambda line, number: answers(line, '{"remark": "nice"}')
        model = {
            "model": "m",
            "base_url": server.address,
            "api_key_env": "",
            "batch": {"gather_s": 0.2, "poll_s": 0.02},
        }
        consult = {"use": "consult", "with": {"model": model}, "resources": {"concurrency": 100}}
        config = toy_config(tmp_path, [consult, PAINT], rows=plain_rows(60), slice_size=30)
        out = tmp_path / "out"
        with running(config, out, words=("--engine", "local")) as process:
            while server.count("GET /v1/batches/batch-0") < 2:
                time.sleep(0.01)
            kill(process.process.pid)
            process.process.wait()
        server.polls = 0
        run_local(build(load(config)), out)
    assert [len(batch["lines"]) for batch in server.made] == [30, 30], "one a slice, and none of them twice"
    rows = ledger_rows(out).values()
    assert [json.loads(row["stage_tokens"]) for row in rows] == [{"consult": 15}] * 60
    assert verify(str(out)) == []


@pytest.mark.ray
@pytest.mark.usefixtures("two_core_ray")
def test_limits_hold_for_all_workers_on_ray(tmp_path: Path, chat: Chat) -> None:
    limits = {"budget_tokens": 400, "max_tokens": 100, "requests_per_minute": 600}
    use, paint = stages(chat, **limits)
    use["resources"]["replicas"] = {"min": 2}
    graph = toy_graph(tmp_path, [use, paint], rows=plain_rows(40))
    assert until_done(graph, tmp_path / "out", engine="ray") >= 1
    assert sorted(captions(chat)) == sorted(f"c{n}" for n in range(40)), "each is paid for once"
    busiest = max(sum(0 <= other - moment <= 1 for other in chat.times) for moment in chat.times)
    assert busiest <= 10 + 10 + 2, "ten a second, ten of them at once"
    assert verify(str(tmp_path / "out")) == []


def test_a_folder_that_can_keep_no_replies_is_told_before_anything_is_paid_for(tmp_path: Path, chat: Chat) -> None:
    out = tmp_path / "out"
    graph = toy_graph(tmp_path, stages(chat), rows=plain_rows(30))
    (out / "run" / "cache").mkdir(parents=True)
    (out / "run" / "cache" / "replies").write_text("in the way")
    (out / "run" / "config.yaml").write_text("pipeline: toy")
    with pytest.raises(SetupError, match="is a file, not a folder"):
        run_local(graph, out)
    assert not chat.requests


@pytest.mark.parametrize("keeper", [(AnswerCache, "append"), (AppendLog, "add")], ids=["the answer", "the reply"])
def test_what_cannot_be_kept_ends_the_run(
    tmp_path: Path, chat: Chat, monkeypatch: pytest.MonkeyPatch, keeper: tuple[type, str]
) -> None:
    def full(*_: object) -> None:
        raise StoreError("no space left")

    monkeypatch.setattr(*keeper, full)
    with pytest.raises(StoreError, match="no space left"):
        run_local(toy_graph(tmp_path, stages(chat), rows=plain_rows(30), slice_size=30), tmp_path / "out")
    assert len(chat.requests) <= 4 + 4, "nothing more is paid for"


WORDS = "Add <imagehere> to the sky of <imagehere>. It is small."


def as_gpt(request: Request, number: int) -> Act:
    """Answers what profile api asks, by the form that is wanted."""
    wanted = request["response_format"]["json_schema"]["name"]
    instruction = {"instruction": WORDS, "relations": []}
    return says({"Verdict": "True.", "NameForm": {"name": "a small thing"}, "InstructionForm": instruction}[wanted])


def test_the_api_profile_makes_the_same_dataset_in_other_words(tmp_path: Path, chat: Chat) -> None:
    chat.act = as_gpt
    small = ["source.path=" + str(small_manifest(tmp_path)), "filter_foreground.min_ratio=0"]
    asking = ("check_completeness.judge", "name_subject.namer", "write_instruction.writer")
    values = (f"base_url={chat.address}", "api_key_env=''")
    server = [f"{stage}.model.{value}" for stage in asking for value in values]
    rules, model = (
        build(load(Path("configs/subject_add.yaml"), profile=profile, sets=[*small, *sets]))
        for profile, sets in (("embedded", []), ("api", server))
    )
    assert [node.id for node in rules.nodes] == [node.id for node in model.nodes]
    same, other = stage_fingerprints(rules), stage_fingerprints(model)
    changed = [id for id in same if same[id] != other[id]]
    assert changed == ["check_completeness", "name_subject", "write_instruction"]
    out = tmp_path / "out"
    run_local(rules, out)
    keys = {row["key"] for row in ledger_rows(out).values()}
    result = run_local(model, out).stage_counters
    assert result["remove_subject"].calls == 0, "what did not change is kept"
    accepted = [row for row in ledger_rows(out).values() if row["status"] == "accepted"]
    assert {row["key"] for row in ledger_rows(out).values()} == keys
    assert {row["instruction"] for row in accepted} == {WORDS}
    assert {json.loads(row["fields"])["subject"] for row in accepted} == {"small thing"}
    about = json.loads((out / "dataset.json").read_text())
    assert about["non_deterministic"] == changed
    stage = next(stage for stage in about["runs"][-1]["stages"] if stage["id"] == "write_instruction")
    assert (stage["model"], stage["revision"].split(", ")[1]) == ("language, openai", "openai@1:gpt-4o")
    assert chat.requests[0]["model"] == "gpt-4o"
    assert str(chat.address) not in (out / "dataset.json").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modle": "m"}, "did you mean 'model'?"),
        ({"budget_usd": 5}, "budget_usd needs the prices, usd_per_million_in and usd_per_million_out"),
        ({"base_url": "localhost:8000"}, "base_url"),
        ({"temperature": 3}, "temperature"),
        ({"retries": -1}, "retries"),
    ],
)
def test_wrong_options_are_told_with_their_line(tmp_path: Path, chat: Chat, options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=r"toy.yaml:\d+: ") as error:
        toy_graph(tmp_path, stages(chat, **options))
    assert message in str(error.value)


def test_an_answer_that_may_differ_has_to_be_kept(tmp_path: Path, chat: Chat) -> None:
    consult, paint = stages(chat)
    with pytest.raises(ConfigError, match="'consult' does not give the same answer twice"):
        toy_graph(tmp_path, [{**consult, "durable": False}, paint])


@pytest.mark.parametrize(("temperature", "calls"), [(1, 2), (0, 1)])
def test_a_later_round_of_a_repeat_block_draws_anew(tmp_path: Path, chat: Chat, temperature: int, calls: int) -> None:
    chat.act = lambda request, number: says({"remark": "good" if number else "bad"})
    [consult, paint] = stages(chat, temperature=temperature)
    repeat = {"times": 3, "until": {"remark": "good"}, "stages": [consult]}
    run_local(toy_graph(tmp_path, [{"repeat": repeat}, paint], rows=plain_rows(1)), tmp_path / "out")
    assert len(chat.requests) == calls, "at temperature 0 the same question has the same answer"
