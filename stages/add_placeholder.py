"""Add a placeholder for the source picture to an instruction."""

from __future__ import annotations

import re
from typing import Literal

from datagen import Answer, Map, Record, Reject
from datagen.core.fields import PLACEHOLDER
from datagen.core.sample_rows import edit_row, source_row
from datagen.models.grammar import (
    Scope,
    ScopeClassifier,
    ScopeWords,
    add_placeholder,
    find_picture_mention,
    foreign_words,
    spell,
)

_TAG = re.compile(r"<\s*imagehere\s*>", re.IGNORECASE)
_STOPS = " .!?…"
_WORD = re.compile(r"[^\W_]")


class AddPlaceholder(Map):
    """Turn a dataset's edit request into an instruction with one placeholder (MIGE, appendix B).

    Reads the request from `text`. Writes `instruction`, in which `<imagehere>` stands for the source picture, and
    `scope`, which is `local` or `global`.

    A mention of the picture becomes the placeholder: "in the image" becomes "in <imagehere>". Of several mentions one
    is replaced, because there is one input: the first after "in" or "to", else the first. A text that has a placeholder
    keeps it. Two things are no mention: a picture inside the picture ("remove the picture above the bed"), and words in
    quotes.

    Without a mention the placeholder is added where it makes an English sentence of the same meaning. Mostly that is
    "in <imagehere>" at the end of the first sentence: "Put a cat on the sofa in <imagehere>. Make it orange." An "it"
    that can only be the picture becomes the placeholder ("<imagehere> should be a painting"); so does what is missing
    after "rotate" and the like; "of <imagehere>" stands after "the background" and the like; "more trees" becomes "add
    more trees to <imagehere>". Misspelt words are corrected where there is no doubt. With `style: published` the
    paper's letter holds: "of<imagehere>" at the end of a global edit, "in<imagehere>" at that of a local one.

    `reach` is the scope if the dataset gives it. Else words decide, and the first rule that applies wins:

    - The edit is global if it begins with "make it" or the like, or with "flip" or the like and no thing follows.
    - It is local if its first word adds, removes or replaces things.
    - It is global if it names the picture first of all.
    - It is global if it names something that the whole picture has, and local otherwise. In "make the X ..." and "the X
      should ..." only X is looked at.

    Rejects a text without words as `no_words`, one with two or more placeholders as `several_placeholders`, and one in
    another language than English as `not_english`, as no English words fit to it.
    """

    reads = ("text", "reach", "operation", "source_caption")
    writes = ("instruction", "inputs", "edits", "task", "scope")
    rejects = ("no_words", "several_placeholders", "not_english")
    version = 3

    class Config(ScopeWords):
        """Words for the picture, and words for all of it."""

        style: Literal["english", "published"] = "english"
        """Where the placeholder goes in a text that does not mention the picture.
        `english`: where English has it. `published`: at the end, after "of" or "in" without a blank (MIGE, appendix B).
        """
        informal: tuple[str, ...] = ("my image", "my photo", "my picture", "the pic", "this pic", "my pic")
        """Further mentions of the picture, beside those of `determiners` and `nouns`; not with `style: published`."""

    config: Config

    def __init__(self, config: Config, *, id: str = "", seed: int = 0) -> None:
        super().__init__(config, id=id, seed=seed)
        self._mention = config.mention_pattern(further=config.informal if config.style == "english" else ())
        self._scope_of = ScopeClassifier(config)

    def process(self, batch: list[Record]) -> list[Answer]:
        """Put a placeholder into each text."""
        return [self._reworded(record) for record in batch]

    def _reworded(self, record: Record) -> Answer:
        text = _TAG.sub(PLACEHOLDER, " ".join(record["text"].split()))
        if not _WORD.search(self._mention.sub("", text.replace(PLACEHOLDER, ""))):
            return Reject("no_words", f"there is no word in {text[:60]!r}")
        if text.count(PLACEHOLDER) > 1:
            return Reject("several_placeholders", f"{text:.200}: there is one picture to speak of")
        if PLACEHOLDER not in text and (why := foreign_words(text)):
            return Reject("not_english", f"{text:.200}: {why}")
        if PLACEHOLDER not in text and self.config.style == "english":
            text = spell(text)
        scope = record["reach"] or self._scope_of(text)
        return {
            "instruction": self.with_placeholder(text, scope=scope),
            "inputs": [source_row(caption=record["source_caption"])],
            "edits": [edit_row(record["text"], operation=record["operation"])],
            "task": "instruct_edit",
            "scope": scope,
        }

    def with_placeholder(self, text: str, *, scope: Scope) -> str:
        """The text with one placeholder, its own if it has one."""
        if PLACEHOLDER in text:
            return text
        chosen = find_picture_mention(text, self._mention)
        if chosen:
            return f"{text[: chosen.start()]}{PLACEHOLDER}{text[chosen.end() :]}"
        if self.config.style == "english":
            return add_placeholder(text, scope=scope)
        words = text.rstrip(_STOPS)
        return f"{words} {'of' if scope == 'global' else 'in'}{PLACEHOLDER}{text[len(words) :].strip()}"
