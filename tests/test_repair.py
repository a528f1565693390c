"""verify --repair: what is damaged is mended from what is not, or says which command mends it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from building import PAINT, dataset_bytes, graph_beside, plain_rows, run_local, toy_graph
from typer.testing import CliRunner

from datagen.cli import app
from datagen.core.errors import ConfigError, StoreError
from datagen.execute.engines.progress_events import Summary
from datagen.execute.ledger.lock import locked
from datagen.execute.maintain.repair import Repair, repair
from datagen.execute.maintain.verify import verify
from datagen.shards.index import CARD, DATASET, INDEX
from datagen.shards.reader import open_dataset
from datagen.storage.store import Store

SHARD = "shards/train-000001.tar"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    run_local(toy_graph(folder, [PAINT], rows=plain_rows(12), output={"shard_mb": 0.012}), folder / "out")
    assert (folder / "out" / SHARD).exists()
    return folder


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    """A copy of the dataset, which the test may damage, and of its config."""
    return shutil.copytree(made, tmp_path, dirs_exist_ok=True) / "out"


def run_again(out: Path) -> Summary:
    return run_local(graph_beside(out), out)


def flip(path: Path, *, at: int = 700) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-600])


def edit_card(out: Path) -> None:
    (out / CARD).write_text((out / CARD).read_text().replace("samples", "examples"))


def ledger_text(out: Path) -> str:
    return "\n".join(map(str, verify(str(out))))


@pytest.mark.parametrize(
    ("harm", "file", "fault"),
    [
        (lambda out: flip(out / SHARD), SHARD, "was damaged; written anew"),
        (lambda out: truncate(out / SHARD), SHARD, "was damaged; written anew"),
        (lambda out: (out / SHARD).unlink(), SHARD, "was missing; written anew"),
        (lambda out: (out / "shards/val-000077.tar").write_bytes(b"more"), "shards/val-000077.tar", "removed"),
        (lambda out: truncate(out / INDEX), INDEX, "was damaged; written anew"),
        (lambda out: flip(out / INDEX), INDEX, "was damaged; written anew"),
        (lambda out: (out / INDEX).unlink(), INDEX, "was missing; written anew"),
        (edit_card, CARD, "was missing or edited; written anew"),
        (lambda out: (out / CARD).unlink(), CARD, "was missing or edited; written anew"),
    ],
)
def test_what_is_damaged_is_found_and_mended(out: Path, harm: Callable[[Path], None], file: str, fault: str) -> None:
    before = dataset_bytes(out)
    harm(out)
    assert f"{file}: " in ledger_text(out)
    assert "verify OUT --repair" in ledger_text(out)
    [done] = repair(str(out))
    assert (done.file, done.remedy) == (file, "")
    assert fault in done.done
    assert dataset_bytes(out) == before
    assert verify(str(out)) == []
    assert repair(str(out)) == []


def test_an_edited_dataset_json_is_written_anew(out: Path) -> None:
    before = dataset_bytes(out)
    (out / DATASET).write_bytes(before[DATASET].replace(b'"seed": 0', b'"seed": 5'))
    assert (out / DATASET).read_bytes() != before[DATASET]
    assert repair(str(out)) == [Repair(DATASET, "", "was edited; written anew")]
    assert dataset_bytes(out) == before


def test_only_the_damaged_shard_is_written(out: Path) -> None:
    written = {path: path.stat().st_mtime_ns for path in (out / "shards").iterdir()}
    flip(out / SHARD)
    repair(str(out))
    assert {path for path, when in written.items() if path.stat().st_mtime_ns != when} == {out / SHARD}


def first_part(out: Path) -> tuple[Path, str]:
    """A part, and the sample whose bytes are damaged by `flip`."""
    part = sorted((out / "run" / "parts").rglob("*.tar"))[0]
    return part, part.read_bytes()[:100].split(b".")[0].decode()


@pytest.mark.parametrize("harm", [flip, truncate, lambda path: path.write_bytes(b"")])
def test_a_damaged_part_is_named_removed_and_computed_anew(out: Path, harm: Callable[[Path], None]) -> None:
    before = dataset_bytes(out)
    part, key = first_part(out)
    last = part.read_bytes().rstrip(b"\0")
    part.write_bytes(last + b"\0" * 512)  # so that cutting its end off cuts a sample
    harm(part)
    name = str(part.relative_to(out))
    if harm is flip:
        [problem] = verify(str(out))
        assert (problem.file, problem.key) == (name, key)
        assert "the same run command computes its slice anew" in problem.remedy
    assert f"{name}: " in ledger_text(out)
    done = repair(str(out))
    assert {found.file for found in done} == {name}
    assert done[0].remedy == "run the same command again, which computes its slice anew"
    assert verify(str(out)) == []
    assert run_again(out).computed == 1
    assert dataset_bytes(out) == before
    assert verify(str(out)) == []


def test_a_damaged_sample_is_not_copied_and_the_remedy_works(out: Path) -> None:
    before = dataset_bytes(out)
    part, key = first_part(out)
    flip(part)
    for name in ("shards/train-000000.tar", SHARD, "shards/val-000000.tar"):
        (out / name).unlink(missing_ok=True)
    (out / DATASET).unlink()
    for path in (out / "shards").iterdir():
        path.unlink()
    with pytest.raises(StoreError, match=rf"{part.name}: sample '{key}' at byte 0 is damaged.*verify OUT --repair"):
        run_again(out)
    assert not (out / DATASET).exists()
    assert not [path for path in (out / "shards").iterdir() if path.name.endswith(".tmp")]
    removed, unfinished = repair(str(out))
    assert (removed.file, removed.key) == (str(part.relative_to(out)), key)
    assert "run the pipeline into it again" in unfinished.done
    assert run_again(out).computed == 1
    assert dataset_bytes(out) == before
    assert verify(str(out)) == []


@pytest.mark.parametrize("harm", [flip, truncate])
def test_a_shard_whose_part_is_damaged_too_says_which_command_mends_it(out: Path, harm: Callable[[Path], None]) -> None:
    before = dataset_bytes(out)
    part, key = first_part(out)
    shard = out / open_dataset(str(out)).by_key(key).shard
    flip(part)
    harm(shard)
    removed, left = repair(str(out))
    assert removed.file == str(part.relative_to(out))
    assert left.file == str(shard.relative_to(out))
    assert "cannot be written anew" in left.done
    assert left.remedy == "run the same command again"
    assert run_again(out).computed == 1
    assert dataset_bytes(out) == before
    assert verify(str(out)) == []


def test_without_what_packing_noted_a_run_mends(out: Path) -> None:
    before = dataset_bytes(out)
    (out / "run" / "packed.json").unlink()
    edit_card(out)
    assert "run/packed.json is missing" in ledger_text(out).replace("run/packed.json: ", "")
    [left] = repair(str(out))
    assert left.remedy == "run the same command again, which writes it anew"
    run_again(out)
    assert dataset_bytes(out) == before
    assert verify(str(out)) == []


def test_a_repair_keeps_out_of_a_run(out: Path) -> None:
    flip(out / SHARD)
    with locked(Store(str(out))), pytest.raises(ConfigError, match="is being written by process"):
        repair(str(out))


def test_there_is_nothing_to_repair_where_no_dataset_is(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is no dataset of datagen"):
        repair(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_command_tells_what_it_mended_and_then_verifies(out: Path) -> None:
    flip(out / SHARD)
    assert CliRunner().invoke(app, ["verify", str(out)]).exit_code == 1
    done = CliRunner().invoke(app, ["verify", str(out), "--repair"])
    assert done.exit_code == 0
    assert done.output.splitlines()[0] == f"{SHARD}: was damaged; written anew"
    assert "whole" in done.output.splitlines()[-1]
