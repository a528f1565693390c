"""The order of training: laws of the plan."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.train.data.plan import TrainingPlan, bucket_members, share_of_rank

NUMBERS = st.integers(0, 9)


@st.composite
def plans(draw: st.DrawFn, *, weights: tuple[float, ...] = (0.3, 0.5, 1.0, 2.0)) -> tuple[TrainingPlan, dict]:
    datasets = draw(st.integers(1, 3))
    counts = draw(st.lists(st.lists(NUMBERS, min_size=datasets, max_size=datasets), min_size=1, max_size=3))
    if not any(map(sum, counts)):
        counts[0][0] = 1
    given_weights = [draw(st.sampled_from(weights)) for _ in range(datasets)]
    size = draw(st.integers(1, 5))
    buckets, start = [], 0
    for bucket in counts:
        buckets.append([range(start := start + 100, start + number) for number in bucket])
    plan = TrainingPlan(buckets, weights=given_weights, batch_size=size, seed=draw(st.integers(0, 5)))
    return plan, {"counts": counts, "weights": given_weights, "size": size, "buckets": buckets}


def steps_of(plan: TrainingPlan, epochs: int) -> int:
    return sum(plan.epoch_length(epoch) for epoch in range(epochs))


@settings(deadline=None)  # the first example imports
@given(plans(weights=(1.0,)))
def test_in_some_epochs_every_sample_is_shown_equally_often_but_for_what_waits_for_its_batch(
    made: tuple[TrainingPlan, dict],
) -> None:
    plan, what = made
    epochs = 6
    shown = Counter(
        (entry.dataset, entry.sample) for step in range(steps_of(plan, epochs)) for entry in plan[step].entries
    )
    for bucket in what["buckets"]:
        members = [(dataset, sample) for dataset, samples in enumerate(bucket) for sample in samples]
        assert all(epochs - 1 - what["size"] // max(1, len(members)) <= shown[one] <= epochs for one in members)
        missing = sum(epochs - shown[one] for one in members)
        assert missing == (epochs * len(members)) % what["size"]


@settings(deadline=None)  # the first example imports
@given(plans())
def test_a_batch_is_of_one_bucket_and_whole(made: tuple[TrainingPlan, dict]) -> None:
    plan, what = made
    for step in range(min(20, steps_of(plan, 3))):
        batch = plan[step]
        assert len(batch.entries) == what["size"]
        assert all(entry.sample in what["buckets"][batch.bucket][entry.dataset] for entry in batch.entries)


@settings(deadline=None)  # the first example imports
@given(plans())
def test_any_step_is_found_without_those_before_it(made: tuple[TrainingPlan, dict]) -> None:
    plan, what = made
    again = TrainingPlan(what["buckets"], weights=what["weights"], batch_size=what["size"], seed=plan._seed)
    number = min(12, steps_of(plan, 3))
    forwards = [plan[step] for step in range(number)]
    assert forwards == [again[step] for step in reversed(range(number))][::-1]


@settings(deadline=None)  # the first example imports
@given(plans())
def test_no_draw_is_used_twice(made: tuple[TrainingPlan, dict]) -> None:
    plan, _ = made
    draws = [entry.draw for step in range(min(30, steps_of(plan, 4))) for entry in plan[step].entries]
    assert len(set(draws)) == len(draws)


def test_a_weight_is_how_often_a_sample_is_shown_in_an_epoch() -> None:
    plan = TrainingPlan([[range(10), range(100, 140)]], weights=[2, 0.5], batch_size=4, seed=3)
    shown = Counter((entry.dataset, entry.sample) for step in range(steps_of(plan, 2)) for entry in plan[step].entries)
    assert plan.epoch_length(0) == 10
    assert {shown[0, sample] for sample in range(10)} == {4}
    assert {shown[1, sample] for sample in range(100, 140)} == {1}


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = {
        tuple(entry.sample for step in range(5 * epoch, 5 * epoch + 5) for entry in plan[step].entries)
        for plan in (TrainingPlan([[range(20)]], weights=[1], batch_size=4, seed=seed) for seed in (1, 2))
        for epoch in (0, 1)
    }
    assert len(orders) == 4
    assert all(sorted(order) == [*range(20)] for order in orders)


def test_buckets_of_one_epoch_are_mixed() -> None:
    plan = TrainingPlan([[range(40)], [range(40)]], weights=[1], batch_size=2, seed=1)
    buckets = [plan[step].bucket for step in range(40)]
    assert sum(one != other for one, other in pairwise(buckets)) > 8


@settings(deadline=None)  # the first example imports
@given(plans(), st.integers(1, 5))
def test_ranks_share_a_batch_in_its_order(made: tuple[TrainingPlan, dict], ranks: int) -> None:
    plan, what = made
    if not steps_of(plan, 8):
        return
    batch = plan[0]
    if what["size"] % ranks:
        with pytest.raises(ValueError, match=f"a batch of {what['size']} cannot be shared by {ranks} ranks"):
            share_of_rank(batch, rank=0, ranks=ranks)
    else:
        shares = [share_of_rank(batch, rank=rank, ranks=ranks) for rank in range(ranks)]
        assert tuple(entry for share in shares for entry in share) == batch.entries


def test_a_sample_goes_to_the_bucket_whose_shape_is_nearest() -> None:
    buckets = [(64, 64), (96, 48), (48, 96)]
    sizes = [[(100, 100), (640, 320), (320, 640)], [(139, 100), (143, 100), (100, 143)]]
    assert bucket_members(sizes, buckets) == [[[0], [0]], [[1], [1]], [[2], [2]]]


@pytest.mark.parametrize(("buckets", "weights", "size"), [([[[]]], [1], 1), ([[[1]]], [0], 1), ([[[1]]], [1], 0)])
def test_a_plan_of_nothing_is_refused(buckets: list, weights: list, size: int) -> None:
    with pytest.raises(ValueError, match=r"no sample|above zero"):
        TrainingPlan(buckets, weights=weights, batch_size=size, seed=0)


def test_a_million_samples_are_planned_quickly_and_at_any_step() -> None:
    plan = TrainingPlan([[np.arange(1_000_000)]], weights=[1], batch_size=64, seed=0)
    assert plan.place_of(10**9) == (10**9 // 15_625, 10**9 % 15_625)
    assert len({entry.sample for entry in plan[10**7].entries}) == 64
