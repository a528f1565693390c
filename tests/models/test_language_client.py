"""The language client against a real server on this machine that misbehaves in every way."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import numpy as np
import pytest
from chat_server import Act, Chat, chatting, completion, cuts, fails, hangs, says, sends, words_of
from pydantic import BaseModel, ConfigDict, Field

from datagen.core.errors import AllowanceError, DataError, DatagenError, SetupError
from datagen.core.stage import Bill, Runtime, billing
from datagen.fetch.web import retry_after_seconds
from datagen.imaging.image import Image
from datagen.models.language import calls as singly
from datagen.models.language import completion as completions
from datagen.models.language import rate_limit
from datagen.models.language.base import Draw, Question, Reply
from datagen.models.language.client import OpenAIModel
from datagen.models.language.config import OpenAIConfig
from datagen.models.language.verdict import Verdict

REQUEST = Question("You judge.", "Is it so?")


class Word(BaseModel):
    model_config = ConfigDict(extra="forbid")
    word: str


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    """A server for which all waits are shorter, those of `Retry-After` a tenth."""
    monkeypatch.setattr(rate_limit, "_AGAIN_S", 0.02)
    monkeypatch.setattr(singly, "_FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(completions, "retry_after_seconds", lambda text: retry_after_seconds(text) / 10)
    with chatting() as server:
        yield server


def config_of(chat: Chat, **options: Any) -> OpenAIConfig:
    return OpenAIConfig(model="m", base_url=chat.address, api_key_env="", **options)


def with_model(
    chat: Chat, act: Callable[[OpenAIModel], Awaitable[Any]], *, cache: Path | None = None, **options: Any
) -> Any:
    """What a fresh client makes of it; replies are kept in the folder `kept`."""

    async def run() -> Any:
        model = OpenAIModel(config_of(chat, **options), runtime=Runtime(replies=str(cache) if cache else ""))
        try:
            return await act(model)
        finally:
            await model.close()

    return asyncio.run(run())


def ask(
    chat: Chat, question: Question = REQUEST, *, record: str = "a", cache: Path | None = None, **options: Any
) -> Reply[Word]:
    return with_model(  # type: ignore[no-any-return]
        chat, lambda model: model(question, shape=Word, draw=Draw(record)), cache=cache, **options
    )


def together(chat: Chat, *records: str, cache: Path | None = None, **options: Any) -> list[Any]:
    """Several records at once; the error in the place of an answer."""

    async def act(model: OpenAIModel) -> list[Any]:
        calls = (model(REQUEST, shape=Word, draw=Draw(record)) for record in records)
        return await asyncio.gather(*calls, return_exceptions=True)

    return with_model(chat, act, cache=cache, **options)  # type: ignore[no-any-return]


def test_an_answer_is_checked_and_its_cost_told_and_charged(chat: Chat) -> None:
    with billing() as bill:
        reply = ask(chat, usd_per_million_in=2, usd_per_million_out=10)
    assert reply == Reply(Word(word="yes"), 15, pytest.approx(70e-6))
    assert bill == Bill(15, pytest.approx(70e-6))
    requests = chat.requests[0]
    assert [message["content"] for message in requests["messages"]] == ["You judge.", "Is it so?"]
    assert (requests["model"], requests["temperature"], requests["max_tokens"]) == ("m", 0, 500)
    assert requests["response_format"]["json_schema"]["schema"]["required"] == ["word"]


def test_the_key_comes_from_the_variable_that_the_config_names(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SERVICE", "abc-123-def")
    options = {**config_of(chat).model_dump(), "api_key_env": "MY_SERVICE"}

    async def run() -> None:
        model = OpenAIModel(OpenAIConfig(**options), runtime=Runtime())
        await model(REQUEST, shape=Word, draw=Draw("a"))
        await model.close()

    asyncio.run(run())
    assert chat.headers[0]["authorization"] == "Bearer abc-123-def"
    monkeypatch.setenv("MY_SERVICE", "abc 123")
    with pytest.raises(SetupError, match="MY_SERVICE holds is no key: a key is one word"):
        OpenAIModel(OpenAIConfig(**options), runtime=Runtime())
    monkeypatch.delenv("MY_SERVICE")
    with pytest.raises(SetupError, match="the environment variable MY_SERVICE is not set; put the key of http"):
        OpenAIModel(OpenAIConfig(**options), runtime=Runtime())


@pytest.mark.parametrize("structure", ["object", "text"])
def test_servers_without_schemas_are_told_the_form_in_words(chat: Chat, structure: str) -> None:
    chat.does(says('Sure! ```json\n{"word": "no"}\n```'))
    assert ask(chat, structure=structure).value.word == "no"
    assert '"required": ["word"]' in words_of(chat.requests[0])
    assert chat.requests[0].get("response_format") == ({"type": "json_object"} if structure == "object" else None)


def test_a_model_that_calls_the_longest_answer_otherwise_is_asked_so_from_then_on(chat: Chat, tmp_path: Path) -> None:
    refusal = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."

    def act(request: Any, number: int) -> Act:
        return says({"word": "yes"}) if "max_completion_tokens" in request else fails(400, refusal)

    chat.act = act

    async def twice(model: OpenAIModel) -> None:
        for text in ("This?", "And this?"):
            await model(REQUEST._replace(text=text), shape=Word, draw=Draw("a"))

    with_model(chat, twice, cache=tmp_path)
    assert [request.get("max_completion_tokens") for request in chat.requests] == [None, 500, 500]
    assert "max_tokens" not in chat.requests[-1]
    with_model(chat, twice, cache=tmp_path)
    assert len(chat.requests) == 3, "a reply is kept by what was asked, whatever the server calls it"
    chat.does(fails(400, refusal))
    with pytest.raises(DataError, match="will not answer this: status 400 Unsupported parameter"):
        ask(chat, record="b", temperature=1)


def test_a_model_that_takes_no_temperature_is_told_none_and_its_draws_are_kept_apart(
    chat: Chat, tmp_path: Path
) -> None:
    for record in ("a", "b", "a"):
        ask(chat, record=record, cache=tmp_path, temperature=None)
    assert len(chat.requests) == 2
    assert "temperature" not in chat.requests[0]


class Parts(BaseModel):
    kind: Literal["part"]
    names: list[Annotated[str, Field(max_length=9)]] = Field(default=[], max_length=3)
    box: tuple[float, float, float, float] = (0, 0, 1, 1)
    inner: Word | None = None


def test_a_schema_says_what_every_server_knows_and_requires_all(chat: Chat) -> None:
    chat.does(says({"kind": "part"}))

    async def act(model: OpenAIModel) -> Reply[Parts]:
        return await model(REQUEST, shape=Parts, draw=Draw("a"))

    assert with_model(chat, act).value == Parts(kind="part"), "what it may leave out, it may all the same"
    found = chat.requests[0]["response_format"]["json_schema"]
    assert (found["name"], found["strict"]) == ("Parts", True)
    word = {"type": "object", "properties": {"word": {"type": "string"}}}
    closed = {"additionalProperties": False}
    assert found["schema"] == {
        "type": "object",
        "$defs": {"Word": {**word, "required": ["word"], **closed}},
        "properties": {
            "kind": {"type": "string", "enum": ["part"]},
            "names": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
            "box": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4},
            "inner": {"anyOf": [{"$ref": "#/$defs/Word"}, {"type": "null"}]},
        },
        "required": ["kind", "names", "box", "inner"],
        **closed,
    }


@pytest.mark.parametrize(
    ("text", "answer"),
    [("True.", True), ('{"answer": false, "reason": "x"}', False), ("<think>Yes. {No}</think>\n**No**", False)],
)
def test_a_verdict_is_understood_in_words_too(chat: Chat, text: str, answer: bool) -> None:
    chat.does(says(text))

    async def act(model: OpenAIModel) -> Reply[Verdict]:
        return await model(REQUEST, shape=Verdict, draw=Draw("a"))

    assert with_model(chat, act, structure="text").value.answer is answer
    assert len(chat.requests) == 1


@pytest.mark.parametrize("act", [says("Yes and no."), says("Yes, the dog", finish="length")])
def test_a_verdict_that_is_not_clear_is_asked_for_again(chat: Chat, act: Act) -> None:
    chat.does(act, says("No."))

    async def asks(model: OpenAIModel) -> Reply[Verdict]:
        return await model(REQUEST, shape=Verdict, draw=Draw("a"))

    assert with_model(chat, asks).value.answer is False
    assert len(chat.requests) == 2


def test_what_a_model_only_thought_is_no_answer(chat: Chat) -> None:
    thoughts = '<think>Maybe {"word": "no"}? But then again'
    chat.does(says(thoughts, finish="length"), says('<think>{"word": "no"}?</think>{"word": "yes"}'))
    assert ask(chat).value.word == "yes"
    assert "it broke off in its thoughts" in words_of(chat.requests[1])


def test_a_picture_is_sent_upright_in_its_colours_and_no_larger_than_asked(chat: Chat) -> None:
    pixels = np.zeros((60, 120, 3), np.uint8)
    pixels[:, 60:, 0] = 255  # red on the right
    ask(chat, REQUEST._replace(images=(Image.of(pixels),)), image_side=64)
    picture, text = chat.requests[0]["messages"][1]["content"]
    assert text == {"type": "text", "text": "Is it so?"}
    head, _, data = picture["image_url"]["url"].partition(",")
    assert head == "data:image/jpeg;base64"
    sent = cv2.cvtColor(cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), 1), cv2.COLOR_BGR2RGB)
    assert sent.shape == (32, 64, 3)
    assert sent[16, 60].tolist() == pytest.approx([255, 0, 0], abs=8)
    assert sent[16, 4].max() < 8


BODY = json.dumps(completion('{"word": "yes"}')).encode()
PASSING: dict[str, Act] = {
    "429": fails(429),
    "429 with Retry-After": fails(429, Retry_After="1"),
    "429 with a Retry-After that is none": fails(429, Retry_After="soon"),
    "408": fails(408),
    "500": fails(500),
    "503": fails(503),
    "an error without a body": sends(b"", status=502),
    "hangs": hangs,
    "cut before the answer": cuts,
    "cut inside the answer": sends(BODY[:40], length=len(BODY)),
    "no JSON": sends(b"<html>gateway</html>"),
    "truncated JSON": sends(BODY[:40]),
    "an empty body": sends(b""),
    "JSON of another kind": sends(b'{"error": null}'),
    "choices that are null": sends(b'{"choices": null}'),
}


@pytest.mark.parametrize("fault", PASSING)
def test_what_may_pass_is_tried_again(chat: Chat, fault: str) -> None:
    chat.does(PASSING[fault], says({"word": "yes"}))
    assert ask(chat, timeout_s=0.5 if fault == "hangs" else 20).value.word == "yes"
    assert len(chat.requests) == 2
    assert chat.times[1] - chat.times[0] >= (0.095 if fault == "429 with Retry-After" else 0.035)


def test_what_does_not_pass_is_tried_so_often_and_told(chat: Chat) -> None:
    chat.does(fails(500, "out of\n order"))
    with pytest.raises(DataError, match=r"^m at http://\S+/v1 failed 2 times, the last time: status 500 out of order$"):
        ask(chat, retries=1)
    assert len(chat.requests) == 2


def test_a_server_that_is_not_there_is_told() -> None:
    with chatting() as gone:
        pass
    with pytest.raises(DataError, match=r"failed 1 times, the last time: the connection failed: .*"):
        ask(gone, retries=0)


def test_a_hang_is_cut_off_though_bytes_drip(chat: Chat) -> None:
    def drips(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.close_connection = True
        while not handler.server.stopping.wait(0.1):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    chat.does(drips)
    with pytest.raises(DataError, match=r"no answer within 0.5 s, its `timeout_s`"):
        ask(chat, retries=0, timeout_s=0.5)


def test_a_pause_that_the_server_asks_for_holds_for_all_calls(chat: Chat) -> None:
    chat.does(fails(429, Retry_After="4"), says({"word": "yes"}))

    async def act(model: OpenAIModel) -> None:
        first = asyncio.ensure_future(model(REQUEST, shape=Word, draw=Draw("a")))
        while not chat.requests:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.15)
        await model(REQUEST._replace(text="And this?"), shape=Word, draw=Draw("b"))
        await first

    with_model(chat, act)
    assert [time - chat.times[0] >= 0.4 for time in chat.times] == [False, True, True]


@pytest.mark.parametrize("message", [{"Retry_After": "1"}, {}], ids=["told", "untold"])
def test_calls_that_are_too_many_wait_and_none_fails_for_it(chat: Chat, message: dict[str, str]) -> None:
    def act(request: Any, number: int) -> Act:
        return says({"word": "yes"}) if number % 4 == 3 else fails(429, **message)

    chat.act = act
    # of twelve, some are refused five times and more: 1.5 s of pauses, if those before another's answer still counted
    replies = together(chat, *map(str, range(12)), temperature=1, retries=0, longest_wait_s=1)
    assert [reply.value.word for reply in replies] == ["yes"] * 12


def test_a_server_that_never_has_room_ends_the_run(chat: Chat) -> None:
    chat.does(fails(429, "too many", Retry_After="1"))
    expected = (
        r"took no call in 3 pauses, 0.3 s together, longer than `longest_wait_s: 0.25`, the last time: status 429 too m"
    )
    with pytest.raises(AllowanceError, match=expected):
        ask(chat, retries=0, longest_wait_s=0.25)
    assert len(chat.requests) == 3


def test_a_pause_longer_than_allowed_ends_the_run(chat: Chat) -> None:
    chat.does(fails(429, "come tomorrow", Retry_After="3600"))
    with pytest.raises(AllowanceError, match=r"left alone for 360 s \(status 429 come tomorrow\), longer than"):
        ask(chat, longest_wait_s=5)
    assert len(chat.requests) == 1


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (fails(401, "bad key"), SetupError, r"refuses calls without a key \(`api_key_env`\): status 401 bad key"),
        (fails(404, "no model m"), SetupError, "is not there: status 404 no model m; see to `model` and `base_url`"),
        (fails(302, "moved"), SetupError, "is not there: status 302 moved; see to `model` and `base_url`"),
        (fails(400, "response_format: no"), SetupError, "takes no `structure: schema`.*set `structure: object` or"),
        (
            fails(400, "JSON schema conversion failed"),
            SetupError,
            "takes no `structure: schema`: status 400 JSON schema",
        ),
        (fails(400, "a feature unknown to xgrammar"), SetupError, "takes no `structure: schema`"),
        (sends(b'{"object": "error", "message": "no grammar"}', status=400), SetupError, "status 400 no grammar; set"),
        (
            fails(400, "The provided JSON schema contains features not supported by xgrammar."),
            SetupError,
            "takes no `structure: schema`",
        ),
        (fails(400, "Failed to initialize samplers: failed to parse grammar"), SetupError, "takes no `structure: sch"),
        (fails(400, "Structured outputs are not supported by this model"), SetupError, "takes no `structure: schema`"),
        (fails(400, "guided_json is not available"), SetupError, "takes no `structure: schema`"),
        (
            fails(400, 'the prompt is too long: "a guided tour of a well structured garden, in good grammar"'),
            DataError,
            "will not answer this: status 400 the prompt is too long",
        ),
        (fails(400, "invalid input: 'answer in the JSON schema'"), DataError, "will not answer this"),
        (
            sends(b'{"detail": [{"msg": "hm"}]}', status=422),
            DataError,
            r'not answer this: status 422 \[{"msg": "hm"}\]',
        ),
        (
            fails(400, "temperature 0 is not", code="unsupported_value"),
            SetupError,
            "`temperature: 0`.*`temperature: null`",
        ),
        (fails(429, "pay", code="insufficient_quota"), AllowanceError, "the account is used up: status 429 pay"),
        (fails(402, "no credits"), AllowanceError, "the account is used up: status 402 no credits; the same command"),
        (fails(403, "no access"), SetupError, r"refuses calls without a key \(`api_key_env`\): status 403 no access"),
        (fails(403, "your input was flagged"), DataError, "refuses: status 403 your input was flagged"),
        (fails(403, "no", code="content_policy_violation"), DataError, "refuses: status 403 no"),
        (fails(403, "denied by the policy of your organization"), SetupError, "refuses calls without a key"),
        (fails(429, "Request too large for m"), DataError, "will not answer this: status 429 Request too large"),
        (fails(400, "too long"), DataError, "will not answer this: status 400 too long"),
        (fails(413, "too large"), DataError, "will not answer this: status 413 too large"),
        (says("", refusal="I cannot help with that"), DataError, "refuses: I cannot help with that"),
        (says("", finish="content_filter"), DataError, "refuses: its content filter"),
        (sends(b'{"choices": []}'), DataError, "gave an empty choice: no answer at all"),
        (says(" "), DataError, r"gave an empty choice: an answer without text \(stop\)"),
        (sends(json.dumps(completion(None)).encode()), DataError, "gave an empty choice: an answer without text"),
    ],
)
def test_what_does_not_pass_names_itself_at_once(chat: Chat, act: Act, error: type[DatagenError], message: str) -> None:
    chat.does(act)
    with pytest.raises(error, match=message):
        ask(chat)
    assert len(chat.requests) == 1


WRONG: dict[str, tuple[Act, str]] = {
    "malformed": (says('{"word": yes}'), "Invalid JSON"),
    "truncated": (says('{"word": "ye', finish="length"), "it broke off, being too long; there is no whole JSON object"),
    "words": (says("Yes, it is."), "there is no whole JSON object in it"),
    "another form": (says({"wrod": "yes"}), "word: Field required; wrod: Extra inputs are not permitted"),
    "another type": (says({"word": 7}), "word: Input should be a valid string"),
    "half a character": (says('{"word": "\\ud800"}'), "Invalid JSON"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_an_answer_of_another_form_is_told_to_the_model_and_mended(chat: Chat, fault: str) -> None:
    act, found = WRONG[fault]
    chat.does(act, says({"word": "yes"}))
    with billing() as bill:
        reply = ask(chat)
    assert reply == Reply(Word(word="yes"), chat.counted, 0.0)
    assert bill.tokens == chat.counted > 30, "both calls are paid for"
    *before, wrong, repair = chat.requests[1]["messages"]
    assert before == chat.requests[0]["messages"]
    assert wrong["role"] == "assistant"
    assert found in repair["content"]
    assert '"required": ["word"]' in repair["content"], "some servers pass over a schema"


def test_an_answer_that_is_never_mended_fails_alone_and_is_asked_anew_by_a_retry(chat: Chat, tmp_path: Path) -> None:
    chat.does(says({"wrod": 1}))
    for calls in (3, 6, 9):
        with pytest.raises(DataError, match="gave no answer of the asked form, 3 times; the last one: word: Field"):
            ask(chat, cache=tmp_path)
        assert len(chat.requests) == calls


def test_a_rerun_makes_no_call_whatever_had_to_be_mended(chat: Chat, tmp_path: Path) -> None:
    chat.does(says("hm"), says({"word": "yes"}))
    first = ask(chat, cache=tmp_path)
    with billing() as bill:
        assert ask(chat, cache=tmp_path) == Reply(first.value, 0, 0.0)
    assert (len(chat.requests), bill.tokens) == (2, 0)


def test_replies_are_kept_by_all_that_decides_them(chat: Chat, tmp_path: Path) -> None:
    ask(chat, cache=tmp_path)
    picture = Image.of(np.zeros((9, 9, 3), np.uint8))
    others: list[tuple[Question, dict[str, Any]]] = [
        (REQUEST._replace(text="Is it not?"), {}),
        (REQUEST._replace(system="You guess."), {}),
        (REQUEST._replace(images=(picture,)), {}),
        (REQUEST, {"max_tokens": 90}),
        (REQUEST, {"weights": "b"}),
        (REQUEST, {"structure": "text"}),
        (REQUEST, {"temperature": 0.5}),
    ]
    for number, (question, options) in enumerate(others, 2):
        for _ in range(2):
            ask(chat, question, cache=tmp_path, **options)
        assert len(chat.requests) == number
    ask(chat, cache=tmp_path, timeout_s=9, retries=0, requests_per_minute=9, budget_tokens=9)
    assert len(chat.requests) == len(others) + 1, "what decides nothing asks nothing anew"


def test_draws_are_kept_apart_only_where_chance_plays_a_part(chat: Chat, tmp_path: Path) -> None:
    for record in ("a", "b"):
        ask(chat, record=record, cache=tmp_path)
    assert len(chat.requests) == 1
    for record in ("a", "b", "a", "b"):
        ask(chat, record=record, cache=tmp_path, temperature=1)
    assert len(chat.requests) == 3


def test_of_equal_questions_at_once_one_is_asked(chat: Chat, tmp_path: Path) -> None:
    chat.delay = 0.2
    replies = together(chat, *"abcdefgh", cache=tmp_path)
    assert [reply.value.word for reply in replies] == ["yes"] * 8
    assert (len(chat.requests), sum(reply.tokens for reply in replies)) == (1, 15)


@pytest.mark.parametrize("damage", [b"", b"junk", b"0" * 64 + b"{}"])
def test_a_damaged_reply_is_asked_again(chat: Chat, tmp_path: Path, damage: bytes) -> None:
    for calls in (1, 2, 2):
        ask(chat, cache=tmp_path)
        assert len(chat.requests) == calls
        if calls == 1:
            (remaining,) = (path for path in tmp_path.rglob("*") if path.is_file())
            remaining.write_bytes(damage)


def test_calls_keep_to_a_rate_together(chat: Chat) -> None:
    start = time.monotonic()
    together(chat, *map(str, range(12)), requests_per_minute=300, temperature=1)
    assert chat.times[-1] - start >= (12 - 5) / 5 - 0.1, "five a second, five of them at once"


def test_a_budget_ends_the_run_before_it_is_broken(chat: Chat) -> None:
    options = {"budget_usd": 0.05, "usd_per_million_in": 100, "usd_per_million_out": 100, "max_tokens": 50}
    replies = together(chat, *map(str, range(40)), temperature=1, **options)
    refused = [reply for reply in replies if isinstance(reply, AllowanceError)]
    assert 0 < len(chat.requests) < 40
    assert len(refused) == 40 - len(chat.requests)
    assert "of `budget_usd: 0.05` are spent, and the next call may cost" in str(refused[0])
    assert str(refused[0]).endswith("what is done is kept, and the same command goes on, with as much again")
    costs = 15 * 100e-6 * len(chat.requests)
    assert 0.05 - (50 + 200) * 100e-6 < costs <= 0.05


def test_what_a_call_may_take_counts_its_schema_and_its_pictures(chat: Chat) -> None:
    """A server that takes each picture for more than it looks like."""
    seen = REQUEST._replace(images=(Image.of(np.zeros((32, 32, 3), np.uint8)),))

    async def act(model: OpenAIModel) -> list[int]:
        guesses: list[int] = []
        make = model._calls.make

        async def noted(request: Any) -> Any:
            guesses.append(request.estimate.tokens_in)
            return await make(request)

        model._calls.make = noted  # type: ignore[method-assign]
        for text in ("a", "b"):
            await model(seen._replace(text=text), shape=Word, draw=Draw("a"))
        return guesses

    dear = json.dumps({**completion('{"word": "yes"}'), "usage": {"prompt_tokens": 9000, "completion_tokens": 5}})
    chat.does(sends(dear.encode()))
    first, second = with_model(chat, act)
    assert first > len(json.dumps(chat.requests[0]["response_format"])) / 4
    assert second >= 9000 > first
    assert min(with_model(chat, act, tokens_a_picture=20000)) > 20000


def test_stages_that_wait_differently_share_their_limits(chat: Chat) -> None:
    terms = config_of(chat, budget_tokens=9).terms
    assert config_of(chat, budget_tokens=9, timeout_s=9, batch={}).terms == terms
    assert config_of(chat, budget_tokens=8).terms != terms


def test_a_budget_in_money_needs_prices() -> None:
    with pytest.raises(ValueError, match="budget_usd needs the prices"):
        OpenAIConfig(model="m", budget_usd=1, usd_per_million_in=1)
