"""A server's batch endpoint, through the `openai` package: upload files, create batches, poll them, delete them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, NoReturn

import openai
from openai.types import Batch

from datagen.core.errors import AllowanceError, DatagenError, SetupError
from datagen.models.language.batch_state import BatchState
from datagen.models.language.completion import RetryableError, endpoint, raise_error
from datagen.models.language.config import OpenAIConfig
from datagen.models.language.http_client import make_client

ENDPOINT: Final = "/v1/chat/completions"
_RUNNING = ("validating", "in_progress", "finalizing", "cancelling")
_USED_UP = ("token_limit_exceeded", "insufficient_quota", "billing_hard_limit_reached", "rate_limit_exceeded")
_FAILURES = (openai.OpenAIError, ValueError, RecursionError, AttributeError)
"""What the package raises; the last three where an answer is no JSON, or another kind of it."""
_FIRST_WAIT_S = 0.5
_LARGEST = 512_000_000
"""Most bytes of an output file, which holds the answers to all calls of a batch."""
_SEARCHED = 1000
"""How many of the newest batches of the account are searched for one that may have been created."""


class EndedBatch(NamedTuple):
    """A batch that has ended."""

    status: str
    lines: Mapping[str, Any]
    """The output line of each call, by its key; some may be missing."""
    why: DatagenError | None = None
    """Why the server rejected the batch as a whole."""


class BatchService:
    """The batches of one account."""

    def __init__(self, config: OpenAIConfig) -> None:
        self._config = config
        self._client = make_client(config, largest=_LARGEST, timeout_s=config.timeout_s, retries=config.retries)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    async def upload(self, name: str, lines: bytes) -> str:
        """Upload a file of calls; its id. Raises `SetupError` or `AllowanceError`."""
        try:
            return (await self._client.files.create(file=(f"{name}.jsonl", lines), purpose="batch")).id
        except openai.NotFoundError as error:
            raise SetupError(f"{endpoint(self._config)} has no batch endpoint: {error}; leave `batch` out") from error
        except _FAILURES as error:
            self._raise(error)

    async def make(self, state: BatchState) -> str:
        """Create a batch of an uploaded file; its id. It is created once, even if the server's answer is lost.

        Raises `SetupError` or `AllowanceError`.
        """
        once = self._client.with_options(max_retries=0)  # the package would retry without looking for it first
        for attempt in range(self._config.retries + 1):
            try:
                making = once.batches.create(
                    input_file_id=state.file,
                    endpoint=ENDPOINT,
                    completion_window="24h",
                    metadata={"made_by": "datagen", "name": state.name},
                )
                return (await making).id
            except (openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError) as error:
                if attempt == self._config.retries:
                    self._raise(error)
                await asyncio.sleep(_FIRST_WAIT_S * 2**attempt)
                if found := await self.find(state):
                    return found
            except _FAILURES as error:
                self._raise(error)
        raise AssertionError

    async def find(self, state: BatchState) -> str:
        """The id of the batch that was created from this file, or ''. Raises `SetupError` or `AllowanceError`."""
        searched = 0
        try:
            async for batch in self._client.batches.list(limit=100):
                searched += 1
                # by the file, as a kill right after the creation leaves no id of the batch
                if batch.input_file_id == state.file:
                    return batch.id
                if searched == _SEARCHED:
                    break
        except _FAILURES as error:
            self._raise(error)
        return ""

    async def ended(self, state: BatchState, *, every_s: float) -> EndedBatch:
        """Poll a batch every `every_s` seconds until it has ended; its result.

        Raises `RetryableError` if the server does not know it; `SetupError` or `AllowanceError`.
        """
        try:
            while (batch := await self._client.batches.retrieve(state.batch)).status in _RUNNING:
                await asyncio.sleep(every_s)
            if batch.status == "failed":
                return EndedBatch(batch.status, {}, self._why(batch))
            found: dict[str, Any] = {}
            for id in filter(None, (batch.output_file_id, batch.error_file_id)):
                content = await self._client.files.content(id)
                found.update(self._read(await content.aread()))
            return EndedBatch(batch.status, found)
        except openai.NotFoundError as error:
            raise RetryableError(f"the server knows nothing of batch {state.batch}") from error
        except _FAILURES as error:
            self._raise(error)

    async def tidy(self, state: BatchState) -> None:
        """Delete the files of a batch at the server. If that fails, they stay there."""
        ids = [state.file]
        try:
            batch = await self._client.batches.retrieve(state.batch)
            ids += [id for id in (batch.output_file_id, batch.error_file_id) if id]
            for id in ids:
                await self._client.files.delete(id)
        except _FAILURES:
            return

    def _why(self, batch: Batch) -> DatagenError:
        """The error for a batch that the server rejected as a whole; none of its calls was answered."""
        faults = (batch.errors and batch.errors.data) or []
        reason = "; ".join(f"{fault.message} (line {fault.line or '?'})" for fault in faults[:3]) or "it says not why"
        if any(fault.code in _USED_UP for fault in faults):
            return AllowanceError(
                f"{endpoint(self._config)} takes no batch of that size now: {reason}; "
                "the same command goes on from here, see to `batch.most`"
            )
        return SetupError(f"{endpoint(self._config)} took the batch for wrong: {reason}")

    def _raise(self, error: Exception) -> NoReturn:
        """Raise what an error of the endpoint means for the run: `SetupError`, `DataError` or `AllowanceError`."""
        reason = str(error)
        if isinstance(error, openai.APIStatusError):
            try:
                raise_error(error, self._config)
            except RetryableError as passing:
                reason = str(passing)
        raise AllowanceError(
            f"the batch endpoint of {endpoint(self._config)} cannot be used now: {reason}; "
            "batches that were made go on there, and the same command takes them up"
        ) from error

    def _read(self, data: bytes) -> Iterator[tuple[str, Any]]:
        """The lines of an output file, with the key of their call. Lines that are not whole are skipped."""
        for line in data.splitlines():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(row, Mapping) and isinstance(row.get("custom_id"), str):
                large = len(line) > self._config.largest_reply_mb * 1e6
                yield row["custom_id"], _TOO_LARGE if large else row


_TOO_LARGE = {"error": "the answer is larger than `largest_reply_mb`"}
