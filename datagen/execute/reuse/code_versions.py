"""Code that changed though its version did not: noticed by a hash of it, settled by `--code`."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any, Literal, NamedTuple

from datagen.core.errors import StoreError
from datagen.execute.reuse.fingerprints import models_of, stage_fingerprints
from datagen.models.base import ModelConfig
from datagen.pipeline.graph_model import Graph, Node
from datagen.storage.store import Store

CODE = "run/code.json"
Choice = Literal["", "rerun", "reuse"]


class Settled(NamedTuple):
    """What is to be done about the code of a graph's stages."""

    salts: dict[str, str]
    """By node: what sets its answers apart from those of its older code."""
    changed: list[str]
    """Nodes whose results are used again though their code changed since."""
    book: CodeBook


@dataclass
class CodeBook:
    """Which code each stage's results were computed with, as OUT remembers it."""

    codes: dict[str, str] = field(default_factory=dict)
    """The code's hash, by the stage's fingerprint."""
    salts: dict[str, str] = field(default_factory=dict)
    """By the fingerprint that a stage would have without its salt."""

    @classmethod
    def read(cls, store: Store) -> CodeBook:
        """OUT's book, an empty one if there is none. Raises `StoreError` if it is damaged."""
        if not store.exists(CODE):
            return cls()
        try:
            found = json.loads(store.read(CODE))
            book = cls(codes=found["codes"], salts=found["salts"])
            if all(isinstance(text, str) for part in (book.codes, book.salts) for text in part.values()):
                return book
            raise TypeError("a hash is no text")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StoreError(f"{store.address}/{CODE} is damaged: {error}; it counts as not there") from error

    def write(self, store: Store) -> None:
        """Keep the book in OUT."""
        store.write(CODE, json.dumps({"codes": self.codes, "salts": self.salts}, indent=1, sort_keys=True).encode())

    def settled(self, graph: Graph, *, choice: Choice) -> Settled:
        """What this book and `choice` say of the graph's stages, and the book after that."""
        salts: dict[str, str] = {}
        changed: list[str] = []
        new = CodeBook(dict(self.codes), dict(self.salts))
        for node in graph.nodes:
            code = code_hash(node)
            plain = stage_fingerprints(graph, salts=salts)[node.id]
            if plain in new.salts:
                salts[node.id] = new.salts[plain]
            print = stage_fingerprints(graph, salts=salts)[node.id]
            if code and new.codes.get(print, code) != code and choice == "rerun":
                salts[node.id] = new.salts[plain] = code
                print = stage_fingerprints(graph, salts=salts)[node.id]
            if code and (choice == "reuse" or print not in new.codes):
                new.codes[print] = code
            if new.codes.get(print, code) != code:
                changed.append(node.id)
        return Settled(salts, changed, new)


def settle_code(graph: Graph, store: Store, *, choice: Choice, say: Callable[[str], None]) -> Mapping[str, str]:
    """Salts for the stages whose code changed, by node, after what `choice` says.

    '' and 'reuse' use earlier results again, 'reuse' for good; 'rerun' computes them anew. What was
    decided is remembered in OUT.
    """
    try:
        book = CodeBook.read(store)
    except StoreError as error:
        say(str(error))
        book = CodeBook()
    settled = book.settled(graph, choice=choice)
    for id in settled.changed:
        say(told_of(id))
    settled.book.write(store)
    return settled.salts


def told_of(id: str) -> str:
    """What to say of a stage whose code changed."""
    return (
        f"stage '{id}': its code changed since its results were computed, its version did not; "
        "they are used again; --code rerun computes them anew"
    )


def code_hash(node: Node) -> str:
    """A hash of a stage's module, of its models, and of what these import from their own packages.

    Comments, docstrings and formatting are not in it. '' where there is no source to read.
    """
    names = [node.stage.__module__, *(name for model in models_of(node) for name in _implementations(type(model)))]
    parts = dict(_with_helpers(names))
    if node.stage.__module__ not in parts:
        return ""
    told = [[name, _plain(parts[name])] for name in sorted(parts)]
    configs = sorted({type(model) for model in models_of(node)}, key=lambda kind: kind.__qualname__)
    told += [[kind.__qualname__, _plain(tree) if (tree := _class_tree(kind)) else ""] for kind in configs]
    return hashlib.sha256(json.dumps(told).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _implementations(kind: type[ModelConfig]) -> list[str]:
    """The modules of its own package that a model's config imports where it loads the model."""
    tree = _class_tree(kind)
    package = kind.__module__.rpartition(".")[0]
    return [] if tree is None else [name for name in _imported(tree, package) if _is_within(name, package)]


def _with_helpers(names: Iterable[str]) -> Iterator[tuple[str, ast.Module]]:
    """The modules of these names and all that they import from the packages they lie in.

    Where a module declares models, it is not followed: only the config that is used counts.
    """
    waiting, seen = list(names), set(names)
    while waiting:
        name = waiting.pop()
        tree = _module_tree(name)
        if tree is None or (_declares_models(tree) and name not in names):
            continue
        yield name, tree
        package = name.rpartition(".")[0]
        for other in _imported(tree, package):
            if _is_within(other, package) and other not in seen:
                seen.add(other)
                waiting.append(other)


def _is_within(name: str, package: str) -> bool:
    return bool(package) and name.startswith(f"{package}.")


def _imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Names that may be modules: of `from a import b`, both `a` and `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _declares_models(tree: ast.Module) -> bool:
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return any(isinstance(base, ast.Name) and base.id == "ModelConfig" for node in classes for base in node.bases)


def _module_tree(name: str) -> ast.Module | None:
    """A module's syntax tree, read without running it; None if it is no module, or has no source here."""
    try:
        spec = _spec(name)
        source = spec.loader.get_source(name) if spec and isinstance(spec.loader, InspectLoader) else None
        return ast.parse(source) if source is not None else None
    except (ImportError, ValueError, AttributeError, SyntaxError, OSError):
        return None


def _spec(name: str) -> ModuleSpec | None:
    """Where a module lies; unlike `find_spec` of importlib, this imports no module above it."""
    above, _, _ = name.rpartition(".")
    if not above:
        return importlib.util.find_spec(name)
    package = _spec(above)
    places = package.submodule_search_locations if package else None
    return PathFinder.find_spec(name, list(places)) if places else None


def _class_tree(kind: type) -> ast.ClassDef | None:
    tree = _module_tree(kind.__module__)
    return next((node for node in ast.walk(tree or ast.Module([], [])) if _is_class(node, kind)), None)  # type: ignore[return-value]


def _is_class(node: ast.AST, kind: type) -> bool:
    return isinstance(node, ast.ClassDef) and node.name == kind.__name__


def _plain(tree: Any) -> Any:
    """A syntax tree as lists, without places and without texts that stand alone, as docstrings do."""
    if isinstance(tree, list):
        return [_plain(item) for item in tree if not _is_docstring(item)]
    if not isinstance(tree, ast.AST):
        return repr(tree)
    fields = [[name, _plain(value)] for name, value in ast.iter_fields(tree) if value is not None and value != []]
    return [type(tree).__name__, *(part for part in fields if part[1] != [])]


def _is_docstring(item: Any) -> bool:
    return isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant) and isinstance(item.value.value, str)
