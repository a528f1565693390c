"""Near duplicates: every pair is found, the best stays whatever the order, and none straddle train and val."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from making import streamed
from rings import example_count

from datagen.core.errors import StoreError
from datagen.imaging.perceptual_hash import hash_text
from datagen.shards.columns import ACCEPTED, Digests, digests
from datagen.shards.distance_limit import furthest
from datagen.shards.hamming_search import TooManyPairsError, near_pairs
from datagen.shards.options import NearOptions, OutputOptions
from datagen.shards.plan import Plan, plan_shards

SEED = 3


def random_hashes(rng: np.random.Generator, *, number: int, words: int, spread: int) -> Any:
    """Hashes around a few centres, so that many are near."""
    centres = rng.integers(0, 2**64, (max(1, number // 5), words), dtype=np.uint64)
    found = centres[rng.integers(0, len(centres), number)]
    for _ in range(int(rng.integers(0, spread + 1))):
        bit = rng.integers(0, 64, number, dtype=np.uint64)
        found[np.arange(number), rng.integers(0, words, number)] ^= np.uint64(1) << bit
    return found


@settings(max_examples=example_count(60), deadline=None)
@given(seed=st.integers(0, 2**32), number=st.integers(1, 60), words=st.integers(1, 9), data=st.data())
def test_all_near_pairs_are_found_and_no_other(seed: int, number: int, words: int, data: st.DataObject) -> None:
    within = data.draw(st.integers(0, min(furthest(64 * words), 40)))
    hashes = random_hashes(np.random.default_rng(seed), number=number, words=words, spread=within)
    bits = np.bitwise_count(hashes[:, None] ^ hashes[None]).sum(-1)
    one, other = np.nonzero(np.triu(bits <= within, 1))
    found = near_pairs(hashes, within=within)
    assert (found.one.tolist(), found.other.tolist()) == (one.tolist(), other.tolist())
    assert found.bits.tolist() == bits[one, other].tolist()


def test_more_pairs_than_can_be_held_are_refused() -> None:
    with pytest.raises(TooManyPairsError):
        near_pairs(np.zeros((300, 4), np.uint64), within=0, most=1000)


def bits_text(number: int, *, bits: int = 64) -> str:
    """A hash: the bits of a number."""
    flags = [(number >> place) & 1 for place in range(bits)]
    return hash_text(np.array(flags, bool), by=f"phash{bits}")


def rows_of(samples: Sequence[dict[str, Any]]) -> pa.Table:
    rows = [
        {
            "id": f"s{n}",
            "key": f"s{n}",
            "slice": f"{sample.get('slice', n // 3):06d}-ab",
            "content": f"content {n}",
            "sha256": f"{n}",
            "source_sha256": sample.get("source", f"source {n}"),
            "size": 100,
            "scores": json.dumps(sample.get("scores", {})),
            "fields": json.dumps(sample["fields"]),
        }
        for n, sample in enumerate(samples)
    ]
    return pa.Table.from_pylist(rows, schema=ACCEPTED.append(pa.field("fields", pa.large_string())))


def planned(table: pa.Table, **output: Any) -> Plan:
    return plan_shards(streamed(table, rows=5), options=OutputOptions(**output), seed=SEED)


def dropped(plan: Plan, table: pa.Table) -> dict[str, tuple[str, str]]:
    found = [row for part in plan.dropped.rows(streamed(table)(["id", "key"])) for row in part.to_pylist()]
    assert {row["why.reason"] for row in found} <= {"near_duplicate"}
    return {row["id"]: (row["why.of"], row["why.detail"]) for row in found}


def near(*rules: dict[str, int], **more: Any) -> NearOptions:
    return NearOptions(any_of=rules, **more)


def expected(
    samples: Sequence[dict[str, Any]], *, rules: Sequence[dict[str, int]], keep: str, keys: Digests
) -> set[str]:
    """Who goes, by the definition itself: the best first, each stays that is near none that stays."""

    def is_near(one: dict[str, Any], other: dict[str, Any]) -> bool:
        a, b = one["fields"], other["fields"]
        return any(all(n in a and n in b and (a[n][1] ^ b[n][1]).bit_count() <= w for n, w in r.items()) for r in rules)

    order = sorted(
        range(len(samples)),
        key=lambda n: (-samples[n]["scores"].get(keep, -np.inf), samples[n]["slice"], bytes(keys[n])),
    )
    stay: list[int] = []
    gone = set()
    for n in order:
        if any(is_near(samples[n], samples[other]) for other in stay):
            gone.add(f"s{n}")
        else:
            stay.append(n)
    return gone


SAMPLES = st.lists(
    st.fixed_dictionaries(
        {
            "a": st.none() | st.integers(0, 31),
            "b": st.none() | st.integers(0, 31),
            "score": st.none() | st.integers(0, 2),
            "slice": st.integers(0, 3),
        }
    ),
    max_size=14,
)


@settings(max_examples=example_count(150), deadline=None)
@given(drawn=SAMPLES, within=st.integers(0, 3), seed=st.integers(0, 2**32))
@example(drawn=[{"a": 1, "b": 1, "score": None, "slice": n} for n in range(3)], within=0, seed=0)
def test_the_best_stays_and_who_goes_is_near_it_whatever_the_order(
    drawn: list[dict[str, Any]], within: int, seed: int
) -> None:
    rules = [{"a": within, "b": 1}, {"b": 0}]
    plain = [
        {
            "fields": {name: (None, one[name]) for name in "ab" if one[name] is not None},
            "scores": {} if one["score"] is None else {"x": one["score"]},
            "slice": one["slice"],
        }
        for one in drawn
    ]
    table = rows_of(
        [{**one, "fields": {name: bits_text(value) for name, (_, value) in one["fields"].items()}} for one in plain]
    )
    keys = digests(table["key"], seed=SEED)
    shuffled = table.take(np.random.default_rng(seed).permutation(len(table)))
    plan = planned(shuffled, near_duplicates=near(*rules, keep="x"))
    gone = dropped(plan, table)
    assert gone.keys() == expected(plain, rules=rules, keep="x", keys=keys)
    assert not {of for of, _ in gone.values()} & gone.keys(), "what stays instead stays"
    assert len(plan.keys) + len(plan.dropped) == len(table)
    assert plan.dropped.counts == ({"near_duplicate": len(gone)} if gone else {})


def test_what_was_dropped_says_of_what_and_by_how_much() -> None:
    table = rows_of(
        [{"fields": {"a": bits_text(0), "b": bits_text(0)}}, {"fields": {"a": bits_text(3), "b": bits_text(1)}}]
    )
    plan = planned(table, near_duplicates=near({"a": 4, "b": 4}))
    assert dropped(plan, table) == {"s1": ("s0", "a 2, b 1 bits from")} or dropped(plan, table) == {
        "s0": ("s1", "a 2, b 1 bits from")
    }


def test_another_task_or_label_is_no_duplicate() -> None:
    table = rows_of([{"fields": {"a": bits_text(0), "label": label}} for label in ("positive", "negative", "positive")])
    assert len(planned(table, near_duplicates=near({"a": 4})).keys) == 2
    assert len(planned(table, near_duplicates=near({"a": 4}, same=())).keys) == 1


@settings(max_examples=example_count(80), deadline=None)
@given(values=st.lists(st.integers(0, 63), min_size=1, max_size=25), within=st.integers(0, 2), seed=st.integers(0, 99))
def test_what_is_near_is_never_in_two_splits(values: list[int], within: int, seed: int) -> None:
    table = rows_of([{"fields": {"a": bits_text(value << 7)}, "source": f"{value % 5}"} for value in values])
    plan = plan_shards(
        streamed(table), options=OutputOptions(one_split={"a": within}, val_fraction=0.4, shard_mb=1), seed=seed
    )
    places, known = plan.find(table["key"])
    assert known.all()
    splits = [plan.shards[plan.shard[place]].split for place in places]
    for one, first in enumerate(values):
        for other, second in enumerate(values):
            if (first ^ second).bit_count() <= within or first % 5 == second % 5:
                assert splits[one] == splits[other]


def test_hashes_that_were_made_otherwise_are_refused() -> None:
    table = rows_of([{"fields": {"a": bits_text(1)}}, {"fields": {"a": bits_text(1, bits=256)}}])
    with pytest.raises(StoreError, match=r"sample 's[01]', field 'a': a hash of \d+ bits by phash\d+, others have"):
        planned(table, near_duplicates=near({"a": 4}))


def test_text_that_is_no_hash_is_refused() -> None:
    table = rows_of([{"fields": {"a": "a cat"}}])
    with pytest.raises(StoreError, match="sample 's0', field 'a': 'a cat' is no hash of a picture"):
        planned(table, near_duplicates=near({"a": 4}))


def test_bits_that_cannot_be_searched_for_are_refused() -> None:
    table = rows_of([{"fields": {"a": bits_text(1)}}, {"fields": {"a": bits_text(2)}}])
    with pytest.raises(StoreError, match="'a' within 12 bits: hashes of 64 bits can be searched for up to 11"):
        planned(table, near_duplicates=near({"a": 12}))
    more = rows_of([{"fields": {"a": bits_text(value), "b": bits_text(0)}} for value in (0, 2**12 - 1)])
    assert len(planned(more, near_duplicates=near({"a": 12, "b": 0})).keys) == 1, "searched for by the other"
    assert len(planned(more, near_duplicates=near({"a": 11, "b": 0})).keys) == 2


def test_samples_without_hashes_are_packed_as_ever() -> None:
    table = rows_of([{"fields": {}}, {"fields": {}}])
    assert len(planned(table, near_duplicates=near({"a": 4}), one_split={"a": 4}).keys) == 2


@pytest.mark.parametrize("number", [0, 1, 3])
@pytest.mark.parametrize("has", [0, 1, 3])
def test_a_bound_for_hashes_that_few_or_no_samples_have_is_no_fault(number: int, has: int) -> None:
    """The width of a hash that nobody has is not known, so that no bound is too much for it."""
    table = rows_of([{"fields": {"a": bits_text(n, bits=256)} if n < has else {}} for n in range(number)])
    plan = planned(table, near_duplicates=near({"a": 24}, {"a": 24, "b": 24}), one_split={"a": 24, "b": 24})
    assert len(plan.keys) == min(number, number - min(has, number) + 1)


@settings(deadline=None)
@given(groups=st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=2, max_size=12), seed=st.integers(0, 5))
def test_samples_of_one_group_are_in_one_split_and_others_as_chance_has_it(groups: list[str], seed: int) -> None:
    table = pa.table(
        {
            **{name: [f"{name}{number}" for number in range(len(groups))] for name in ("id", "key", "content", "source_uri", "source_sha256", "sha256")},
            "slice": ["000000-a"] * len(groups),
            "size": [1] * len(groups),
            "fields": [json.dumps({"session": group}) for group in groups],
            "scores": ["{}"] * len(groups),
        }
    )  # fmt: skip

    def splits(**options: Any) -> dict[str, str]:
        plan = plan_shards(streamed(table), options=OutputOptions(val_fraction=0.5, **options), seed=seed)
        places, known = plan.find(table["key"])
        assert known.all()
        return {f"key{row}": plan.shards[plan.shard[place]].split for row, place in enumerate(places)}

    found = splits(together=("session",))
    by_group: dict[str, set[str]] = {}
    for number, group in enumerate(groups):
        by_group.setdefault(group or f"alone {number}", set()).add(found[f"key{number}"])
    assert all(len(each) == 1 for each in by_group.values())
    if not any(groups):
        assert found == splits()
