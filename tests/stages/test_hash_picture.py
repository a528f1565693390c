"""Hashes: copies are near, other pictures are far, an edit is told by its place and content."""

from __future__ import annotations

from itertools import combinations

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photographs import NAMES, cropped, edited, jpeg, photograph, resized
from PIL import Image as Pillow
from rings import example_count

from datagen.core.errors import DataError
from datagen.core.record import Record
from datagen.imaging.image import Image, Pixels
from datagen.imaging.perceptual_hash import format_hash, hamming_distances, parse_hash
from datagen.models.hashers.embedding import EmbeddingHasher
from datagen.models.hashers.phash import PhashConfig
from stages.hash_change import HashChange
from stages.hash_picture import HashPicture

COPIES = {
    "jpeg of quality 30": (lambda picture: jpeg(picture, 30), 8),
    "half size": (lambda picture: resized(picture, 0.5), 8),
    "twice the size": (lambda picture: resized(picture, 2), 8),
    "brighter": (lambda picture: np.clip(picture * 1.1, 0, 255).astype(np.uint8), 8),
    "1 % cut off": (lambda picture: cropped(picture, 0.01), 24),
}
"""What may happen to a copy, and the bits that docs/cleaning.md says it changes at the most."""


def bits(one: Pixels, other: Pixels) -> int:
    stage = HashPicture(HashPicture.Config())
    stage.setup("cpu")
    answers = stage.process([Record(str(n), {"image": Image.of(picture)}) for n, picture in enumerate((one, other))])
    a, b = (parse_hash(answer["picture_hash"]) for answer in answers)  # type: ignore[call-overload,index]
    return int(hamming_distances(a.words, b.words))


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("name", NAMES)
def test_a_copy_is_near(name: str, copy: str) -> None:
    change, most = COPIES[copy]
    assert bits(photograph(name), change(photograph(name))) <= most


def test_other_pictures_are_far() -> None:
    assert min(bits(photograph(one), photograph(other)) for one, other in combinations(NAMES, 2)) > 90


@pytest.mark.parametrize("side", [8, 16, 24])
def test_it_is_imagehashs_own(side: int) -> None:
    [text] = PhashConfig(side=side).load("cpu")([photograph("chelsea")])
    found = imagehash.phash(Pillow.fromarray(photograph("chelsea")), hash_size=side)
    assert text == f"phash{side**2}:{found}"


@given(flags=st.lists(st.booleans(), min_size=64, max_size=64), other=st.lists(st.booleans(), min_size=64, max_size=64))
def test_the_text_of_a_hash_keeps_its_bits(flags: list[bool], other: list[bool]) -> None:
    one, two = (parse_hash(format_hash(np.array(part), by="a:b")) for part in (flags, other))
    assert (one.by, one.bits) == ("a:b", 64)
    assert hamming_distances(one.words, two.words) == sum(a != b for a, b in zip(flags, other, strict=True))


@pytest.mark.parametrize(
    "text", ["", "a cat", "phash64:", "phash64:12", "phash64:zz34567812345678", ":1234567812345678"]
)
def test_other_text_is_no_hash(text: str) -> None:
    with pytest.raises(DataError, match="is no hash of a picture"):
        parse_hash(text)


@settings(max_examples=example_count(15), deadline=None)
@given(seed=st.integers(0, 999), cosine=st.floats(0.8, 1))
def test_the_bits_of_embeddings_tell_their_angle(seed: int, cosine: float) -> None:
    rng = np.random.default_rng(seed)
    one, away = np.linalg.qr(rng.standard_normal((32, 2)))[0].T
    pair = np.stack([one, cosine * one + np.sqrt(1 - cosine**2) * away]).astype(np.float32)
    texts = EmbeddingHasher(lambda images: pair, bits=2048, by="fake")([])
    a, b = map(parse_hash, texts)
    assert hamming_distances(a.words, b.words) / 2048 == pytest.approx(np.arccos(cosine) / np.pi, abs=0.045)


def changes(source: Pixels, target: Pixels) -> dict[str, np.ndarray[tuple[int], np.dtype[np.uint64]]]:
    stage = HashChange(HashChange.Config())
    stage.setup("cpu")
    [answer] = stage.process([Record("a", {"source": Image.of(source), "target": Image.of(target)})])
    return {name: parse_hash(text).words for name, text in answer.items()}  # type: ignore[union-attr]


def apart(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> dict[str, int]:  # type: ignore[type-arg]
    return {name: int(hamming_distances(one[name], other[name])) for name in one}


@pytest.mark.parametrize("name", NAMES)
def test_an_edit_is_told_by_its_place_and_content(name: str) -> None:
    source = photograph(name)
    cup, cat = (photograph(other) for other in [*NAMES, *NAMES][NAMES.index(name) + 1 :][:2])
    first = edited(source, cup, at=(0.2, 0.2), size=0.15)
    found = changes(source, first)
    copy = apart(found, changes(jpeg(resized(source, 0.8), 90), jpeg(resized(first, 0.8), 90)))
    assert copy["change_place"] <= 8
    assert copy["change_hash"] <= 48
    elsewhere = apart(found, changes(source, edited(source, cup, at=(0.5, 0.2), size=0.15)))
    assert elsewhere["change_place"] > 8
    another = apart(found, changes(source, edited(source, cat, at=(0.2, 0.2), size=0.15)))
    assert another["change_hash"] > 48


def test_an_edit_is_told_by_its_colour() -> None:
    source = np.full((200, 300, 3), 120, np.uint8)
    painted = []
    for colour in ((200, 60, 60), (60, 60, 200)):
        target = source.copy()
        target[60:140, 80:200] = colour
        painted.append(changes(source, target))
    found = apart(*painted)
    assert found["change_place"] <= 2
    assert found["change_hash"] > 48


def test_where_nothing_differs_or_shapes_do_it_is_the_whole_frame() -> None:
    source = photograph("rocket")
    whole = changes(source, source)
    other = changes(source, np.ascontiguousarray(source[:, :100]))
    assert np.array_equal(whole["change_place"], other["change_place"])
