"""The words of instructions: templates by kind of turn, and other names of objects, colours and places.

`wording/tuned.toml`, the default, may be tuned on; `wording/held_out.toml` proves what was tuned, and shares no
template with it; `wording/plain.toml` has few templates and no other names. A file has a list of templates for each of
`SECTIONS`, a table `global` with a list for each of `GLOBAL`, and tables `nouns`, `colours` and `places`, whose keys
are plain names and whose values are the names to use instead, one drawn at each mention. The slots:

- `{a_object}` "a red star", `{object}` "red star", `{noun}` "star" (used where no other star is seen)
- `{a_new}` "a blue ring", `{colour}` "blue", `{place}` "at the top left", `{anchor}` "green cross"
- `{number}` "two", `{objects}` "red stars"
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import Any, Final, NamedTuple

from datagen.core.draws import Draws
from datagen.core.errors import ConfigError, nearest
from datagen.worlds.colours import COLOURS, TONES
from datagen.worlds.specification import Wording


class Slots(NamedTuple):
    """Which slots the templates of a section may have. Of each group in `needed`, a template has at least one."""

    allowed: frozenset[str]
    needed: tuple[frozenset[str], ...] = ()


def _slots(needed: str, more: str = "") -> Slots:
    groups = tuple(frozenset(group.split("|")) for group in needed.split())
    return Slots(frozenset(more.split()).union(*groups), groups)


SECTIONS: Final = {
    "add": _slots("a_object", "place"),
    "remove": _slots("object|noun"),
    "replace": _slots("object|noun a_new"),
    "recolour": _slots("object|noun colour"),
    "move": _slots("object|noun place"),
    "add_on": _slots("a_object anchor"),
    "undo": _slots(""),
    "again": _slots("", "noun object place"),
    "pronoun_recolour": _slots("colour"),
    "pronoun_remove": _slots(""),
    "standing_order": _slots("colour"),
    "one_of_remove": _slots("objects", "number"),
    "one_of_recolour": _slots("objects colour", "number"),
}
"""The kinds of turns that have templates of their own."""
GLOBAL: Final = (*TONES, "flip")
"""The changes of the whole picture."""
OPTIONAL: Final = ("one_of_remove", "one_of_recolour")
"""Sections that a file may lack; its sessions then have no such turn."""
PLACES: Final = (
    *("at the top left", "at the top", "at the top right"),
    *("on the left", "in the middle", "on the right"),
    *("at the bottom left", "at the bottom", "at the bottom right"),
)
"""Plain names of the nine places of a frame, row by row."""
NUMBERS: Final = ("no", "one", "two", "three", "four")


class SessionWording:
    """The templates and names of one file."""

    def __init__(self, sections: Mapping[str, tuple[str, ...]], names: Mapping[str, Mapping[str, tuple[str, ...]]]):
        self._sections = sections
        self._names = names

    def has(self, section: str) -> bool:
        """Whether it has templates of a kind of turn."""
        return section in self._sections

    def choose(self, section: str, *, draws: Draws, slots: Collection[str], having: Collection[str] = ()) -> str | None:
        """A template of a section with no slots but `slots`, and all of `having`; None if there is none."""
        fits = [
            template for template in self._sections.get(section, ()) if set(having) <= slots_of(template) <= set(slots)
        ]
        return draws.choose(fits) if fits else None

    def noun(self, label: str, *, draws: Draws) -> str:
        """A name of a kind of object."""
        return self._named("nouns", label, draws)

    def colour(self, name: str, *, draws: Draws) -> str:
        """A name of a colour."""
        return self._named("colours", name, draws)

    def place(self, name: str, *, draws: Draws) -> str:
        """A name of a place."""
        return self._named("places", name, draws)

    def _named(self, table: str, name: str, draws: Draws) -> str:
        return draws.choose(self._names[table].get(name, (name,)))


def slots_of(template: str) -> set[str]:
    """The names of a template's slots. Raises `ValueError` if a brace stands alone."""
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def with_article(words: str) -> str:
    """`a red star`, `an orange star`."""
    return f"{'an' if words[:1].lower() in 'aeiou' else 'a'} {words}"


def plural(noun: str) -> str:
    """The plural of a regular noun."""
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else f"{noun}s"


def sentences(*parts: str) -> str:
    """Several sentences as one instruction; one alone stays as it is."""
    if len(parts) == 1:
        return parts[0]
    return " ".join(f"{part[:1].upper()}{part[1:]}{'' if part.endswith(('.', '!', '?')) else '.'}" for part in parts)


def wording_path(split: Wording) -> Path:
    """The file of a wording."""
    return Path(__file__).with_name("wording") / f"{split}.toml"


@lru_cache(maxsize=3)
def load_wording(split: Wording) -> SessionWording:
    """The wording in the file of this name. Raises `ConfigError` if its file is missing or not sound."""
    path = wording_path(split)
    if not path.is_file():
        raise ConfigError(
            f"wording '{split}': there is no datagen/worlds/wording/{path.name}; write it as datagen/worlds/wording.py "
            "says, without a look at generator or detectors, or choose `wording: tuned`"
        )
    return parse_wording(path.read_bytes(), where=path.name)


def parse_wording(data: bytes, *, where: str) -> SessionWording:
    """The wording in a file. Raises `ConfigError` that names the section and the template."""
    try:
        tables = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{where}: is no TOML: {error}") from error
    known = {*SECTIONS, "global", *_NAMES}
    for name in tables:
        if name not in known:
            raise ConfigError(f"{where}: unknown section '{name}'; {nearest(name, known)}")
    sections = {name: _templates(tables, name, slots, where) for name, slots in SECTIONS.items()}
    changes = tables.get("global", {})
    sections |= {f"global.{name}": _templates(changes, name, _slots(""), f"{where}: global") for name in GLOBAL}
    with_place = ["place" in slots_of(template) for template in sections["add"]]
    if all(with_place) or not any(with_place):
        raise ConfigError(f"{where}: add: a template with {{place}} and one without it are wanted, as turns need both")
    names = {table: _synonyms(tables.get(table, {}), table, plain, where) for table, plain in _NAMES.items()}
    return SessionWording({name: templates for name, templates in sections.items() if templates}, names)


_NAMES: Final[Mapping[str, Collection[str] | None]] = {"nouns": None, "colours": COLOURS, "places": PLACES}
"""Tables of names, and the plain names that may be their keys; None for any."""


def _templates(tables: Any, name: str, slots: Slots, where: str) -> tuple[str, ...]:
    templates = tables.get(name) if isinstance(tables, dict) else None
    if templates is None and name in OPTIONAL:
        return ()
    if not isinstance(templates, list) or not templates or not all(isinstance(text, str) for text in templates):
        raise ConfigError(f"{where}: {name}: a list of templates is wanted, at least one")
    for template in templates:
        if fault := _fault(template, slots):
            raise ConfigError(f"{where}: {name}: '{template}' {fault}")
    return tuple(templates)


def _fault(template: str, slots: Slots) -> str:
    """What is wrong with a template; '' if nothing is."""
    try:
        found = slots_of(template)
    except ValueError as error:
        return f"has a brace that closes or opens no slot: {error}"
    if not template.strip():
        return "says nothing"
    if strange := sorted(found - slots.allowed):
        has = ", ".join(f"{{{name}}}" for name in sorted(slots.allowed)) or "none"
        return f"has the slot {{{strange[0]}}}; its slots may be: {has}"
    for group in slots.needed:
        if not found & group:
            return f"lacks the slot {' or '.join(f'{{{name}}}' for name in sorted(group))}"
    return ""


def _synonyms(table: Any, name: str, plain: Collection[str] | None, where: str) -> dict[str, tuple[str, ...]]:
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: {name}: a table is wanted, of lists of names by plain name")
    for key, names in table.items():
        if plain is not None and key not in plain:
            raise ConfigError(f"{where}: {name}: unknown name '{key}'; {nearest(key, plain)}")
        if not isinstance(names, list) or not names or not all(isinstance(text, str) and text for text in names):
            raise ConfigError(f"{where}: {name}: '{key}': a list of names is wanted, at least one")
    return {key: tuple(names) for key, names in table.items()}
