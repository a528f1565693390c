"""Add a placeholder for the source picture to an instruction."""

from __future__ import annotations

import re

from datagen import Answer, Map, Record, Reject
from datagen.core.fields import PLACEHOLDER
from datagen.core.sample_rows import edit_row, source_row
from datagen.models.grammar.edit_scope import Scope, Scopes, ScopeWords
from datagen.models.grammar.picture_words import told_in

_TAG = re.compile(r"<\s*imagehere\s*>", re.IGNORECASE)
_STOPS = " .!?…"
_WORD = re.compile(r"[^\W_]")
_ENDS_IN = re.compile(r"\bin$", re.IGNORECASE)


class AddPlaceholder(Map):
    """Turn a dataset's edit request into an instruction with one placeholder (MIGE, appendix B).

    Reads the request from `text`. Writes `instruction`, in which `<imagehere>` stands for the source picture, and
    `scope`, which is `local` or `global`.

    A mention of the picture becomes the placeholder: "in the image" becomes "in <imagehere>". Of several mentions one
    is replaced, because there is one input: the first after "in" or "to", else the first. Without a mention, "of
    <imagehere>" is added for a global edit and "in <imagehere>" for a local one ("on <imagehere>" after "zoom in"),
    before the full stop. A text that has a placeholder keeps it. Two things are no mention: a picture inside the
    picture ("remove the picture above the bed"), and words in quotes.

    `reach` is the scope if the dataset gives it. Else words decide, and the first rule that applies wins:

    - The edit is global if it begins with "make it" or the like, or with "flip" or the like and no thing follows.
    - It is local if its first word adds, removes or replaces things.
    - It is global if it names the picture first of all.
    - It is global if it names something that the whole picture has, and local otherwise. In "make the X ..." and "the X
      should ..." only X is looked at.

    Rejects a text without words as `no_words`, and one with two or more placeholders as `several_placeholders`.
    """

    reads = ("text", "reach", "operation", "source_caption")
    writes = ("instruction", "inputs", "edits", "task", "scope")
    rejects = ("no_words", "several_placeholders")
    version = 2

    class Config(ScopeWords):
        """Words for the picture, and words for all of it."""

    config: Config

    def __init__(self, config: Config, *, id: str = "", seed: int = 0) -> None:
        super().__init__(config, id=id, seed=seed)
        self._mention = config.mention()
        self._scope_of = Scopes(config)

    def process(self, batch: list[Record]) -> list[Answer]:
        """Put a placeholder into each text."""
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
        chosen = told_in(text, self._mention)
        if chosen:
            return f"{text[: chosen.start()]}{PLACEHOLDER}{text[chosen.end() :]}"
        words = text.rstrip(_STOPS)
        # "zoom in in <imagehere>" has one "in" too many
        joined = "on" if _ENDS_IN.search(words) else "of" if scope == "global" else "in"
        return f"{words} {joined} {PLACEHOLDER}{text[len(words) :].strip()}"
