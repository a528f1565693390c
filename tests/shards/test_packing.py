from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from making import OPTIONS, about, committed, packed, record, streamed

from datagen.core.errors import StoreError
from datagen.shards.columns import ACCEPTED, Rows
from datagen.shards.duplicates import Dropped
from datagen.shards.index import CARD, DATASET, INDEX, StageRow, read_dataset
from datagen.shards.options import OutputOptions
from datagen.shards.pack import pack
from datagen.shards.plan import cut, plan_shards
from datagen.shards.reader import open_dataset
from datagen.shards.shard import ShardDone, ShardJob
from datagen.shards.verify import verify_dataset
from datagen.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "out"))


def table(sources: list[int], *, size: int = 1000) -> pa.Table:
    """Accepted samples that exist in the plan alone, one for each of `sources`."""
    texts = dict.fromkeys(("task", "instruction", "license"), "")
    rows = [
        {"id": f"s{number}", "key": f"s{number}", "source_sha256": f"sha{source}", "part": "p", "offset": 0}
        | {"size": size, "members": "{}", "content": f"{number}", "slice": f"{number:06d}-abc", "sha256": f"x{number}"}
        | {"scores": "{}", **texts}
        for number, source in enumerate(sources)
    ]
    return pa.Table.from_pylist(rows, schema=ACCEPTED)


class Planned(NamedTuple):
    """A shard as planned, its samples named."""

    split: str
    keys: list[str]


def planned(rows: pa.Table, *, options: OutputOptions, seed: int, at_once: int = 7) -> list[Planned]:
    """The shards of a plan, with the keys of their samples in order."""
    plan = plan_shards(streamed(rows, rows=at_once), options=options, seed=seed)
    at, known = plan.find(rows["key"])
    keys: list[list[str]] = [[""] * shard.samples for shard in plan.shards]
    for key, place, there in zip(rows["key"].to_pylist(), at, known, strict=True):
        if there:
            keys[plan.shard[place]][plan.place[place]] = key
    return [Planned(shard.split, names) for shard, names in zip(plan.shards, keys, strict=True)]


def split_of(plans: Iterable[Planned]) -> dict[str, str]:
    return {key: plan.split for plan in plans for key in plan.keys}


def splits_by_source(sources: list[int], plans: Iterable[Planned]) -> dict[int, set[str]]:
    splits = split_of(plans)
    found: dict[int, set[str]] = {}
    for number, source in enumerate(sources):
        found.setdefault(source, set()).add(splits[f"s{number}"])
    return found


sources_lists = st.lists(st.integers(0, 12), min_size=1, max_size=60)


@given(sources_lists, st.floats(0, 0.99), st.integers(0, 5))
def test_no_source_is_in_both_splits_and_train_is_never_empty(sources: list[int], fraction: float, seed: int) -> None:
    plans = planned(table(sources), options=OutputOptions(val_fraction=fraction), seed=seed)
    found = splits_by_source(sources, plans)
    assert all(len(splits) == 1 for splits in found.values())
    everywhere = set.union(*found.values())
    assert "train" in everywhere
    assert ("val" in everywhere) == (fraction > 0 and len(set(sources)) > 1)


def unread(names: list[tuple[str, str]]) -> pa.Table:
    """Samples by id and address, none with a checksum."""
    rows = table(list(range(len(names)))).to_pylist()
    found = [
        {**row, "id": id, "key": f"s{n}", "source_uri": uri, "source_sha256": ""}
        for n, (row, (id, uri)) in enumerate(zip(rows, names, strict=True))
    ]
    return pa.Table.from_pylist(found, schema=ACCEPTED)


@pytest.mark.parametrize("named", ["address", "row"])
def test_sources_that_nobody_read_are_told_apart_by_their_address_or_else_their_row(named: str) -> None:
    by_address = [(f"r{n}", f"{n // 3}.png") for n in range(180)]
    by_row = [(f"r{n // 3}{('', '#1', '#0+2')[n % 3]}", "") for n in range(180)]
    rows = unread(by_address if named == "address" else by_row)
    found = splits_by_source([n // 3 for n in range(180)], planned(rows, options=OPTIONS, seed=1))
    assert all(len(splits) == 1 for splits in found.values())
    assert 5 < sum(splits == {"val"} for splits in found.values()) < 35


def test_a_checksum_alone_says_which_source_it_is_where_there_is_one() -> None:
    rows = table([n // 2 for n in range(60)])
    place = rows.schema.get_field_index("source_uri")
    named = rows.set_column(
        place, rows.schema.field(place), pa.array([f"{n}.png" for n in range(60)], pa.large_string())
    )
    assert planned(named, options=OPTIONS, seed=1) == planned(rows, options=OPTIONS, seed=1)


def test_a_source_stays_in_its_split_when_others_come() -> None:
    options = OutputOptions(val_fraction=0.3)
    few, many = list(range(50)), list(range(400))
    before = splits_by_source(few, planned(table(few), options=options, seed=1))
    after = splits_by_source(many, planned(table(many), options=options, seed=1))
    assert all(after[source] == splits for source, splits in before.items())
    assert 80 < sum(splits == {"val"} for splits in after.values()) < 160


@given(sources_lists, st.floats(0.0005, 0.02))
def test_every_sample_is_in_one_shard_and_shards_keep_their_size(sources: list[int], shard_mb: float) -> None:
    options = OutputOptions(shard_mb=shard_mb)
    plans = planned(table(sources), options=options, seed=0)
    keys = [key for plan in plans for key in plan.keys]
    assert sorted(keys) == sorted(f"s{number}" for number in range(len(sources)))
    assert all(len(plan.keys) == 1 or 1000 * len(plan.keys) <= shard_mb * 1e6 for plan in plans)


@given(st.randoms(use_true_random=False), st.integers(0, 3))
def test_the_shuffle_depends_on_keys_and_seed_alone(random: object, seed: int) -> None:
    rows = table(list(range(30)))
    order = np.random.default_rng(random.getrandbits(30)).permutation(30)  # type: ignore[attr-defined]
    first = planned(rows, options=OPTIONS, seed=seed)
    assert planned(rows.take(order), options=OPTIONS, seed=seed, at_once=11) == first


def test_another_seed_is_another_split() -> None:
    options, sources = OutputOptions(val_fraction=0.3), list(range(60))
    one, other = (split_of(planned(table(sources), options=options, seed=seed)) for seed in (0, 1))
    assert one != other


def test_another_seed_is_another_order() -> None:
    options = OutputOptions(val_fraction=0)
    orders = [planned(table(list(range(50))), options=options, seed=seed)[0].keys for seed in (0, 1)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) != orders[0]


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 120))
def test_cut_leaves_nothing_out(sizes: list[int], limit: int) -> None:
    runs = list(cut(np.array(sizes, dtype=np.int64), limit))
    assert [index for start, stop in runs for index in range(start, stop)] == list(range(len(sizes)))
    assert all(stop - start == 1 or sum(sizes[start:stop]) <= limit for start, stop in runs)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=30), st.randoms(use_true_random=False))
def test_of_equal_contents_that_of_the_lowest_slice_and_id_stays(
    samples: list[tuple[int, int]], random: object
) -> None:
    rows = table([0] * len(samples))
    contents, slices = [f"{content}" for content, _ in samples], [f"{slice:06d}-{slice}" for _, slice in samples]
    for name, values in (("content", contents), ("slice", slices)):
        rows = rows.set_column(rows.schema.get_field_index(name), name, pa.array(values, pa.large_string()))
    best = {
        content: min((slice, f"s{n}") for n, (c, slice) in enumerate(samples) if c == content) for content, _ in samples
    }
    order = np.random.default_rng(random.getrandbits(30)).permutation(len(samples))  # type: ignore[attr-defined]
    stream = streamed(rows.take(order), rows=5)
    plan = plan_shards(stream, options=OPTIONS, seed=3)
    dropped = {row["id"]: row["why.of"] for row in dropped_rows(plan.dropped, stream)}
    assert len(plan.keys) + len(plan.dropped) == len(samples)
    for number, (content, _) in enumerate(samples):
        assert dropped.get(f"s{number}", f"s{number}") == best[content][1]


def dropped_rows(dropped: Dropped | None, rows: Rows) -> list[dict[str, str]]:
    assert dropped is not None
    return [row for found in dropped.rows(rows(["id", "key"])) for row in found.to_pylist()]


def test_a_duplicate_is_told_and_counted(store: Store) -> None:
    items = [record("b", subject="coin"), record("a", subject="coin"), record("c")]
    result = packed(store, items)
    assert dropped_rows(result.dropped, streamed(committed(store, items))) == [
        {"id": "b", "key": "b", "why.reason": "duplicate", "why.of": "a", "why.detail": "same content as"}
    ]
    totals = result.dataset.totals
    assert totals.rejected == {"filter_quality/blurred": 2, "pack/duplicate": 1}
    assert (totals.accepted, totals.records) == (2, 6)
    assert "| pack | duplicate | 1 |" in store.read(CARD).decode()
    assert verify_dataset(store) == []


def test_dataset_json_has_the_keys_of_the_contract(store: Store) -> None:
    packed(store, [record(f"r{number}") for number in range(9)])
    found = json.loads(store.read(DATASET))
    assert list(found) == [
        "format", "pipeline", "fingerprint", "seed", "fields", "non_deterministic", "shards", "totals", "runs",
    ]  # fmt: skip
    assert list(found["totals"]) == ["sources", "records", "accepted", "rejected", "failed"]
    for shard in found["shards"]:
        data = store.read(shard["path"])
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (shard["sha256"], shard["bytes"])


def test_the_index_says_where_each_member_lies(store: Store) -> None:
    packed(store, [record(f"r{number}", refs=number % 3) for number in range(9)])
    rows = pq.read_table(io.BytesIO(store.read(INDEX))).to_pylist()
    assert len(rows) == 9
    for row in rows:
        assert row["scores"] == [{"name": "sharpness", "value": 12.5}]
        assert (row["task"], row["license"]) == ("subject_add", "CC0-1.0")
        [at] = [member for member in row["members"] if member["name"] == "json"]
        found = json.loads(store.read_range(row["shard"], start=at["offset"], size=at["size"]))
        assert (found["key"], found["instruction"]) == (row["key"], row["instruction"])
        assert [row["width"], row["height"]] == found["size"] == [12, 8]


def test_the_range_of_a_sample_is_a_tar_of_its_members_alone(store: Store) -> None:
    packed(store, [record(f"r{number}", refs=number % 3) for number in range(9)])
    rows = pq.read_table(io.BytesIO(store.read(INDEX))).to_pylist()
    for row in rows:
        blocks = store.read_range(row["shard"], start=row["offset"], size=row["size"])
        with tarfile.open(fileobj=io.BytesIO(blocks)) as tar:
            assert tar.getnames() == [f"{row['key']}.{member['name']}" for member in row["members"]]
    for split in ("train", "val"):
        starts = [
            (row["offset"], row["offset"] + row["size"])
            for row in rows
            if row["shard"].startswith(f"shards/{split}-000000")
        ]
        assert [start for start, _ in starts] == [0, *(end for _, end in starts[:-1])]


def test_nothing_on_disk_tells_of_this_machine(store: Store) -> None:
    packed(store, [record("a")])
    for name in (DATASET, INDEX, CARD, "shards/train-000000.tar"):
        assert store.address.encode() not in store.read(name)


def test_no_sample_is_a_valid_dataset_that_says_so(store: Store) -> None:
    result = packed(store, [])
    assert result.dataset.shards == []
    assert len(open_dataset(store.address)) == 0
    assert verify_dataset(store) == []
    assert "This dataset is empty" in store.read(CARD).decode()


def test_packing_again_replaces_what_was_there_and_keeps_its_index(store: Store) -> None:
    packed(store, [record(f"r{number}") for number in range(12)])
    old = store.read(DATASET)
    packed(store, [record("r0"), record("r1")])
    assert verify_dataset(store) == []
    assert len(open_dataset(store.address)) == 2
    assert store.names("run/history") == ["000000.json"]
    assert store.read("run/history/000000.json") == old


def test_packing_the_same_again_changes_no_byte(store: Store) -> None:
    first = packed(store, [record("a"), record("b")])
    before = {name: store.read(name) for name in (DATASET, INDEX, CARD)}
    assert packed(store, [record("a"), record("b")]).dataset == first.dataset
    assert {name: store.read(name) for name in before} == before


def test_a_pack_that_is_killed_leaves_no_dataset_and_the_next_one_mends_it(store: Store) -> None:
    def dying(work: Callable[[ShardJob], ShardDone], jobs: Iterable[ShardJob]) -> Iterator[ShardDone]:
        yield work(next(iter(jobs)))
        raise KeyboardInterrupt

    packed(store, [record(f"r{number}") for number in range(12)])
    items = [record(f"s{number}", seed=number) for number in range(4)]
    accepted = committed(store, items)
    with pytest.raises(KeyboardInterrupt):
        pack(store, streamed(accepted), options=OPTIONS, about=about(4), map_jobs=dying)
    with pytest.raises(StoreError, match="holds no finished dataset"):
        open_dataset(store.address)
    pack(store, streamed(accepted), options=OPTIONS, about=about(4))
    assert verify_dataset(store) == []
    assert read_dataset(store).totals.accepted == 4
    assert store.names("run/history") == ["000000.json"]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"format": 9}', b'{"format": 1}'])
def test_an_unreadable_index_is_kept_and_replaced(store: Store, data: bytes) -> None:
    packed(store, [record("a")])
    store.write(DATASET, data)
    packed(store, [record("a"), record("b")])
    assert verify_dataset(store) == []
    assert store.read("run/history/000000.json") == data


def test_what_agrees_with_the_index_is_written_while_there_is_none(store: Store) -> None:
    packed(store, [record("z")])
    lines: list[tuple[list[str], bool, list[str]]] = []

    def note(dropped: Dropped) -> None:
        ids = [row["id"] for row in dropped_rows(dropped, streamed(accepted))]
        lines.append((ids, store.exists(DATASET), store.names("shards")))

    accepted = committed(store, [record("a", subject="coin"), record("b", subject="coin")])
    store.remove("shards")
    pack(store, streamed(accepted), options=OPTIONS, about=about(2), before_shards=note)
    assert lines == [(["b"], False, [])]


def test_another_pipelines_dataset_is_left_alone(store: Store) -> None:
    packed(store, [record("a")])
    before = store.read(DATASET)
    with pytest.raises(StoreError, match="holds the dataset of pipeline 'adding', not of 'removing'"):
        pack(store, streamed(committed(store, [record("b")])), options=OPTIONS, about=about(1, pipeline="removing"))
    assert store.read(DATASET) == before


def test_a_damaged_part_is_named(store: Store) -> None:
    accepted = committed(store, [record("a"), record("b")])
    part = accepted["part"][0].as_py()
    store.write(part, bytes(len(store.read(part))))
    with pytest.raises(StoreError, match=r"run/parts/000000\.tar: sample '[ab]' at byte \d+ is damaged"):
        pack(store, streamed(accepted), options=OPTIONS, about=about(2))


def test_a_part_that_ends_early_is_named(store: Store) -> None:
    accepted = committed(store, [record("a")])
    store.write("run/parts/000000.tar", store.read("run/parts/000000.tar")[:700])
    with pytest.raises(StoreError, match=r"run/parts/000000\.tar: ends after 700 bytes"):
        pack(store, streamed(accepted), options=OPTIONS, about=about(1))


def test_two_samples_of_one_key_are_refused(store: Store) -> None:
    accepted = committed(store, [record("a"), record("a", seed=5)])
    with pytest.raises(StoreError, match="two accepted samples have the key 'a'"):
        pack(store, streamed(accepted), options=OPTIONS, about=about(2))


def test_text_from_data_breaks_neither_yaml_nor_markdown_of_the_card(store: Store) -> None:
    evil = "x: | y\n---\n<script>alert(1)</script> `a` [b](c) | d\u2028---"
    accepted = committed(store, [record("a", license=evil, task=evil)])
    found = about(
        1,
        pipeline=evil,
        description=evil,
        rejected={f"stage/{evil}": 1},
        stages=[StageRow(id=evil, use=evil, version=1, model=evil, revision=evil)],
        model_licenses={evil: evil},
        unchecked=[evil],
        non_deterministic=[evil],
    )
    pack(store, streamed(accepted), options=OPTIONS, about=found)
    card = store.read(CARD).decode()
    _, front, body = card.split("---\n", 2)
    assert yaml.safe_load(front)["license"] == "other"
    assert "<script>" not in body
    assert "---" not in body.split("\n")
    for line in body.splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") in (3, 4, 6)
