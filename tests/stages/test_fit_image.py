from __future__ import annotations

import numpy as np
import pytest
from pictures import noise

from datagen import Record, Reject
from datagen.imaging.image import Image
from stages.fit_image import FitImage


def fit(height, width, **options):
    image = Image.of(noise(height, width))
    stage = FitImage(FitImage.Config(**{"pixels": 128 * 128, "max_enlarged": 16, **options}))
    return image, stage.process([Record("a", {"image": image})])[0]


@pytest.mark.parametrize(("height", "width"), [(128, 128), (100, 131), (700, 300), (90, 90)])
def test_sides_become_multiples_and_pixels_about_as_many_as_asked(height, width):
    _, answer = fit(height, width)
    size = answer["source"].size
    assert size[0] % 16 == size[1] % 16 == 0
    assert 0.7 * 128 * 128 < size[0] * size[1] <= 128 * 128
    assert size[0] / size[1] == pytest.approx(width / height, rel=0.25)


def test_a_picture_that_fits_stays_as_it_is():
    image, answer = fit(128, 128)
    assert answer["source"] is image
    _, once = fit(300, 500)
    again = FitImage(FitImage.Config(pixels=128 * 128)).process([Record("a", {"image": once["source"]})])[0]
    assert again["source"] is once["source"]


def test_what_would_have_to_be_enlarged_too_far_is_rejected():
    _, answer = fit(40, 60, max_enlarged=2)
    assert isinstance(answer, Reject)
    assert answer.reason == "too_small"
    assert answer.detail == "60x40 would become 144x96"
    _, answer = fit(70, 70, max_enlarged=2)
    assert answer["source"].size == (128, 128)


def test_nothing_is_moved():
    image = np.zeros((256, 512, 3), np.uint8)
    image[64:128, 256:384] = 255
    stage = FitImage(FitImage.Config(pixels=128 * 256))
    made = stage.process([Record("a", {"image": Image.of(image)})])[0]["source"].array
    assert made.shape == (128, 256, 3)
    assert (made[32:64, 128:192] == 255).all()
    assert made.sum() == 255 * 3 * 32 * 64
