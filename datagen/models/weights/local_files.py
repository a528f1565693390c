"""Find weights on this machine, download them from the hub if they are missing, and check their checksum."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from datagen.core.errors import SetupError
from datagen.models.weights.packages import import_package

if TYPE_CHECKING:
    from datagen.models.weights.config import WeightsSourceConfig

_BLOCK = 1 << 20


def weights_path(config: WeightsSourceConfig) -> Path:
    """Folder or file of the weights, downloaded from the hub if missing. Raises `SetupError`."""
    path = _local_path(config) if config.is_local else _from_hub(config)
    if config.sha256:
        _check(path, config.sha256)
    return path


def _local_path(config: WeightsSourceConfig) -> Path:
    path = Path(config.weights).expanduser()
    if not path.exists():
        raise SetupError(
            f"there are no weights at {path} (`weights` of kind '{config.kind}'): put them there on every machine, "
            "or name a repository of the Hugging Face hub, `owner/name`"
        )
    return path.resolve()


def _from_hub(config: WeightsSourceConfig) -> Path:
    """The folder of a snapshot, or one file if `weights` is `owner/name:file`."""
    hub = import_package("huggingface_hub", extra=config.extra)
    repository, _, file = config.weights.partition(":")
    revision = config.commit or None
    try:
        if file:
            return Path(hub.hf_hub_download(repository, file, revision=revision))
        return Path(hub.snapshot_download(repository, revision=revision, allow_patterns=list(config.fetched)))
    except (OSError, ValueError) as error:  # all errors of the hub and the network are either
        lines = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"
        at = f" --revision {config.commit}" if config.commit else ""
        raise SetupError(
            f"the weights {config.weights} cannot be fetched ({reason}): run `hf download {repository}"
            f"{f' {file}' if file else ''}{at}` where there is a network (with HF_TOKEN if it asks for one), "
            "or give a folder of your own as `weights`"
        ) from error


def _check(path: Path, sha256: str) -> None:
    if path.is_dir():
        raise SetupError(f"`sha256` is for weights that are one file, but {path} is a folder: leave it out")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    if digest.hexdigest() != sha256:
        raise SetupError(
            f"{path} has the checksum {digest.hexdigest()}, not {sha256} (`sha256`): it is damaged or another file; "
            "fetch it again, or write down its own checksum if it is the right one"
        )
