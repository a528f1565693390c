"""The model card: what a model was trained on, and how."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from datagen.shards.index import read_dataset
from datagen.shards.reader import read_index
from datagen.storage.store import Store
from datagen.train.preparation import Prepared


def model_card(prepared: Prepared) -> str:
    """Markdown that the hub of models reads."""
    return "\n".join(_lines(prepared)) + "\n"


def _lines(prepared: Prepared) -> Iterator[str]:
    config = prepared.config
    bases = config.model.bases()
    yield from ("---", "library_name: diffusers", "tags: [image-editing, datagen]")
    if names := [base.weights for base in bases if not base.is_local]:
        yield f"base_model: [{', '.join(names)}]"
    yield from ("---", f"# {config.train}", "")
    if config.description:
        yield from (config.description, "")
    if bases:
        yield from ("It begins with the weights of:", "", "| model | revision | licence |", "| --- | --- | --- |")
        for base in bases:
            yield f"| {base.weights} | {base.revision} | {base.effective_license or 'unknown'} |"
        yield ""
    yield from ("Trained by `python -m datagen train` on:", "")
    yield "| dataset | fingerprint | samples | licences |"
    yield "| --- | --- | --- | --- |"
    for entry, chosen in zip(config.data.datasets, prepared.selected, strict=True):
        store = Store(entry.path)
        fingerprint = read_dataset(store).fingerprint
        licences = ", ".join(licences_of(store)) or "unknown"
        yield f"| {entry.path} | {fingerprint} | {len(chosen.numbers):,} | {licences} |"
    yield from ("", "```yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False).rstrip(), "```")


def licences_of(store: Store) -> list[str]:
    """The licences of a dataset's samples, each once."""
    return sorted({str(name) for name in read_index(store, also=["license"])["license"].unique().to_pylist() if name})
