from __future__ import annotations

import pytest
from colours import SCORER, plain
from pydantic import ValidationError

from datagen import Record, Reject
from stages.filter_aesthetic import FilterAesthetic

PREDICTOR = {"kind": "laion_v2", "weights": "./never-loaded.pth", "encoder": SCORER}


def brightness(images):
    """Ten for white, nothing for black."""
    return [float(image.mean()) / 25.5 for image in images]


def judge(picture, *, least):
    stage = FilterAesthetic(FilterAesthetic.Config.model_validate({"predictor": PREDICTOR, "min_score": least}))
    stage.predictor = brightness
    return stage.process([Record("a", {"image": picture})])[0]


def test_pictures_that_score_low_are_rejected_with_their_score():
    assert judge(plain(255, 255, 255), least=5) == {"aesthetic": 10}
    assert judge(plain(51, 51, 51), least=5) == Reject("low_aesthetic", "aesthetic 2 < 5 (min_score)", {"aesthetic": 2})
    assert judge(plain(51, 51, 51), least=2) == {"aesthetic": 2}


@pytest.mark.parametrize("given", [{"min_score": 5}, {"predictor": PREDICTOR}])
def test_a_bound_without_its_predictor_is_refused_and_so_is_the_other_way_round(given):
    with pytest.raises(ValidationError, match="Field required"):
        FilterAesthetic.Config.model_validate(given)
