"""Where captions name things, and how much of them a picture of the thing can stand for.

The rules are our own and read no grammar: they know words that begin or end what names a thing. Where these do
not tell, the name is passed over, as half of another name must not become a picture.
"""

from __future__ import annotations

import re

from datagen.models.grammar.phrases import COLOURS, MASS, head_word, is_plural
from datagen.models.grammar.placeholders import Span

MOST_WORDS = 3
"""Words that may describe a thing between its determiner and its name: "a Falcon 9 rocket"."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DETERMINERS = _words("a an the my your his her its our their whose this that these those some any each every another")
_COUNTS = _words("one two three four five six seven eight nine ten eleven twelve several many few both all")
_BOUNDS = _words(
    "about above across after against along alongside amid among and around as at atop before behind below beneath "
    "beside besides between beyond but by down during except for from in inside into like near nearby of off on "
    "onto or out outside over past per since so than then through throughout to toward towards under "
    "underneath until up upon via while with within without "
    "i he him it she them they us we you who which what when where there here also together not nor "
    "am are be been being did do does had has have is was were "
    "ate became began brought came drank drove flew gave goes got grew held kept lay lies met ran rode sang "
    "sat shone showed slept stood swam threw took went wore"
)
"""What is part of no name: prepositions, conjunctions, pronouns and verbs."""
_AFTER = _words(
    "afloat alone apart asleep away bent bound built can caught clad could cut deep drawn fell full high hung indoors "
    "laid left lit long made may might must next opposite outdoors overhead rose saw seen set shall should shown "
    "spread strewn taken tall upright upside wide will worn would woven"
)
"""What can follow a name, and can describe it too."""
_NOUNS = _words("awning building ceiling clothing drawing icing lighting painting railing sports wedding")
"""What only looks like a verb."""
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*['’]?")  # noqa: RUF001
_NEXT = re.compile(r"\s+([^\W_]+)")
_OWNS = re.compile(r"['’]s\b|(?<=s)['’](?=\s+\w)", re.IGNORECASE)  # noqa: RUF001
_NEARBY = 200
"""Characters before a name that are looked at."""


def find_mention(caption: str, name: str) -> Span | None:
    """The first words of a text that name a thing and nothing else, with what determines and describes it.

    A picture takes no article: "a big dog on the grass" is "<imagehere> on the grass". "A dog house", "a dog-house"
    and "a dog's bowl" do not name a dog.
    """
    words = r"\s+".join(map(re.escape, name.split()))
    for found in re.finditer(rf"(?<![\w-]){words}(?![\w-])", caption, re.IGNORECASE) if words else ():
        bare = Span(*found.span())
        if _is_all(caption, bare) and (whole := with_determiner(caption, bare)):
            return whole
    return None


def _is_all(caption: str, name: Span) -> bool:
    """Whether a name ends where it is said to, and does not describe or own the thing that is meant."""
    if _OWNS.match(caption, name.end):
        return False
    found = _NEXT.match(caption, name.end)
    word = found[1].lower() if found else ""
    ends = not word or word in _DETERMINERS | _COUNTS | _BOUNDS | _AFTER or _is_plural(caption, name)
    return ends or _is_verb(word) or re.search(r"[aeiouy]\w+ed$|\w{3}ly$", word) is not None


def with_determiner(caption: str, name: Span) -> Span | None:
    """A name with its article, number or owner, and the words between; None where it cannot be told what these are.

    A name that begins with one stays as it is, as does one that has none.
    """
    said = caption[name.start : name.end].split()
    if not said or said[0].lower() in _DETERMINERS:
        return name
    start = _start(caption, name, plural=_is_plural(caption, name), alone=_needs_none(caption, name))
    return None if start is None else Span(start, name.end)


def _start(caption: str, name: Span, *, plural: bool, alone: bool) -> int | None:
    """Where what names a thing begins; None if a word before it may or may not be part of that."""
    words = [*_WORD.finditer(caption, max(0, name.start - _NEARBY), name.start)]
    start = at = name.start
    described = 0
    while words:
        found = words.pop()
        word, left, gap = _plain(found), _plain(words[-1]) if words else "", caption[found.end() : at]
        if gap.strip() or (word in _BOUNDS and not _joins_colours(word, left, _plain_at(caption, at))):
            is_list = "," in gap or word in ("and", "or")
            return start if alone or at == start or not is_list else None
        if word in _DETERMINERS:
            return words[-1].start() if left in ("all", "both") else found.start()
        at = found.start()
        if word == "no":
            return None
        if word in _COUNTS or (plural and word.isdigit()):
            start, alone = at, True
        elif described == MOST_WORDS or (_is_verb(word) and not (word.endswith("ing") and left in _DETERMINERS)):
            return start if alone else None
        elif word not in COLOURS and word != "and":
            described += 1
    return start


def _plain(found: re.Match[str]) -> str:
    return found[0].lower().replace("’", "'")  # noqa: RUF001


def _plain_at(caption: str, at: int) -> str:
    found = _WORD.match(caption, at)
    return _plain(found) if found else ""


def _joins_colours(word: str, left: str, right: str) -> bool:
    """Whether "and" stands in "black and white"."""
    return word == "and" and left in COLOURS and right in COLOURS


def _is_verb(word: str) -> bool:
    """Whether a word looks like a verb, or like several things: neither describes a thing."""
    return word not in _NOUNS and (is_plural(word) or re.search(r"[aeiouy]\w*ing$", word) is not None)


def _is_plural(caption: str, name: Span) -> bool:
    return is_plural(head_word(caption[name.start : name.end]))


def _needs_none(caption: str, name: Span) -> bool:
    """Whether a name can stand without a determiner: plurals, what is not counted, and proper names."""
    said = caption[name.start : name.end]
    return said[0].isupper() or _is_plural(caption, name) or head_word(said) in MASS
