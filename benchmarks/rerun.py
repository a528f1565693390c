"""A threshold changed after the models: what the second run costs, and that it calls no earlier model.

    python benchmarks/rerun.py [--records 300] [--rounds 3] [--set check_removal.max_strangeness=0.45]

subject_add over crops of photographs, whose segmenter and inpainter note each
record that they are given; then again with the change. The patch inpainter is
told to search longer (`--rounds`; the config's own is 3), as a learned one would
take longer than the checks after it. Measures the second run's wall time, and
what of it came after start-up, as shares of the first one's: each at most 1/5;
and the calls of the second run: none. The rival is the first run.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from crops import make_crops
from measuring import PLUGIN, datagen, subject_add, verdict, workplace

LOGGED = ("segment_subject", "remove_subject")


def main() -> None:
    """Print one line a run and one a figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slice", type=int, default=8)
    parser.add_argument("--set", default="check_removal.max_strangeness=0.45", dest="change")
    arguments = parser.parse_args()
    with workplace() as folder:
        log = folder / "calls.txt"
        config = config_of(folder, log, arguments)
        first, calls = datagen(config, folder / "out"), called(log)
        second, again = datagen(config, folder / "out", "--set", arguments.change), called(log)
    for name, run, counts in (("first", first, calls), ("second", second, again)):
        found = ", ".join(f"{number} by {stage}" for stage, number in sorted(counts.items())) or "none"
        print(
            f"  {name}: {run.seconds:.1f} s, start-up {run.startup:.1f}; records given to models: {found}", flush=True
        )
    verdict("rerun's wall time, share of the first", second.seconds / first.seconds, limit=0.2)
    verdict("rerun's time after start-up, share of the first", second.rest / first.rest, limit=0.2)
    verdict("rerun's calls of earlier models", float(sum(again.values())), limit=0)


def config_of(folder: Path, log: Path, arguments: argparse.Namespace) -> Path:
    """subject_add with models that note their calls."""
    manifest = make_crops(folder, records=arguments.records)
    path = subject_add(folder / "rerun.yaml", manifest, slice_size=arguments.slice, plugins=[PLUGIN])
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    data["stages"] = [_logged(entry, log, arguments.rounds) for entry in data["stages"]]
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path


def _logged(entry: dict[str, Any], log: Path, rounds: int) -> dict[str, Any]:
    use = entry["use"]
    if use not in LOGGED:
        return entry
    options = {**entry.get("with", {}), "log": str(log)}
    if use == "remove_subject":
        options["inpainter"] = {"kind": "patch", "rounds": rounds}
    return {**entry, "use": f"logged_{use}", "id": use, "with": options}


def called(log: Path) -> Counter[str]:
    """Records given to each model since it was asked last."""
    if not log.exists():
        return Counter()
    found = Counter(line.split()[0] for line in log.read_text(encoding="utf-8").splitlines())
    log.unlink()
    return found


if __name__ == "__main__":
    main()
