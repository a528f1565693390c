"""Instructions composed by rules: facts that geometry proves, joined in many ways.

A writer first gathers all `Fact`s that hold, chooses a position for the
opening, a size, a relation where there is one, and sometimes a detail more,
then spreads them over the rest of the first sentence and the second. Every
choice is drawn from the given random numbers, so the same layout and seed
give the same words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import permutations
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from datagen.core.errors import DataError
from datagen.core.fields import PLACEHOLDER
from datagen.imaging.box_relations import region
from datagen.models.grammar import Noun, mentions_size, noun
from datagen.models.instructions.base import Instruction, PictureLayout
from datagen.models.instructions.facts import Fact, Voice, voice
from datagen.models.instructions.mentions import Surroundings, scene
from datagen.models.instructions.place_facts import place_facts, positions
from datagen.models.instructions.relation_facts import relation_facts
from datagen.models.instructions.size_facts import bulk_facts, shape_facts, size_facts

if TYPE_CHECKING:
    from datagen.imaging.image import Image
from typing import Literal

from datagen.core.stage import Runtime
from datagen.models.base import ModelConfig
from datagen.models.instructions.base import InstructionWriter


class RulesConfig(ModelConfig):
    """Composes instructions from what the boxes prove."""

    kind: Literal["rules"] = "rules"
    all_annotated: bool = False
    """Whether every object that shares a label with an annotated one is annotated too.

    Only then can "the leftmost of the coins", "the other coin" or "the two cups" be known to be true.
    """

    def load(self, device: str, *, runtime: Runtime) -> InstructionWriter:  # noqa: ARG002
        """The writer; it needs no device, and nothing of the run."""
        return RuleWriter(self)


_T = TypeVar("_T")
_SLOT = re.compile(r"\{([A-Za-z]+)(\d?)\}")

MOST_FACTS = 3
"""Besides the position: what two short sentences hold."""
WITH_TAIL = 0.55
"""Share of drafts that tell something in the first sentence besides the position."""
DRAFTS = 6
LONG_SENTENCE = 24
"""Words."""

PICTURE = ("picture", "picture", "image", "image", "frame")

_SAME_MATTER = (re.compile("half|third|quarter|corner|edge|side"), re.compile("cent(er|ral)|middle"))

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
    """Composes instructions from what boxes prove; knows nothing of the pixels."""

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
        """It opened nothing."""

    def compose(self, layout: PictureLayout, *, rng: np.random.Generator) -> Instruction:
        """The instruction for a layout. Raises `DataError` if the subject's box covers nothing of the picture."""
        place = region(layout.subject.box, size=layout.size)
        if place is None:
            raise DataError(f"the box of '{layout.subject.label}', {layout.subject.box}, covers nothing of the picture")
        around = scene(layout, subject=place, all_annotated=self.config.all_annotated)
        subject = noun(layout.subject.label, attributes=layout.subject.attributes)
        speech = voice(subject, picture=_pick(PICTURE, rng))
        position = _pick(positions(place), rng)
        facts = _chosen(_known(layout, around, speech, rng), position, rng)
        return _composed(facts, _Style(position, layout.subject.label, subject, speech, around), rng)


class _Style(NamedTuple):
    """What all of an instruction's sentences have in common."""

    position: str
    label: str
    subject: Noun
    voice: Voice
    scene: Surroundings


def _pick(choices: Sequence[_T], rng: np.random.Generator) -> _T:
    return choices[int(rng.integers(len(choices)))]


def _known(
    layout: PictureLayout, around: Surroundings, speech: Voice, rng: np.random.Generator
) -> dict[str, list[Fact]]:
    """All facts that hold, by topic."""
    facts = [
        *size_facts(around.subject, voice=speech),
        *shape_facts(around.subject, size=layout.size, voice=speech),
        *place_facts(around.subject, voice=speech),
        *relation_facts(around, label=layout.subject.label, voice=speech, rng=rng),
    ]
    if not mentions_size(layout.subject.attributes):
        facts += bulk_facts(around.subject, voice=speech)
    topics = ("size", "shape", "place", "relation", "comparison")
    return {topic: [fact for fact in facts if fact.topic == topic] for topic in topics}


def _chosen(known: dict[str, list[Fact]], position: str, rng: np.random.Generator) -> list[Fact]:
    """Two to four facts worth telling: always a size, a relation where there is one."""
    chosen: list[Fact] = []
    for topic, chance in _plan(known, rng):
        fresh = [fact for fact in known[topic] if not _repeats(fact, chosen, position)]
        if fresh and rng.random() < chance:
            chosen.append(fresh[int(rng.integers(len(fresh), size=2).min())])  # those told first matter more
    return [chosen[i] for i in rng.permutation(len(chosen))]


def _plan(known: dict[str, list[Fact]], rng: np.random.Generator) -> list[tuple[str, float]]:
    """Topics in the order in which they are asked for, with the chance that each gets a word."""
    extras = ["shape", "place"] if known["relation"] or known["comparison"] else ["shape"]
    extra = _pick([*extras, "comparison", "relation"], rng)
    if not known["relation"]:
        return [("size", 1.0), ("place", 0.9), ("comparison", 0.4), (extra, 0.3)]
    return [("relation", 1.0), ("comparison", 0.2), ("size", 1.0), (extra, 0.4)]


def _repeats(fact: Fact, chosen: list[Fact], position: str) -> bool:
    """Whether a fact would tell again what the position or another fact tells, or name a thing twice."""
    if len(chosen) >= MOST_FACTS or any(other.about & fact.about for other in chosen):
        return True
    if fact.topic != "relation" and any(other.topic == fact.topic for other in chosen):
        return True
    told = " ".join((*fact.adjuncts, *fact.clauses))
    return fact.topic == "place" and any(words.search(position) and words.search(told) for words in _SAME_MATTER)


def _composed(facts: list[Fact], style: _Style, rng: np.random.Generator) -> Instruction:
    """The best of a few drafts of an instruction that tells `facts`."""
    drafts = [_draft(facts, style, rng) for _ in range(DRAFTS)]
    tail, second = min(drafts, key=lambda draft: _clumsiness(draft, style))
    named, again = _subject_in_text(style, rng), f"the {style.voice.picture}"
    return Instruction(
        f"Add {PLACEHOLDER} to the {style.position} of {PLACEHOLDER}{tail}. {second}.",
        f"Add {named} to the {style.position} of {again}{tail}. {second}.",
        tuple(dict.fromkeys(relation for fact in facts for relation in fact.stated)),
    )


def _draft(facts: list[Fact], style: _Style, rng: np.random.Generator) -> tuple[str, str]:
    """What follows the opening, and the second sentence, without full stops."""
    if len(facts) > 1 and rng.random() < WITH_TAIL:
        at = int(rng.integers(len(facts)))
        tails = _fitting(_TAILS, [facts[at]])
        rest = [fact for i, fact in enumerate(facts) if i != at]
        return _said(_pick(tails, rng), style, rng), _sentence(rest, style, rng)
    return "", _sentence(facts, style, rng)


def _sentence(facts: list[Fact], style: _Style, rng: np.random.Generator) -> str:
    patterns = (_ONE, _TWO, _THREE)[len(facts) - 1]
    said = _said(_pick(_fitting(patterns, facts), rng), style, rng)
    return said[:1].upper() + said[1:]


class _Fitted(NamedTuple):
    """A pattern, and the facts for its slots in order."""

    pattern: str
    facts: tuple[Fact, ...]


def _fitting(patterns: Sequence[str], facts: list[Fact]) -> list[_Fitted]:
    """Every way to put all facts into one pattern."""
    return [
        _Fitted(pattern, order)
        for pattern in patterns
        for order in permutations(facts)
        if all(_forms(order[int(i)], slot, plural=False) for slot, i in _SLOT.findall(pattern) if i)
    ]


def _said(fitted: _Fitted, style: _Style, rng: np.random.Generator) -> str:
    """A pattern with its slots filled; labels are never read as slots."""

    def fill(slot: re.Match[str]) -> str:
        form, index = slot.groups()
        if index:
            return _pick(_forms(fitted.facts[int(index)], form, plural=style.voice.plural), rng)
        return _called(style, rng) if form == "Subject" else str(getattr(style.voice, form))

    return _SLOT.sub(fill, fitted.pattern)


def _forms(fact: Fact, form: str, *, plural: bool) -> tuple[str, ...]:
    """The phrases of a fact that fit one kind of slot."""
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


def _called(style: _Style, rng: np.random.Generator) -> str:
    """The subject at the head of a sentence: a pronoun, or its name where that cannot mean another thing."""
    bare = noun(style.label)
    if not bare.article:
        return _pick((style.voice.it, bare.definite), rng)
    names = [f"the new {bare.words}"] if style.scene.has_like_subject else [f"the {bare.words}"]
    return _pick((style.voice.it, style.voice.it, *names), rng)


def _subject_in_text(style: _Style, rng: np.random.Generator) -> str:
    """The subject in place of its placeholder; `the` only where it is the one of its kind."""
    if style.scene.has_like_subject:
        return style.subject.new
    return _pick((style.subject.definite, style.subject.new), rng)


def _clumsiness(draft: tuple[str, str], style: _Style) -> int:
    """How often a draft does what an editor would strike out."""
    tail, second = draft
    faults = sum(max(0, part.count(" and ") - 1) for part in draft)
    faults += sum(len(part.split()) > LONG_SENTENCE for part in draft)
    faults += sum(word in style.position.split() for word in tail.split())
    faults += ", where" in tail and second.startswith(("There", "Once"))
    return faults + max(0, " ".join(draft).count(f"the {style.voice.picture}") - 1)
