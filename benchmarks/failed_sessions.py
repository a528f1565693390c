"""Draw a sheet of accepted samples that are wrong, and of right candidates that are lost, of drawn sessions.

    python benchmarks/failed_sessions.py docs/images/complex_failures.png [--sessions 120] [--seed 0] [--rows 8]

Photographs and wording are those that may be tuned on, damage is of all kinds. A row has a window's source, what the
editing model made of it, and what the pipeline stored; the window's words, and what is wrong with it, are printed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pyarrow as pa
import yaml
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from datagen.cli.common import graph_of
from datagen.execute.ledger.ledger import Ledger
from datagen.execute.reuse.run_manifest import last_run
from datagen.execute.run import RunOptions, run
from datagen.imaging.image import Pixels
from datagen.measure.ledger_view import view_ledger
from datagen.measure.measurement import _alignment_options, _regions, _stored
from datagen.measure.samples import WindowCase, window_case
from datagen.measure.truth import TrueSession, WindowName, true_sessions
from datagen.progress.estimate_text import EstimateDisplay
from datagen.shards.reader import open_dataset
from datagen.storage.store import Store
from datagen.worlds.damage import DamageKind

CONFIG = Path("configs/world_complex_edit.yaml")
SIDE, GAP, LINE = 160, 4, 14
COLOURS = 128
"""Of the sheet, so that the file is small."""


class FailedWindow(NamedTuple):
    """One window that ended otherwise than it should."""

    session: TrueSession
    window: WindowName
    case: WindowCase
    stored: Pixels | None

    @property
    def fault(self) -> str:
        """What is wrong with it."""
        return f"wrong in {', '.join(self.case.wrong)}" if self.case.accepted else f"lost at {self.case.lost}"


def main() -> None:
    """Run the pipeline, print one line a row, and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--sessions", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = [*chosen(failures(Path(folder), arguments), rows=arguments.rows)]
    for number, failure in enumerate(found, 1):
        texts = [failure.session.turns[turn - 1].text for turn in range(failure.window.first, failure.window.last + 1)]
        damage = f"{failure.session.damage} {failure.session.strength:g}"
        print(f"{number}. {failure.fault}; {damage}: {' / '.join(texts)}")
    drawn(found).quantize(COLOURS).save(arguments.sheet, optimize=True)


def failures(folder: Path, arguments: argparse.Namespace) -> Iterator[FailedWindow]:
    """All windows that are accepted and wrong, or right candidates and lost."""
    data: dict[str, Any] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    given = {"count": arguments.sessions, "seed": arguments.seed, "damages": get_args(DamageKind)}
    path = folder / "sessions.yaml"
    path.write_text(yaml.safe_dump({**data, "source": {**data["source"], **given}, "slice_size": 12}), encoding="utf-8")
    graph, out = graph_of(path, "", None), str(folder / "out")
    with EstimateDisplay("failures") as display:
        run(graph, out=out, options=RunOptions("local"), watcher=display)
    ledger = Ledger(Store(out), last_run(Store(out)))
    view = view_ledger(pa.concat_tables(ledger.tables(ledger.slices())).to_pylist())
    samples = {sample.key: sample for sample in open_dataset(out)}
    regions = _regions(graph, _alignment_options(graph))
    for session in true_sessions(graph.source.rows()):
        for window in session.windows(least=2, most=None):
            row = view.windows.get(window)
            sample = samples.get(row.key) if row and row.status == "accepted" else None
            case = window_case(session, window, view, _stored(sample) if sample else None, regions=regions)
            if case.wrong or (case.sound and not case.accepted):
                yield FailedWindow(session, window, case, sample.target if sample else None)


def chosen(found: Iterator[FailedWindow], *, rows: int) -> Iterator[FailedWindow]:
    """Up to `rows` of them: of each session one, wrong ones first, and as many kinds of faults as there are."""
    by_session: dict[str, FailedWindow] = {}
    for failure in found:
        by_session.setdefault(failure.session.name, failure)
    faults: dict[str, int] = {}
    ranked = []
    for failure in sorted(by_session.values(), key=lambda each: not each.case.wrong):
        faults[failure.fault] = faults.get(failure.fault, 0) + 1
        ranked.append((faults[failure.fault], len(ranked), failure))
    yield from [failure for _, _, failure in sorted(ranked, key=lambda each: each[:2])][:rows]


def drawn(found: list[FailedWindow]) -> Pillow.Image:
    """The sheet: two windows a row, each with three pictures."""
    wide, high = 3 * SIDE + 4 * GAP, SIDE + LINE + 2 * GAP
    sheet = Pillow.new("RGB", (2 * wide, -(-len(found) // 2) * high), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for number, failure in enumerate(found):
        left, top = number % 2 * wide, number // 2 * high
        draw.text((left + GAP, top), f"{number + 1}. {failure.fault}", "black", font)
        before, made = (picture.array for picture in failure.session.pictures(failure.window))
        stored = np.full_like(made, 235) if failure.stored is None else failure.stored
        for place, picture in enumerate((before, made, stored)):
            small = Pillow.fromarray(picture).resize((SIDE, SIDE), Pillow.Resampling.LANCZOS)
            sheet.paste(small, (left + GAP + place * (SIDE + GAP), top + LINE + GAP))
    return sheet


if __name__ == "__main__":
    main()
