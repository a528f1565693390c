"""Reads the fields of rejected records from the stored answers of stages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from datagen.core.errors import DatagenError
from datagen.core.fields import Field
from datagen.execute.reuse.answer_cache import CHECKPOINTS, SUFFIX, AnswerCache
from datagen.execute.reuse.run_manifest import StageManifest
from datagen.storage.store import Store

MOST_BYTES = 400_000_000
"""Most bytes of stored answers that are read for a few pictures."""
_SHOWN_KINDS = ("image", "images", "mask", "masks")


def stored_fields(
    store: Store,
    stages: Mapping[str, StageManifest],
    wanted: Iterable[tuple[str, str]],
    *,
    catalogue: Mapping[str, Field],
) -> dict[str, dict[str, Any]]:
    """Pictures and masks of the `wanted` records (slice, id) from stored answers: fields by id.

    Of several values of a field, the one of the latest stage counts. Unreadable files, and those beyond `MOST_BYTES`,
    are left out.
    """
    slices: dict[str, set[str]] = {}
    for slice, id in wanted:
        slices.setdefault(slice, set()).add(id)
    found: dict[str, dict[str, Any]] = {}
    left = MOST_BYTES
    for stage in stages.values():
        writes = stage.about.get("writes") or {}
        if stage.about.get("durable") and any(kind in _SHOWN_KINDS for kind in writes.values()):
            sizes = store.sizes(f"{CHECKPOINTS}/{stage.fingerprint}")
            answers = AnswerCache(store, stage.fingerprint, catalogue=catalogue)
            for slice, ids in slices.items():
                left -= sizes.get(f"{slice}{SUFFIX}", 0)
                if left > 0 and f"{slice}{SUFFIX}" in sizes:
                    for id, fields in _shown_fields(answers, slice, ids, catalogue):
                        found.setdefault(id, {}).update(fields)
    return found


def _shown_fields(
    answers: AnswerCache, slice: str, ids: set[str], catalogue: Mapping[str, Field]
) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        known = answers.load(slice)
    except (DatagenError, pa.ArrowException, KeyError, ValueError):
        return
    # In reverse, so that of answers for several pictures that had one name, the newest comes last and counts.
    for key, stored in reversed(known.items()):
        id = key if key in ids else key.rpartition("\0")[0]
        if id in ids and isinstance(stored.answer, Mapping):
            yield id, {name: value for name, value in stored.answer.items() if catalogue[name].kind in _SHOWN_KINDS}
