"""Models that score pictures: tiny real ones, prepared as each reference package prepares them."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import open_clip
import pytest
import tiny_scorers as tiny
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image as Pillow
from rings import example_count
from torch import nn
from torchvision import transforms as tv
from torchvision.transforms import InterpolationMode as Mode
from transformers import (
    AutoModel,
    AutoProcessor,
    AutoTokenizer,
    CLIPModel,
    SiglipModel,
    ViTModel,
    pipeline,
)

from datagen.core.errors import SetupError
from datagen.imaging.perceptual_hash import hamming_distances, parse_hash
from datagen.models.aesthetics.predictor import AestheticV25Config, LaionV1Config, LaionV2Config
from datagen.models.embedders.base import ImageEmbedder
from datagen.models.embedders.dino import DinoConfig, Dinov2Config
from datagen.models.hashers.embedding import EmbeddingHashConfig
from datagen.models.nsfw_filters.classifier import ImageClassifierConfig
from datagen.models.scorers.clip import ClipConfig, Siglip2Config
from datagen.models.scorers.open_clip import OpenClipConfig

pytestmark = pytest.mark.torch

Pixels = NDArray[np.uint8]
SIDE = tiny.SIDE
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLOSE = 2e-4
"""Far less than a wrong channel order, scale, resize or crop changes an embedding; see the last test of preparation."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every tiny model, saved once."""
    made = tmp_path_factory.mktemp("scorers")
    for maker in (tiny.clip, tiny.siglip, tiny.siglip2, tiny.dino, tiny.dinov2, tiny.open_clip, tiny.classifier):
        maker(made / maker.__name__)
    for head in (tiny.laion_v1, tiny.laion_v2, tiny.aesthetic_v2_5):
        head(made / f"{head.__name__}.pth")
    return made


@pytest.fixture(scope="module")
def pictures() -> list[Pixels]:
    """Smooth colour gradients with noise: wide, tall, and smaller than what models take.

    Where an odd number of pixels is cropped away, torchvision and transformers may disagree by one pixel; not here.
    """
    rng = np.random.default_rng(3)
    return [_picture(rng, height, width) for height, width in ((70, 110), (146, 64), (20, 25))]


def _picture(rng: np.random.Generator, height: int, width: int) -> Pixels:
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([255 * x / width, 255 * y / height, 60 + 0 * x], axis=2)
    return np.clip(smooth + rng.normal(0, 25, smooth.shape), 0, 255).astype(np.uint8)


# Preparation, against each reference


class Reference(NamedTuple):
    """How a reference package embeds: what it does to a Pillow picture, and to the tensor then."""

    config: type[Any]
    prepare: Callable[[Pillow.Image], torch.Tensor]
    embed: Callable[[Path], Callable[[torch.Tensor], torch.Tensor]]


def _cropped(
    mean: tuple[float, ...], std: tuple[float, ...], *, resized: int
) -> Callable[[Pillow.Image], torch.Tensor]:
    """What torchvision's own recipe for DINO and CLIP does."""
    steps = [
        tv.Resize(resized, interpolation=Mode.BICUBIC),
        tv.CenterCrop(SIDE),
        tv.ToTensor(),
        tv.Normalize(mean, std),
    ]
    made: Callable[[Pillow.Image], torch.Tensor] = tv.Compose(steps)
    return made


def _squashed(picture: Pillow.Image) -> torch.Tensor:
    half = (0.5, 0.5, 0.5)
    steps = [tv.Resize((SIDE, SIDE), interpolation=Mode.BILINEAR), tv.ToTensor(), tv.Normalize(half, half)]
    prepared: torch.Tensor = tv.Compose(steps)(picture)
    return prepared


def _features(maker: Any) -> Callable[[Path], Callable[[torch.Tensor], torch.Tensor]]:
    def embedder(path: Path) -> Callable[[torch.Tensor], torch.Tensor]:
        model = maker.from_pretrained(path).eval()
        return lambda pixels_BCHW: model.get_image_features(pixel_values=pixels_BCHW).pooler_output

    return embedder


def _class_token(maker: Any, **options: Any) -> Callable[[Path], Callable[[torch.Tensor], torch.Tensor]]:
    def embedder(path: Path) -> Callable[[torch.Tensor], torch.Tensor]:
        model = maker.from_pretrained(path, **options).eval()
        return lambda pixels_BCHW: model(pixel_values=pixels_BCHW).last_hidden_state[:, 0]

    return embedder


_OPEN_CLIP = image_transform_v2(PreprocessCfg(size=SIDE, mean=CLIP_MEAN, std=CLIP_STD), is_train=False)
REFERENCES: dict[str, Reference] = {
    "clip by open_clip's transform": Reference(ClipConfig, _OPEN_CLIP, _features(CLIPModel)),
    "clip by torchvision": Reference(ClipConfig, _cropped(CLIP_MEAN, CLIP_STD, resized=SIDE), _features(CLIPModel)),
    "siglip by torchvision": Reference(Siglip2Config, _squashed, _features(SiglipModel)),
    "dino by torchvision": Reference(
        DinoConfig, _cropped(*IMAGENET, resized=SIDE * 256 // 224), _class_token(ViTModel, add_pooling_layer=False)
    ),
    "dinov2 by torchvision": Reference(Dinov2Config, _cropped(*IMAGENET, resized=36), _class_token(AutoModel)),
}


def _unit(rows: Any) -> NDArray[np.float32]:
    found: NDArray[np.float32] = nn.functional.normalize(rows.float(), dim=-1).numpy()
    return found


@torch.inference_mode()
def _by_reference(reference: Reference, path: Path, pictures: list[Pixels]) -> NDArray[np.float32]:
    embed = reference.embed(path)
    return np.concatenate([_unit(embed(reference.prepare(Pillow.fromarray(each))[None])) for each in pictures])


@pytest.mark.parametrize("name", REFERENCES)
def test_pictures_are_prepared_as_the_reference_prepares_them(folder: Path, pictures: list[Pixels], name: str) -> None:
    reference, path = REFERENCES[name], folder / name.split(maxsplit=1)[0]
    found = reference.config(weights=str(path)).load("cpu")(pictures)
    np.testing.assert_allclose(found, _by_reference(reference, path, pictures), atol=CLOSE)


@pytest.mark.parametrize("name", REFERENCES)
def test_that_comparison_tells_a_wrong_preparation(folder: Path, pictures: list[Pixels], name: str) -> None:
    """Swapped channels, and InstructPix2Pix's and UltraEdit's slips: a picture of -1 to 1 taken for 0 to 1, or as it is."""
    reference, path = REFERENCES[name], folder / name.split(maxsplit=1)[0]
    right = _by_reference(reference, path, pictures)

    def slipped(slip: Callable[[torch.Tensor], torch.Tensor]) -> NDArray[np.float32]:
        return _by_reference(
            reference._replace(prepare=lambda picture: slip(reference.prepare(picture))), path, pictures
        )

    swapped = _by_reference(reference, path, [np.ascontiguousarray(each[:, :, ::-1]) for each in pictures])
    for wrong in (swapped, slipped(lambda prepared: 2 * prepared - 1), slipped(lambda prepared: prepared / 4 + 0.5)):
        assert np.abs(wrong - right).max() > 20 * CLOSE


@torch.inference_mode()
def test_naflex_pictures_keep_their_shape_as_transformers_has_it(folder: Path, pictures: list[Pixels]) -> None:
    path = folder / "siglip2"
    model, processor = AutoModel.from_pretrained(path).eval(), AutoProcessor.from_pretrained(path)
    inputs = processor(
        images=[Pillow.fromarray(each) for each in pictures], return_tensors="pt", patch_size=8, max_num_patches=16
    )
    assert len({tuple(shape) for shape in inputs["spatial_shapes"].tolist()}) == 3
    expected = _unit(model.get_image_features(**inputs).pooler_output)
    found = Siglip2Config(weights=str(path)).load("cpu")(pictures)
    np.testing.assert_allclose(found, expected, atol=0.02)  # its default resizes in torch, not in Pillow


@torch.inference_mode()
def test_open_clip_is_asked_as_its_own_examples_ask_it(folder: Path, pictures: list[Pixels]) -> None:
    name = f"local-dir:{folder / 'open_clip'}"
    model, _, transform = open_clip.create_model_and_transforms(name)
    scorer = OpenClipConfig(weights=str(folder / "open_clip")).load("cpu")
    pixels_BCHW = torch.stack([transform(Pillow.fromarray(each)) for each in pictures])
    np.testing.assert_allclose(scorer(pictures), _unit(model.eval().encode_image(pixels_BCHW)), atol=1e-5)
    texts = ["a photo of a cat", "Two dogs, far away."]
    expected = _unit(model.encode_text(open_clip.get_tokenizer(name)(texts)))
    np.testing.assert_allclose(scorer.texts(texts), expected, atol=1e-5)


def test_one_checkpoint_file_of_open_clip_is_read_by_its_architecture(
    folder: Path, tmp_path: Path, pictures: list[Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    from open_clip import factory

    monkeypatch.setattr(factory, "_MODEL_CONFIGS", {**factory._MODEL_CONFIGS, "ViT-tiny": tiny.OPEN_CLIP})
    file = folder / "open_clip" / "open_clip_model.safetensors"
    by_file = OpenClipConfig(weights=str(file), architecture="ViT-tiny").load("cpu")
    by_folder = OpenClipConfig(weights=str(folder / "open_clip")).load("cpu")
    np.testing.assert_allclose(by_file(pictures), by_folder(pictures), atol=1e-5)
    with pytest.raises(SetupError, match=r"'ViT-Tiny', which open_clip does not know; did you mean"):
        OpenClipConfig(weights=str(file), architecture="ViT-Tiny").load("cpu")
    assert "is one file: say by `architecture` which model" in _refused(OpenClipConfig(weights=str(file)))


@torch.inference_mode()
@pytest.mark.parametrize(
    ("kind", "name"), [(ClipConfig, "clip"), (Siglip2Config, "siglip"), (Siglip2Config, "siglip2")]
)
def test_texts_are_read_as_the_models_own_processor_reads_them(folder: Path, kind: Any, name: str) -> None:
    texts = ["a photo of a cat", "Dog", "many words " * 20]
    model, processor = AutoModel.from_pretrained(folder / name).eval(), AutoProcessor.from_pretrained(folder / name)
    longest = model.config.text_config.max_position_embeddings
    tokens = processor(text=texts, padding="max_length", max_length=longest, truncation=True, return_tensors="pt")
    expected = _unit(model.get_text_features(input_ids=tokens["input_ids"]).pooler_output)
    scorer = kind(weights=str(folder / name)).load("cpu")
    np.testing.assert_allclose(scorer.texts(texts), expected, atol=1e-5)
    assert np.abs(expected[0] - expected[1]).max() > 0.01


@torch.inference_mode()
def test_a_checkpoint_of_siglip_with_a_sentencepiece_model_is_read(tmp_path: Path) -> None:
    path = tiny.siglip(tmp_path / "siglip")
    tiny.siglip_v1_tokenizer(path)
    model, read = SiglipModel.from_pretrained(path).eval(), AutoTokenizer.from_pretrained(path)
    assert type(read).__name__ == "SiglipTokenizer"
    tokens = read(["a cat", "A dog"], padding="max_length", max_length=16, return_tensors="pt")
    expected = _unit(model.get_text_features(input_ids=tokens["input_ids"]).pooler_output)
    found = Siglip2Config(weights=str(path)).load("cpu").texts(["a cat", "A dog"])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_capitals_do_not_count_whatever_the_tokenizer_does(tmp_path: Path) -> None:
    """Most SigLIP 2 checkpoints name Gemma's tokenizer, which keeps them; the models never saw one."""
    path = tiny.siglip(tmp_path / "siglip")
    text = json.loads((path / "tokenizer.json").read_text())
    text["normalizer"] = next(one for one in text["normalizer"]["normalizers"] if one["type"] != "Lowercase")
    (path / "tokenizer.json").write_text(json.dumps(text))
    named = path / "tokenizer_config.json"
    named.write_text(named.read_text().replace("Siglip2Tokenizer", "PreTrainedTokenizerFast"))
    assert len(set(AutoTokenizer.from_pretrained(path)("cC")["input_ids"])) > 1, "this one keeps capitals"
    low, high = Siglip2Config(weights=str(path)).load("cpu").texts(["a cat", "A CAT"])
    np.testing.assert_array_equal(low, high)


@torch.inference_mode()
def test_padding_does_not_count_for_clip(folder: Path) -> None:
    """Its own examples pad to the longest text of a batch."""
    model, processor = CLIPModel.from_pretrained(folder / "clip").eval(), AutoProcessor.from_pretrained(folder / "clip")
    tokens = processor(text=["a cat", "a photo of a cat"], padding=True, return_tensors="pt")
    found = ClipConfig(weights=str(folder / "clip")).load("cpu").texts(["a cat", "a photo of a cat"])
    np.testing.assert_allclose(found, _unit(model.get_text_features(**tokens).pooler_output), atol=1e-5)


def test_the_classifier_agrees_with_transformers_own_pipeline(folder: Path, pictures: list[Pixels]) -> None:
    ask = pipeline("image-classification", model=str(folder / "classifier"), device="cpu")
    result = ask([Pillow.fromarray(each) for each in pictures], top_k=2)
    expected = [next(one["score"] for one in each if one["label"] == "nsfw") for each in result]
    config = ImageClassifierConfig(weights=str(folder / "classifier"), labels=("nsfw",))
    found = config.load("cpu")(pictures)
    assert found == pytest.approx(expected, abs=5e-3)  # the pipeline resizes in torch
    both = config.model_copy(update={"labels": ("nsfw", "normal", "nsfw")}).load("cpu")(pictures)
    assert both == pytest.approx([1, 1, 1])


# Aesthetic heads, as published


class _LaionV2(nn.Module):
    """The module of christophschuhmann/improved-aesthetic-predictor."""

    def __init__(self, width: int) -> None:
        super().__init__()
        parts = [nn.Linear(width, 1024), nn.Dropout(0.2), nn.Linear(1024, 128), nn.Dropout(0.2), nn.Linear(128, 64)]
        self.layers = nn.Sequential(*parts, nn.Dropout(0.1), nn.Linear(64, 16), nn.Linear(16, 1))


class _V25(nn.Module):
    """The head of discus0434/aesthetic-predictor-v2-5."""

    def __init__(self, width: int) -> None:
        super().__init__()
        wide = [nn.Linear(width, 1024), nn.Dropout(0.5), nn.Linear(1024, 128), nn.Dropout(0.5), nn.Linear(128, 64)]
        self.scoring_head = nn.Sequential(*wide, nn.Dropout(0.5), nn.Linear(64, 16), nn.Dropout(0.2), nn.Linear(16, 1))


def _published(module: nn.Module, path: Path) -> nn.Module:
    module.load_state_dict(torch.load(path, weights_only=True))
    return module.eval()


@torch.inference_mode()
def test_aesthetic_heads_score_as_published(folder: Path, pictures: list[Pixels]) -> None:
    clip, siglip = ClipConfig(weights=str(folder / "clip")), Siglip2Config(weights=str(folder / "siglip"))
    of_clip, of_siglip = (torch.from_numpy(config.load("cpu")(pictures)) for config in (clip, siglip))
    v1 = _published(nn.Linear(24, 1), folder / "laion_v1.pth")(of_clip)
    v2 = _published(_LaionV2(24), folder / "laion_v2.pth").layers(of_clip)  # type: ignore[operator]
    v2_5 = _published(_V25(32), folder / "aesthetic_v2_5.pth").scoring_head(of_siglip)  # type: ignore[operator]
    found = [
        LaionV1Config(weights=str(folder / "laion_v1.pth"), encoder=clip).load("cpu")(pictures),
        LaionV2Config(weights=str(folder / "laion_v2.pth"), encoder=clip).load("cpu")(pictures),
        AestheticV25Config(weights=str(folder / "aesthetic_v2_5.pth"), encoder=siglip).load("cpu")(pictures),
    ]
    for scores, expected in zip(found, (v1, v2, v2_5), strict=True):
        assert scores == pytest.approx(expected[:, 0].tolist(), abs=1e-4)
        assert len({round(score, 4) for score in scores}) == len(pictures)


def test_an_open_clip_encoder_serves_as_well(folder: Path, pictures: list[Pixels]) -> None:
    encoder = OpenClipConfig(weights=str(folder / "open_clip"))
    config = LaionV2Config(weights=str(folder / "laion_v2.pth"), encoder=encoder)
    assert len(config.load("cpu")(pictures)) == len(pictures)
    assert config.load("cpu")([]) == []


# Laws


EMBEDDERS = {"clip": ClipConfig, "siglip2": Siglip2Config, "open_clip": OpenClipConfig, "dinov2": Dinov2Config}


@pytest.fixture(scope="module", params=EMBEDDERS)
def embedder(request: pytest.FixtureRequest, folder: Path) -> tuple[ImageEmbedder, NDArray[np.float32]]:
    """A model that takes two pictures at once, and what it says of each alone."""
    embed = EMBEDDERS[request.param](weights=str(folder / request.param), batch_size=2).load("cpu")
    return embed, np.concatenate([embed([each]) for each in _odd()])


def _odd() -> list[Pixels]:
    rng = np.random.default_rng(5)
    sizes = ((1, 40), (3, 3), (40, 1), (33, 31), (90, 32))
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for height, width in sizes]


@settings(max_examples=example_count(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.integers(0, 4), max_size=7))
def test_an_embedding_has_length_1_and_does_not_depend_on_its_company(embedder: Any, order: list[int]) -> None:
    embed, alone = embedder
    pictures = _odd()
    found = embed([pictures[index] for index in order])
    assert found.dtype == np.float32
    assert len(found) == len(order)
    for row, index in zip(found, order, strict=True):
        assert np.linalg.norm(row) == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(row, alone[index], atol=1e-5)


@pytest.mark.parametrize("name", EMBEDDERS)
def test_half_precision_says_nearly_the_same(folder: Path, pictures: list[Pixels], name: str) -> None:
    kind = EMBEDDERS[name]
    whole, half = (kind(weights=str(folder / name), precision=form).load("cpu") for form in ("float32", "bfloat16"))
    assert (np.sum(whole(pictures) * half(pictures), axis=1) > 0.99).all()
    if hasattr(whole, "texts"):
        assert (np.sum(whole.texts(["a cat"]) * half.texts(["a cat"]), axis=1) > 0.99).all()


# What is wrong


def test_hashes_of_embeddings_are_as_far_apart_as_these(folder: Path, pictures: list[Pixels]) -> None:
    embedder = Dinov2Config(weights=str(folder / "dinov2"), commit="tiny")
    texts = EmbeddingHashConfig(embedder=embedder, bits=2048).load("cpu")(pictures)
    hashes = [parse_hash(text) for text in texts]
    assert {hash.by for hash in hashes} == {"dinov2@1:dinov2@tiny/2048"}, "no folder of this machine"
    embedded = embedder.load("cpu")(pictures)
    for one, other in combinations(range(len(pictures)), 2):
        angle = np.arccos(np.clip(embedded[one] @ embedded[other], -1, 1)) / np.pi
        assert hamming_distances(hashes[one].words, hashes[other].words) / 2048 == pytest.approx(angle, abs=0.045)


def _refused(config: Any) -> str:
    with pytest.raises(SetupError) as refused:
        config.load("cpu")
    return str(refused.value)


def test_another_models_weights_are_refused(folder: Path) -> None:
    assert "clip model, no DINOv2: check `kind`" in _refused(Dinov2Config(weights=str(folder / "clip")))
    assert "dinov2 model, no SigLIP: check `kind`" in _refused(Siglip2Config(weights=str(folder / "dinov2")))
    assert "weights of a CLIPModel, such as" in _refused(ClipConfig(weights=str(folder / "siglip")))
    message = _refused(OpenClipConfig(weights=str(folder / "clip")))
    assert "holds no model that kind 'open_clip' can read" in message
    assert "open_clip_config.json" in message


def test_weights_that_are_cut_off_are_refused(tmp_path: Path) -> None:
    path = tiny.dinov2(tmp_path / "dinov2")
    weights = path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    assert "holds no model that kind 'dinov2' can read" in _refused(Dinov2Config(weights=str(path)))
    (path / "preprocessor_config.json").unlink()
    tiny_again = tiny.dinov2(tmp_path / "again")
    (tiny_again / "preprocessor_config.json").unlink()
    assert "holds no image processor that kind 'dinov2' can read" in _refused(Dinov2Config(weights=str(tiny_again)))


def test_a_tower_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = tiny.clip(tmp_path / "clip")
    state = load_file(path / "model.safetensors")
    del state["visual_projection.weight"]
    save_file(state, path / "model.safetensors", metadata={"format": "pt"})
    message = _refused(ClipConfig(weights=str(path)))
    assert "lacks 1 weights of a CLIPModel, such as 'visual_projection.weight'" in message


def test_a_tokenizer_that_knows_no_words_is_refused(tmp_path: Path) -> None:
    path = tiny.clip(tmp_path / "clip")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (path / name).unlink()
    message = _refused(ClipConfig(weights=str(path)))
    assert "knows 2 words, the model 514: its files are missing (tokenizer.json" in message


def test_a_dinov2_processor_that_does_not_normalise_is_refused(tmp_path: Path) -> None:
    path = tiny.dinov2(tmp_path / "dinov2")
    found = path / "preprocessor_config.json"
    found.write_text(found.read_text().replace('"do_normalize": true', '"do_normalize": false'))
    assert "does not normalise pictures" in _refused(Dinov2Config(weights=str(path)))


def test_a_head_that_does_not_fit_is_refused(folder: Path, tmp_path: Path) -> None:
    clip = ClipConfig(weights=str(folder / "clip"))
    message = _refused(LaionV2Config(weights=str(folder / "laion_v1.pth"), encoder=clip))
    assert "no head of kind 'laion_v2': it holds bias, weight; such a head holds layers.0.bias" in message
    wide = tiny.laion_v2(tmp_path / "wide.pth", width=768)
    message = _refused(LaionV2Config(weights=str(wide), encoder=clip))
    assert "takes embeddings of 768 numbers, its `encoder`" in message
    assert "gives 24: name the model that the head was trained on" in message
    (tmp_path / "no.pth").write_bytes(b"not a checkpoint")
    message = _refused(LaionV1Config(weights=str(tmp_path / "no.pth"), encoder=clip))
    assert "holds no aesthetic head that kind 'laion_v1' can read (it is damaged, or holds more than tensors" in message
    assert "weights_only" not in message, "nobody is advised to run what the file holds"


def test_labels_that_the_classifier_has_not_are_refused(folder: Path, tmp_path: Path) -> None:
    message = _refused(ImageClassifierConfig(weights=str(folder / "classifier"), labels=("nsfww",)))
    assert "has no label 'nsfww' (`labels`); did you mean 'nsfw'?" in message
    several = tiny.classifier(tmp_path / "several", problem="multi_label_classification")
    message = _refused(ImageClassifierConfig(weights=str(several), labels=("nsfw",)))
    assert "several labels at once" in message


def test_a_revision_names_the_weights_and_what_pins_them() -> None:
    pin = "0123456789abcdef0123456789abcdef01234567"
    clip = ClipConfig(weights="openai/clip-vit-large-patch14", commit=pin)
    assert clip.revision == f"clip@1:openai/clip-vit-large-patch14@{pin}"
    head = LaionV2Config(weights="./sac+logos+ava1-l14-linearMSE.pth", sha256="ab" * 32, encoder=clip)
    assert head.revision == "laion_v2@1:sac+logos+ava1-l14-linearMSE.pth@abababababababab"
    assert LaionV1Config(weights="owner/name:sub/a+b.pth").revision == "laion_v1@1:owner/name:sub/a+b.pth"
