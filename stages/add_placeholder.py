"""Lets an instruction speak of its source picture by a placeholder."""

from __future__ import annotations

import re
from typing import Literal

from datagen import Answer, Map, Record, Reject
from datagen.fields import PLACEHOLDER
from datagen.models.picture_words import PictureWords, any_of, follows, told_in
from datagen.models.sample_rows import edit_row, source_row

_TAG = re.compile(r"<\s*imagehere\s*>", re.IGNORECASE)
_STOPS = " .!?…"
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

    class Config(PictureWords):
        """What speaks of the picture, and of all of it. Words in lower case; `*` stands for any ending."""

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
        self._mention = config.mention()
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
            "inputs": [source_row(caption=record["source_caption"])],
            "edits": [edit_row(record["text"], operation=record["operation"])],
            "task": "instruct_edit",
            "scope": scope,
        }

    def with_placeholder(self, text: str, *, scope: Scope) -> str:
        """The text with one placeholder, its own if it has one; all other words stay as they are."""
        if PLACEHOLDER in text:
            return text
        chosen = told_in(text, self._mention)
        if chosen:
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
        return bool(found and len(text[: found.start()].split()) < 2 and not follows(text, found.start()))


def _pattern(words: tuple[str, ...], *, start: str) -> re.Pattern[str]:
    return re.compile(rf"{start}(?:{any_of(words)})(?![\w-])" if words else r"(?!)", re.IGNORECASE)
