"""What a sample costs in BAGEL: the published arithmetic, and an estimate of text from above."""

from __future__ import annotations

import math
from typing import Any

import pytest
from export.planned import plain
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count

from datagen.export import irg, zebra_cot
from datagen.export.lessons import PictureUse, TextPiece
from datagen.export.tokens import PictureSizes, count_tokens


def cost(width: int, height: int, *, sizes: PictureSizes = irg.SIZES, **use: Any) -> int:
    from datagen.imaging.image import Image

    tall = Image.of(plain(1, side=max(width, height)).array[:height, :width])
    return count_tokens([PictureUse("target.png", **use)], {"target.png": tall.encoded()}, sizes=sizes)


def text_cost(text: str) -> int:
    return count_tokens([TextPiece(text)], {}, sizes=irg.SIZES)


@pytest.mark.parametrize(("side", "thousands"), [(512, 15.5), (768, 33.6), (1024, 57.2)])
def test_a_plan_of_five_pictures_costs_what_the_documentation_says(side: int, thousands: float) -> None:
    """Four intermediate pictures and a final one, with 150 tokens of text a step."""
    picture = {"turn.png": plain(1, side=side).encoded()}
    painted = PictureUse("turn.png", is_learnt=True, is_painted_from=True)
    last = PictureUse("turn.png", is_learnt=True, is_understood=False)
    found = count_tokens([*[painted] * 4, last], picture, sizes=irg.SIZES) + 5 * 150
    assert found == pytest.approx(thousands * 1000, abs=50)


@pytest.mark.parametrize(
    ("size", "latents", "seen"),
    [
        ((512, 512), 32 * 32, 37 * 37),
        ((256, 256), 32 * 32, 27 * 27),  # the VAE's shortest side is 512
        ((100, 100), 32 * 32, 27 * 27),  # and that of the vision transformer 378
        ((1024, 512), 64 * 32, 70 * 35),
        ((2048, 1024), 64 * 32, 70 * 35),
    ],
)
def test_pictures_are_resized_before_they_are_cut_into_tokens(size: tuple[int, int], latents: int, seen: int) -> None:
    assert cost(*size, is_learnt=True, is_understood=False) == latents + 2
    assert cost(*size) == seen + 2
    assert cost(*size, is_learnt=True, is_painted_from=True) == 2 * (latents + 2) + seen + 2


@settings(max_examples=example_count(60), deadline=None)
@given(width=st.integers(1, 300), height=st.integers(1, 300))
def test_no_side_of_a_picture_is_beyond_its_bounds(width: int, height: int) -> None:
    assert 1 <= cost(width, height) - 2 <= 70 * 70
    assert 32 * 1 <= cost(width, height, is_learnt=True, is_understood=False) - 2 <= 64 * 64


@pytest.mark.parametrize(
    ("size", "latents", "seen"),
    [((512, 512), 32 * 32, 37 * 37), ((64, 64), 32 * 32, 37 * 37), ((1024, 512), 32 * 16, 37 * 19)],
)
def test_zebra_has_one_size_for_every_picture(size: tuple[int, int], latents: int, seen: int) -> None:
    assert cost(*size, sizes=zebra_cot.SIZES, is_learnt=True, is_understood=False) == latents + 2
    assert cost(*size, sizes=zebra_cot.SIZES) == seen + 2


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("cat", 1),
        ("a red circle", 1 + 1 + 2),
        ("12 cats.", 2 + 2 + 1),
        ("a\n\nb", 4),
        ("a  b", 1 + 1 + 1),
        ("é", 2),
        ("猫", 3),
    ],
)
def test_text_costs_at_most_an_estimate(text: str, tokens: int) -> None:
    assert text_cost(text) == tokens + 2


@settings(max_examples=example_count(200))
@given(text=st.text(max_size=40), more=st.text(max_size=40))
def test_more_text_costs_no_less(text: str, more: str) -> None:
    whole = text_cost(text + "\n" + more)
    assert whole >= max(text_cost(text), text_cost(more))
    assert whole >= math.ceil(len((text + more).replace(" ", "")) / 3)
