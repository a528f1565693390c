"""One sample, or one rejected record, with its history."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from datagen.errors import StoreError
from datagen.execute.verify import find_rows
from datagen.shards.index import INDEX
from datagen.shards.reader import open_dataset


def show(address: str, name: str) -> str:
    """Everything that is known of the record with this key or id."""
    rows = find_rows(address, name)
    if not rows:
        raise StoreError(f"{address}: there is no sample with the key '{name}' and no record with that id")
    return "\n".join([*_history(rows), *_sample(address, rows[-1])])


def _history(rows: list[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        place = f" by {row['stage']}" if row["stage"] else ""
        reason = f": {row['reason']}" if row["reason"] else ""
        yield f"{row['id']}  {row['status']}{place}{reason}"
        if row["detail"]:
            yield f"  {row['detail']}"
        for stage, seconds in json.loads(row["seconds"]).items():
            yield f"  {seconds * 1000:>9.1f} ms  {stage}"
    last = rows[-1]
    yield f"source  {last['source_uri']}  sha256 {last['source_sha256']}"
    for score, value in json.loads(last["scores"]).items():
        yield f"score   {score} = {value:g}"
    for field, value in json.loads(last["fields"]).items():
        if last["status"] != "accepted":
            yield f"field   {field} = {json.dumps(value, ensure_ascii=False):.300}"


def _sample(address: str, row: dict[str, Any]) -> Iterator[str]:
    if row["status"] != "accepted":
        return
    try:
        sample = open_dataset(address).by_key(row["key"])
    except KeyError as error:
        raise StoreError(
            f"{address}/{INDEX} has no sample '{row['key']}', though the ledger has it; verify says what is wrong"
        ) from error
    yield f"key     {sample.key}"
    for member in sample.members:
        yield f"member  {member}  {len(sample.read(member)):,} bytes"
    yield json.dumps(sample.info, indent=2, ensure_ascii=False)
