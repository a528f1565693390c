"""The structure of the code: files a folder, import circles, names, lengths, comments, and the time to start.

    python benchmarks/structure.py [CHECKOUT ...] [--folders] [--times]

One column a checkout; this one if none is given. Source files are parsed and not imported, so that any commit can be
measured: `git worktree add /tmp/before COMMIT`. `--folders` adds every folder of datagen/, `--times` the seconds of
`check` and of `--help` over those of an interpreter that does nothing, as benchmarks/startup.py measures them, and the
same in processor time: medians of seven runs.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import startup

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import code_structure as cs  # noqa: E402

Rows = dict[str, str]
RUNS = 7


def rows_of(root: Path, *, folders: bool, times: bool) -> Rows:
    """The figures of a checkout, by name."""
    modules = cs.modules_of(root)
    if not modules:
        sys.exit(f"{root}: holds neither datagen/ nor stages/; name the folder of a checkout")
    ours = [module for module in modules.values() if module.file.startswith("datagen/")]
    stages = [module for module in modules.values() if module.file.startswith("stages/")]
    counts = cs.files_by_folder(ours)
    largest = next(iter(counts))
    private, once = cs.private_functions(modules.values())
    rows = {
        "Python files: datagen, stages": f"{len(ours)}, {len(stages)}",
        "files in the largest folder of datagen/": f"{counts[largest]} ({largest})",
        "files at the top of datagen/": str(counts["datagen"]),
        **({f"files in {name}": str(number) for name, number in sorted(counts.items())} if folders else {}),
        "import circles at module level": _circles(modules, lazy=False),
        "import circles, lazy imports included": _circles(modules, lazy=True),
        "class names that occur twice or more": str(len(cs.repeated_classes(modules.values()))),
        f"functions and classes named {', '.join(cs.VAGUE)}": str(len(cs.vague_names(modules.values()))),
        "the words told, tell, tells: datagen and stages": str(cs.told_words(modules.values())),
        "the same: tests and benchmarks": str(
            cs.told_words(cs.modules_of(root, packages=("tests", "benchmarks")).values())
        ),
        "private functions; used at one place": f"{private:,}; {once:,}",
    }
    for name, some in (("datagen", ours), ("stages", stages)):
        rows[f"lines a file, median / 90 % / max: {name}"] = _spread(cs.file_lengths(some))
        rows[f"lines a function, median / 90 % / max: {name}"] = _spread(cs.function_lengths(some))
        rows[f"comment lines per 100 lines; per 100 of code: {name}"] = _comments(some)
    return {**rows, **(_times(root) if times else {})}


def _circles(modules: dict[str, cs.Module], *, lazy: bool) -> str:
    found = cs.circles(cs.import_graph(modules, lazy=lazy))
    sizes = ", ".join(str(len(circle)) for circle in found)
    return f"{len(found)} (modules: {sizes})" if found else "0"


def _spread(values: Sequence[int]) -> str:
    if not values:
        return "none"
    return f"{statistics.median(values):g} / {values[int(0.9 * len(values))]} / {values[-1]}"


def _comments(modules: Iterable[cs.Module]) -> str:
    lines = cs.lines_of(modules)
    return f"{100 * lines.comments / max(lines.all, 1):.1f}; {100 * lines.comments / max(lines.code, 1):.1f}"


def _times(root: Path) -> Rows:
    """Whole processes in the checkout, in turn with an empty one, as the machine's speed varies."""
    os.chdir(root)
    os.environ["PYTHONPATH"] = str(root)
    empty = (sys.executable, "-c", "pass")
    rows = {}
    for words in (("--help",), ("check", startup.CONFIG)):
        command = (*startup.DATAGEN, *words)
        startup.seconds(command)  # writes the byte code, and warms the disk's cache
        pairs = [(_measured(command), _measured(empty)) for _ in range(RUNS)]
        for name, at in (("seconds", 0), ("seconds of processor", 1)):
            ours, theirs = (statistics.median(run[at] for run in runs) for runs in zip(*pairs, strict=True))
            rows[f"`{' '.join(words)}` over `python -c pass`, {name}"] = (
                f"{ours:.2f} / {theirs:.3f} = {ours / theirs:.1f}"
            )
    return rows


def _measured(command: Sequence[str]) -> tuple[float, float]:
    """Seconds of the clock and of processor that a command takes; only the second are steady on a busy machine."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = startup.seconds(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def table(columns: Sequence[tuple[str, Rows]]) -> str:
    """A Markdown table; a figure that one checkout lacks is left empty."""
    names = list(dict.fromkeys(name for _, rows in columns for name in rows))
    head = ["", *(title for title, _ in columns)]
    cells = [head, ["---"] * len(head), *([name, *(rows.get(name, "") for _, rows in columns)] for name in names)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="The structure of the code, as figures.")
    parser.add_argument("checkouts", nargs="*", type=Path, default=[ROOT], metavar="CHECKOUT")
    parser.add_argument("--folders", action="store_true", help="every folder of datagen/")
    parser.add_argument("--times", action="store_true", help="also time check and --help")
    given = parser.parse_args()
    roots = [path.resolve() for path in given.checkouts]
    print(table([(root.name, rows_of(root, folders=given.folders, times=given.times)) for root in roots]))


if __name__ == "__main__":
    main()
