"""Lets an instruction speak of its source picture by a placeholder."""

from __future__ import annotations

import re
from typing import Literal

from datagen import Answer, Map, Record, Reject
from datagen.fields import PLACEHOLDER
from datagen.models.picture_words import PictureWords, any_of, follows, mentions, told_in, unquoted
from datagen.models.sample_rows import edit_row, source_row

_TAG = re.compile(r"<\s*imagehere\s*>", re.IGNORECASE)
_STOPS = " .!?…"
_WORD = re.compile(r"[^\W_]")
_ENDS_IN = re.compile(r"\bin$", re.IGNORECASE)
_THE = r"(?:the|an?|these|those|that|my|your|his|her|its|our|their)\s+"
_OF_A_THING = rf"(?:(?:out|off|away)\s+)?(?:{_THE}|this\s+(?!\w*ly\b)[a-z])"
"""What follows a verb that is done to a thing: `rotate the car`, `crop out the man`."""
_MADE = re.compile(
    rf"(?:(?:make|turn|paint|have)\s+{_THE}|{_THE}(?=.*\b(?:should|must|needs?)\b))(?:(?:whole|entire)\s+)?",
    re.IGNORECASE,
)
"""What comes before the noun of what is made so: `make the`."""
_OF = re.compile(rf"\s+of\s+{_THE}", re.IGNORECASE)
_IN_THE = re.compile(r"\bin\s+(?:the|an?)\s+$", re.IGNORECASE)
_NEARBY = 20
_EXCEPT = re.compile(r"\s+(?:but|except|besides|apart\s+from|other\s+than)\b", re.IGNORECASE)
Scope = Literal["global", "local"]


class AddPlaceholder(Map):
    """Turn what a dataset asks for into a multi-modal instruction (MIGE, appendix B), `text` being what it was.

    "in the image" and "to the image" become "in <imagehere>" and "to <imagehere>", as does any other mention of the
    picture; where there is none, "of <imagehere>" is added for an edit of the whole picture and "in <imagehere>" for
    one of a part ("on <imagehere>" after "zoom in"), before the full stop. Of several mentions one is replaced, the
    first after "in" or "to" if there is one: each placeholder stands for an input, and there is but one. A text that
    has a placeholder keeps it. A picture that hangs in the picture is no mention ("remove the picture above the bed"),
    nor are words in quotes.

    `scope` is what the dataset says by `reach`. Where it does not, words decide: an edit is global if it begins
    "make it" or the like, or with "flip" or the like and no thing after that; else local if its first word adds,
    removes or replaces things; else global if it names the picture first of all. Of "make the X ..." and "the X should
    ..." then X alone decides, of others any word: global is what names what the whole picture has, all else is local.
    """

    reads = ("text", "reach", "operation", "source_caption")
    writes = ("instruction", "inputs", "edits", "task", "scope")
    rejects = ("no_words", "several_placeholders")
    version = 2

    class Config(PictureWords):
        """What speaks of the picture, and of all of it. Words in lower case; `*` stands for any ending."""

        global_starts: tuple[str, ...] = (
            "make it", "make this", "turn it", "turn this", "have it", "let it", "convert it", "transform it",
            "change it", "mirror it", "mirror horizontally", "mirror vertically", "flip", "rotate", "crop", "brighten",
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

    config: Config

    def __init__(self, config: Config, *, id: str = "", seed: int = 0) -> None:
        super().__init__(config, id=id, seed=seed)
        self._mention = config.mention()
        self._local = _pattern(config.local_verbs, start=r"^")
        self._global = _pattern(config.global_words, start=r"(?<![\w-])")
        phrases = tuple(words for words in config.global_starts if " " in words)
        verbs = tuple(words for words in config.global_starts if " " not in words)
        self._begins = (_pattern(phrases, start=r"^"), _pattern(verbs, start=r"^", end=rf"(?!\s+{_OF_A_THING})"))
        self._picture = re.compile(rf"(?:{any_of(config.nouns)}|scene|thing)(?![\w-])", re.IGNORECASE)

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
        joined = "on" if _ENDS_IN.search(said) else "of" if scope == "global" else "in"
        return f"{said} {joined} {PLACEHOLDER}{text[len(said) :].strip()}"

    def scope_of(self, text: str) -> Scope:
        """How far an edit reaches, by its words alone."""
        said = unquoted(text)
        if any(begins.search(said) for begins in self._begins):
            return "global"
        if self._local.search(said):
            return "local"
        return "global" if self._is_about_it(said) or self._names_what_all_has(said) else "local"

    def _is_about_it(self, text: str) -> bool:
        """Whether an edit begins by naming the picture, as "brighten the image" does."""
        found = next(iter(mentions(text, self._mention)), None)
        return bool(found and len(text[: found.start()].split()) < 2 and not follows(text, found.start()))

    def _names_what_all_has(self, text: str) -> bool:
        """Whether a word counts: of what is made so, that which names it, else any."""
        made = _MADE.match(text)
        if made and not self._picture.match(text, made.end()):
            found = self._global.match(text, made.end())
            return found is not None and self._is_whole(found)
        words = [*self._global.finditer(text)]
        return any(map(self._is_whole, words)) and not any(_EXCEPT.match(text, found.end()) for found in words)

    def _is_whole(self, found: re.Match[str]) -> bool:
        """Whether a global word is meant of the whole picture: no "entire car", no "lighting of the lamp"."""
        text, end = found.string, found.end()
        if found[0].lower() in ("whole", "entire"):
            return self._picture.match(text, end + 1) is not None or not _WORD.search(text, end)
        part = _OF.match(text, end)
        in_the = _IN_THE.search(text[max(0, found.start() - _NEARBY) : found.start()])
        return part is None or in_the is not None or self._picture.match(text, part.end()) is not None


def _pattern(words: tuple[str, ...], *, start: str, end: str = "") -> re.Pattern[str]:
    return re.compile(rf"{start}(?:{any_of(words)})(?![\w-]){end}" if words else r"(?!)", re.IGNORECASE)
