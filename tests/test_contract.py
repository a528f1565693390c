"""One contract for every stage under `stages/`: what it declares is true, and it does not depend on its company."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import os
import pickle
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import pytest
from examples import CONFIGS, Example, Examples, exact, plain_value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rings import example_count

from datagen.core.fields import catalogue
from datagen.core.record import Record
from datagen.core.stage import AsyncMap, Combine, Expand, Failed, Map, Reject, Stage, stage_name
from datagen.imaging.codecs import check_value
from datagen.pipeline.config import Loaded, StageEntry, load
from datagen.pipeline.registry import find_stage, stage_names

STAGES = sorted(stage_names())
GOLDEN = Path(__file__).parent / "golden"
LONGEST_FILE = 150


def _run_by(config: Loaded) -> set[str]:
    """The stages that a config's default profile runs."""
    entries = (entry for entry in config.pipeline.stages if isinstance(entry, StageEntry))
    return {entry.use for entry in entries if (entry.id or entry.use) not in config.leaves_out}


WITH_WEIGHTS = set(STAGES).difference(*(_run_by(load(config)) for config in CONFIGS))
"""Stages that only the configs over tiny models use, which need torch."""


@pytest.fixture(scope="session")
def every(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return Examples(tmp_path_factory.mktemp("examples"))


@pytest.fixture(params=STAGES)
def stage(request: pytest.FixtureRequest) -> type[Stage]:
    return find_stage(request.param)


@pytest.fixture(params=[pytest.param(use, marks=pytest.mark.torch if use in WITH_WEIGHTS else ()) for use in STAGES])
def example(request: pytest.FixtureRequest, every: Examples) -> Example:
    found = every.get(request.param)
    assert found, (
        f"no shipped config uses '{request.param}': only tests could reach it (one with weights: tiny_configs.py)"
    )
    return found


class Answers:
    """What stages answer to their examples, computed once for all tests that only read it."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, tuple[int, int, int]], list[Any]] = {}

    def of(self, example: Example, *, inputs: slice = slice(None)) -> list[Any]:
        """The answers to these of the example's inputs, given to the stage as one batch."""
        key = (example.node.use, inputs.indices(len(example.inputs)))
        if key not in self._found:
            self._found[key] = _process(example.stage, list(example.inputs[inputs]))
        return self._found[key]


@pytest.fixture(scope="session")
def answers() -> Answers:
    return Answers()


def _process(stage: Stage, batch: list[Record]) -> list[Any]:
    if isinstance(stage, AsyncMap):
        return asyncio.run(_together(stage, batch))
    if isinstance(stage, Combine):  # each record is a group of its own
        return [_joined(stage.process_group([record], [])) for record in batch]
    assert isinstance(stage, Map | Expand)
    return list(stage.process(batch))


def _joined(answer: Any) -> Any:
    """What a group became, as the fields of one record."""
    if isinstance(answer, Reject | Failed):
        return answer
    (merged,) = answer
    return dict(merged.fields)


async def _together(stage: AsyncMap, batch: list[Record]) -> list[Any]:
    return await asyncio.gather(*(stage.process_one(record) for record in batch))


def _fields(answer: Any) -> list[dict[str, Any]]:
    """The new fields of an answer: one mapping, or one a child."""
    if isinstance(answer, Reject | Failed):
        return []
    return [dict(child) for child in answer] if isinstance(answer, list | tuple) else [dict(answer)]


def test_it_is_one_class_in_one_short_file(stage: type[Stage]) -> None:
    path = Path(inspect.getfile(stage))
    assert path.stem == stage_name(stage)
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


def test_it_says_what_it_does(stage: type[Stage]) -> None:
    assert inspect.cleandoc(stage.__doc__ or "").endswith(".")
    for name, option in stage.Config.model_fields.items():
        assert option.description, f"option {name} has no docstring"


def test_its_fields_are_declared(stage: type[Stage]) -> None:
    known = catalogue(stage.fields)
    for name in (*stage.reads, *stage.optional, *stage.writes):
        assert name in known
    assert not set(stage.reads) & set(stage.writes), "a stage never overwrites what it reads"
    assert len(set(stage.rejects)) == len(stage.rejects)
    assert stage.version >= 1


def test_its_thresholds_are_scores_held_against_numbers(stage: type[Stage]) -> None:
    for threshold in stage.thresholds:
        assert threshold.score in (*stage.reads, *stage.optional, *stage.writes)
        assert catalogue(stage.fields)[threshold.score].kind == "score"
        assert threshold.reason in stage.rejects
        takes = stage.Config.model_fields[threshold.option].annotation
        assert {*get_args(takes), takes} & {int, float}
        if threshold.by:
            assert stage.Config.model_fields[threshold.by].is_required(), "a bound fits one model, which is to be named"
            assert stage.Config.model_fields[threshold.option].is_required() or NoneType in get_args(takes)


def test_it_rejects_by_the_thresholds_that_it_declares(example: Example, answers: Answers) -> None:
    if not example.stage.thresholds:
        pytest.skip("it declares none")
    given = {threshold: getattr(example.node.config, threshold.option) for threshold in example.stage.thresholds}
    bounds = {threshold: bound for threshold, bound in given.items() if bound is not None}
    for record, answer in zip(example.inputs, answers.of(example), strict=True):
        found = {name: value for fields in _fields(answer) for name, value in fields.items()}
        scores = {**record, **(answer.fields if isinstance(answer, Reject) else found)}
        broken = {
            threshold.reason
            for threshold, bound in bounds.items()
            if (scores[threshold.score] < bound if threshold.keeps == "least" else scores[threshold.score] > bound)
        }
        if isinstance(answer, Reject):
            assert answer.reason in broken or answer.reason not in {threshold.reason for threshold in bounds}
        else:
            assert not broken


def test_its_options_are_frozen_and_strict(stage: type[Stage]) -> None:
    assert stage.Config.model_config["frozen"]
    assert stage.Config.model_config["extra"] == "forbid"


def test_it_travels_before_setup(example: Example) -> None:
    fresh = example.node.stage(example.node.config, id="x", seed=3)
    again = pickle.loads(pickle.dumps(fresh))
    assert (again.id, again.seed, again.config) == ("x", 3, fresh.config)


def test_it_writes_what_it_promises(example: Example, answers: Answers) -> None:
    assert example.inputs, "a shipped config reaches it with real records"
    found = answers.of(example)
    assert len(found) == len(example.inputs)
    for answer in found:
        assert not isinstance(answer, Failed), answer
        if isinstance(answer, Reject):
            assert answer.reason in example.stage.rejects
            assert set(answer.fields) <= set(example.stage.writes)
        for fields in _fields(answer):
            assert set(fields) == set(example.stage.writes)
            for name, value in fields.items():
                check_value(catalogue(example.stage.fields)[name], value)


@settings(max_examples=example_count(8), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_batching_and_order_never_change_an_answer(example: Example, answers: Answers, data: st.DataObject) -> None:
    inputs = list(example.inputs[:3])
    alone = [told_whole(answers.of(example, inputs=slice(at, at + 1))[0]) for at in range(len(inputs))]
    order = data.draw(st.permutations(range(len(inputs))))
    size = data.draw(st.integers(1, len(inputs)))
    mixed: dict[int, Any] = {}
    for start in range(0, len(order), size):
        part = order[start : start + size]
        for index, answer in zip(part, _process(example.stage, [inputs[index] for index in part]), strict=True):
            mixed[index] = told_whole(answer)
    if example.node.deterministic:
        assert exact([mixed[index] for index in range(len(inputs))]) == exact(alone)
    else:  # models with weights: sums come out in another order
        _assert_close(
            plain_value([mixed[index] for index in range(len(inputs))]),
            plain_value(alone),
            str(example),
            rel=1e-3,
            abs=1e-3,
        )


def told_whole(answer: Any) -> Any:
    """An answer as plain containers, its pixels untouched."""
    if isinstance(answer, Reject):
        return ["reject", answer.reason, answer.detail, dict(answer.fields)]
    if isinstance(answer, Failed):
        return ["failed", answer.error]
    return answer


def test_a_fresh_worker_answers_the_same(example: Example, answers: Answers) -> None:
    if not example.stage.deterministic:
        pytest.skip("the stage says that it is not deterministic")
    fresh = example.node.stage(example.node.config, id=example.node.id, seed=example.stage.seed)
    fresh.setup("cpu")
    one, other = answers.of(example, inputs=slice(2)), _process(fresh, list(example.inputs[:2]))
    assert [exact(told_whole(answer)) for answer in one] == [exact(told_whole(answer)) for answer in other]


def test_it_never_changes_its_input(example: Example) -> None:
    record = example.inputs[0]
    before = copy.deepcopy(exact(dict(record)))
    _process(example.stage, [record])
    assert exact(dict(record)) == before


def test_its_output_is_that_of_its_version(example: Example, answers: Answers) -> None:
    """Golden outputs; run with UPDATE_GOLDEN=1 after raising `version`."""
    plain = [plain_value(told_whole(answer)) for answer in answers.of(example, inputs=slice(2))]
    found = json.loads(json.dumps({"version": example.stage.version, "answers": plain}))
    path = GOLDEN / f"{example.node.use}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(json.dumps(found) + "\n")
    golden = json.loads(path.read_text())
    assert golden["version"] == found["version"], "the version is new: write the golden output with UPDATE_GOLDEN=1"
    _assert_close(found["answers"], golden["answers"], path.stem)


def _assert_close(found: Any, golden: Any, where: str, *, rel: float = 0.02, abs: float = 2) -> None:
    if isinstance(golden, float | int) and not isinstance(golden, bool):
        assert found == pytest.approx(golden, rel=rel, abs=abs), f"{where} changed: raise the stage's `version`"
    elif isinstance(golden, dict):
        assert set(found) == set(golden), where
        for name, value in golden.items():
            _assert_close(found[name], value, f"{where}.{name}", rel=rel, abs=abs)
    elif isinstance(golden, list):
        assert len(found) == len(golden), where
        for index, (one, other) in enumerate(zip(found, golden, strict=True)):
            _assert_close(one, other, f"{where}[{index}]", rel=rel, abs=abs)
    else:
        assert found == golden, f"{where} changed: raise the stage's `version`"
