"""Cut a clause into chunks: words one by one, but noun phrases, colours and places as one chunk each.

A phrase begins at a determiner or at a word that may be a noun. It ends before the first word that cannot go on with
it; verbs are the hard case, as most of them may be nouns too.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from datagen.core.english import is_plural, singularize, word_set
from datagen.models.grammar.chunks import (
    COLOUR_NOUNS,
    EDITS,
    LAST,
    LOOKS,
    PICTURES,
    PLACES,
    PROPERTIES,
    THINGS,
    TONES,
    Chunk,
    NounPhrase,
    chunk_of,
    colour_tail,
    cut_state,
)
from datagen.models.grammar.thing_names import SHADES, is_colour, singular_name
from datagen.models.grammar.verbs import EDIT_NOUNS, LEMMA, class_of
from datagen.models.grammar.word_sets import DEMONSTRATIVES, POSSESSIVES

_FURTHER = ("more", "further", "additional", "extra")
_MORE = (*_FURTHER, "less")
_FURTHER_ONES = word_set("second third fourth fifth similar matching identical duplicate")
"""Words that mean a further thing after "a", "one" or "yet"."""
_COUNTED = "two three four five six seven eight nine ten eleven twelve"
_NUMBERS: Final = {**{word: number for number, word in enumerate(_COUNTED.split(), 2)}, "both": 2, "dozen": 12}
_SEVERAL = word_set("some several many few multiple various numerous")
_INDEFINITE = word_set("a an")
_POINTING_OWNERS = POSSESSIVES - word_set("my your our")
_DEFINITE = POSSESSIVES | DEMONSTRATIVES | {"the"}
_EVERY = word_set("all every each any both either whichever")
"""Words for all or any of several: a noun after them is a known thing."""
_PRONOUNS = word_set("it them him itself themselves he she they her these those this that")
_PEOPLE = word_set("i you we me us who whoever somebody someone anyone everybody nobody myself yourself")
PREPOSITIONS: Final = word_set(
    "to on onto in into at over under above below behind beside besides near nearby next inside outside within between "
    "among amid against around atop across along alongside through upon by beneath underneath toward towards from off "
    "of for with as like than out_of instead_of without minus about except past via throughout per before_of"
)
_AUXILIARY = word_set(
    "be is are was were been being am do does did can could will would shall should may might must ought need needs "
    "needed has have had having not no_longer never"
)
_SMALL = word_set(
    "and or but so so_that because since while whereas though although if unless until till when whenever where which "
    "what how why please kindly just only also too even still yet then now again already once twice instead "
    "maybe perhaps rather quite very really fully entirely completely exactly precisely simply actually okay ok oh hey "
    "hi hello yes no nope hmm um oops thanks thank sorry go ahead more less most much enough else ever always away out "
    "off back forth together up down there here somewhere elsewhere anywhere everywhere nowhere gone better overall "
    "throughout somewhat later earlier afterwards soon further closer higher lower nearer farther same such both ago "
    "namely likewise ditto whose whom anymore henceforth hereafter well right accordingly altogether whatsoever "
    "visible invisible absent present intact unchanged untouched unaffected good nice great fine like alone "
    "alike nothing where_it_is ensure of_kind mind nicer funnier cuter cooler-looking happier fun-looking bare "
    "plain-looking superfluous appropriate necessary too_many hate want wants wanted wish wished prefer hope free"
)
"""Other words that are neither a noun nor a verb that asks for an edit."""
_PLACE_ADVERBS = word_set("there somewhere elsewhere halfway midway centrally upwards downwards leftwards rightwards")
_THERE_BE = word_set("be is are was were should must could can would needs need has ought might")
"""Verbs after "there" that say what exists, or is to exist."""
_THERE_NOW = word_set("current present original old existing own new former previous")
"""Words for a place that a thing has already: "from its current place" names no thing."""
_NOT_VERBS = word_set(
    "everything something anything nothing awning building ceiling clothing drawing icing lighting painting railing "
    "ring king string wing thing spring earring herring duckling pudding morning evening bed shed seed weed reed sled "
    "steed sunbed seaweed red head bread toed hundred"
)
"""Nouns and adjectives that look like a form of a verb, by their ending."""
_NOT_ADVERBS = word_set("family butterfly lily fly jelly belly curly ugly silly friendly lovely lonely only jolly")
_OPENERS = word_set("very right back present free same like lower well further gone visible")
"""Small words that may begin a noun phrase after its determiner: "the very top", "a free spot"."""
_HALVES = word_set("top bottom upper lower center centre")
"""Words after which "right" is part of a place: "top right"."""
_STANDS = word_set(
    "camera tripod light lamp coat hat music night news flower plant cake umbrella fruit display hot-dog"
)
"""Nouns before "stand": "the camera stand"."""
_FOLLOWING = word_set(
    "disappear vanish go appear become turn be sit stand rest lie replace take move carry show get look leave have "
    "need come hold wear cover occupy trade give belong end lean feel seem distract concern contain benefit suit drift "
    "bother annoy ruin hurt suffer clash deserve lack miss remain stay exist float hover require overlap match reveal "
    "bug read beg start begin continue join land fall lead do make change obstruct block attract work fit call swap "
    "switch exchange put shine smile wave sleep run jump dance fly laugh walk swim wink cry drink eat sing glow face "
    "place morph transform convert shift slide fade supersede stick hang"
)
"""Verbs of which the noun phrase before them may be the subject; see `_is_subject`."""
_NEVER_NOUNS = word_set(
    "become disappear vanish appear go be have belong remain exist get give take put let make see lie sit lose remove "
    "delete replace happen"
)
"""Verbs that are never a noun behind another one."""
_CAUSES = word_set(
    "let make have help see watch can could would should must may might will shall do be if so_that that until till "
    "which what where want ensure imagine pretend wish like love and , need when whether"
)
"""Words after which a noun phrase has a verb of its own: "let the star go"."""
_BEFORE_VERB = word_set(", . : ; ! ? and but then to please just kindly now so you we i us also or ok okay")
"""Words after which a verb that may be a noun is a verb: a clause begins there."""
_BASE = {"wants": "want", "wanted": "want", "needs": "need", "needed": "need", "wished": "wish"}
_OPENING = (
    _EVERY
    | _DEFINITE
    | _INDEFINITE
    | _PRONOUNS
    | _SEVERAL
    | _PLACE_ADVERBS
    | {*_NUMBERS}
    | word_set("one ones another single")
)
"""Words at which a noun phrase begins."""
_NO_NOUNS = (
    PREPOSITIONS
    | _AUXILIARY
    | _SMALL
    | _PLACE_ADVERBS
    | _PEOPLE
    | _PRONOUNS
    | _DEFINITE
    | _EVERY
    | _INDEFINITE
    | _SEVERAL
    | {"another", "one"}
)
"""Words that are neither an adjective nor a noun."""
_NO_OF = COLOUR_NOUNS | PLACES | EDITS | PROPERTIES | word_set("one kind sort type number piece")
"""Nouns that "of" does not make the name of a thing: the "colour of" it, the "piece of" it."""
_ONE = word_set("any a single just either each one exactly only whichever")
_AMONG = word_set("of out_of among from")
_TOKEN = re.compile(r"\w+(?:-\w+)*|'s\b|'(?=\s)|[.,:;!?()=-]")


def chunks_of(text: str) -> list[Chunk]:
    """The chunks of a clause in their order."""
    return _Cutter(_TOKEN.findall(text)).chunks()


class _Cutter:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.lower = [token.lower() for token in tokens]
        self.found: list[Chunk] = []

    def chunks(self) -> list[Chunk]:
        at = 0
        while at < len(self.tokens):
            at = self._next(at)
        return self.found

    def _word(self, at: int) -> str:
        return self.lower[at] if 0 <= at < len(self.lower) else ""

    def _next(self, at: int) -> int:
        """Cut the chunk that begins at a token; the token after it."""
        word = self.lower[at]
        if word in ("a", "an") and self._word(at + 1) == "whole" and not self._is_noun(at + 2):
            return at + 2
        if word == "'s":
            return self._owned(at)
        if word in _PEOPLE:
            return self._add(at, word)
        if self._opens(at):
            return self._phrase(at)
        if kind := class_of(word):
            return self._add(at, LEMMA.get(word, "") or word, form=kind)
        if word in ("is", "are", "was", "were", "been", "being", "am"):
            return self._add(at, "be")
        if word in ("has", "had", "having"):
            return self._add(at, "have")
        return self._add(at, _BASE.get(word, word))

    def _add(self, at: int, symbol: str, *, form: str = "") -> int:
        self.found.append(Chunk(symbol, self.tokens[at], form=form))
        return at + 1

    def _opens(self, at: int) -> bool:
        """Whether a noun phrase begins at a token."""
        word = self.lower[at]
        if word == "that" and self._word(at + 1) == "one" and self._word(at + 2) == "of":
            return False
        if word == "same" and self._is_noun(at + 1):
            return True
        if word in _OPENING or word.isdecimal():
            return True
        if word in _FURTHER and self._is_noun(at + 1):
            return self._word(at + 1) not in TONES
        if not self._is_noun(at):
            return False
        if word in EDIT_NOUNS:
            return False
        if not class_of(word):
            return True
        if self._begins_clause():
            return False
        # A verb in its base form after a determiner was read with it; elsewhere it is a verb.
        after = self._word(at + 1)
        ends = after in ("", "of", "to", ",", ":", "=") or after in _AUXILIARY or class_of(after) != ""
        return is_colour(word) or word in PROPERTIES or (word in COLOUR_NOUNS and ends)

    def _begins_clause(self) -> bool:
        return all(chunk.symbol in _BEFORE_VERB for chunk in self.found[-1:])

    def _is_noun(self, at: int) -> bool:
        """Whether a token may be an adjective or a noun."""
        word = self._word(at)
        is_adverb = word.endswith("ly") and len(word) > 4 and word not in _NOT_ADVERBS
        return word[:1].isalnum() and word not in _NO_NOUNS and not is_adverb

    def _phrase(self, at: int) -> int:
        """Read the noun phrase at a token; the token after it."""
        start, word = at, self.lower[at]
        if word in _PLACE_ADVERBS:
            is_verb = word == "there" and LEMMA.get(self._word(at + 1), self._word(at + 1)) in _THERE_BE
            return self._add(at, "there_be" if is_verb else "L")
        if self._is_one_of(at):
            return self._one_of(at)
        every = word in _EVERY
        at += (1 + (self._word(at + 1) == "of")) * every
        at += self._word(at) == "yet" and self._word(at + 1) in ("another", "one")
        if end := self._without_noun(start, at, every=every):
            return end
        kind, at, number, cues = self._opening(at)
        kind = "D" if every and kind == "B" else kind
        return self._noun(start, at, kind=kind, number=2 if word == "both" else number, cues=cues)

    def _without_noun(self, start: int, at: int, *, every: bool) -> int:
        """Read "it", "one", "its colour" and the like; the token after it, 0 if it is none of them."""
        word = self._word(at)
        if self._another(at) is not None:
            return 0
        if word in _MORE:
            return self._add(at, word)
        if word in _POINTING_OWNERS and not self._is_alone(at):
            return self._of_pronoun(start, at + 1 + self._is_number(at + 1))
        if word in ("one", "ones") and not self._names_one(at):
            return self._put(at + 1, Chunk("O", "one", cues=("pronoun", "one")))
        if word in _PRONOUNS and (word not in _DEFINITE or self._is_alone(at)):
            return self._put(at + 1 + (self._word(at + 1) in ("one", "ones")), Chunk("I", word, cues=("pronoun",)))
        if every and word not in _DEFINITE and not self._is_noun(at) and not self._is_number(at):
            return self._put(max(at, start + 1), Chunk("N", self.lower[start]))
        return 0

    def _names_one(self, at: int) -> bool:
        """Whether "one" stands before a noun: "one red star"."""
        after = self._word(at + 1)
        return self._is_noun(at + 1) and after not in ("one", "another") and not class_of(after)

    def _opening(self, at: int) -> tuple[str, int, int, list[str]]:
        """The symbol of a noun phrase by its determiner, where its words begin, its number, and its cues."""
        word = self._word(at)
        if (another := self._another(at)) is not None:
            return "A", *another, ["another"]
        if word in _INDEFINITE:
            if self._word(at + 1) in ("pair", "couple", "dozen"):
                return "A", at + 2 + (self._word(at + 2) == "of"), 12 if self._word(at + 1) == "dozen" else 2, []
            return "A", at + 1 + (self._word(at + 1) == "single"), 1, []
        if word in _SEVERAL:
            return "A", at + 1 + (self._word(at + 1) == "of"), 0, []
        is_look = self._word(at + 1) in LOOKS and not self._is_noun(at + 2)
        if self._is_number(at) and self._is_noun(at + 1) and not is_look:
            more = self._word(at + 1) in (*_MORE, "other")
            return "A", at + 1 + more, self._number(at), ["another"] * more
        if word == "same" or word in _DEFINITE:
            counted = self._is_number(at + 1) and word != "same"
            return "D", at + 1 + counted, self._number(at + 1) if counted else 1, []
        return ("A", at + 1, 1, []) if word in ("one", "ones") else ("B", at, 1, [])

    def _is_alone(self, at: int) -> bool:
        """Whether "this", "that", "these" or "her" stands for a thing by itself."""
        if self._word(at) not in ("this", "that", "these", "those", "her"):
            return False
        after = self._word(at + 1)
        if after in ("one", "ones") or (not self._is_noun(at + 1) and not self._is_number(at + 1)):
            return True
        if LEMMA.get(after) in _NEVER_NOUNS:
            return True
        if not class_of(after) or after in EDIT_NOUNS or LEMMA.get(after) == after:
            return False
        return after.endswith("ed") or not self._is_noun(at + 2)

    def _is_number(self, at: int) -> bool:
        word = self._word(at)
        return word in _NUMBERS or (word.isdecimal() and len(word) < 3)

    def _number(self, at: int) -> int:
        word = self._word(at)
        return int(word) if word.isdecimal() else _NUMBERS[word]

    def _another(self, at: int) -> tuple[int, int] | None:
        """Where the noun begins after "another", "one more" and the like, and the number; None for other words."""
        word = self._word(at)
        if word == "another":
            counted = self._is_number(at + 1) and self._is_noun(at + 2)
            return (at + 2, self._number(at + 1)) if counted else (at + 1, 1)
        number, more = 1, at
        if word in ("a", "an", "one", "the", "yet") or self._is_number(at):
            number = self._number(at) if self._is_number(at) else 1
            more = at + 1
            if self._word(more) == "single":
                more += 1
        word, after = self._word(more), self._word(more + 1)
        if word in (*_FURTHER, "other") and (more > at or self._is_noun(more + 1) or after == "of"):
            if self._word(at) == "the" or (word == "other" and more > at and self._word(at) not in ("a", "an")):
                return None
            if word == "more" and more == at and (after in TONES or not is_plural(after)):
                return None
            return more + 1, number
        if word in _FURTHER_ONES and self._word(at) in ("a", "an", "one", "yet"):
            return (more + 1, 1) if self._is_noun(more + 1) or after in ("", "one", "of", ",", ".") else None
        return None

    def _is_one_of(self, at: int) -> bool:
        """Whether "one of the", "any one of these", "just one of" or the like begins at a token."""
        end = at
        while end < at + 4 and self._word(end) in _ONE:
            end += 1
        is_one = end > at and self._word(end - 1) in ("one", "single", "any", "either", "whichever")
        after = self._word(end + 1)
        return is_one and self._word(end) in _AMONG and (after in _DEFINITE or after in ("them", "both"))

    def _one_of(self, at: int) -> int:
        end = at
        while self._word(end) not in _AMONG:
            end += 1
        before = len(self.found)
        after = self._phrase(end + 1)
        inner = self.found[before]
        name = singular_name(inner.name) if inner.symbol == "D" else ""
        cues = tuple(dict.fromkeys(["one_of", *(inner.cues if not name else ())]))
        self.found[before] = replace(
            inner, symbol="D", name=name, number=1, cues=cues, preposition=self._preposition(before)
        )
        return after

    def _of_pronoun(self, start: int, at: int) -> int:
        """Read "its colour" or "its hat"."""
        if not self._is_noun(at):
            return self._put(start + 1, Chunk("I", self.lower[start], cues=("pronoun",)))
        before = len(self.found)
        end = self._noun(start, at, kind="D", number=1, cues=[])
        owned = self.found[before]
        if owned.symbol == "L" and any(word in _THERE_NOW for word in owned.words.lower().split()):
            return end
        if owned.symbol == "D":
            self.found[before] = replace(owned, owner="it", cues=tuple(dict.fromkeys(["pronoun", *owned.cues])))
        else:
            pronoun = Chunk("I", "it", cues=("pronoun",), preposition=owned.preposition)
            self.found[before : before + 1] = [pronoun, replace(owned, preposition="")]
        return end

    def _owned(self, at: int) -> int:
        """Read what a noun phrase owns: "the cat's hat", "the star's colour"; or "is"."""
        owner = self.found[-1] if self.found else None
        if owner is None or not self._is_noun(at + 1) or owner.symbol not in ("D", "B", "A", "I", "G"):
            return self._add(at, "be")
        before = len(self.found)
        end = self._noun(at, at + 1, kind="D", number=1, cues=[])
        owned = self.found[before]
        if owned.symbol == "D":
            self.found[before - 1 :] = [replace(owned, owner=owner.name or "it", preposition=owner.preposition)]
        return end

    def _noun(self, start: int, at: int, *, kind: str, number: int, cues: list[str]) -> int:
        """Read adjectives and a noun from a token on; `start` is where the phrase began."""
        end, nouns = at, 0
        while self._continues(end, nouns=nouns, first=end == at, alone=at == start):
            word = self.lower[end]
            nouns += not is_colour(word) and word not in SHADES and word not in LAST and word != "other"
            end += 1
        words = self.lower[at:end]
        if words and words[-1] == "like":
            end -= 1
            words.pop()
        if words and self._joins_of(words[-1], end):
            end += 2
            while self._continues(end, nouns=1, first=False, alone=False):
                end += 1
        return self._classify(start, at, end, kind=kind, number=number, cues=cues)

    def _joins_of(self, last: str, at: int) -> bool:
        """Whether "of" at a token goes on with the name of a thing: "a slice of pie"."""
        after = self._word(at + 1)
        if self._word(at) != "of" or not self._is_noun(at + 1) or self._is_number(at + 1):
            return False
        is_verb = class_of(after) and LEMMA.get(after) != after
        return not is_verb and singularize(last) not in _NO_OF and last not in EDIT_NOUNS

    def _continues(self, at: int, *, nouns: int, first: bool, alone: bool) -> bool:
        """Whether a token goes on with a noun phrase; `nouns` of its words so far are no colours.

        `first` is whether it would be the first word, `alone` whether the phrase has no determiner.
        """
        word = self._word(at)
        if word in ("more", "less") and first:
            return False
        if word == "and" and is_colour(self._word(at - 1)) and is_colour(self._word(at + 1)):
            return not first
        opens = (word in _OPENERS and not alone) or word in ("newly", "recently")
        closes = word in ("one", "ones") or (word == "right" and self._word(at - 1) in _HALVES)
        if (
            (opens and first)
            or (closes and not first)
            or (word == "just" and not nouns and class_of(self._word(at + 1)))
        ):
            return True
        if not self._is_noun(at):
            return False
        if self._is_surely_noun(at, first=first, alone=alone, nouns=nouns):
            return True
        if not class_of(word) and not word.endswith(("ing", "ed")):
            return True
        return self._is_noun_form(at, first=first, alone=alone, nouns=nouns)

    def _is_surely_noun(self, at: int, *, first: bool, alone: bool, nouns: int) -> bool:
        """Whether a token that may look like a verb is a noun or an adjective all the same."""
        word, after = self._word(at), self._word(at + 1)
        if (
            word in _NOT_VERBS
            or is_colour(word)
            or ("-" in word and word.endswith("ed"))
            or (word in EDITS and not nouns)
        ):
            return True
        if (word in PLACES and not first) or (word in ("center", "centre") and not alone):
            return True
        return class_of(word) == "global" and not alone and (after in ("in", "of", "") or after in PICTURES)

    def _is_noun_form(self, at: int, *, first: bool, alone: bool, nouns: int) -> bool:
        """Whether a form of a verb is part of a noun phrase."""
        word = self._word(at)
        lemma = LEMMA.get(word)
        if first and not alone:
            return True
        if word in EDIT_NOUNS:
            return lemma != word or word in COLOUR_NOUNS
        if lemma != word and not word.endswith("s"):
            return not nouns and not (alone and first)
        if alone and first:
            return word in COLOUR_NOUNS or word in PROPERTIES
        orders = alone and class_of(word) in ("remove", "replace", "undo", "place", "move")
        if nouns and (lemma in _NEVER_NOUNS or orders):
            return False
        return not (lemma in _FOLLOWING and nouns and self._is_subject(at))

    def _is_subject(self, at: int) -> bool:
        """Whether the noun phrase before a token may be what does something: "let the star | go"."""
        if self._word(at) in ("stand", "stands") and (self._word(at - 1) in _STANDS or "-" in self._word(at - 1)):
            return False
        if LEMMA.get(self._word(at)) != self._word(at) or is_plural(self._word(at - 1)):
            return True
        return any(chunk.symbol in _CAUSES for chunk in self.found)

    def _classify(self, start: int, at: int, end: int, *, kind: str, number: int, cues: list[str]) -> int:
        """Put the noun phrase of the tokens `at` to `end`, by what its last word stands for."""
        words = self.lower[at:end]
        if not words:
            return self._put_empty(start, end, kind=kind, number=number, cues=cues)
        more = cut_state(words)  # "the star blue": a colour behind its noun is what the noun becomes
        tail = colour_tail(words)
        colour, stop = "", at + len(words)
        if tail == len(words) and kind == "A" and self.lower[start] == "one":
            self._put(end, Chunk("O", "one", cues=("pronoun", "one")))
            words, colour = [], " ".join(self.tokens[at:stop])
        elif tail and (tail < len(words) or kind == "B" or (kind == "D" and words[-1] not in LAST)):
            colour = " ".join(self.tokens[stop - tail : stop])
            words, stop = words[:-tail], stop - tail
        if not words:
            return self._put(end, Chunk("C", colour, name=colour))
        after = " ".join(self.lower[stop : stop + 5])
        phrase = NounPhrase(words, self.tokens[at:stop], after, kind, number, cues)
        self._put(end, chunk_of(phrase))
        if colour:
            self.found.append(Chunk("C", colour, name=colour))
        self.found += more
        return end

    def _put_empty(self, start: int, end: int, *, kind: str, number: int, cues: list[str]) -> int:
        """Put a noun phrase without a noun: "another", "the"."""
        end = max(end, start + 1)
        if "another" in cues:
            return self._put(end, Chunk("A", "another", number=number, cues=tuple(cues)))
        words = " ".join(self.lower[start:end])
        return self._put(end, Chunk("I", words, cues=("pronoun",)) if kind == "D" else Chunk("N", words))

    def _put(self, end: int, chunk: Chunk) -> int:
        at = len(self.found)
        joined = self._is_joined()
        chunk = replace(chunk, preposition=self._preposition(at), joined=joined)
        self.found.append(chunk)
        return end

    def _is_joined(self) -> bool:
        before = [chunk.symbol for chunk in self.found[-2:]]
        return (
            bool(before)
            and before[-1] in ("and", ",", "plus")
            and (len(before) < 2 or before[-2] in (*THINGS, ",", "C"))
        )

    def _preposition(self, at: int) -> str:
        before = at - 1
        while before >= 0 and self.found[before].symbol in ("just", "only", "exactly", "right", "about", "all", "even"):
            before -= 1
        word = self.found[before].symbol if before >= 0 else ""
        return word if word in PREPOSITIONS else ""
