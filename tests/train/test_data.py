"""From finished datasets to batches: what is used, what a model sees, and that a resumed run sees the same."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from finished import finished
from PIL import Image as Pillow

from datagen.core.errors import DataError
from datagen.shards.reader import Dataset, open_dataset
from datagen.train.data.examples import TrainingExample, make_example
from datagen.train.data.loading import PlannedBatches, loaded
from datagen.train.data.plan import TrainingPlan, bucket_members
from datagen.train.data.selection import Facts, Needs, SingleEdit, facts_of, select, why_unusable

SIZES = [(48, 48), (64, 32)]
RED = (200, 10, 10)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(str(finished(tmp_path_factory.mktemp("edits") / "out")))


def batches_of(
    dataset: Dataset, *, rank: int = 0, ranks: int = 1, size: int = 4, flip: float = 0.5, seed: int = 3
) -> PlannedBatches:
    chosen = [select(dataset, Needs(), sizes=SIZES), select(dataset[2:9], Needs(), sizes=SIZES)]
    members = bucket_members([[facts.size for facts in one.facts] for one in chosen], SIZES)
    plan = TrainingPlan(members, weights=[1, 0.5], batch_size=size, seed=seed)
    return PlannedBatches([dataset, dataset[2:9]], chosen, plan, sizes=SIZES, flip=flip, rank=rank, ranks=ranks)


def same(one: Sequence[TrainingExample], other: Sequence[TrainingExample]) -> bool:
    def plain(examples: Sequence[TrainingExample]) -> list[Any]:
        return [
            (
                each.key,
                each.source.tobytes(),
                each.target.tobytes(),
                each.instruction,
                each.text,
                each.parts,
                each.mirrored,
            )
            for each in examples
        ]

    return plain(one) == plain(other)


def taken(batches: PlannedBatches, steps: range, workers: int = 0) -> list[list[TrainingExample]]:
    with loaded(batches, steps, workers=workers) as examples:
        return list(examples)


def test_batches_have_pictures_of_one_size_and_words(dataset: Dataset) -> None:
    for batch in taken(batches_of(dataset), range(8)):
        assert len({example.source.shape for example in batch} | {example.target.shape for example in batch}) == 1
        assert batch[0].source.shape[1::-1] in SIZES
        assert all(example.text and example.instruction for example in batch)


@pytest.mark.subprocess
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_resumed_run_sees_what_an_unbroken_one_sees(dataset: Dataset, ranks: int, workers: int) -> None:
    unbroken = [taken(batches_of(dataset, rank=rank, ranks=ranks), range(7)) for rank in range(ranks)]
    for rank, whole in enumerate(unbroken):
        with loaded(batches_of(dataset, rank=rank, ranks=ranks), range(7), workers=workers) as examples:
            before = [next(examples) for _ in range(3)]  # more were loaded ahead when it was killed
        after = taken(batches_of(dataset, rank=rank, ranks=ranks), range(3, 7), workers)
        assert all(same(one, other) for one, other in zip([*before, *after], whole, strict=True))
    together = taken(batches_of(dataset), range(7))
    shared = [[example for share in step for example in share] for step in zip(*unbroken, strict=True)]
    assert all(same(one, other) for one, other in zip(together, shared, strict=True))


def test_seeds_and_epochs_differ_in_order_and_in_what_is_drawn(dataset: Dataset) -> None:
    first, again, other = (taken(batches_of(dataset, seed=seed), range(6)) for seed in (3, 3, 4))
    assert all(same(one, two) for one, two in zip(first, again, strict=True))
    assert not all(same(one, two) for one, two in zip(first, other, strict=True))
    assert {example.mirrored for batch in first for example in batch} == {False, True}


def test_a_mirrored_example_has_mirrored_boxes_and_words() -> None:
    source, target = np.zeros((20, 40, 3), np.uint8), np.zeros((20, 40, 3), np.uint8)
    target[5:15, 2:12] = RED
    facts = Facts(
        "k", (40, 20), "Add a cup on the left.", "Add a cup on the left.",
        (SingleEdit("Add a cup on the left.", "add", (2, 5, 12, 15)), SingleEdit("make it dark", "global", None)), True, 0,
    )  # fmt: skip
    members = {"source.png": png(source), "target.png": png(target)}
    plain = make_example(members, facts, size=(40, 20), draw=(1,), flip=0)
    mirrored = make_example(members, facts, size=(40, 20), draw=(1,), flip=1)
    assert not plain.mirrored
    assert mirrored.mirrored
    assert mirrored.text == mirrored.parts[0].text == "Add a cup on the right."
    np.testing.assert_allclose(mirrored.parts[0].box, (28 / 40, 5 / 20, 38 / 40, 15 / 20))
    assert mirrored.parts[1].box == (0, 0, 1, 1)
    np.testing.assert_array_equal(mirrored.target, plain.target[:, ::-1])
    doubtful = facts._replace(text="Remove the cup that is left")
    assert not make_example(members, doubtful, size=(40, 20), draw=(1,), flip=1).mirrored


def test_a_sample_without_a_source_starts_from_black() -> None:
    facts = Facts("k", (8, 8), "a cup", "a cup", (), False, 0)
    example = make_example({"target.png": png(np.full((8, 8, 3), 9, np.uint8))}, facts, size=(8, 8), draw=(0,), flip=0)
    assert not example.source.any()
    assert not example.has_source
    assert example.target.all()


@pytest.mark.parametrize("members", [{}, {"target.png": b"no picture"}])
def test_a_missing_or_damaged_picture_names_the_sample(members: dict[str, bytes]) -> None:
    facts = Facts("session-7", (8, 8), "a cup", "a cup", (), False, 0)
    with pytest.raises(DataError, match="session-7"):
        make_example(members, facts, size=(8, 8), draw=(0,), flip=0)


def png(pixels: np.ndarray) -> bytes:
    data = io.BytesIO()
    Pillow.fromarray(pixels).save(data, "png")
    return data.getvalue()


SOUND = Facts("k", (100, 50), "do it", "do it", (SingleEdit("do it", "add", (10, 10, 40, 40)),), True, 0)


def none_counter(facts: Facts) -> str:
    """A rule that a mirrored picture's words may break."""
    return "too_many_tokens" if "counterclockwise" in facts.text else ""


TURNED = SOUND._replace(text="turn it clockwise")

BOUND = SOUND._replace(instruction="put <imagehere> in <imagehere>", references=1, inputs=(0, -1))


@pytest.mark.parametrize(
    ("facts", "needs", "reason"),
    [
        (SOUND, Needs(boxes="required", most_edits=1), ""),
        (SOUND._replace(has_source=False), Needs(), "no_source"),
        (SOUND._replace(has_source=False), Needs(source=False), ""),
        (SOUND._replace(instruction="", text=""), Needs(), "no_instruction"),
        (SOUND._replace(references=2), Needs(most_references=1), "too_many_references"),
        (SOUND._replace(parts=SOUND.parts * 3), Needs(most_edits=2), "too_many_edits"),
        (SOUND._replace(parts=(SingleEdit("x", "add", None),)), Needs(boxes="required"), "no_boxes"),
        (SOUND._replace(parts=()), Needs(boxes="required"), "no_boxes"),
        (SOUND, Needs(placeholders=True), ""),
        (BOUND, Needs(placeholders=True, most_references=1), ""),
        (BOUND._replace(inputs=(0, None)), Needs(placeholders=True, most_references=1), "unbound_pictures"),
        (BOUND._replace(inputs=(-1, -1)), Needs(placeholders=True, most_references=1), "unbound_pictures"),
        (BOUND._replace(inputs=(0,)), Needs(placeholders=True, most_references=1), "unbound_pictures"),
        (BOUND._replace(inputs=(0,)), Needs(most_references=1), ""),
        (SOUND, Needs(also=lambda facts: "too_many_tokens" if facts.text == "do it" else ""), "too_many_tokens"),
        (TURNED, Needs(also=none_counter), "too_many_tokens"),
        (TURNED._replace(references=1), Needs(also=none_counter, most_references=1), ""),
        (TURNED._replace(instruction="take what is left"), Needs(also=none_counter), ""),
        (SOUND._replace(parts=(SingleEdit("x", "global", None),)), Needs(boxes="required"), ""),
        (SOUND._replace(parts=(SingleEdit("x", "add", None),)), Needs(boxes="whole_picture"), ""),
        (SOUND._replace(parts=(SingleEdit("x", "add", (90, 10, 140, 40)),)), Needs(), "wrong_box"),
        (SOUND._replace(parts=(SingleEdit("x", "add", (0, 0, 99, 9)),)), Needs(), "cut_off"),
    ],
)  # fmt: skip
def test_why_a_sample_is_not_used(facts: Facts, needs: Needs, reason: str) -> None:
    assert why_unusable(facts, needs, sizes=[(32, 32)]) == reason


@pytest.mark.parametrize(
    ("change", "members", "reason"),
    [
        ({}, ["source.png", "json"], "no_target"),
        ({"label": "negative"}, ["target.png"], "negative"),
        ({"task": "inspect_text"}, ["source.png", "target.png"], "no_edit"),
        ({"task": "inspect_text", "label": "negative"}, ["target.png"], "negative"),
        ({"size": []}, ["target.png"], "no_size"),
        ({"size": [0, 4]}, ["target.png"], "no_size"),
    ],
)
def test_what_a_sample_lacks_is_named(change: dict[str, Any], members: list[str], reason: str) -> None:
    info = {"size": [8, 8], "instruction": "x", "text": "x", "edits": [], **change}
    assert facts_of(info, key="k", members=members) == reason


def test_placeholders_are_bound_to_the_pictures_that_they_stand_for() -> None:
    info = {"size": [8, 8], "instruction": "x", "inputs": ["ref_10.png", "source.png", "turn_0.png", "ref_2.png"]}
    facts = facts_of(info, key="k", members=["target.png", "source.png", "ref_10.png", "ref_2.png", "turn_0.png"])
    assert isinstance(facts, Facts)
    assert facts.inputs == (1, -1, None, 0)
    pictures = {name: png(np.zeros((8, 8, 3), np.uint8)) for name in ("target.png", "source.png", "ref_2.png")}
    example = make_example(pictures, facts, size=(8, 8), draw=(0,), flip=0)
    assert (example.inputs, example.has_source) == (facts.inputs, True)


def test_what_is_left_out_is_counted_and_nothing_takes_its_place(dataset: Dataset) -> None:
    everything = select(dataset, Needs(), sizes=SIZES)
    boxed = select(dataset, Needs(boxes="required"), sizes=SIZES)
    for chosen in (everything, boxed):
        assert len(chosen.numbers) + chosen.left_out.total() == len(dataset)
        assert [dataset[number].key for number in chosen.numbers] == [facts.key for facts in chosen.facts]
    assert len(boxed.numbers) <= len(everything.numbers)


def test_a_sample_whose_json_is_damaged_is_counted(dataset: Dataset) -> None:
    class Damaged:
        def __iter__(self) -> Iterator[Any]:
            for number, sample in enumerate(dataset):
                if number == 1:
                    sample.read = lambda name: b"{"  # type: ignore[method-assign]
                yield sample

    assert select(Damaged(), Needs(), sizes=SIZES).left_out["damaged"] == 1  # type: ignore[arg-type]


def test_a_larger_limit_keeps_the_samples_of_a_smaller_one(dataset: Dataset) -> None:
    every = select(dataset, Needs(), sizes=SIZES)
    some, more = every.limited(3), every.limited(5)
    assert len(some.numbers) == len(some.facts) == 3
    assert set(some.numbers) < set(more.numbers) < set(every.numbers)
    assert sorted(some.numbers) == some.numbers
    assert some.left_out["beyond_most"] == len(every.numbers) - 3
    assert every.limited(None) is every.limited(10_000) is every
