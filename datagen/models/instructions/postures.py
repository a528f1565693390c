"""Verbs for where a thing is: "lies", "sits" and "stands" only of things that can hardly do anything else.

Boxes and masks show where a thing is, not how it rests. Hence these verbs come from the label, and from a closed list:

- lie: flat things that rest on a side, such as a coin or a rug
- sit: wide, low things on a base of their own, such as a sofa
- stand: tall things that are built or rooted where they are, such as a tower or a tree

Not in the list are people and animals, which do all three; things that hang, fly or are held as often as they rest
(lamps, birds, cups, spoons); and parts of other things, such as a badge on a suit. They only "are" or "appear"
somewhere.
"""

from __future__ import annotations

from datagen.core.english import head_word, singularize, word_set
from datagen.models.grammar import clean_label
from datagen.models.instructions.facts import BE, Verb

APPEAR = Verb("appears", "appear")
LOCATED = Verb("is located", "be located", "located")
_LIE = Verb("lies", "lie", "lying")
_SIT = Verb("sits", "sit", "sitting")
_STAND = Verb("stands", "stand", "standing")

_POSTURES = {
    _LIE: word_set("coin rug carpet doormat saucer"),
    _SIT: word_set("sofa couch armchair"),
    _STAND: word_set(
        "tower building house church castle skyscraper lighthouse barn chimney monument tree lamppost sofa couch"
    ),
}


def resting_verbs(label: str) -> tuple[Verb, ...]:
    """The verbs that say where a thing with this label is; those without a posture for most things.

    The head of the label decides: a "table with a rug" is a table.
    """
    name = clean_label(label)
    head = singularize(head_word(name)) if name else ""
    return (BE, APPEAR, LOCATED, *(verb for verb, heads in _POSTURES.items() if head in heads))
