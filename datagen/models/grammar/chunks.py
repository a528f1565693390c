"""Cut a clause into chunks: noun phrases by what they stand for, colours, places, verbs and small words.

Each chunk has a symbol, so that a clause becomes a short line of symbols and lemmas, such as `put A on D`, which other
modules read. The symbols:

- `A` a new thing ("a red star"), `D` a known one ("the star"), `B` a thing without an article, `I` a pronoun or
  another word for a thing named before, `O` "one" alone
- `C` a colour, `T` a look of all of a picture ("black and white"), `G` the picture, `Q` a property ("the colour")
- `L` a place, `E` an edit ("the last change"), `N` any other noun phrase, which names no thing
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from datagen.models.grammar.phrases import MASS, is_plural, noun
from datagen.models.grammar.thing_names import GENERAL, SHADES, is_colour, singular_name, singularize, word_set
from datagen.models.grammar.verbs import EDIT_NOUNS, LEMMA, LEMMA_OF_NOUN, class_of


@dataclass(frozen=True, slots=True)
class Chunk:
    """A noun phrase, a colour, a place or a single word."""

    symbol: str
    """See above; a word that is no chunk of its own has its lemma."""
    words: str
    name: str = ""
    """A thing's name without article and number, counted things in the singular; a colour's words."""
    number: int = 1
    """How many things; 0 for several without a number."""
    cues: tuple[str, ...] = ()
    """Of `pronoun`, `another` and `one_of`: how it points back at something."""
    owner: str = ""
    """Whose it is: `cat` in "the cat's hat", `it` in "its hat"; '' if nobody's."""
    preposition: str = ""
    """The preposition before it."""
    joined: bool = False
    """Whether "and" or a comma joins it to the noun phrase before it."""
    form: str = ""
    """Of a verb: its class."""

    @property
    def is_thing(self) -> bool:
        """Whether it stands for a thing in the picture."""
        return self.symbol in THINGS


THINGS: Final = ("A", "D", "B", "I", "O")
_MORE = ("more", "less", "further", "additional", "extra")
_SPEAKERS = word_set("my your our")
_COUNTED = "two three four five six seven eight nine ten eleven twelve"
NUMBERS: Final = {**{word: number for number, word in enumerate(_COUNTED.split(), 2)}, "both": 2, "dozen": 12}
_SEVERAL = word_set("some several many few multiple various numerous")
_INDEFINITE = word_set("a an")
_OWNERS = word_set("my your his her its our their")
_DEFINITE = word_set("the this that these those") | _OWNERS
_EVERY = word_set("all every each any both either whichever")
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
_COLOUR_NOUNS = word_set(
    "colour color hue shade tint tone fill paint coat pigment dye ink colouring coloring finish colourway version "
    "variant look style appearance surface treatment"
)
_PROPERTIES = word_set(
    "brightness contrast saturation exposure light lighting luminance lightness illumination lights vibrance gamma "
    "warmth weather season filter sepia vignette vibe mood atmosphere ambience tonality palette temperature cast grade "
    "balance tones colours colors hues tints sharpness darkness orientation axis grading highlights shadows dusk glow "
    "tonal"
)
_PICTURES = word_set(
    "comp snap selfie image picture photo photograph scene shot frame canvas view composition screen snapshot visual "
    "photography pic artwork print background surroundings everything all thing things palette layout arrangement "
    "screenshot"
)
_OF_PICTURES = word_set(
    "whole entire full complete overall current existing present same original finished general background photo image "
    "picture colour color resulting final mirror mirrored flipped reversed left-to-right horizontal exact old vintage "
    "classic"
)
_PLACES = word_set(
    "left right top bottom middle center centre corner side edge half border foreground front distance row margin "
    "quarter third column region area section part zone spot place position location placement space room end "
    "centerpoint midpoint upper lower topmost bottommost leftmost rightmost center-left center-right centre-left "
    "centre-right top-left top-right bottom-left bottom-right upper-left upper-right lower-left lower-right left-hand "
    "right-hand central destination home face heart-of surface base layer height level direction gap hole mid-left "
    "mid-right dead-center centre-stage center-stage ground sky-high somewhere topside plane quadrant sector bit "
    "portion rear back"
)
_PLACE_WORDS = word_set(
    "very best far same exact new different current present free empty vacated original old better wrong another own "
    "other such uppermost lowermost outer picture image frame photo canvas extreme absolute dead hand bare blank open "
    "right-most left-most mid vacant previous former outermost precise intended designated"
)
_EDITS = word_set(
    "edit edits change changes modification modifications adjustment adjustments step steps round turn operation "
    "action instruction request command alteration tweak revision edition amendment update transformation move "
    "edit-step result history state version"
)
_ABSTRACT = word_set(
    "way time minute moment second sake rest remainder session chat conversation rule kid look effect visual trace "
    "company fun sense idea mistake favourite favorite client viewer order contrast number object-count something "
    "anything nothing none everything-else attention focus interest detail details favour favor bit lot touch kind "
    "sort type default lack presence role subject target task case point while hour difference remark uniformity hurry "
    "reason result outcome purpose need wish preference matter choice thought thoughts bit-of guess trick job "
    "shape-and-size size outline form distraction element-count seamless gap resulting everyone people-like crowd "
    "clutter mess nuisance eyesore bother please world life deal problem issue fault opinion mind taste liking days "
    "sight makeover value helping request sauna board business fan lover chance possibility opportunity feel anchor "
    "standing mood visit use scale rate speed amount degree extent percent sun sunlight evening morning daylight frost "
    "winter film movie unit sticker good gaze heart-of-it breeze splash pop punch"
)
_NOT_VERBS = word_set(
    "everything something anything nothing awning building ceiling clothing drawing icing lighting painting railing "
    "ring king string wing thing spring earring herring duckling pudding morning evening bed shed seed weed reed sled "
    "steed sunbed seaweed red head bread toed hundred"
)
_NOT_ADVERBS = word_set("family butterfly lily fly jelly belly curly ugly silly friendly lovely lonely only jolly")
STATES: Final = word_set(
    "bigger larger smaller taller shorter longer wider thinner thicker older younger huge tiny rounder shiny shinier "
    "transparent wooden metallic furry fluffy wet dry open closed happy sad angry striped spotted blurry different "
    "sharper upside-down"
)
TONES: Final = word_set(
    "bright brighter brightest dark darker light lighter warm warmer cool cooler cold colder chilly chillier day night "
    "moodier stronger weaker softer dim dimmer sharp sharper blurry blurrier sunny sunnier snowy rainy foggy greyscale "
    "grayscale gray-scale grey-scale monochrome monochromatic sepia vintage retro colourless colorless colourful "
    "colorful desaturated saturated vivid vibrant faded moody cinematic wintry winter summer autumn nighttime daytime "
    "dusk dawn sunset sunrise cartoon cartoonish anime watercolor watercolour underexposed overexposed cosy cozy "
    "cosier cozier icy icier frosty toasty gloomier gloomy lit bluish orangey golden toasted tinted grays greys"
)
_LAST = word_set(
    "new newest last latest previous recent added said aforementioned first newly just recently introduced "
    "inserted placed existing original prior mentioned created drawn"
)
_TOKEN = re.compile(r"\w+(?:-\w+)*|'s\b|'(?=\s)|[.,:;!?()=-]")
_ADDED_BEFORE = re.compile(
    r"^(?:that |which )?(?:(?:was |were |has been |have been )(?:just |newly |recently )?|(?:you |we "
    r"|i )(?:have )?(?:just )?|just "
    r"|newly |recently )(?:added|put|placed|inserted|drew|drawn|made|introduced|created|gave|changed)\b|^from before\b"
    r"|^earlier\b",
    re.IGNORECASE,
)


def chunks_of(text: str) -> list[Chunk]:
    """The chunks of a clause in their order."""
    return _Cutter(_TOKEN.findall(text)).chunks()


def line_of(chunks: list[Chunk]) -> str:
    """The symbols and lemmas of chunks as one line."""
    return " ".join(chunk.symbol for chunk in chunks)


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
        if word in _EVERY or word in _DEFINITE or word in _INDEFINITE or word in _PRONOUNS or word in _SEVERAL:
            return True
        if word in NUMBERS or word in ("one", "ones", "another", "single") or word.isdigit():
            return True
        if word in ("more", "less", "no", "further", "additional", "extra") and self._is_noun(at + 1):
            return self._word(at + 1) not in TONES and word not in ("no", "less")
        if word in _PLACE_ADVERBS:
            return True
        if not self._is_noun(at):
            return False
        if not class_of(word) or word in EDIT_NOUNS:
            return word not in EDIT_NOUNS
        if self._begins_clause():
            return False
        # A verb in its base form after a determiner was read with it; elsewhere it is a verb.
        return (
            is_colour(word)
            or word in _PROPERTIES
            or (
                word in _COLOUR_NOUNS
                and (
                    self._word(at + 1) in ("", "of", "to", ",", ":", "=")
                    or class_of(self._word(at + 1)) != ""
                    or self._word(at + 1) in _AUXILIARY
                )
            )
        )

    def _begins_clause(self) -> bool:
        return all(chunk.symbol in _BEFORE_VERB for chunk in self.found[-1:])

    def _is_noun(self, at: int) -> bool:
        """Whether a token may be an adjective or a noun."""
        word = self._word(at)
        if not word or not word[0].isalnum() or word in PREPOSITIONS or word in _AUXILIARY or word in _SMALL:
            return False
        if (
            word in _PLACE_ADVERBS
            or word in _PEOPLE
            or word in _PRONOUNS
            or word in _DEFINITE
            or word in _EVERY
            or word in _INDEFINITE
        ):
            return False
        if word in _SEVERAL or word in ("another", "one"):
            return False
        return not (word.endswith("ly") and len(word) > 4 and word not in _NOT_ADVERBS)

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
        if word in _OWNERS - _SPEAKERS and not self._is_alone(at):
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
        is_look = self._word(at + 1) in STATES | TONES and not self._is_noun(at + 2)
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
        return word in NUMBERS or (word.isdigit() and len(word) < 3)

    def _number(self, at: int) -> int:
        word = self._word(at)
        return int(word) if word.isdigit() else NUMBERS[word]

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
        if word in ("more", "further", "additional", "extra", "other") and (
            more > at or self._is_noun(more + 1) or after == "of"
        ):
            if self._word(at) == "the" or (word == "other" and more > at and self._word(at) not in ("a", "an")):
                return None
            if word == "more" and (more == at and (after in TONES or not is_plural(after))):
                return None
            return more + 1, number
        if word in (
            "second",
            "third",
            "fourth",
            "fifth",
            "similar",
            "matching",
            "identical",
            "duplicate",
        ) and self._word(at) in ("a", "an", "one", "yet"):
            return (more + 1, 1) if self._is_noun(more + 1) or after in ("", "one", "of", ",", ".") else None
        return None

    def _is_one_of(self, at: int) -> bool:
        """Whether "one of the", "any one of these", "just one of" or the like begins at a token."""
        end = at
        while end < at + 4 and self._word(end) in (
            "any",
            "a",
            "single",
            "just",
            "either",
            "each",
            "one",
            "exactly",
            "only",
            "whichever",
        ):
            end += 1
        return (
            end > at
            and (
                self._word(end - 1) in ("one", "single", "any", "either", "whichever")
                and self._word(end) in ("of", "out_of", "among", "from")
            )
            and (self._word(end + 1) in _DEFINITE or self._word(end + 1) in ("them", "both"))
        )

    def _one_of(self, at: int) -> int:
        end = at
        while self._word(end) not in ("of", "out_of", "among", "from"):
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
        pronoun = Chunk("I", "it", cues=("pronoun",), preposition=owned.preposition)
        if owned.symbol == "D":
            self.found[before] = replace(owned, owner="it", cues=tuple(dict.fromkeys(["pronoun", *owned.cues])))
        else:
            self.found[before:before] = [pronoun]
            self.found[before + 1] = replace(owned, preposition="")
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
            nouns += not is_colour(word) and word not in SHADES and word not in _LAST and word != "other"
            end += 1
        words = self.lower[at:end]
        if words and words[-1] == "like" and end > at:
            end -= 1
            words = words[:-1]
        of = self._word(end) == "of" and words and self._is_noun(end + 1) and not self._is_number(end + 1)
        if of and not (class_of(self._word(end + 1)) and LEMMA.get(self._word(end + 1)) != self._word(end + 1)):
            head = singularize(words[-1])
            if (
                head not in _COLOUR_NOUNS
                and head not in _PLACES
                and head not in _EDITS
                and head not in _PROPERTIES
                and kind != "I"
                and words[-1] not in EDIT_NOUNS
                and head not in ("one", "kind", "sort", "type", "number", "piece")
            ):
                end += 2
                while self._continues(end, nouns=1, first=False, alone=False):
                    end += 1
        return self._classify(start, at, end, kind=kind, number=number, cues=cues)

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
            or (word in _EDITS and not nouns)
        ):
            return True
        if (word in _PLACES and not first) or (word in ("center", "centre") and not alone):
            return True
        return class_of(word) == "global" and not alone and (after in ("in", "of", "") or after in _PICTURES)

    def _is_noun_form(self, at: int, *, first: bool, alone: bool, nouns: int) -> bool:
        """Whether a form of a verb is part of a noun phrase."""
        word = self._word(at)
        lemma = LEMMA.get(word)
        if first and not alone:
            return True
        if word in EDIT_NOUNS:
            return lemma != word or word in _COLOUR_NOUNS
        if lemma != word and not word.endswith("s"):
            return not nouns and not (alone and first)
        if alone and first:
            return word in _COLOUR_NOUNS or word in _PROPERTIES
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
        more = _cut_tail(words)  # "the star blue": a colour behind its noun is what the noun becomes
        tail = _colour_tail(words)
        colour, stop = "", at + len(words)
        if tail == len(words) and kind == "A" and self.lower[start] == "one":
            self._put(end, Chunk("O", "one", cues=("pronoun", "one")))
            words, colour = [], " ".join(self.tokens[at:stop])
        elif tail and (tail < len(words) or kind == "B" or (kind == "D" and words[-1] not in _LAST)):
            colour = " ".join(self.tokens[stop - tail : stop])
            words, stop = words[:-tail], stop - tail
        if not words:
            return self._put(end, Chunk("C", colour, name=colour))
        after = " ".join(self.lower[stop : stop + 5])
        phrase = _Phrase(words, self.tokens[at:stop], after, kind, number, cues)
        self._put(end, next(chunk for read in _PHRASES if (chunk := read(phrase))))
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


_OPENERS = word_set("very right back present free same like lower well further gone visible")
_HALVES = word_set("top bottom upper lower center centre")


class _Phrase(NamedTuple):
    """The words of a noun phrase without its determiner."""

    words: list[str]
    """In lower case."""
    tokens: list[str]
    """As they are written."""
    after: str
    """What follows them."""
    kind: str
    """`A`, `D` or `B`, by the determiner."""
    number: int
    cues: list[str]

    @property
    def last(self) -> str:
        return self.words[-1]

    @property
    def head(self) -> str:
        return singularize(self.words[-1])

    @property
    def rest(self) -> list[str]:
        return self.words[:-1]

    @property
    def text(self) -> str:
        return " ".join(self.tokens)

    @property
    def is_toned(self) -> bool:
        """Whether it has a word such as "warmer" before its last one."""
        return any(word in TONES for word in self.rest)


def _as_edit(phrase: _Phrase) -> Chunk | None:
    """A noun that names an edit: "the removal", "a horizontal flip", "the last change"."""
    last, head = phrase.last, phrase.head
    named = class_of(last) == "global" and last not in _EDITS | TONES | _COLOUR_NOUNS | _PROPERTIES
    if named and (phrase.kind != "B" or phrase.rest):
        return Chunk(LEMMA.get(last) or LEMMA_OF_NOUN[last], phrase.text, form="global")
    if last in EDIT_NOUNS and phrase.is_toned:
        return Chunk("T", phrase.text)
    if last in EDIT_NOUNS and head not in _EDITS:
        return Chunk(LEMMA_OF_NOUN[last], phrase.text, form=EDIT_NOUNS[last])
    return None


def _as_look(phrase: _Phrase) -> Chunk | None:
    """A look or a property: "brighter", "a warmer tone", "the colour", "a blue colour"."""
    words, last, rest = phrase.words, phrase.last, phrase.rest
    if all(word in TONES for word in words) and not is_colour(last) and (last not in _NOUN_TONES or phrase.kind == "B"):
        return Chunk("T", phrase.text)
    if phrase.kind == "B" and all(word in STATES for word in words):
        return Chunk("state", phrase.text)
    if last in _COLOUR_NOUNS and any(is_colour(word) and word not in TONES for word in rest):
        colour = " ".join(word for word in rest if is_colour(word) or word in SHADES)
        return Chunk("C", colour, name=colour)
    if last in _PROPERTIES or last in _COLOUR_NOUNS or phrase.head in _COLOUR_NOUNS:
        return Chunk("T" if phrase.is_toned else "Q", phrase.text)
    if last in ("information", "level", "levels") and rest and rest[-1] in _PROPERTIES | _COLOUR_NOUNS:
        return Chunk("Q", phrase.text)
    return None


def _as_picture(phrase: _Phrase) -> Chunk | None:
    """The picture, or an edit of it in words such as "the last change"."""
    last, head, rest = phrase.last, phrase.head, phrase.rest
    is_picture = (last in _PICTURES or head in _PICTURES) and head != "thing"
    plain = phrase.kind == "B" or all(word in _OF_PICTURES or word in TONES for word in rest)
    if is_picture and plain and (phrase.kind != "A" or rest):
        return Chunk("T" if phrase.is_toned else "G", phrase.text)
    if head == "thing" and rest in (["whole"], ["entire"]):
        return Chunk("G", phrase.text)
    if last in _EDITS or head in _EDITS:
        return Chunk("N" if phrase.kind == "A" else "E", phrase.text)
    return None


def _as_place(phrase: _Phrase) -> Chunk | None:
    """A place: "the top left corner", "a spot"."""
    if phrase.head in _PLACES and phrase.is_toned:
        return Chunk("T", phrase.text)
    plain = all(word in _PLACES or word in _PLACE_WORDS or word.endswith(("ed", "ing")) for word in phrase.rest)
    if not plain or (phrase.last not in _PLACES and phrase.head not in _PLACES):
        return None
    is_spot = phrase.kind != "A" or phrase.head in _SPOTS or bool(_ROOMS & {*phrase.words})
    return Chunk("L", phrase.text) if is_spot else None


def _as_general(phrase: _Phrase) -> Chunk | None:
    """A noun that does not say what the thing is: "the red one", "a new element", "a copy", "my kid"."""
    last, head, rest, kind = phrase.last, phrase.head, phrase.rest, phrase.kind
    general = (head in GENERAL and not _is_named(rest)) or last in ("other", "others")
    if last == "same" or last in _ABSTRACT or head in _ABSTRACT or (head == "shape" and not rest):
        return Chunk("T" if phrase.is_toned else "N", phrase.text)
    if kind == "A" and (head in _COPIES or ("another" in phrase.cues and general)):
        return Chunk("A", phrase.text, number=phrase.number, cues=("another",))
    if last not in ("one", "ones") and not general:
        return None
    if last in ("one", "ones") and phrase.is_toned:
        return Chunk("T", phrase.text)
    if kind == "A" and last in ("one", "ones") and any(is_colour(word) for word in rest):
        return Chunk("C", phrase.text, name=" ".join(word for word in rest if is_colour(word) or word in SHADES))
    if kind == "A" and last == "one":
        return Chunk("A", phrase.text, number=phrase.number, cues=("pronoun",))
    return Chunk("I", phrase.text, cues=("pronoun",), number=phrase.number) if kind == "D" else Chunk("N", phrase.text)


def _as_thing(phrase: _Phrase) -> Chunk:
    words = phrase.tokens
    if any(word in _LAST for word in phrase.rest):
        words = [word for word in words if word.lower() not in _LAST]
    cues = [*phrase.cues]
    if phrase.kind == "D" and (_JUST & {*phrase.rest} or _ADDED_BEFORE.match(phrase.after)):
        cues.append("pronoun")
    name = _clean(" ".join(words), phrase.number)
    return Chunk(phrase.kind, phrase.text, name=name, number=phrase.number, cues=tuple(cues))


_PHRASES: tuple[Callable[[_Phrase], Chunk | None], ...] = (
    *(_as_edit, _as_look, _as_picture, _as_place, _as_general, _as_thing),
)


def _cut_tail(words: list[str]) -> list[Chunk]:
    """Cut what is said of a thing off the words of its noun phrase: "the star | bigger", "the picture | brighter"."""
    found: list[Chunk] = []
    while len(words) > 1 and (
        words[-1] in STATES or (words[-1] in TONES and not is_colour(words[-1]) and words[-1] not in _NOUN_TONES)
    ):
        found.append(Chunk("state" if words[-1] in STATES else "T", words.pop()))
    if words[-1] in _SIDES and not all(word in _PLACES or word in _PLACE_WORDS for word in words):
        found.append(Chunk("L", words.pop()))
        while len(words) > 1 and words[-1] in _SIDES | {"dead", "very", "upper", "lower"}:
            words.pop()
    return found


_SPOTS = word_set(
    "spot place position location space room home placement corner side part area region layer way bit base destination"
)
_ROOMS = word_set("spot place space room")
_JUST = word_set("newly just added previous last inserted introduced")
_STANDS = word_set(
    "camera tripod light lamp coat hat music night news flower plant cake umbrella fruit display hot-dog"
)
_NOUN_TONES = word_set(
    "light day night cartoon sunset sunrise dusk dawn winter summer autumn anime watercolor watercolour greys grays"
)
_COPIES = word_set("companion twin copy duplicate sibling instance replica counterpart clone double mate buddy friend")
_THERE_NOW = word_set("current present original old existing own new former previous")
_PLAIN = word_set("whole single other same big small large visual further decorative graphical additional extra little")
_FOLLOWING = word_set(
    "disappear vanish go appear become turn be sit stand rest lie replace take move carry show get look leave have "
    "need come hold wear cover occupy trade give belong end lean feel seem distract concern contain benefit suit drift "
    "bother annoy ruin hurt suffer clash deserve lack miss remain stay exist float hover require overlap match reveal "
    "bug read beg start begin continue join land fall lead do make change obstruct block attract work fit call swap "
    "switch exchange put shine smile wave sleep run jump dance fly laugh walk swim wink cry drink eat sing glow face "
    "place morph transform convert shift slide fade supersede stick hang"
)
_NEVER_NOUNS = word_set(
    "become disappear vanish appear go be have belong remain exist get give take put let make see lie sit lose remove "
    "delete replace happen"
)
_CAUSES = word_set(
    "let make have help see watch can could would should must may might will shall do be if so_that that until till "
    "which what where want ensure imagine pretend wish like love and , need when whether"
)
_PLACE_ADVERBS = word_set("there somewhere elsewhere halfway midway centrally upwards downwards leftwards rightwards")
_SIDES = word_set("left right center centre middle top bottom")
_BASE = {"wants": "want", "wanted": "want", "needs": "need", "needed": "need", "wished": "wish"}
_THERE_BE = word_set("be is are was were should must could can would needs need has ought might")
_BEFORE_VERB = word_set(", . : ; ! ? and but then to please just kindly now so you we i us also or ok okay")


def _colour_tail(words: list[str]) -> int:
    """How many words at the end are a colour with its shades."""
    if not is_colour(words[-1]):
        return 0
    tail = 1
    while tail < len(words) and (
        words[-tail - 1] in SHADES
        or is_colour(words[-tail - 1])
        or (words[-tail - 1] == "and" and tail + 1 < len(words) and is_colour(words[-tail - 2]))
    ):
        tail += 1
    return tail


def _is_named(rest: list[str]) -> bool:
    """Whether words before "shape" or "symbol" say what it is: "star shape", but not "red shape"."""
    plain = SHADES | _LAST | STATES | GENERAL
    return any(not is_colour(word) and word not in plain and word not in _PLAIN for word in rest)


def _clean(name: str, number: int) -> str:
    """A name as a noun; its last word in the singular if several are counted; '' if no word is left."""
    words = noun(name).words if re.search(r"\w", name) else ""
    if words == "object" and "object" not in name.lower():
        return ""
    first, _, last = words.rpartition(" ")
    if number != 1 and last.lower() not in MASS:
        last = singularize(last) if last == last.lower() else last
    return f"{first} {last}".strip()
