"""Lets an instruction speak of its source picture by a placeholder."""

from __future__ import annotations

import re

from datagen import Answer, Map, Record, Reject
from datagen.core.fields import PLACEHOLDER
from datagen.core.sample_rows import edit_row, source_row
from datagen.models.grammar import Scope, ScopeClassifier, ScopeWords, find_picture_mention

_TAG = re.compile(r"<\s*imagehere\s*>", re.IGNORECASE)
_STOPS = " .!?…"
_WORD = re.compile(r"[^\W_]")
_ENDS_IN = re.compile(r"\bin$", re.IGNORECASE)


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

    class Config(ScopeWords):
        """What speaks of the picture, and of all of it."""

    config: Config

    def __init__(self, config: Config, *, id: str = "", seed: int = 0) -> None:
        super().__init__(config, id=id, seed=seed)
        self._mention = config.mention_pattern()
        self._scope_of = ScopeClassifier(config)

    def process(self, batch: list[Record]) -> list[Answer]:
        """Reword each text."""
        return [self._reworded(record) for record in batch]

    def _reworded(self, record: Record) -> Answer:
        text = _TAG.sub(PLACEHOLDER, " ".join(record["text"].split()))
        if not _WORD.search(self._mention.sub("", text.replace(PLACEHOLDER, ""))):
            return Reject("no_words", f"there is no word in {text[:60]!r}")
        if text.count(PLACEHOLDER) > 1:
            return Reject("several_placeholders", f"{text:.200}: there is one picture to speak of")
        scope = record["reach"] or self._scope_of(text)
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
        chosen = find_picture_mention(text, self._mention)
        if chosen:
            return f"{text[: chosen.start()]}{PLACEHOLDER}{text[chosen.end() :]}"
        said = text.rstrip(_STOPS)
        joined = "on" if _ENDS_IN.search(said) else "of" if scope == "global" else "in"
        return f"{said} {joined} {PLACEHOLDER}{text[len(said) :].strip()}"
