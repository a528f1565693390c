"""Finds one sample or rejected record, and shows it with its history: as text, as plain data, or as a sheet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from datagen.cards.card import Card, Sound, format_outcome, format_value, steps_of
from datagen.core.errors import ConfigError, StoreError
from datagen.core.fields import Field, catalogue
from datagen.execute.maintain.verify import find_rows
from datagen.execute.reuse.run_manifest import read_stages
from datagen.execute.run import CONFIG
from datagen.report.graph_drawing import drawing_of
from datagen.report.pictures import OF_SAMPLE, ReadLimits, Sheet, sheet_of_row, sheet_of_sample
from datagen.report.plan_strip import checks_of, fault_words, strip_of
from datagen.report.rejected_fields import stored_fields
from datagen.shards.index import INDEX, read_dataset
from datagen.shards.reader import Sample, open_dataset
from datagen.shards.sample import key_of
from datagen.storage.store import Store

_SIDE = 520
"""Longest side of a picture on the sheet of one record."""
_PARSED = ("scores", "fields", "seconds", "members")
"""Columns of the ledger that are JSON."""


@dataclass(frozen=True)
class FoundRecord:
    """A record with its history and, if it was accepted, its sample."""

    address: str
    rows: list[dict[str, Any]]
    """The rows of the ledger of its ancestors, oldest first, and its own row last."""
    sample: Sample | None
    """None if it was not accepted."""

    @property
    def row(self) -> dict[str, Any]:
        """Its own row of the ledger."""
        return self.rows[-1]

    def as_data(self) -> dict[str, Any]:
        """Rows of the ledger and KEY.json as plain data, for JSON."""
        rows = [
            {name: json.loads(value) if name in _PARSED else value for name, value in row.items()} for row in self.rows
        ]
        if self.sample is None:
            return {"records": rows, "sample": None}
        where = {"split": self.sample.split, "shard": self.sample.shard, "members": list(self.sample.members)}
        return {"records": rows, "sample": {**self.sample.info, **where}}


def find(address: str, name: str) -> FoundRecord:
    """Find a record by key or id. Raises `StoreError` if there is none, or if its sample is missing."""
    rows = find_rows(address, name)
    if not rows:
        raise StoreError(f"{address}: there is no sample with the key '{name}' and no record with that id")
    return FoundRecord(address, rows, _sample(address, rows[-1]))


def _sample(address: str, row: Mapping[str, Any]) -> Sample | None:
    if row["status"] != "accepted":
        return None
    try:
        return open_dataset(address).by_key(row["key"])
    except KeyError as error:
        raise StoreError(
            f"{address}/{INDEX} has no sample '{row['key']}', though the ledger has it; verify says what is wrong"
        ) from error


def record_text(found: FoundRecord) -> str:
    """A record with its history as text, for a terminal."""
    return "\n".join([*_history(found.rows), *_plan(found), *_members(found.sample)])


def _history(rows: list[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield f"{row['id']}  {format_outcome(row)}"
        if row["detail"]:
            yield f"  {row['detail']}"
        for stage, seconds in json.loads(row["seconds"]).items():
            yield f"  {seconds * 1000:>9.1f} ms  {stage}"
    last = rows[-1]
    if last["source_uri"]:
        yield f"source  {last['source_uri']}  sha256 {last['source_sha256']}"
    for score, value in json.loads(last["scores"]).items():
        yield f"score   {score} = {value:g}"
    for field, value in json.loads(last["fields"]).items():
        if last["status"] != "accepted":
            yield f"field   {field} = {json.dumps(value, ensure_ascii=False):.300}"


def _plan(found: FoundRecord) -> Iterator[str]:
    """The steps of a plan, the graph of a picture, and what is wrong with it, in words."""
    info = found.sample.info if found.sample else {}
    values = {**json.loads(found.row["fields"]), **{name: info[name] for name in OF_SAMPLE if name in info}}
    members = found.sample.members if found.sample else ()
    for frame in strip_of(values, pictures=[member.split(".")[0] for member in members]):
        first, *others = frame.lines()
        yield f"plan    {first}"
        yield from (f"          {line}" for line in others)
    graph = drawing_of(values.get("graph"))
    yield from (f"graph   {line}" for line in (graph.lines if graph else ()))
    if words := fault_words(values):
        yield f"fault   {words}"
    yield from (f"fails   {check.line()}" for check in checks_of(values) if not check.holds)


def _members(sample: Sample | None) -> Iterator[str]:
    if sample is None:
        return
    yield f"key     {sample.key}"
    for member in sample.members:
        yield f"member  {member}  {len(sample.read(member)):,} bytes"
    yield json.dumps(sample.info, indent=2, ensure_ascii=False)


def sheet_file(found: FoundRecord) -> Path:
    """The default file name of a record's sheet: KEY.html, because an id may hold any characters."""
    return Path(f"{key_of(found.row['id'])}.html")


def write_sheet(found: FoundRecord, file: Path) -> None:
    """Write a record's sheet as .html or .png.

    Raises `ConfigError` if it is neither, or if the file cannot be written.
    """
    kinds = {".html": _as_html, ".htm": _as_html, ".png": _as_png}
    if file.suffix.lower() not in kinds:
        raise ConfigError(f"{file}: a sheet is a .html or a .png file; give --to FILE.html or --to FILE.png")
    data = kinds[file.suffix.lower()](found)
    try:
        file.write_bytes(data)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}; give another --to") from error


def _as_html(found: FoundRecord) -> bytes:
    from datagen.cards.html_page import Group, cards_page

    return cards_page([Group("", [card_of(found)])], title=f"{found.row['id']} in {found.address}").encode()


def _as_png(found: FoundRecord) -> bytes:
    from datagen.cards.contact_sheet import contact_sheet

    return contact_sheet(card_of(found))


def card_of(found: FoundRecord, *, side: int = _SIDE) -> Card:
    """The card of a record; no side of its pictures is longer than `side` pixels."""
    row, sample = found.row, found.sample
    return Card(
        title=row["id"],
        ended=format_outcome(row),
        detail=row["detail"],
        instruction=row["instruction"] or str(json.loads(row["fields"]).get("instruction", "")),
        sheet=sheet_of_sample(sample, fields=json.loads(row["fields"]), side=side)
        if sample
        else _rejected(found, side),
        facts=tuple(fact for fact in _facts(found) if fact[1]),
        steps=tuple(steps_of(found.rows)),
        sounds=tuple(_sounds(sample)) if sample else (),
    )


def _facts(found: FoundRecord) -> Iterator[tuple[str, str]]:
    row, sample = found.row, found.sample
    for name, value in json.loads(row["scores"]).items():
        yield name, f"{value:g}"
    if sample:
        yield "task", str(sample.info["task"])
        yield "input", ", ".join(f"{one['label'] or one['role']}" for one in sample.info["input_info"])
        yield "unchecked", ", ".join(sample.info["unchecked"])
        yield "members", ", ".join(sample.members)
        yield "in", f"{sample.shard}, {sample.split}"
    else:
        yield from ((name, format_value(value)) for name, value in json.loads(row["fields"]).items() if value)
    yield "licence", row["license"]
    yield "source", f"{row['source_uri']} sha256 {row['source_sha256']}" if row["source_uri"] else ""
    yield "spent", f"{row['tokens']} tokens, ${row['usd']:.4f}" if row["tokens"] or row["usd"] else ""


def _sounds(sample: Sample) -> Iterator[Sound]:
    yield from (Sound(name, sample.read(name)) for name in sample.members if name.endswith(".flac"))


def _rejected(found: FoundRecord, side: int) -> Sheet:
    store = Store(found.address)
    try:
        reading = ReadLimits.of_config(yaml.safe_load(store.read(CONFIG)))
    except (StoreError, yaml.YAMLError, UnicodeDecodeError, AttributeError):
        reading = ReadLimits()
    sheet = sheet_of_row(found.row, reading=reading, stored=_stored(store, found.rows), side=side)
    unique = {path: name for name, path in sheet.outlines.items()}  # a mask may be stored under two names
    return sheet._replace(outlines={name: path for path, name in unique.items()})


def _stored(store: Store, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Pictures and masks of a record and its ancestors, from the stored answers of stages."""
    dataset = read_dataset(store)
    fields = catalogue(Field(row.name, row.kind, row.doc, member=row.member) for row in dataset.fields)
    wanted = [(row["slice"], row["id"]) for row in rows]
    known = stored_fields(store, read_stages(store, dataset.fingerprint), wanted, catalogue=fields)
    found = {name: value for row in rows for name, value in known.get(row["id"], {}).items()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
