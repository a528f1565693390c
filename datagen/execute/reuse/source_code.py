"""Python modules read as source, without running them: what they define, what that uses, and where names lead."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from functools import cached_property, lru_cache
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any, NamedTuple

FRAMEWORK = "datagen"

_PARSING = threading.Lock()

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_IMPORTS = (ast.Import, ast.ImportFrom)

Chain = tuple[str, ...]
"""A name and its attributes: `np.linalg.norm` is `("np", "linalg", "norm")`."""


class Use(NamedTuple):
    """A name that a statement uses."""

    chain: Chain
    needed: bool
    """It is a base class, or is called, but for defaults of options."""


class Import(NamedTuple):
    """One name of an import statement."""

    local: str
    """The name it binds; `*` for all names of the module."""
    module: str
    """The module, absolute."""
    name: str = ""
    """The name inside the module; '' for the module itself."""
    loads: str = ""
    """Of `import a.b.c`, which binds `a`: `a.b.c`."""


class Target(NamedTuple):
    """Where a name is defined."""

    module: str
    name: str
    """'' for the module itself."""


class Edge(NamedTuple):
    """Where a statement leads."""

    target: Target
    needed: bool
    """As of `Use`."""


class Statement:
    """One statement of a module's top level, or one name of an import there."""

    def __init__(self, tree: ast.stmt, package: str, own: Import | None = None) -> None:
        self.tree = tree
        self.own = own
        """The import that it is; None of other statements."""
        self._package = package
        self.binds = frozenset({own.local} if own else _bound(tree, package))
        """The names of the module that it defines."""

    @cached_property
    def _parts(self) -> list[Use | Import]:
        return [] if self.own else _uses(self.tree, package=self._package)

    @cached_property
    def inner(self) -> tuple[Import, ...]:
        """Imports inside it, as in a function that imports when it is called."""
        return tuple(part for part in self._parts if isinstance(part, Import))

    @cached_property
    def uses(self) -> frozenset[Use]:
        """The names that it uses; those of local variables are among them."""
        return frozenset(part for part in self._parts if isinstance(part, Use))

    @cached_property
    def digest(self) -> str:
        """A hash of it without comments, docstrings and formatting; of an import, of what it imports."""
        text = json.dumps(self.own or _plain(self.tree))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Module:
    """The top level of a module, without docstrings and `__all__`."""

    def __init__(self, tree: ast.Module, *, name: str, is_package: bool) -> None:
        self.name = name
        self.is_package = is_package
        self.statements = list(_statements(tree.body, name if is_package else name.rpartition(".")[0]))
        self.binding: dict[str, list[Statement]] = defaultdict(list)
        """The statements that define a name, by the name."""
        for statement in self.statements:
            for bound in statement.binds:
                self.binding[bound].append(statement)
        self._used: dict[Statement, set[Statement]] = {}

    def reached(self, statements: Iterable[Statement], *, but: Set[Statement] = frozenset()) -> set[Statement]:
        """These statements and those of the module that they use, directly or not; never those of `but`."""
        found = set(statements) - but
        waiting = list(found)
        while waiting:
            new = self._used_by(waiting.pop()) - found - but
            found |= new
            waiting += new
        return found

    def _used_by(self, statement: Statement) -> set[Statement]:
        if statement not in self._used:
            names = {use.chain[0] for use in statement.uses} & self.binding.keys()
            self._used[statement] = {used for name in names for used in self.binding[name]}
        return self._used[statement]


@lru_cache(maxsize=512)
def parse_module(source: str, *, name: str, is_package: bool) -> Module:
    """The module of this source text. Raises `SyntaxError` and `ValueError` as `ast.parse` does.

    Modules are cached by their text, since a process may hash the same code several times: `plan` and `run`, or many
    runs one after another.
    """
    # CPython 3.11 counts the depth of the tree per interpreter, not per thread: of two threads that parse at once, one
    # may fail with "AST constructor recursion depth mismatch".
    with _PARSING:
        return Module(ast.parse(source), name=name, is_package=is_package)


class SourceModules:
    """Modules by name, each read once. Make a new one when a source may have changed.

    `base` is the class that all model configs derive from. Names are followed into the framework and inside the
    top-level package of the module that imports them, never into other packages.
    """

    def __init__(self, base: Target) -> None:
        self._modules: dict[str, Module | None] = {}
        self._specs: dict[str, ModuleSpec | None] = {}
        self._targets: dict[tuple[str, Chain], list[Target]] = {}
        self._offered: dict[str, dict[Statement, set[str]]] = {}
        self._edges: dict[Statement, frozenset[Edge]] = {}
        self._configs: dict[Target, bool] = {base: True}
        self._config_aliases: dict[Target, bool] = {}

    def module(self, name: str) -> Module | None:
        """The module of this name; None if there is none, or no source of it here."""
        if name not in self._modules:
            self._modules[name] = self._read(name)
        return self._modules[name]

    def _read(self, name: str) -> Module | None:
        spec = self._spec(name)
        try:
            source = spec.loader.get_source(name) if spec and isinstance(spec.loader, InspectLoader) else None
            is_package = spec is not None and spec.submodule_search_locations is not None
            return parse_module(source, name=name, is_package=is_package) if source is not None else None
        except (ImportError, ValueError, AttributeError, SyntaxError, OSError):
            return None

    def _spec(self, name: str) -> ModuleSpec | None:
        """Where a module lies; unlike `find_spec` of importlib, this imports no package above it."""
        if name not in self._specs:
            try:
                self._specs[name] = self._found(name)
            except (ImportError, ValueError, AttributeError):
                self._specs[name] = None
        return self._specs[name]

    def _found(self, name: str) -> ModuleSpec | None:
        above = name.rpartition(".")[0]
        if not above:
            return importlib.util.find_spec(name)
        package = self._spec(above)
        places = package.submodule_search_locations if package else None
        return PathFinder.find_spec(name, list(places)) if places else None

    def edges(self, module: Module, statement: Statement) -> frozenset[Edge]:
        """Where what a statement of the module imports and uses is defined. Aliases of configs are left out."""
        if statement not in self._edges:
            imports = [statement.own] if statement.own else statement.inner
            found = {Edge(target, False) for item in imports for target in self.imported(item, by=module)}
            for use in statement.uses:
                found.update(Edge(target, use.needed) for target in self.targets(module, statement, use.chain))
            aliased = [
                Edge(other, True)
                for target, needed in found
                if needed and self.is_config_alias(target)
                for other in self.alias_of(target)
            ]
            self._edges[statement] = frozenset(
                edge for edge in (*found, *aliased) if not self.is_config_alias(edge.target)
            )
        return self._edges[statement]

    def targets(self, module: Module, statement: Statement, chain: Chain) -> list[Target]:
        """Where a name that a statement of the module uses is defined; [] for builtins and other packages."""
        inner = [item for item in statement.inner if item.local == chain[0]]
        found = [target for item in inner for target in self.imported(item, by=module, rest=chain[1:])]
        if chain[0] in module.binding:
            return found + self._at(module.name, chain)
        return found or self._by_star(module, chain)

    def imported(self, item: Import, *, by: Module, rest: Chain = ()) -> list[Target]:
        """Where the name that an import of the module `by` binds is defined, or the attribute `rest` of it."""
        if top(item.module) not in (FRAMEWORK, top(by.name)):
            return []
        if item.loads and not rest:
            return self._at(item.loads, ())
        return self._at(item.module, (item.name, *rest) if item.name and item.name != "*" else rest)

    def _at(self, name: str, chain: Chain) -> list[Target]:
        key = (name, chain)
        if key not in self._targets:
            self._targets[key] = []  # imports in a circle end here
            self._targets[key] = self._looked_up(name, chain)
        return self._targets[key]

    def _looked_up(self, name: str, chain: Chain) -> list[Target]:
        module = self.module(name)
        if module and chain and chain[0] in module.binding:
            statements = module.binding[chain[0]]
            imports = [statement.own for statement in statements if statement.own]
            own = [Target(name, chain[0])] if len(imports) < len(statements) else []
            return own + [target for item in imports for target in self.imported(item, by=module, rest=chain[1:])]
        below = f"{name}.{chain[0]}" if chain else ""
        if below and self._spec(below):
            return self._at(below, chain[1:])
        if module is None:
            return []
        # A name that the source does not show, as one made by `__getattr__`, may come from anywhere in the module.
        return (self._by_star(module, chain) if chain else []) or [Target(name, "")]

    def _by_star(self, module: Module, chain: Chain) -> list[Target]:
        """Where a name is defined that `from x import *` brings into the module."""
        items = [statement.own for statement in module.binding.get("*", ()) if statement.own]
        given = [target.module for item in items for target in self.imported(item, by=module)]
        return [target for name in given for target in self._at(name, chain) if target.name]

    def configs_and_aliases(self, module: Module) -> dict[Statement, set[str]]:
        """The model configs of a module, each with its name, and the aliases of configs, which have none here."""
        if module.name not in self._offered:
            found: dict[Statement, set[str]] = {}
            for statement in module.statements:
                targets = [] if statement.own else [Target(module.name, name) for name in statement.binds]
                configs = {target.name for target in targets if self.is_config(target)}
                if configs or any(self.is_config_alias(target) for target in targets):
                    found[statement] = configs
            self._offered[module.name] = found
        return self._offered[module.name]

    def is_config(self, target: Target) -> bool:
        """Whether it is a class that derives from the base of all model configs."""
        if target not in self._configs:
            self._configs[target] = False
            self._configs[target] = any(self.is_config(base) for base in self._bases(target))
        return self._configs[target]

    def _bases(self, target: Target) -> Iterator[Target]:
        """The base classes of a class, also by their own name where an alias names them."""
        for module, statement in self._definitions(target):
            for base in statement.tree.bases if isinstance(statement.tree, ast.ClassDef) else ():
                for chain in _chains(base):
                    for found in self.targets(module, statement, chain):
                        yield from (found, *self.alias_of(found))

    def is_config_alias(self, target: Target) -> bool:
        """Whether it is an alias of model configs, such as the union of those that a role has."""
        if target not in self._config_aliases:
            self._config_aliases[target] = False
            self._config_aliases[target] = any(
                self.is_config(other) or self.is_config_alias(other)
                for module, statement in self._definitions(target)
                for chain in _chains(_aliased(statement.tree))
                for other in self.targets(module, statement, chain)
            )
        return self._config_aliases[target]

    def alias_of(self, target: Target) -> list[Target]:
        """What it is another name of, as `b` is after `b = a`; [] if it is none."""
        return [
            other
            for module, statement in self._definitions(target)
            if (chain := _chain(_aliased(statement.tree)))
            for other in self.targets(module, statement, chain)
        ]

    def _definitions(self, target: Target) -> list[tuple[Module, Statement]]:
        module = self.module(target.module)
        return [(module, statement) for statement in module.binding.get(target.name, ())] if module else []


def top(name: str) -> str:
    """The top-level package of a module."""
    return name.partition(".")[0]


def _statements(body: list[ast.stmt], package: str) -> Iterator[Statement]:
    for tree in body:
        if _has_only_imports(tree):
            yield from (Statement(tree, package, item) for item in _imports(tree, package))
        elif not _is_docstring(tree):
            statement = Statement(tree, package)
            if statement.binds != {"__all__"}:
                yield statement


def _has_only_imports(tree: ast.stmt) -> bool:
    """Whether it imports and does nothing else, under `if TYPE_CHECKING` or in `try` too."""
    kinds = (ast.Import, ast.ImportFrom, ast.If, ast.Try, ast.Pass)
    return isinstance(tree, kinds) and all(
        isinstance(node, kinds) for node in ast.walk(tree) if isinstance(node, ast.stmt)
    )


def _bound(tree: ast.stmt, package: str) -> set[str]:
    """The names that a statement defines, those of its blocks too."""
    kinds = (*_FUNCTIONS, ast.ClassDef)
    if isinstance(tree, kinds):
        return {tree.name}
    nodes = list(ast.walk(tree))
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    names |= {node.name for node in nodes if isinstance(node, kinds)}
    return names | {item.local for item in _imports(tree, package)}


def _imports(tree: ast.stmt, package: str) -> Iterator[Import]:
    """What a statement imports, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, _IMPORTS):
            yield from _imported(node, package)


def _imported(tree: ast.Import | ast.ImportFrom, package: str) -> Iterator[Import]:
    if isinstance(tree, ast.Import):
        for alias in tree.names:
            if alias.asname:
                yield Import(alias.asname, alias.name)
            else:
                yield Import(top(alias.name), top(alias.name), loads=alias.name)
        return
    above = package.split(".")[: len(package.split(".")) - tree.level + 1] if tree.level else []
    module = ".".join([*above, *([tree.module] if tree.module else [])])
    yield from (Import(alias.asname or alias.name, module, alias.name) for alias in tree.names)


def _uses(tree: ast.AST, *, package: str) -> list[Use | Import]:
    """The names used and imported in a statement.

    What the default of an option calls is not `needed`: it counts where a config takes the default. Nor is what a
    statement of its own calls, such as `SamConfig.model_rebuild()`.
    """
    found: list[Use | Import] = []
    waiting: list[tuple[ast.AST, bool]] = [(tree, not isinstance(tree, ast.Expr))]
    while waiting:
        tree, runs = waiting.pop()
        if isinstance(tree, _IMPORTS):
            found += _imported(tree, package)
        elif chain := _chain(tree):
            found.append(Use(chain, False))
        else:
            found += [Use(chain, True) for part in _needed(tree, runs=runs) if (chain := _chain(part))]
            runs = runs or isinstance(tree, _FUNCTIONS)
            for name in tree._fields:
                value = getattr(tree, name, None)
                for part in value if isinstance(value, list) else (value,):
                    if isinstance(part, ast.AST) and part._fields:
                        is_default = isinstance(tree, ast.ClassDef) and isinstance(part, ast.AnnAssign)
                        waiting.append((part, runs and not is_default))
    return found


def _needed(tree: ast.AST, *, runs: bool) -> list[ast.expr]:
    """The base classes of a class, or what a call in running code calls."""
    if isinstance(tree, ast.ClassDef):
        return [base.value if isinstance(base, ast.Subscript) else base for base in tree.bases]
    return [tree.func] if runs and isinstance(tree, ast.Call) else []


def _chains(tree: ast.AST | None) -> set[Chain]:
    """The names used in an expression."""
    found = _uses(tree, package="") if tree else ()
    return {part.chain for part in found if isinstance(part, Use)}


def _chain(tree: ast.AST | None) -> Chain:
    """The chain that an expression is; () if it is another."""
    attributes: list[str] = []
    while isinstance(tree, ast.Attribute):
        attributes.append(tree.attr)
        tree = tree.value
    return (tree.id, *reversed(attributes)) if isinstance(tree, ast.Name) else ()


def _aliased(tree: ast.stmt) -> ast.expr | None:
    """What an assignment binds a name to, if that may be a type or several."""
    value = getattr(tree, "value", None)
    if isinstance(value, ast.Tuple | ast.List):
        return value if all(map(_chain, value.elts)) else None
    if isinstance(value, ast.BinOp):
        return value if isinstance(value.op, ast.BitOr) else None
    return value if isinstance(value, ast.Name | ast.Attribute | ast.Subscript) else None


def _plain(tree: Any) -> Any:
    """A syntax tree as lists, without places and without texts that stand alone, as docstrings do."""
    if isinstance(tree, list):
        return [_plain(item) for item in tree if not _is_docstring(item)]
    if not isinstance(tree, ast.AST):
        return repr(tree)
    found = [type(tree).__name__]
    for name in tree._fields:
        value = getattr(tree, name, None)
        if name != "ctx" and value is not None and value != [] and (plain := _plain(value)) != []:
            found += (name, plain)
    return found


def _is_docstring(item: Any) -> bool:
    return isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant) and isinstance(item.value.value, str)
