"""Split an instruction into clauses with one edit each, and strip what is only polite."""

from __future__ import annotations

import re

_VERBS: dict[str, str] = {
    "add": """add put place insert draw include give create sketch introduce stick attach hang set position append pop
        lay plant overlay superimpose throw decorate top equip adorn bring duplicate copy clone generate render show""",
    "remove": """remove delete erase eliminate discard clear wipe drop ditch lose omit exclude scrap banish hide rid get
        take cut edit photoshop rub scrub leave dispose do lift""",
    "replace": "replace swap exchange substitute trade switch convert transform morph",
    "change": """change turn make paint colour color recolour recolor dye tint shade tone have let render keep alter
        adjust modify tweak set fill enlarge shrink resize rotate flip open close""",
    "move": "move shift slide bring relocate push pull drag nudge transfer reposition carry raise lower",
    "global": "brighten darken lighten desaturate saturate invert mirror crop zoom blur sharpen warm cool apply tilt",
    "undo": """undo revert restore cancel withdraw forget scratch reverse rewind reset disregard roll go return""",
    "other": "repeat use try",
}
"""Verbs by what they mostly ask for. A verb with several meanings is in several lists."""
_IRREGULAR = {
    **{"putting": "put", "getting": "get", "setting": "set", "cutting": "cut", "dropping": "drop", "swapping": "swap"},
    **{"wiping": "wipe", "ridding": "rid", "rubbing": "rub", "scrapping": "scrap", "dragging": "drag"},
    **{"flipping": "flip", "dyeing": "dye", "cropping": "crop", "copying": "copy"},
}
VERBS = frozenset(" ".join(_VERBS.values()).split())
_LEADS = (
    r"please|kindly|just|now|then|next|also|and|but|so|ok(?:ay)?|hey|hi|hello|well|finally|lastly|first(?:ly)?"
    r"|second(?:ly)?|thirdly"
    r"|afterwards?|after\s+that|maybe|perhaps|simply|carefully|quickly|instead(?!\s+of)|additionally|furthermore"
    r"|actually|hmm+|thanks?"
    r"|(?:would|do)\s+you\s+mind|(?:can|could|would|will)\s+you(?:\s+(?:possibly|perhaps|also|maybe|then|now"
    r"|just))*(?:\s+please)?(?:\s+(?:be\s+(?:so\s+kind|able)\s+(?:as\s+)?to|help\s+me(?:\s+to)?))?"
    r"|could\s+we|can\s+we|can\s+i(?:\s+get\s+you\s+to)?|could\s+i(?:\s+get\s+you\s+to)?"
    r"|(?:is|would)\s+it\s+(?:be\s+)?possible\s+(?:for\s+you\s+)?to|how\s+about|what\s+about"
    r"|why\s+not|why\s+don'?t\s+(?:you|we)"
    r"|i\s*(?:'d|\s+would|\s+do|\s+really)*\s+(?:really\s+)?(?:like|love|want|need|wish"
    r"|prefer)\s+(?:for\s+)?(?:you\s+)?to"
    r"|i\s+(?:think|guess|suggest)(?:\s+that)?(?:\s+(?:you|we)\s+(?:should|could|can|might))?"
    r"|(?:you|we)\s+(?:should|could|can|may|might|need\s+to|have\s+to|must)"
    r"|it(?:\s+would|'?d)\s+be\s+(?:nice"
    r"|great|good|better|lovely|cool)\s+(?:if\s+you\s+(?:could|would)|to)"
    r"|let'?s|let\s+us|go\s+ahead\s+and|go\s+on\s+and|try\s+(?:to|and)|make\s+sure\s+(?:to"
    r"|that\s+you|you)|be\s+sure\s+to|feel\s+free\s+to"
    r"|be\s+so\s+kind\s+(?:as\s+to|and)|do\s+me\s+a\s+favou?r\s+and|your\s+(?:task|job)\s+is\s+to"
    r"|i'?ll\s+have\s+you|the\s+task\s+is\s+to"
    r"|(?:in|on|to|into|within)\s+(?:the|this)\s+(?:image|picture|photo|photograph|scene)(?:\s*,|(?=\s+(?:please"
    r"|add|put|place|draw)))|time\s+to|help\s+me(?:\s+to)?"
)  # fmt: skip
_LEAD = re.compile(rf"(?:{_LEADS})(?=[\s,!.]|$)[\s,!]*", re.IGNORECASE)
_TAIL = re.compile(
    r"[\s,]*(?:\b(?:please|thanks|thank\s+you(?:\s+(?:so|very)\s+much)?|for\s+me|will\s+you"
    r"|would\s+you|if\s+(?:you\s+can|possible|you\s+(?:don'?t\s+)?mind)"
    r"|okay|ok|as\s+well|too|right\s+away|now)\b|[.!?;:,])+$",
    re.IGNORECASE,
)
_SENTENCE = re.compile(
    r"(?<=[^\s.])[.!?;]+(?=\s|$)|\n+|(?<=\w),?\s+(?:and\s+)?(?:then|after\s+that|afterwards?|finally"
    r"|next)\s*,?\s+(?!to\b|door\b)"
)
_JOINT = re.compile(
    r"\s*,\s*(?:(?:and|but|or)\s+)?(?:also\s+|please\s+)*|\s+(?:and|but)\s+(?:also\s+|please\s+|then\s+)*",
    re.IGNORECASE,
)

_PLACE_FIRST = re.compile(
    r"(?P<place>(?:instead\s+of|rather\s+than|to|on|onto|in|into|at|over|under|above|below|behind|beside|near"
    r"|inside|between|by|next|around|against|underneath|right|left|directly)\s"
    rf"(?!place\b)[^,]*?)\s*,\s*(?=(?:{'|'.join(sorted(VERBS))})\s)",
    re.IGNORECASE,
)
"""A place that stands before its verb: "on the table, put a cup"."""


def verb_of(word: str) -> str:
    """The verb of which a word is the stem, the gerund or a past form, in lower case; '' if it is no known verb."""
    word = word.lower()
    if word in VERBS:
        return word
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ing"):
        return next((stem for stem in (word[:-3], f"{word[:-3]}e") if stem in VERBS), "")
    return ""


def may_be(verb: str, op: str) -> bool:
    """Whether a verb can ask for a kind of edit."""
    return verb in _VERBS[op].split()


def sentences_of(text: str) -> list[str]:
    """The sentences of an instruction; "then" begins one."""
    return [sentence for sentence in _SENTENCE.split(text) if re.search(r"\w", sentence)]


def clauses_of(sentence: str) -> list[str]:
    """The clauses of a sentence, each with at most one edit, without polite words around them."""
    found = _split_sentence(strip_polite(sentence))
    return [clause for clause in map(strip_polite, found) if re.search(r"\w", clause)]


def strip_polite(clause: str) -> str:
    """A clause without "please", "could you" and the like at its start and end, its first verb in its base form."""
    clause = clause.strip(' ,.;:!?-"')
    while found := _LEAD.match(clause):
        if found.end() >= len(clause):
            return ""
        clause = clause[found.end() :]
    clause = _TAIL.sub("", clause).strip()
    first, _, rest = clause.partition(" ")
    verb = verb_of(first)
    return f"{verb} {rest}".strip() if verb and verb != first.lower() else clause


def _split_sentence(sentence: str) -> list[str]:
    """A sentence split before each further verb: "add a cat and paint the wall blue"."""
    if place := _PLACE_FIRST.match(sentence):
        return _split_sentence(f"{sentence[place.end() :]} {place['place']}")
    parts: list[str] = []
    start = 0
    for joint in _JOINT.finditer(sentence):
        if joint.start() > start and _starts_edit(sentence[joint.end() :]):
            parts.append(sentence[start : joint.start()])
            start = joint.end()
    return [*parts, sentence[start:]]


def _starts_edit(text: str) -> bool:
    """Whether a text begins with a verb of edits that is followed by what it is about."""
    words = text.split()
    return len(words) > 1 and bool(verb_of(words[0].strip(",")))
