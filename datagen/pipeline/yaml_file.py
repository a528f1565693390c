"""YAML read as plain data, remembering the line that each value stands on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from datagen.core.errors import ConfigError

Place = tuple[str | int, ...]
_MAX_BYTES = 1_000_000
_MAX_NODES = 100_000
_MAX_DEPTH = 64
_MAX_NUMBER_LENGTH = 1000
_TAG = "tag:yaml.org,2002:"


class Located(NamedTuple):
    """Data, and for each path into it where it was written, such as `configs/x.yaml:14`."""

    data: dict[str, Any]
    origins: dict[Place, str]

    def origin(self, place: Place) -> str:
        """Where the value at `place` was written, or the nearest thing around it."""
        while place and place not in self.origins:
            place = place[:-1]
        return self.origins.get(place, "")


class _Loader(yaml.SafeLoader):
    """YAML 1.2's scalars: `yes` and `on` are words, `1e-5` is a number, `010` is ten, `1_000` is text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    _depth = 0
    _nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """One node and all inside it; refused where Python would run out of stack, or of time."""
        self._depth += 1
        self._nodes += 1
        problem = _TOO_DEEP if self._depth > _MAX_DEPTH else _TOO_MANY if self._nodes > _MAX_NODES else ""
        if problem:
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


_TOO_DEEP = f"nested more than {_MAX_DEPTH} deep"
_TOO_MANY = f"more than {_MAX_NODES:,} values; a config is a page or two"
_SCALARS = {
    "bool": (re.compile(r"true|false"), "tf"),
    "null": (re.compile(r"~|null|"), ["~", "n", ""]),
    "int": (re.compile(r"[-+]?[0-9]+"), "-+0123456789"),
    "float": (
        re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan"),
        "-+.0123456789",
    ),
}
for _kind, (_pattern, _starts) in _SCALARS.items():
    _Loader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(rf"(?:{_pattern.pattern})\Z"), list(_starts))


def read_yaml(path: Path) -> Located:
    """The mapping in a YAML file. Raises `ConfigError` with the line of the fault."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        text = data.decode("utf-8-sig") if len(data) <= _MAX_BYTES else ""
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file") from error
    except IsADirectoryError as error:
        configs = sorted(path.glob("*.y*ml"))
        such = f", such as {configs[0]}" if configs else ""
        raise ConfigError(f"{path}: is a folder; give a config file{such}") from error
    except UnicodeDecodeError as error:
        place = f"byte {error.start + 1}"
        raise ConfigError(f"{path}: is no text in UTF-8 ({error.reason} at {place}); a config is YAML") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{path}: is larger than {_MAX_BYTES:,} bytes; a config is a page or two of YAML")
    return parse_yaml(text, name=str(path))


def parse_yaml(text: str, *, name: str) -> Located:
    """The mapping in `text`; `name` stands before line numbers in errors."""
    reader = _Reader(name)
    try:
        node = yaml.compose(text, Loader=_Loader)
        data = reader.value(node, ()) if node else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{name}:{line}: not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise ConfigError(
            f"{name}: holds {'nothing' if data is None else 'no mapping'}; a config is `key: value` lines"
        )
    return Located(data, reader.origins)


class _Reader:
    def __init__(self, name: str) -> None:
        self.name = name
        self.origins: dict[Place, str] = {}
        self._nodes = 0
        self._open: set[int] = set()

    def value(self, node: yaml.Node, place: Place) -> Any:
        """The plain data of a node; notes where each part of it stands."""
        self.origins.setdefault(place, self._line(node))
        self._nodes += 1
        if self._nodes > _MAX_NODES or id(node) in self._open:
            raise ConfigError(f"{self._line(node)}: aliases make this file endless or huge; write the values out")
        if len(place) >= _MAX_DEPTH:
            raise ConfigError(f"{self._line(node)}: {_TOO_DEEP}")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if node.tag not in (f"{_TAG}seq", f"{_TAG}map"):
            raise self._tagged(node)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*place, index)) for index, item in enumerate(node.value)]
            return self._mapping(node, place)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.Node, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or not isinstance(key, str):
                raise ConfigError(f"{self._line(key_node)}: a key has to be a plain word")
            if key in found:
                raise ConfigError(f"{self._line(key_node)}: '{key}' stands twice here; remove one of the two")
            self.origins[(*place, key)] = self._line(key_node)
            found[key] = self.value(value_node, (*place, key))
        return found

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        kind, text = node.tag.removeprefix(_TAG), node.value
        if not node.tag.startswith(_TAG) or kind not in ("str", *_SCALARS):
            raise self._tagged(node)
        if kind == "str":
            return text
        if not _SCALARS[kind][0].fullmatch(text) or len(text) > _MAX_NUMBER_LENGTH:
            raise ConfigError(
                f"{self._line(node)}: '{text[:40]}' is no {kind}; correct it, or put it in quotes as text"
            )
        return _plain(kind, text)

    def _tagged(self, node: yaml.Node) -> ConfigError:
        return ConfigError(f"{self._line(node)}: the tag {node.tag} is not allowed; write plain values")

    def _line(self, node: yaml.Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}"


def _plain(kind: str, text: str) -> bool | int | float | None:
    """The value of a scalar that has the form of its kind; whole numbers are decimal, whatever they begin with."""
    if kind == "null":
        return None
    if kind == "bool":
        return text == "true"
    return int(text, 10) if kind == "int" else float(text.replace(".inf", "inf").replace(".nan", "nan"))
