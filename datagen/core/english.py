"""English nouns and numbers: plurals, articles, and numbers as words.

The package `inflect` was tried and not taken: it needs two seconds to import, calls "bus", "lens" and "cactus" plurals,
and writes "a LED", "a 8-ball" and "a étoile". Neither can know the number of a word like "fish", whose plural is spelt
the same. It is taken as singular.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


PAIRED = word_set(
    "scissors glasses sunglasses eyeglasses spectacles goggles binoculars pliers tweezers tongs shears jeans pants "
    "trousers shorts leggings tights pyjamas pajamas headphones earphones overalls clippers forceps"
)
"""Plurals that name one object."""
MASS = word_set(
    "water bread rice sand snow grass milk coffee tea butter sugar fruit furniture luggage food fire smoke jewelry "
    "cheese wood paper jewellery hair equipment clothing cutlery pasta honey wine beer ice mud fog foliage"
)

_SAME = word_set(
    "sheep deer fish aircraft spacecraft hovercraft bison moose salmon trout squid shrimp series species offspring"
)
_IRREGULAR = {
    **{word: word for word in _SAME},
    **{"man": "men", "woman": "women", "child": "children", "person": "people", "foot": "feet", "tooth": "teeth"},
    **{"goose": "geese", "mouse": "mice", "ox": "oxen", "die": "dice", "quiz": "quizzes", "bus": "buses"},
    **{f"{stem}f": f"{stem}ves" for stem in ("lea", "shel", "loa", "wol", "cal", "hal", "scar", "thie", "el", "shea")},
    **{f"{stem}fe": f"{stem}ves" for stem in ("kni", "wi", "li")},
    **{f"{stem}o": f"{stem}oes" for stem in ("potat", "tomat", "her", "ech", "mang", "torped", "buffal", "domin")},
    **{"axis": "axes", "oasis": "oases", "cactus": "cacti", "fungus": "fungi", "gas": "gases", "canvas": "canvases"},
    **{"stomach": "stomachs", "monarch": "monarchs"},
}
_PLURALS = frozenset(_IRREGULAR.values()) - _SAME
_SINGULAR_IN_MEN = word_set("specimen omen abdomen stamen ramen regimen")
_NOT_MEN = ("human", "shaman", "talisman", "ottoman", "roman", "german", "caiman")
_SINGULAR_IN_S = word_set(
    "ss us is 's lens gas canvas atlas christmas thermos cosmos news series species biceps triceps rhinoceros "
    "mathematics physics pancreas"
)
_PLURAL_AFTER_ALL = word_set("menus emus gnus skis taxis kiwis bikinis khakis zucchinis safaris")

LINKS = word_set("of with without in on at for from by under over near inside made and")
"""Words after which a name goes on, once its head word is there."""
SHORTEST_SHOUT = 5
"""Least letters of a word in capitals that is lowered; a shorter one may be an acronym."""
_AN_ANYWAY = re.compile(r"(hour|honest|honou?r|heir|8|11(?!\d)|18(?!\d))")
_A_ANYWAY = re.compile(r"(uni(?!n|m|d)|us(?!h|age of)[aeiu]|u[tkg]|eu|ewe|one(?!ir)|once|ub|ur[aiu](?!l\b)n|ou[ij])")
_SINGULAR = {"people": "person", "children": "child", "mice": "mouse", "demitasses": "demitasse"} | {
    f"{stem}s": stem for stem in word_set("cookie movie pie tie zombie selfie brownie bee shoe toe")
}
_TAKES_ES = re.compile(r"(ss|x|zz|ch|sh|us|o|gas|lens|iris)$")

_LETTERS_WITH_AN = frozenset("AEFHILMNORSX")


def head_word(name: str) -> str:
    """The word that decides the number, in lower case: `glass` in "glass of water", `cat` in "black and white cat".

    '' if there is no word.
    """
    words = name.lower().split()
    if not words:
        return ""
    stops = [i for i, word in enumerate(words) if i and word in LINKS and word != "and"]
    return words[(stops[0] if stops else len(words)) - 1]


def is_plural(word: str) -> bool:
    """Whether a single word is a plural, by its spelling."""
    word = word.lower().rpartition("-")[2]
    if word in _SINGULAR_IN_MEN:
        return False
    if word in PAIRED or word in _PLURALS or word in _PLURAL_AFTER_ALL or word.endswith(("men", "people")):
        return True
    return len(word) > 2 and word.endswith("s") and not word.endswith(tuple(_SINGULAR_IN_S))


def pluralize(word: str) -> str:
    """The plural of a single word in the singular."""
    lower = word.lower()
    if lower in _IRREGULAR:
        return _IRREGULAR[lower]
    if lower.endswith(("man", "woman")) and not lower.endswith(_NOT_MEN):
        return f"{word[:-2]}en"
    if lower.endswith(("foot", "tooth", "goose")):
        return re.sub(r"oo(?=(t|th|se)$)", "ee", word)
    if re.search(r"[^aeiou]y$", lower) and word == lower:
        return f"{word[:-1]}ies"
    return f"{word}es" if re.search(r"(s|x|z|[^aeiou]ch|[aeiou]{2}ch|[au]tch|[aeiou]ch|sh)$", lower) else f"{word}s"


def sentence(words: str) -> str:
    """Words as a sentence: with a capital in front and a full stop behind."""
    return f"{words[:1].upper()}{words[1:]}."


@cache
def singularize(word: str) -> str:
    """The singular of a single word in lower case: `apples` is `apple`; a word that is no plural stays as it is."""
    if word in _SINGULAR:
        return _SINGULAR[word]
    if not is_plural(word):
        return word
    stems = [f"{word[:-3]}{end}" for end in ("f", "fe", "y")] + [word.replace("men", "man"), word.replace("ee", "oo")]
    stems += [word[:-2]] if _TAKES_ES.search(word[:-2]) else []
    return next((stem for stem in (*stems, word[:-1]) if stem != word and pluralize(stem) == word), word)


def indefinite_article(words: str) -> str:
    """`a` or `an`, by the sound of the first of these words."""
    first = re.split(r"[\s-]", f"{words} ")[0]
    plain = "".join(c for c in unicodedata.normalize("NFD", first) if not unicodedata.combining(c))
    if _is_spelt(plain):
        return "an" if plain[0].upper() in _LETTERS_WITH_AN else "a"
    if _A_ANYWAY.match(plain.lower()):
        return "a"
    return "an" if re.match("[aeiou]", plain.lower()) or _AN_ANYWAY.match(plain.lower()) else "a"


def _is_spelt(word: str) -> bool:
    """Whether a word is spoken letter by letter: "X", "MRI", "LED", but not "NASA"."""
    if not word.isascii() or not word.isalpha():
        return False
    if len(word) == 1 or word in ("LED", "SUV", "RIP"):
        return True
    return word.isupper() and len(word) < SHORTEST_SHOUT and not re.match("[^AEIOU][AEIOU]", word)


_UNITS = (
    *("nought", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_WORDS = (*_UNITS, *(f"{ten}{unit}" for ten in _TENS for unit in ("", *(f"-{word}" for word in _UNITS[1:10]))))
_NUMBER_OF = {word: number for number, word in enumerate(_WORDS)} | {"zero": 0}


def number_word(number: int) -> str:
    """A whole number from 0 as a word up to `ninety-nine`, in digits above."""
    return _WORDS[number] if number < len(_WORDS) else str(number)


def read_number(word: str) -> int | None:
    """The number that a word in lower case or digits name; None if it names none."""
    return int(word) if word.isascii() and word.isdigit() and len(word) < 10 else _NUMBER_OF.get(word)
