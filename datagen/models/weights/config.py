"""Where a model's weights come from, and what it takes of a device."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from datagen.core.licenses import license_of
from datagen.core.options import PACE
from datagen.models.base import ModelConfig

if TYPE_CHECKING:
    import torch

_LOCAL = ("/", "./", "../", "~")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class WeightsSourceConfig(ModelConfig):
    """Weights: a repository of the Hugging Face hub, or a folder or file of one's own.

    `weights` has a default only where one repository is the model. Nothing is fetched before `fetch`.
    """

    deterministic: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    """What has to be importable."""
    extra: ClassVar[str] = "models"
    """The extra of datagen that brings the packages."""
    fetched: ClassVar[tuple[str, ...]] = ("*.json", "*.txt", "*.model", "*.safetensors", "*.jinja")
    """Which files of a hub's repository are fetched."""

    weights: Annotated[str, PACE] = Field(min_length=1)
    """A repository of the hub, `owner/name`, or a folder or file here, which starts with `/`, `./`, `../` or `~`."""
    commit: str = ""
    """What pins the weights: on the hub a commit's 40 hex digits, for files of one's own any name for their state."""
    weights_license: Annotated[str, PACE] = ""
    """Their licence, an SPDX name where there is one; needed where `datagen/core/licenses.toml` does not know them."""
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    """Checksum of the weights, where they are one file; checked before it is loaded."""

    @property
    def is_local(self) -> bool:
        """Whether the weights lie in a folder or file of one's own."""
        return self.weights.startswith(_LOCAL)

    @property
    def is_pinned(self) -> bool:
        """Whether the same weights come every time."""
        return bool(self.sha256) or (self.is_local and bool(self.commit)) or bool(_COMMIT.fullmatch(self.commit))

    @property
    def revision(self) -> str:
        """The kind, the weights by name, and what pins them, wherever they lie; a hash of where, if nothing does."""
        name = Path(self.weights).name if self.is_local else self.weights
        pin = self.commit or self.sha256[:16]
        if self.is_local and not pin:
            pin = f"unpinned-{hashlib.sha256(self.weights.encode()).hexdigest()[:8]}"
        return f"{super().revision}:{name}{f'@{pin}' if pin else ''}"

    @property
    def licensed(self) -> str | None:
        """As the config says, else as is known of the kind or of the repository; '' for files of one's own."""
        return self.weights_license or self.license or ("" if self.is_local else license_of(self.weights))

    @model_validator(mode="before")
    @classmethod
    def _unpinned(cls, told: Any) -> Any:
        """Other weights than the default's do not take its pin."""
        default = cls.model_fields["weights"].default
        is_other = isinstance(told, Mapping) and told.get("weights", default) != default
        return {"commit": "", **told} if is_other else told

    @model_validator(mode="after")
    def _named(self) -> WeightsSourceConfig:
        if not self.is_local and not re.fullmatch(r"[\w.-]+/[\w.-]+(:[\w./+-]+)?", self.weights):
            raise ValueError(
                f"weights: '{self.weights}' is neither a repository `owner/name` nor a path; "
                "start a path with ./, ../, / or ~"
            )
        return self

    def fetch(self) -> None:
        """Have the packages and the weights on this machine, checked. Raises `SetupError`, which says what to do."""
        self.check_packages()
        self.weights_path()

    def check_packages(self) -> None:
        """Make sure of the packages, before a module is imported that needs them. Raises `SetupError`."""
        from datagen.models.weights.packages import check_packages

        check_packages(self.packages, extra=self.extra)

    def weights_path(self) -> Path:
        """Folder or file of the weights on this machine, fetched if they are not there. Raises `SetupError`."""
        from datagen.models.weights.local_files import weights_path

        return weights_path(self)


class WeightsConfig(WeightsSourceConfig):
    """A model with weights, and how it computes; subclasses add what their architecture needs."""

    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    """Number format of the weights and of what is computed."""
    batch_size: Annotated[int, PACE] = Field(default=8, ge=1)
    """Pictures that the model takes at once; a batch that does not fit into memory is halved, and stays so."""
    gpu_memory_gb: Annotated[float, PACE] = Field(default=4, gt=0)
    """GPU memory that it takes with such a batch, in GiB; `plan` holds it against the GPUs' own."""

    def prepare(self, device: str) -> torch.dtype:
        """Make sure of packages and device before anything is loaded; the number format. Raises `SetupError`."""
        self.check_packages()
        from datagen.models.weights.devices import check_device, dtype_of

        check_device(device, wanted_gb=self.gpu_memory_gb)
        return dtype_of(self.precision)
