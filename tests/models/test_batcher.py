"""Small askings made into few: each gets its own answer, none waits for ever."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.models.language.batcher import Batcher


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_each_gets_its_own_answer_and_those_that_wait_go_together(pauses: list[int]) -> None:
    lines: list[list[int]] = []

    async def ask(items: list[int]) -> list[int]:
        lines.append(items)
        await asyncio.sleep(0)
        return [item * 2 for item in items]

    async def one(batcher: Batcher[int, int], number: int) -> int:
        for _ in range(pauses[number]):
            await asyncio.sleep(0)
        return await batcher(number)

    async def run() -> list[int]:
        batcher = Batcher(ask)
        return await asyncio.gather(*(one(batcher, number) for number in range(len(pauses))))

    assert asyncio.run(run()) == [2 * number for number in range(len(pauses))]
    assert sorted(number for items in lines for number in items) == list(range(len(pauses)))
    assert len(lines) <= 2 * len(set(pauses)) + 1


def test_a_fault_is_told_to_all_that_were_asked_together_and_to_no_other() -> None:
    async def ask(items: list[int]) -> list[int]:
        await asyncio.sleep(0)
        if 3 in items:
            raise ValueError("three")
        return items

    async def run() -> None:
        batcher = Batcher(ask)
        first = asyncio.ensure_future(batcher(1))
        await asyncio.sleep(0)
        rest = [asyncio.ensure_future(batcher(number)) for number in (2, 3, 4)]
        rest[2].cancel()
        assert await first == 1
        for one in rest[:2]:
            with pytest.raises(ValueError, match="three"):
                await one
        assert await batcher(5) == 5

    asyncio.run(run())
