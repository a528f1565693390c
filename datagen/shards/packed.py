"""run/packed.json: the inputs of the finished dataset, to skip packing that changes nothing, and to repair files."""

from __future__ import annotations

import hashlib

from pydantic import ConfigDict, ValidationError

from datagen.core.errors import StoreError
from datagen.core.options import Options
from datagen.shards.index import CARD, DATASET, INDEX, SHARDS, About, DatasetInfo, read_dataset
from datagen.shards.options import OutputOptions
from datagen.storage.store import Store

PACKED = "run/packed.json"


class Recipe(Options):
    """Everything that determines a dataset, except the rows themselves."""

    model_config = ConfigDict(allow_inf_nan=True)

    entries: str
    """Identifies the state of the rows; '' if unknown."""
    options: OutputOptions
    about: About


class PackedInfo(Options):
    """The content of packed.json: what was packed, and the checksums of the resulting files."""

    recipe: Recipe
    plan: str
    """Digest of the plan. The markers of its shards lie in `run/pack/DIGEST/`."""
    dataset: str
    card: str
    index: str
    index_bytes: int


def read_packed(store: Store) -> PackedInfo:
    """Read packed.json. Raises `StoreError` if it is missing or damaged."""
    try:
        return PackedInfo.model_validate_json(store.read(PACKED))
    except ValidationError as error:
        raise StoreError(f"{store.address}/{PACKED} is damaged: {error.errors()[0]['msg']}") from error


def unchanged(store: Store, recipe: Recipe) -> DatasetInfo | None:
    """The finished dataset, if it was packed from `recipe` and all its files have their sizes; else None."""
    if not recipe.entries or not store.exists(DATASET):
        return None
    try:
        packed, dataset = read_packed(store), read_dataset(store)
        card = sha256_of(store.read(CARD))
    except StoreError:
        return None  # damaged or incomplete: it is packed again
    same = packed.recipe.model_dump_json() == recipe.model_dump_json() and packed.card == card
    if not same or packed.dataset != sha256_of(store.read(DATASET)):
        return None
    listed = {shard.path.rpartition("/")[2]: shard.bytes for shard in dataset.shards}
    whole = store.sizes(SHARDS) == listed and store.sizes("").get(INDEX) == packed.index_bytes
    return dataset if whole else None


def sha256_of(data: bytes) -> str:
    """The sha256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(store: Store, name: str) -> tuple[str, int]:
    """The sha256 of a file, in hexadecimal, and its size; read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    size = 0
    with store.reading(name) as file:
        while data := file.read(1 << 20):
            digest.update(data)
            size += len(data)
    return digest.hexdigest(), size
