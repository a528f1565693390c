"""LaMa's TorchScript file: what goes in and out, held against what its own code does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import disc, photograph

from datagen import SetupError
from datagen.models.inpainter import LamaConfig


class Shaped(torch.nn.Module):
    """Takes and gives what big-lama does: the hole becomes a shift of what a seeded convolution makes of the rest."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layer = torch.nn.Conv2d(4, 3, 3, padding=1, padding_mode="reflect")

    def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        assert image.shape[2] % 8 == 0
        assert image.shape[3] % 8 == 0
        seen = image * (1 - mask)
        painted = torch.sigmoid(self.layer(torch.cat([seen, mask], dim=1)) + image.mean(dim=[1, 2, 3], keepdim=True))
        return mask * painted + (1 - mask) * image


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lama") / "big-lama.pt"
    with pytest.warns(FutureWarning, match="deprecated"):
        scripted: Any = torch.jit.script(Shaped())
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
