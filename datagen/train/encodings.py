"""What frozen parts made of examples, stored by the content of the example and the revision of those parts.

An example that is shown again needs no autoencoder and no text encoder. Examples are encoded one at a time, so that
what is stored follows from the example alone, and not from those that it first shared a batch with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from datagen.core.options import decisive
from datagen.storage.store import Store
from datagen.train.data.examples import TrainingExample
from datagen.train.models.family import Family

_CHECKSUM = 16


class EncodingStore:
    """Encoded examples in a folder or bucket."""

    def __init__(self, address: str, *, revision: str) -> None:
        """`revision` names all that decides what an example is encoded as. Raises `StoreError` for a bad address."""
        self._store = Store(address)
        self._revision = revision
        self._found = self._made = self._bytes = 0

    def find(self, example: TrainingExample) -> dict[str, Tensor] | None:
        """What an example was encoded as, on the CPU; None if it is not stored, or damaged. Raises `StoreError`."""
        data = self._store.find(self._name(example)) or b""
        checksum, body = data[:_CHECKSUM], data[_CHECKSUM:]
        if not body or checksum != _checksum(body):
            return None
        self._found += 1
        return dict(safetensors.torch.load(body))

    def put(self, example: TrainingExample, encoded: Mapping[str, Tensor]) -> None:
        """Store what an example was encoded as. Raises `StoreError` if it cannot be written."""
        body = safetensors.torch.save({name: value.detach().cpu().contiguous() for name, value in encoded.items()})
        self._store.write(self._name(example), _checksum(body) + body)
        self._made += 1
        self._bytes += len(body) + _CHECKSUM

    def summary(self, samples: int) -> str:
        """What was taken from the store and what was added, in a line; `samples` are those that are trained on."""
        line = f"{self._store.address}: {self._found:,} encoded examples were there, {self._made:,} are new"
        if not self._made:
            return line
        each = self._bytes / self._made
        return f"{line}, {self._bytes / 1e6:,.1f} MB; some {each * samples / 1e6:,.0f} MB for all {samples:,} samples"

    def _name(self, example: TrainingExample) -> str:
        key = _key_of(example)
        return f"{self._revision}/{key[:2]}/{key[2:]}"


def encoding_revision(family: Family, model: nn.Module, *, precision: str, device: str) -> str:
    """A hash of all that decides what a family encodes an example as: its options and its frozen weights."""
    digest = hashlib.sha256(json.dumps([decisive(family), precision, device], sort_keys=True).encode())
    frozen: dict[str, Tensor] = {**dict(model.named_buffers())}
    frozen |= {name: weight for name, weight in model.named_parameters() if not weight.requires_grad}
    for name, value in sorted(frozen.items()):
        plain = value.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {[*plain.shape]}".encode())
        digest.update(plain.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]


def _key_of(example: TrainingExample) -> str:
    """A hash of all that a model may look at, which the key of the sample is not."""
    words: list[Any] = [example.instruction, example.text, example.parts]
    digest = hashlib.sha256(json.dumps(words).encode())
    for picture in (example.source, example.target, *example.references):
        digest.update(repr(picture.shape).encode())
        digest.update(picture.tobytes())
    return digest.hexdigest()


def _checksum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_CHECKSUM).digest()
