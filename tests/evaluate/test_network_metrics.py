"""Numbers by pretrained networks, with tiny seeded ones in the published formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_scorers
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from rings import example_count

from datagen.core.errors import DataError, SetupError
from datagen.evaluate.cases import Case, box_mask, fitted
from datagen.evaluate.config import EvaluationConfig, load_evaluation
from datagen.evaluate.metrics import Network, Numbers, load_networks, pixel_numbers
from datagen.imaging.image import Pixels
from datagen.models.perceptual_distances.lpips import LpipsConfig
from datagen.models.scorers.clip import ClipConfig
from datagen.train.data.examples import TrainingExample
from datagen.train.data.framing import frame

pytestmark = pytest.mark.torch
CAPTIONS = {"source": "a cup", "target": "a red cup on a table"}
RNG = np.random.default_rng(0)


def picture(side: int = 40, *, width: int | None = None) -> Pixels:
    return RNG.integers(0, 256, (side, width or side, 3), dtype=np.uint8)


def case(**captions: str) -> Case:
    source, target = picture(), picture()
    example = TrainingExample("k", source, target, (), "do it", "do it", (), False)
    framing = frame((40, 40), (40, 40), boxes=[])
    return Case("k", "s", "add", example, {"source": "", "target": "", **captions}, framing, (40, 40), ())


def numbers_of(network: Network, cases: list[Case], outputs: list[Pixels]) -> list[Numbers]:
    return network.numbers(cases, outputs, network.references(cases))


def network_of(option: str, weights: Path) -> Network:
    config = EvaluationConfig.model_validate({"effnet": None, option: {"weights": str(weights)}})
    (network,), missing = load_networks(config, device="cpu")
    assert len(missing) == 4
    return network


def unit(row: torch.Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    found = row.detach().numpy().reshape(-1)
    return np.asarray(found / np.linalg.norm(found), np.float32)


def test_clip_numbers_are_cosines_of_its_embeddings(tmp_path: Path) -> None:
    from transformers import CLIPModel, CLIPProcessor

    folder = tiny_scorers.clip(tmp_path / "clip")
    cases, outputs = [case(**CAPTIONS), case(target="a dog"), case()], [picture(), picture(52), picture()]
    found = numbers_of(network_of("clip", folder), cases, outputs)
    model, processor = CLIPModel.from_pretrained(folder).eval(), CLIPProcessor.from_pretrained(folder)

    def image(pixels: Pixels) -> Any:
        inputs = processor.image_processor(images=Pillow.fromarray(pixels), return_tensors="pt")
        return unit(model.get_image_features(**inputs).pooler_output)

    def text(words: str) -> Any:
        return unit(model.get_text_features(**processor.tokenizer([words], return_tensors="pt")).pooler_output)

    for each, output, numbers in zip(cases, outputs, found, strict=True):
        assert numbers["CLIP-I"] == pytest.approx(float(image(output) @ image(each.example.target)), abs=1e-3)
        assert numbers["CLIP-I to source"] == pytest.approx(float(image(output) @ image(each.example.source)), abs=1e-3)
    assert found[0]["CLIP-T"] == pytest.approx(float(image(outputs[0]) @ text(CAPTIONS["target"])), abs=1e-3)
    assert found[1]["CLIP-T"] == pytest.approx(float(image(outputs[1]) @ text("a dog")), abs=1e-3)
    one = image(outputs[0]) - image(cases[0].example.source)
    other = text(CAPTIONS["target"]) - text(CAPTIONS["source"])
    cosine = float(one @ other) / float(np.linalg.norm(one) * np.linalg.norm(other))
    assert found[0]["CLIP direction"] == pytest.approx(cosine, abs=1e-3)
    assert "CLIP direction" not in found[1]
    assert set(found[2]) == {"CLIP-I", "CLIP-I to source"}


def test_what_a_baseline_returns_is_not_embedded_again(tmp_path: Path) -> None:
    cases = [case(**CAPTIONS), case()]
    network = network_of("clip", tiny_scorers.clip(tmp_path / "clip"))
    copied = numbers_of(network, cases, [each.example.source for each in cases])
    again = numbers_of(network, cases, [each.example.source.copy() for each in cases])
    for one, other in zip(copied, again, strict=True):
        assert one == pytest.approx(other, abs=1e-5)
    assert copied[0]["CLIP-I to source"] == pytest.approx(1)
    assert copied[0]["CLIP direction"] == 0  # nothing changed


def test_dino_is_prepared_as_in_its_own_evaluation(tmp_path: Path) -> None:
    from transformers import ViTModel

    folder = tiny_scorers.dino(tmp_path / "dino")
    each, output = case(), picture(40, width=60)
    (numbers,) = numbers_of(network_of("dino", folder), [each], [output])
    model = ViTModel.from_pretrained(folder, add_pooling_layer=False).eval()

    def embedded(pixels: Pixels) -> Any:
        side = tiny_scorers.SIDE * 256 // 224  # the model is smaller than DINO's, and so is the shorter side
        height, width = pixels.shape[:2]
        size = (side, side * height // width) if width < height else (side * width // height, side)
        resized = np.asarray(Pillow.fromarray(pixels).resize(size, Pillow.Resampling.BICUBIC), np.float32) / 255
        top, left = ((resized.shape[axis] - tiny_scorers.SIDE) // 2 for axis in (0, 1))
        cut = resized[top : top + tiny_scorers.SIDE, left : left + tiny_scorers.SIDE]
        normal = (cut - np.array([0.485, 0.456, 0.406], np.float32)) / np.array([0.229, 0.224, 0.225], np.float32)
        inputs = torch.from_numpy(np.ascontiguousarray(normal.transpose(2, 0, 1)))[None]
        return unit(model(pixel_values=inputs.float()).last_hidden_state[:, 0])

    assert numbers["DINO"] == pytest.approx(float(embedded(output) @ embedded(each.example.target)), abs=1e-3)
    assert numbers["DINO to source"] == pytest.approx(float(embedded(output) @ embedded(each.example.source)), abs=1e-3)


def test_dinov2_has_a_name_of_its_own(tmp_path: Path) -> None:
    network = network_of("dinov2", tiny_scorers.dinov2(tmp_path / "dinov2"))
    assert [metric.name for metric in network.metrics] == ["DINOv2", "DINOv2 to source"]
    each = case()
    (numbers,) = numbers_of(network, [each], [each.example.target.copy()])
    assert numbers["DINOv2"] == pytest.approx(1, abs=1e-5)


def test_the_network_of_the_wheel_is_effnet_i_and_nothing_else() -> None:
    (network,), missing = load_networks(EvaluationConfig(), device="cpu")
    assert [metric.name for metric in network.metrics] == ["EffNet-I", "EffNet-I to source"]
    assert "efficientnet_lite0" in network.metrics[0].model
    assert set(missing) == {"CLIP-I, CLIP-T, CLIP direction", "DINO", "DINOv2", "LPIPS"}


# LPIPS


@pytest.fixture(scope="module")
def lpips_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AlexNet's features and heads with random weights, in the two published files."""
    from torchvision.models import alexnet

    folder = tmp_path_factory.mktemp("lpips")
    torch.manual_seed(0)
    with torch.device("meta"):
        layers = alexnet(weights=None).features
    layers = layers.to_empty(device="cpu")
    state = {f"features.{name}": torch.randn_like(tensor) * 0.05 for name, tensor in layers.state_dict().items()}
    torch.save(state, folder / "alexnet-owt-7be5be79.pth")
    heads = {f"lin{n}.model.1.weight": torch.rand(1, width, 1, 1) for n, width in enumerate((64, 192, 384, 256, 256))}
    torch.save(heads, folder / "alex.pth")
    return folder


def test_lpips_is_the_published_sum_over_layers(lpips_folder: Path) -> None:
    from torch.nn import functional

    distance = LpipsConfig(weights=str(lpips_folder)).load("cpu")
    one, other = picture(64), picture(64)
    (found,) = distance([one], [other])
    state = torch.load(lpips_folder / "alexnet-owt-7be5be79.pth")
    heads = torch.load(lpips_folder / "alex.pth")

    def features(pixels: Pixels) -> list[torch.Tensor]:
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None].double() / 127.5 - 1
        x = (x - torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)) / torch.tensor([0.458, 0.448, 0.450]).view(
            1, 3, 1, 1
        )
        made = []
        for place, (stride, padding, pools) in {
            0: (4, 2, 0),
            3: (1, 2, 1),
            6: (1, 1, 1),
            8: (1, 1, 0),
            10: (1, 1, 0),
        }.items():
            x = functional.max_pool2d(x, 3, 2) if pools else x
            weight, bias = (state[f"features.{place}.{name}"].double() for name in ("weight", "bias"))
            x = functional.relu(functional.conv2d(x, weight, bias, stride=stride, padding=padding))
            made.append(x)
        return made

    total = 0.0
    for number, (a, b) in enumerate(zip(features(one), features(other), strict=True)):
        difference = functional.normalize(a, dim=1) - functional.normalize(b, dim=1)
        weight = heads[f"lin{number}.model.1.weight"].double()
        total += float((difference**2 * weight).sum(1).mean())
    assert found == pytest.approx(total, rel=1e-3)
    assert distance([one], [one]) == [0]
    assert distance([other], [one]) == pytest.approx([found])


def test_lpips_leaves_out_what_is_too_small_for_it(lpips_folder: Path) -> None:
    network = network_of("lpips", lpips_folder)
    each = case()
    small = each._replace(example=each.example._replace(target=picture(16)))
    found = numbers_of(network, [each, small], [picture(), picture(16)])
    assert set(found[0]) == {"LPIPS"}
    assert found[1] == {}
    with pytest.raises(ValueError, match="wanted is one size, from 31 px"):
        LpipsConfig(weights=str(lpips_folder)).load("cpu")([picture(40)], [picture(48)])


# What is not there


def test_weights_that_are_not_there_are_not_measured_and_say_why(lpips_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "alexnet-owt-7be5be79.pth").write_bytes(b"x")
    (tmp_path / "half" / "alex.pth").write_bytes(b"x")
    sets = [f"clip.weights={tmp_path}/nowhere", f"lpips.weights={tmp_path}/empty", "effnet=null"]
    networks, missing = load_networks(load_evaluation(None, sets=sets), device="cpu")
    assert networks == []
    assert "there are no weights at" in missing["CLIP-I, CLIP-T, CLIP direction"]
    assert "has no file alexnet-owt-7be5be79.pth" in missing["LPIPS"]
    assert missing["DINO"] == "no weights are named; give --set dino.weights=FOLDER, or a config"
    with pytest.raises(SetupError, match="holds no model that kind 'lpips' can read"):
        LpipsConfig(weights=f"{tmp_path}/half").load("cpu")


def test_another_model_is_not_taken_for_clip(tmp_path: Path) -> None:
    folder = tiny_scorers.dino(tmp_path / "dino")
    with pytest.raises(SetupError):
        ClipConfig(weights=str(folder)).load("cpu")
    _, missing = load_networks(load_evaluation(None, sets=[f"clip.weights={folder}", "effnet=null"]), device="cpu")
    assert str(folder) in missing["CLIP-I, CLIP-T, CLIP direction"]


# Pixels


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=example_count(25), deadline=None)
def test_numbers_by_pixels_are_the_formulas(seed: int) -> None:
    rng = np.random.default_rng(seed)
    source, target, output = (rng.integers(0, 256, (12, 16, 3), dtype=np.uint8) for _ in range(3))
    each = case()
    each = each._replace(example=each.example._replace(source=source, target=target))
    inside = rng.random((12, 16)) < rng.choice([0, 0.3, 1])
    found = pixel_numbers(each, output, inside)
    apart = np.abs(output / 255 - target / 255)
    assert found["L1"] == pytest.approx(apart.mean(), rel=1e-5)
    assert found["L2"] == pytest.approx((apart**2).mean(), rel=1e-5)
    assert ("L1 in boxes" in found) == bool(inside.any())
    assert ("background error" in found) == (not inside.all())
    if inside.any():
        assert found["L1 in boxes"] == pytest.approx(apart[inside].mean(), rel=1e-5)
    if not inside.all():
        error = np.abs(output.astype(float) - source)[~inside].mean()
        assert found["background error"] == pytest.approx(error, rel=1e-5)
    assert set(pixel_numbers(each, output, None)) == {"L1", "L2", "L1 to source"}


def test_a_box_covers_every_pixel_that_it_touches() -> None:
    mask = box_mask([(1.2, 0.0, 3.0, 1.5)], (4, 5))
    assert [tuple(map(int, place)) for place in np.argwhere(mask)] == [(0, 1), (0, 2), (1, 1), (1, 2)]


def test_an_output_is_scaled_if_it_shows_the_whole_picture() -> None:
    each = case()._replace(size=(80, 40), framing=frame((80, 40), (40, 40), boxes=[]))
    assert fitted(picture(40, width=80), each).shape == (40, 40, 3)
    assert fitted(picture(41, width=82), each).shape == (40, 40, 3)
    assert fitted(picture(40), each).shape == (40, 40, 3)
    with pytest.raises(DataError, match="an output of 60x40"):
        fitted(picture(40, width=60), each)
