"""Rendered plans by hand: two processes, the same stage classes, no framework (plain.py).

    python benchmarks/plain_plans.py CONFIG OUT [--slice 16] [--processes 2]

The rival of plans.py. Its last line is JSON: clock times of the first and the last chunk, and counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from plain import parser, run

from datagen import Record
from datagen.sources.drawn.scenes import ScenesConfig


def scenes(source: dict[str, Any]) -> Iterator[Record]:
    """The scenes of a config's source."""
    return (Record(row.id, row.fields) for row in ScenesConfig.model_validate(source).load().rows())


def main() -> None:
    """Run the pool over scenes."""
    options = parser(__doc__, slice_size=16)
    options.add_argument("config", type=Path)
    options.add_argument("out")
    arguments = options.parse_args()
    run(arguments.config, scenes(yaml.safe_load(arguments.config.read_text(encoding="utf-8"))["source"]), arguments)


if __name__ == "__main__":
    main()
