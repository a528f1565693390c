"""Two whole runs into one OUT, one of which stood still: ledger, parts and dataset agree, and who lost is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from building import PAINT, dataset_bytes, plain_rows, run_local, toy_graph
from interleaving import Steps
from rings import example_count

from datagen.execute.ledger.lock import STALE_SECONDS, LostLockError
from datagen.execute.maintain.verify import verify
from datagen.pipeline.graph_model import Graph

STRIDE = 7 if example_count(100) == 100 else 31
"""How many changes lie between those before which a run stands still."""


def _graph(folder: Path, *, share: float) -> Graph:
    folder.mkdir()
    return toy_graph(folder, [{"use": "sift", "with": {"share": share}}, PAINT], rows=plain_rows(6))


@pytest.mark.parametrize("share", [0.2, 0.6], ids=["the same run", "another version"])
def test_a_run_that_stood_still_before_any_of_its_changes_spoils_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    """One stands still, another run takes over and ends, then the one goes on; its config and rows may be others."""
    one, other = _graph(tmp_path / "one", share=0.2), _graph(tmp_path / "other", share=share)
    run_local(other, tmp_path / "alone")
    steps = Steps(monkeypatch)
    stop, out, lost = 4, tmp_path / "out", 0
    while True:
        first = steps.writer(lambda: run_local(one, out, limit=4))
        first.advance(stop)
        if first.ended:
            break
        had_lock = (out / "run/lock").exists()
        steps.clock.now += STALE_SECONDS + 1
        run_local(other, out)
        assert dataset_bytes(out) == dataset_bytes(tmp_path / "alone")
        first.advance()
        assert first.ended
        if had_lock:
            assert isinstance(first.error, LostLockError)
            assert "took it over" in str(first.error) or "another process" in str(first.error)
            assert dataset_bytes(out) == dataset_bytes(tmp_path / "alone")
            lost += 1
        assert verify(str(out)) == []
        shutil.rmtree(out)
        stop += STRIDE
    assert first.error is None
    assert lost >= 2
