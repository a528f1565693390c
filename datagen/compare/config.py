"""Differences between the configs of two runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import yaml

from datagen.compare.outcomes import Side
from datagen.core.errors import StoreError
from datagen.execute.reuse.run_manifest import changes, last_run, leaves, read_stages
from datagen.execute.run import CONFIG

_FOLLOWS = "depends on '"
"""Prefix of a change that only follows from a change of another stage."""
_ELSEWHERE = ("stages", "profiles")
"""Keys of a config whose differences are listed by stage."""


@dataclass(frozen=True)
class Setting:
    """One difference between two configs."""

    stage: str
    """'' for an option of the whole pipeline."""
    change: str
    """Such as `option min_ratio: 0.001 -> 0.2`, from A to B."""


def settings(one: Side, other: Side) -> list[Setting]:
    """The differences from A to B: options of the pipeline, then stages in B's order, then stages that B lacks."""
    whole = list(_of_pipeline(one, other))
    seed_differs = any(setting.change.startswith("seed:") for setting in whole)
    own = _of_stages(one, other)
    # another seed of the pipeline is another seed of each stage: one line is enough
    return [*whole, *(setting for setting in own if not (seed_differs and setting.change.startswith("seed ")))]


def _of_pipeline(one: Side, other: Side) -> Iterator[Setting]:
    a, b = (_config(side) for side in (one, other))
    for name in dict.fromkeys([*a, *b]) if a and b else ():
        if a.get(name) != b.get(name):
            yield Setting("", f"{name}: {a.get(name, 'nothing')} -> {b.get(name, 'nothing')}")


def _config(side: Side) -> dict[str, str]:
    """The config of a dataset as values by dotted path; {} if OUT holds only the config of a later run."""
    if last_run(side.ledger.store) != side.dataset.fingerprint:
        return {}
    with suppress(StoreError, yaml.YAMLError, UnicodeDecodeError, AttributeError):
        data = yaml.safe_load(side.ledger.store.read(CONFIG))
        return dict(leaves({name: value for name, value in data.items() if name not in _ELSEWHERE}))
    return {}


def _of_stages(one: Side, other: Side) -> Iterator[Setting]:
    a, b = (read_stages(side.ledger.store, side.dataset.fingerprint) for side in (one, other))
    if not a or not b:
        return
    why = changes(b, a)
    for id in b:
        yield from (Setting(id, change) for change in why.get(id, ()) if not change.startswith(_FOLLOWS))
    yield from (Setting(id, "no such stage any more") for id in a if id not in b)
