"""Edits of scene graphs as instructions, and instructions as edits.

An instruction names what is there by the names of `wording.name_of`, so that reading it needs the graph that it edits,
and no other one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count as count_from
from typing import Final

from pydantic import ValidationError

from datagen.core.english import number_word, read_number
from datagen.core.errors import DataError
from datagen.scene_graphs.canonical import same_content
from datagen.scene_graphs.edits import Add, Change, GraphEdit, Move, Recount, Remove, Swap, apply_edit
from datagen.scene_graphs.graph import Attribute, GraphObject, GraphRelation, SceneGraph
from datagen.scene_graphs.lexicon import VERBS
from datagen.scene_graphs.noun_phrases import (
    NounPhraseReader,
    bare_names,
    counted,
    kind_of_value,
    named_nodes,
    noun_phrase,
    tokens_of,
)
from datagen.scene_graphs.reading import NotUnderstoodError, read_link
from datagen.scene_graphs.wording import name_of, naming_attributes, predicate_words


def write_edit(edit: GraphEdit, graph: SceneGraph) -> str:
    """An edit of a graph as an instruction of one sentence.

    What was written is read again with `read_edit`. Raises `DataError` if that gives another edit, if a node has no
    name of its own, or if the edit does not fit the graph.
    """
    after = apply_edit(edit, graph)
    text = _written(edit, graph)
    try:
        is_safe = same_content(apply_edit(read_edit(text, graph), graph), after)
    except DataError as error:
        raise DataError(f"'{text}' cannot be read again: {error}") from error
    if not is_safe:
        raise DataError(f"'{text}' would be read as another edit; use labels and values of plain words")
    return text


def _written(edit: GraphEdit, graph: SceneGraph) -> str:
    if isinstance(edit, Add):
        return f"Add {counted(edit.node)}{_relations_written(edit.node, edit.relations, graph)}."
    name, node = name_of(edit.id, graph), graph.node(edit.id)
    if isinstance(edit, Remove):
        return f"Remove {name}."
    if isinstance(edit, Swap):
        return f"Replace {name} with {counted(edit.node)}."
    if isinstance(edit, Move):
        return f"Move {name}{_relations_written(node, edit.relations, graph)}."
    if isinstance(edit, Change):
        kind, value = edit.attribute.kind, edit.attribute.value
        return f"Make {name} {value}." if kind_of_value(value) == kind else f"Change the {kind} of {name} to {value}."
    more, count = edit.count - node.count, number_word(edit.count)
    if more == 0:
        raise DataError(f"'{edit.id}' has {edit.count} things already")
    if more < 0:
        return f"Remove {number_word(-more)} of {name}, so that {count} {'is' if edit.count == 1 else 'are'} left."
    bare = noun_phrase(node, attributes=naming_attributes(edit.id, graph), several=more > 1)
    return f"Add {number_word(more)} more {bare}, so that there are {count}."


def _relations_written(node: GraphObject, relations: Sequence[GraphRelation], graph: SceneGraph) -> str:
    """What follows a new or moved node: ` below the star and above the ring, so that the cat is to the left of it`."""
    several = node.count > 1
    direct, clauses = [], []
    for edge in relations:
        if edge.object == node.id:
            other = graph.node(edge.subject)
            verb = "" if edge.predicate in VERBS else "are " if other.count > 1 else "is "
            words = predicate_words(edge.predicate, several=other.count > 1)
            clauses.append(f"{name_of(other.id, graph)} {verb}{words} {'them' if several else 'it'}")
            continue
        words = f"{predicate_words(edge.predicate, several=several)} {name_of(edge.object, graph)}"
        if edge.predicate in VERBS:
            clauses.append(f"{'they' if several else 'it'} {words}")
        else:
            direct.append(words)
    text = f" {' and '.join(direct)}" if direct else ""
    return f"{text}, so that {' and '.join(clauses)}" if clauses else text


def read_edit(text: str, graph: SceneGraph) -> GraphEdit:
    """The edit of a graph that an instruction says, by its words alone. New nodes get an id that the graph has not.

    Reads what `write_edit` writes. Raises `NotUnderstoodError` (`not understood: ...`) for anything else, for a name
    that fits no node or several, and for words that may say several edits.
    """
    try:
        found = _InstructionReading(graph).edits(text)
    except ValidationError as error:
        raise NotUnderstoodError(f"not understood: '{text[:200]}' ({error.errors()[0]['msg']})") from error
    if len(found) != 1:
        why = "it may say several edits" if found else "no edit of this graph that the rules know"
        raise NotUnderstoodError(f"not understood: '{text}' ({why})")
    return found[0]


class _InstructionReading:
    """Reads instructions for one graph."""

    def __init__(self, graph: SceneGraph) -> None:
        self._graph = graph
        self._reader = NounPhraseReader((node.label for node in graph.objects), compounds="any")
        numbers = (f"o{number}" for number in count_from(1))
        self._new = next(id for id in numbers if graph.get(id) is None)

    def edits(self, text: str) -> list[GraphEdit]:
        """All edits that an instruction may say, each once."""
        tokens = tokens_of(text.strip().removesuffix("."))
        if len(tokens) > _MOST_TOKENS or len(tokens) < 2:
            return []
        read = _FORMS.get(tokens[0].lower())
        return list(dict.fromkeys(read(self, tokens[1:]))) if read else []

    def add(self, tokens: list[str]) -> Iterator[GraphEdit]:
        """`a red circle below the star`, `two more red circles, so that there are three`."""
        lower = [token.lower() for token in tokens]
        if lower[1:2] == ["more"]:
            yield from self._more(tokens)
            return
        for at in range(1, len(tokens) + 1):
            node = self._reader.read(tokens[:at])
            if node is None:
                continue
            new = node.model_copy(update={"id": self._new})
            for relations in self._relations(tokens[at:], new):
                yield Add(new, relations)

    def _more(self, tokens: list[str]) -> Iterator[GraphEdit]:
        lower = [token.lower() for token in tokens]
        at = lower.index(",") if "," in lower else len(lower)
        more, count = read_number(lower[0]), read_number(lower[-1])
        if more is None or count is None or lower[at:-1] != [",", "so", "that", "there", "are"]:
            return
        name = " ".join(lower[2:at])
        fits = [n for n in self._graph.objects if name in bare_names(n, several=more > 1)]
        if len(fits) == 1 and fits[0].count + more == count:
            yield Recount(fits[0].id, count)

    def remove(self, tokens: list[str]) -> Iterator[GraphEdit]:
        """`the star`, `one of the three red circles, so that two are left`."""
        if node := self._named(tokens):
            yield Remove(node.id)
        lower = [token.lower() for token in tokens]
        if (
            lower[1:2] != ["of"]
            or lower[-6:-3] != [",", "so", "that"]
            or lower[-2:] not in (["is", "left"], ["are", "left"])
        ):
            return
        less, count, named = read_number(lower[0]), read_number(lower[-3]), self._named(tokens[2:-6])
        if named and less and count and named.count - less == count:
            yield Recount(named.id, count)

    def replace(self, tokens: list[str]) -> Iterator[GraphEdit]:
        """`the star with a red circle`."""
        for at, token in enumerate(tokens):
            if (
                token.lower() == "with"
                and (named := self._named(tokens[:at]))
                and (node := self._reader.read(tokens[at + 1 :]))
            ):
                yield Swap(named.id, node.model_copy(update={"id": self._new}))

    def make(self, tokens: list[str]) -> Iterator[GraphEdit]:
        """`the circle red`."""
        for at in range(2, len(tokens)):
            value = " ".join(tokens[at:]).lower()
            if (kind := kind_of_value(value)) and (node := self._named(tokens[:at])):
                yield Change(node.id, Attribute(kind=kind, value=value))

    def change(self, tokens: list[str]) -> Iterator[GraphEdit]:
        """`the mood of the cat to shy`."""
        lower = [token.lower() for token in tokens]
        if lower[0] != "the":
            return
        for at, token in enumerate(lower):
            for end in range(at + 1, len(tokens) - 1) if token == "of" else ():
                node = self._named(tokens[at + 1 : end]) if lower[end] == "to" else None
                if node and at > 1:
                    value = " ".join(tokens[end + 1 :])
                    yield Change(node.id, Attribute(kind=" ".join(tokens[1:at]), value=value))

    def move(self, tokens: list[str]) -> Iterator[GraphEdit]:
        """`the blue square to the left of the red circle`."""
        for at in range(2, len(tokens)):
            if node := self._named(tokens[:at]):
                for relations in self._relations(tokens[at:], node):
                    if relations:
                        yield Move(node.id, relations)

    def _named(self, tokens: Sequence[str]) -> GraphObject | None:
        """The only node that a definite name may name, if the name has its number."""
        fits = named_nodes(tokens, self._graph.objects, exactly=False)
        return fits[0] if len(fits) == 1 and named_nodes(tokens, fits) else None

    def _relations(self, tokens: list[str], node: GraphObject) -> Iterator[tuple[GraphRelation, ...]]:
        """All readings of ` below the star and above the ring, so that the cat is to the left of it`."""
        lower = [token.lower() for token in tokens]
        ends = [i for i in range(len(lower)) if lower[i : i + 3] == [",", "so", "that"]]
        for direct in self._direct(tokens[: ends[0]] if ends else tokens, node):
            if not ends:
                yield direct
                continue
            for clauses in self._clauses(tokens[ends[0] + 3 :], node):
                yield (*direct, *clauses)

    def _direct(self, tokens: list[str], node: GraphObject) -> Iterator[tuple[GraphRelation, ...]]:
        """`below the star and above the ring`."""
        if not tokens:
            yield ()
            return
        link = read_link([token.lower() for token in tokens])
        if link is None or link.state or link.predicate in VERBS.keys() & {tokens[0].lower()}:
            return
        for first, rest in self._first_parts(tokens[link.length :]):
            if other := self._named(first):
                edge = GraphRelation(subject=node.id, predicate=link.predicate, object=other.id)
                for more in self._direct(rest, node):
                    yield (edge, *more)

    def _clauses(self, tokens: list[str], node: GraphObject) -> Iterator[tuple[GraphRelation, ...]]:
        """`the cat is to the left of it and they hold the cup`."""
        if not tokens:
            yield ()
            return
        for first, rest in self._first_parts(tokens):
            for edge in self._clause(first, node):
                for more in self._clauses(rest, node):
                    yield (edge, *more)

    def _first_parts(self, tokens: list[str]) -> Iterator[tuple[list[str], list[str]]]:
        """All ways to end a first part: before an `and`, or with the last token."""
        yield tokens, []
        for at in range(1, len(tokens) - 1):
            if tokens[at].lower() == "and":
                yield tokens[:at], tokens[at + 1 :]

    def _clause(self, tokens: list[str], node: GraphObject) -> Iterator[GraphRelation]:
        lower = [token.lower() for token in tokens]
        several = node.count > 1
        if lower[:1] == ["they" if several else "it"]:
            link = read_link(lower[1:])
            other = self._named(tokens[1 + link.length :]) if link and link.predicate in VERBS else None
            if link and other:
                yield GraphRelation(subject=node.id, predicate=link.predicate, object=other.id)
        if lower[-1:] != ["them" if several else "it"]:
            return
        for at in range(2, len(tokens) - 1):
            other = self._named(tokens[:at])
            start = at + 1 if lower[at] in ("is", "are") else at
            link = read_link(lower[start:]) if other else None
            if other and link and link.length == len(tokens) - start - 1 and not link.state:
                yield GraphRelation(subject=other.id, predicate=link.predicate, object=node.id)


_MOST_TOKENS: Final = 80
_FORMS: Final[dict[str, Callable[[_InstructionReading, list[str]], Iterator[GraphEdit]]]] = {
    "add": _InstructionReading.add,
    "remove": _InstructionReading.remove,
    "replace": _InstructionReading.replace,
    "make": _InstructionReading.make,
    "change": _InstructionReading.change,
    "move": _InstructionReading.move,
}
"""How instructions are read, by their first word."""
