"""Whatever is killed, and whenever: the same command goes on, and nothing shows in the dataset."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos import QUICK_TO_NOTICE, Torment, chaos_config, differences, running
from chaos import kill as kill_it
from judge import Judge, judge

from datagen.cli import BROKEN, SOME_FAILED


@pytest.fixture
def asked() -> Iterator[Judge]:
    """A judge behind HTTP."""
    with judge() as found:
        yield found


def test_a_run_killed_again_and_again_equals_an_unbroken_one(tmp_path: Path, asked: Judge) -> None:
    config = chaos_config(tmp_path, rows=260, port=asked.port)
    with running(config, tmp_path / "unbroken") as run:
        assert run.finish() == SOME_FAILED
    assert asked.repeated() == 0
    asked.forget()
    torment = Torment(config, tmp_path / "killed", asked, random.Random(5))
    torment.until_done(
        ["driver", "actor", "raylet", "actor", "driver", "driver", "raylet", "driver"], ended=SOME_FAILED
    )
    assert torment.toll.kills.total() >= 6, torment.toll
    assert len(torment.toll.kills) == 3, "a driver, an actor and a raylet were killed"
    assert differences(tmp_path / "unbroken", tmp_path / "killed") == []
    assert asked.faults() == []


def test_a_run_whose_raylet_is_gone_ends_and_says_so(tmp_path: Path, asked: Judge) -> None:
    config = chaos_config(tmp_path, rows=3000, port=asked.port)
    with running(config, tmp_path / "out", **QUICK_TO_NOTICE) as run:
        while not asked.calls:
            assert not run.ended, run.log.read_text()
        [raylet] = run.pids("raylet")
        kill_it(raylet)
        assert run.process.wait(90) == BROKEN
        assert "error: Ray's raylet on this machine has died" in run.log.read_text()
