"""Many small askings on one event loop, made into few."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")


class Gathered(Generic[Item, Found]):
    """What is asked while one asking is under way goes together in the next one; `ask` answers in order."""

    def __init__(self, ask: Callable[[list[Item]], Awaitable[list[Found]]]) -> None:
        self._ask = ask
        self._waiting: list[tuple[Item, asyncio.Future[Found]]] = []
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Found:
        """Its answer; what `ask` raises is raised for all that were asked together."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Found] = loop.create_future()
        self._waiting.append((item, answer))
        if self._task is None:
            self._task = loop.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                await self._together([item for item, _ in asked], [answer for _, answer in asked])
        finally:
            self._task = None

    async def _together(self, items: list[Item], answers: list[asyncio.Future[Found]]) -> None:
        try:
            found = await self._ask(items)
        except Exception as error:
            for answer in answers:
                if not answer.done():  # as it is where whoever asked was cancelled
                    answer.set_exception(error)
        else:
            for answer, value in zip(answers, found, strict=True):
                if not answer.done():
                    answer.set_result(value)
