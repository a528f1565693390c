"""Gives damaged and deceiving bytes to every reader of foreign input, and tells what it did not explain.

    python benchmarks/fuzz.py --minutes 10
    python benchmarks/fuzz.py --minutes 1 --reader picture

Each reader has a process of its own, so that one that crashes or hangs is a finding too, and an equal share of the
time. Hypothesis mutates sound input: bytes flipped, cut, doubled, spliced, and words put in that mean something to
the format; what fails is shrunk before it is told. A reader may answer, or raise an error that datagen explains; all
else is a finding.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from datagen import Record
from datagen.core.errors import DataError, DatagenError
from datagen.core.fields import catalogue
from datagen.core.redact import escape_control, redact
from datagen.execute.engines.progress_events import RunProgress
from datagen.execute.ledger.ledger import Ledger
from datagen.execute.maintain.verify import find_rows, verify
from datagen.execute.reuse.answer_cache import AnswerCache
from datagen.execute.run import RunOptions, run, stored_config
from datagen.fetch import read_file
from datagen.imaging.geometry import decode_rle, draw_polygons
from datagen.imaging.image import Image
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.scene_graphs.edit_words import read_edit
from datagen.scene_graphs.edits import apply_edit
from datagen.scene_graphs.graph import SceneGraph
from datagen.scene_graphs.reading import read_caption
from datagen.shards.index import DATASET, INDEX, read_dataset
from datagen.shards.info import SampleInfo
from datagen.shards.reader import open_dataset
from datagen.sources.base import Source
from datagen.sources.formats.generation.grounded import parse
from datagen.sources.manifest import Manifest
from datagen.storage.store import Store
from datagen.train.edit_plans import load_planner

ROOT = Path(__file__).resolve().parent.parent
TRACE = "last"
"""Beside the files that are read: what was given last."""
EXAMPLES = 200
"""Between two looks at the clock."""
SLACK_SECONDS = 120.0
"""A reader that has not ended so long after its time hangs."""
WORDS = (
    b"\0", b"\xff\xff\xff\xff", b"../../", b"-1", b"1e999", b"NaN", b"null",
    b"9" * 25, b"9" * 400, b"9" * 4400, b"[" * 999, b'{"a":' * 99,
    b"\n---\n", b"&a [*a]", b"!!python/name:os.system", b"\x1b[2J", b"\xed\xa0\x80", b"\\ud800", b"/etc/passwd",
    b"::", b"://", b"a:b@",
)  # fmt: skip


class Reader(NamedTuple):
    """What reads foreign input, and sound input to begin with."""

    seeds: Sequence[bytes]
    read: Callable[[bytes], object]


@st.composite
def mutated(draw_: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """Sound input with a few things wrong in it."""
    data = draw_(st.sampled_from(seeds))
    for _ in range(draw_(st.integers(1, 6))):
        start = draw_(st.integers(0, len(data)))
        end = min(len(data), start + draw_(st.integers(0, 64)))
        how = draw_(st.sampled_from(["flip", "cut", "drop", "double", "word", "bytes", "splice"]))
        if how == "flip" and start < len(data):
            data = data[:start] + bytes([data[start] ^ draw_(st.integers(1, 255))]) + data[start + 1 :]
        elif how == "cut":
            data = data[:start]
        elif how in ("drop", "double"):
            data = data[:start] + data[start:end] * (0 if how == "drop" else 3) + data[end:]
        elif how == "splice":
            other = draw_(st.sampled_from(seeds))
            data = data[:start] + other[draw_(st.integers(0, len(other))) :]
        else:
            new = draw_(st.sampled_from(WORDS) if how == "word" else st.binary(max_size=16))
            data = data[:start] + new + data[end:]
    return data


class Quiet:
    """Listens to no run."""

    stopping = False

    def notify(self, text: str) -> None:
        """Nothing."""

    def on_progress(self, message: RunProgress) -> None:
        """Nothing."""


def dataset_in(folder: Path) -> Path:
    """A small dataset of the tests' toy stages."""
    rows = "".join(f'{{"id": "r{n}", "uri": "nowhere/{n}.png", "license": "MIT"}}\n' for n in range(4))
    (folder / "m.jsonl").write_text(rows)
    config = {
        "pipeline": "toy",
        "plugins": ["toys"],
        "source": {"kind": "manifest", "path": str(folder / "m.jsonl")},
        "slice_size": 2,
        "stages": [{"use": "sift", "with": {"share": 0.2}}, {"use": "paint"}],
    }
    (folder / "toy.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    run(build(load(folder / "toy.yaml")), out=str(folder / "out"), options=RunOptions("local"), watcher=Quiet())
    return folder / "out"


def pictures() -> list[bytes]:
    """One picture in each format and odd mode that can be read."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 9, 3), np.uint8)
    plain = Pillow.fromarray(pixels)
    found = []
    for format in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"):
        for mode in ("RGB", "L", "RGBA", "P", "CMYK", "I;16"):
            file = io.BytesIO()
            with suppress(OSError, ValueError, KeyError):
                plain.convert("I" if mode == "I;16" else mode).save(file, format)
                found.append(file.getvalue())
    return found


def files_of(out: Path) -> dict[str, Reader]:
    """Readers of what lies under OUT: one file damaged, and all that read it asked."""
    store = Store(str(out))
    ledger = Ledger(store, read_dataset(store).fingerprint)
    entry = sorted((out / ledger.folder).glob("0*.parquet"))[0]
    shard = out / read_dataset(store).shards[0].path

    def damaged(path: Path, *looks: Callable[[], object]) -> Reader:
        whole = path.read_bytes()

        def read(data: bytes) -> None:
            path.write_bytes(data)
            try:
                for look in looks:
                    with suppress(DatagenError):
                        look()
            finally:
                path.write_bytes(whole)

        return Reader([whole], read)

    def opened() -> None:
        for sample in open_dataset(str(out)):
            for name in ("info", "instruction", "target", "masks"):
                with suppress(DatagenError):
                    getattr(sample, name)

    def verified() -> None:
        for problem in verify(str(out)):
            assert escape_control(str(problem)) == str(problem)

    def shown() -> None:
        find_rows(str(out), "r1")

    return {
        "shard": damaged(shard, opened, verified),
        "index.parquet": damaged(out / INDEX, opened, verified),
        "dataset.json": damaged(out / DATASET, opened, verified, shown),
        "packed.json": damaged(out / "run" / "packed.json", verified),
        "ledger": damaged(entry, verified, shown),
        "slices.txt": damaged(out / ledger.folder / "slices.txt", verified, shown),
        "stages.json": damaged(out / ledger.folder / "stages.json", shown),
        "saved config": damaged(out / "run" / "config.yaml", lambda: build(stored_config(str(out)))),
        "index cells": Reader([b"\0" * 64], lambda data: _with_cell(out / INDEX, data, [opened, verified])),
        "ledger cells": Reader([b"\0" * 64], lambda data: _with_cell(entry, data, [verified, shown])),
    }


def foreign_in(folder: Path) -> dict[str, Reader]:
    """Readers of foreign layouts: one of a layout's files damaged, all rows taken, and the pictures that they name."""
    from foreign import MAKERS
    from foreign_generation import MAKERS as GENERATION
    from foreign_outputs import MAKERS as OUTPUTS
    from foreign_sessions import MAKERS as SESSIONS

    made = {**MAKERS, **GENERATION, **OUTPUTS, **SESSIONS}
    return {f"source {kind}": _foreign(folder / kind, make) for kind, make in made.items() if kind != "jsonl"}


def _foreign(folder: Path, make: Callable[[Path], Source]) -> Reader:
    folder.mkdir()
    source = make(folder)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    whole = {path: path.read_bytes() for path in files}

    def read(data: bytes) -> None:
        path = files[int.from_bytes(hashlib.sha256(data).digest()[:4], "little") % len(files)]
        path.unlink()
        path.write_bytes(data)
        try:
            for row in source.rows():
                json.dumps([row.id, dict(row.fields), row.error]).encode()
                for name in ("uri", "annotation", "mask_uri"):
                    with suppress(DataError):
                        _named(row.fields, name)
        finally:
            path.unlink()  # not written over: another example may still have it mapped
            path.write_bytes(whole[path])

    return Reader([*whole.values()], read)


def _named(fields: Mapping[str, Any], name: str) -> None:
    """Read the file that a row names."""
    if uri := fields.get(name):
        schemes = ("file", "tar", "parquet", "arrow")
        read_file(str(uri), base=str(fields.get("base", "")), schemes=schemes, max_bytes=1_000_000)


def _with_cell(path: Path, data: bytes, looks: Sequence[Callable[[], object]]) -> None:
    """One cell of a Parquet file changed as the bytes say, the file itself sound."""
    whole = path.read_bytes()
    table = pq.read_table(io.BytesIO(whole))
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(data).digest()[:8], "little"))
    rows = table.to_pylist()
    row, name = rows[rng.integers(len(rows))], table.column_names[rng.integers(table.num_columns)]
    row[name] = _odd(row[name], data, rng)
    path.write_bytes(b"")
    try:
        with suppress(pa.ArrowException, OverflowError, TypeError):
            pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
        for look in looks:
            with suppress(DatagenError):
                look()
    finally:
        path.write_bytes(whole)


def _odd(value: Any, data: bytes, rng: np.random.Generator) -> Any:
    numbers = [None, -1, 0, 1, 2**31, 2**62, -(2**63)]
    texts = [None, "", "../../x", "a\0b", "[" * 2000, "{}", "[]", "null", '{"a": -1}', data.decode("utf-8", "replace")]
    if isinstance(value, list) and value:
        item = dict(value[rng.integers(len(value))])
        key = list(item)[rng.integers(len(item))]
        return [*value, {**item, key: _odd(item[key], data, rng)}]
    choices: list[Any] = texts if isinstance(value, str) else numbers
    return choices[rng.integers(len(choices))]


def readers(folder: Path) -> dict[str, Reader]:
    """All readers, by name, over files in a folder of their own."""
    from foreign import MASKS, sa1b_file
    from foreign_generation import PLACED, TAGGED

    from stages.read_annotations import ReadAnnotations

    scene = read_caption("A star is above a cat. There are three red circles.")
    lines = (ROOT / "manifests" / "demo.jsonl").read_bytes().splitlines()
    mask = {"size": [3, 4], "counts": [2, 3, 7]}
    lines.append(
        json.dumps({"id": "a", "uri": "b", "objects": [{"label": "c", "box": [0, 1, 2, 3], "mask": mask}]}).encode()
    )
    config = (ROOT / "configs" / "subject_add.yaml").read_bytes()
    out = dataset_in(folder)
    sample = open_dataset(str(out))[0]
    answers = sorted((out / "run" / "checkpoints").rglob("*.arrow"))

    def manifest(data: bytes) -> None:
        (folder / "fuzz.jsonl").write_bytes(data)
        for row in Manifest(str(folder / "fuzz.jsonl")).rows():
            json.dumps([row.id, dict(row.fields), row.error]).encode()

    def configured(data: bytes) -> None:
        (folder / "fuzz.yaml").write_bytes(data)
        build(load(folder / "fuzz.yaml"))

    def planner(data: bytes) -> None:
        (folder / "fuzz_planner.yaml").write_bytes(data)
        load_planner(str(folder / "fuzz_planner.yaml"))

    def set_(data: bytes) -> None:
        build(load(ROOT / "configs" / "subject_add.yaml", sets=[data.decode("utf-8", "surrogateescape")]))

    def picture(data: bytes) -> None:
        found = Image.decode(data, max_pixels=1_000_000)
        assert Image.carried(found.encoded()) == found

    def runs(data: bytes) -> None:
        with suppress(ValueError):
            result = [int(part) for part in data.split()]
            height, width, *counts = result
            if 0 < height * width <= 10**6:
                decode_rle(counts, (height, width))

    def outline(data: bytes) -> None:
        numbers = np.frombuffer(data[: len(data) // 16 * 16], "<f8").clip(-1e6, 1e6)
        if np.isfinite(numbers).all():
            draw_polygons([[(float(x), float(y)) for x, y in numbers.reshape(-1, 2)]], (64, 48))

    def read_kept_answers(data: bytes) -> None:
        Store(str(folder)).write("run/checkpoints/f/000000-a.arrow", hashlib.sha256(data).digest() + data)
        AnswerCache(Store(str(folder)), "f", catalogue=catalogue()).load("000000-a")

    def masks(data: bytes) -> None:
        (folder / "sa_1.json").write_bytes(data)
        record = Record("sa_1", {"annotation": str(folder / "sa_1.json"), "base": ""})
        ReadAnnotations(ReadAnnotations.Config(min_area=0), id="read_annotations", seed=0).process([record])

    def struck(data: bytes) -> None:
        text = escape_control(redact(data.decode("utf-8", "surrogateescape")))
        text.encode()

    return {
        "manifest": Reader(lines, manifest),
        "config": Reader([config], configured),
        "planner": Reader([(ROOT / "configs" / "train" / "planner.yaml").read_bytes()], planner),
        "--set": Reader(
            [b"seed=3", b"filter_foreground.min_ratio=0.2", b"segment_subject.segmenter.kind=grabcut"], set_
        ),
        "picture": Reader(pictures(), picture),
        "run lengths": Reader([b"3 4 2 3 7", b"9 9 0 81"], runs),
        "outline": Reader([np.arange(16.0).tobytes()], outline),
        "KEY.json": Reader([sample.read("json")], _validated),
        "kept answers": Reader([path.read_bytes()[32:] for path in answers] or [b"ARROW"], read_kept_answers),
        "SA-1B's masks": Reader([sa1b_file(1, MASKS, width=24, height=16)], masks),
        "caption of a scene": Reader(
            [
                b"A red circle is to the left of two blue squares and above a star. The star is below it.",
                b"a cat, a dog",
            ],
            lambda data: SceneGraph.model_validate(read_caption(data.decode(errors="replace")).row()),
        ),
        "edit of a scene": Reader(
            [b"Add two red rings below the star, so that the cat is to the left of them.", b"Make the star red."],
            lambda data: apply_edit(read_edit(data.decode(errors="replace"), scene), scene),
        ),
        "captions with places": Reader(
            [PLACED.encode(), TAGGED.encode()], lambda data: _places(data.decode("utf-8", "replace"))
        ),
        "messages": Reader([b"https://me:pass@host/x?X-Amz-Signature=abc", b"\x1b[31m"], struck),
        **files_of(out),
        **foreign_in(folder),
    }


def _places(text: str) -> None:
    found = parse(text)
    for one in found.words:
        assert found.caption[one.start : one.end].strip()


def _validated(data: bytes) -> None:
    with suppress(ValueError):  # pydantic's own, which every caller takes
        SampleInfo.model_validate_json(data)


def fuzz(reader: Reader, *, seconds: float, trace: Path) -> Iterator[int]:
    """Read mutated input until the time is over; numbers of examples. Raises what was found."""
    end = time.monotonic() + seconds

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    @given(mutated(reader.seeds))
    def reads(data: bytes) -> None:
        trace.write_bytes(data)
        with suppress(DatagenError):
            reader.read(data)

    number = 0
    while time.monotonic() < end:
        seed(number)(reads)()
        number += 1
        yield EXAMPLES


def alone(name: str, *, folder: Path, seconds: float) -> int:
    """Fuzz one reader in this process; its exit code."""
    warnings.simplefilter("ignore")
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    print(sum(fuzz(readers(folder)[name], seconds=seconds, trace=folder / TRACE)))
    return 0


def names() -> list[str]:
    """The readers there are."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    with tempfile.TemporaryDirectory() as folder:
        return list(readers(Path(folder)))


def main() -> int:
    """Fuzz all readers, or one; 1 if there was a finding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="in all")
    parser.add_argument("--reader", default="", help="one alone")
    parser.add_argument("--alone", default="", help=argparse.SUPPRESS)
    parser.add_argument("--folder", default="", help=argparse.SUPPRESS)
    given_ = parser.parse_args()
    if given_.alone:
        return alone(given_.alone, folder=Path(given_.folder), seconds=given_.minutes * 60)
    chosen = [given_.reader] if given_.reader else names()
    share = given_.minutes / len(chosen)
    return max([_explained(name, minutes=share) for name in chosen])


def _explained(name: str, *, minutes: float) -> int:
    """Fuzz one reader in a process of its own, and print what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, __file__, f"--alone={name}", f"--minutes={minutes}", f"--folder={folder}"]
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, check=False, timeout=minutes * 60 + SLACK_SECONDS
            )
        except subprocess.TimeoutExpired:
            print(f"{name:<18} hangs at {_last(folder)}", flush=True)
            return 1
        last = _last(folder)
    if done.returncode == 0:
        print(f"{name:<18} {int(done.stdout):>9,} examples, nothing found", flush=True)
        return 0
    why = f"crashes at {last}" if done.returncode < 0 else "finding"
    width = shutil.get_terminal_size().columns
    found = "\n".join(f"    {line[: 2 * width]}" for line in done.stderr.splitlines()[-25:])
    print(f"{name:<18} {why} ({done.returncode}):\n{found}", flush=True)
    return 1


def _last(folder: str) -> str:
    """What was read last, as far as it fits a screen."""
    trace = Path(folder) / TRACE
    return repr(trace.read_bytes()[:2000]) if trace.exists() else "its start"


if __name__ == "__main__":
    sys.exit(main())
