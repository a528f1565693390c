"""configs/subject_add.yaml by hand: two processes, the same stage classes, no framework (plain.py).

    python benchmarks/plain_subject_add.py MANIFEST OUT [--slice 8] [--processes 2]

The rival of throughput.py. Its last line is JSON: clock times of the first and the last chunk, and counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from plain import parser, run

from datagen import Record

CONFIG = Path(__file__).resolve().parent.parent / "configs" / "subject_add.yaml"
DEFAULTS = {"sha256": "", "license": "", "credit": "", "caption": "", "session": "", "objects": [], "base": "/"}
OBJECT = {"polygons": [], "mask": None, "attributes": []}


def record_of(row: dict[str, Any]) -> Record:
    """A line of the manifest as a record."""
    fields = {**DEFAULTS, **{name: value for name, value in row.items() if name != "id"}}
    return Record(row["id"], {**fields, "objects": [{**OBJECT, **thing} for thing in fields["objects"]]})


def records(manifest: Path) -> Iterator[Record]:
    """The manifest's rows."""
    with manifest.open(encoding="utf-8") as file:
        yield from (record_of(json.loads(line)) for line in file)


def main() -> None:
    """Run the pool over a manifest."""
    options = parser(__doc__, slice_size=8)
    options.add_argument("manifest", type=Path)
    options.add_argument("out")
    arguments = options.parse_args()
    run(CONFIG, records(arguments.manifest), arguments)


if __name__ == "__main__":
    main()
