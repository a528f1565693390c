"""Instructions by rules: facts that the geometry proves, combined in many ways.

The writer collects all true `Fact`s. It chooses a position for the opening, a size, a relation if there is one, and
sometimes one more detail. It spreads them over the rest of the first sentence and the second one. Every choice is
drawn from the given random generator, so that the same layout and seed give the same words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import permutations
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

import numpy as np

from datagen.core.errors import DataError
from datagen.core.fields import PLACEHOLDER
from datagen.core.stage import Runtime
from datagen.imaging.box_relations import region
from datagen.models.base import ModelConfig
from datagen.models.grammar import Noun, mentions_size, noun
from datagen.models.instructions.base import Instruction, InstructionWriter, PictureLayout
from datagen.models.instructions.facts import Fact, Voice, voice_of
from datagen.models.instructions.mentions import Surroundings, find_surroundings
from datagen.models.instructions.place_facts import place_facts, positions
from datagen.models.instructions.postures import resting_verbs
from datagen.models.instructions.relation_facts import relation_facts
from datagen.models.instructions.size_facts import bulk_facts, shape_facts, size_facts

if TYPE_CHECKING:
    from datagen.imaging.image import Image


class RulesConfig(ModelConfig):
    """Composes instructions from what masks and boxes prove."""

    kind: Literal["rules"] = "rules"
    all_annotated: bool = False
    """Whether every object that shares a label with an annotated one is annotated too.

    Only then can "the cup", "the leftmost of the coins", "the other coin" or "the two cups" be known to be true: where
    one of four towers is annotated, "the tower" means none.
    """

    def load(self, device: str, *, runtime: Runtime) -> InstructionWriter:  # noqa: ARG002
        """The writer; it needs no device and no runtime."""
        return RuleWriter(self)


_T = TypeVar("_T")
_SLOT = re.compile(r"\{([A-Za-z]+)(\d?)\}")

MOST_FACTS = 3
"""Most facts besides the position: two short sentences hold no more."""
WITH_TAIL = 0.55
"""Share of drafts whose first sentence has a fact besides the position."""
DRAFTS = 6
"""Number of drafts of which the best is taken."""
LONG_SENTENCE = 24
"""Most words of a sentence that is not long."""

PICTURE = ("picture", "picture", "image", "image", "frame")

# A position and a fact with words of one group would say the same thing twice.
_SAME_MATTER = (re.compile("half|third|quarter|corner|edge|side"), re.compile("cent(er|ral)|middle"))

# A pattern that stands twice is drawn twice as often.
_TAILS = (
    ", {adjunct0}",
    ", {adjunct0}",
    ", {participle0}",
    " and {command0}",
    " so that {it} {finite0}",
    ", where {it} {finite0}",
)
_ONE = (
    "{Subject} {finite0}",
    "{Subject} should {base0}",
    "{command0}",
    "{clause0}",
    "once in place, {it} {finite0}",
    "there, {it} {finite0}",
)
_TWO = (
    "{Subject} {finite0} and {finite1}",
    "{Subject} {finite0}, {participle1}",
    "{Subject} {finite0}, {adjunct1}",
    "{Subject} {finite0}, and {clause1}",
    "{Subject} should {base0} and {base1}",
    "{Subject} should {base0}, {adjunct1}",
    "{participle0}, {it} {finite1}",
    "{opener0}, {it} {finite1}",
    "{opener0}, {it} should {base1}",
    "{command0} and {command1}",
    "{command0}, {adjunct1}",
    "{clause0}, and {it} {finite1}",
    "{clause0} and {clause1}",
)
_THREE = (
    "{Subject} {finite0} and {finite1}, {adjunct2}",
    "{Subject} {finite0}, {finite1}, and {finite2}",
    "{opener0}, {it} {finite1} and {finite2}",
    "{opener0}, {it} {finite1}, {adjunct2}",
    "{participle0}, {it} {finite1} and {finite2}",
    "{Subject} {finite0}, {adjunct1}, and {clause2}",
    "{command0} and {command1}, {adjunct2}",
    "{clause0}, and {it} {finite1}, {adjunct2}",
)


class RuleWriter:
    """Composes instructions from boxes and masks, without the picture."""

    def __init__(self, config: RulesConfig) -> None:
        self.config = config

    async def write(
        self,
        layout: PictureLayout,
        *,
        target: Image,  # noqa: ARG002
        record: str,  # noqa: ARG002
        rng: np.random.Generator,
    ) -> Instruction:
        """See `InstructionWriter`."""
        return self.compose(layout, rng=rng)

    async def close(self) -> None:
        """Nothing to close."""

    def compose(self, layout: PictureLayout, *, rng: np.random.Generator) -> Instruction:
        """The instruction for a layout. Raises `DataError` if the subject's box is outside of the picture."""
        place = region(layout.subject.box, size=layout.size)
        if place is None:
            raise DataError(f"the box of '{layout.subject.label}', {layout.subject.box}, covers nothing of the picture")
        around = find_surroundings(layout, subject=place, all_annotated=self.config.all_annotated)
        subject = noun(layout.subject.label, attributes=layout.subject.attributes)
        resting = resting_verbs(layout.subject.label)
        pronouns = voice_of(subject, picture=_pick(PICTURE, rng), resting=resting)
        position = _pick(positions(place), rng)
        facts = _choose_facts(_facts_by_topic(layout, around, pronouns, rng), position, rng)
        return _compose_instruction(facts, _Style(position, layout.subject.label, subject, pronouns, around), rng)


class _Style(NamedTuple):
    """What all sentences of an instruction share."""

    position: str
    label: str
    subject: Noun
    voice: Voice
    around: Surroundings


def _pick(choices: Sequence[_T], rng: np.random.Generator) -> _T:
    return choices[int(rng.integers(len(choices)))]


def _facts_by_topic(
    layout: PictureLayout, around: Surroundings, pronouns: Voice, rng: np.random.Generator
) -> dict[str, list[Fact]]:
    """All true facts, by topic."""
    facts = [
        *size_facts(around.subject, voice=pronouns),
        *shape_facts(around.subject, size=layout.size, voice=pronouns),
        *place_facts(around.subject, voice=pronouns),
        *relation_facts(around, subject=layout.subject, voice=pronouns, rng=rng),
    ]
    if not mentions_size(layout.subject.attributes):
        facts += bulk_facts(around.subject, voice=pronouns)
    topics = ("size", "shape", "place", "relation", "comparison")
    return {topic: [fact for fact in facts if fact.topic == topic] for topic in topics}


def _choose_facts(known: dict[str, list[Fact]], position: str, rng: np.random.Generator) -> list[Fact]:
    """At most MOST_FACTS facts, in random order: always a size, and a relation if there is one."""
    chosen: list[Fact] = []
    for topic, chance in _plan(known, rng):
        fresh = [fact for fact in known[topic] if not _repeats(fact, chosen, position)]
        if fresh and rng.random() < chance:
            earlier = int(rng.integers(len(fresh), size=2).min())  # of two draws, as earlier facts matter more
            chosen.append(fresh[earlier])
    return [chosen[i] for i in rng.permutation(len(chosen))]


def _plan(known: dict[str, list[Fact]], rng: np.random.Generator) -> list[tuple[str, float]]:
    """Topics in the order in which facts are chosen, each with the probability that it gets one."""
    extras = ["shape", "place"] if known["relation"] or known["comparison"] else ["shape"]
    extra = _pick([*extras, "comparison", "relation"], rng)
    if not known["relation"]:
        return [("size", 1.0), ("place", 0.9), ("comparison", 0.4), (extra, 0.3)]
    return [("relation", 1.0), ("comparison", 0.2), ("size", 1.0), (extra, 0.4)]


def _repeats(fact: Fact, chosen: list[Fact], position: str) -> bool:
    """Whether a fact repeats the position or a chosen fact, mentions a kind twice, or is one too many."""
    if len(chosen) >= MOST_FACTS or any(other.about & fact.about for other in chosen):
        return True
    if fact.topic != "relation" and any(other.topic == fact.topic for other in chosen):
        return True
    phrases = " ".join((*fact.adjuncts, *fact.clauses))
    return fact.topic == "place" and any(words.search(position) and words.search(phrases) for words in _SAME_MATTER)


def _compose_instruction(facts: list[Fact], style: _Style, rng: np.random.Generator) -> Instruction:
    """The instruction with these facts: the least clumsy of a few drafts."""
    drafts = [_draft(facts, style, rng) for _ in range(DRAFTS)]
    tail, second = min(drafts, key=lambda draft: _clumsiness(draft, style))
    named, again = _subject_in_text(style, rng), f"the {style.voice.picture}"
    return Instruction(
        f"Add {PLACEHOLDER} to the {style.position} of {PLACEHOLDER}{tail}. {second}.",
        f"Add {named} to the {style.position} of {again}{tail}. {second}.",
        tuple(dict.fromkeys(relation for fact in facts for relation in fact.stated)),
    )


def _draft(facts: list[Fact], style: _Style, rng: np.random.Generator) -> tuple[str, str]:
    """The rest of the first sentence after the opening, and the second one, without full stops."""
    if len(facts) > 1 and rng.random() < WITH_TAIL:
        at = int(rng.integers(len(facts)))
        tails = _fitting_patterns(_TAILS, [facts[at]])
        rest = [fact for i, fact in enumerate(facts) if i != at]
        return _fill_pattern(_pick(tails, rng), style, rng), _sentence(rest, style, rng)
    return "", _sentence(facts, style, rng)


def _sentence(facts: list[Fact], style: _Style, rng: np.random.Generator) -> str:
    patterns = (_ONE, _TWO, _THREE)[len(facts) - 1]
    text = _fill_pattern(_pick(_fitting_patterns(patterns, facts), rng), style, rng)
    return text[:1].upper() + text[1:]


class _Fitted(NamedTuple):
    """A pattern, with the facts for its slots in order."""

    pattern: str
    facts: tuple[Fact, ...]


def _fitting_patterns(patterns: Sequence[str], facts: list[Fact]) -> list[_Fitted]:
    """Every pattern that can hold all facts, with every possible order of them."""
    forms = [{form for form in _FORMS if _forms(fact, form, plural=False)} for fact in facts]
    return [
        _Fitted(pattern, tuple(facts[i] for i in order))
        for pattern in patterns
        for order in permutations(range(len(facts)))
        if all(slot in forms[order[i]] for slot, i in _slots(pattern))
    ]


@cache
def _slots(pattern: str) -> tuple[tuple[str, int], ...]:
    """The form and the index of each fact that a pattern has room for."""
    return tuple((form, int(index)) for form, index in _SLOT.findall(pattern) if index)


def _fill_pattern(fitted: _Fitted, style: _Style, rng: np.random.Generator) -> str:
    """A pattern with its slots filled in one pass, so that a label with braces is not taken for a slot."""

    def fill(slot: re.Match[str]) -> str:
        form, index = slot.groups()
        if index:
            return _pick(_forms(fitted.facts[int(index)], form, plural=style.voice.plural), rng)
        return _subject_name(style, rng) if form == "Subject" else str(getattr(style.voice, form))

    return _SLOT.sub(fill, fitted.pattern)


_FORMS = ("finite", "base", "participle", "adjunct", "opener", "command", "clause")


def _forms(fact: Fact, form: str, *, plural: bool) -> tuple[str, ...]:
    """The phrases of a fact for one kind of slot."""
    match form:
        case "finite":
            return tuple(f"{verb.finite(plural=plural)} {rest}" for verb, rest in fact.predicates)
        case "base":
            return tuple(f"{verb.base} {rest}" for verb, rest in fact.predicates)
        case "participle":
            return tuple(f"{verb.participle} {rest}" for verb, rest in fact.predicates if verb.participle)
        case "adjunct":
            return fact.adjuncts
        case "opener":
            return fact.openers
        case "command":
            return fact.commands
        case _:
            return fact.clauses


def _subject_name(style: _Style, rng: np.random.Generator) -> str:
    """The subject at the start of a sentence: a pronoun, or a name that cannot mean another object."""
    bare = noun(style.label)
    if not bare.article:
        return _pick((style.voice.it, bare.definite), rng)
    names = [f"the {bare.words}"] if style.around.is_only_subject else [f"the new {bare.words}"]
    return _pick((style.voice.it, style.voice.it, *names), rng)


def _subject_in_text(style: _Style, rng: np.random.Generator) -> str:
    """The subject in place of its placeholder; with `the` only if it is known to be the only one of its kind."""
    if not style.around.is_only_subject:
        return style.subject.new
    return _pick((style.subject.definite, style.subject.new), rng)


def _clumsiness(draft: tuple[str, str], style: _Style) -> int:
    """Number of faults of style in a draft: long sentences, repeated words, too many "and"."""
    tail, second = draft
    faults = sum(max(0, part.count(" and ") - 1) for part in draft)
    faults += sum(len(part.split()) > LONG_SENTENCE for part in draft)
    faults += sum(word in style.position.split() for word in tail.split())
    faults += ", where" in tail and second.startswith(("There", "Once"))
    return faults + max(0, " ".join(draft).count(f"the {style.voice.picture}") - 1)
