"""Writes the samples of a finished dataset in a layout of a public trainer, and counts what is left out and why."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from datagen.core.errors import ConfigError, DataError, StoreError, nearest
from datagen.core.options import Options
from datagen.export.irg import IrgLayout
from datagen.export.layouts import Layout, LayoutOptions
from datagen.export.lessons import Lesson, UnfitSampleError, make_lesson
from datagen.export.reflection_flow import ReflectionFlowLayout
from datagen.export.whole_folder import MANIFEST, find_manifest, whole_folder
from datagen.export.zebra_cot import PICTURES, ZebraCotLayout
from datagen.shards.index import DATASET, read_dataset
from datagen.shards.info import SampleInfo
from datagen.shards.reader import Sample, open_dataset, read_index
from datagen.storage.store import Store

FORMATS: Final[Mapping[str, type[Layout]]] = {
    "irg": IrgLayout,
    "zebra_cot": ZebraCotLayout,
    "reflection_flow": ReflectionFlowLayout,
}
"""The layouts, by name."""
_VERSION = 2
"""Of the layouts: an export of another version is not taken for the same."""


class Exported(Options):
    """What an export wrote and left out: the content of export.json."""

    version: int = _VERSION
    dataset: str
    """SHA-256 of the dataset's dataset.json."""
    format: str
    max_tokens: int
    samples: dict[str, dict[str, int]]
    """Exported samples by split and task."""
    left_out: dict[str, int]
    """Samples that were left out, by reason."""
    examples: dict[str, str]
    """One sample of each reason: its key, and why."""
    without_place: dict[str, int]
    """Parts of exported samples that the layout has no place for, by what they are."""
    licenses: dict[str, int]
    """Exported samples by licence."""
    files: dict[str, int]
    """Size in bytes of each file by its path in the folder, without the pictures of `zebra_cot`."""

    @property
    def total(self) -> int:
        """The number of exported samples."""
        return sum(sum(tasks.values()) for tasks in self.samples.values())


class _Tally:
    """What was written and left out so far."""

    def __init__(self) -> None:
        self.samples: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.left_out: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.without_place: Counter[str] = Counter()
        self.licenses: Counter[str] = Counter()

    def leave_out(self, key: str, error: UnfitSampleError) -> None:
        self.left_out[error.reason] += 1
        self.examples.setdefault(error.reason, f"{key}: {error.detail}")


class _Splits:
    """A layout for each split that has samples."""

    def __init__(self, made: type[Layout], options: LayoutOptions) -> None:
        self._made, self._options = made, options
        self._layouts: dict[str, Layout] = {}

    def of(self, split: str) -> Layout:
        if split not in self._layouts:
            folder, published, max_tokens = self._options
            (folder / split).mkdir()
            self._layouts[split] = self._made(LayoutOptions(folder / split, published / split, max_tokens))
        return self._layouts[split]

    def close(self) -> None:
        for layout in self._layouts.values():
            layout.close()
        for split in self._layouts:
            with suppress(OSError):  # it is empty only if none of its samples fits
                (self._options.folder / split).rmdir()


def export_dataset(out: str, *, format: str, to: Path, max_tokens: int | None = None) -> tuple[Exported, bool]:
    """Export the finished dataset at `out`, a folder or any fsspec address, into the folder `to` of this machine.

    `max_tokens` is the trainer's limit of tokens a sample; if it is None, that of the trainer's published script.
    Returns what was written, and whether it was there already: a whole export of the same dataset, format and limit
    is left as it is. Samples are read and written one by one. `to` appears when it is whole; nothing is left of an
    export that fails, and what a killed one left is removed by the next. Raises `ConfigError` if `to` has other things
    in it, if the format is unknown or if it has a place for no sample, `StoreError` if the dataset is unfinished or
    damaged or `to` cannot be written.
    """
    if format not in FORMATS:
        raise ConfigError(f"there is no format '{format}'; {nearest(format, FORMATS)}")
    max_tokens = FORMATS[format].max_tokens if max_tokens is None else max_tokens
    folder = _folder(to, out)
    store = Store(out)
    read_dataset(store)
    dataset = hashlib.sha256(store.read(DATASET)).hexdigest()
    if (data := find_manifest(folder)) is not None:
        return _same_export(data, folder, dataset=dataset, format=format, max_tokens=max_tokens), True
    with whole_folder(folder) as place, ExitStack() as closing:
        splits = _Splits(FORMATS[format], LayoutOptions(place, Path(os.path.abspath(to.expanduser())), max_tokens))
        closing.callback(splits.close)
        tally = _write_samples(store, splits, tasks=FORMATS[format].tasks)
        closing.pop_all().close()
        result = Exported(
            dataset=dataset,
            format=format,
            max_tokens=max_tokens,
            samples={split: dict(tasks) for split, tasks in tally.samples.items()},
            left_out=dict(tally.left_out.most_common()),
            examples=tally.examples,
            without_place=dict(tally.without_place.most_common()),
            licenses=dict(tally.licenses.most_common()),
            files=_files(place),
        )
        if not result.total:
            reasons = "; ".join(f"{number:,} {reason}" for reason, number in result.left_out.items())
            raise ConfigError(f"no sample of {out} has a place in {format}: {reasons or 'it has no samples'}")
        (place / MANIFEST).write_text(result.model_dump_json(indent=2) + "\n")
    return result, False


def _folder(to: Path, out: str) -> Path:
    """The folder to write, without links. Raises `ConfigError` for an address, and for a folder of the dataset."""
    if ":/" in str(to):
        raise ConfigError(f"--to {to} is an address; an export goes to a folder of this machine")
    try:
        folder = to.expanduser().resolve()
        is_inside = folder.is_relative_to(Path(out).resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"--to {to} is no folder: {error}") from error
    if is_inside:
        raise ConfigError(f"--to {to} lies in the dataset {out}, which has no place for it; give another --to")
    return folder


def _same_export(data: bytes, folder: Path, **wanted: object) -> Exported:
    """The export that is there. Raises `ConfigError` if it is of something else, or not whole."""
    try:
        found = Exported.model_validate_json(data)
    except ValidationError as error:
        raise ConfigError(f"{folder / MANIFEST} is not that of an export; give a new folder by --to") from error
    for name, value in {**wanted, "version": _VERSION}.items():
        if getattr(found, name) != value:
            raise ConfigError(f"{folder} holds an export of another {name}; remove it, or give another --to")
    for name, size in found.files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            raise ConfigError(f"{path} is missing or changed since it was exported; remove {folder} to export it anew")
    return found


def _files(place: Path) -> dict[str, int]:
    listed = (path for split in sorted(place.iterdir()) if split.is_dir() for path in sorted(split.iterdir()))
    return {str(path.relative_to(place)): path.stat().st_size for path in listed if path.name != PICTURES}


def _write_samples(store: Store, splits: _Splits, *, tasks: frozenset[str]) -> _Tally:
    tally = _Tally()
    for sample, task in _samples(store):
        try:
            if task not in tasks:
                raise UnfitSampleError(f"other_task/{task or 'none'}", "the layout has no place for its task")
            lesson = _lesson(sample, store)
            tally.without_place += _added(splits.of(sample.split), lesson, store=store, sample=sample)
        except UnfitSampleError as error:
            tally.leave_out(sample.key, error)
        else:
            tally.samples[sample.split][task] += 1
            tally.licenses[lesson.info.license or "unknown"] += 1
    return tally


def _samples(store: Store) -> Iterator[tuple[Sample, str]]:
    """All samples in the order of the shards, with their tasks as the index has them."""
    tasks = read_index(store, also=("task",))["task"]
    for number, sample in enumerate(open_dataset(store.address)):
        yield sample, tasks[number].as_py()


def _lesson(sample: Sample, store: Store) -> Lesson:
    members = sample.read_all()
    try:
        info = SampleInfo.model_validate_json(members["json"])
    except (ValidationError, KeyError) as error:
        raise _damaged(sample, store, "KEY.json is missing or not of its schema") from error
    return make_lesson(info, members)


def _added(layout: Layout, lesson: Lesson, *, store: Store, sample: Sample) -> Counter[str]:
    try:
        return layout.add(lesson)
    except DataError as error:
        raise _damaged(sample, store, str(error)) from error


def _damaged(sample: Sample, store: Store, why: str) -> StoreError:
    place = f"{store.address}/{sample.shard}: sample '{sample.key}'"
    return StoreError(f"{place} is damaged: {why}; verify {store.address} --repair mends what can be mended")
