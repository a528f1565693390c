"""Routes: records take them in the shares that are wanted, a session as one, and `check` knows which there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from building import PAINT, toy_graph
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count

from datagen.core.errors import ConfigError
from datagen.core.record import Record
from stages.choose_route import ChooseRoute

ROUTES = {"use": "choose_route", "with": {"routes": {"edits": 2, "plans": 1}}}


def routes_of(records: list[Record], **shares: float) -> list[str]:
    stage = ChooseRoute(ChooseRoute.Config(routes=shares), id="choose_route", seed=3)
    return [answer["route"] for answer in stage.process(records)]  # type: ignore[call-overload,index]


@settings(max_examples=example_count(30), deadline=None)
@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=4))
def test_each_route_is_taken_by_its_share(shares: list[float]) -> None:
    wanted = {f"r{n}": share for n, share in enumerate(shares)}
    taken = routes_of([Record(f"x{n}", {}) for n in range(1000)], **wanted)
    for name, share in wanted.items():
        assert taken.count(name) / 1000 == pytest.approx(share / sum(shares), abs=0.08)


def test_records_of_a_session_take_one_route() -> None:
    records = [Record(f"x{n}", {"session": f"s{n % 50}"}) for n in range(200)]
    taken = routes_of(records, a=1, b=1)
    assert all(len({taken[n] for n in range(200) if n % 50 == session}) == 1 for session in range(50))
    assert len(set(taken)) == 2
    no_session = routes_of([Record(f"x{n}", {"session": ""}) for n in range(50)], a=1, b=1)
    assert len(set(no_session)) == 2, "records without a session are drawn alone"


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("planes", "'route' is never 'planes'; did you mean 'plans'?"),
        ("plans", "the pipeline ends (where route = edits) without 'target', 'instruction'"),
    ],
)
def test_a_route_that_is_not_there_or_leads_nowhere_is_found_before_the_run(
    tmp_path: Path, when: str, message: str
) -> None:
    stages: list[Any] = [ROUTES, {**PAINT, "when": {"route": when}}]
    with pytest.raises(ConfigError) as caught:
        toy_graph(tmp_path, stages)
    assert message in str(caught.value)


def test_all_routes_together_are_complete(tmp_path: Path) -> None:
    both: list[Any] = [
        {**PAINT, "when": {"route": "plans"}},
        {**PAINT, "id": "paint_edits", "when": {"route": "edits"}},
    ]
    assert [node.id for node in toy_graph(tmp_path, [ROUTES, *both]).nodes] == ["choose_route", "paint", "paint_edits"]
