"""Captions as scene graphs, by rules that refuse whatever they are not sure of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from pydantic import ValidationError

from datagen.core.errors import DataError
from datagen.scene_graphs.graph import POSITIONS, Attribute, GraphObject, GraphRelation, SceneGraph
from datagen.scene_graphs.lexicon import (
    AFTER_PARTICIPLES,
    KIND_OF,
    NOT_NOUNS,
    NOUNS,
    PLACES,
    PLACING,
    PLAIN_MEDIA,
    POSTURES,
    PREDICATES,
    VERBS,
)
from datagen.scene_graphs.noun_phrases import NounPhraseReader, named_nodes, tokens_of
from datagen.scene_graphs.wording import EMPTY, ORDINALS, is_medium


class NotUnderstoodError(DataError):
    """Words that the rules do not know, or that may say several things."""


LONGEST_CAPTION: Final = 4000
"""Most characters of a caption that is read."""
_MOST_TOKENS: Final = 80
_NEGATIONS: Final = ("missing", "lacking", "excluding", "omitting", "avoiding", "needing", "wanting", "awaiting")
"""Participles whose object may well not be there: no relation to it is read."""
_COPULAS: Final = ("is", "are")
_PRONOUNS: Final = ("it", "them")
_SETTING: Final = re.compile(r"the (scene|background|style) (?:is|are) (.+)", re.IGNORECASE | re.DOTALL)
_SENTENCE: Final = re.compile(r"[.!;](?=\s|$)")
_PHRASES: Final = sorted(((tuple(words.split()), predicate) for words, predicate in PREDICATES.items()), reverse=True)
_VERBS: Final = {form: verb for verb, plural in VERBS.items() for form in (verb, plural)}


class LinkWords(NamedTuple):
    """Words between two things, read."""

    predicate: str
    length: int
    """How many tokens they are."""
    state: str = ""
    """A state of the subject that they also say, such as `sitting`."""


def read_link(tokens: Sequence[str]) -> LinkWords | None:
    """The predicate at the start of tokens in lower case: `to the left of`, `hovering above`, `looking at`, `holds`.

    None if there is none.
    """
    first = tokens[0] if tokens else ""
    if first in _NEGATIONS:
        return None
    for words, predicate in _PHRASES:
        if tuple(tokens[: len(words)]) == words:
            return LinkWords(predicate, len(words))
    if first in _VERBS:
        return LinkWords(_VERBS[first], 1)
    if not first.endswith("ing") or first in NOUNS or (first in KIND_OF and first not in POSTURES):
        after = read_link(tokens[1:]) if first in PLACING else None
        return after and LinkWords(after.predicate, after.length + 1)
    after = read_link(tokens[1:]) if len(tokens) > 1 else None
    if after and first in PLACING:
        return LinkWords(after.predicate, after.length + 1, after.state)
    if after and first in POSTURES and after.predicate in POSITIONS:
        return LinkWords(after.predicate, after.length + 1, first)
    for following in AFTER_PARTICIPLES:
        parts = following.split()
        if list(tokens[1 : 1 + len(parts)]) == parts:
            return LinkWords(f"{first} {following}", 1 + len(parts))
    return None if first in PLACING or after else LinkWords(first, 1)


Mention = tuple[str, ...]
"""The tokens of a phrase for one thing."""


class CaptionClause(NamedTuple):
    """A sentence, before it is known which things its phrases name."""

    subjects: tuple[Mention, ...]
    ends: tuple[tuple[LinkWords, tuple[Mention, ...]], ...] = ()
    """The predicates of all subjects, each with its objects."""
    of_last: bool = False
    """Whether the predicates are those of the last subject alone."""


def read_caption(text: str) -> SceneGraph:
    """The graph that a caption says; ids are `o1`, `o2`, ... in the order of mention.

    Reads what `describe` writes, and sentences like them: "A bear hovering above a silver spoon.", "There are two cats
    and a dog to the left of them.", "A photo of a cat on a mat in a kitchen". Raises `NotUnderstoodError` (`not
    understood: ...`) for a sentence that it does not know, or that may say several things.
    """
    if len(text) > LONGEST_CAPTION:
        raise NotUnderstoodError(f"not understood: the caption has {len(text)} characters, more than {LONGEST_CAPTION}")
    sentences = [part.strip() for part in _SENTENCE.split(text) if part.strip()]
    if not sentences:
        raise NotUnderstoodError("not understood: the caption is empty")
    scene = _Scene()
    try:
        for number, sentence in enumerate(sentences):
            scene.add(sentence, is_first=number == 0)
        return scene.graph()
    except ValidationError as error:
        raise NotUnderstoodError(
            f"not understood: it is too much for one graph ({error.errors()[0]['msg']})"
        ) from error


class _Scene:
    """The graph of the sentences so far."""

    def __init__(self) -> None:
        self._nodes: list[GraphObject] = []
        self._relations: list[GraphRelation] = []
        self._background = ""
        self._style = ""

    def graph(self) -> SceneGraph:
        """What was read."""
        return SceneGraph(
            objects=tuple(self._nodes),
            relations=tuple(dict.fromkeys(self._relations)),
            background=self._background,
            style=self._style,
        )

    def add(self, sentence: str, *, is_first: bool) -> None:
        """Read one more sentence, without its full stop."""
        if sentence.lower() == EMPTY.lower() and is_first:
            return
        if setting := _SETTING.fullmatch(sentence):
            self._set(setting[1].lower(), " ".join(setting[2].split()), sentence)
            return
        tokens = tokens_of(sentence)
        if tokens and tokens[0].lower() in ("there", "a", "an", "one", "some", "the", "another"):
            tokens[0] = tokens[0].lower()
        if is_first:
            tokens = self._without_style(tokens)
        before, place = _split_place(tokens)
        readings = _readings(before) if place else []
        if readings:
            self._background = self._first(self._background, place, sentence)
        else:
            readings = _readings(tokens)
        if len(readings) != 1:
            why = "it may say several things" if readings else "no sentence that the rules know"
            raise NotUnderstoodError(f"not understood: '{sentence}' ({why})")
        self._say(readings[0], sentence)

    def _set(self, what: str, value: str, sentence: str) -> None:
        if what == "style":
            self._style = self._first(self._style, value, sentence)
        else:
            self._background = self._first(self._background, value, sentence)

    def _first(self, before: str, value: str, sentence: str) -> str:
        if before and before != value:
            raise NotUnderstoodError(f"not understood: '{sentence}' (it was '{before}' before)")
        return value

    def _without_style(self, tokens: list[str]) -> list[str]:
        """The tokens behind an opening such as `an oil painting of`, which becomes the style."""
        lower = [token.lower() for token in tokens]
        at = lower.index("of") if "of" in lower else 0
        style = " ".join(tokens[:at])
        if not at or not is_medium(style) or not _is_determined(lower[at + 1 :]):
            return tokens
        self._style = "" if style.lower() in PLAIN_MEDIA else style
        return tokens[at + 1 :]

    def _say(self, clause: CaptionClause, sentence: str) -> None:
        subjects = [self._resolve(mention, sentence, beside=()) for mention in clause.subjects]
        for link, mentions in clause.ends:
            meant = subjects[-1:] if clause.of_last else subjects
            for mention in mentions:
                other = self._resolve(mention, sentence, beside=meant)
                self._relations.extend(
                    GraphRelation(subject=id, predicate=link.predicate, object=other) for id in meant
                )
            for id in meant if link.state else ():
                self._give(id, Attribute(kind="state", value=link.state), sentence)

    def _give(self, id: str, attribute: Attribute, sentence: str) -> None:
        at = next(i for i, node in enumerate(self._nodes) if node.id == id)
        node = self._nodes[at]
        if node.get(attribute.kind):
            raise NotUnderstoodError(f"not understood: '{sentence}' ('{node.label}' is {node.get(attribute.kind)} too)")
        self._nodes[at] = node.model_copy(update={"attributes": (*node.attributes, attribute)})

    def _resolve(self, mention: Mention, sentence: str, *, beside: Sequence[str]) -> str:
        """The id of the node that a phrase names, or of the one that it brings."""
        words = [word.lower() for word in mention]
        if words[0] in _PRONOUNS:
            fits = [n for n in self._nodes if (n.count > 1) == (words[0] == "them") and n.id not in beside]
            return self._only(fits, mention, sentence)
        if words[0] != "the":
            node = _READER.read(mention)
            if node is None:
                raise NotUnderstoodError(f"not understood: '{' '.join(mention)}' in '{sentence}'")
            return self._bring(node)
        if words[1] in ORDINALS:
            rest = words[4:] if words[2:4] == ["group", "of"] else words[2:]
            fits = named_nodes(["the", *rest], self._nodes)
            return self._only(fits[ORDINALS.index(words[1]) :][:1], mention, sentence)
        fits = named_nodes(words, self._nodes)
        node = _READER.read(("a", *mention[1:]))
        if not fits and node and not any(other.label == node.label for other in self._nodes):
            return self._bring(node)
        return self._only(fits, mention, sentence)

    def _only(self, fits: Sequence[GraphObject], mention: Mention, sentence: str) -> str:
        if len(fits) != 1:
            which = "fits several things" if fits else "names nothing that was mentioned"
            raise NotUnderstoodError(f"not understood: '{' '.join(mention)}' {which}, in '{sentence}'")
        return fits[0].id

    def _bring(self, node: GraphObject) -> str:
        self._nodes.append(node.model_copy(update={"id": f"o{len(self._nodes) + 1}"}))
        return self._nodes[-1].id


_READER: Final = NounPhraseReader()
_ARTICLES: Final = ("a", "an", "the")


def _split_place(tokens: list[str]) -> tuple[list[str], str]:
    """The tokens before a closing such as `in a kitchen`, and the closing; '' if there is none."""
    lower = [token.lower() for token in tokens]
    at = max((i for i, token in enumerate(lower[:-2]) if token in ("in", "on", "at")), default=0)
    if not at or lower[-1] not in PLACES or lower[at + 1] not in _ARTICLES or NOT_NOUNS.intersection(lower[at + 2 :]):
        return tokens, ""
    return tokens[: at - 1] if tokens[at - 1] == "," else tokens[:at], " ".join(tokens[at:])


def _is_determined(words: Sequence[str]) -> bool:
    return bool(words) and (words[0] in (*_ARTICLES, "some", "one") or _READER.read((words[0], "circles")) is not None)


@lru_cache(maxsize=4096)
def _is_mention(tokens: Mention) -> bool:
    """Whether tokens are a phrase for one thing, whatever it may be."""
    words = [token.lower() for token in tokens]
    if not words:
        return False
    if words[0] in _PRONOUNS:
        return len(words) == 1
    if words[0] != "the":
        return _READER.read(tokens) is not None
    rest = words[2:] if words[1:2] and words[1] in ORDINALS else words[1:]
    rest = rest[2:] if rest[:2] == ["group", "of"] else rest
    forms = (("a", *rest), ("two", *rest), tuple(rest))
    return any(_READER.read(form) is not None for form in forms)


def _readings(tokens: Sequence[str]) -> list[CaptionClause]:
    """All that a sentence may say; none if it is longer than `_MOST_TOKENS`."""
    if len(tokens) > _MOST_TOKENS:
        return []
    lower = [token.lower() for token in tokens]
    if lower[:1] == ["there"]:
        return list(dict.fromkeys(_fragments(tokens[2:]))) if lower[1:2] and lower[1] in _COPULAS else []
    return list(dict.fromkeys((*_statements(tokens), *_fragments(tokens))))


def _statements(tokens: Sequence[str]) -> Iterator[CaptionClause]:
    """`X and Y are to the left of Z and above W`, `X holds Y`."""
    for at in range(1, len(tokens)):
        is_copula = tokens[at].lower() in _COPULAS
        if not is_copula and tokens[at].lower() not in _VERBS:
            continue
        rest = tokens[at + 1 :] if is_copula else tokens[at:]
        for subjects in _lists(tuple(tokens[:at])):
            for ends in _ends(rest, is_statement=True):
                yield CaptionClause(subjects, ends)


def _fragments(tokens: Sequence[str]) -> Iterator[CaptionClause]:
    """`X`, `X and Y`, `X to the left of Y`, `X, Y and Z to the left of it`, `X with Y above it`."""
    for subjects in _lists(tuple(tokens)):
        yield CaptionClause(subjects)
    for at in range(1, len(tokens)):
        start = at - 1 if tokens[at - 1] == "," else at
        for subjects in _lists(tuple(tokens[:start])):
            for ends in _ends(tokens[at:], is_statement=False):
                is_within = all(mention[0].lower() in _PRONOUNS for _, mentions in ends for mention in mentions)
                if len(subjects) == 1 or is_within:
                    yield CaptionClause(subjects, ends, of_last=len(subjects) > 1)
        if tokens[at].lower() == "with":
            yield from _with(tuple(tokens[:start]), tokens[at + 1 :])


def _with(subject: Mention, tokens: Sequence[str]) -> Iterator[CaptionClause]:
    """`X with Y above it`: Y is above X."""
    if not _is_mention(subject) or tokens[-1:] not in (["it"], ["them"]):
        return
    for at in range(1, len(tokens) - 1):
        mention = tuple(tokens[:at])
        link = read_link([token.lower() for token in tokens[at:]])
        if link and link.length == len(tokens) - at - 1 and _is_mention(mention):
            yield CaptionClause((subject, mention), ((link, ((tokens[-1],),)),), of_last=True)


def _ends(tokens: Sequence[str], *, is_statement: bool) -> Iterator[tuple[tuple[LinkWords, tuple[Mention, ...]], ...]]:
    """All readings of `P X (and P Y)*`, in which each P is a predicate; verbs are predicates of statements alone."""
    link = read_link([token.lower() for token in tokens])
    if link is None or (tokens[0].lower() in _VERBS and not is_statement):
        return
    rest = tokens[link.length :]
    for mentions in _lists(tuple(rest)) if is_statement else [(tuple(rest),)] if _is_mention(tuple(rest)) else []:
        yield ((link, mentions),)
    for at in range(1, len(rest) - 1):
        if rest[at].lower() in ("and", ",") and _is_mention(tuple(rest[:at])):
            more = rest[at + 2 if rest[at] == "," and rest[at + 1].lower() == "and" else at + 1 :]
            more = more[1:] if is_statement and more and more[0].lower() in _COPULAS else more
            for ends in _ends(more, is_statement=is_statement):
                yield ((link, (tuple(rest[:at]),)), *ends)


@lru_cache(maxsize=4096)
def _lists(tokens: Mention) -> tuple[tuple[Mention, ...], ...]:
    """All readings of `X`, `X and Y`, `X, Y and Z` as phrases."""
    found: list[tuple[Mention, ...]] = [(tokens,)] if _is_mention(tokens) else []
    for at in range(1, len(tokens) - 1):
        if tokens[at].lower() in ("and", ",") and _is_mention(tokens[:at]):
            start = at + 2 if tokens[at] == "," and tokens[at + 1].lower() == "and" else at + 1
            found.extend((tokens[:at], *rest) for rest in _lists(tokens[start:]))
    return tuple(found)
