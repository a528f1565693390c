"""Find the words that mean the edited picture: "the image" in "add a dog to the image"."""

from __future__ import annotations

import re

from pydantic import Field

from datagen.core.stage import StageConfig

_QUOTED = re.compile("\"[^\"]*\"|“[^“”]*”|(?<!\\w)'[^']*'(?!\\w)")
_STOPS = " .!?"
_BEFORE = re.compile(r"\b(?:in|to)\s$", re.IGNORECASE)
# "remove the picture above the bed" means a picture in the picture
_MOVED = re.compile(r"\b(?:remove|delete|erase|replace|swap|hang|move|take)\s$", re.IGNORECASE)
_OWNS = re.compile(r"['’]s\b", re.IGNORECASE)  # noqa: RUF001
_PREPOSITION = re.compile(r"\b(?:in|to|into|on|onto|of|from|for|with|at|by|inside|within)\s$", re.IGNORECASE)
_SOMEWHERE = re.compile(
    r"\s(?:(?:above|below|behind|beside|near|over|under)\s(?:an?|the|this|that|his|her|its|their|my|your|our)"
    r"|in\s(?:the|its)\sframe)\b",
    re.IGNORECASE,
)
_NEARBY = 20
"""Characters before a mention that are searched."""


class PictureWords(StageConfig):
    """The words for a picture. They are in lower case; `*` stands for any ending."""

    determiners: tuple[str, ...] = Field(default=("the", "this"), min_length=1)
    """Words before a noun. MIGE's code: the, this (MIGE_edit_infer.py)."""
    nouns: tuple[str, ...] = Field(default=("image", "photo", "picture"), min_length=1)
    """What the source is called. MIGE's code: image, photo, picture."""
    things: tuple[str, ...] = (
        "of", "frame*", "book*", "album*", "window*", "gallery", "hanging", "on the wall", "on the desk",
        "on the table", "on the shelf",
    )  # fmt: skip
    """What follows a noun that is a thing in the picture, such as `the picture frame`; that is no mention."""

    def mention_pattern(self, *, further: tuple[str, ...] = ()) -> re.Pattern[str]:
        """A pattern that matches a mention of the picture, or one of `further` phrases."""
        phrase = rf"(?:{words_pattern(self.determiners)})\s+(?:{words_pattern(self.nouns)})"
        phrase = f"(?:{phrase}|{words_pattern(further)})" if further else phrase
        things = rf"(?!\s+(?:{words_pattern(self.things)})\b)" if self.things else ""
        return re.compile(rf"(?<![\w-]){phrase}(?![\w-]){things}", re.IGNORECASE)


def words_pattern(words: tuple[str, ...]) -> str:
    """A regular expression for any of these words; `*` matches any ending, a space any white space."""
    return "|".join(re.escape(word).replace(r"\*", r"\w*").replace(r"\ ", r"\s+") for word in words)


def find_picture_mention(text: str, mention: re.Pattern[str], *, start: int = 0) -> re.Match[str] | None:
    """The mention that a placeholder replaces: the first after "in" or "to", else the first of all.

    `mention` is a `PictureWords.mention_pattern`. Matches before `start` are skipped. None if there is no match.
    """
    found = [each for each in picture_mentions(text, mention) if each.start() >= start]
    return next((each for each in found if follows_preposition(text, each.start())), found[0] if found else None)


def picture_mentions(text: str, mention: re.Pattern[str]) -> list[re.Match[str]]:
    """All mentions of the edited picture. A picture that hangs in it is none, and words in quotes are none."""
    return [found for found in mention.finditer(mask_quotes(text)) if not _is_thing(text, *found.span())]


def mask_quotes(text: str) -> str:
    """The text with quoted words overwritten by quotation marks, so that positions stay the same.

    A text that is quoted as a whole stays as it is.
    """
    return _QUOTED.sub(lambda found: found[0] if found[0] == text.strip(_STOPS) else '"' * len(found[0]), text)


def _is_thing(text: str, start: int, end: int) -> bool:
    """Whether "the picture" at `start` to `end` is an object in the edited picture, by the words around it.

    It is one if it is removed, replaced or moved, or if it is above, below or behind something, or in a frame.
    """
    before = text[max(0, start - _NEARBY) : start]
    is_moved = _MOVED.search(before) and not _OWNS.match(text, end)
    is_somewhere = _SOMEWHERE.match(text, end) and not _PREPOSITION.search(before)
    return bool(is_moved or is_somewhere)


def follows_preposition(text: str, start: int) -> bool:
    """Whether "in" or "to" precedes a position of the text."""
    return bool(_BEFORE.search(text[max(0, start - 4) : start]))
