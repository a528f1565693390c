"""Detectors and segmenters with weights: tiny real models, loaded by the production code and held against their packages."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_grounding as tiny
import torch
import transformers
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from rings import example_count
from segment_anything import SamPredictor, sam_model_registry

from datagen.core.errors import ConfigError, DataError, SetupError
from datagen.imaging.image import Image
from datagen.models.detectors.base import Detection, best_first
from datagen.models.detectors.grounding_dino import GroundingDinoConfig
from datagen.models.detectors.grounding_words import pack_captions
from datagen.models.detectors.original_grounding_dino import OriginalGroundingDinoConfig
from datagen.models.detectors.sam3 import Sam3DetectorConfig
from datagen.models.segmenters.base import NO_ANNOTATION, BoxPrompts, Segmentation, segment_each
from datagen.models.segmenters.sam import SamConfig, read_sam
from datagen.models.segmenters.sam2 import Sam2Config, Sam3Config
from datagen.models.weights.batches import Batches

pytestmark = pytest.mark.torch

TINY = tiny.vocabulary()
BOXES = [(5.0, 5.0, 30.0, 40.0), (10.5, 12.25, 70.0, 50.0), (40.0, 3.0, 79.0, 59.0)]


def picture(height: int = 60, width: int = 80, *, seed: int = 0) -> np.ndarray:
    """Blobs of colour, different in each channel; read-only, as pictures are in a run."""
    coarse = np.random.default_rng(seed).integers(0, 255, (5, 6, 3), dtype=np.uint8)
    return Image.of(np.asarray(Pillow.fromarray(coarse).resize((width, height), Pillow.Resampling.BICUBIC))).array


PICTURES = [picture(seed=1), picture(70, 64, seed=2), picture(seed=3)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("grounding")
    tiny.save_grounding_dino(made / "grounding_dino")
    tiny.save_sam(made / "sam.pth")
    tiny.save_sam2(made / "sam2")
    tiny.save_sam3_tracker(made / "sam3_tracker")
    tiny.save_sam3(made / "sam3")
    return made


def _detector_configs(folder: Path, **options: Any) -> dict[str, Any]:
    return {
        "grounding_dino": GroundingDinoConfig(weights=str(folder / "grounding_dino"), **options),
        "sam3": Sam3DetectorConfig(weights=str(folder / "sam3"), **options),
    }


def _segmenter_configs(folder: Path, **options: Any) -> dict[str, Any]:
    return {
        "sam": SamConfig(weights=str(folder / "sam.pth"), **options),
        "sam2": Sam2Config(weights=str(folder / "sam2"), **options),
        "sam3": Sam3Config(weights=str(folder / "sam3_tracker"), **options),
    }


DETECTORS, SEGMENTERS = ("grounding_dino", "sam3"), ("sam", "sam2", "sam3")


@pytest.fixture(scope="module")
def detectors(folder: Path) -> dict[str, Any]:
    return {kind: config.load("cpu") for kind, config in _detector_configs(folder).items()}


@pytest.fixture(scope="module")
def segmenters(folder: Path) -> dict[str, Any]:
    return {kind: config.load("cpu") for kind, config in _segmenter_configs(folder).items()}


def same_detections(one: Sequence[Detection], other: Sequence[Detection], *, within: float = 1e-3) -> None:
    assert [found.label for found in one] == [found.label for found in other]
    assert np.allclose([found.score for found in one], [found.score for found in other], atol=within / 10)
    assert np.allclose([found.box for found in one], [found.box for found in other], atol=within)


def same_masks(one: Sequence[Segmentation], other: Sequence[Segmentation]) -> None:
    for found, wanted in zip(one, other, strict=True):
        assert found.score == pytest.approx(wanted.score, abs=1e-5)
        assert float((found.mask != wanted.mask).mean()) < 0.002


@pytest.mark.parametrize("kind", DETECTORS)
def test_boxes_lie_on_their_picture_best_first_and_bear_their_phrase(detectors: dict[str, Any], kind: str) -> None:
    lines = [["A cat", "red cup"], ["dog"], ["a. cat?", "cup of tea"]]
    for image, phrases, found in zip(PICTURES, lines, detectors[kind](PICTURES, lines), strict=True):
        assert found
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
        assert {one.label for one in found} <= set(phrases)
        for one in found:
            x0, y0, x1, y1 = one.box
            assert 0 <= x0 < x1 <= image.shape[1]
            assert 0 <= y0 < y1 <= image.shape[0]
            assert 0 <= one.score <= 1


@pytest.mark.parametrize("kind", DETECTORS)
@settings(max_examples=example_count(6), deadline=None)
@given(order=st.permutations(range(3)), size=st.integers(1, 3))
def test_no_detection_hangs_on_the_batch(detectors: dict[str, Any], kind: str, order: list[int], size: int) -> None:
    model, requests = detectors[kind], [["a cat", "red cup"], ["dog"], ["cup"]]
    model._batches.size = size
    alone = [model([image], [phrases])[0] for image, phrases in zip(PICTURES, requests, strict=True)]
    mixed = model([PICTURES[n] for n in order], [requests[n] for n in order])
    for n, found in zip(order, mixed, strict=True):
        same_detections(found, alone[n])


def test_grounding_dino_finds_what_its_package_finds(folder: Path, detectors: dict[str, Any]) -> None:
    place = folder / "grounding_dino"
    model = transformers.GroundingDinoForObjectDetection.from_pretrained(place).eval()
    processor = transformers.GroundingDinoProcessor.from_pretrained(place)
    processor.image_processor = transformers.AutoImageProcessor.from_pretrained(place, backend="pil")
    image = PICTURES[0]
    inputs = processor(images=Pillow.fromarray(image), text=[["a cat", "red cup"]], return_tensors="pt")
    with torch.no_grad():
        out = model(**inputs)
    [wanted] = processor.post_process_grounded_object_detection(
        out, inputs["input_ids"], threshold=0, text_threshold=1.1, target_sizes=[image.shape[:2]]
    )
    found = detectors["grounding_dino"]([image], [["A Cat", "red  cup."]])[0]
    assert np.allclose([one.score for one in found], sorted(wanted["scores"].tolist(), reverse=True), atol=1e-5)
    boxes = np.clip(wanted["boxes"].numpy(), 0, (80, 60, 80, 60))
    assert len(found) == len(boxes)
    for one in found:
        assert np.abs(boxes - one.box).max(axis=1).min() < 1e-2


def test_grounding_dino_sees_pictures_as_its_authors_prepare_them(detectors: dict[str, Any]) -> None:
    """RGB, the shorter side scaled by Pillow's bilinear, normalised by ImageNet's mean and deviation."""
    image = PICTURES[0]
    seen = detectors["grounding_dino"]._images([Pillow.fromarray(image)], return_tensors="pt")
    resized = np.asarray(Pillow.fromarray(image).resize((85, 64), Pillow.Resampling.BILINEAR), np.float64) / 255
    wanted = (resized - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    assert np.abs(seen["pixel_values"][0].permute(1, 2, 0).numpy() - wanted).max() < 1e-5
    assert seen["pixel_mask"].all()


def test_phrases_that_do_not_fit_into_one_text_are_all_looked_for(detectors: dict[str, Any]) -> None:
    phrases = [f"{first} {second}" for first in ("cat", "dog", "cup", "tea", "box") for second in ("a", "on", "of")]
    parts = pack_captions(phrases, tokenizer=detectors["grounding_dino"]._tokenizer, limit=32)
    assert len(parts) > 1
    found = detectors["grounding_dino"]([PICTURES[0]], [phrases])[0]
    assert len(found) > 24, "more than one text's queries"
    assert {one.label for one in found} <= set(phrases)


def _tokenizer() -> Any:
    return tiny.BertTokenizer(vocab=tiny.vocabulary())


@settings(max_examples=example_count(60), deadline=None)
@given(st.lists(st.text("abcDOG .?[]", min_size=1, max_size=12), min_size=1, max_size=12), st.integers(12, 40))
def test_every_phrase_stands_in_one_text_that_fits(phrases: list[str], limit: int) -> None:
    tokenizer = _tokenizer()
    sound = [phrase for phrase in phrases if set(phrase) - set(" .?[]")]
    longest = max((len(tokenizer(f"{phrase}.")["input_ids"]) for phrase in sound), default=999)
    assume(longest <= limit)
    parts = pack_captions(sound, tokenizer=tokenizer, limit=limit)
    lines = [phrase for part in parts for phrase in part.phrases]
    plain = ["".join(sign for sign in phrase.lower() if sign not in " .?[]") for phrase in lines]
    assert set(lines) <= set(sound)
    assert {"".join(sign for sign in phrase.lower() if sign not in " .?[]") for phrase in sound} == set(plain)
    for part in parts:
        assert len(tokenizer(part.text)["input_ids"]) <= limit
        assert part.text.count(".") == len(part.phrases)
        assert part.text == part.text.lower()


@pytest.mark.parametrize("kind", DETECTORS)
@pytest.mark.parametrize(
    ("phrase", "message"), [(" ", "there is no word in the phrase"), ("cup " * 40, "the phrase 'cup cup")]
)
def test_a_phrase_that_cannot_be_read_is_told(detectors: dict[str, Any], kind: str, phrase: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        detectors[kind]([PICTURES[0]], [[phrase]])


def test_sam3_finds_what_its_package_finds(folder: Path, detectors: dict[str, Any]) -> None:
    model = transformers.Sam3Model.from_pretrained(folder / "sam3").eval()
    processor = transformers.Sam3Processor.from_pretrained(folder / "sam3")
    image = PICTURES[1]
    wanted: list[tuple[float, list[float], str]] = []
    for phrase in ("a cat", "red cup"):
        inputs = processor(images=Pillow.fromarray(image), text=phrase, return_tensors="pt")
        with torch.no_grad():
            out = model(**{name: inputs[name] for name in ("pixel_values", "input_ids", "attention_mask")})
        [one] = processor.post_process_object_detection(out, threshold=0, target_sizes=[image.shape[:2]])
        wanted += zip(one["scores"].tolist(), one["boxes"].tolist(), [phrase] * len(one["scores"]), strict=True)
    found = detectors["sam3"]([image], [["a cat", "red cup"]])[0]
    assert len(found) == len(wanted)
    for one, (score, box, label) in zip(found, sorted(wanted, key=lambda each: -each[0]), strict=True):
        assert (one.score, one.label) == (pytest.approx(score, abs=1e-6), label)
        assert np.allclose(one.box, box, atol=1e-2)


def test_boxes_that_are_no_numbers_are_told() -> None:
    with pytest.raises(DataError, match="no finite numbers; with float16, try bfloat16 or float32"):
        best_first(np.array([[0.0, 0, np.nan, 4]]), np.array([0.5]), ["cup"], size=(8, 8))


@given(st.lists(st.tuples(*[st.floats(-20, 120)] * 4, st.floats(0, 1)), max_size=20))
def test_what_lies_beyond_the_picture_is_cut_off_or_left_out(rows: list[tuple[float, ...]]) -> None:
    boxes = np.array([row[:4] for row in rows], np.float64).reshape(-1, 4)
    found = best_first(boxes, np.array([row[4] for row in rows], np.float64), ["x"] * len(rows), size=(100, 60))
    inside = [row for row in rows if min(row[2], 100) > max(row[0], 0) and min(row[3], 60) > max(row[1], 0)]
    assert [one.score for one in found] == sorted((row[4] for row in inside), reverse=True)


@pytest.mark.parametrize("takes", ["single", "best"])
def test_sam_masks_as_its_own_predictor_does(folder: Path, takes: str) -> None:
    ours = SamConfig(weights=str(folder / "sam.pth"), masks=takes).load("cpu")
    predictor = SamPredictor(tiny.tiny_sam())
    for image in PICTURES[:2]:
        predictor.set_image(image)
        boxes = [tuple(np.minimum(box, np.tile(image.shape[1::-1], 2))) for box in BOXES]
        for box, found in zip(boxes, ours([BoxPrompts(image, boxes)])[0], strict=True):
            masks, scores, _ = predictor.predict(box=np.array(box), multimask_output=takes == "best")
            assert found.score == pytest.approx(float(np.clip(scores.max(), 0, 1)), abs=1e-5)
            assert float((found.mask != masks[scores.argmax()]).mean()) < 0.001


@pytest.mark.parametrize("name", ["vit_b", "vit_h"])
def test_a_checkpoint_tells_which_sam_it_is(name: str) -> None:
    with torch.device("meta"):
        wanted = sam_model_registry[name]()
        found = read_sam(wanted.state_dict())
    assert str(found) == str(wanted)
    spans = [(block.window_size, block.attn.num_heads) for block in found.image_encoder.blocks]
    assert spans == [(block.window_size, block.attn.num_heads) for block in wanted.image_encoder.blocks]
    assert found.image_encoder.img_size == 1024


@pytest.mark.parametrize(
    ("kind", "model_class", "processor_class"),
    [
        ("sam2", transformers.Sam2Model, transformers.Sam2Processor),
        ("sam3", transformers.Sam3TrackerModel, transformers.Sam3TrackerProcessor),
    ],
)
def test_sam_2_and_3_mask_as_their_package_does(
    folder: Path, segmenters: dict[str, Any], kind: str, model_class: Any, processor_class: Any
) -> None:
    place = folder / {"sam2": "sam2", "sam3": "sam3_tracker"}[kind]
    model, processor = model_class.from_pretrained(place).eval(), processor_class.from_pretrained(place)
    image, boxes = PICTURES[0], [list(box) for box in BOXES]
    inputs = processor(images=Pillow.fromarray(image), input_boxes=[boxes], return_tensors="pt")
    with torch.no_grad():
        out = model(pixel_values=inputs["pixel_values"], input_boxes=inputs["input_boxes"], multimask_output=False)
    masks = processor.post_process_masks(out.pred_masks, inputs["original_sizes"])[0][:, 0].numpy()
    wanted = [Segmentation(mask, float(score)) for mask, score in zip(masks, out.iou_scores[0, :, 0], strict=True)]
    same_masks(segmenters[kind]([BoxPrompts(image, BOXES)])[0], wanted)


@pytest.mark.parametrize("kind", SEGMENTERS)
def test_masks_have_the_size_of_their_picture_and_channels_count(segmenters: dict[str, Any], kind: str) -> None:
    scenes = [BoxPrompts(image, [(1, 1, 30, 40), (5.5, 5.5, 60, 50)]) for image in PICTURES]
    for image, found in zip(PICTURES, segmenters[kind](scenes), strict=True):
        assert [one.mask.shape for one in found] == [image.shape[:2]] * 2
        assert all(one.mask.dtype == np.bool_ and 0 <= one.score <= 1 for one in found)
    swapped = segmenters[kind]([BoxPrompts(np.ascontiguousarray(PICTURES[0][..., ::-1]), scenes[0].boxes)])[0]
    assert any((one.mask != other.mask).any() for one, other in zip(found, swapped, strict=True))


@pytest.mark.parametrize("kind", SEGMENTERS)
@settings(max_examples=example_count(5), deadline=None)
@given(order=st.permutations(range(6)), pictures=st.integers(1, 3), boxes=st.integers(1, 3))
def test_no_mask_hangs_on_other_boxes_or_pictures(
    segmenters: dict[str, Any], kind: str, order: list[int], pictures: int, boxes: int
) -> None:
    model = segmenters[kind]
    model._pictures.size, model._boxes.size = pictures, boxes
    each = [(PICTURES[n % 3], BOXES[n // 3], NO_ANNOTATION) for n in range(6)]
    alone = [model([BoxPrompts(image, [box])])[0][0] for image, box, _ in each]
    mixed = segment_each(model, each=[each[n] for n in order])
    same_masks(mixed, [alone[n] for n in order])


class Encodings:
    """Counts the pictures that a model encodes; more than `most` at once take more memory than there is."""

    def __init__(self, module: torch.nn.Module, *, most: int = 99) -> None:
        self.sizes: list[int] = []
        self.most = most
        self.hook = module.register_forward_pre_hook(self._seen, with_kwargs=True)

    def _seen(self, _: Any, args: Any, kwargs: Any) -> None:
        pixels = args[0] if args else kwargs["pixel_values"]
        self.sizes.append(len(pixels))
        if len(pixels) > self.most:
            torch.empty(2**60)


def _encoder(model: Any) -> torch.nn.Module:
    if hasattr(model, "_sam"):
        return model._sam.image_encoder
    return getattr(model._model, "vision_encoder", None) or model._model


@pytest.fixture
def encodings() -> Iterator[Any]:
    made: list[Encodings] = []

    def make(model: Any, *, most: int = 99) -> Encodings:
        made.append(Encodings(_encoder(model), most=most))
        return made[-1]

    yield make
    for one in made:
        one.hook.remove()


@pytest.mark.parametrize("kind", SEGMENTERS)
def test_a_picture_is_encoded_once_for_all_its_boxes(segmenters: dict[str, Any], kind: str, encodings: Any) -> None:
    seen = encodings(segmenters[kind])
    segmenters[kind]([BoxPrompts(PICTURES[0], BOXES * 3)])
    assert sum(seen.sizes) == 1
    segment_each(segmenters[kind], each=[(PICTURES[n % 2], box, NO_ANNOTATION) for n, box in enumerate(BOXES * 3)])
    assert sum(seen.sizes) == 3


def test_sam3_encodes_a_picture_once_for_all_its_phrases(detectors: dict[str, Any], encodings: Any) -> None:
    seen = encodings(detectors["sam3"])
    detectors["sam3"]([PICTURES[0]], [["a cat", "red cup", "dog"]])
    assert sum(seen.sizes) == 1


@pytest.mark.parametrize("kind", SEGMENTERS)
def test_a_batch_of_pictures_that_takes_too_much_memory_is_halved(folder: Path, kind: str, encodings: Any) -> None:
    model = _segmenter_configs(folder, batch_size=4)[kind].load("cpu")
    scenes = [BoxPrompts(picture(seed=n), BOXES[:1]) for n in range(4)]
    wanted = [model([scene])[0] for scene in scenes]
    seen = encodings(model, most=1)
    for found, alone in zip(model(scenes), wanted, strict=True):
        same_masks(found, alone)
    assert seen.sizes == [4, 2, 1, 1, 1, 1]
    assert model._pictures.size == 1, "later batches stay as small"


def test_a_batch_of_pictures_to_detect_in_is_halved_too(folder: Path, encodings: Any) -> None:
    for config in _detector_configs(folder, batch_size=2).values():
        model = config.load("cpu")
        wanted = [model([image], [["cup"]])[0] for image in PICTURES[::2]]
        seen = encodings(model, most=1)
        for found, alone in zip(model(PICTURES[::2], [["cup"]] * 2), wanted, strict=True):
            same_detections(found, alone)
        assert seen.sizes == [2, 1, 1]


def test_boxes_that_take_too_much_memory_together_are_halved(folder: Path) -> None:
    model = SamConfig(weights=str(folder / "sam.pth"), boxes_at_once=8).load("cpu")
    wanted, sizes = model([BoxPrompts(PICTURES[0], BOXES)])[0], []

    def greedy(_: Any, __: Any, kwargs: Any) -> None:
        sizes.append(len(kwargs["boxes"]))
        if sizes[-1] > 1:
            torch.empty(2**60)

    model._sam.prompt_encoder.register_forward_pre_hook(greedy, with_kwargs=True)
    same_masks(model([BoxPrompts(PICTURES[0], BOXES)])[0], wanted)
    assert sizes == [3, 1, 1, 1]


def test_a_picture_that_does_not_fit_even_alone_is_told(segmenters: dict[str, Any], encodings: Any) -> None:
    encodings(segmenters["sam"], most=0)
    with pytest.raises(DataError, match="does not fit into memory even alone"):
        segmenters["sam"]([BoxPrompts(PICTURES[0], BOXES[:1])])


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_answers_nearly_the_same(folder: Path, segmenters: dict[str, Any], precision: str) -> None:
    for kind, config in _segmenter_configs(folder, precision=precision).items():
        for found, wanted in zip(
            config.load("cpu")([BoxPrompts(PICTURES[0], BOXES)])[0],
            segmenters[kind]([BoxPrompts(PICTURES[0], BOXES)])[0],
            strict=True,
        ):
            assert float((found.mask != wanted.mask).mean()) < 0.03
    for config in _detector_configs(folder, precision=precision).values():
        assert config.load("cpu")([PICTURES[0]], [["cup"]])[0]


@pytest.mark.parametrize(
    ("missing", "make", "message"),
    [
        ("segment_anything", lambda: SamConfig(weights="./x.pth"), r"pip install 'datagen\[models\]'$"),
        ("transformers", Sam2Config, r"pip install 'datagen\[models\]'$"),
        (
            "groundingdino",
            lambda: OriginalGroundingDinoConfig(weights="./x.pth"),
            r"pip install 'datagen\[groundingdino\]' && pip install --no-deps groundingdino-py$",
        ),
    ],
)
def test_a_missing_package_is_told_with_what_brings_it(
    monkeypatch: pytest.MonkeyPatch, missing: str, make: Any, message: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SetupError, match=f"the package '{missing}' is not installed.*{message}"):
        make().load("cpu")


def test_missing_or_foreign_weights_and_gpus_are_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"there are no weights at .*sam\.pth .*put them there on every machine"):
        SamConfig(weights=str(tmp_path / "sam.pth")).load("cpu")
    (tmp_path / "broken.pth").write_bytes((folder / "sam.pth").read_bytes()[:5000])
    with pytest.raises(SetupError, match=r"broken\.pth holds no checkpoint that kind 'sam' can read"):
        SamConfig(weights=str(tmp_path / "broken.pth")).load("cpu")
    torch.save({"model": {"weight": torch.zeros(1)}}, tmp_path / "other.pth")
    with pytest.raises(SetupError, match=r"other\.pth holds no checkpoint that kind 'sam' can read .KeyError"):
        SamConfig(weights=str(tmp_path / "other.pth")).load("cpu")
    with pytest.raises(SetupError, match="sam2"):
        GroundingDinoConfig(weights=str(folder / "sam2")).load("cpu")
    if not torch.cuda.is_available():
        with pytest.raises(SetupError, match=r"given a GPU .*sees none here"):
            Sam3Config(weights=str(folder / "sam3_tracker")).load("cuda")


def test_an_architecture_of_ones_own_is_known_by_what_its_file_says(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("hidden_dim = 256")
    config = OriginalGroundingDinoConfig(weights="./x.pth", architecture=str(file))
    one = config.revision
    file.write_text("hidden_dim = 128")
    assert config.revision != one
    assert re.fullmatch(r".*:mine\.py@[0-9a-f]{16}", one)
    file.unlink()
    with pytest.raises(ConfigError, match=r"`architecture`: .*mine\.py cannot be read: No such file"):
        _ = config.revision


HAS_ORIGINAL = importlib.util.find_spec("groundingdino") is not None
original = pytest.mark.skipif(
    not HAS_ORIGINAL, reason="groundingdino-py is not here: it wants another OpenCV, see docs/grounding.md"
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """Grounding DINO by transformers, and by its authors' package, with the same weights."""
    made = tmp_path_factory.mktemp("both")
    tiny.save_both_grounding_dinos(made)
    with pytest.MonkeyPatch.context() as patch:
        tiny.shrink_original(patch)
        yield GroundingDinoConfig(weights=str(made / "ours")).load("cpu"), _original(made).load("cpu")


def _original(folder: Path, **options: Any) -> OriginalGroundingDinoConfig:
    text = {"weights": str(folder / "text")}
    places: dict[str, Any] = {"weights": str(folder / "original.pth"), "architecture": str(folder / "tiny.py")}
    return OriginalGroundingDinoConfig(**places, text_encoder=text, short_side=64, long_side=96, **options)


@original
@pytest.mark.filterwarnings("ignore:torch.meshgrid", "ignore:.torch.cuda.amp", "ignore::FutureWarning:timm")
def test_both_packages_of_grounding_dino_find_the_same(both: tuple[Any, Any]) -> None:
    ours, theirs = both
    lines = [["A cat", "red cup"], ["dog"], ["cup of tea"]]
    for one, other in zip(ours(PICTURES, lines), theirs(PICTURES, lines), strict=True):
        assert 0.05 < one[0].score < 0.95
        assert len(one) > 10
        same_detections(one, other, within=0.05)


@original
@pytest.mark.filterwarnings("ignore:torch.meshgrid", "ignore:.torch.cuda.amp", "ignore::FutureWarning:timm")
def test_the_original_sees_pictures_and_reads_boxes_as_its_package_does(both: tuple[Any, Any]) -> None:
    _, theirs = both
    image = PICTURES[0]
    pixels, _ = theirs._prepare(Pillow.fromarray(image), None)
    seen = both[0]._images([Pillow.fromarray(image)], return_tensors="pt")["pixel_values"][0]
    assert float((pixels - seen).abs().max()) < 1e-5
    with torch.no_grad():
        out = theirs._model(pixels[None], captions=["a cat. red cup."])
    scores, boxes = out["pred_logits"][0].sigmoid().max(dim=1)[0], out["pred_boxes"][0]
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    best = torch.cat([centre - half, centre + half], dim=1)[scores.argmax()] * torch.tensor([80, 60, 80, 60])
    found = theirs([image], [["a cat", "red cup"]])[0]
    assert found[0].score == pytest.approx(float(scores.max()), abs=1e-5)
    assert np.allclose(found[0].box, best.clamp(min=0).numpy().clip(max=[80, 60, 80, 60]), atol=1e-2)


def test_batches_are_tried_anew_at_the_size_that_fitted() -> None:
    """What the detectors and segmenters rely on: a smaller batch is never grown again."""
    batches = Batches(4)
    sizes: list[int] = []

    def call(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        if len(items) > 2:
            torch.empty(2**60)
        return list(items)

    assert batches.map(range(6), call) == list(range(6))
    assert batches.map(range(3), call) == list(range(3))
    assert sizes == [4, 2, 2, 2, 2, 1]
