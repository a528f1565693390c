from __future__ import annotations

import pytest
from colours import GREEN, RED, SCORER, Colours, plain

from datagen import Record
from stages.filter_similarity import FilterSimilarity


def answer(source, target, **bounds):
    stage = FilterSimilarity(FilterSimilarity.Config.model_validate({"embedder": SCORER, **bounds}))
    stage.embedder = Colours()
    return stage.process([Record("a", {"source": source, "target": target})])[0]


def test_pairs_are_kept_between_the_bounds_which_are_kept_too():
    pair = (plain(200, 0, 0), plain(200, 200, 0))
    found = answer(*pair, min_similarity=-1)["similarity"]
    assert found == pytest.approx(0.5**0.5, abs=1e-5)
    assert answer(*pair, min_similarity=found, max_similarity=found) == {"similarity": found}
    assert answer(*pair, min_similarity=found + 1e-6).reason == "too_different"
    assert answer(*pair, min_similarity=0, max_similarity=found - 1e-6).reason == "too_similar"


def test_without_an_upper_bound_a_pair_may_be_the_same():
    assert answer(RED, RED, min_similarity=0.9) == {"similarity": pytest.approx(1)}
    assert answer(RED, GREEN, min_similarity=0.9).fields == {"similarity": 0}
