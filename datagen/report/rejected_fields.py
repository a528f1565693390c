"""What stages made of records that were rejected later, as far as their answers were kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from datagen.core.errors import DatagenError
from datagen.core.fields import Field
from datagen.execute.reuse.answer_cache import CHECKPOINTS, SUFFIX, Answers
from datagen.execute.reuse.run_manifest import Told
from datagen.storage.store import Store

MOST_BYTES = 400_000_000
"""Of kept answers that are read for the sake of a few pictures."""
_SEEN = ("image", "images", "mask", "masks")


def stored_fields(
    store: Store, stages: Mapping[str, Told], wanted: Iterable[tuple[str, str]], *, catalogue: Mapping[str, Field]
) -> dict[str, dict[str, Any]]:
    """Pictures and masks that stages made of the `wanted` records, given by slice and id: fields by id.

    Later stages win. What cannot be read, or would be too much, is left out.
    """
    slices: dict[str, set[str]] = {}
    for slice, id in wanted:
        slices.setdefault(slice, set()).add(id)
    found: dict[str, dict[str, Any]] = {}
    left = MOST_BYTES
    for stage in stages.values():
        writes = stage.about.get("writes") or {}
        if stage.about.get("durable") and any(kind in _SEEN for kind in writes.values()):
            sizes = store.sizes(f"{CHECKPOINTS}/{stage.fingerprint}")
            answers = Answers(store, stage.fingerprint, catalogue=catalogue)
            for slice, ids in slices.items():
                left -= sizes.get(f"{slice}{SUFFIX}", 0)
                if left > 0 and f"{slice}{SUFFIX}" in sizes:
                    for id, fields in _seen(answers, slice, ids, catalogue):
                        found.setdefault(id, {}).update(fields)
    return found


def _seen(
    answers: Answers, slice: str, ids: set[str], catalogue: Mapping[str, Field]
) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        known = answers.kept(slice)
    except (DatagenError, pa.ArrowException, KeyError, ValueError):
        return
    for id, kept in known.items():
        if id in ids and isinstance(kept.answer, Mapping):
            yield id, {name: value for name, value in kept.answer.items() if catalogue[name].kind in _SEEN}
