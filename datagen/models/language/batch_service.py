"""A server's batch endpoint, through the `openai` package: files go up, batches are made and looked after."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, NoReturn

import openai
from openai.types import Batch

from datagen.core.errors import AllowanceError, DatagenError, SetupError
from datagen.models.language.batch_notes import Note
from datagen.models.language.completion import AgainError, raise_status, where
from datagen.models.language.config import OpenAIConfig

ENDPOINT: Final = "/v1/chat/completions"
_RUNNING = ("validating", "in_progress", "finalizing", "cancelling")
_USED_UP = ("token_limit_exceeded", "insufficient_quota", "billing_hard_limit_reached", "rate_limit_exceeded")
_FIRST_WAIT_S = 0.5
_SEARCHED = 1000
"""So many of the newest batches of the account are looked through for one that may have been made."""


class Ended(NamedTuple):
    """A batch that runs no more."""

    status: str
    lines: Mapping[str, Any]
    """What came of each call, by its key; some may be missing."""
    why: DatagenError | None = None
    """Why the server took none of it."""


class Service:
    """The batches of one account."""

    def __init__(self, config: OpenAIConfig, key: str) -> None:
        self._config = config
        self._client = openai.AsyncOpenAI(
            api_key=key, base_url=config.base_url, timeout=config.timeout_s, max_retries=config.retries
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    async def upload(self, name: str, lines: bytes) -> str:
        """The id of a file of calls. Raises `SetupError` or `AllowanceError`."""
        try:
            return (await self._client.files.create(file=(f"{name}.jsonl", lines), purpose="batch")).id
        except openai.NotFoundError as error:
            raise SetupError(f"{where(self._config)} has no batch endpoint: {error}; leave `batch` out") from error
        except openai.OpenAIError as error:
            self._raise(error)

    async def make(self, note: Note) -> str:
        """The id of a batch of what went up, made once, whatever became of the server's answer.

        Raises `SetupError` or `AllowanceError`.
        """
        once = self._client.with_options(max_retries=0)
        for attempt in range(self._config.retries + 1):
            try:
                made = await once.batches.create(
                    input_file_id=note.file,
                    endpoint=ENDPOINT,
                    completion_window="24h",
                    metadata={"made_by": "datagen", "name": note.name},
                )
            except (openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError) as error:
                if attempt == self._config.retries:
                    self._raise(error)
                await asyncio.sleep(_FIRST_WAIT_S * 2**attempt)
                if found := await self.find(note):
                    return found
            except openai.OpenAIError as error:
                self._raise(error)
            else:
                return made.id
        raise AssertionError

    async def find(self, note: Note) -> str:
        """The id of a batch that was made of this file; '' if none was. Raises `SetupError` or `AllowanceError`."""
        seen = 0
        try:
            async for batch in self._client.batches.list(limit=100):
                seen += 1
                if batch.input_file_id == note.file:
                    return batch.id
                if seen == _SEARCHED:
                    break
        except openai.OpenAIError as error:
            self._raise(error)
        return ""

    async def ended(self, note: Note, *, every_s: float) -> Ended:
        """What a batch came to, once it has ended.

        Raises `AgainError` if the server knows nothing of it; `SetupError` or `AllowanceError`.
        """
        try:
            while (batch := await self._client.batches.retrieve(note.batch)).status in _RUNNING:
                await asyncio.sleep(every_s)
            if batch.status == "failed":
                return Ended(batch.status, {}, self._why(batch))
            found: dict[str, Any] = {}
            for id in filter(None, (batch.output_file_id, batch.error_file_id)):
                content = await self._client.files.content(id)
                found.update(_read(await content.aread()))
            return Ended(batch.status, found)
        except openai.NotFoundError as error:
            raise AgainError(f"the server knows nothing of batch {note.batch}") from error
        except openai.OpenAIError as error:
            self._raise(error)

    async def tidy(self, note: Note) -> None:
        """Let the server forget what went up and came back; where it will not, it keeps them."""
        ids = [note.file]
        try:
            batch = await self._client.batches.retrieve(note.batch)
            ids += [id for id in (batch.output_file_id, batch.error_file_id) if id]
            for id in ids:
                await self._client.files.delete(id)
        except openai.OpenAIError:
            return

    def _why(self, batch: Batch) -> DatagenError:
        """Why a server took no batch; nothing of it was asked."""
        faults = (batch.errors and batch.errors.data) or []
        told = "; ".join(f"{fault.message} (line {fault.line or '?'})" for fault in faults[:3]) or "it says not why"
        if any(fault.code in _USED_UP for fault in faults):
            return AllowanceError(
                f"{where(self._config)} takes no batch of that size now: {told}; the same command goes on from here, "
                "see to `batch.most`"
            )
        return SetupError(f"{where(self._config)} took the batch for wrong: {told}")

    def _raise(self, error: openai.OpenAIError) -> NoReturn:
        """Tell what an error of the endpoint means for the run."""
        told = str(error)
        if isinstance(error, openai.APIStatusError):
            try:
                raise_status(error.status_code, error.response.content, self._config)
            except AgainError as passing:
                told = str(passing)
        raise AllowanceError(
            f"the batch endpoint of {where(self._config)} cannot be used now: {told}; batches that were made go on "
            "there, and the same command takes them up"
        ) from error


def _read(data: bytes) -> Iterator[tuple[str, Any]]:
    """The lines of a file of answers, by the key of their call; what is no whole line is as if it were not there."""
    for line in data.splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, Mapping) and isinstance(told.get("custom_id"), str):
            yield told["custom_id"], told
