from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from making import OPTIONS, about, committed, composed, packed, record, stored, streamed
from rings import example_count

from datagen.shards.index import DATASET, INDEX
from datagen.shards.pack import pack
from datagen.shards.reader import open_dataset
from datagen.shards.verify import verify_dataset
from datagen.storage.store import Store

SHARD = "shards/train-000000.tar"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(str(tmp_path / "out"))
    packed(store, [record(f"r{number}", seed=number) for number in range(6)], options=OPTIONS)
    return store


def problems_text(store: Store) -> str:
    return "\n".join(map(str, verify_dataset(store)))


def test_a_whole_dataset_has_no_problem(store: Store) -> None:
    assert verify_dataset(store) == []


@settings(max_examples=example_count(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_flipped_byte_is_found(store: Store, data: st.DataObject) -> None:
    whole = store.read(SHARD)
    place = data.draw(st.integers(0, len(whole) - 1))
    store.write(SHARD, whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :])
    assert "sha256" in problems_text(store)
    store.write(SHARD, whole)


def change_json(store: Store, edit: Callable[[dict[str, Any]], None]) -> None:
    """Rewrite dataset.json."""
    found = json.loads(store.read(DATASET))
    edit(found)
    store.write(DATASET, json.dumps(found).encode())


def in_shard(store: Store, old: bytes, new: bytes) -> None:
    """Replace bytes everywhere in the shard, and enter its new checksum as an attacker would."""
    data = store.read(SHARD)
    assert len(old) == len(new)
    assert old in data
    data = data.replace(old, new)
    store.write(SHARD, data)
    change_json(store, lambda found: found["shards"][0].update(sha256=hashlib.sha256(data).hexdigest()))


def test_damage_is_told_with_file_key_and_remedy(store: Store) -> None:
    sample = next(sample for sample in open_dataset(store.address) if sample.shard == SHARD)
    whole = store.read(SHARD)
    at = whole.index(sample.read("source.png")) + 30
    store.write(SHARD, whole[:at] + b"????" + whole[at + 4 :])
    [first, *_] = verify_dataset(store)
    assert (first.file, first.key) == (SHARD, sample.key)
    assert "source.png is no picture" in first.fault
    assert "`verify OUT --repair` writes it anew" in first.remedy


@pytest.mark.parametrize("size", [0, 300, 512, 5000, -10240, -1024])
def test_a_truncated_shard_is_found(store: Store, size: int) -> None:
    whole = store.read(SHARD)
    store.write(SHARD, whole[:size])
    assert f"{SHARD}: has {len(whole[:size])} bytes, {len(whole)} are listed" in problems_text(store)


def test_a_missing_shard_is_found(store: Store) -> None:
    store.remove(SHARD)
    assert f"{SHARD}: is missing; `verify OUT --repair` writes it anew" in problems_text(store)


def test_a_shard_too_many_is_found(store: Store) -> None:
    store.write("shards/train-000099.tar", store.read(SHARD))
    assert (
        "shards/train-000099.tar: dataset.json does not list it, but readers take it; remove it, as `verify OUT --repair` does"
        in problems_text(store)
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"schema":2', b'"schema":3', "its json breaks the schema: schema Input should be 1 or 2"),
        (b'"task":"subject_add"', b'"tusk":"subject_add"', "its json breaks the schema: tusk"),
        (b'"target":"target.png"', b'"target":"torget.png"', "its json speaks of torget.png, which it has not"),
        (b'"instruction":"Add <imagehere>', b'"instruction":"Add <imagethere', "the instruction has 1 <imagehere>"),
        (b'"key":"r', b'"key":"x', "its json is that of 'x"),
    ],
)
def test_a_json_that_breaks_the_contract_is_found(store: Store, old: bytes, new: bytes, message: str) -> None:
    in_shard(store, old, new)
    assert message in problems_text(store)


def test_a_member_elsewhere_than_the_index_says_is_found(store: Store) -> None:
    index = pq.read_table(io.BytesIO(store.read(INDEX)))
    rows = index.to_pylist()
    rows[0]["members"][0]["offset"] += 512
    buffer = io.BytesIO()
    pq.write_table(type(index).from_pylist(rows, schema=index.schema), buffer)
    store.write(INDEX, buffer.getvalue())
    assert "json lies at (512, " in problems_text(store)


@pytest.mark.parametrize("column", ["offset", "size"])
def test_a_range_other_than_that_of_the_samples_blocks_is_found(store: Store, column: str) -> None:
    index = pq.read_table(io.BytesIO(store.read(INDEX)))
    rows = index.to_pylist()
    rows[1][column] += 512
    buffer = io.BytesIO()
    pq.write_table(type(index).from_pylist(rows, schema=index.schema), buffer)
    store.write(INDEX, buffer.getvalue())
    assert f"{rows[1]['key']}: its blocks lie at (" in problems_text(store)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("task", "subject_remove"),
        ("instruction", "Do nothing."),
        ("license", ""),
        ("license", None),
        ("scores", [{"name": "sharpness", "value": 99.0}]),
        ("scores", []),
        ("width", 11),
        ("height", 0),
    ],
)
def test_an_index_that_says_other_than_the_json_is_found(store: Store, column: str, value: object) -> None:
    index = pq.read_table(io.BytesIO(store.read(INDEX)))
    rows = index.to_pylist()
    rows[2][column] = value
    buffer = io.BytesIO()
    pq.write_table(type(index).from_pylist(rows, schema=index.schema), buffer)
    store.write(INDEX, buffer.getvalue())
    [problem] = verify_dataset(store)
    assert (problem.file, problem.key) == (INDEX, rows[2]["key"])
    assert problem.fault.startswith(f"{column} is ")


def test_an_index_that_lacks_a_sample_or_has_one_twice_is_found(store: Store) -> None:
    index = pq.read_table(io.BytesIO(store.read(INDEX)))
    buffer = io.BytesIO()
    pq.write_table(index.take([1, 1, 2, 3, 4]), buffer)
    store.write(INDEX, buffer.getvalue())
    assert "index.parquet: has 5 samples, the shards list 6" in problems_text(store)
    assert f"{index['key'][1]}: the key is there 2 times" in problems_text(store)


def test_a_source_in_both_splits_is_found(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "out"))
    items = [record(f"r{number}", source="one", seed=number) for number in range(8)]
    accepted = committed(store, items)
    place = accepted.schema.get_field_index("source_sha256")
    lying = accepted.set_column(place, "source_sha256", accepted["id"])
    pack(store, streamed(lying), options=OPTIONS, about=about(8))
    assert "its source picture is also in shards/train-000000.tar, the other split" in problems_text(store)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda found: found["totals"].update(accepted=5), "5 records were accepted, the shards list 6 samples"),
        (lambda found: found["totals"].update(failed=9), "add up to 17"),
        (lambda found: found["shards"].pop(), "dataset.json does not"),
        (lambda found: found["shards"][0].update(samples=9), "samples, 9 are listed"),
    ],
)
def test_totals_that_do_not_add_up_are_found(
    store: Store, edit: Callable[[dict[str, Any]], None], message: str
) -> None:
    change_json(store, edit)
    assert message in problems_text(store)


@pytest.mark.parametrize("name", [DATASET, INDEX, "README.md"])
def test_a_missing_file_is_found(store: Store, name: str) -> None:
    store.remove(name)
    assert f"{name} is missing" in problems_text(store).replace(": is", " is")


def test_keys_that_break_the_rules_are_found(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "out"))
    sample = composed(record("abc"))._replace(key="aBc")
    pack(store, streamed(stored(store, [sample])), options=OPTIONS, about=about(1))
    assert "aBc: is no key" in problems_text(store)
