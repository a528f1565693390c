from __future__ import annotations

from colours import plain

from datagen import Record, Reject
from stages.filter_nsfw import FilterNsfw

CLASSIFIER = {"kind": "image_classifier", "weights": "./never-loaded", "labels": ["nsfw"]}


def redness(images):
    return [float(image[..., 0].mean()) / 255 for image in images]


def judge(picture, *, most):
    stage = FilterNsfw(FilterNsfw.Config.model_validate({"classifier": CLASSIFIER, "max_score": most}))
    stage.classifier = redness
    return stage.process([Record("a", {"image": picture})])[0]


def test_pictures_that_are_likely_unfit_are_rejected_with_their_score():
    assert judge(plain(51, 9, 9), most=0.2) == {"nsfw": 0.2}
    assert judge(plain(51, 9, 9), most=0.1) == Reject("nsfw", "nsfw 0.2 > 0.1 (max_score)", {"nsfw": 0.2})
