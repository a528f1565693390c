"""Base configs of models with weights: where the weights come from, and which precision and GPU memory they take."""

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
    """A model whose weights are a repository of the Hugging Face hub, or a local folder or file.

    A subclass gives `weights` a default only if one repository is the model. Nothing is downloaded before `fetch`.
    """

    deterministic: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    """Modules that have to be importable."""
    extra: ClassVar[str] = "models"
    """The extra of datagen that brings the packages."""
    fetched: ClassVar[tuple[str, ...]] = ("*.json", "*.txt", "*.model", "*.safetensors", "*.jinja")
    """Glob patterns of the files to download from a repository: others may hold the same weights in other formats."""

    # PACE: where weights lie differs between machines. The fingerprint has `revision`, which names and pins them.
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
        """Whether the weights are a local folder or file."""
        return self.weights.startswith(_LOCAL)

    @property
    def is_pinned(self) -> bool:
        """Whether every run gets the same weights: a checksum, a full commit hash, or a name for local files."""
        return bool(self.sha256) or (self.is_local and bool(self.commit)) or bool(_COMMIT.fullmatch(self.commit))

    @property
    def revision(self) -> str:
        """The kind, the name of the weights, and their pin; for unpinned local weights a hash of their path.

        The folder is not part of it, so that the same pinned weights have one revision on all machines.
        """
        name = Path(self.weights).name if self.is_local else self.weights
        pin = self.commit or self.sha256[:16]
        if self.is_local and not pin:
            pin = f"unpinned-{hashlib.sha256(self.weights.encode()).hexdigest()[:8]}"
        return f"{super().revision}:{name}{f'@{pin}' if pin else ''}"

    @property
    def effective_license(self) -> str | None:
        """The licence in the config, else that of the kind, else the known one of the repository; else ''."""
        return self.weights_license or self.license or ("" if self.is_local else license_of(self.weights))

    @model_validator(mode="before")
    @classmethod
    def _drop_default_commit(cls, options: Any) -> Any:
        """Clear the default `commit` if `weights` is not the default: it is a commit of the default repository."""
        default = cls.model_fields["weights"].default
        is_other = isinstance(options, Mapping) and options.get("weights", default) != default
        return {"commit": "", **options} if is_other else options

    @model_validator(mode="after")
    def _check_weights(self) -> WeightsSourceConfig:
        if not self.is_local and not re.fullmatch(r"[\w.-]+/[\w.-]+(:[\w./+-]+)?", self.weights):
            raise ValueError(
                f"weights: '{self.weights}' is neither a repository `owner/name` nor a path; "
                "start a path with ./, ../, / or ~"
            )
        return self

    def fetch(self) -> None:
        """Check the packages, download the weights and check their checksum. Raises `SetupError` with the remedy."""
        self.check_packages()
        self.weights_path()

    def check_packages(self) -> None:
        """Import all of `packages`. Call it before importing a module that needs them. Raises `SetupError`."""
        from datagen.models.weights.packages import check_packages

        check_packages(self.packages, extra=self.extra)

    def weights_path(self) -> Path:
        """Folder or file of the weights on this machine, downloaded if missing. Raises `SetupError`."""
        from datagen.models.weights.local_files import weights_path

        return weights_path(self)


class WeightsConfig(WeightsSourceConfig):
    """A model with weights that runs on a device, in some precision, on batches of pictures."""

    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    """Number format of the weights and of what is computed."""
    batch_size: Annotated[int, PACE] = Field(default=8, ge=1)
    """Pictures that the model takes at once; a batch that does not fit into memory is halved, and stays so."""
    gpu_memory_gb: Annotated[float, PACE] = Field(default=4, gt=0)
    """GPU memory that it takes with such a batch, in GiB; `plan` holds it against the GPUs' own."""

    def prepare(self, device: str) -> torch.dtype:
        """Check packages and device before anything is loaded; the dtype to load weights in. Raises `SetupError`."""
        self.check_packages()
        from datagen.models.weights.devices import check_device, dtype_of

        check_device(device, wanted_gb=self.gpu_memory_gb)
        return dtype_of(self.precision)
