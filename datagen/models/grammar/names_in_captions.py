"""Find where a caption names a thing, and how many of its words a picture of the thing can replace.

The rules do not parse sentences. They use lists of words that begin or end a noun phrase. If these do not decide, the
name is skipped: half of another name ("dog" in "dog house") must not become a picture.
"""

from __future__ import annotations

import re

from datagen.core.english import MASS, head_word, is_plural, word_set
from datagen.models.grammar.phrases import COLOURS
from datagen.models.grammar.placeholders import Span
from datagen.models.grammar.word_sets import DEMONSTRATIVES, POSSESSIVES

MOST_WORDS = 3
"""Most words that may describe a thing between its determiner and its name: "a Falcon 9 rocket" has two."""
_DETERMINERS = POSSESSIVES | DEMONSTRATIVES | word_set("a an the whose some any each every another")
_COUNTS = word_set("one two three four five six seven eight nine ten eleven twelve several many few both all")
_BOUNDS = word_set(
    "about above across after against along alongside amid among and around as at atop before behind below beneath "
    "beside besides between beyond but by down during except for from in inside into like near nearby of off on "
    "onto or out outside over past per since so than then through throughout to toward towards under "
    "underneath until up upon via while with within without "
    "i he him it she them they us we you who which what when where there here also together not nor "
    "am are be been being did do does had has have is was were "
    "ate became began brought came drank drove flew gave goes got grew held kept lay lies met ran rode sang "
    "sat shone showed slept stood swam threw took went wore"
)
"""Words that are never part of a name: prepositions, conjunctions, pronouns and verbs."""
_AFTER = word_set(
    "afloat alone apart asleep away bent bound built can caught clad could cut deep drawn fell full high hung indoors "
    "laid left lit long made may might must next opposite outdoors overhead rose saw seen set shall should shown "
    "spread strewn taken tall upright upside wide will worn would woven"
)
"""Words that can follow a name, and can also describe one: "a boat afloat", "the lit lamp"."""
_NOUNS = word_set("awning building ceiling clothing drawing icing lighting painting railing sports wedding")
"""Nouns that look like verbs, by their ending."""
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*['’]?")  # noqa: RUF001
_NEXT = re.compile(r"\s+([^\W_]+)")
_OWNS = re.compile(r"['’]s\b|(?<=s)['’](?=\s+\w)", re.IGNORECASE)  # noqa: RUF001
_NEARBY = 200
"""Characters before a name that are searched; a limit keeps long captions linear in time."""


def find_mention(caption: str, name: str) -> Span | None:
    """The first place in a caption that names a thing, with its determiner and the words that describe it.

    The article is part of the span, because a picture takes none: "a big dog on the grass" becomes "<imagehere> on the
    grass". "A dog house", "a dog-house" and "a dog's bowl" do not name a dog. None if there is no such place.
    """
    words = r"\s+".join(map(re.escape, name.split()))
    for found in re.finditer(rf"(?<![\w-]){words}(?![\w-])", caption, re.IGNORECASE) if words else ():
        bare = Span(*found.span())
        if _ends_there(caption, bare) and (whole := with_determiner(caption, bare)):
            return whole
    return None


def _ends_there(caption: str, name: Span) -> bool:
    """Whether a noun phrase ends where the name ends: the name neither describes nor owns a following noun."""
    if _OWNS.match(caption, name.end):
        return False
    found = _NEXT.match(caption, name.end)
    word = found[1].lower() if found else ""
    ends = not word or word in _DETERMINERS | _COUNTS | _BOUNDS | _AFTER or _is_plural(caption, name)
    return ends or _is_verb(word) or re.search(r"[aeiouy]\w+ed$|\w{3}ly$", word) is not None


def with_determiner(caption: str, name: Span) -> Span | None:
    """A name extended to its article, number or owner; None if it is unclear which words before it belong to it.

    A name that begins with a determiner, or has none, is returned as it is.
    """
    words = caption[name.start : name.end].split()
    if not words or words[0].lower() in _DETERMINERS:
        return name
    start = _phrase_start(caption, name, plural=_is_plural(caption, name), alone=_needs_no_determiner(caption, name))
    return None if start is None else Span(start, name.end)


def _phrase_start(caption: str, name: Span, *, plural: bool, alone: bool) -> int | None:
    """Where the noun phrase of a name begins; None if a word before it may or may not belong to it."""
    words = [*_WORD.finditer(caption, max(0, name.start - _NEARBY), name.start)]
    start = at = name.start
    described = 0
    while words:
        found = words.pop()
        word, left, gap = _lower(found), _lower(words[-1]) if words else "", caption[found.end() : at]
        if gap.strip() or (word in _BOUNDS and not _joins_colours(word, left, _lower_at(caption, at))):
            is_list = "," in gap or word in ("and", "or")
            return start if alone or at == start or not is_list else None
        if word in _DETERMINERS:
            return words[-1].start() if left in ("all", "both") else found.start()
        at = found.start()
        if word == "no":
            return None  # the caption says that there is none
        if word in _COUNTS or (plural and word.isdigit()):
            start, alone = at, True
        # "a barking dog" describes a dog, "man walking dog" does not
        elif described == MOST_WORDS or (_is_verb(word) and not (word.endswith("ing") and left in _DETERMINERS)):
            return start if alone else None
        elif word not in COLOURS and word != "and":
            described += 1
    return start


def _lower(found: re.Match[str]) -> str:
    return found[0].lower().replace("’", "'")  # noqa: RUF001


def _lower_at(caption: str, at: int) -> str:
    found = _WORD.match(caption, at)
    return _lower(found) if found else ""


def _joins_colours(word: str, left: str, right: str) -> bool:
    """Whether "and" joins two colours, as in "black and white"."""
    return word == "and" and left in COLOURS and right in COLOURS


def _is_verb(word: str) -> bool:
    """Whether a word looks like a verb or a plural: neither describes a thing."""
    return word not in _NOUNS and (is_plural(word) or re.search(r"[aeiouy]\w*ing$", word) is not None)


def _is_plural(caption: str, name: Span) -> bool:
    return is_plural(head_word(caption[name.start : name.end]))


def _needs_no_determiner(caption: str, name: Span) -> bool:
    """Whether a name needs no determiner: plurals, mass nouns and proper names."""
    text = caption[name.start : name.end]
    return text[0].isupper() or _is_plural(caption, name) or head_word(text) in MASS
