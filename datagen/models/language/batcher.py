"""Combine many small requests of one event loop into few."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Sends one group of items at a time; items that come meanwhile form the next group.

    `ask` answers a group in the order of its items.
    """

    def __init__(self, ask: Callable[[list[Item]], Awaitable[list[Result]]]) -> None:
        self._ask = ask
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        """The answer to one item. An exception of `ask` is raised for every item of its group."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, answer))
        if self._task is None:
            self._task = loop.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                await self._answer([item for item, _ in group], [answer for _, answer in group])
        finally:
            self._task = None

    async def _answer(self, items: list[Item], answers: list[asyncio.Future[Result]]) -> None:
        try:
            found = await self._ask(items)
        except Exception as error:
            for answer in answers:
                if not answer.done():  # done if its caller was cancelled
                    answer.set_exception(error)
        else:
            for answer, value in zip(answers, found, strict=True):
                if not answer.done():
                    answer.set_result(value)
