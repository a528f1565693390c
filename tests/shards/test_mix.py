"""Finished datasets into one: how much of each, what comes along, and that no sample is lost or made unasked."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from building import context_of, ledger_rows, run_local
from finished import finished, mixing
from hypothesis import given
from hypothesis import strategies as st
from making import OPTIONS, packed, record

import datagen
from datagen.core.errors import ConfigError
from datagen.execute.inspect.plan import as_text
from datagen.execute.maintain.verify import verify
from datagen.execute.workers.slices import cut
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.pipeline.graph_model import Graph
from datagen.sources.formats.mix.quotas import Quota, copies_per_sample, sample_counts
from datagen.storage.store import Store

CONFIG = Path("configs/mix.yaml")

shares = st.builds(
    Quota,
    st.integers(0, 50),
    weight=st.none() | st.floats(0.01, 100),
    cap=st.none() | st.integers(1, 80),
    repeats=st.integers(1, 3),
)


@given(st.lists(shares, min_size=1, max_size=6))
def test_weights_are_kept_within_one_sample_and_bounds_always(quotas: list[Quota]) -> None:
    taken = sample_counts(quotas)
    for share, take in zip(quotas, taken, strict=True):
        assert 0 <= take <= share.size * share.repeats
        assert share.cap is None or take <= share.cap
        if share.weight is None:
            assert take == min(share.size * share.repeats, share.cap or 10**9)
    weighted = [(share, take) for share, take in zip(quotas, taken, strict=True) if share.weight is not None]
    assert not weighted or any(take == share.most for share, take in weighted), "the scarcest gives all it can"
    for one, first in weighted:
        for other, second in weighted:
            ratio = Fraction(one.weight or 0) / Fraction(other.weight or 1)
            assert abs(first - ratio * second) < 1 + ratio


def test_one_to_one_as_mige_samples_additions_and_replacements() -> None:
    assert sample_counts([Quota(193_247, weight=1), Quota(114_640, weight=1), Quota(112_846)]) == [
        114_640,
        114_640,
        112_846,
    ]
    assert sample_counts([Quota(193_247, weight=1), Quota(114_640, weight=1, repeats=2)]) == [193_247, 193_247]
    assert sample_counts([Quota(10, weight=0.1), Quota(30, weight=0.3, cap=9)]) == [3, 9]
    assert sample_counts([Quota(0, weight=1), Quota(5, weight=1), Quota(5)]) == [0, 0, 5]


KEYS = st.lists(st.text("abc0123", min_size=1, max_size=6), unique=True, max_size=30)


@given(keys=KEYS, data=st.data(), seed=st.integers(0, 3))
def test_copies_add_up_and_are_drawn_by_seed_and_key_alone(keys: list[str], data: st.DataObject, seed: int) -> None:
    take = data.draw(st.integers(0, 3 * len(keys)))
    found = dict(zip(keys, copies_per_sample(keys, take=take, seed=seed).tolist(), strict=True))
    assert sum(found.values()) == (take if keys else 0)
    assert not keys or max(found.values()) - min(found.values()) <= 1
    order = data.draw(st.permutations(keys))
    assert dict(zip(order, copies_per_sample(order, take=take, seed=seed).tolist(), strict=True)) == found


def test_another_seed_takes_others() -> None:
    keys = [f"k{number}" for number in range(200)]
    one, other = (copies_per_sample(keys, take=100, seed=seed) for seed in (0, 1))
    assert 20 < int(np.abs(one - other).sum()) < 180


@pytest.fixture(scope="module")
def edits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven edits, without references or scores."""
    return finished(tmp_path_factory.mktemp("edits") / "out", limit=7)


@pytest.fixture(scope="module")
def additions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five additions with references, masks and a score; the last was painted from nothing."""
    out = tmp_path_factory.mktemp("additions") / "out"
    records = [record(f"add-{number}", refs=2, masks=2, seed=10 * number) for number in range(4)]
    blank = {
        "instruction": "Show <imagehere> and <imagehere>",
        "inputs": [{"member": f"ref_{n}", "role": "reference"} for n in (0, 1)],
    }
    whole = record("blank", refs=2, masks=0, seed=90, **blank)
    records.append(datagen.Record("blank", {name: value for name, value in whole.items() if name != "source"}))
    packed(Store(str(out)), records)
    return out


def graph_of(**datasets: Any) -> Graph:
    parts = {name: found if isinstance(found, tuple) else (found, {}) for name, found in datasets.items()}
    options = {name: result for name, (_, result) in parts.items()}
    return build(load(CONFIG, sets=[mixing({name: path for name, (path, _) in parts.items()}, **options)]))


def test_all_of_two_datasets_with_all_that_they_have(edits: Path, additions: Path, tmp_path: Path) -> None:
    out = tmp_path / "mix"
    summary = run_local(graph_of(add=additions, edit=edits), out)
    assert (summary.counts.accepted, summary.counts.failed, summary.counts.rejected) == (12, 0, {})
    assert verify(str(out)) == []
    mixed = {sample.info["id"]: sample for sample in datagen.open(str(out))}
    assert len({sample.key for sample in mixed.values()}) == len(mixed) == 12
    for name, source in (("add", additions), ("edit", edits)):
        for before in datagen.open(str(source)):
            after = mixed[f"{name}/{before.key}"]
            assert after.split == before.split
            assert set(after.members) == set(before.members)
            for member in before.members:
                if member.endswith("png"):
                    assert np.array_equal(after.image(member), before.image(member)), member
            same = set(before.info) - {"key", "id"}
            assert {key: after.info[key] for key in same} == {key: before.info[key] for key in same}
    assert mixed["add/add-0"].info["scores"] == [{"name": "sharpness", "by": "filter_quality", "value": 12.5}]
    assert mixed["add/add-0"].info["unchecked"] == ["aesthetic"]
    assert "source.png" not in mixed["add/blank"].members
    runs = {run["fingerprint"] for run in json.loads((out / "dataset.json").read_text())["runs"]}
    assert runs >= {sample.info["run"] for sample in mixed.values()} | {"f00d"}
    assert len(runs) == 3


def test_what_is_not_taken_is_rejected_by_name_and_counted(edits: Path, additions: Path, tmp_path: Path) -> None:
    out = tmp_path / "mix"
    graph = graph_of(add=(additions, {"weight": 1}), edit=(edits, {"weight": 1, "cap": 3}))
    summary = run_local(graph, out)
    assert summary.counts.accepted == 6
    assert summary.counts.rejected == {"read_sample/beyond_share": 2, "read_sample/beyond_cap": 4}
    rows = ledger_rows(out)
    assert Counter(row["status"] for row in rows.values()) == {"accepted": 6, "rejected": 6}
    assert {row["detail"] for row in rows.values()} == {
        "", "the weights leave no place for it in the mix", "the cap of its dataset is reached",
    }  # fmt: skip
    assert {name.partition("/")[0] for name, row in rows.items() if row["status"] == "accepted"} == {"add", "edit"}
    found = as_text(context_of(graph))
    assert "add: 3 of 5 samples, weight 1; the others are beyond_share" in found
    assert "edit: 3 of 7 samples, weight 1; the others are beyond_cap" in found


def test_repeats_are_asked_for_told_and_have_keys_of_their_own(edits: Path, additions: Path, tmp_path: Path) -> None:
    out = tmp_path / "mix"
    graph = graph_of(add=(additions, {"weight": 1, "repeats": 2}), edit=(edits, {"weight": 1}))
    summary = run_local(graph, out)
    assert (summary.counts.accepted, summary.counts.rejected) == (14, {})
    ids = sorted(row for row in ledger_rows(out) if row.startswith("add/"))
    assert len(ids) == 7
    assert [id for id in ids if id.endswith("/1")] == [f"{id}/1" for id in ids if f"{id}/1" in ids]
    assert verify(str(out)) == []
    [part, _] = graph.source.parts  # type: ignore[attr-defined]
    assert part.summary() == "add: 5 of 5 samples, weight 1, repeated to 7: 2 times at the most"
    splits = {sample.info["id"]: sample.split for sample in datagen.open(str(out))}
    assert all(splits[id] == splits[id.removesuffix("/1")] for id in ids)


def test_a_sample_that_two_datasets_have_is_a_duplicate(edits: Path, tmp_path: Path) -> None:
    again = finished(tmp_path / "again", limit=3)
    summary = run_local(graph_of(one=edits, two=again), tmp_path / "mix")
    assert (summary.counts.accepted, summary.counts.rejected) == (7, {"pack/duplicate": 3})


def test_a_mix_of_one_split_and_of_a_mix(edits: Path, tmp_path: Path) -> None:
    splits = Counter(sample.split for sample in datagen.open(str(edits)))
    out = tmp_path / "mix"
    summary = run_local(graph_of(edit=(edits, {"split": "train"})), out)
    assert summary.counts.accepted == splits["train"]
    assert summary.counts.rejected == {"read_sample/other_split": splits["val"]}
    again = run_local(graph_of(mix=out), tmp_path / "again")
    assert again.counts.accepted == splits["train"]
    assert len(json.loads((tmp_path / "again" / "dataset.json").read_text())["runs"]) == 3


def test_a_source_that_is_train_somewhere_is_train(tmp_path: Path) -> None:
    outs = {}
    for name, fraction in (("one", 0.0), ("two", 0.5)):
        records = [
            record(f"{name}-{number}", source=f"picture {number}", seed=40 * number + (name == "two"))
            for number in range(4)
        ]
        packed(Store(str(tmp_path / name)), records, options=OPTIONS.model_copy(update={"val_fraction": fraction}))
        outs[name] = tmp_path / name
    assert {sample.split for sample in datagen.open(str(outs["two"]))} == {"train", "val"}
    run_local(graph_of(**outs), tmp_path / "mix")
    assert {sample.split for sample in datagen.open(str(tmp_path / "mix"))} == {"train"}
    run_local(graph_of(two=outs["two"]), tmp_path / "alone")
    before = {f"two/{sample.key}": sample.split for sample in datagen.open(str(outs["two"]))}
    assert {sample.info["id"]: sample.split for sample in datagen.open(str(tmp_path / "alone"))} == before


def test_rows_are_the_same_every_time_and_as_many_as_counted(edits: Path, additions: Path) -> None:
    values = {"add": (additions, {"weight": 3, "repeats": 3}), "edit": (edits, {"weight": 1})}
    one, other = (graph_of(**values).source for _ in range(2))
    rows = list(one.rows())
    assert rows == list(other.rows())
    assert one.count() == len(rows) == len({row.id for row in rows})
    for row in rows:
        assert set(row.fields) == set(one.writes)
        assert json.loads(json.dumps(row.fields)) == row.fields


def test_a_dataset_that_was_made_anew_makes_new_slices_though_all_lies_where_it_lay(
    edits: Path, tmp_path: Path
) -> None:
    again = shutil.copytree(edits, tmp_path / "again")

    def slices() -> list[str]:
        return [part.name for part in cut(graph_of(edit=again).source, size=4)]

    before = slices()
    assert slices() == before
    path = again / "dataset.json"
    text = json.loads(path.read_text())
    text["shards"][0]["sha256"] = "0" * 64
    path.write_text(json.dumps(text))
    assert slices() != before


def message(**datasets: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        graph_of(**datasets)
    return str(caught.value).partition("}]: ")[2]


def test_what_cannot_be_mixed_is_told_at_once(edits: Path, additions: Path, tmp_path: Path) -> None:
    assert message(a=tmp_path / "none") == (
        f"{tmp_path}/none does not exist; a mix is made of finished datasets: run what makes this one first"
    )
    (tmp_path / "empty").mkdir()
    assert "is no dataset of datagen, dataset.json is missing" in message(a=tmp_path / "empty")
    assert "two datasets have the path" in message(a=edits, b=f"{edits}/")
    assert "to take samples twice, use `repeats`" in message(a=edits, b=f"{edits}/")
    assert message(add=(additions, {"weight": 1}), edit=(edits, {"weight": 1000})) == (
        f"{additions}: 'add' has so small a weight that no sample is taken; leave it out, or change the weights"
    )


def test_a_member_that_is_not_there_fails_its_sample_alone(edits: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(edits, tmp_path / "broken")
    shard = broken / "shards" / "train-000000.tar"
    shard.write_bytes(shard.read_bytes().replace(b'{"schema":2,', b'{"schema":7,', 1))
    summary = run_local(graph_of(edit=broken), tmp_path / "mix")
    assert summary.counts.failed == 1
    [failed] = [row for row in ledger_rows(tmp_path / "mix").values() if row["status"] == "failed"]
    assert failed["detail"].endswith("its json is not of a schema that this datagen reads: 1, 2")
