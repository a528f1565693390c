"""Parse the answers of a chat completions server, and turn its errors into ours."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, NamedTuple, NoReturn

import openai
from pydantic import BaseModel, FailFast, Field, ValidationError

from datagen.core.errors import AllowanceError, DataError, SetupError
from datagen.core.redact import redact
from datagen.fetch.web import retry_after_seconds
from datagen.models.language.config import OpenAIConfig
from datagen.models.language.rate_limit import Usage
from datagen.models.language.replies import RawReply

_PASSING = (408, 409, 429)
_TOO_LARGE = re.compile(r"request too large", re.IGNORECASE)
"""OpenAI's 429 for a single call above the tokens of a minute; waiting does not help."""
_MODERATED = re.compile(r"flagged|moderat|(content|usage|safety).{0,20}polic|violat.{0,40}polic", re.IGNORECASE)
"""Words of gateways with a 403 that is about the content, not about the key."""
_LONGEST_DETAIL = 300
"""Most characters of a server's error message that ours repeats."""
_WRONG = r"(?:unsupported|not support|invalid|unknown|fail|cannot|could not|unable|error)"
_HOLDER = r"(?:json.?schema|grammar|(?:guided|structured) (?:output|decoding|generation))"
_FORMAT = re.compile(
    r"response_format|json_schema|json_object|guided_(?:json|grammar|decoding)|structured_outputs?|"
    rf"\bno {_HOLDER}|{_WRONG}[^\"'`:.<>{{}}]{{0,40}}{_HOLDER}|{_HOLDER}[^\"'`:.<>{{}}]{{0,40}}{_WRONG}",
    re.IGNORECASE,
)
"""Messages of servers that cannot constrain an answer to a schema: the option's name, or a failure of what vLLM and
llama.cpp use for it. The bare words are not enough: a server may repeat the question, and that may speak of a guided
tour."""


class RetryableError(Exception):
    """A failure that may pass. `wait` is the pause that the server requested, in seconds, or 0.

    With `busy` the server takes no calls now; this call is not the cause.
    """

    def __init__(self, detail: str, wait: float = 0.0, *, busy: bool = False) -> None:
        super().__init__(detail)
        self.wait = wait
        self.busy = busy or wait > 0


class MaxTokensNameError(Exception):
    """The model wants `max_completion_tokens` instead of `max_tokens`, as OpenAI's reasoning models do."""


# Our own models instead of the package's types, which check nothing: a body that was cut off must be rejected.
class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class Completion(BaseModel):
    """The needed fields of an answer; servers add others."""

    choices: Annotated[list[_Choice], Field(max_length=128), FailFast()]  # or an error each for a million of them
    usage: Any = None
    """Unchecked: what a server says it used decides no answer."""


class TokenEstimate(NamedTuple):
    """What one call may take, in tokens, as follows from what is sent."""

    tokens_in: int
    """Most input tokens that are likely."""
    tokens_out: int
    """Most output tokens: `max_tokens`."""
    least_in: int = 0
    """Fewer input tokens than this are impossible."""
    most_in: int = 10**9
    """More input tokens than this are impossible."""


class ChatRequest(NamedTuple):
    """One call, and the key of its stored reply."""

    key: str
    body: Mapping[str, Any]
    data: bytes
    """The body as JSON."""
    estimate: TokenEstimate


class Prices(NamedTuple):
    """US dollars for one token; 0 if unknown."""

    each_in: float
    each_out: float

    @classmethod
    def of(cls, config: OpenAIConfig) -> Prices:
        """The prices of a config, which are for a million tokens."""
        return cls((config.usd_per_million_in or 0) / 1e6, (config.usd_per_million_out or 0) / 1e6)

    def amount(self, tokens_in: int, tokens_out: int) -> Usage:
        """Tokens in and out, with what they cost."""
        return Usage(tokens_in + tokens_out, tokens_in * self.each_in + tokens_out * self.each_out)


def endpoint(config: OpenAIConfig) -> str:
    """The model and its server, for error messages."""
    return f"{config.model} at {config.base_url}"


def read_completion(raw: bytes | object) -> Completion:
    """Check an answer, as JSON or parsed. Raises `RetryableError` if it is not a chat completion."""
    try:
        return Completion.model_validate_json(raw) if isinstance(raw, bytes) else Completion.model_validate(raw)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise RetryableError(f"the answer is no chat completion: {fault['msg']:.{_LONGEST_DETAIL}}") from error


def count_tokens(completion: Completion, estimate: TokenEstimate, config: OpenAIConfig) -> tuple[int, int]:
    """Input and output tokens: what the server says if that is possible, else the estimate.

    So no server can switch off a budget by negative counts, or use it up by absurd ones.
    """
    used = completion.usage if isinstance(completion.usage, Mapping) else {}
    said = used.get("prompt_tokens"), used.get("completion_tokens")
    signs = len(completion.choices[0].message.content or "") if completion.choices else 0
    most_out = max(_FURTHER * estimate.tokens_out, _BYTES_A_SIGN * signs)
    counts = (
        _believed(said[0], estimate.least_in, estimate.most_in, otherwise=estimate.tokens_in),
        _believed(said[1], signs // MOST_SIGNS_A_TOKEN, most_out, otherwise=estimate.tokens_out),
    )
    if said not in (counts, (None, None)):
        _warn_of_counts(endpoint(config))
    return counts


MOST_SIGNS_A_TOKEN = 16
"""Characters of a token: more than any tokenizer reaches on a text."""
_LONGEST_TOKEN = 256
"""Characters of the longest single token; those of spaces are the longest, with some 128."""
_BYTES_A_SIGN = 4
"""Bytes of a character at most; no tokenizer makes more than one token of a byte."""
_FURTHER = 4
"""How many times `max_tokens` a server may count: some do not count thoughts against it."""


def _believed(count: Any, least: int, most: int, *, otherwise: int) -> int:
    """A count of a server's, or `otherwise` where it is no whole number, or an impossible one."""
    if isinstance(count, float) and count.is_integer():
        count = int(count)
    return count if type(count) is int and least <= count <= most else otherwise


@cache
def _warn_of_counts(where: str) -> None:
    """Log it once a process."""
    logging.getLogger(__name__).warning(
        "%s counts tokens that a call cannot have taken; where it does, the estimate counts", redact(where)
    )


def read_reply(completion: Completion, tokens: tuple[int, int], config: OpenAIConfig) -> RawReply:
    """The text of the first choice. Raises `DataError` if it refuses, is empty, or is impossibly long."""
    if not completion.choices:
        raise DataError(f"{endpoint(config)} gave an empty choice: no answer at all")
    choice = completion.choices[0]
    if len(choice.message.content or "") > _LONGEST_TOKEN * config.max_tokens:
        raise DataError(f"{endpoint(config)} gave an answer longer than `max_tokens: {config.max_tokens}` can be")
    if choice.message.refusal or choice.finish_reason == "content_filter":
        why = choice.message.refusal or "its content filter"
        raise DataError(f"{endpoint(config)} refuses: {short(why)}")
    if not (choice.message.content or "").strip():
        raise DataError(
            f"{endpoint(config)} gave an empty choice: an answer without text ({short(choice.finish_reason)})"
        )
    return RawReply(choice.message.content or "", *tokens, choice.finish_reason == "length")


def raise_status(status: int, body: object, config: OpenAIConfig, *, wait: float = 0.0) -> NoReturn:
    """Raise what an error status means for the call or the run; `body` is the answer's JSON, or its text.

    `RetryableError` may pass, and has the server's `wait`. `DataError` fails the record. `SetupError` and
    `AllowanceError` end the run.
    """
    fault = _read_fault(body)
    detail, here = f"status {status} {fault.message}".rstrip(), endpoint(config)
    if status == 402 or fault.code == "insufficient_quota":
        raise AllowanceError(f"{here}: the account is used up: {detail}; the same command goes on")
    if status == 403 and _MODERATED.search(f"{fault.message} {fault.code}"):
        raise DataError(f"{here} refuses: {detail}")
    if status in (401, 403):
        key = f"the key in {config.api_key_env}" if config.api_key_env else "calls without a key (`api_key_env`)"
        raise SetupError(f"{here} refuses {key}: {detail}")
    if status == 404 or 300 <= status < 400:
        raise SetupError(f"{here} is not there: {detail}; see to `model` and `base_url`, which mostly ends in /v1")
    if status == 429 and _TOO_LARGE.search(fault.message):
        raise DataError(f"{here} will not answer this: {detail}")
    if status in _PASSING or status >= 500:
        raise RetryableError(detail, wait, busy=status == 429)
    _raise_option(fault, detail, config)
    raise DataError(f"{here} will not answer this: {detail}")


def raise_error(error: openai.APIStatusError, config: OpenAIConfig) -> NoReturn:
    """Raise what an error of the package means, see `raise_status`."""
    wait = error.response.headers.get("Retry-After")
    raise_status(error.status_code, error.body, config, wait=retry_after_seconds(wait) if wait else 0.0)


class _Fault(NamedTuple):
    message: str
    """On one line."""
    code: str = ""
    option: str = ""
    """The option that the server names, or ''."""


def _raise_option(fault: _Fault, detail: str, config: OpenAIConfig) -> None:
    """Raise `SetupError` for an option that the model does not know: every call would fail the same way."""
    if "max_completion_tokens" in fault.message and "max_tokens" in fault.message:
        raise MaxTokensNameError(detail)
    names_it = fault.option == "temperature" or (
        fault.code.startswith("unsupported") and "temperature" in fault.message
    )
    if names_it and config.temperature is not None:
        raise SetupError(
            f"{endpoint(config)} takes no `temperature: {config.temperature:g}`: {detail}; "
            "set `temperature: null`, which leaves it to the model"
        )
    if config.structure != "text" and (fault.option == "response_format" or _FORMAT.search(fault.message)):
        others = "`structure: object` or `text`" if config.structure == "schema" else "`structure: text`"
        raise SetupError(f"{endpoint(config)} takes no `structure: {config.structure}`: {detail}; set {others}")


def _read_fault(body: object) -> _Fault:
    """Read an error body: OpenAI's form, that of older vLLM and FastAPI, or plain text."""
    if isinstance(body, Mapping) and body.get("error"):
        body = body["error"]
    if not isinstance(body, Mapping):
        return _Fault(short(body))
    detail = next((body[name] for name in ("message", "detail") if body.get(name)), body)
    return _Fault(short(detail), short(body.get("code")), short(body.get("param")))


def short(detail: object) -> str:
    """Words of a server or a package on one line, cut to a readable length."""
    try:
        text = detail if isinstance(detail, str) else json.dumps(detail, default=str) if detail else ""
    except RecursionError:
        text = "(a message that is nested too deeply)"
    return f"{' '.join(text.split()):.{_LONGEST_DETAIL}}"
