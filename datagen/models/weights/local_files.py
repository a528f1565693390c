"""Weights on this machine: a folder of one's own, or what the hub keeps."""

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
    """Folder or file of the weights, fetched from the hub if they are not there. Raises `SetupError`."""
    path = _own(config) if config.is_local else _from_hub(config)
    if config.sha256:
        _check(path, config.sha256)
    return path


def _own(config: WeightsSourceConfig) -> Path:
    path = Path(config.weights).expanduser()
    if not path.exists():
        raise SetupError(
            f"there are no weights at {path} (`weights` of kind '{config.kind}'): put them there on every machine, "
            "or name a repository of the Hugging Face hub, `owner/name`"
        )
    return path.resolve()


def _from_hub(config: WeightsSourceConfig) -> Path:
    """A snapshot folder, or a file in it where `weights` is `owner/name:file`."""
    hub = import_package("huggingface_hub", extra=config.extra)
    repository, _, file = config.weights.partition(":")
    revision = config.commit or None
    try:
        if file:
            return Path(hub.hf_hub_download(repository, file, revision=revision))
        return Path(hub.snapshot_download(repository, revision=revision, allow_patterns=list(config.fetched)))
    except (OSError, ValueError) as error:  # all errors of the hub and the network are either
        told = (
            f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no reason given'}"
        )
        at = f" --revision {config.commit}" if config.commit else ""
        raise SetupError(
            f"the weights {config.weights} cannot be fetched ({told}): run `hf download {repository}"
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
