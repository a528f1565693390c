"""Chunks of a clause, and what a noun phrase stands for: a thing, a colour, a place, the picture, an edit.

Each chunk has a symbol, so that a clause becomes a short line of symbols and lemmas, such as `put A on D`, which other
modules read. The symbols:

- `A` a new thing ("a red star"), `D` a known one ("the star"), `B` a thing without an article, `I` a pronoun or
  another word for a thing named before, `O` "one" alone
- `C` a colour, `T` a look of all of a picture ("black and white"), `state` one of a thing ("bigger")
- `G` the picture, `Q` a property ("the colour")
- `L` a place, `E` an edit ("the last change"), `N` any other noun phrase, which names no thing

Any other word has its lemma.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from datagen.core.english import MASS, singularize, word_set
from datagen.models.grammar.phrases import noun
from datagen.models.grammar.thing_names import GENERAL, SHADES, is_colour
from datagen.models.grammar.verbs import EDIT_NOUNS, LEMMA, LEMMA_OF_NOUN, class_of

THINGS: Final = ("A", "D", "B", "I", "O")
COLOUR_NOUNS = word_set(
    "colour color hue shade tint tone fill paint coat pigment dye ink colouring coloring finish colourway version "
    "variant look style appearance surface treatment"
)
PROPERTIES = word_set(
    "brightness contrast saturation exposure light lighting luminance lightness illumination lights vibrance gamma "
    "warmth weather season filter sepia vignette vibe mood atmosphere ambience tonality palette temperature cast grade "
    "balance tones colours colors hues tints sharpness darkness orientation axis grading highlights shadows dusk glow "
    "tonal"
)
PICTURES = word_set(
    "comp snap selfie image picture photo photograph scene shot frame canvas view composition screen snapshot visual "
    "photography pic artwork print background surroundings everything all thing things palette layout arrangement "
    "screenshot"
)
_OF_PICTURES = word_set(
    "whole entire full complete overall current existing present same original finished general background photo image "
    "picture colour color resulting final mirror mirrored flipped reversed left-to-right horizontal exact old vintage "
    "classic"
)
PLACES = word_set(
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
_SPOTS = word_set(
    "spot place position location space room home placement corner side part area region layer way bit base destination"
)
_ROOMS = word_set("spot place space room")
_SIDES = word_set("left right center centre middle top bottom")
EDITS = word_set(
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
_COPIES = word_set("companion twin copy duplicate sibling instance replica counterpart clone double mate buddy friend")
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
_NOUN_TONES = word_set(
    "light day night cartoon sunset sunrise dusk dawn winter summer autumn anime watercolor watercolour greys grays"
)
LAST = word_set(
    "new newest last latest previous recent added said aforementioned first newly just recently introduced "
    "inserted placed existing original prior mentioned created drawn"
)
_JUST = word_set("newly just added previous last inserted introduced")
_ADDED_BEFORE = re.compile(
    r"^(?:that |which )?(?:(?:was |were |has been |have been )(?:just |newly |recently )?|(?:you |we "
    r"|i )(?:have )?(?:just )?|just "
    r"|newly |recently )(?:added|put|placed|inserted|drew|drawn|made|introduced|created|gave|changed)\b|^from before\b"
    r"|^earlier\b",
    re.IGNORECASE,
)
LOOKS: Final = STATES | TONES
_PROPERTIES_AND_COLOURS = PROPERTIES | COLOUR_NOUNS
_LOOKS_AND_EDITS = _PROPERTIES_AND_COLOURS | TONES | EDITS
_PLAIN = (
    word_set("whole single other same big small large visual further decorative graphical additional extra little")
    | SHADES
    | LAST
    | STATES
    | GENERAL
)
"""Words before "shape" or "symbol" that do not say what it is."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A noun phrase, a colour, a place or a single word."""

    symbol: str
    """Of those above, or a word's lemma."""
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


def line_of(chunks: list[Chunk]) -> str:
    """The symbols and lemmas of chunks as one line."""
    return " ".join(chunk.symbol for chunk in chunks)


class NounPhrase(NamedTuple):
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
        """Its last word, in lower case."""
        return self.words[-1]

    @property
    def head(self) -> str:
        """Its last word in the singular."""
        return singularize(self.words[-1])

    @property
    def rest(self) -> list[str]:
        """The words before the last one, in lower case."""
        return self.words[:-1]

    @property
    def text(self) -> str:
        """Its words as they are written."""
        return " ".join(self.tokens)

    @property
    def is_toned(self) -> bool:
        """Whether it has a word such as "warmer" before its last one."""
        return any(word in TONES for word in self.rest)


def _as_edit(phrase: NounPhrase) -> Chunk | None:
    """A noun that names an edit: "the removal", "a horizontal flip", "the last change"."""
    last, head = phrase.last, phrase.head
    named = class_of(last) == "global" and last not in _LOOKS_AND_EDITS
    if named and (phrase.kind != "B" or phrase.rest):
        return Chunk(LEMMA.get(last) or LEMMA_OF_NOUN[last], phrase.text, form="global")
    if last in EDIT_NOUNS and phrase.is_toned:
        return Chunk("T", phrase.text)
    if last in EDIT_NOUNS and head not in EDITS:
        return Chunk(LEMMA_OF_NOUN[last], phrase.text, form=EDIT_NOUNS[last])
    return None


def _as_look(phrase: NounPhrase) -> Chunk | None:
    """A look or a property: "brighter", "a warmer tone", "the colour", "a blue colour"."""
    words, last, rest = phrase.words, phrase.last, phrase.rest
    if all(word in TONES for word in words) and not is_colour(last) and (last not in _NOUN_TONES or phrase.kind == "B"):
        return Chunk("T", phrase.text)
    if phrase.kind == "B" and all(word in STATES for word in words):
        return Chunk("state", phrase.text)
    if last in COLOUR_NOUNS and any(is_colour(word) and word not in TONES for word in rest):
        colour = " ".join(word for word in rest if is_colour(word) or word in SHADES)
        return Chunk("C", colour, name=colour)
    if last in _PROPERTIES_AND_COLOURS or phrase.head in COLOUR_NOUNS:
        return Chunk("T" if phrase.is_toned else "Q", phrase.text)
    if last in ("information", "level", "levels") and rest and rest[-1] in _PROPERTIES_AND_COLOURS:
        return Chunk("Q", phrase.text)
    return None


def _as_picture(phrase: NounPhrase) -> Chunk | None:
    """The picture, or an edit of it in words such as "the last change"."""
    last, head, rest = phrase.last, phrase.head, phrase.rest
    is_picture = (last in PICTURES or head in PICTURES) and head != "thing"
    plain = phrase.kind == "B" or all(word in _OF_PICTURES or word in TONES for word in rest)
    if is_picture and plain and (phrase.kind != "A" or rest):
        return Chunk("T" if phrase.is_toned else "G", phrase.text)
    if head == "thing" and rest in (["whole"], ["entire"]):
        return Chunk("G", phrase.text)
    if last in EDITS or head in EDITS:
        return Chunk("N" if phrase.kind == "A" else "E", phrase.text)
    return None


def _as_place(phrase: NounPhrase) -> Chunk | None:
    """A place: "the top left corner", "a spot"."""
    if phrase.head in PLACES and phrase.is_toned:
        return Chunk("T", phrase.text)
    plain = all(word in PLACES or word in _PLACE_WORDS or word.endswith(("ed", "ing")) for word in phrase.rest)
    if not plain or (phrase.last not in PLACES and phrase.head not in PLACES):
        return None
    is_spot = phrase.kind != "A" or phrase.head in _SPOTS or bool(_ROOMS & {*phrase.words})
    return Chunk("L", phrase.text) if is_spot else None


def _as_general(phrase: NounPhrase) -> Chunk | None:
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


def _is_named(rest: list[str]) -> bool:
    """Whether words before "shape" or "symbol" say what it is: "star shape", but not "red shape"."""
    return any(not is_colour(word) and word not in _PLAIN for word in rest)


def _as_thing(phrase: NounPhrase) -> Chunk:
    words = phrase.tokens
    if any(word in LAST for word in phrase.rest):
        words = [word for word in words if word.lower() not in LAST]
    cues = [*phrase.cues]
    if phrase.kind == "D" and (_JUST & {*phrase.rest} or _ADDED_BEFORE.match(phrase.after)):
        cues.append("pronoun")
    name = _clean(" ".join(words), phrase.number)
    return Chunk(phrase.kind, phrase.text, name=name, number=phrase.number, cues=tuple(cues))


def _clean(name: str, number: int) -> str:
    """A name as a noun; its last word in the singular if several are counted; '' if no word is left."""
    words = noun(name).words if re.search(r"\w", name) else ""
    if words == "object" and "object" not in name.lower():
        return ""
    first, _, last = words.rpartition(" ")
    if number != 1 and last.lower() not in MASS:
        last = singularize(last) if last == last.lower() else last
    return f"{first} {last}".strip()


_READERS: tuple[Callable[[NounPhrase], Chunk | None], ...] = (_as_edit, _as_look, _as_picture, _as_place, _as_general)
"""What a noun phrase may stand for; the first that fits is taken, else it is a thing."""


def chunk_of(phrase: NounPhrase) -> Chunk:
    """A noun phrase as a chunk, by what its last word stands for."""
    return next((chunk for read in _READERS if (chunk := read(phrase))), None) or _as_thing(phrase)


def cut_state(words: list[str]) -> list[Chunk]:
    """Cut what is said of a thing off the words of its noun phrase: "the star | bigger", "the picture | brighter"."""
    found: list[Chunk] = []
    while len(words) > 1 and (
        words[-1] in STATES or (words[-1] in TONES and not is_colour(words[-1]) and words[-1] not in _NOUN_TONES)
    ):
        found.append(Chunk("state" if words[-1] in STATES else "T", words.pop()))
    if words[-1] in _SIDES and not all(word in PLACES or word in _PLACE_WORDS for word in words):
        found.append(Chunk("L", words.pop()))
        while len(words) > 1 and (words[-1] in _SIDES or words[-1] in ("dead", "very", "upper", "lower")):
            words.pop()
    return found


def colour_tail(words: list[str]) -> int:
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
