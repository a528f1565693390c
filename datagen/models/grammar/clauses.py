"""Split an instruction into sentences and clauses, and bring set phrases into one form."""

from __future__ import annotations

import re
from typing import NamedTuple

from datagen.models.grammar.chunks import Chunk, chunks_of
from datagen.models.grammar.thing_names import COLOUR_FAMILIES

_IS = r"(?:is|are|was|were|be)"
_PICTURE = r"(?:image|picture|photo|photograph|scene|composition|layout|things?|shot|frame)"
_PHRASES: tuple[tuple[str, str], ...] = (
    (r"\bcan't\b|\bcannot\b", "can not"),
    (r"\bwon't\b", "will not"),
    (r"\blet's\b|\blet us\b", "let us"),
    (r"n't\b|\bnt\b", " not"),
    (r"'d\b", " would"),
    (r"'ll\b", " will"),
    (r"'ve\b", " have"),
    (r"'re\b", " are"),
    (r"\bi'm\b", "i am"),
    (r"\b(it|that|what|there|who|where|here|how|everything|nothing|something|he|she|this)'s\b", r"\1 is"),
    (r"\b(?:get(?:ting)?|got) rid of\b|\bdo(?:ing)? away with\b|(?:^|\bto |\bus |\bcan we |\byou )part(?:ing)? with\b|\b(?:be|have) done with\b", "remove"),
    (r"\bsay(?:ing)? (?:good)?bye to\b|\b(?:dispose|disposing) of\b|\bdo(?:ing)? without\b|\brid \b(?=.* of\b)", "remove "),
    (r"\b(?:in|to|at|into) (?:the )?(?:very |exact )?(?:place|stead|lieu) of\b|\binstead of\b|\brather than\b|\bin lieu of\b", "instead_of"),
    (r"\b(?:take|takes|taking|taken|occupy|occupies|assume|assumes|fill|fills) (?:over )?the (?:place|spot|role|position) of\b", "instead_of"),
    (r"\b(?:in|at|on|to|take|takes|taking|occupy|occupies) (its|their|his|her) (?:very )?(?:place|stead|spot|former place|position)\b(?! to\b| so\b)", "instead_of it"),
    (r"\b(?:in|at|takes?|taking|occup(?:y|ies)) ((?:the|this|that) [^,.]{1,40}?)'s (?:place|spot|stead|position)\b", r"instead_of \1"),
    (r"\b(?:make|makes|making|give|gives|giving) (?:way|place|room) (?:for|to)\b", "replace by"),
    (r"\bstand(?:s|ing)? in for\b", "instead_of"),
    (r"\b(?:directly |right )?on top of\b|\batop of\b", "on"),
    (r"\bin front of\b", "before_of"),
    (r"\bnext to\b|\bto the (?:left|right) of\b", "beside"),
    (r"\bout of\b", "out_of"),
    (r"\bas well as\b|\btogether with\b|\balong with\b", "and"),
    (r"\b(?:such|so) that\b", "so_that"),
    (r"\b(?:make it (?:seem |look )?|look |looks |looking )?(?:as if|as though|like) ([^,.]{3,60}?) (?:was|were|had|is|has) (?:never|not)(?: been| existed)?(?: there| here| present|(?: in the \w+)| at all)*(?=[,.!?]|$)", r"without \1"),
    (r"\bas (?:though|if)\b", "like"),
    (r"\b(?:prefer|rather have|rather see) ([^,.]{3,60}?) (?:over|to) (the|that|this)\b", r"want \1 instead_of \2"),
    (r"\bno more\b", "without"),
    (r"\bafter all\b", ""),
    (r"\b(?:it is |it's )?(?:high )?time to\b", ""),
    (r"\b(?:it is |it's )?(?:high )?time for (?=an? |some |two )", "want "),
    (r"\bblack[- ]and[- ]white\b|\bb\s*&\s*w\b|\bb/w\b|\bshades of gr[ea]y\b|\bgr[ea]y ?-?(?:scale|tones)\b", "greyscale"),
    (r"\bno longer\b|\bnot any ?more\b|\bany ?more\b", "no_longer"),
    (r"\b(?:a|just a|one) (?:bit|little|tad|touch|lot|few shades|notch)(?: (?:more )?(?=[a-z]+er\b)|(?= (?:up|down|bright|dark|warm|cold|cool|to|toward)|[.,!?]|$))", " "),
    (rf"\b(?:from )?(?:exactly |precisely |right )?(?:what|where|how) (?:it|they|that|this|he|she|things) (?:currently |now )?(?:{_IS}|stands?|sits?|lies?|looks?)(?: (?:now|currently|right now|at present|at the moment|today|already))?\b(?! in the (?:picture|image|photo))", "where_it_is"),
    (rf"\b(?:instead_of|not|from|than) where_it_is\b", "instead"),
    (r"\binstead_of (?:at |in |on )?(?:its|their|the) (?:current|present|original|old|existing) (\w+)", "instead"),
    (r"\b(?:from|out_of) (?:its|their|the) (?:current|present|original|old|existing) (\w+)", ""),
    (r"\b(?:once again|one more time|over again|a second time|yet again|all over again|another time)\b", "again"),
    (rf"^(?:please |kindly |then |now |could you |can you |would you )*(?:edit|modify|change|adjust|alter|update|retouch|rework|arrange|rearrange|redo|make|fix|render|set|compose) (?:it|((?:the |this |that |my |our )?{_PICTURE})) (?:accordingly )?so_that\b", r"ensure \1 so_that"),
    (r"\b(?:make|making|be) (?:sure|certain)\b(?: that)?|\bensure that\b|\bsee to it that\b|\bmake it so(?:_that)?\b|\bso_make it\b", "ensure"),
    (r"\b(?:in|of) the same (?:kind|type|sort)\b", ""),
    (r"\bof (?:its|the same|that|this) (?:own )?(?:kind|type|sort)\b", "of_kind"),
    (r"\bthank you(?: (?:so|very) much)?\b|\bthanks(?: a lot)?\b|\bfor me\b|\bif (?:possible|you can|you could|you would|you do not mind|that is ok(?:ay)?)\b", ""),
    (r"\bi (?:think|believe|feel|guess|suppose|reckon|suggest|figure|say|feel like)(?: that)?\b(?! of\b)", ""),
    (r"\b(?:would|should|'d) (?:really |very much |also )?(?:like|love)\b", "want"),
    (r"\bas a whole\b", ""),
    (r"(?<!and )(?<!to )(?<!the )(?<!or )(?<!top )(?<!bottom )(?<!for )\b(?:right|straight|directly|exactly|squarely|precisely|smack|just|way|all the way) (?=(?:in|on|at|onto|over|under|above|below|into|next|beside|before_of|upon|up|down|to the)\b)", ""),
    (r"\bplus (?=an? |the |some |two |three )", "and "),
    (r"\bone (?:less|fewer)(?: (?:of|among))?\b", "remove one of"),
    (r"\bone too many\b(?: of)?", "too_many"),
    (r"\b(?:this|that) time\b|\bfor (?:a change|once|now)\b|\bat (?:present|the moment)\b|\bright now\b|\bby the way\b|\bof course\b", ""),
)  # fmt: skip
_REWRITES = tuple((re.compile(pattern, re.IGNORECASE), new) for pattern, new in _PHRASES)
_SENTENCE = re.compile(r"(?<=[^\s.])[.!?;]+(?=\s|$)|\n+|\s+[\u2013\u2014-]+\s+|\u2014")
_CONSTRAINT = re.compile(
    r"(?P<lead>^|,\s*|\s+(?=while\b|whereas\b|without\b|keeping\b|leaving\b|preserving\b|retaining\b)|\s+and\s+(?=leave\b|keep\b|preserve\b|do not\b))"
    r"(?P<text>(?:but |and |while |whereas |whilst |with |although |though )?"
    r"(?:keeping|leaving|preserving|retaining|maintaining|ensuring that no|without (?:altering|changing|touching|affecting|modifying|leaving|moving|disturbing|editing|harming|any)"
    r"|keep|leave (?!out)|preserve|retain|maintain|do not (?:touch|change|alter|modify|move|edit|affect|leave|make|add|remove)|while|whereas|whilst|as long as|provided)\b(?:(?! but | and (?!leave|keep|do not|preserve|let )[a-z]+ (?:the|an?|it|that|this|one|in|out|up|off|them|its)\b)[^,;])*)",
    re.IGNORECASE,
)
"""A clause that says what is to stay as it is."""
_WITH_LEFT = re.compile(
    r"(?P<lead>^|,\s*|\s+)(?P<text>with (?:[\w-]+ ){1,8}?(?:left|preserved|retained|restored|unchanged|intact|affected|untouched|kept"
    r"|changed|maintained|altered|becoming)\b[^,;]*)",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r"(?P<lead>^|,\s*|\s+)(?P<text>(?:because|since|as (?=it |the |this |that |they |there |i )|in order (?:to|not to)|for the sake of|considering|given that|given the"
    r"|for (?:better|greater|more|a (?:more|better|different|nicer|cleaner)|some|company|contrast|balance|variety|fun)\b|due to|thanks to|after the edit|(?<!i )(?<!we )(?<!more )(?<!one )(?<!look )(?<!looks )like (?=an? |the |it |they |there |on |in |i |sun|dusk|when |if ))[^,;]*)",
    re.IGNORECASE,
)
"""A clause that gives a reason or a comparison."""
_PURPOSE = re.compile(r"(?P<lead>^|,\s*)(?P<text>to (?:break|fill|make (?:it|the (?:picture|image|scene))|balance|achieve|obtain|improve|avoid|keep|give the (?:picture|image|scene)|add some|add a bit)\b[^,;]*)", re.IGNORECASE)
"""A clause that says what for."""


class Clause(NamedTuple):
    """A part of a sentence that may ask for an edit."""

    chunks: list[Chunk]
    text: str
    sentence: str
    aside: bool = False
    """Whether it only says why, or what is to stay as it is."""


def plain(text: str) -> str:
    """A text with set phrases in one form: "get rid of" is "remove"."""
    for pattern, new in _REWRITES:
        text = pattern.sub(new, text)
    return " ".join(text.split())


def sentences_of(text: str) -> list[str]:
    """The sentences of a text."""
    return [sentence for sentence in _SENTENCE.split(text) if re.search(r"\w", sentence)]


def clauses_of(sentence: str) -> list[Clause]:
    """The clauses of a sentence in their order."""
    asides: list[str] = []
    whole = sentence

    def cut(found: re.Match[str]) -> str:
        asides.append(found["text"])
        return f" {len(asides) - 1}\x00 "

    for pattern in (_WITH_LEFT, _CONSTRAINT, _ASIDE, _PURPOSE):
        sentence = pattern.sub(cut, sentence)
    clauses: list[Clause] = []
    for piece in re.split(r"(\d+\x00)", sentence):
        if piece.endswith("\x00"):
            aside = asides[int(piece[:-1])]
            clauses.append(Clause(chunks_of(re.sub(r"\d+\x00", " ", aside)), aside, whole, aside=True))
        elif re.search(r"\w", piece):
            chunks = chunks_of(piece.strip(" ,"))
            clauses += [Clause(part, " ".join(chunk.words for chunk in part), whole) for part in _split(chunks)]
    return clauses


_JOINTS = frozenset((",", "and", "but", "so", "then", ":", "or"))
_FINITE = frozenset("be do can could would will shall should may might must need have ought look feel seem deserve lack belong want".split())
_FILLERS = frozenset("please kindly just then now also so and but only maybe instead finally next too ok okay well or even afterwards perhaps".split())


def _split(chunks: list[Chunk]) -> list[list[Chunk]]:
    """The chunks split before each further clause that has a verb of its own."""
    parts: list[list[Chunk]] = [[]]
    for at, chunk in enumerate(chunks):
        if chunk.symbol in _JOINTS and parts[-1] and _starts_clause(chunks[at + 1 :], after=chunk.symbol) and (_has_verb(parts[-1]) or chunk.symbol == ":"):
            parts.append([])
        parts[-1].append(chunk)
    return [part for part in parts if any(re.search(r"\w", chunk.words) for chunk in part)]


def _has_verb(chunks: list[Chunk]) -> bool:
    return any(chunk.form or chunk.symbol in _FINITE or chunk.symbol == "not" for chunk in chunks)


def _starts_clause(chunks: list[Chunk], *, after: str) -> bool:
    rest = [chunk for chunk in chunks if chunk.symbol not in _FILLERS]
    if len(rest) < 2 and not (rest and rest[0].form):
        return False
    first, second = rest[0], rest[1] if len(rest) > 1 else rest[0]
    if first.form:
        return first.words.lower() == first.symbol
    if first.symbol in ("i", "we", "you", "can", "could", "would", "will", "what", "how", "why", "if", "there_be", "who", "not", "should"):
        return True
    if first.is_thing or first.symbol in ("N", "G", "L", "E", "Q"):
        follows = next((chunk.symbol for chunk in rest[1:3] if chunk.symbol not in _FILLERS), "")
        return follows in _FINITE and first.preposition == ""
    return False


def names_colour(text: str) -> bool:
    """Whether a text has a colour word."""
    return any(word in COLOUR_FAMILIES for word in re.findall(r"[\w-]+", text.lower()))
