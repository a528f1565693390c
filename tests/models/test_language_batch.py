"""Calls by the batch endpoint: answered, mended, resumed after a kill, never sent up twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from batch_server import ODD_BODIES, Batches, answers, batching, fault
from pydantic import BaseModel, ConfigDict

from datagen.core.errors import AllowanceError, DataError, DatagenError, SetupError
from datagen.core.stage import Bill, Runtime, billing
from datagen.imaging.image import Image
from datagen.models.language import batch_service, rate_limit
from datagen.models.language.base import Draw, Question, Reply
from datagen.models.language.client import OpenAIModel
from datagen.models.language.config import OpenAIConfig

QUICK = {"gather_s": 0.1, "poll_s": 0.02}


class Word(BaseModel):
    model_config = ConfigDict(extra="forbid")
    word: str


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Batches]:
    monkeypatch.setattr(rate_limit, "_AGAIN_S", 0.02)
    monkeypatch.setattr(batch_service, "_FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(openai._base_client, "INITIAL_RETRY_DELAY", 0.02)
    with batching() as found:
        yield found


def with_model(
    server: Batches, act: Callable[[OpenAIModel], Awaitable[Any]], *, cache: Path | None, **options: Any
) -> Any:
    pace = {"batch": QUICK, "retries": 2, "api_key_env": "", "base_url": server.address, **options}
    config = OpenAIConfig.model_validate({"model": "m", **pace})

    async def run() -> Any:
        model = OpenAIModel(config, runtime=Runtime(replies=str(cache) if cache else ""))
        try:
            return await act(model)
        finally:
            await model.close()

    return asyncio.run(run())


def together(server: Batches, texts: str, *, cache: Path | None = None, **options: Any) -> list[Any]:
    """One question a letter, all at once; the error in the place of an answer."""

    async def act(model: OpenAIModel) -> list[Any]:
        calls = (model(Question("You judge.", text), shape=Word, draw=Draw(text)) for text in texts)
        return await asyncio.gather(*calls, return_exceptions=True)

    return with_model(server, act, cache=cache, **options)  # type: ignore[no-any-return]


def notes(cache: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((cache / "batches").glob("*.json"))]


def texts_of(server: Batches) -> str:
    return "".join(line["body"]["messages"][1]["content"] for line in server.requests)


def test_what_waits_together_goes_up_as_one_batch_and_is_kept(server: Batches, tmp_path: Path) -> None:
    prices = {"usd_per_million_in": 2, "usd_per_million_out": 10}
    with billing() as bill:
        replies = together(server, "abcde", cache=tmp_path, **prices)
    assert replies == [Reply(Word(word="yes"), 15, pytest.approx(70e-6))] * 5
    assert bill == Bill(75, pytest.approx(5 * 70e-6))
    assert (server.count("POST /v1/files"), server.count("POST /v1/batches")) == (1, 1)
    assert sorted(texts_of(server)) == [*"abcde"]
    body = server.requests[0]["body"]
    assert (body["model"], body["temperature"], body["response_format"]["type"]) == ("m", 0, "json_schema")
    assert not notes(tmp_path)
    assert not server.files, "what nobody needs any more is not left there"
    assert [reply.tokens for reply in together(server, "abcde", cache=tmp_path, **prices)] == [0] * 5
    assert [reply.tokens for reply in together(server, "abcde", cache=tmp_path, batch=None)] == [0] * 5
    assert server.count("POST /v1/batches") == 1, "a rerun asks nothing, in either mode"


def test_a_batch_holds_no_more_calls_than_allowed(server: Batches) -> None:
    assert len(together(server, "abcde", batch={**QUICK, "gather_s": 0.5, "most": 2})) == 5
    assert sorted(len(batch["lines"]) for batch in server.made) == [1, 2, 2]


def test_pictures_go_up_too(server: Batches) -> None:
    question = Question("You see.", "What?", images=(Image.of(np.zeros((9, 9, 3), np.uint8)),))

    async def act(model: OpenAIModel) -> Any:
        return await model(question, shape=Word, draw=Draw("a"))

    with_model(server, act, cache=None)
    picture, text = server.requests[0]["body"]["messages"][1]["content"]
    assert picture["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert text["text"] == "What?"


def test_an_answer_of_another_form_is_mended_in_the_next_batch(server: Batches) -> None:
    server.act = lambda line, number: answers(line, "hm" if number < 2 else '{"word": "yes"}')
    first, second, third = (reply.tokens for reply in together(server, "abc"))
    assert first == second
    assert (first > 30, third) == (True, 15), "both calls are paid for"
    assert [len(batch["lines"]) for batch in server.made] == [3, 2]


PASSING = {
    "a line that failed": lambda line: answers(line, status=500, body={"error": {"message": "broken"}}),
    "a line over the limit": lambda line: answers(line, status=429, body={"error": {"message": "slow"}}),
    "a line with an error": lambda line: fault(line, "batch_expired"),
    "a line that is missing": lambda line: None,
    "a line that is no completion": lambda line: answers(line, body={"choices": None}),
}


@pytest.mark.parametrize("what", PASSING)
def test_what_may_pass_goes_up_again_alone(server: Batches, what: str) -> None:
    server.act = lambda line, number: PASSING[what](line) if number == 0 else answers(line)
    assert [reply.value.word for reply in together(server, "abc")] == ["yes"] * 3
    assert [len(batch["lines"]) for batch in server.made] == [3, 1]


def test_an_expired_batch_gives_what_it_has_and_the_rest_goes_up_again(server: Batches) -> None:
    server.status = "expired"
    server.act = lambda line, number: answers(line) if number != 1 else None
    assert [reply.value.word for reply in together(server, "abc")] == ["yes"] * 3
    assert [len(batch["lines"]) for batch in server.made] == [3, 1]


def test_what_does_not_pass_is_tried_so_often_and_told(server: Batches, tmp_path: Path) -> None:
    server.act = lambda line, number: fault(line, "batch_expired")
    (error,) = together(server, "a", cache=tmp_path)
    assert isinstance(error, DataError)
    assert "failed 3 times, the last time: its batch says: " in str(error)
    assert "batch_expired" in str(error)
    assert not notes(tmp_path)


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        (lambda line: answers(line, "", refusal="no"), DataError, "refuses: no"),
        (lambda line: answers(line, " "), DataError, "gave an empty choice"),
        (lambda line: answers(line, status=400, body={"error": {"message": "long"}}), DataError, "status 400 long"),
        (lambda line: answers(line, status=401, body={"error": {"message": "who"}}), SetupError, "calls without a key"),
        (
            lambda line: answers(line, status=429, body={"error": {"message": "pay", "code": "insufficient_quota"}}),
            AllowanceError,
            "the account is used up",
        ),
    ],
)
def test_a_line_that_fails_for_good_fails_its_call_alone(
    server: Batches, tmp_path: Path, line: Any, error: type[DatagenError], message: str
) -> None:
    server.act = lambda request, number: line(request) if number == 1 else answers(request)
    first, second, third = together(server, "abc", cache=tmp_path)
    assert (first.value.word, third.value.word) == ("yes", "yes")
    assert isinstance(second, error)
    assert message in str(second)
    server.act = lambda request, number: answers(request)
    assert together(server, "b", cache=tmp_path)[0].value.word == "yes", "a retry asks anew"


def test_a_model_that_calls_the_longest_answer_otherwise_is_asked_so_in_the_next_batch(server: Batches) -> None:
    refusal = {"error": {"message": "'max_tokens' is not supported; use 'max_completion_tokens'"}}
    server.act = lambda line, number: (
        answers(line) if "max_completion_tokens" in line["body"] else answers(line, status=400, body=refusal)
    )
    assert [reply.value.word for reply in together(server, "abc", retries=0)] == ["yes"] * 3
    assert len(server.made) == 2
    server.act = lambda line, number: answers(line, status=400, body=refusal)
    assert "will not answer this" in str(together(server, "d")[0])


@pytest.mark.parametrize(
    ("message", "error", "says"),
    [
        ({"code": "invalid_json_line", "message": "no JSON", "line": 3}, SetupError, r"no JSON \(line 3\)"),
        ({"code": "token_limit_exceeded", "message": "too many", "line": None}, AllowanceError, "see to `batch.most`"),
    ],
)
def test_a_batch_that_the_server_does_not_take_ends_the_run_and_is_forgotten(
    server: Batches, tmp_path: Path, message: dict[str, Any], error: type[DatagenError], says: str
) -> None:
    server.status, server.fault = "failed", message
    for found in together(server, "ab", cache=tmp_path):
        with pytest.raises(error, match=says):
            raise found
    assert not notes(tmp_path)
    server.status, server.fault = "completed", None
    assert [reply.value.word for reply in together(server, "ab", cache=tmp_path)] == ["yes"] * 2


def test_a_batch_that_someone_cancels_ends_the_run_and_what_it_has_is_kept(server: Batches, tmp_path: Path) -> None:
    server.status = "cancelled"
    server.act = lambda line, number: answers(line) if number == 0 else None
    first, second = together(server, "ab", cache=tmp_path)
    assert first.value.word == "yes"
    assert isinstance(second, AllowanceError)
    assert "someone cancelled the batch" in str(second)
    server.status, server.act = "completed", lambda line, number: answers(line)
    together(server, "ab", cache=tmp_path)
    assert [len(batch["lines"]) for batch in server.made] == [2, 1]


def killed(server: Batches, texts: str, *, cache: Path, until: Callable[[], bool]) -> None:
    """Ask, and stop without a word as soon as it is so."""

    async def act(model: OpenAIModel) -> None:
        calls = [
            asyncio.ensure_future(model(Question("You judge.", text), shape=Word, draw=Draw(text))) for text in texts
        ]
        while not until():
            await asyncio.sleep(0.01)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    with_model(server, act, cache=cache)


def test_a_killed_run_waits_on_for_the_batch_that_it_made(server: Batches, tmp_path: Path) -> None:
    server.polls = 10**9
    killed(server, "abcd", cache=tmp_path, until=lambda: server.count("GET /v1/batches/batch-0") > 1)
    (note,) = notes(tmp_path)
    assert (note["batch"], note["file"], len(note["keys"])) == ("batch-0", "up-0", 4)
    server.polls = 0
    with billing() as bill:
        assert len(together(server, "abcde", cache=tmp_path)) == 5
    assert bill.tokens == 75, "what was paid for is booked by whom it reaches"
    assert sorted(texts_of(server)) == [*"abcde"], "only what is new went up"
    assert (len(server.made), server.count("POST /v1/files")) == (2, 2)
    assert not notes(tmp_path)


def test_a_kill_between_the_batch_and_its_note_makes_no_second_one(server: Batches, tmp_path: Path) -> None:
    server.polls = 10**9
    killed(server, "ab", cache=tmp_path, until=lambda: bool(server.made) and bool(notes(tmp_path)[0]["batch"]))
    (path,) = (tmp_path / "batches").glob("*.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "batch": ""}))
    server.polls = 0
    together(server, "ab", cache=tmp_path)
    assert (len(server.made), sorted(texts_of(server))) == (1, ["a", "b"])


def test_what_another_worker_sent_up_meanwhile_is_not_sent_again(server: Batches, tmp_path: Path) -> None:
    """Its slices begin again on a worker that looked for batches before that one was made."""
    server.polls = 10**9

    def made() -> int:
        return sum(len(note["keys"]) for note in notes(tmp_path) if note["batch"])

    def asks(model: OpenAIModel, text: str) -> Any:
        return asyncio.ensure_future(model(Question("You judge.", text), shape=Word, draw=Draw(text)))

    async def act(other: OpenAIModel) -> list[Any]:
        early = asks(other, "x")
        while made() < 1:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(killed, server, "ab", cache=tmp_path, until=lambda: made() == 3)
        server.polls = 0
        return await asyncio.gather(early, *(asks(other, text) for text in "abc"))

    assert [reply.value.word for reply in with_model(server, act, cache=tmp_path)] == ["yes"] * 4
    assert sorted(texts_of(server)) == [*"abcx"], "only what is new went up"
    assert not notes(tmp_path)


def test_the_note_of_a_batch_that_is_being_made_is_left_alone(server: Batches, tmp_path: Path) -> None:
    server.polls = 10**9
    killed(server, "a", cache=tmp_path, until=lambda: bool(server.made) and bool(notes(tmp_path)[0]["batch"]))
    (path,) = (tmp_path / "batches").glob("*.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "batch": "", "file": ""}))
    server.polls = 0
    together(server, "c", cache=tmp_path)
    assert len(notes(tmp_path)) == 1


@pytest.mark.parametrize(("file", "since"), [("", 0), ("up-7", 0), ("", 10**11)], ids=["", "uploaded", "clock"])
def test_a_kill_before_the_batch_is_made_asks_anew(server: Batches, tmp_path: Path, file: str, since: int) -> None:
    server.polls = 10**9
    killed(server, "ab", cache=tmp_path, until=lambda: bool(server.made) and bool(notes(tmp_path)[0]["batch"]))
    (path,) = (tmp_path / "batches").glob("*.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "batch": "", "file": file, "since": since}))
    server.polls = 0
    together(server, "ab", cache=tmp_path)
    assert len(server.made) == 2
    assert not notes(tmp_path)


@pytest.mark.parametrize("trouble", [["cut"], ["500"], ["500", "cut"]])
def test_an_answer_that_is_lost_makes_no_second_batch(server: Batches, trouble: list[str]) -> None:
    server.trouble["POST /v1/batches"] = [*trouble]
    assert together(server, "ab")[0].value.word == "yes"
    assert len(server.made) == 1


def test_a_batch_that_the_server_forgot_is_asked_anew(server: Batches, tmp_path: Path) -> None:
    server.polls = 10**9
    killed(server, "ab", cache=tmp_path, until=lambda: server.count("GET /v1/batches/batch-0") > 1)
    server.made.clear()
    server.polls = 0
    assert [reply.value.word for reply in together(server, "ab", cache=tmp_path)] == ["yes"] * 2
    assert not notes(tmp_path)


def test_a_server_without_the_endpoint_is_told(server: Batches) -> None:
    server.trouble["POST /v1/files"] = ["404"]
    (error,) = together(server, "a")
    assert isinstance(error, SetupError)
    assert "has no batch endpoint" in str(error)
    assert str(error).endswith("leave `batch` out")


@pytest.mark.parametrize("place", ["POST /v1/files", "POST /v1/batches", "GET /v1/batches/batch-0"])
def test_an_endpoint_that_fails_ends_the_run_and_the_same_command_goes_on(
    server: Batches, tmp_path: Path, place: str
) -> None:
    server.trouble[place] = ["503", "503"]
    (error,) = together(server, "a", cache=tmp_path, retries=0)
    assert isinstance(error, AllowanceError)
    assert "cannot be used now: status 503 not now; batches that were made go on" in str(error)
    server.trouble.clear()
    assert together(server, "a", cache=tmp_path)[0].value.word == "yes"
    assert len(server.made) == 1


@pytest.mark.parametrize("place", ["POST /v1/files", "POST /v1/batches", "GET /v1/batches/batch-0"])
@pytest.mark.parametrize("body", ODD_BODIES)
def test_an_odd_body_of_an_endpoint_ends_the_run_and_the_same_command_goes_on(
    server: Batches, tmp_path: Path, place: str, body: str
) -> None:
    server.trouble[place] = [body]
    (error,) = together(server, "a", cache=tmp_path, retries=0)
    assert isinstance(error, AllowanceError)
    assert "cannot be used now: " in str(error)
    assert len(str(error)) < 500
    server.trouble.clear()
    assert together(server, "a", cache=tmp_path)[0].value.word == "yes"


def test_a_line_that_is_too_large_fails_its_call_alone(server: Batches) -> None:
    server.act = lambda line, number: answers(line, "x" * 2_000_000 if number == 0 else '{"word": "yes"}')
    replies = together(server, "ab", retries=0, largest_reply_mb=1)
    first, second = sorted(replies, key=lambda reply: isinstance(reply, Reply))
    assert second.value.word == "yes"
    assert "failed 1 times, the last time: its batch says: " in str(first)
    assert "the answer is larger than `largest_reply_mb`" in str(first)


@pytest.mark.parametrize("line", [b"[" * 200_000, b"{}", b"[]", b"\xff", b'{"custom_id": 7}', b""])
def test_lines_that_are_none_are_passed_over(server: Batches, monkeypatch: pytest.MonkeyPatch, line: bytes) -> None:
    keep = server._keep
    monkeypatch.setattr(
        server, "_keep", lambda name, data: keep(name, line + b"\n" + data if "output" in name else data)
    )
    assert [reply.value.word for reply in together(server, "abc")] == ["yes"] * 3


def test_a_budget_bounds_what_goes_up(server: Batches) -> None:
    options = {"budget_tokens": 300, "max_tokens": 50, "temperature": 1}
    replies = together(server, "abcdefghijklmnopqrstuvwxyz", **options)
    refused = [reply for reply in replies if isinstance(reply, AllowanceError)]
    assert 0 < len(server.requests) < 26
    assert len(refused) == 26 - len(server.requests)
    assert 15 * len(server.requests) <= 300


@pytest.mark.parametrize("damage", ["", "{}", '{"keys": 7}', "[]"])
def test_a_damaged_note_is_passed_over(server: Batches, tmp_path: Path, damage: str) -> None:
    (tmp_path / "batches").mkdir()
    (tmp_path / "batches" / "x.json").write_text(damage)
    assert together(server, "a", cache=tmp_path)[0].value.word == "yes"
