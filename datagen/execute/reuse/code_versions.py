"""Detect a change of code without a change of its version; `--code` decides what follows from it.

Module names are part of the hash: after modules were moved or renamed, every OUT reports once that code changed.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

from datagen.core.errors import StoreError
from datagen.core.stage import Stage
from datagen.execute.reuse.fingerprints import dependencies, models_of, stage_fingerprint
from datagen.execute.reuse.run_context import RunContext
from datagen.execute.reuse.source_code import FRAMEWORK, Module, SourceModules, Statement, Target, top
from datagen.models.base import ModelConfig
from datagen.pipeline.graph_model import Graph, Node
from datagen.storage.store import Store

CODE = "run/code.json"
Choice = Literal["", "rerun", "reuse"]

ROOTS = (
    *("datagen.models", "datagen.imaging", "datagen.scene_graphs", "datagen.worlds"),
    *("datagen.core.draws", "datagen.core.english", "datagen.core.spelling"),
)
"""Modules of the framework, with all below them, that decide answers of stages."""

# What else stages import from the framework carries data and decides no answer: `fetch` brings the bytes that an
# address names, `record`, `fields`, `options` and `errors` describe values, and `stage` hands records to a stage.
# A change there would count as a change of all stages at once.
STAGE_ROOTS = ("datagen.core.licenses",)
"""The same, but only where stages import them: models only look up there what their weights may be used for."""


class Settled(NamedTuple):
    """What is to be done about the code of a graph's stages."""

    context: RunContext
    codes: Mapping[str, str]
    """By node: the hash of its code, '' where there is no source to read."""
    notes: list[str]
    """What a person should know: a book that is damaged, stages whose results are used though their code changed."""
    book: CodeBook
    """As OUT should remember it once this run has begun."""


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

    def settled(self, graph: Graph, *, store: Store, choice: Choice) -> Settled:
        """What this book and `choice` say of the graph's stages, and the book after that."""
        salts: dict[str, str] = {}
        prints: dict[str, str] = {}
        notes: list[str] = []
        new = CodeBook(dict(self.codes), dict(self.salts))
        needs, codes = dependencies(graph), code_hashes(graph)
        for node in graph.nodes:
            hashed = partial(stage_fingerprint, node, graph=graph, upstream={id: prints[id] for id in needs[node.id]})
            code = codes[node.id]
            plain = hashed()
            salt = new.salts.get(plain)
            print = plain if salt is None else hashed(salt=salt)
            if code and new.codes.get(print, code) != code and choice == "rerun":
                salt = new.salts[plain] = code
                print = hashed(salt=salt)
            if code and (choice == "reuse" or print not in new.codes):
                new.codes[print] = code
            if new.codes.get(print, code) != code:
                notes.append(code_change_notice(node.id))
            if salt is not None:
                salts[node.id] = salt
            prints[node.id] = print
        context = RunContext.of(graph, store=store, salts=salts, stage_fingerprints=prints)
        return Settled(context, codes, notes, new)


def settle_code(graph: Graph, *, store: Store, choice: Choice = "") -> Settled:
    """The context of a run of `graph` into `store`, with salts for the stages whose code changed.

    '' and 'reuse' use earlier results again, 'reuse' for good; 'rerun' computes them anew. OUT remembers
    what was decided once the caller has written the book.
    """
    try:
        book, notes = CodeBook.read(store), []
    except StoreError as error:
        book, notes = CodeBook(), [str(error)]
    settled = book.settled(graph, store=store, choice=choice)
    return settled._replace(notes=[*notes, *settled.notes])


def code_change_notice(id: str) -> str:
    """What to say of a stage whose code changed."""
    return (
        f"stage '{id}': its code changed since its results were computed, its version did not; "
        "they are used again; --code rerun computes them anew"
    )


def code_hashes(graph: Graph) -> dict[str, str]:
    """The `code_hash` of each node, by its id; no file is parsed twice."""
    modules = source_modules()
    return {node.id: code_hash(node, modules=modules) for node in graph.nodes}


def code_hash(node: Node, *, modules: SourceModules | None = None) -> str:
    """A hash of all code that decides a stage's answers; see `code_parts`.

    Comments, docstrings and formatting are not in it. '' where there is no source to read.
    """
    parts = code_parts(node, modules=modules or source_modules())
    if node.stage.__module__ not in parts:
        return ""
    return hashlib.sha256(json.dumps(sorted(parts.items())).encode()).hexdigest()[:16]


def source_modules() -> SourceModules:
    """Sources as they are now, for `code_hash`."""
    return SourceModules(Target(ModelConfig.__module__, ModelConfig.__name__))


def code_parts(node: Node, *, modules: SourceModules) -> dict[str, list[str]]:
    """Hashes of the statements that decide a stage's answers, by module.

    These are the stage's module, the configs of its models with their bases, and all that these import: from
    `ROOTS`, and from the top-level package that the importing module belongs to. Of a module that is reached, all
    counts but the configs that are not used, aliases and unions of configs, and what only these use. So a role's
    implementations that no option names are not in it, whether beside their configs or imported by their `load`.
    """
    reached = _Reached(modules)
    for kind in node.stage.__mro__:
        if kind is node.stage or (issubclass(kind, Stage) and top(kind.__module__) != FRAMEWORK):
            reached.start(kind)
    for model in models_of(node):
        for kind in type(model).__mro__:
            if issubclass(kind, ModelConfig) and kind is not ModelConfig:
                reached.start(kind)
    return reached.parts()


class _Reached:
    """The statements that are reached from some classes."""

    def __init__(self, modules: SourceModules) -> None:
        self._modules = modules
        self._wanted: dict[str, set[str]] = defaultdict(set)
        """The names that are reached, by module; '' for the module itself."""
        self._waiting: set[str] = set()

    def start(self, kind: type) -> None:
        """Reach a class, whatever it is."""
        name = kind.__qualname__.partition(".")[0].partition("[")[0]
        self._want(Target(kind.__module__, name))

    def parts(self) -> dict[str, list[str]]:
        """Hashes of the statements, in their order, by module."""
        done: set[Statement] = set()
        found: dict[str, list[str]] = {}
        while self._waiting:
            module = self._modules.module(self._waiting.pop())
            if module is None:
                continue
            counted = self._counted(module)
            found[module.name] = [statement.digest for statement in module.statements if statement in counted]
            for statement in counted - done:
                done.add(statement)
                self._follow(module, statement)
        return found

    def _counted(self, module: Module) -> set[Statement]:
        """The statements of a module that count, as far as is known which names are reached."""
        wanted = self._wanted[module.name]
        offered = self._modules.configs_and_aliases(module)
        unused = {statement for statement, names in offered.items() if not names & wanted}
        beside = module.reached(unused)
        # A package imports what it offers: only what is asked for counts. Other modules import what they use.
        free = [one for one in module.statements if one not in beside and not (module.is_package and one.own)]
        named = [statement for name in wanted for statement in module.binding.get(name, ())]
        return module.reached([*free, *named], but=unused)

    def _follow(self, module: Module, statement: Statement) -> None:
        """Reach what a statement leads to; a config only if it is needed."""
        for target, needed in self._modules.edges(module, statement):
            if (needed or not self._modules.is_config(target)) and _decides(target.module, by=module.name):
                self._want(target)

    def _want(self, target: Target) -> None:
        if target.name not in self._wanted[target.module]:
            self._wanted[target.module].add(target.name)
            self._waiting.add(target.module)


def _decides(name: str, *, by: str) -> bool:
    """Whether a module that the module `by` imports may decide answers."""
    if top(name) != FRAMEWORK:
        return top(name) == top(by)
    if name == ModelConfig.__module__:
        return False  # what all configs share: it describes a model to the engine
    return _is_within(name, ROOTS) or (top(by) != FRAMEWORK and _is_within(name, STAGE_ROOTS))


def _is_within(name: str, roots: tuple[str, ...]) -> bool:
    return any(name == root or name.startswith(f"{root}.") for root in roots)
