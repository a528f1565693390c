"""What a server of chat completions says: an answer, or an error and what that means for the call or the run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

from pydantic import BaseModel, ValidationError

from datagen.core.errors import AllowanceError, DataError, SetupError
from datagen.models.language.config import OpenAIConfig
from datagen.models.language.rate_limit import Amount
from datagen.models.language.replies import Said

_PASSING = (408, 409, 429)
_TOO_LARGE = re.compile(r"request too large", re.IGNORECASE)
"""OpenAI's 429 for a call that by itself is more than a minute's tokens; no wait helps it."""
_MODERATED = re.compile(r"flagged|moderat|(content|usage|safety).{0,20}polic|violat.{0,40}polic", re.IGNORECASE)
"""What gateways say with a 403 that is meant for what was sent, and not for the key."""
_LONGEST_TOLD = 300
"""Characters of what a server says about an error."""
_WRONG = r"(?:unsupported|not support|invalid|unknown|fail|cannot|could not|unable|error)"
_HOLDER = r"(?:json.?schema|grammar|(?:guided|structured) (?:output|decoding|generation))"
_FORMAT = re.compile(
    r"response_format|json_schema|json_object|guided_(?:json|grammar|decoding)|structured_outputs?|"
    rf"\bno {_HOLDER}|{_WRONG}[^\"'`:.<>{{}}]{{0,40}}{_HOLDER}|{_HOLDER}[^\"'`:.<>{{}}]{{0,40}}{_WRONG}",
    re.IGNORECASE,
)
"""What servers say that cannot hold an answer to a form: the option's name, or that what vLLM and llama.cpp hold it by
fails. Those words alone tell nothing: a server may repeat what it was asked, and that speak of a guided tour."""


class AgainError(Exception):
    """What may pass; `wait` is what the server asked for, in seconds, 0 if it did not.

    `busy` says that the call itself is not to blame: the server takes no more for now.
    """

    def __init__(self, told: str, wait: float = 0.0, *, busy: bool = False) -> None:
        super().__init__(told)
        self.wait = wait
        self.busy = busy or wait > 0


class OtherNameError(Exception):
    """The model calls `max_tokens` by another name, as OpenAI's reasoning models do."""


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int


class Completion(BaseModel):
    """What is needed of an answer; servers add fields of their own."""

    choices: list[_Choice]
    usage: _Usage | None = None


class Asked(NamedTuple):
    """One call, and what it is kept by."""

    key: str
    body: Mapping[str, Any]
    data: bytes
    """The body as JSON."""
    guess: tuple[int, int]
    """Tokens in and out that it may take at the most."""


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


def where(config: OpenAIConfig) -> str:
    """The model and its server, as errors name them."""
    return f"{config.model} at {config.base_url}"


def read_completion(raw: bytes) -> Completion:
    """A whole answer. Raises `AgainError` if it is none."""
    try:
        return Completion.model_validate_json(raw)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise AgainError(f"the answer is no chat completion: {fault['msg']:.{_LONGEST_TOLD}}") from error


def tokens_of(completion: Completion, guess: tuple[int, int]) -> tuple[int, int]:
    """Tokens in and out; the guess where the server does not count."""
    used = completion.usage
    return (used.prompt_tokens, used.completion_tokens) if used else guess


def said(completion: Completion, tokens: tuple[int, int], config: OpenAIConfig) -> Said:
    """The text of the first choice. Raises `DataError` if the model gave none."""
    if not completion.choices:
        raise DataError(f"{where(config)} gave an empty choice: no answer at all")
    choice = completion.choices[0]
    if choice.message.refusal or choice.finish_reason == "content_filter":
        why = choice.message.refusal or "its content filter"
        raise DataError(f"{where(config)} refuses: {why:.{_LONGEST_TOLD}}")
    if not (choice.message.content or "").strip():
        raise DataError(f"{where(config)} gave an empty choice: an answer without text ({choice.finish_reason})")
    return Said(choice.message.content or "", *tokens, choice.finish_reason == "length")


def raise_status(status: int, raw: bytes, config: OpenAIConfig, *, wait: float = 0.0) -> NoReturn:
    """Tell what an answer with an error's status means for the call, or for the run.

    Raises `AgainError` for what may pass, with the server's `wait`; `DataError`, `SetupError` or `AllowanceError`.
    """
    fault = _fault(raw)
    told, here = f"status {status} {fault.told}".rstrip(), where(config)
    if status == 402 or fault.code == "insufficient_quota":
        raise AllowanceError(f"{here}: the account is used up: {told}; the same command goes on")
    if status == 403 and _MODERATED.search(f"{fault.told} {fault.code}"):
        raise DataError(f"{here} refuses: {told}")
    if status in (401, 403):
        key = f"the key in {config.api_key_env}" if config.api_key_env else "calls without a key (`api_key_env`)"
        raise SetupError(f"{here} refuses {key}: {told}")
    if status == 404 or 300 <= status < 400:
        raise SetupError(f"{here} is not there: {told}; see to `model` and `base_url`, which mostly ends in /v1")
    if status == 429 and _TOO_LARGE.search(fault.told):
        raise DataError(f"{here} will not answer this: {told}")
    if status in _PASSING or status >= 500:
        raise AgainError(told, wait, busy=status == 429)
    _raise_option(fault, told, config)
    raise DataError(f"{here} will not answer this: {told}")


class _Fault(NamedTuple):
    told: str
    """On one line."""
    code: str = ""
    option: str = ""
    """Which one the server names."""


def _raise_option(fault: _Fault, told: str, config: OpenAIConfig) -> None:
    """Tell of an option that the model does not know; no other call would fare better."""
    if "max_completion_tokens" in fault.told and "max_tokens" in fault.told:
        raise OtherNameError(told)
    names_it = fault.option == "temperature" or (fault.code.startswith("unsupported") and "temperature" in fault.told)
    if names_it and config.temperature is not None:
        raise SetupError(
            f"{where(config)} takes no `temperature: {config.temperature:g}`: {told}; "
            "set `temperature: null`, which leaves it to the model"
        )
    if config.structure != "text" and (fault.option == "response_format" or _FORMAT.search(fault.told)):
        others = "`structure: object` or `text`" if config.structure == "schema" else "`structure: text`"
        raise SetupError(f"{where(config)} takes no `structure: {config.structure}`: {told}; set {others}")


def _fault(raw: bytes) -> _Fault:
    """What the server says: as OpenAI does, as vLLM and FastAPI did, or in words."""
    try:
        body = json.loads(raw)
    except ValueError:
        body = raw.decode("utf-8", "replace")
    if isinstance(body, Mapping) and body.get("error"):
        body = body["error"]
    if not isinstance(body, Mapping):
        return _Fault(_short(body))
    told = next((body[name] for name in ("message", "detail") if body.get(name)), body)
    return _Fault(_short(told), str(body.get("code") or ""), str(body.get("param") or ""))


def _short(told: Any) -> str:
    text = told if isinstance(told, str) else json.dumps(told, default=str) if told else ""
    return f"{' '.join(text.split()):.{_LONGEST_TOLD}}"
