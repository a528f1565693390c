"""run/packed.json: what the finished dataset was packed from, so that it is not done twice, and can be mended."""

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
    """All that decides a dataset, but for the rows themselves."""

    model_config = ConfigDict(allow_inf_nan=True)

    entries: str
    """Tells one state of the rows from another; '' if it is not known."""
    options: OutputOptions
    about: About


class PackedInfo(Options):
    """What was packed, and the checksums of what came out."""

    recipe: Recipe
    plan: str
    """Digest of the plan; the markers of its shards lie below `run/pack` under that name."""
    dataset: str
    card: str
    index: str
    index_bytes: int


def read_packed(store: Store) -> PackedInfo:
    """What is known of the last packing. Raises `StoreError` if that is missing or damaged."""
    try:
        return PackedInfo.model_validate_json(store.read(PACKED))
    except ValidationError as error:
        raise StoreError(f"{store.address}/{PACKED} is damaged: {error.errors()[0]['msg']}") from error


def unchanged(store: Store, recipe: Recipe) -> DatasetInfo | None:
    """The finished dataset, if `recipe` is what it was packed from and all its files are there and of their size."""
    if not recipe.entries or not store.exists(DATASET):
        return None
    try:
        packed, dataset = read_packed(store), read_dataset(store)
        card = sha256_of(store.read(CARD))
    except StoreError:
        return None  # then it is packed anew
    same = packed.recipe.model_dump_json() == recipe.model_dump_json() and packed.card == card
    if not same or packed.dataset != sha256_of(store.read(DATASET)):
        return None
    listed = {shard.path.rpartition("/")[2]: shard.bytes for shard in dataset.shards}
    whole = store.sizes(SHARDS) == listed and store.sizes("").get(INDEX) == packed.index_bytes
    return dataset if whole else None


def sha256_of(data: bytes) -> str:
    """The checksum of bytes that are held."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(store: Store, name: str) -> tuple[str, int]:
    """Checksum and size of a file, read in blocks of 1 MB."""
    digest = hashlib.sha256()
    size = 0
    with store.reading(name) as file:
        while data := file.read(1 << 20):
            digest.update(data)
            size += len(data)
    return digest.hexdigest(), size
