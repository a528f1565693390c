"""The rings of tests (`--ring check`, `test`, `all`): which tests run, how many examples, and a guard of the markers.

`check` leaves out what is marked as needing Ray, torch, S3, a browser or another process, and fails a test
that needs one of them without its marker. `test` leaves out what is marked `full`. `all`, the default, runs
everything with all examples.
"""

from __future__ import annotations

import ast
import json
import math
import platform
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings

RINGS: Final = {
    "check": frozenset({"ray", "torch", "s3", "browser", "subprocess", "full"}),
    "test": frozenset({"full"}),
    "all": frozenset[str](),
}
"""The markers whose tests each ring leaves out."""
PROFILES: Final = {"check": "push", "test": "push", "all": "full"}
PACKAGES: Final = {
    "ray": "ray",
    "torch": "torch",
    "moto": "s3",
    "playwright": "browser",
    "multiprocessing.popen_fork": "subprocess",
    "multiprocessing.popen_forkserver": "subprocess",
    "multiprocessing.popen_spawn_posix": "subprocess",
}
"""What may be imported only under a marker; multiprocessing imports one of its own as a process starts."""
WATCHED: Final = frozenset(
    {"import", "subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.exec", "os.system"}
)
"""Audit events of an import and of a process that starts."""
SECONDS: Final = Path(__file__).with_name("seconds.json")
"""How long each module took when it last ran with `--note-seconds`; only the order of modules depends on it."""
UNKNOWN_SECONDS: Final = 10.0
_USUAL_EXAMPLES: Final = 100

settings.register_profile("full", max_examples=_USUAL_EXAMPLES)
settings.register_profile("push", max_examples=_USUAL_EXAMPLES // 4)


def example_count(number: int) -> int:
    """Of a test's `number` of Hypothesis examples (at least 1), as many as the profile in use runs: at least 1."""
    return max(1, math.ceil(number * settings.default.max_examples / _USUAL_EXAMPLES))


class MarkerMissingError(Exception):
    """A test of the ring `check` needs what only tests with a marker may need."""


class Guard:
    """Refuses imports and processes that need a marker, while a test without that marker runs."""

    def __init__(self) -> None:
        self._subject = ""
        self._offences: dict[str, str] = {}
        sys.addaudithook(self._audit)

    @contextmanager
    def watching(self, subject: str) -> Iterator[None]:
        """Fail by the name of `subject`, also where the code under test caught the refusal."""
        self._subject, self._offences = subject, {}
        failure: BaseException | None = None
        try:
            yield
        except BaseException as error:
            failure = error
        self._subject = ""
        if self._offences:
            raise pytest.fail.Exception("\n".join(self._offences.values()), pytrace=False) from None
        if failure:
            raise failure

    def _audit(self, event: str, values: tuple[Any, ...]) -> None:
        if event not in WATCHED or not self._subject:  # the hook is called for every file that is opened, and more
            return
        if event == "import":
            name = str(values[0])
            package = name if name.startswith("multiprocessing.popen_") else name.partition(".")[0]
            marker, what = PACKAGES.get(package), f"imports {package}"
        else:
            marker, what = "subprocess", f"starts a process ({event}{values[:1]})"
        if marker:
            text = f"{self._subject} {what}: mark it with pytest.mark.{marker}"
            self._offences[marker] = text
            raise MarkerMissingError(text)


GUARD_KEY: Final = pytest.StashKey[Guard]()


def module_markers(text: str) -> set[str]:
    """The markers that a module's source puts on all of its tests by `pytestmark`."""
    for node in ast.parse(text).body if "pytestmark" in text else ():
        if isinstance(node, ast.Assign) and any(ast.unparse(target) == "pytestmark" for target in node.targets):
            marks = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
            found = {ast.unparse(mark).removeprefix("pytest.mark.").partition("(")[0] for mark in marks}
            return found & RINGS["check"]
    return set()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--ring", choices=list(RINGS), default="all", help="which tests to run (default: all)")
    parser.addoption("--note-seconds", action="store_true", help=f"keep each module's seconds in {SECONDS.name}")


def pytest_configure(config: pytest.Config) -> None:
    ring = config.getoption("--ring")
    if not config.getoption("--hypothesis-profile", None):
        settings.load_profile(PROFILES[ring])
    if ring == "check":
        platform.processor()  # openai asks for it, and Python then runs `uname`: once, here, before any test
        config.stash[GUARD_KEY] = Guard()
    if config.getoption("--note-seconds") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(SecondsWriter(config.rootpath))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Never import a module that the ring leaves out as a whole: it may import torch or Ray at its top."""
    if collection_path.suffix != ".py" or not collection_path.name.startswith("test_"):
        return None
    left_out = RINGS[config.getoption("--ring")]
    return True if left_out and module_markers(collection_path.read_text("utf-8")) & left_out else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = RINGS[config.getoption("--ring")]
    dropped = [item for item in items if left_out.intersection(mark.name for mark in item.iter_markers())]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in set(dropped)]
    if hasattr(config, "workerinput"):  # pytest-xdist hands modules out in this order: the longest first
        seconds = _known_seconds()
        items.sort(key=lambda item: -seconds.get(item.nodeid.partition("::")[0], UNKNOWN_SECONDS))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    guard = collector.config.stash.get(GUARD_KEY, None)
    if guard is None or not isinstance(collector, pytest.Module):
        return (yield)
    try:
        with guard.watching(f"{collector.nodeid}, as a module,"):
            return (yield)
    except pytest.fail.Exception as failure:
        return pytest.CollectReport(collector.nodeid, "failed", str(failure), [])


def _guarded(item: pytest.Item) -> Generator[None, Any, Any]:
    guard = item.config.stash.get(GUARD_KEY, None)
    if guard is None:
        return (yield)
    with guard.watching(item.nodeid):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    return (yield from _guarded(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    return (yield from _guarded(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    return (yield from _guarded(item))


def _known_seconds() -> dict[str, float]:
    return dict(json.loads(SECONDS.read_text("utf-8"))) if SECONDS.exists() else {}


class SecondsWriter:
    """Adds up what the tests of each module took, and brings `seconds.json` up to date at the end."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid.partition("::")[0]] += report.duration  # type: ignore[assignment]

    def pytest_sessionfinish(self) -> None:
        known = _known_seconds()
        found = {module: round(seconds, 1) for module, seconds in self._seconds.items()}
        there = {module: seconds for module, seconds in (known | found).items() if (self._root / module).exists()}
        SECONDS.write_text(json.dumps(there, indent=1, sort_keys=True) + "\n", "utf-8")
