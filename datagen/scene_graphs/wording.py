"""Scene graphs as captions, and names that single out a node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from datagen.core.english import number_word, sentence
from datagen.core.errors import DataError
from datagen.scene_graphs.graph import Attribute, GraphObject, GraphRelation, SceneGraph
from datagen.scene_graphs.lexicon import MEDIA, PLACES, PREDICATES, SPELLING, VERBS
from datagen.scene_graphs.noun_phrases import (
    bare_names,
    choices_of_attributes,
    counted,
    definite,
    named_nodes,
    noun_phrase,
    tokens_of,
)

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
"""Which of several equal nodes is meant, by the order in which a caption brings them."""
EMPTY = "An empty scene"
"""The caption of a graph without objects."""


def name_of(id: str, graph: SceneGraph) -> str:
    """The shortest definite name of a node: "the red circle", "the two blue squares".

    It fits no other node of the graph, whatever their numbers are: where there is one circle and there are three, none
    of them is "the circle". Raises `DataError` if no label and attributes tell the node apart.
    """
    node = graph.node(id)
    return definite(noun_phrase(node, attributes=naming_attributes(id, graph)), node)


def naming_attributes(id: str, graph: SceneGraph) -> tuple[Attribute, ...]:
    """The fewest attributes of a node that, with its label, fit no other node. Raises `DataError` if none do."""
    node = graph.node(id)
    others = [other for other in graph.objects if other.id != id]
    taken = {bare for other in others for bare in bare_names(other, several=False)}
    for chosen in choices_of_attributes(node):
        if noun_phrase(node, attributes=chosen, several=False).lower() not in taken:
            return chosen
    full = noun_phrase(node, several=False)
    rivals = ", ".join(other.id for other in named_nodes(tokens_of(f"the {full}"), others, exactly=False))
    raise DataError(
        f"'{id}' ({counted(node)}) has no name of its own: its label and attributes also fit {rivals}; give it an "
        "attribute that these lack"
    )


def predicate_words(predicate: str, *, several: bool = False) -> str:
    """A predicate as it stands behind its subject: `to the left of`, `holding`; a verb agrees with its subject."""
    return VERBS[predicate] if several and predicate in VERBS else SPELLING.get(predicate, predicate)


def describe(graph: SceneGraph) -> str:
    """A caption of a graph: first its relations, those of one subject together, then what has none.

    Each object is brought once, as "a red circle" or "two blue squares"; later it is named, as "the red circle". If no
    name tells it apart, its number or the order of mention does. `read_caption` reads the same graph again, up to ids
    and order, if labels, values and predicates are words that it knows.
    """
    return _Caption(graph).text()


class _Caption:
    """One caption in the making."""

    def __init__(self, graph: SceneGraph) -> None:
        self._graph = graph
        self._mentioned: list[GraphObject] = []

    def text(self) -> str:
        """All sentences."""
        style, background = self._graph.style, self._graph.background
        runs = list(self._runs())
        is_opening = is_medium(style) and not any(self._needs_verb(edge) for edge in (runs[0] if runs else ()))
        sentences = [self._clause(run, is_fragment=is_opening and run is runs[0]) for run in runs]
        related = {id for edge in self._graph.relations for id in (edge.subject, edge.object)}
        alone = [node for node in self._graph.objects if node.id not in related]
        if alone and not sentences and len(alone) == len(self._graph.objects):
            sentences.append(_joined([counted(node) for node in alone]))
        elif alone:
            verb = "is" if alone[0].count == 1 else "are"
            sentences.append(f"there {verb} {_joined([counted(node) for node in alone])}")
        sentences = sentences or [EMPTY]
        if is_opening and self._graph.objects:
            sentences[0] = f"{style} of {sentences[0]}"
        elif style:
            sentences.append(f"the style is {style}")
        if background:
            sentences.append(f"the {'scene' if _is_place(background) else 'background'} is {background}")
        return " ".join(map(sentence, sentences))

    def _needs_verb(self, edge: GraphRelation) -> bool:
        """Whether the relation cannot stand in `a photo of X ...`: with a verb, or as what would be the background."""
        label = self._graph.node(edge.object).label.split()
        return edge.predicate in VERBS or (
            edge.predicate in ("in", "on", "at") and label[-1:] != [] and label[-1] in PLACES
        )

    def _runs(self) -> Iterator[list[GraphRelation]]:
        """Relations that follow each other and have the same subject."""
        run: list[GraphRelation] = []
        for edge in self._graph.relations:
            if run and edge.subject != run[-1].subject:
                yield run
                run = []
            run.append(edge)
        if run:
            yield run

    def _clause(self, run: Sequence[GraphRelation], *, is_fragment: bool) -> str:
        subject = self._graph.node(run[0].subject)
        several = subject.count > 1
        start = self._mention(subject)
        ends: list[str] = []
        copula = ""
        for edge in run:
            needed = "" if edge.predicate in VERBS else "are " if several else "is "
            words = predicate_words(edge.predicate, several=several)
            object = self._mention(self._graph.node(edge.object))
            ends.append(f"{needed if needed != copula else ''}{words} {object}")
            copula = needed
        if is_fragment:
            ends = [end.removeprefix("is ").removeprefix("are ") for end in ends]
        return f"{start} {' and '.join(ends)}"

    def _mention(self, node: GraphObject) -> str:
        if node not in self._mentioned:
            self._mentioned.append(node)
            return counted(node)
        try:
            return name_of(node.id, self._graph)
        except DataError:
            return self._ordered(node)

    def _ordered(self, node: GraphObject) -> str:
        """A name by the number of things, or by the order of mention."""
        bare = list(bare_names(node, several=node.count > 1))[-1]
        words = definite(bare, node)
        if named_nodes(tokens_of(words), self._graph.objects) == [node]:
            return words
        at = named_nodes(tokens_of(words), self._mentioned).index(node)
        ordinal = ORDINALS[at] if at < len(ORDINALS) else f"{at + 1}th"
        return f"the {ordinal} group of {number_word(node.count)} {bare}" if node.count > 1 else f"the {ordinal} {bare}"


def is_medium(style: str) -> bool:
    """Whether a style is a kind of picture, as in `an oil painting`, so that it can be one "of" something."""
    words = style.lower().split()
    return len(words) > 1 and words[0] in ("a", "an") and words[-1] in MEDIA


def _is_place(background: str) -> bool:
    """Whether a background says where, as in `in a kitchen`."""
    return background.split()[:1] != [] and background.split(maxsplit=1)[0].lower() in PREDICATES


def _joined(parts: Sequence[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
