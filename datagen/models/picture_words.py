"""Words that speak of the picture that is edited: "the image" in "add a dog to the image"."""

from __future__ import annotations

import re

from pydantic import Field

from datagen.stage import StageConfig

_BEFORE = re.compile(r"\b(?:in|to)\s$", re.IGNORECASE)


class PictureWords(StageConfig):
    """What a picture is called. Words in lower case; `*` stands for any ending."""

    determiners: tuple[str, ...] = Field(default=("the", "this"), min_length=1)
    """Words before a noun. MIGE's code: the, this (MIGE_edit_infer.py)."""
    nouns: tuple[str, ...] = Field(default=("image", "photo", "picture"), min_length=1)
    """What the source is called. MIGE's code: image, photo, picture."""
    things: tuple[str, ...] = (
        "of", "frame*", "book*", "album*", "window*", "gallery", "hanging", "on the wall", "on the desk",
        "on the table", "on the shelf",
    )  # fmt: skip
    """What follows a noun that is a thing in the picture, such as `the picture frame`; that is no mention."""

    def mention(self) -> re.Pattern[str]:
        """Finds the words that speak of the picture."""
        phrase = rf"(?:{any_of(self.determiners)})\s+(?:{any_of(self.nouns)})"
        things = rf"(?!\s+(?:{any_of(self.things)})\b)" if self.things else ""
        return re.compile(rf"(?<![\w-]){phrase}(?![\w-]){things}", re.IGNORECASE)


def any_of(words: tuple[str, ...]) -> str:
    """A pattern of any of these words; `*` is any ending, and one blank is any blanks."""
    return "|".join(re.escape(word).replace(r"\*", r"\w*").replace(r"\ ", r"\s+") for word in words)


def told_in(text: str, mention: re.Pattern[str], *, start: int = 0) -> re.Match[str] | None:
    """The mention for which a placeholder can stand: the first after "in" or "to", else the first.

    Those before `start` are passed over; None if there is no other.
    """
    found = list(mention.finditer(text, start))
    return next((each for each in found if follows(text, each.start())), found[0] if found else None)


def follows(text: str, start: int) -> bool:
    """Whether "in" or "to" stands before a place in the text."""
    return bool(_BEFORE.search(text[max(0, start - 4) : start]))
