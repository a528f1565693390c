"""Classify an edit as global (the whole picture) or local (a part of it), from its words alone."""

from __future__ import annotations

import re
from typing import Literal

from datagen.models.grammar.picture_words import (
    PictureWords,
    follows_preposition,
    mask_quotes,
    picture_mentions,
    words_pattern,
)

_WORD = re.compile(r"[^\W_]")
_THE = r"(?:the|an?|these|those|that|my|your|his|her|its|our|their)\s+"
_OF_A_THING = rf"(?:(?:out|off|away)\s+)?(?:{_THE}|this\s+(?!\w*ly\b)[a-z])"
"""What follows a verb whose object is a thing: `rotate the car`, `crop out the man`."""
_MADE = re.compile(
    rf"(?:(?:make|turn|paint|have)\s+{_THE}|{_THE}(?=.*\b(?:should|must|needs?)\b))(?:(?:whole|entire)\s+)?",
    re.IGNORECASE,
)
"""The words before the noun that an edit changes: `make the`, or `the` in "the sky should be red"."""
_OF = re.compile(rf"\s+of\s+{_THE}", re.IGNORECASE)
_IN_THE = re.compile(r"\bin\s+(?:the|an?)\s+$", re.IGNORECASE)
_NEARBY = 20
_LEAD = re.compile(
    r"(?:(?:please|pls|plz|hey|hi|hello|ok|okay|so|and|now|then|maybe|also|just)[,!]?\s+"
    r"|(?:can|could|would|will) (?:you|we|i)\s+|let'?s\s+|let us\s+|what if\s+(?:we|you|i)\s+|what if\s+|why not\s+"
    r"|why don'?t (?:we|you)\s+|i(?:'d| would) (?:like|love) (?:you )?to\s+|i (?:want|need)(?: you)? (?:to\s+)?"
    r"|i wish\s+|try to\s+)+",
    re.IGNORECASE,
)
"""How a request may begin before it says what it wants."""
_EXCEPT = re.compile(r"\s+(?:but|except|besides|apart\s+from|other\s+than)\b", re.IGNORECASE)
Scope = Literal["global", "local"]


class ScopeWords(PictureWords):
    """Words for the picture, and words for all of it. They are in lower case; `*` stands for any ending."""

    global_starts: tuple[str, ...] = (
        "make it", "make this", "turn it", "turn this", "have it", "let it", "convert it", "transform it",
        "change it", "it should", "it must", "it needs to", "this should", "zoom out", "let there be",
        "mirror it", "mirror horizontally", "mirror vertically", "flip", "rotate", "crop", "brighten",
        "darken", "sharpen",
    )  # fmt: skip
    """How edits of the whole picture begin; what is one word counts where it is not followed by "the", "a" ..."""
    local_verbs: tuple[str, ...] = (
        "add", "insert", "put", "place", "remove", "delete", "erase", "replace", "swap", "give", "take", "let",
    )  # fmt: skip
    """First words of edits that add, remove or replace things."""
    global_words: tuple[str, ...] = (
        "background*", "style*", "brightness", "contrast", "saturat*", "exposure", "hue", "tint", "tone", "colors",
        "colours", "lighting", "black and white", "grayscale", "greyscale", "sepia", "monochrome", "weather",
        "season*", "winter", "summer", "autumn", "day", "night", "nighttime", "daytime", "sunset", "sunrise",
        "dusk", "dawn", "rainy", "raining", "snowy", "snowing", "foggy", "oil painting", "watercolor*",
        "watercolour*", "sketch", "cartoon", "anime", "scene", "everything", "whole", "entire", "overall",
    )  # fmt: skip
    """What the whole picture has. MIGE, appendix B: "global changes in background or style".

    `whole` and `entire` count before a picture's name, "scene" or "thing", and at the end; none of these before
    "of the" and a thing, or where "but" or "except" follows.
    """


class ScopeClassifier:
    """Classifies edits as global or local."""

    def __init__(self, config: ScopeWords) -> None:
        self._mention = config.mention_pattern()
        self._local = _pattern(config.local_verbs, start=r"^")
        self._global = _pattern(config.global_words, start=r"(?<![\w-])")
        phrases = tuple(words for words in config.global_starts if " " in words)
        verbs = tuple(words for words in config.global_starts if " " not in words)
        self._begins = (_pattern(phrases, start=r"^"), _pattern(verbs, start=r"^", end=rf"(?!\s+{_OF_A_THING})"))
        self._picture = re.compile(rf"(?:{words_pattern(config.nouns)}|scene|thing)(?![\w-])", re.IGNORECASE)

    def __call__(self, text: str) -> Scope:
        """The scope of an instruction. The first rule that applies decides; without one the edit is local."""
        unquoted = _LEAD.sub("", mask_quotes(text), count=1) if _LEAD.match(text) else mask_quotes(text)
        if any(begins.search(unquoted) for begins in self._begins):
            return "global"
        if self._local.search(unquoted):
            return "local"
        return "global" if self._starts_with_picture(unquoted) or self._has_global_word(unquoted) else "local"

    def _starts_with_picture(self, text: str) -> bool:
        """Whether at most one word precedes the picture, as in "brighten the image"."""
        found = next(iter(picture_mentions(text, self._mention)), None)
        return bool(found and len(text[: found.start()].split()) < 2 and not follows_preposition(text, found.start()))

    def _has_global_word(self, text: str) -> bool:
        """Whether a global word counts: in "make the X ..." only X is looked at, else every word."""
        made = _MADE.match(text)
        if made and not self._picture.match(text, made.end()):
            found = self._global.match(text, made.end())
            return found is not None and self._is_of_picture(found)
        words = [*self._global.finditer(text)]
        return any(map(self._is_of_picture, words)) and not any(_EXCEPT.match(text, found.end()) for found in words)

    def _is_of_picture(self, found: re.Match[str]) -> bool:
        """Whether a global word is about the whole picture; in "entire car" and "lighting of the lamp" it is not."""
        text, end = found.string, found.end()
        if found[0].lower() in ("whole", "entire"):
            return self._picture.match(text, end + 1) is not None or not _WORD.search(text, end)
        part = _OF.match(text, end)
        in_the = _IN_THE.search(text[max(0, found.start() - _NEARBY) : found.start()])
        return part is None or in_the is not None or self._picture.match(text, part.end()) is not None


def _pattern(words: tuple[str, ...], *, start: str, end: str = "") -> re.Pattern[str]:
    return re.compile(rf"{start}(?:{words_pattern(words)})(?![\w-]){end}" if words else r"(?!)", re.IGNORECASE)
