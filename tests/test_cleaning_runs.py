"""Cleaning in whole runs: copies of pictures go, edits of one picture stay, benchmarks are kept out, verify agrees."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import pytest
from building import ledger_rows, run_local
from commands import call, refused
from examples import small_manifest

from datagen.execute.maintain.verify import verify
from datagen.imaging.image import Image
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.pipeline.graph_model import Graph
from datagen.shards.index import read_dataset
from datagen.storage.store import Store

COINS = 4
"""Objects of the coins' picture in the small manifest."""


def copied(row: dict[str, Any], folder: Path, *, scale: float) -> dict[str, Any]:
    """A row whose picture is a smaller JPEG of another's, with its objects where they are then."""
    pixels = Image.decode((folder / row["uri"]).read_bytes()).array
    small = cv2.resize(pixels[..., ::-1], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(folder / f"{row['id']}_copy.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 90])
    objects = [
        {
            **thing,
            "box": [edge * scale for edge in thing["box"]],
            "polygons": [[[x * scale, y * scale] for x, y in polygon] for polygon in thing["polygons"]],
        }
        for thing in row["objects"]
    ]
    return {**row, "id": f"{row['id']}_copy", "uri": f"{row['id']}_copy.jpg", "objects": objects}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`rows.jsonl`: the small coins, a copy of them, and the small rocket."""
    folder = tmp_path_factory.mktemp("cleaning")
    rows = {row["id"]: row for row in map(json.loads, small_manifest(folder).read_text().splitlines())}
    chosen = [copied(rows["coins"], folder, scale=0.75), rows["coins"], rows["rocket"]]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in chosen))
    return folder


UNCHECKED_REMOVALS = ("min_texture=0", "max_seam=100", "max_strangeness=100")
"""Coins of some 20 pixels, with a fast method: how they are painted out is no matter of most tests here."""


def cleaned(folder: Path, *sets: str, profile: str = "", looked_at: bool = False) -> Graph:
    """The config on the small pictures; `looked_at` with its own bounds for removals."""
    small = [f"source.path={folder / 'rows.jsonl'}", "filter_foreground.min_ratio=0", "remove_subject.dilate_px=3"]
    small.append("remove_subject.inpainter.kind=telea")
    small += [] if looked_at else [f"check_removal.{bound}" for bound in UNCHECKED_REMOVALS]
    return build(load(Path("configs/clean.yaml"), profile=profile, sets=[*small, *sets]))


def ends(out: Path) -> Counter[tuple[str, str]]:
    leaves = (row for row in ledger_rows(out).values() if row["status"] not in ("expanded", "combined"))
    return Counter((row["id"].partition("#")[0], row["reason"] or row["status"]) for row in leaves)


def test_copies_go_and_edits_of_one_picture_stay(folder: Path) -> None:
    out = folder / "out"
    run_local(cleaned(folder), out)
    found = ends(out)
    assert found["coins_copy", "accepted"] == COINS, "what comes first in the source stays, without a score"
    assert found["coins", "near_duplicate"] == COINS
    assert found["rocket", "accepted"] == 1
    assert verify(str(out)) == []
    rows = [row for row in ledger_rows(out).values() if row["reason"] == "near_duplicate"]
    for row in rows:
        assert (row["status"], row["stage"]) == ("rejected", "pack")
        assert row["detail"].startswith("source_hash ")
        assert row["detail"].endswith(f"bits from coins_copy__{row['id'].partition('#')[2]}")
    dataset = read_dataset(Store(str(out)))
    assert dataset.totals.rejected["pack/near_duplicate"] == COINS
    before = dataset.encoded()
    run_local(cleaned(folder), out)
    assert read_dataset(Store(str(out))).encoded() == before, "nothing is done again"


def test_what_is_taken_out_is_checked(folder: Path) -> None:
    """Incomplete subjects and smears are rejected, as in the config of additions; the rest of the list is in `unchecked`."""
    out = folder / "looked_at"
    graph = cleaned(folder, looked_at=True)
    run_local(graph, out)
    found = ends(out)
    assert found["coins", "smeared"] == COINS
    assert found["rocket", "leaves_frame"] == 1
    assert found["rocket", "accepted"] == 1
    assert any("completeness" in line for line in graph.loaded.unchecked)


def test_a_run_that_accepts_nothing_packs_nothing_and_is_no_fault(folder: Path) -> None:
    summary = run_local(cleaned(folder, "filter_foreground.min_ratio=0.499"), folder / "none")
    assert (summary.counts.accepted, summary.counts.failed) == (0, 0)
    assert read_dataset(Store(str(folder / "none"))).totals.accepted == 0


@pytest.mark.torch
def test_profile_gpu_runs_on_tiny_models(folder: Path) -> None:
    import tiny_scorers

    dino, nsfw = tiny_scorers.dinov2(folder / "dinov2"), tiny_scorers.classifier(folder / "nsfw")
    hashing = [
        f"{stage}.{option}"
        for stage in ("hash_target", "hash_source")
        for option in (f"hasher.embedder.weights={dino}", "resources.gpus=0")
    ]
    judging = (f"filter_nsfw.classifier.weights={nsfw}", "filter_nsfw.max_score=1", "filter_nsfw.resources.gpus=0")
    out = folder / "gpu"
    run_local(cleaned(folder, *hashing, *judging, profile="gpu"), out)
    assert verify(str(out)) == []
    rows = [row for row in ledger_rows(out).values() if row["status"] == "accepted"]
    assert rows
    for row in rows:
        fields = json.loads(row["fields"])
        assert fields["target_hash"].startswith("dinov2@1:")
        assert fields["source_hash"].startswith("dinov2@1:")
        assert fields["picture_hash"].startswith("phash256:"), "as the list has them"
        assert 0 <= json.loads(row["scores"])["nsfw"] <= 1
    assert len(build(load(Path("configs/clean.yaml"), profile="gpu")).loaded.unchecked) == 1
    assert len(cleaned(folder).loaded.unchecked) == 3


def test_another_bound_packs_anew_and_computes_nothing(folder: Path) -> None:
    out = folder / "again"
    run_local(cleaned(folder), out)
    assert run_local(cleaned(folder, "output.near_duplicates=null"), out).computed == 0
    assert "pack/near_duplicate" not in read_dataset(Store(str(out))).totals.rejected
    best = "output.near_duplicates={any_of: [{source_hash: 24, change_place: 8}], keep: foreground_ratio}"
    assert run_local(cleaned(folder, best), out).computed == 0
    assert verify(str(out)) == []
    rows = ledger_rows(out)
    for number in range(COINS):
        pair = [rows[f"{id}#{number}"] for id in ("coins", "coins_copy")]
        scores = {row["status"]: json.loads(row["scores"])["foreground_ratio"] for row in pair}
        assert scores["accepted"] >= scores["rejected"]


def test_a_list_made_by_the_command_keeps_its_pictures_out(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    to = folder / "bench.jsonl"
    bench = folder / "bench.in.jsonl"
    bench.write_text((folder / "rows.jsonl").read_text().splitlines()[1] + "\n")
    result = call("hashes", bench, "--to", to, capfd=capfd)
    assert (result.code, result.out) == (0, f"{to}: 1 hashes; 0 left out\n")
    lists = f"[{{name: coins bench, path: {to}}}]"
    run_local(cleaned(folder, f"decontaminate.lists={lists}"), folder / "kept_out")
    found = ledger_rows(folder / "kept_out")
    for id in ("coins", "coins_copy"):
        assert found[id]["reason"] == "in_benchmark"
        assert found[id]["detail"].startswith("'coins' of 'coins bench', ")
    assert "rocket" in {id.partition("#")[0] for id, row in found.items() if row["status"] == "accepted"}


def test_pictures_that_cannot_be_hashed_are_listed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "a.png").write_bytes(b"no picture")
    to = tmp_path / "list.jsonl"
    message = refused("hashes", tmp_path / "bench", "--to", to, capfd=capfd)
    assert message.endswith(f"{to} is not written: of 1 pictures at {tmp_path / 'bench'} none can be read\n")
    assert not to.exists()
    cv2.imwrite(str(tmp_path / "bench" / "b.png"), cv2.cvtColor(cv2.UMat(20, 20, cv2.CV_8UC3).get(), cv2.COLOR_RGB2BGR))
    result = call("hashes", tmp_path / "bench", "--to", to, capfd=capfd)
    assert result.code == 3
    assert "left out: a.png: not a picture that can be read" in result.out
    assert json.loads(to.read_text())["item"] == "b.png"
    assert "give another --to, or --force to replace it" in refused(
        "hashes", tmp_path / "bench", "--to", to, capfd=capfd
    )
    message = refused("hashes", tmp_path / "bench", "--to", to, "--force", "--hasher", "{kind: phsh}", capfd=capfd)
    assert "--hasher" in message
