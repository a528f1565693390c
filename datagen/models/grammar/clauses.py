"""Split an instruction into sentences and clauses, and bring set phrases into one form."""

from __future__ import annotations

import re
from typing import NamedTuple

from datagen.core.english import word_set
from datagen.models.grammar.chunker import chunks_of
from datagen.models.grammar.chunks import Chunk

_IS = r"(?:is|are|was|were|be)"
_PICTURE = r"(?:image|picture|photo|photograph|scene|composition|layout|things?|shot|frame)"
_PHRASES: tuple[tuple[str, str, str], ...] = (
    ("can't|cannot", r"\bcan't\b|\bcannot\b", "can not"),
    ("won't", r"\bwon't\b", "will not"),
    ("let", r"\blet's\b|\blet us\b", "let us"),
    ("n't|nt", r"n't\b|\bnt\b", " not"),
    ("'d", r"'d\b", " would"),
    ("'ll", r"'ll\b", " will"),
    ("'ve", r"'ve\b", " have"),
    ("'re", r"'re\b", " are"),
    ("i'm", r"\bi'm\b", "i am"),
    ("'s", r"\b(it|that|what|there|who|where|here|how|everything|nothing|something|he|she|this)'s\b", r"\1 is"),
    (
        "rid|away|part|done",
        r"\b(?:get(?:ting)?|got) rid of\b|\bdo(?:ing)? away with\b|(?:^|\bto |\bus |\bcan we "
        r"|\byou )part(?:ing)? with\b|\b(?:be|have) done with\b",
        "remove",
    ),
    (
        "bye|dispos|without|rid",
        r"\bsay(?:ing)? (?:good)?bye to\b|\b(?:dispose|disposing) of\b|\bdo(?:ing)? without\b"
        r"|\brid \b(?=.* of\b)",
        "remove ",
    ),
    (
        "place|stead|lieu|rather",
        r"\b(?:in|to|at|into) (?:the )?(?:very |exact )?(?:place|stead|lieu) of\b"
        r"|\binstead of\b|\brather than\b",
        "instead_of",
    ),
    (
        "the place|spot|role|position",
        r"\b(?:take|takes|taking|taken|occupy|occupies|assume|assumes|fill"
        r"|fills) (?:over )?the (?:place|spot|role|position) of\b",
        "instead_of",
    ),
    (
        "its |their |his |her ",
        r"\b(?:in|at|on|to|take|takes|taking|occupy|occupies) (its|their|his"
        r"|her) (?:very )?(?:place|stead|spot|former place|position)\b(?! to\b| so\b)",
        "instead_of it",
    ),
    (
        "'s ",
        r"\b(?:in|at|takes?|taking|occup(?:y|ies)) ((?:the|this|that) [^,.]{1,40}?)'s (?:place|spot|stead"
        r"|position)\b",
        r"instead_of \1",
    ),
    ("place|way", r"\b(?:make|makes|making|give|gives|giving) (?:way|place) (?:for|to)\b", "replace by"),
    ("stand", r"\bstand(?:s|ing)? in for\b", "instead_of"),
    ("top of", r"\b(?:directly |right )?on top of\b|\batop of\b", "on"),
    ("front of", r"\bin front of\b", "before_of"),
    ("next to|to the", r"\bnext to\b|\bto the (?:left|right) of\b", "beside"),
    ("out of", r"\bout of\b", "out_of"),
    ("with|as well", r"\bas well as\b|\btogether with\b|\balong with\b", "and"),
    ("that", r"\b(?:such|so) that\b", "so_that"),
    (
        "as if|as though|like",
        r"\b(?:make it (?:seem |look )?|look |looks |looking )?(?:as if|as though"
        r"|like) ([^,.]{3,60}?) (?:was|were|had|is|has) (?:never|not)(?: been| existed)?(?: there"
        r"| here| present|(?: in the \w+)| at all)*(?=[,.!?]|$)",
        r"without \1",
    ),
    ("->|=>|→", r"\s*(?:->|=>|\u2192)\s*", " become "),
    ("pray", r"^pray\b", ""),
    ("bye", r"\b(?:good)?bye[ -]?(?:good)?bye\b", "remove"),
    ("out", r"\b(?:change|trade|switch|swap)(s|d|ped|ed|ing)? out\b", "replace"),
    (
        "not th",
        r",? (?:and |but )?not (the|that) (?=[^,.]+[.!?]?$)(?![^,.]* (?:is|are|was|be|look|should|in|at|on"
        r"|to)\b)",
        r" instead_of \1 ",
    ),
    ("giv", r"\bgiv(?:e|es|ing) (?:up )?(?:its|their) (?:place|spot) to\b", "replace by"),
    ("make a", r"\bmake (an? [^,.]{2,40}?) (?:out_of|from) (the|that)\b", r"make \1 instead_of \2"),
    ("as if|as though", r"\bas (?:though|if)\b", "like"),
    (
        "prefer|rather",
        r"\b(?:prefer|rather have|rather see) ([^,.]{3,60}?) (?:over|to) (the|that|this)\b",
        r"want \1 instead_of \2",
    ),
    ("no more", r"\bno more\b", "without"),
    ("after all", r"\bafter all\b", ""),
    ("time to", r"\b(?:it is |it's )?(?:high )?time to\b", ""),
    ("time for", r"\b(?:it is |it's )?(?:high )?time for (?=an? |some |two )", "want "),
    (
        "black|b/w|gray|grey|b &|b&",
        r"\bblack[- ]and[- ]white\b|\bb\s*&\s*w\b|\bb/w\b|\bshades of gr[ea]y\b"
        r"|\bgr[ea]y ?-?(?:scale|tones)\b",
        "greyscale",
    ),
    ("longer|more", r"\bno longer\b|\bnot any ?more\b|\bany ?more\b", "no_longer"),
    (
        "bit|little|tad|touch|lot|shades|notch",
        r"\b(?:a|just a|one) (?:bit|little|tad|touch|lot|few shades"
        r"|notch)(?: (?:more )?(?=[a-z]+er\b)|(?= (?:up|down|bright|dark|warm"
        r"|cold|cool|to|toward)|[.,!?]|$| \w+[.!?]?$))",
        " ",
    ),
    (
        "what|where|how",
        rf"\b(?:from )?(?:exactly |precisely |right )?(?:what|where|how) (?:it|they|that|this|he|she"
        rf"|things) (?:currently |now )?(?:{_IS}|stands?|sits?|lies?|looks?)(?: (?:now|currently"
        rf"|right now|at present|at the moment|today|already))?\b(?! in the (?:picture|image|photo))",
        "where_it_is",
    ),
    ("where_it_is", r"\b(?:instead_of|not|from|than) where_it_is\b", "instead"),
    (
        "instead_of",
        r"\binstead_of (?:at |in |on )?(?:its|their|the) (?:current|present|original|old|existing) \w+",
        "instead",
    ),
    ("from|out_of", r"\b(?:from|out_of) (?:its|their|the) (?:current|present|original|old|existing) \w+", ""),
    (
        "again|more time|second time|another time",
        r"\b(?:once again|one more time|over again|a second time|yet again"
        r"|all over again|another time)\b",
        "again",
    ),
    (
        "so_that",
        rf"^(?:please |kindly |then |now |could you |can you |would you )*(?:edit|modify|change|adjust|alter"
        rf"|update|retouch|rework|arrange|rearrange|redo|make|fix|render|set|compose) (?:it|((?:the |this "
        rf"|that |my |our )?{_PICTURE})) (?:accordingly )?so_that\b",
        r"ensure \1 so_that",
    ),
    (
        "sure|certain|ensure|see to|make it",
        r"\b(?:make|making|be) (?:sure|certain)\b(?: that)?|\bensure that\b"
        r"|\bsee to it that\b|\bmake it so(?:_that)?\b",
        "ensure",
    ),
    ("same", r"\b(?:in|of) the same (?:kind|type|sort)\b", ""),
    ("of ", r"\bof (?:its|the same|that|this) (?:own )?(?:kind|type|sort)\b", "of_kind"),
    (
        "thank|for me|if ",
        r"\bthank you(?: (?:so|very) much)?\b|\bthanks(?: a lot)?\b|\bfor me\b|\bif (?:possible"
        r"|you can|you could|you would|you do not mind|that is ok(?:ay)?)\b",
        "",
    ),
    ("favo", r"\bin favou?r of\b", "replace by"),
    ("missing", r"\b(?:all|what|the only thing)(?: that)? is missing(?: here)? is\b", "add"),
    (
        "is there|is it possible",
        r"\bis (?:there (?:any|a|some) (?:way|chance)|it possible)(?: for you)? (?:to|of"
        r"|that you(?: could)?)\b",
        "can you",
    ),
    ("i ", r"\bi (?:feel like|think|believe|feel|guess|suppose|reckon|suggest|figure|say)(?: that)?\b(?! of\b)", ""),
    ("like|love", r"\b(?:would|should|'d) (?:really |very much |also )?(?:like|love)\b", "want"),
    ("whole", r"\bas a whole\b", ""),
    ("enough of", r"\bcan not get enough of\b", "love"),
    ("of it", r"\b(?:each and )?every (?:bit|part|inch) of it\b", "it"),
    (
        "right|straight|directly|exactly|squarely|precisely|smack|just|way",
        r"(?<!and )(?<!to )(?<!the )(?<!or )(?<!top"
        r" )(?<!bottom )(?<!for )\b(?:right|straight"
        r"|directly|exactly|squarely|precisely|smack"
        r"|just|way|all the way) (?=(?:in|on|at|onto"
        r"|over|under|above|below|into|next|beside"
        r"|before_of|upon|up|down|to the)\b)",
        "",
    ),
    ("plus", r"\bplus (?=an? |the |some |two |three |one |another )", "and "),
    ("one less|one fewer", r"\bone (?:less|fewer)(?: (?:of|among))?\b", "remove one of"),
    ("too many", r"\bone too many\b(?: of)?", "too_many"),
    (
        "time|for |at |right now|by the way|course",
        r"\b(?:this|that) time\b|\bfor (?:a change|once|now)\b"
        r"|\bat (?:present|the moment)\b|\bright now\b|\bby the way\b"
        r"|\bof course\b",
        "",
    ),
)
"""Set phrases: words of which one stands in each, in lower case; a pattern; what to say instead. Later rows see what
earlier ones say."""
_REWRITES = tuple((words.split("|"), re.compile(pattern, re.IGNORECASE), new) for words, pattern, new in _PHRASES)
_SENTENCE = re.compile(r"(?<=[^\s.])[.!?;]+(?=\s|$)|\n+|\s+[\u2013\u2014-]+\s+|\u2014")
_CONSTRAINT = re.compile(
    r"(?:^|,\s*|\s+(?=while\b|whereas\b|without\b|keeping\b|leaving\b|preserving\b|retaining\b)"
    r"|\s+and\s+(?=leave\b|keep\b|preserve\b|do not\b))"
    r"(?P<text>(?:but |and |while |whereas |whilst |with |although |though )?"
    r"(?:keeping|leaving|preserving|retaining|maintaining|ensuring that no|without (?:altering|changing|touching"
    r"|affecting|modifying|leaving|moving|disturbing|editing|harming|any)"
    r"|keep|leave (?!out)|preserve|retain|maintain|do not (?:touch|change|alter|modify|move|edit|affect|leave|make|add"
    r"|remove)|while|whereas|whilst|as long as|provided)\b(?:(?! but | and (?!leave|keep|do not|preserve"
    r"|let )[a-z]+ (?:the|an?|it|that|this|one|in|out|up|off|them|its)\b)[^,;])*)",
    re.IGNORECASE,
)
"""A clause that says what is to stay as it is."""
_WITH_LEFT = re.compile(
    r"(?:^|,\s*|\s+)(?P<text>with (?:[\w-]+ ){1,8}?(?:left (?=intact|unchanged|untouched|as|alone|out|in|where)"
    r"|preserved|retained|restored|unchanged|intact|affected|untouched|kept"
    r"|changed|maintained|altered|becoming)[^,;]*)",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r"(?:^|,\s*|\s+)(?P<text>(?:because|since|as (?=(?:it|they|there|this|that|i) )"
    r"|as (?=the (?:\w+ ){1,3}?(?:is|are|was|does|do|has|looks?|feels?|seems?|should)\b)|in order (?:to|not to)"
    r"|for the sake of|considering|given that|given the"
    r"|for (?:better|greater|more|a (?:more|better|different|nicer|cleaner)|some|company|contrast|balance|variety"
    r"|fun)\b|due to|thanks to|after the edit|(?<!i )(?<!we )(?<!more )(?<!one )(?<!look )(?<!looks )like (?=an? |the "
    r"|it |they |there |on |in |i |sun|dusk|when |if ))[^,;]*)",
    re.IGNORECASE,
)
"""A clause that gives a reason or a comparison."""
_PURPOSE = re.compile(
    r"(?:^|,\s*)(?P<text>to (?:break|fill|make (?:it|the (?:picture|image|scene))|balance|achieve|obtain|improve"
    r"|avoid|keep|give the (?:picture|image|scene)|add some|add a bit)\b[^,;]*)",
    re.IGNORECASE,
)
"""A clause that says what for."""
_CUTS = tuple(
    (words.split("|"), pattern)
    for words, pattern in (
        ("with ", _WITH_LEFT),
        (
            "keep|leav|preserv|retain|maintain|ensuring|without|do not|while|whereas|whilst|long as|provided",
            _CONSTRAINT,
        ),
        ("because|since|as |order|sake|given|consider|for |due to|thanks to|after the|like ", _ASIDE),
        ("to ", _PURPOSE),
    )
)
"""What is cut off a sentence: words of which one stands in it, and a pattern."""
_JOINTS = word_set(", and but so then : or")
_FINITE = word_set(
    "be do can could would will shall should may might must need have ought look feel seem deserve lack belong want"
)
FILLERS = word_set(
    "please kindly just then now also so and but only maybe instead finally next too ok okay well or even afterwards "
    "perhaps"
)
"""Words that change nothing of what a clause asks for."""
_STARTS = word_set("i we you can could would will what how why if there_be who not should")


class EditClause(NamedTuple):
    """A part of a sentence that may ask for an edit."""

    chunks: list[Chunk]
    text: str
    sentence: str
    aside: bool = False
    """Whether it only says why, or what is to stay as it is."""


def plain(text: str) -> str:
    """A text with set phrases in one form: "get rid of" is "remove"."""
    lower = text.lower()
    for words, pattern, new in _REWRITES:
        if any(word in lower for word in words):
            text, number = pattern.subn(new, text)
            lower = text.lower() if number else lower
    return re.sub(r"\s+([.,;!?])", r"\1", " ".join(text.split()))


def sentences_of(text: str) -> list[str]:
    """The sentences of a text."""
    return [sentence.strip() for sentence in _SENTENCE.split(text) if re.search(r"\w", sentence)]


def clauses_of(sentence: str) -> list[EditClause]:
    """The clauses of a sentence in their order."""
    asides: list[str] = []
    whole = sentence

    def cut(found: re.Match[str]) -> str:
        asides.append(found["text"])
        return f" {len(asides) - 1}\x00 "

    lower = sentence.lower()
    for words, pattern in _CUTS:
        if any(word in lower for word in words):
            sentence = pattern.sub(cut, sentence)
    clauses: list[EditClause] = []
    for piece in re.split(r"(\d+\x00)", sentence):
        if piece.endswith("\x00"):
            aside = asides[int(piece[:-1])]
            clauses.append(EditClause(chunks_of(re.sub(r"\d+\x00", " ", aside)), aside, whole, aside=True))
        elif re.search(r"\w", piece):
            chunks = chunks_of(piece.strip(" ,"))
            clauses += [EditClause(part, " ".join(chunk.words for chunk in part), whole) for part in _split(chunks)]
    return clauses


def _split(chunks: list[Chunk]) -> list[list[Chunk]]:
    """The chunks split before each further clause that has a verb of its own."""
    parts: list[list[Chunk]] = [[]]
    for at, chunk in enumerate(chunks):
        if (
            chunk.symbol in _JOINTS
            and parts[-1]
            and starts_clause(chunks[at + 1 :])
            and (_has_verb(parts[-1]) or chunk.symbol == ":")
        ):
            parts.append([])
        parts[-1].append(chunk)
    return [part for part in parts if any(re.search(r"\w", chunk.words) for chunk in part)]


def _has_verb(chunks: list[Chunk]) -> bool:
    return any(chunk.form or chunk.symbol in _FINITE or chunk.symbol == "not" for chunk in chunks)


def starts_clause(chunks: list[Chunk]) -> bool:
    """Whether a clause with a verb of its own begins with these chunks."""
    rest = [chunk for chunk in chunks if chunk.symbol not in FILLERS]
    if len(rest) < 2 and not (rest and rest[0].form):
        return False
    first = rest[0]
    if first.form:
        return first.words.lower() == first.symbol
    if first.symbol in _STARTS:
        return True
    if first.is_thing or first.symbol in ("N", "G", "L", "E", "Q"):
        follows = next((chunk.symbol for chunk in rest[1:3] if chunk.symbol not in FILLERS), "")
        return follows in _FINITE and first.preposition == ""
    return False
