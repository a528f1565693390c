"""Patterns for what one clause of an instruction asks for as a whole: undo, a standing order, an edit of all of it."""

from __future__ import annotations

import re

from datagen.models.grammar.noun_phrases import COLOUR

_EDIT = (
    r"(?:edit|edits|change|changes|modification|modifications|adjustment|step|steps|round|turn|operation|action"
    r"|instruction|request|command|thing\s+you\s+did|alteration|tweak|move)"
)
_LAST = r"(?:last|previous|prior|preceding|latest|most\s+recent|recent|former|earlier)"
UNDO = re.compile(
    r"^(?:undo|revert|reverse|withdraw|rewind|roll\s+back|rollback|ctrl\s*\+?\s*z)\b(?!\s+(?:left|the\s+(?:image"
    r"|picture|photo|colou?rs|order|direction)\b))"
    r"|^(?:go|step|return|get|switch|change|take\s+(?:it|us|me|things?|everything|that)|bring\s+(?:it|things?"
    r"|everything)|put\s+(?:it|things?|everything)|turn\s+(?:it|things?|everything))\s+back\b(?!\s*ground)"
    r"|^take\s+(?:that|this|it)?\s*back\b|^back\s+to\b|\bone\s+step\s+back\b|^never\s*mind\b"
    r"|\bon\s+second\s+thoughts?\b|\bchanged\s+my\s+mind\b"
    r"|^(?:scratch|forget|cancel|disregard|ignore|scrap|reset|drop|discard)\s+(?:that|this|it|everything"
    r"|about\s+(?:that|it)|what\b|(?:the|your|my)\s+(?:very\s+)?(?:" + _LAST + r"\s+)?" + _EDIT + r")\b"
    r"|^(?:cancel|forget\s+about|forget|disregard|reset)\b"
    r"|\b(?:the|your|my|that|this)\s+(?:very\s+)?" + _LAST + r"\s+(?:\w+\s+)?" + _EDIT + r"\b"
    r"|\b(?:as|like|how|what|the\s+way)\s+(?:it|they|things?|everything|the\s+\w+)\s+(?:was|were|looked"
    r"|used\s+to\s+be)(?:\s+(?:before|like|originally|previously|at\s+first|earlier))?\s*$"
    r"|^(?:restore|return)\b|\bback\s+(?:the\s+way|how|as|to\s+(?:how|what|where|the\s+way|normal|before|its?"
    r"|the\s+(?:original|previous|earlier|old|first)))\b"
    r"|\b(?:that|it|this)\s+was\s+a\s+mistake\b|\bwithout\s+(?:that|your|the)\s+(?:last\s+)?" + _EDIT + (
        r"\b|\bto\s+(?:its|the|their)\s+(?:original|previous|earlier|former)\s+(?:state|version|look|colou?r|place"
        r"|position)"
    ),
    re.IGNORECASE,
)  # fmt: skip
"""A clause that takes an earlier edit back."""
BACK = re.compile(
    r"^(?:put|bring|add|get|give|place)\s+(?:back\s+(?P<after>.+)|(?P<before>.+?)\s+back)\b(?!\s*(?:ground|side|row"
    r"|wall|of|to\s+the\s+back))",
    re.IGNORECASE,
)
"""A clause that brings back what was removed."""
UNDONE = re.compile(
    r"^(?:undo|revert|reverse|withdraw|cancel|restore|return|forget(?:\s+about)?|never\s*mind|take\s+back|drop"
    r"|scrap|reset)\s+(?P<thing>(?:the|that|this|a|an|my|your)\s+.+)$",
    re.IGNORECASE,
)
"""An undo that may name the thing."""
_LATER = r"(?:later|subsequent|following|future|further|upcoming|coming|next|remaining|new(?:ly)?(?:\s+added)?)"
STANDING = re.compile(
    r"(?:\b(?:from|starting|beginning)\s+(?:now|here|this\s+point|this|today)(?:\s+on(?:wards?)?|\s+onwards?"
    r"|\s+forwards?)?\b(?!\s+to\b)|\bhence\s*forth\b|\bhereafter\b|\bthereafter\b|\bgoing\s+forwards?\b"
    r"|\bmoving\s+forwards?\b|\bin\s+(?:the\s+)?future\b|\bfor\s+the\s+rest\b(?:\s+of\s+(?:the|this)\s+(?:session"
    r"|conversation|edits?))?|\bin\s+what\s+follows\b|\bafter\s+this\b(?!\s+one)"
    rf"|\b(?:all|any|every|each|everything|anything|whatever)\s+(?:of\s+)?(?:the\s+|your\s+"
    rf"|my\s+)?(?:other\s+)?{_LATER}\b(?:\s+(?:{_EDIT}|objects?|things?|items?|additions?|shapes?|elements?|ones?"
    rf"|parts?)\b)?"
    rf"|\b(?:the|your|my)\s+(?:later|subsequent|following|future|further|upcoming|remaining)\s+(?:{_EDIT}|objects?"
    rf"|things?|items?|additions?|shapes?|elements?)\b"
    r"|\b(?:everything|anything|whatever|all|every\s*thing|each\s+thing|all\s+things|things"
    r"|objects|every\s+\w+|each\s+\w+|all\s+\w+)\s+(?:else\s+)?(?:that\s+)?(?:you(?:'ll"
    r"|\s+will)?|we(?:'ll|\s+will)?|i(?:'ll|\s+will)?|gets?|is|are|comes?"
    r"|will\s+be)\s+(?:\w+\s+)?(?:add|put|place|draw|make|insert|change|edit|ask|added|placed"
    r"|drawn|put|later|next|after|do|create)\b(?:\s+(?:in|for|from\s+\w+(?:\s+on)?|later|next"
    r"|afterwards?|after\s+\w+|to\s+\w+))*"
    r"|\bnew\s+(?:things|objects|additions|items|shapes)\b|^always\b|\bfor\s+(?:all|every"
    r"|the)\s+(?:\w+\s+)?(?:edits|additions|changes|steps|turns)\b|\btill\s+further\s+notice\b"
    r"|\buntil\s+i\s+say\b.*)",
    re.IGNORECASE,
)  # fmt: skip
"""Words of an order for edits that come later."""
_NOUNS = (
    r"(?:image|picture|photo|photograph|scene|shot|frame|view|canvas|screen|composition|everything|snapshot"
    r"|painting\s+itself)"
)
PICTURE = re.compile(
    rf"(?:(?:the|this|that|my|our|all\s+of\s+the|entire|whole)\s+)+(?:(?:whole|entire|complete"
    rf"|full)\s+)?{_NOUNS}(?!\s+(?:of|frame|on|hanging|above|behind|next)\b|'s\s+(?:frame))"
    rf"|{_NOUNS}$|everything\b|(?:the\s+)?(?:whole|entire|overall)\s+(?:thing|lot|{_NOUNS})|(?:all\s+of\s+(?:it"
    rf"|this)|it\s+all|all\s+the\s+colou?rs)",
    re.IGNORECASE,
)
"""Words for the edited picture."""
PROPERTY = re.compile(
    r"\b(?:brightness|contrast|saturation|exposure|hue|tint|(?:colou?r\s+)?tone|tones|(?:colou?r\s+)?temperature"
    r"|lighting|vibrance|gamma|warmth|style|weather|season|filter|sepia|vignette|vibe|mood|atmosphere|ambience"
    r"|(?:all\s+(?:of\s+)?|overall\s+|the\s+)colou?rs(?!\s+of\b)|time\s+of\s+day|background)\b",
    re.IGNORECASE,
)
"""What the whole picture has."""
TONE = re.compile(
    r"\b(?:(?:much|a\s+(?:bit|little|lot|touch)|slightly|more|less|somewhat|even|far|way)\s+)*(?:bright(?:er|en)?"
    r"|dark(?:er|en)?|light(?:er|en)|warm(?:er)?|cool(?:er)?|cold(?:er)?|dim(?:mer)?|sharp(?:er)?|blurr(?:y|ier)"
    r"|sunn(?:y|ier)|snowy|rainy|foggy"
    r"|black[\s-]+and[\s-]+white|b\s*&\s*w|b/w|gr[ea]y\s*-?\s*scale|monochrom(?:e|atic)|sepia|vintage|retro"
    r"|colou?rless|colou?rful|desaturated|saturated|vivid|vibrant|faded|moody|cinematic|winter(?:y)?|summer(?:y)?"
    r"|autumn(?:al)?|night|nighttime|daytime|day|dusk|dawn|sunset|sunrise|(?:an?\s+)?(?:oil\s+)?painting"
    r"|(?:pencil\s+)?sketch|cartoon(?:ish)?|anime|watercolou?r|shades\s+of\s+gr[ea]y)\b",
    re.IGNORECASE,
)
"""How the whole picture can look."""
ONLY_TONE = re.compile(
    r"^(?:look\s+(?:like\s+)?|appear\s+|be\s+|become\s+|a\s+|an\s+|into\s+|to\s+|in\s+|as\s+|feel\s+|and\s+|all\s+"
    r"|it\s+(?:was\s+)?|(?:much|bit|little|lot|touch|slightly|more|less|somewhat|even|far|way)\s+)*$",
    re.IGNORECASE,
)
"""What may stand before such a word in "make it look brighter"."""
GEOMETRIC = re.compile(
    r"\b(?:flip(?:ped)?|mirror(?:ed)?(?:\s+image)?|rotate[ds]?|rotation|upside\s+down|crop(?:ped)?(?!\s+out\s+the)"
    r"|zoom(?:ed)?|tilt(?:ed)?|reflect(?:ed)?|flop|stretch(?:ed)?|resize[d]?|rescale[d]?|scale\s+(?:up|down)"
    r"|turn\s+.*\b(?:\d+|ninety|around|sideways|left|right)\b|left\s+(?:and|to|with|for)\s+right|left[\s-]+right"
    r"|horizontally|vertically|back\s+to\s+front|inverted\s+left)\b",
    re.IGNORECASE,
)
"""Edits of the whole picture that move what is in it."""
GLOBAL_VERB = re.compile(
    r"^(?:brighten|darken|lighten|desaturate|saturate|invert|mirror|crop|zoom|blur|sharpen|warm|cool|flip|rotate"
    r"|tilt|dim|colou?rize|reflect|apply|adjust|increase|decrease|reduce|raise|lower|boost|enhance|bump"
    r"|tone)\b(?:\s+(?:it|this|up|down|in|out|things))*",
    re.IGNORECASE,
)
"""Verbs that alone ask for an edit of the whole picture."""
COLOURED = re.compile(
    rf"(?:^|\s)(?:(?:in|into|to|as|be|become|look|all|completely|entirely"
    rf"|from\s+\w+\s+to)\s+)*(?:the\s+colou?r\s+)?(?:an?\s+)?(?P<colour>{COLOUR}(?:\s+(?:and"
    rf"|with)\s+{COLOUR})?)(?:\s+(?:in\s+)?(?:colou?r(?:ed)?|one|ones|tone|shade|hue|version))?(?:\s+instead)?$",
    re.IGNORECASE,
)
"""A colour at the end of a clause: "blue", "into a blue one"."""
LOOKS = re.compile(
    r"\s(?:(?:a\s+(?:bit|little|lot)|much|slightly|even|way|twice|half|far|more|less|really|very|look|appear|be"
    r"|become|to\s+be|into)\s+)*(?P<state>bigger|larger|smaller|taller|shorter|longer|wider|thinner|thicker|older"
    r"|younger|huge|tiny|rounder|brighter|darker|lighter|shiny|shinier|transparent|wooden|golden|metallic|furry"
    r"|fluffy|wet|dry|open|closed|happy|sad|angry|striped|spotted|blurry|sharp(?:er)?|glow(?:ing)?|smile|wave|sleep"
    r"|run|sit|stand|jump|dance|fly|twice\s+as\s+(?:big|large)|as\s+(?:big|large)\s+as\s+.+|like\s+.+|more\s+\w+"
    r"|less\s+\w+|different|another\s+colou?r|(?:a\s+)?different\s+colou?r|wear\s+.+|hold\s+.+|look\s+.+|face\s+.+"
    r"|upside\s+down)$",
    re.IGNORECASE,
)
"""How a thing can come to look: "bigger", "like a tiger"."""
_OWN = (
    "the a an to of with in on at it this that these and from for his her its my please picture image photo make "
    "is into"
)
_FOREIGN = (
    "un une le la les el los las der die das den dem einen einem eine ein et y und il lo gli uno una del della dem "
    "des du au aux "
    "por para con en sur dans sous auf mit zum zur de het een van op met och ett och na do da em os um uma w i z v s se"
)  # fmt: skip
_KNOWN = frozenset(_OWN.split())
_OTHERS = frozenset(_FOREIGN.split()) - _KNOWN


def is_foreign(text: str) -> bool:
    """Whether a text is in another language than English, as far as its small words and letters say."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    letters = [letter for word in words for letter in word]
    if letters and sum(letter.isascii() for letter in letters) < 0.5 * len(letters):
        return True
    return sum(word in _OTHERS for word in words) > sum(word in _KNOWN for word in words)
