"""The HTML page of a comparison, with pictures of lost, gained and changed samples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from datagen.cards.card import Card
from datagen.cards.html_page import Group, cards_page
from datagen.compare.diff import Diff, Example, Transition
from datagen.compare.text import diff_lines, headline
from datagen.core.errors import ConfigError, StoreError
from datagen.report.pictures import sheet_of_sample
from datagen.shards.reader import Dataset, Sample, open_dataset


def write_page(found: Diff, file: Path) -> None:
    """Write the page to `file`. Raises `ConfigError` if that is no .html file, or cannot be written."""
    if file.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"{file}: the page is a .html file; give --to FILE.html")
    a, b = open_dataset(found.a.out), open_dataset(found.b.out)
    groups = [
        Group(headline(transition), list(_cards(transition, a, b)))
        for transition in found.transitions
        if transition.kind != "moved"
    ]
    page = cards_page(groups, title=f"From {found.a.out} to {found.b.out}", lines=list(diff_lines(found)))
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}; give another --to") from error


def _cards(transition: Transition, a: Dataset, b: Dataset) -> Iterator[Card]:
    for example in transition.examples:
        if transition.kind != "gained":
            yield _card(_sample(a, example), f"A, {transition.before}; in B {transition.after}")
        if transition.kind != "lost":
            yield _card(_sample(b, example), f"B, {transition.after}; in A {transition.before}")


def _sample(dataset: Dataset, example: Example) -> Sample:
    try:
        return dataset.by_key(example.key)
    except KeyError as error:
        raise StoreError(
            f"{dataset!r} lacks the sample '{example.key}', though its ledger has it; verify says what is wrong"
        ) from error


def _card(sample: Sample, side: str) -> Card:
    scores = tuple((score["name"], f"{score['value']:g}") for score in sample.info["scores"])
    return Card(
        title=sample.info["id"], ended=side, sheet=sheet_of_sample(sample), instruction=sample.instruction, facts=scores
    )
