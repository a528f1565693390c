"""Measures of the code's structure: folders, import circles, names, lengths, comments.

All of them read source files with `ast` and `tokenize`. Nothing of the project is imported, so that any checkout can be
measured. `test_structure.py` holds the limits, `benchmarks/structure.py` prints the figures.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

PACKAGES = ("datagen", "stages")
VAGUE = ("asked", "heard", "kept", "lent", "said", "spent", "standing", "tell", "told")
"""Names that no function and no class has, with or without leading underscores, in any case of letters."""

_DIRECTIVE = re.compile(r"#\s*(noqa|type:|fmt:|pragma|ruff:|isort:)")
_TELLING = re.compile(r"\b(told|tells?)\b", re.IGNORECASE)

Graph = Mapping[str, Mapping[str, int]]
"""Modules, the modules that each imports, and the line of the import."""


class Module(NamedTuple):
    """A source file."""

    name: str
    """As it is imported; of an `__init__.py`, the package's name."""
    file: str
    """Relative to the checkout, with slashes."""
    text: str
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        """Whether it is an `__init__.py`."""
        return self.file.endswith("/__init__.py")


class Named(NamedTuple):
    """Where a function or class is defined."""

    name: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.name}"


def modules_of(root: Path, *, packages: Iterable[str] = PACKAGES) -> dict[str, Module]:
    """All modules below the packages' folders, by name. A package that is not there has none."""
    found = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            file = path.relative_to(root)
            steps = file.parent.parts if file.name == "__init__.py" else file.with_suffix("").parts
            text = path.read_text(encoding="utf-8")
            module = Module(".".join(steps), file.as_posix(), text, ast.parse(text, str(path)))
            found[module.name] = module
    return found


def files_by_folder(modules: Iterable[Module]) -> dict[str, int]:
    """How many Python files lie in each folder, `__init__.py` included, folders inside it not; most first."""
    counts = Counter(module.file.rpartition("/")[0] for module in modules)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def import_graph(modules: Mapping[str, Module], *, lazy: bool) -> dict[str, dict[str, int]]:
    """Which of these modules each module runs when it is imported; with `lazy`, also when its functions are called.

    Imports under `if TYPE_CHECKING:` are left out. An import of `a.b.c` also runs the packages `a` and `a.b`. A module
    inside `a.b` does not depend on these by that alone, since they run before it in any case: it does if it imports
    a name out of them.
    """
    graph: dict[str, dict[str, int]] = {}
    for module in modules.values():
        edges = graph[module.name] = {}
        for statement in _imports(module.tree, lazy=lazy):
            for target in _targets(statement, module, known=modules):
                edges.setdefault(target, statement.lineno)
    return graph


def _imports(node: ast.AST, *, lazy: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    children: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not lazy:
        return
    elif isinstance(node, ast.If) and _is_type_checking(node.test):
        children = node.orelse
    elif isinstance(node, ast.If) and isinstance(node.test, ast.UnaryOp) and _is_type_checking(node.test.operand):
        children = node.body
    for child in children:
        yield from _imports(child, lazy=lazy)


def _is_type_checking(test: ast.expr) -> bool:
    return (test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")) == "TYPE_CHECKING"


def _targets(statement: ast.Import | ast.ImportFrom, module: Module, *, known: Mapping[str, Module]) -> set[str]:
    """The known modules that a statement runs, but for the packages around `module` that it takes no name from."""
    if isinstance(statement, ast.Import):
        meant = {alias.name for alias in statement.names}
    else:
        base = _base(statement, module)
        meant = {name if (name := f"{base}.{alias.name}") in known else base for alias in statement.names}
    around = {module.name, *_parents(module.name)}
    implied = {parent for name in meant for parent in _parents(name)} - around
    return {name for name in meant | implied if name in known and name != module.name}


def _base(statement: ast.ImportFrom, module: Module) -> str:
    """The absolute name of what a statement imports from."""
    if not statement.level:
        return statement.module or ""
    steps = module.name.split(".") if module.is_package else module.name.split(".")[:-1]
    steps = steps[: len(steps) - statement.level + 1]
    return ".".join([*steps, *([statement.module] if statement.module else [])])


def _parents(name: str) -> list[str]:
    steps = name.split(".")
    return [".".join(steps[:depth]) for depth in range(1, len(steps))]


def circles(graph: Graph) -> list[tuple[str, ...]]:
    """The strongly connected components of more than one module, largest first, each sorted by name."""
    backward: dict[str, list[str]] = {name: [] for name in graph}
    for name, targets in graph.items():
        for target in targets:
            backward[target].append(name)
    done: set[str] = set()
    order = [name for start in graph for name in _postorder(start, of=graph.__getitem__, done=done)]
    done = set()
    parts = [_postorder(name, of=backward.__getitem__, done=done) for name in reversed(order)]
    return sorted((tuple(sorted(part)) for part in parts if len(part) > 1), key=lambda part: (-len(part), part))


def _postorder(start: str, *, of: Callable[[str], Iterable[str]], done: set[str]) -> list[str]:
    """What is reached from `start` and is not done yet, each after all that is reached from it; marks it as done."""
    if start in done:
        return []
    done.add(start)
    found, stack = [], [(start, iter(of(start)))]
    while stack:  # no recursion: a chain of imports may be longer than Python's stack
        name, targets = stack[-1]
        following = next((target for target in targets if target not in done), None)
        if following is None:
            found.append(name)
            stack.pop()
        else:
            done.add(following)
            stack.append((following, iter(of(following))))
    return found


def shortest_circle(graph: Graph, part: Iterable[str]) -> list[str]:
    """A shortest way from a module of a strongly connected component back to itself: its first module, twice."""
    inside = set(part)
    ways = (_way_back(start, graph=graph, inside=inside) for start in sorted(inside))
    return min(ways, key=len)


def _way_back(start: str, *, graph: Graph, inside: set[str]) -> list[str]:
    waiting = deque([[start]])
    reached: set[str] = set()
    while waiting:
        way = waiting.popleft()
        for target in sorted(inside.intersection(graph[way[-1]]) - reached):
            if target == start:
                return [*way, start]
            reached.add(target)
            waiting.append([*way, target])
    raise ValueError(f"{start} is in no circle of these modules")


def classes_of(modules: Iterable[Module]) -> dict[str, list[Named]]:
    """Where each class name is defined, but for `Config` inside a class: every stage has one."""
    found: dict[str, list[Named]] = {}
    for module in modules:
        nested = {
            id(child)
            for node in ast.walk(module.tree)
            if isinstance(node, ast.ClassDef)
            for child in node.body
            if isinstance(child, ast.ClassDef) and child.name == "Config"
        }
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and id(node) not in nested:
                found.setdefault(node.name, []).append(Named(node.name, module.file, node.lineno))
    return found


def repeated_classes(modules: Iterable[Module]) -> dict[str, list[Named]]:
    """The class names that are defined more than once, and where."""
    return {name: places for name, places in sorted(classes_of(modules).items()) if len(places) > 1}


def vague_names(modules: Iterable[Module], *, variables: bool = False, names: Iterable[str] = VAGUE) -> list[Named]:
    """Functions, methods and classes with one of these names; with `variables` also variables, parameters and fields."""
    wanted = set(names)
    return [
        Named(name, module.file, getattr(node, "lineno", 0))
        for module in modules
        for node in ast.walk(module.tree)
        if (name := _defined_name(node, variables=variables)) and name.lstrip("_").lower() in wanted
    ]


def _defined_name(node: Any, *, variables: bool) -> str:
    """The name that a node of a syntax tree defines; '' if it defines none."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return node.name
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.Attribute(attr=name, ctx=ast.Store()):
            return name if variables else ""
    return ""


def told_words(modules: Iterable[Module]) -> int:
    """How often the words told, tell and tells stand in the source text, in code and in prose."""
    return sum(len(_TELLING.findall(module.text)) for module in modules)


def functions_of(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions and methods of a module, nested ones too."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def function_lengths(modules: Iterable[Module]) -> list[int]:
    """Lines of each function, from `def` to its end, shortest first."""
    return sorted(
        (node.end_lineno or node.lineno) - node.lineno + 1 for module in modules for node in functions_of(module)
    )


def file_lengths(modules: Iterable[Module]) -> list[int]:
    """Lines of each file that is not empty, shortest first."""
    return sorted(length for module in modules if (length := len(module.text.splitlines())))


def private_functions(modules: Iterable[Module]) -> tuple[int, int]:
    """How many functions and methods begin with one underscore, and how many of them are used at one place.

    A use is any mention of the name in the same file: a call, or the function itself handed on. Methods of two classes
    in one file that have the same name share their uses.
    """
    number = once = 0
    for module in modules:
        uses = Counter(
            node.id if isinstance(node, ast.Name) else node.attr
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Name | ast.Attribute)
        )
        for node in functions_of(module):
            if node.name.startswith("_") and not node.name.startswith("__"):
                number += 1
                once += uses[node.name] == 1
    return number, once


class Lines(NamedTuple):
    """Lines of source files."""

    all: int
    code: int
    """Neither blank, nor of a docstring, nor of a comment alone."""
    comments: int
    """Lines with a comment for readers, alone or behind code; `noqa` and the like are none."""

    def __add__(self, other: object) -> Lines:
        return Lines(*map(sum, zip(self, other, strict=True))) if isinstance(other, Lines) else NotImplemented


def lines_of(modules: Iterable[Module]) -> Lines:
    """All lines, lines of code, and lines with comments."""
    return sum((_lines_of(module) for module in modules), start=Lines(0, 0, 0))


def _lines_of(module: Module) -> Lines:
    lines = module.text.splitlines()
    tokens = tokenize.generate_tokens(io.StringIO(module.text).readline)
    notes = [token for token in tokens if token.type == tokenize.COMMENT]
    no_code = {token.start[0] for token in notes if not token.line[: token.start[1]].strip()}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            no_code.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    code = sum(number not in no_code and bool(line.strip()) for number, line in enumerate(lines, 1))
    return Lines(len(lines), code, sum(not _DIRECTIVE.match(token.string) for token in notes))
