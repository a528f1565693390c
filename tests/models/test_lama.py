"""LaMa's TorchScript file: what goes in and out, held against what its own code does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
import torch
from pictures import disc, photograph

from datagen import SetupError
from datagen.models.inpainters.lama import LamaConfig

pytestmark = pytest.mark.torch


class Fourier(torch.nn.Module):
    """LaMa's Fourier unit: a convolution of 1 x 1 over the real and imaginary parts of a picture's frequencies."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(2 * channels, 2 * channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = torch.fft.rfft2(x, norm="ortho")
        parts = torch.relu(self.layer(torch.cat([found.real, found.imag], dim=1)))
        real, imaginary = torch.chunk(parts, 2, dim=1)
        return torch.fft.irfft2(torch.complex(real, imaginary), s=x.shape[-2:], norm="ortho")


class Shaped(torch.nn.Module):
    """Takes and gives what big-lama does, by what it is made of: a local convolution, and one of the whole picture."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.local = torch.nn.Conv2d(4, 3, 3, padding=1, padding_mode="reflect")
        self.whole = Fourier(4)
        self.joined = torch.nn.Conv2d(4, 3, 1)

    def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        assert image.shape[2] % 8 == 0
        assert image.shape[3] % 8 == 0
        seen = torch.cat([image * (1 - mask), mask], dim=1)
        shift = image.mean(dim=[1, 2, 3], keepdim=True)
        painted = torch.sigmoid(self.local(seen) + self.joined(self.whole(seen)) + shift)
        return mask * painted + (1 - mask) * image


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(Shaped(), tmp_path_factory.mktemp("lama") / "big-lama.pt")


def saved(network: torch.nn.Module, path: Path) -> Path:
    with pytest.warns(FutureWarning, match="deprecated"):
        scripted: Any = torch.jit.script(network)
    scripted.save(str(path))
    return path


def reference(image: Any, mask: Any) -> Any:
    """As advimman/lama's `bin/predict.py` and its dataset do it, for one picture; but rounded, not cut down."""
    height, width = mask.shape
    beyond = ((0, 0), (0, -height % 8), (0, -width % 8))
    image_CHW = np.pad(np.transpose(image, (2, 0, 1)).astype("float32") / 255, beyond, mode="symmetric")
    mask_CHW = np.pad(mask[None].astype("float32"), beyond, mode="symmetric")
    batch = torch.from_numpy(image_CHW)[None], (torch.from_numpy(mask_CHW)[None] > 0) * 1
    with torch.no_grad():
        made = Shaped()(*batch)[0].permute(1, 2, 0).numpy()[:height, :width]
    return np.clip(np.round(made * 255), 0, 255).astype("uint8")


def test_pictures_of_any_size_come_out_as_from_its_own_code(weights: Path) -> None:
    picture = photograph("coffee.png").array
    images = [picture[:48, :64], picture[100:151, 100:177], picture[200:248, 50:114], picture[:9, :11]]
    masks = [disc(*image.shape[:2], x=5, y=4, radius=3) for image in images]
    model = LamaConfig(weights=str(weights), batch_size=2).load("cpu")
    painted = model(images, masks, seeds=[0] * 4)
    for image, mask, made in zip(images, masks, painted, strict=True):
        assert np.abs(made.astype(int) - reference(image, mask)).max() <= 1
        assert np.array_equal(made[~mask], image[~mask])
        assert np.abs(made.astype(int) - image)[mask].max() > 3


def test_its_picture_hangs_on_what_is_far_from_the_hole(weights: Path) -> None:
    """Else the Fourier unit would be there for nothing; the mean of all pixels stays as it is."""
    image, mask = photograph("coffee.png").array[:45, :83].copy(), disc(45, 83, x=10, y=20, radius=4)
    model = LamaConfig(weights=str(weights)).load("cpu")
    [before] = model([image], [mask], seeds=[0])
    image[:, 60:76] = image[:, 75:59:-1].copy()
    [after] = model([image], [mask], seeds=[0])
    assert (before != after)[mask].any()


def test_a_file_in_half_precision_is_computed_in_float32(weights: Path, tmp_path: Path) -> None:
    """Of sides that are no powers of two, which half precision has no Fourier transform for."""
    image, mask = photograph("coffee.png").array[:45, :83], disc(45, 83, x=30, y=20, radius=9)
    half = saved(Shaped().half(), tmp_path / "half.pt")
    [made], [whole] = (
        LamaConfig(weights=str(path)).load("cpu")([image], [mask], seeds=[0]) for path in (half, weights)
    )
    assert np.abs(made.astype(int) - whole).max() <= 1


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_is_refused(precision: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="should be 'float32'"):
        LamaConfig.model_validate({"weights": "./big-lama.pt", "precision": precision})


def test_it_draws_nothing(weights: Path) -> None:
    picture, mask = photograph("coffee.png").array[:40, :48], disc(40, 48, x=20, y=20, radius=6)
    model = LamaConfig(weights=str(weights)).load("cpu")
    one, other = (model([picture], [mask], seeds=[seed])[0] for seed in (1, 2))
    assert np.array_equal(one, other)


def test_what_is_no_torchscript_is_told(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "best.ckpt").write_bytes(b"not a model")
    with pytest.raises(SetupError, match=r"best\.ckpt cannot be loaded as TorchScript .* take a `big-lama\.pt`"):
        LamaConfig(weights=str(tmp_path / "best.ckpt")).load("cpu")
    with pytest.raises(SetupError, match="is a folder, LaMa is one TorchScript file"):
        LamaConfig(weights=str(tmp_path)).load("cpu")
