"""Lets an instruction speak of its source picture by a placeholder."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field

from datagen import Answer, Map, Record, Reject, StageConfig
from datagen.fields import PLACEHOLDER

_TAG = re.compile(r"<\s*imagehere\s*>", re.IGNORECASE)
_STOPS = " .!?…"
_BEFORE = re.compile(r"\b(?:in|to) $", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]")
Scope = Literal["global", "local"]


class AddPlaceholder(Map):
    """Turn what a dataset asks for into a multi-modal instruction (MIGE, appendix B), `text` being what it was.

    "in the image" and "to the image" become "in <imagehere>" and "to <imagehere>", as does any other mention of the
    picture; where there is none, "of <imagehere>" is added for an edit of the whole picture and "in <imagehere>" for
    one of a part, before the full stop. Of several mentions one is replaced, the first after "in" or "to" if
    there is one: each placeholder stands for an input, and there is but one. A text that has a placeholder keeps it.

    `scope` is what the dataset says by `reach`. Where it does not, words decide: an edit is global if it begins
    "make it" or the like; else local if its first word adds, removes or replaces things; else global if it names what
    the whole picture has, or the picture itself first of all; else local.
    """

    reads = ("text", "reach", "operation", "source_caption")
    writes = ("instruction", "inputs", "edits", "task", "scope")
    rejects = ("no_words", "several_placeholders")
    version = 1

    class Config(StageConfig):
        """What speaks of the picture, and of all of it. Words in lower case; `*` stands for any ending."""

        determiners: tuple[str, ...] = Field(default=("the", "this"), min_length=1)
        """Words before a noun. MIGE's code: the, this (MIGE_edit_infer.py)."""
        nouns: tuple[str, ...] = Field(default=("image", "photo", "picture"), min_length=1)
        """What the source is called. MIGE's code: image, photo, picture."""
        things: tuple[str, ...] = (
            "of", "frame*", "book*", "album*", "window*", "gallery", "hanging", "on the wall", "on the desk",
            "on the table", "on the shelf",
        )  # fmt: skip
        """What follows a noun that is a thing in the picture, such as `the picture frame`; that is no mention."""
        global_starts: tuple[str, ...] = (
            "make it", "make this", "turn it", "turn this", "have it", "let it", "convert it", "transform it",
            "change it", "flip", "mirror", "rotate", "crop", "brighten", "darken", "sharpen",
        )  # fmt: skip
        """How edits of the whole picture begin."""
        local_verbs: tuple[str, ...] = (
            "add", "insert", "put", "place", "remove", "delete", "erase", "replace", "swap", "give", "take", "let",
        )  # fmt: skip
        """First words of edits that add, remove or replace things."""
        global_words: tuple[str, ...] = (
            "background*", "style*", "brightness", "contrast", "saturat*", "exposure", "hue", "tint", "tone", "colors",
            "colours", "lighting", "black and white", "grayscale", "greyscale", "sepia", "monochrome", "weather",
            "season*", "winter", "summer", "autumn", "night", "nighttime", "daytime", "sunset", "sunrise", "dusk",
            "dawn", "rainy", "raining", "snowy", "snowing", "foggy", "oil painting", "watercolor*", "watercolour*",
            "sketch", "cartoon", "anime", "scene", "everything", "whole", "entire", "overall",
        )  # fmt: skip
        """What the whole picture has. MIGE, appendix B: "global changes in background or style"."""

    config: Config

    def __init__(self, config: Config, *, id: str = "", seed: int = 0) -> None:
        super().__init__(config, id=id, seed=seed)
        phrase = rf"(?:{_any(config.determiners)})\s+(?:{_any(config.nouns)})"
        things = rf"(?!\s+(?:{_any(config.things)})\b)" if config.things else ""
        self._mention = re.compile(rf"(?<![\w-]){phrase}(?![\w-]){things}", re.IGNORECASE)
        self._local = _pattern(config.local_verbs, start=r"^")
        self._global = _pattern(config.global_words, start=r"(?<![\w-])")
        self._begins = _pattern(config.global_starts, start=r"^")

    def process(self, batch: list[Record]) -> list[Answer]:
        """Reword each text."""
        return [self._reworded(record) for record in batch]

    def _reworded(self, record: Record) -> Answer:
        text = _TAG.sub(PLACEHOLDER, " ".join(record["text"].split()))
        if not _WORD.search(self._mention.sub("", text.replace(PLACEHOLDER, ""))):
            return Reject("no_words", f"there is no word in {text[:60]!r}")
        if text.count(PLACEHOLDER) > 1:
            return Reject("several_placeholders", f"{text:.200}: there is one picture to speak of")
        scope = record["reach"] or self.scope_of(text)
        return {
            "instruction": self.with_placeholder(text, scope=scope),
            "inputs": [_source(record["source_caption"])],
            "edits": [_edit(record["text"], record["operation"])],
            "task": "instruct_edit",
            "scope": scope,
        }

    def with_placeholder(self, text: str, *, scope: Scope) -> str:
        """The text with one placeholder, its own if it has one; all other words stay as they are."""
        if PLACEHOLDER in text:
            return text
        mentions = list(self._mention.finditer(text))
        if mentions:
            chosen = next((each for each in mentions if _follows(text, each.start())), mentions[0])
            return f"{text[: chosen.start()]}{PLACEHOLDER}{text[chosen.end() :]}"
        said = text.rstrip(_STOPS)
        return f"{said} {'of' if scope == 'global' else 'in'} {PLACEHOLDER}{text[len(said) :].strip()}"

    def scope_of(self, text: str) -> Scope:
        """How far an edit reaches, by its words alone."""
        if self._begins.search(text):
            return "global"
        if self._local.search(text):
            return "local"
        return "global" if self._global.search(text) or self._is_about_it(text) else "local"

    def _is_about_it(self, text: str) -> bool:
        """Whether an edit begins by naming the picture, as "brighten the image" does."""
        found = self._mention.search(text)
        return bool(found and len(text[: found.start()].split()) < 2 and not _follows(text, found.start()))


def _follows(text: str, start: int) -> bool:
    """Whether "in" or "to" stands before a place in the text."""
    return bool(_BEFORE.search(text[max(0, start - 4) : start]))


def _any(words: tuple[str, ...]) -> str:
    """A pattern of any of these words; `*` is any ending, and one blank is any blanks."""
    return "|".join(re.escape(word).replace(r"\*", r"\w*").replace(r"\ ", r"\s+") for word in words)


def _pattern(words: tuple[str, ...], *, start: str) -> re.Pattern[str]:
    return re.compile(rf"{start}(?:{_any(words)})(?![\w-])" if words else r"(?!)", re.IGNORECASE)


def _source(caption: str) -> dict[str, Any]:
    return {"member": "source", "role": "source", "label": "", "appears": True, "caption": caption}


def _edit(text: str, operation: str) -> dict[str, Any]:
    return {"instruction": text, "op": operation, "object": "", "box": [], "mask": "", "candidates": []}
