"""Whatever is killed, and whenever: the same command goes on, and nothing shows in the dataset."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos import QUICK_TO_NOTICE, Torment, Victim, chaos_config, differences, running
from chaos import kill as kill_it
from chaos_moves import MOVES, config_of, whole_run
from judge import Judge, judge

from datagen.cli import BROKEN, SOME_FAILED

pytestmark = [pytest.mark.ray, pytest.mark.subprocess]


@pytest.fixture
def judge_server() -> Iterator[Judge]:
    """A judge behind HTTP."""
    with judge() as found:
        yield found


EIGHT: list[Victim] = ["driver", "actor", "raylet", "actor", "driver", "driver", "raylet", "driver"]


@pytest.mark.parametrize(
    ("rows", "plan", "least"),
    [
        pytest.param(160, ["driver", "actor"], 2, id="two kills"),
        # The same law as with two kills, and three times as long; a raylet alone is killed below, too.
        pytest.param(260, EIGHT, 6, id="eight kills", marks=pytest.mark.full),
    ],
)
def test_a_run_killed_again_and_again_equals_an_unbroken_one(
    tmp_path: Path, judge_server: Judge, rows: int, plan: list[Victim], least: int
) -> None:
    config = chaos_config(tmp_path, rows=rows, port=judge_server.port)
    with running(config, tmp_path / "unbroken") as run:
        assert run.finish() == SOME_FAILED
    assert judge_server.repeated() == 0
    judge_server.forget()
    torment = Torment(config, tmp_path / "killed", judge_server, random.Random(5))
    torment.until_done(plan, ended=SOME_FAILED)
    assert torment.toll.kills.total() >= least, torment.toll
    assert set(torment.toll.kills) == set(plan), "each kind of process was killed"
    assert differences(tmp_path / "unbroken", tmp_path / "killed") == []
    assert judge_server.faults() == []


def test_a_run_whose_raylet_is_gone_ends_and_says_so(tmp_path: Path, judge_server: Judge) -> None:
    config = chaos_config(tmp_path, rows=3000, port=judge_server.port)
    with running(config, tmp_path / "out", **QUICK_TO_NOTICE) as run:
        while not judge_server.calls:
            assert not run.ended, run.log.read_text()
        [raylet] = run.pids("raylet")
        kill_it(raylet)
        assert run.process.wait(90) == BROKEN
        assert "error: Ray's raylet on this machine has died" in run.log.read_text()


# In-process tests hold the same laws: test_two_runs.py, test_wrong_links.py.
@pytest.mark.full
@pytest.mark.parametrize("move", MOVES)
def test_a_run_survives_what_is_done_to_its_drivers_and_its_folder(tmp_path: Path, move: str) -> None:
    config = config_of(tmp_path)
    whole_run(config, tmp_path / "unbroken")
    assert MOVES[move](config, tmp_path / "unbroken", tmp_path / "out", random.Random(move)).faults == []
