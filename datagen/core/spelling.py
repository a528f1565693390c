"""Common misspellings of English words in requests for edits."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Final

_CORRECT: Final = {
    **{"the": "teh hte thge", "with": "wiht wih wth", "and": "adn nad", "from": "frmo fron", "of": "fo"},
    **{"background": "backround backgroud backgorund bakground backgrond", "foreground": "forground foregroud"},
    **{"picture": "picutre pictrue pitcure picure", "image": "iamge imge imgae", "photo": "phtoo foto"},
    **{"color": "colr clor coler", "colour": "colur coulour", "blue": "blu bleu", "green": "gren grene"},
    **{"yellow": "yelow yello", "orange": "oragne ornage", "purple": "purpel purlpe", "white": "wite whtie"},
    **{"black": "balck blakc", "brown": "bronw borwn", "gray": "garay", "please": "plase pleese pelase"},
    **{"across": "accross acros", "behind": "behnid beihnd", "between": "beetween betwen", "beside": "besdie"},
    **{"instead": "insted instaed", "their": "thier", "there": "tehre", "friend": "freind", "weird": "wierd"},
    **{"beautiful": "beatiful beautifull", "different": "diffrent diferent", "beginning": "begining"},
    **{"until": "untill", "really": "realy", "bright": "birght brihgt", "brighter": "brigther brighetr"},
    **{"light": "lihgt ligth", "night": "nihgt nigth", "height": "heigth hieght", "necklace": "neckless neclace"},
    **{"people": "poeple peopel pepole", "building": "buidling bulding", "water": "watre", "house": "huose"},
    **{"woman": "womna", "women": "woemn", "girl": "gril", "child": "chlid", "glasses": "glases"},
    **{"painting": "paiting paintng", "realistic": "realisitc", "sunset": "sunst"},
    **{
        "everything": "everthing",
        "something": "somthing",
        "wearing": "waering",
        "looking": "loking",
        "forest": "forrest",
    },
}
MISSPELT: Final = {wrong: right for right, many in _CORRECT.items() for wrong in many.split()}
"""Words that are no English, and what they stand for."""
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")  # noqa: RUF001
_TOO: Final = re.compile(r"\btoo(?= (?:the|an?|his|her|my|this)\b)", re.IGNORECASE)
_LEAST: Final = 3


def correct_spelling(
    text: str, *, known: Callable[[str], bool], nouns: Collection[str], verbs: Collection[str], shown: str = ""
) -> str:
    """The text with misspelt words corrected where it is certain what they stand for; all else stays.

    A word that is not `known` (given in lower case) is replaced if it is a common misspelling, or one of `nouns` with
    two neighbouring letters swapped or a letter wrongly doubled or not doubled. A first word also stands for one of
    `verbs` if a letter is missing or too many and the next word is no verb. "too the" becomes "to the". Only what is
    also in `shown` at the same place is touched: the text with its quotes masked, of equal length.
    """
    shown = shown or text
    first = True

    def corrected(found: re.Match[str]) -> str:
        nonlocal first
        word, is_first = found[0].lower(), first
        if shown[found.start() : found.end()] != found[0]:
            return found[0]
        first = first and word in ("please", "pls", "plz", "then", "and", "also", "now")
        if word in MISSPELT:
            return _in_case(MISSPELT[word], found[0])
        if known(word) or len(word) < _LEAST or not word.isascii() or not word.isalpha() or found[0].isupper():
            return found[0]
        if is_first and (near := [verb for verb in verbs if _is_near(word, verb)]):
            return _in_case(near[0], found[0]) if len(near) == 1 else found[0]
        if found[0][0].isupper() and not is_first:
            return found[0]  # it may be a name
        near = [noun for noun in nouns if _is_slip(word, noun)]
        return _in_case(near[0], found[0]) if len(near) == 1 else found[0]

    return _TOO.sub(lambda found: _in_case("to", found[0]), _WORD.sub(corrected, text))


def _in_case(word: str, written: str) -> str:
    return word.capitalize() if written[:1].isupper() else word


def _is_slip(word: str, right: str) -> bool:
    """Whether two neighbours are swapped, or a letter is doubled or not."""
    if len(word) == len(right):
        return len(word) > _LEAST and _is_swapped(word, right)
    short, long = sorted((word, right), key=len)
    return len(long) - len(short) == 1 and any(
        long[i] == long[i - 1] and long[:i] + long[i + 1 :] == short for i in range(1, len(long))
    )


def _is_near(word: str, right: str) -> bool:
    """Whether a word has the first letter of the right one, and two swapped, one missing or one too many."""
    if word[0] != right[0]:
        return False
    if len(word) == len(right):
        return _is_swapped(word, right)
    short, long = sorted((word, right), key=len)
    return len(long) - len(short) == 1 and any(long[:i] + long[i + 1 :] == short for i in range(1, len(long)))


def _is_swapped(word: str, right: str) -> bool:
    differ = [i for i, (one, other) in enumerate(zip(word, right, strict=True)) if one != other]
    return (
        len(differ) == 2
        and differ[1] == differ[0] + 1
        and word[differ[0]] == right[differ[1]]
        and word[differ[1]] == right[differ[0]]
    )
