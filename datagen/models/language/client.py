"""A language model behind a server that speaks OpenAI's chat completions."""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

import cv2
import numpy as np
from pydantic import BaseModel, ValidationError

from datagen.core.errors import DataError
from datagen.core.stage import Runtime
from datagen.imaging.image import Image
from datagen.models.language.base import Draw, Question, Reply, Shape, Spoken
from datagen.models.language.calls import Caller, Calls
from datagen.models.language.completion import Asked
from datagen.models.language.config import OpenAIConfig
from datagen.models.language.prompt import read_prompt
from datagen.models.language.rate_limit import Amount
from datagen.models.language.replies import Replies, Said, bytes_of, key_of
from datagen.models.language.schema import schema_name, strict_schema
from datagen.models.language.sharing import gate

_QUALITY = 90
"""Of the JPEGs that are sent."""
_SIGNS_A_TOKEN = 3
"""Fewer than any tokenizer gets from English, so that what a call may take is not guessed too low."""
_PIXELS_A_TOKEN = 750
"""Likewise; Qwen3-VL takes 1024, GPT-4o more. Models that bill a picture higher: `tokens_a_picture`."""
_TOKENS_A_MESSAGE = 20
_MOST_FAULTS = 5
_THINKS, _THOUGHT = "<think>", "</think>"
"""What stands around the thoughts that some servers leave in front of an answer."""

Message = dict[str, Any]


class OpenAIModel:
    """Asks, checks what comes, has it mended, and keeps every reply; see `LanguageModel`."""

    def __init__(self, config: OpenAIConfig, *, runtime: Runtime) -> None:
        self.config = config
        self._round = runtime.round
        self._replies = Replies(runtime.replies)
        self._calls = _caller(config, self._replies, runtime)
        self._repair = read_prompt("repair", offers={"fault": "text"})
        self._form = read_prompt("form", offers={"schema": "json"})
        self._dearest = 0
        """Most tokens in for each picture that a call took so far."""
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def close(self) -> None:
        """Let go of connections."""
        await self._calls.close()
        self._replies.close()

    async def __call__(self, question: Question, *, shape: type[Shape], draw: Draw) -> Reply[Shape]:
        """See `LanguageModel`."""
        urls = [await asyncio.to_thread(_url, image, self.config.image_side) for image in question.images]
        messages = self._messages(question, urls, shape)
        pictures = self._tokens_of(question.images)
        spent, fault = Amount(), ""
        keys: list[str] = []
        for repair in range(self.config.repairs + 1):
            asked = self._asked(messages, shape, self._draw(draw, repair), besides=sum(map(len, urls)), more=pictures)
            keys.append(asked.key)
            said, took = await self._answered(asked)
            if urls:
                self._dearest = max(self._dearest, math.ceil(said.tokens_in / len(urls)))
            spent = Amount(spent.tokens + took.tokens, spent.usd + took.usd)
            try:
                return Reply(_parsed(said, shape), *spent)
            except ValueError as error:
                fault = _fault(error, said)
                messages = [*messages, {"role": "assistant", "content": said.text}, self._told_wrong(fault, shape)]
        await self._replies.forget(keys)
        raise DataError(
            f"{self.config.model} at {self.config.base_url} gave no answer of the asked form, "
            f"{self.config.repairs + 1} times; the last one: {fault}"
        )

    def _draw(self, draw: Draw, repair: int) -> tuple[str | int, ...]:
        """What tells draws of chance apart; a later round of a repeat block draws anew."""
        return () if self.config.temperature == 0 else (*draw, repair, *filter(None, [self._round]))

    def _asked(
        self, messages: Sequence[Message], shape: type[BaseModel], draw: Sequence[str | int], *, besides: int, more: int
    ) -> Asked:
        """A call; all that is sent but `besides` bytes of pictures is guessed as text, and `more` tokens for these."""
        body = self._body(messages, shape)
        data = bytes_of(body)
        guess = (len(data) - besides) // _SIGNS_A_TOKEN + len(messages) * _TOKENS_A_MESSAGE + more
        return Asked(key_of(data, weights=self.config.weights, draw=draw), body, data, (guess, self.config.max_tokens))

    def _tokens_of(self, images: Sequence[Image]) -> int:
        """What pictures take at the most: as the config says, else as was seen, or guessed where that is more."""
        if self.config.tokens_a_picture:
            return len(images) * self.config.tokens_a_picture
        each = (math.prod(_fitted(image, self.config.image_side)) // _PIXELS_A_TOKEN for image in images)
        return sum(max(guess, self._dearest) for guess in each)

    async def _answered(self, asked: Asked) -> tuple[Said, Amount]:
        """A reply that is kept, for nothing, or a new one; of equal questions at once only one is asked."""
        async with self._asking.setdefault(asked.key, asyncio.Lock()):
            if known := await self._replies.find(asked.key):
                return known, Amount()
            said, took = await self._calls.make(asked)
            await self._replies.keep(asked.key, said)
            return said, took

    def _messages(self, question: Question, urls: Sequence[str], shape: type[BaseModel]) -> list[Message]:
        system = question.system
        if self.config.structure != "schema":
            system = f"{system}\n\n{self._form_of(shape)}"
        parts: list[Message] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        said: Any = [*parts, {"type": "text", "text": question.text}] if parts else question.text
        return [{"role": "system", "content": system}, {"role": "user", "content": said}]

    def _form_of(self, shape: type[BaseModel]) -> str:
        return self._form.render({"schema": shape.model_json_schema()}).system

    def _told_wrong(self, fault: str, shape: type[BaseModel]) -> Message:
        """What was wrong, and the form in words, which some servers pass over where they are given it as a schema."""
        told = self._repair.render({"fault": fault})
        form = f"\n\n{self._form_of(shape)}" if self.config.structure == "schema" else ""
        return {"role": "user", "content": f"{told.system}\n\n{told.text}{form}"}

    def _body(self, messages: Sequence[Message], shape: type[BaseModel]) -> dict[str, Any]:
        """What is sent, all of it part of what a reply is kept by."""
        config = self.config
        body: dict[str, Any] = {"model": config.model, "messages": list(messages), "max_tokens": config.max_tokens}
        if config.temperature is not None:
            body["temperature"] = config.temperature
        if config.structure == "schema":
            schema = {"name": schema_name(shape), "schema": strict_schema(shape), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif config.structure == "object":
            body["response_format"] = {"type": "json_object"}
        return body


def _caller(config: OpenAIConfig, replies: Replies, runtime: Runtime) -> Caller:
    """How calls are made."""
    shared = gate(config.terms, runtime=runtime)
    if config.batch is None:
        return Calls(config, shared)
    from datagen.models.language.batch import BatchCalls

    return BatchCalls(config, config.batch, shared, replies=replies, address=runtime.replies)


def _parsed(said: Said, shape: type[Shape]) -> Shape:
    """The answer's JSON, also from within a fence or a sentence around it, or its words. Raises `ValueError`."""
    text = said.text.rpartition(_THOUGHT)[2]
    if _THINKS in text.partition("{")[0]:
        raise ValueError("it broke off in its thoughts")
    start, end = text.find("{"), text.rfind("}")
    if start < 0 and issubclass(shape, Spoken) and not said.cut:
        return shape.from_words(text)
    if start < 0 or end < start:
        raise ValueError("there is no whole JSON object in it")
    return shape.model_validate_json(text[start : end + 1])


def _fault(error: ValueError, said: Said) -> str:
    """What is wrong with an answer, for the model and for people."""
    cut = "it broke off, being too long; " if said.cut else ""
    if not isinstance(error, ValidationError):
        return f"{cut}{error}"
    faults = error.errors(include_url=False, include_context=False)[:_MOST_FAULTS]
    return cut + "; ".join(": ".join(filter(None, (".".join(map(str, one["loc"])), one["msg"]))) for one in faults)


def _fitted(image: Image, side: int) -> tuple[int, int]:
    """Width and height of a picture as it is sent."""
    width, height = image.size
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _url(image: Image, side: int) -> str:
    """A picture as a data URL."""
    size = _fitted(image, side)
    if size != image.size:
        small_HWC = cv2.resize(image.array, size, interpolation=cv2.INTER_AREA)
        image = Image.of(np.ascontiguousarray(small_HWC, np.uint8))
    data = image.stored("jpg", quality=_QUALITY, keep_original=False)
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
