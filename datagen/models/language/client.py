"""The client of a language model behind a server with OpenAI's chat completions API."""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import Iterator, Sequence
from typing import Any
from weakref import WeakValueDictionary

import cv2
import numpy as np
from pydantic import BaseModel, ValidationError

from datagen.core.errors import DataError
from datagen.core.redact import redact_values
from datagen.core.stage import Runtime
from datagen.imaging.image import Image
from datagen.models.language.base import Draw, Question, Reply, Shape, TextAnswer
from datagen.models.language.calls import Caller, Calls
from datagen.models.language.completion import MOST_SIGNS_A_TOKEN, ChatRequest, TokenEstimate
from datagen.models.language.config import OpenAIConfig
from datagen.models.language.prompt import read_prompt
from datagen.models.language.rate_limit import Usage
from datagen.models.language.replies import RawReply, Replies, json_bytes, reply_key
from datagen.models.language.schema import schema_name, strict_schema
from datagen.models.language.sharing import gate

_QUALITY = 90
"""JPEG quality of the pictures that are sent."""
_SIGNS_A_TOKEN = 3
"""Bytes of a token. Fewer than any tokenizer reaches on English, so that the guess is never too low."""
_PIXELS_A_TOKEN = 750
"""Pixels of a token, also too few: Qwen3-VL has 1024, GPT-4o more. A model that bills more: `tokens_a_picture`."""
_TOKENS_A_MESSAGE = 20
_DEAREST_PICTURE = 50_000
"""Most tokens that any model bills a picture as, if `tokens_a_picture` is not larger. GPT-4o mini's largest: 48,169."""
_HIDDEN_PROMPT = 10_000
"""Tokens of a prompt that a server may add to ours."""
_MOST_FAULTS = 5
_THINKS, _THOUGHT = "<think>", "</think>"
"""Marks around the thoughts that some servers leave before an answer."""

Message = dict[str, Any]


class OpenAIModel:
    """Asks, validates the answer, requests repairs, and stores every reply; see `LanguageModel`."""

    def __init__(self, config: OpenAIConfig, *, runtime: Runtime) -> None:
        self.config = config
        self._round = runtime.round
        self._replies = Replies(runtime.replies)
        self._calls = _make_caller(config, self._replies, runtime)
        self._repair_prompt = read_prompt("repair", offers={"fault": "text"})
        self._form_prompt = read_prompt("form", offers={"schema": "json"})
        self._most_tokens_a_picture = 0
        """Most input tokens for each picture, over all calls so far."""
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def close(self) -> None:
        """Close connections and threads."""
        await self._calls.close()
        self._replies.close()

    async def __call__(self, question: Question, *, shape: type[Shape], draw: Draw) -> Reply[Shape]:
        """See `LanguageModel`."""
        # a picture takes milliseconds to encode, in which the event loop would serve no other call
        urls = [await asyncio.to_thread(_data_url, image, self.config.image_side) for image in question.images]
        messages = self._messages(question, urls, shape)
        pictures = self._picture_tokens(question.images)
        used, fault = Usage(), ""
        keys: list[str] = []
        for repair in range(self.config.repairs + 1):
            request = self._request(messages, shape, self._draw_key(draw, repair), urls=urls, picture_tokens=pictures)
            keys.append(request.key)
            reply, took = await self._fetch_reply(request)
            if urls and reply.tokens_in <= request.estimate.most_in:
                self._most_tokens_a_picture = max(self._most_tokens_a_picture, math.ceil(reply.tokens_in / len(urls)))
            used = Usage(used.tokens + took.tokens, used.usd + took.usd)
            try:
                return Reply(_parse_answer(reply, shape), *used)
            except ValueError as error:
                fault = _describe_fault(error, reply)
                messages = [*messages, {"role": "assistant", "content": reply.text}, self._repair_message(fault, shape)]
        await self._replies.forget(keys)  # or a retry of the record would read the same useless replies
        raise DataError(
            f"{self.config.model} at {self.config.base_url} gave no answer of the asked form, "
            f"{self.config.repairs + 1} times; the last one: {fault}"
        )

    def _draw_key(self, draw: Draw, repair: int) -> tuple[str | int, ...]:
        """What makes draws differ in the reply's key. A later round of a repeat block draws anew."""
        return () if self.config.temperature == 0 else (*draw, repair, *filter(None, [self._round]))

    def _request(
        self,
        messages: Sequence[Message],
        shape: type[BaseModel],
        draw: Sequence[str | int],
        *,
        urls: Sequence[str],
        picture_tokens: int,
    ) -> ChatRequest:
        """A call, with an estimate of its tokens; `picture_tokens` is the one for its pictures."""
        body = self._request_body(messages, shape)
        data = json_bytes(body)
        text = (len(data) - sum(map(len, urls))) // _SIGNS_A_TOKEN + len(messages) * _TOKENS_A_MESSAGE
        signs = sum(map(len, _texts(messages)))
        dearest = len(urls) * max(_DEAREST_PICTURE, self.config.tokens_a_picture or 0)
        estimate = TokenEstimate(
            text + picture_tokens,
            self.config.max_tokens,
            least_in=signs // MOST_SIGNS_A_TOKEN + len(urls) + 1,
            most_in=_HIDDEN_PROMPT
            + _SIGNS_A_TOKEN * text
            + dearest,  # no tokenizer makes more than one token of a byte
        )
        return ChatRequest(reply_key(data, weights=self.config.weights, draw=draw), body, data, estimate)

    def _picture_tokens(self, images: Sequence[Image]) -> int:
        """Most tokens of pictures: from the config, else the larger of the guess and the most of earlier calls."""
        if self.config.tokens_a_picture:
            return len(images) * self.config.tokens_a_picture
        each = (math.prod(_fitted_size(image, self.config.image_side)) // _PIXELS_A_TOKEN for image in images)
        return sum(max(guess, self._most_tokens_a_picture) for guess in each)

    async def _fetch_reply(self, request: ChatRequest) -> tuple[RawReply, Usage]:
        """A stored reply, which costs nothing, or a new one. Of equal calls at the same time only one is made."""
        async with self._locks.setdefault(request.key, asyncio.Lock()):
            if known := await self._replies.find(request.key):
                return known, Usage()
            reply, took = await self._calls.make(request)
            reply = reply._replace(text=redact_values(reply.text))  # a server may repeat the key that it was sent
            await self._replies.keep(request.key, reply)  # before its use: a kill after this pays nothing twice
            return reply, took

    def _messages(self, question: Question, urls: Sequence[str], shape: type[BaseModel]) -> list[Message]:
        system = question.system
        if self.config.structure != "schema":
            system = f"{system}\n\n{self._form_text(shape)}"
        parts: list[Message] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        content: Any = [*parts, {"type": "text", "text": question.text}] if parts else question.text
        return [{"role": "system", "content": system}, {"role": "user", "content": content}]

    def _form_text(self, shape: type[BaseModel]) -> str:
        return self._form_prompt.render({"schema": shape.model_json_schema()}).system

    def _repair_message(self, fault: str, shape: type[BaseModel]) -> Message:
        """The message that says what was wrong. It repeats the form in words, as some servers ignore a schema."""
        repair = self._repair_prompt.render({"fault": fault})
        form = f"\n\n{self._form_text(shape)}" if self.config.structure == "schema" else ""
        return {"role": "user", "content": f"{repair.system}\n\n{repair.text}{form}"}

    def _request_body(self, messages: Sequence[Message], shape: type[BaseModel]) -> dict[str, Any]:
        """The body of a call. All of it is part of the key of the stored reply."""
        config = self.config
        body: dict[str, Any] = {"model": config.model, "messages": list(messages), "max_tokens": config.max_tokens}
        if config.temperature is not None:
            body["temperature"] = config.temperature
        if config.structure == "schema":
            schema = {"name": schema_name(shape), "schema": strict_schema(shape), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif config.structure == "object":
            body["response_format"] = {"type": "json_object"}
        return {**body, **config.parameters}


def _texts(messages: Sequence[Message]) -> Iterator[str]:
    """The texts of messages, without pictures."""
    for message in messages:
        content = message["content"]
        yield from (part.get("text", "") for part in content) if isinstance(content, list) else (content,)


def _make_caller(config: OpenAIConfig, replies: Replies, runtime: Runtime) -> Caller:
    """The caller for a config: single calls, or batches."""
    shared = gate(config.terms, runtime=runtime)
    if config.batch is None:
        return Calls(config, shared)
    from datagen.models.language.batch import BatchCalls

    return BatchCalls(config, config.batch, shared, replies=replies, address=runtime.replies)


def _parse_answer(reply: RawReply, shape: type[Shape]) -> Shape:
    """Parse the JSON of an answer, also inside a code fence or a sentence, else its words. Raises `ValueError`."""
    text = reply.text.rpartition(_THOUGHT)[2]
    if _THINKS in text.partition("{")[0]:
        raise ValueError("it broke off in its thoughts")
    start, end = text.find("{"), text.rfind("}")
    if start < 0 and issubclass(shape, TextAnswer) and not reply.cut:
        return shape.from_text(text)
    if start < 0 or end < start:
        raise ValueError("there is no whole JSON object in it")
    return shape.model_validate_json(text[start : end + 1])


def _describe_fault(error: ValueError, reply: RawReply) -> str:
    """What is wrong with an answer, in words for the model and for users."""
    cut = "it broke off, being too long; " if reply.cut else ""
    if not isinstance(error, ValidationError):
        return f"{cut}{error}"
    faults = error.errors(include_url=False, include_context=False)[:_MOST_FAULTS]
    return cut + "; ".join(": ".join(filter(None, (".".join(map(str, one["loc"])), one["msg"]))) for one in faults)


def _fitted_size(image: Image, side: int) -> tuple[int, int]:
    """Width and height of a picture as it is sent."""
    width, height = image.size
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _data_url(image: Image, side: int) -> str:
    """A picture as a data URL."""
    size = _fitted_size(image, side)
    if size != image.size:
        small_HWC = cv2.resize(image.array, size, interpolation=cv2.INTER_AREA)
        image = Image.of(np.ascontiguousarray(small_HWC, np.uint8))
    data = image.stored("jpg", quality=_QUALITY, keep_original=False)
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
