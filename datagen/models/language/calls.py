"""One call to a server that speaks OpenAI's chat completions, repeated where it failed in passing."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import aiohttp
import openai
from pydantic import BaseModel, ValidationError

from datagen.errors import AllowanceError, DataError, SetupError
from datagen.fetch.web import asked_wait
from datagen.models.language.allowance import Amount
from datagen.models.language.config import OpenAIConfig
from datagen.models.language.replies import Said
from datagen.models.language.sharing import Gate, leave
from datagen.stage import charge

_FIRST_WAIT_S = 0.5
"""Before the first repetition; twice as long before each further one."""
_LONGEST_WAIT_S = 30.0
"""Where the server does not say how long."""
_PASSING = (408, 409, 429)
_LONGEST_TOLD = 300
"""Characters of what a server says about an error."""


class _AgainError(Exception):
    """What may pass; `wait` is what the server asked for, 0 if it did not."""

    def __init__(self, told: str, wait: float = 0.0) -> None:
        super().__init__(told)
        self.wait = wait


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int


class _Completion(BaseModel):
    """What is needed of an answer; servers add fields of their own."""

    choices: list[_Choice]
    usage: _Usage | None = None


class Prices(NamedTuple):
    """Money for a token, 0 where it is not known."""

    each_in: float
    each_out: float

    @classmethod
    def of(cls, config: OpenAIConfig) -> Prices:
        """The prices of a config, which are for a million."""
        return cls((config.usd_per_million_in or 0) / 1e6, (config.usd_per_million_out or 0) / 1e6)

    def amount(self, tokens_in: int, tokens_out: int) -> Amount:
        """What so many tokens come to."""
        return Amount(tokens_in + tokens_out, tokens_in * self.each_in + tokens_out * self.each_out)


class Calls:
    """Calls to one model of one server."""

    def __init__(self, config: OpenAIConfig, gate: Gate) -> None:
        self._config = config
        self._gate = gate
        self._prices = Prices.of(config)
        self._client = openai.AsyncOpenAI(
            api_key=_key(config),
            base_url=config.base_url,
            timeout=None,  # theirs begins anew with every byte; ours is one for the whole call
            max_retries=0,
            http_client=openai.DefaultAioHttpClient(timeout=None),
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    async def make(self, body: Mapping[str, Any], *, guess: tuple[int, int]) -> tuple[Said, Amount]:
        """The reply, and what it took, which is charged; `guess` is the tokens in and out that it may take at the most.

        Raises `DataError`, `AllowanceError` or `SetupError`, see `LanguageModel`.
        """
        most, told = self._prices.amount(*guess), ""
        for attempt in range(self._config.retries + 1):
            try:
                return await self._once(body, most, guess)
            except _AgainError as error:
                if error.wait > self._config.longest_wait_s:
                    raise AllowanceError(
                        f"{self._where} wants to be left alone for {error.wait:.0f} s ({error}), longer than "
                        f"`longest_wait_s: {self._config.longest_wait_s:g}`; the same command goes on from here then"
                    ) from error
                told = str(error)
                if error.wait:
                    await self._gate.hold(error.wait)  # for all workers; the next leave waits it out
                elif attempt < self._config.retries:
                    await asyncio.sleep(min(_FIRST_WAIT_S * 2**attempt, _LONGEST_WAIT_S) * random.uniform(0.75, 1))
        raise DataError(f"{self._where} failed {self._config.retries + 1} times, the last time: {told}")

    @property
    def _where(self) -> str:
        return f"{self._config.model} at {self._config.base_url}"

    async def _once(self, body: Mapping[str, Any], most: Amount, guess: tuple[int, int]) -> tuple[Said, Amount]:
        ticket = await self._leave(most)
        took = most  # what never came back may be paid for, and so may what cannot be read
        try:
            async with asyncio.timeout(self._config.timeout_s):
                raw = await self._client.post("/chat/completions", cast_to=bytes, body=dict(body))
            completion = _completion(raw)
            used = completion.usage
            tokens = (used.prompt_tokens, used.completion_tokens) if used else guess
            took = self._prices.amount(*tokens)
            charge(tokens=took.tokens, usd=took.usd)
            return self._said(completion, tokens), took
        except TimeoutError as error:
            raise _AgainError(f"no answer within {self._config.timeout_s:g} s, its `timeout_s`") from error
        except openai.APIStatusError as error:
            took = Amount()
            self._raise(error)
        except openai.APIConnectionError as error:
            took = Amount() if _was_never_sent(error) else most
            raise _AgainError(f"the connection failed: {error.__cause__ or error}") from error
        except openai.OpenAIError as error:
            raise DataError(f"{self._where}: {error}") from error
        finally:
            await self._gate.settle(ticket, took)

    async def _leave(self, most: Amount) -> int:
        try:
            return await leave(self._gate, most)
        except AllowanceError as error:
            raise AllowanceError(
                f"{self._where}: {error}; what is done is kept, and the same command goes on, with as much again"
            ) from error

    def _said(self, completion: _Completion, tokens: tuple[int, int]) -> Said:
        """The text of the first choice. Raises `DataError` if the model gave none."""
        if not completion.choices:
            raise DataError(f"{self._where} gave an empty choice: no answer at all")
        choice = completion.choices[0]
        if choice.message.refusal or choice.finish_reason == "content_filter":
            why = choice.message.refusal or "its content filter"
            raise DataError(f"{self._where} refuses: {why:.{_LONGEST_TOLD}}")
        if not (choice.message.content or "").strip():
            raise DataError(f"{self._where} gave an empty choice: an answer without text ({choice.finish_reason})")
        return Said(choice.message.content or "", *tokens, choice.finish_reason == "length")

    def _raise(self, error: openai.APIStatusError) -> NoReturn:
        """Tell what an answer with an error's status means for the call, or for the run."""
        status, told = error.status_code, _told(error)
        config = self._config
        if status in (401, 403):
            key = f"the key in {config.api_key_env}" if config.api_key_env else "calls without a key (`api_key_env`)"
            raise SetupError(f"{self._where} refuses {key}: {told}") from error
        if status == 404:
            raise SetupError(
                f"{self._where} is not there: {told}; see to `model` and `base_url`, which mostly ends in /v1"
            ) from error
        if error.code == "insufficient_quota":
            raise AllowanceError(f"{self._where}: the account is used up: {told}; the same command goes on") from error
        if status in _PASSING or status >= 500:
            raise _AgainError(told, asked_wait(error.response.headers.get("retry-after") or "")) from error
        if "response_format" in told:
            raise SetupError(
                f"{self._where} takes no `structure: {config.structure}`: {told}; set `structure: object` or `text`"
            ) from error
        raise DataError(f"{self._where} will not answer this: {told}") from error


def _was_never_sent(error: BaseException | None) -> bool:
    """Whether no connection was made at all."""
    while error is not None and not isinstance(error, aiohttp.ClientConnectorError):
        error = error.__cause__
    return error is not None


def _completion(raw: bytes) -> _Completion:
    try:
        return _Completion.model_validate_json(raw)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise _AgainError(f"the answer is no chat completion: {fault['msg']:.{_LONGEST_TOLD}}") from error


def _told(error: openai.APIStatusError) -> str:
    """The status and what the server says, on one line."""
    body = error.body
    said = body.get("message") if isinstance(body, Mapping) else body
    text = said if isinstance(said, str) else json.dumps(body, default=str) if body else ""
    return f"status {error.status_code} {' '.join(text.split()):.{_LONGEST_TOLD}}".rstrip()


def _key(config: OpenAIConfig) -> str:
    """The key, or something in its place for servers that want none. Raises `SetupError`."""
    if not config.api_key_env:
        return "none"
    key = os.environ.get(config.api_key_env, "").strip()
    if not key:
        raise SetupError(
            f"the environment variable {config.api_key_env} is not set; put the key of {config.base_url} into it, "
            "or set `api_key_env: ''` for a server that wants none"
        )
    return key
