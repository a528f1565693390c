"""What a sample costs in BAGEL: the published arithmetic, and an estimate of text from above."""

from __future__ import annotations

import math
from typing import Any

import pytest
from export.planned import plain
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count

from datagen.export.lessons import PictureUse, TextPiece
from datagen.export.tokens import count_tokens


def cost(width: int, height: int, **use: Any) -> int:
    from datagen.imaging.image import Image

    tall = Image.of(plain(1, side=max(width, height)).array[:height, :width])
    return count_tokens([PictureUse("target.png", **use)], {"target.png": tall.encoded()})


@pytest.mark.parametrize(("side", "thousands"), [(512, 15), (768, 27), (1024, 43)])
def test_a_plan_of_five_pictures_costs_what_is_known_of_it(side: int, thousands: int) -> None:
    """Four intermediate pictures and a final one, with 150 tokens of text a step."""
    picture = {"turn.png": plain(1, side=side).encoded()}
    painted = PictureUse("turn.png", is_learnt=True, is_painted_from=True)
    last = PictureUse("turn.png", is_learnt=True, is_understood=False)
    assert count_tokens([*[painted] * 4, last], picture) + 5 * 150 == pytest.approx(thousands * 1000, abs=500)


@pytest.mark.parametrize(
    ("size", "latents", "seen"),
    [
        ((512, 512), 32 * 32, 37 * 37),
        ((256, 256), 32 * 32, 18 * 18),  # the VAE's shortest side is 512
        ((100, 100), 32 * 32, 16 * 16),  # and that of the vision transformer 224
        ((1024, 512), 64 * 32, 37 * 18),
        ((2048, 1024), 64 * 32, 37 * 18),
    ],
)
def test_pictures_are_resized_before_they_are_cut_into_tokens(size: tuple[int, int], latents: int, seen: int) -> None:
    assert cost(*size, is_learnt=True, is_understood=False) == latents + 2
    assert cost(*size) == seen + 2
    assert cost(*size, is_learnt=True, is_painted_from=True) == 2 * (latents + 2) + seen + 2


@settings(max_examples=example_count(60), deadline=None)
@given(width=st.integers(1, 300), height=st.integers(1, 300))
def test_no_side_of_a_picture_is_beyond_its_bounds(width: int, height: int) -> None:
    assert 1 <= cost(width, height) - 2 <= 37 * 37
    assert 32 * 1 <= cost(width, height, is_learnt=True, is_understood=False) - 2 <= 64 * 64


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
    assert count_tokens([TextPiece(text)], {}) == tokens + 2


@settings(max_examples=example_count(200))
@given(text=st.text(max_size=40), more=st.text(max_size=40))
def test_more_text_costs_no_less(text: str, more: str) -> None:
    whole = count_tokens([TextPiece(text + "\n" + more)], {})
    assert whole >= max(count_tokens([TextPiece(text)], {}), count_tokens([TextPiece(more)], {}))
    assert whole >= math.ceil(len((text + more).replace(" ", "")) / 3)
