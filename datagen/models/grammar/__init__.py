"""Rules of English grammar: names as nouns, and captions and instructions taken apart and put together.

These are the names that other packages use. They import them from here, not from the modules (`pyproject.toml` forbids
that), so that the modules inside can change freely.
"""

from __future__ import annotations

from datagen.core.english import head_word, pluralize, singularize
from datagen.models.grammar.additions import parse_addition
from datagen.models.grammar.edit_parts import CUES, LONGEST_EDIT, OPERATIONS, Cue, EditPart, Operation, decompose_edit
from datagen.models.grammar.edit_scope import Scope, ScopeClassifier, ScopeWords
from datagen.models.grammar.edit_texts import split_edit
from datagen.models.grammar.first_words import ADDING_WORDS, first_word, operation_of
from datagen.models.grammar.languages import foreign_words
from datagen.models.grammar.names_in_captions import find_mention, with_determiner
from datagen.models.grammar.phrases import Noun, clean_label, kind_key, mentions_size, noun
from datagen.models.grammar.picture_words import PictureWords, find_picture_mention, mask_quotes, picture_mentions
from datagen.models.grammar.placeholders import Span, choose_disjoint, refuse_placeholder, replace_spans
from datagen.models.grammar.replacements import is_pronoun, parse_replacement
from datagen.models.grammar.rewording import add_placeholder, spell
from datagen.models.grammar.thing_names import (
    colours_of,
    contradicts,
    kind_of,
    may_be_part,
    may_be_same,
    share_noun,
)
from datagen.models.grammar.word_sets import SENTENCE_END

__all__ = [  # noqa: RUF022 - in groups
    # labels as nouns of an English sentence
    "Noun",
    "clean_label",
    "head_word",
    "kind_key",
    "may_be_part",
    "mentions_size",
    "noun",
    "pluralize",
    # names in a caption, and placeholders in their place
    "Span",
    "choose_disjoint",
    "find_mention",
    "refuse_placeholder",
    "replace_spans",
    "with_determiner",
    # instructions: the kind of edit, and what it adds or replaces
    "ADDING_WORDS",
    "first_word",
    "operation_of",
    "is_pronoun",
    "parse_addition",
    "parse_replacement",
    # instructions of any kind in parts, and whether two names may be of one thing
    "CUES",
    "LONGEST_EDIT",
    "OPERATIONS",
    "Cue",
    "EditPart",
    "Operation",
    "colours_of",
    "contradicts",
    "decompose_edit",
    "kind_of",
    "may_be_same",
    "share_noun",
    "singularize",
    "split_edit",
    # instructions in the words of users
    "SENTENCE_END",
    "add_placeholder",
    "foreign_words",
    "spell",
    # words for the edited picture, and how far an edit reaches
    "PictureWords",
    "Scope",
    "ScopeClassifier",
    "ScopeWords",
    "find_picture_mention",
    "mask_quotes",
    "picture_mentions",
]
