"""The formats of dataset.json and index.parquet: the shards of a dataset, and the place of each sample in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field, StringConstraints, ValidationError

from datagen.core.errors import StoreError
from datagen.core.fields import Field as Described
from datagen.core.fields import Kind
from datagen.core.options import Options
from datagen.storage.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT: Literal[1] = 1
SAMPLE_COLUMNS = ("width", "height", "offset", "size")
"""Columns that an index of version 1 has not."""
INDEX_VERSION = 2
DATASET = "dataset.json"
INDEX = "index.parquet"
CARD = "README.md"
SHARDS = "shards"
HISTORY = "run/history"

Split = Literal["train", "val"]
SPLITS: tuple[Split, ...] = ("train", "val")


class ShardInfo(Options):
    """One finished shard."""

    path: Annotated[str, StringConstraints(pattern=r"^shards/(train|val)-[0-9]{6,}\.tar$")]
    sha256: str
    bytes: int = Field(ge=0)
    samples: int = Field(ge=0)
    split: Split


class Totals(Options):
    """Records by outcome: accepted, rejected and failed add up to `records`."""

    sources: int
    records: int
    accepted: int
    rejected: dict[str, int]
    """By `stage/reason`."""
    failed: int


class StageRow(Options):
    """A stage of a run, as dataset.json and the card list it."""

    id: str
    use: str
    version: int
    model: str = ""
    revision: str = ""
    licenses: dict[str, str] | None = None
    """Licence by model, '' if unknown; models without weights are not listed. None in files that older runs wrote."""


class RunRow(Options):
    """A run that made samples of this dataset."""

    fingerprint: str
    stages: list[StageRow]


class FieldRow(Options):
    """A field that the pipeline's records carry."""

    name: str
    kind: Kind
    doc: str
    shape: str
    unit: str
    member: str


class DatasetInfo(Options):
    """The content of dataset.json. It is written last: without it there is no dataset."""

    format: Literal[1] = FORMAT
    pipeline: str
    fingerprint: str
    seed: int
    fields: list[FieldRow]
    non_deterministic: list[str]
    """Stages whose output may differ from run to run."""
    shards: list[ShardInfo]
    totals: Totals
    runs: list[RunRow]

    def samples(self, split: Split) -> int:
        """The number of samples of a split."""
        return sum(shard.samples for shard in self.shards if shard.split == split)

    def encoded(self) -> bytes:
        """The bytes of dataset.json: indented JSON."""
        return self.model_dump_json(indent=1).encode() + b"\n"


class About(NamedTuple):
    """Facts about a run, for dataset.json and the card."""

    pipeline: str
    description: str
    fingerprint: str
    seed: int
    sources: int
    records: int
    rejected: Mapping[str, int]
    """By `stage/reason`, without those that packing rejects."""
    failed: int
    stages: Sequence[StageRow]
    non_deterministic: Sequence[str]
    fields: Sequence[Described]
    model_licenses: Mapping[str, str]
    """Licence by model."""
    unchecked: Sequence[str]
    """Properties of samples that the profile cannot check."""
    earlier: Sequence[RunRow] = ()
    """Runs whose samples this run read as its source."""


def read_dataset(store: Store) -> DatasetInfo:
    """The dataset.json of a store. Raises `StoreError` if it is missing, damaged, or of another format version."""
    if not store.exists(DATASET):
        raise StoreError(f"{store.address} {_missing(store)}")
    try:
        found = json.loads(store.read(DATASET))
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{store.address}/{DATASET} is damaged: {error}; {_AGAIN}") from error
    version = found.get("format") if isinstance(found, dict) else None
    if version != FORMAT:
        raise StoreError(
            f"{store.address}/{DATASET} has format {version!r:.60}, this datagen reads {FORMAT}: "
            "it was written by another version or another tool"
        )
    try:
        return DatasetInfo.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        raise StoreError(f"{store.address}/{DATASET} is damaged at {place}: {first['msg']}; {_AGAIN}") from error


_AGAIN = "run the pipeline into it again, which writes it anew"


def _missing(store: Store) -> str:
    if not store.exists(""):
        return "does not exist"
    if store.exists("run"):
        return f"holds no finished dataset, {DATASET} is missing: {_AGAIN}"
    return f"is no dataset of datagen, {DATASET} is missing"


def index_schema(version: int = INDEX_VERSION) -> pa.Schema:
    """The columns of index.parquet.

    Offsets are byte offsets in the shard; members are sorted by name. A sample's `size` bytes from `offset` are its tar
    blocks, with the data of all its members. `width` and `height` are those of KEY.json, 0 where it has none.
    """
    import pyarrow as pa

    member = pa.struct([("name", pa.string()), ("offset", pa.int64()), ("size", pa.int64())])
    score = pa.struct([("name", pa.string()), ("value", pa.float64())])
    sample = [(name, pa.int64()) for name in SAMPLE_COLUMNS]
    return pa.schema(
        [
            ("key", pa.string()),
            ("split", pa.string()),
            ("shard", pa.string()),
            ("members", pa.list_(member)),
            ("task", pa.string()),
            ("instruction", pa.string()),
            ("scores", pa.list_(score)),
            ("license", pa.string()),
            *(sample if version > 1 else ()),
        ]
    )
