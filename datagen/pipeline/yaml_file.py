"""Read YAML as plain data, with the line number of every value."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, cast

import yaml
from yaml.composer import Composer
from yaml.resolver import Resolver

from datagen.core.errors import ConfigError

Place = tuple[str | int, ...]
"""A path into plain data: keys of mappings and indices of lists."""
_MAX_BYTES = 1_000_000
_MAX_NODES = 100_000
_MAX_DEPTH = 64
_MAX_NUMBER_LENGTH = 1000
"""Characters of a number; `int` raises ValueError above 4,300 digits."""
_TAG = "tag:yaml.org,2002:"


class Located(NamedTuple):
    """Plain data, and where each value was written, such as `configs/x.yaml:14` or `--set seed=1`."""

    data: dict[str, Any]
    origins: dict[Place, str]

    def origin(self, place: Place) -> str:
        """Where the value at `place` was written, or the nearest value around it."""
        while place and place not in self.origins:
            place = place[:-1]
        return self.origins.get(place, "")


class _Nodes(Composer, Resolver):
    """Nodes with the scalars of YAML 1.2: `yes`, `on` and `1_000` are text, `1e-5` is a number, `010` is ten."""

    # empty, without those of YAML 1.1 that PyYAML has
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    _depth = 0
    _nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node and all inside it. Refuses what would exhaust Python's stack, or take too long."""
        self._depth += 1
        self._nodes += 1
        problem = _TOO_DEEP if self._depth > _MAX_DEPTH else _TOO_MANY if self._nodes > _MAX_NODES else ""
        if problem:
            mark = cast(Any, self).peek_event().start_mark
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Loader(_Nodes, yaml.SafeLoader):
    """Nodes from PyYAML's own parser."""


try:
    from yaml import CSafeLoader
except ImportError:  # PyYAML was built without libyaml
    _FastLoader: Any = None
else:

    class _FastLoader(_Nodes, CSafeLoader):  # type: ignore[no-redef]
        """Nodes from libyaml's parser, which takes a fraction of the time."""

        def __init__(self, text: str) -> None:
            CSafeLoader.__init__(self, text)
            Composer.__init__(self)  # libyaml has one of its own, which is not used


_ALIKE = re.compile(r"[\n -~\xa0-\u2027\u2030-\ud7ff\ue000-\ufefe]*")
"""What both parsers take alike: no tabs, no other line breaks, no characters beyond 16 bits."""
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
# \Z, as $ also matches before a newline at the end
for _kind, (_pattern, _starts) in _SCALARS.items():
    _Nodes.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(rf"(?:{_pattern.pattern})\Z"), list(_starts))


def read_yaml(path: Path) -> Located:
    """Read the mapping in a YAML file. Raises `ConfigError` with the line of the error."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)  # one more than allowed; a path may also be a device without end
        # with or without a byte order mark, which some editors write
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
    """Parse the mapping in `text`. `name` stands before line numbers. Raises `ConfigError`."""
    reader = _Reader(name)
    try:
        node = _compose(text)
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


def _compose(text: str) -> yaml.Node | None:
    """The node of a document. Where the fast parser objects, the other one says why, in words of its own."""
    if _FastLoader and _ALIKE.fullmatch(text):
        with suppress(yaml.YAMLError):
            return yaml.compose(text, Loader=_FastLoader)
    return yaml.compose(text, Loader=_Loader)


class _Reader:
    """Builds plain data from YAML nodes, and notes the line of every value and key."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.origins: dict[Place, str] = {}
        self._nodes = 0
        self._open: set[int] = set()

    def value(self, node: yaml.Node, place: Place) -> Any:
        """The plain data of a node at `place`. Raises `ConfigError`."""
        self.origins.setdefault(place, self._line(node))
        self._nodes += 1
        # counted again here, as aliases repeat nodes that were composed once: a few lines can stand for millions
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
    """The value of a scalar whose text has the form of its kind. Whole numbers are decimal, also with a leading 0."""
    if kind == "null":
        return None
    if kind == "bool":
        return text == "true"
    return int(text, 10) if kind == "int" else float(text.replace(".inf", "inf").replace(".nan", "nan"))
