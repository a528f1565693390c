"""Put the placeholder of the source where English has it, in an instruction that does not mention the picture."""

from __future__ import annotations

import re
from typing import Final

from datagen.core.english import indefinite_article, read_number, word_set
from datagen.core.fields import PLACEHOLDER
from datagen.core.spelling import correct_spelling
from datagen.models.grammar.chunks import STATES, TONES
from datagen.models.grammar.edit_scope import Scope
from datagen.models.grammar.languages import FUNCTION_WORDS, is_english_word
from datagen.models.grammar.picture_words import mask_quotes
from datagen.models.grammar.verbs import LEMMA
from datagen.models.grammar.word_sets import SENTENCE_END
from datagen.scene_graphs.lexicon import NOUNS

_EDIT_VERBS: Final = word_set(
    "add remove replace change make put turn give take move paint draw insert delete erase place swap convert "
    "transform rotate crop zoom blur brighten darken increase decrease reduce show write let have fill cover"
)
_LEAST_WORDS: Final = 3
_STOPS: Final = " .!?…,"
_AFTERTHOUGHT: Final = re.compile(
    r"(?:[\s,]+(?:please|pls|plz|plzz|thx|thanks|thank you|ty|lol|haha|ok|okay|now|too|instead"
    r"|[^\w\s\"'”’.!?…,<>()-]+))+$",  # noqa: RUF001
    re.IGNORECASE,
)
_REASON: Final = re.compile(
    r"(?<!make it)(?<!have it),?\s+(?:because|so that|since (?:it|he|she|they|the|i)|while (?:keep|leav)\w+)\b",
    re.IGNORECASE,
)
_ENDS_IN: Final = re.compile(r"\bin$", re.IGNORECASE)
_ZOOM: Final = re.compile(
    r"\bzoom(?:ing|ed)? (?:in|out|back)(?: \w+ly| more| further| closer| a (?:bit|little))*$", re.I
)

_MODAL: Final = (
    r"(?:should|must|needs?|has to|have to|ought to|could|would|might|can|looks?|feels?|seems?|is|was|were|be|as|to"
    r"|has|deserves)"
)
_THIS: Final = re.compile(
    rf"\bthis(?=\s+{_MODAL}\b|\s+(?:in|into|like|with|upside)\b|\s*[.!?,]{{0,9}}$)", re.IGNORECASE
)
_SEEN: Final = re.compile(
    r"(?:\b(?:make|making|turn|turning|convert|converting|change|changing|transform|transforming|render|rendering"
    r"|redraw|redo|show|want|like|love|have|draw|paint|see|get|imagine|do)\s+|^(?:and\s+|maybe\s+|i think\s+)?"
    r"|\b(?:if|would|does|could|should|can|might|did|wish)\s+)(?P<it>it|this)\b",
    re.IGNORECASE,
)
"""An "it" that may be the picture, if what follows is said of pictures alone."""
_FURTHER: Final = 200
"""Characters after "it" that are looked at, and at the end for words such as "please"."""
_STRAIGHT: Final = re.compile(
    r"\b(?:rotat|flip|mirror|crop|brighten|darken|sharpen|blur|desaturat|coloriz|colouris|invert|straighten|zoom"
    r"|resiz|enhanc|upscal|denois)\w*\s+(?P<it>it|this)\b(?!\s+\w*(?:car|dog|cat|man)\b)",
    re.IGNORECASE,
)
_ART: Final = (
    r"(?:(?:oil |watercolou?r )?paintings?|watercolou?r|drawing|sketch|cartoon|anime|comics?(?: book)?|manga|poster"
    r"|postcard|illustration|pixel art|mosaic|collage|render(?:ing)?|photograph|photo|polaroid|selfie|screenshot"
    r"|engraving|woodcut|line art|clip ?art|fresco|stained glass|cross[- ]stitch|pop art|film noir|movie still|negative"
    r"|blueprint|portrait|landscape|close-?up)"
)
_OF_PICTURES: Final = re.compile(
    rf"\b(?:{_ART}|style[ds]?|black (?:and|&) white|b&w|gr[ae]yscale|sepia|monochrome|vintage|retro|realistic"
    r"|photorealistic|cinematic|abstract|impressionis\w+|cubis\w+|3d|high contrast|hdr|upside[- ]down"
    r"|horizontal(?:ly)?|vertical(?:ly)?|(?:counter|anti)?-?clockwise|degrees|sideways|sharper|blurr(?:y|ier)"
    r"|in focus|out of focus|grainy|pixelated|brighter|darker|saturated|vibrant|washed out|overexposed|underexposed"
    r"|look (?:like|as if) (?:it|an?) (?:\w+ )?(?:scene|morning|night|evening|winter|summer|autumn|sunset))\b",
    re.IGNORECASE,
)
_EXPLETIVE: Final = re.compile(
    r"^\s+(?:(?:was|were|is|be|to be|look(?:s|ed)? like it(?:'s| is)?|a|an|really|heavily|all)\s+)*"
    r"(?:snow|rain|hail|storm|fog|thunder|drizzl|pour|night|day|morning|evening|noon|midnight|dawn|dusk|sunset|sunrise"
    r"|winter|summer|spring|autumn|fall\b|sunny|cloudy|windy|foggy|christmas|halloween)\w*",
    re.IGNORECASE,
)
"""What follows an "it" that stands for nothing: "make it snow", "if it was autumn"."""

_BARE: Final = re.compile(
    r"(?:^|\b(?:please|pls|and|then|you|let's|just|to)\s+)(?P<verb>rotate|flip|mirror|crop|brighten|darken|sharpen|blur"
    r"|desaturate|invert|convert|colou?rize|colourise|straighten|resize|upscale|enhance)(?P<up> up)?"
    r"(?=\s*[.!?,]{0,9}$|\s+(?:to|into|by|slightly|strongly|horizontal|vertical|left|right|clockwise|counter|anti|upside"
    r"|a (?:bit|little|lot)|more|\d|and\b|please|so\b)[^a-z]*)",
    re.IGNORECASE,
)
_PROPERTY: Final = re.compile(
    r"(?P<the>\b(?:the|its|this|overall)\s+(?:overall\s+|whole\s+|general\s+)?|^|\b(?:increase|decrease|reduce|boost"
    r"|lower|raise|adjust|change|enhance|up|down|lessen|double|halve)\s+)"
    r"(?P<noun>(?:background|brightness|contrast|saturation|exposure|hue|tint|tone|sharpness|vibrance|gamma|colou?rs"
    r"|lighting|weather|season|mood|style|colou?r (?:scheme|palette|temperature|balance))"
    r"(?: (?:colou?rs?|scheme|palette|levels?|tones?|conditions?))?)\b"
    r"(?=\s*[.!?,]{0,9}$|\s+(?:to|by|from|with|into|up|down|be|is|should|must|needs?|look|more|less"
    r"|a (?:bit|little|lot)|slightly|significantly|at|please|as|so|and"
    r"|[+-]?\d|\w+(?:er|y|red|ful|ed|ark|ack|een|lue|ite|old|ool|arm)\b))",
    re.IGNORECASE,
)
_CHANGE: Final = re.compile(r"\s+(?:by|to|up|down|at|[+-]?\d)")
_ITS: Final = re.compile(r"\bits\b", re.IGNORECASE)

_FRAGMENT: Final = re.compile(r"(?:in|with|without|as|like|from|at|during|under)\b(?! which)", re.IGNORECASE)
_ADDED: Final = re.compile(
    r"(?:(?:some |a few |a lot |lots |one |two |three |even )?more|another|a|an|some|one more|lots of|a few|extra"
    r"|additional)\s",
    re.IGNORECASE,
)
_LOOK_NOUNS: Final = word_set("style styles look aesthetic")
_SUBORDINATE: Final = word_set("should must needs need is are was were has would could can wearing holding be")
_CLAUSE: Final = re.compile(r"[,;:]")


def spell(text: str) -> str:
    """The text with misspelt words corrected where it is certain what they are; see `correct_spelling`."""
    return correct_spelling(text, known=is_english_word, nouns=NOUNS, verbs=_EDIT_VERBS, shown=mask_quotes(text))


def add_placeholder(text: str, *, scope: Scope) -> str:
    """An English instruction that does not mention the picture, with `<imagehere>` added in one place.

    It goes into the first sentence that has three words, and there, of what fits first:

    - in the place of an "it" or "this" that means the picture: "I want <imagehere> to look like a cartoon";
    - after a verb that is only said of pictures, if nothing follows: "rotate <imagehere> by 45 degrees";
    - after what every picture has, in a global edit: "change the background of <imagehere> to a beach";
    - around a phrase without a verb: "<imagehere> in the style of Van Gogh", "add more trees to <imagehere>";
    - at its end: "make it snow in <imagehere>", "zoom out on <imagehere>", before "please" or "because ...".
    """
    start, end = _sentence_of(text)
    sentence = text[start:end]
    shown = mask_quotes(sentence)
    found = (
        _instead_of_it(sentence, shown)
        or _after_verb(sentence, shown)
        or (_of_property(sentence, shown) if scope == "global" else "")
        or (_around_phrase(sentence, shown) if start == 0 and end == len(text) else "")
        or _at_end(sentence, shown)
    )
    return f"{text[:start]}{found}{text[end:]}"


def _sentence_of(text: str) -> tuple[int, int]:
    """The first sentence with at least three words, else the first one; with its full stop."""
    ends = [found.end() for found in SENTENCE_END.finditer(mask_quotes(text))]
    spans = [*zip([0, *(end + 1 for end in ends)], [*ends, len(text)], strict=True)]
    return next((span for span in spans if len(text[slice(*span)].split()) >= _LEAST_WORDS), spans[0])


def _instead_of_it(sentence: str, shown: str) -> str:
    """The sentence with the placeholder for an "it" or "this" that means the picture; '' if there is none."""
    for found in (_STRAIGHT.search(shown), _THIS.search(shown)):
        if found:
            start, end = found.span("it" if found.re is _STRAIGHT else 0)
            return f"{sentence[:start]}{PLACEHOLDER}{sentence[end:]}"
    for found in _SEEN.finditer(shown):
        rest = shown[found.end("it") :][:_FURTHER]
        if not _EXPLETIVE.match(rest) and _is_of_picture(rest) and _names_nothing(shown[: found.start("it")]):
            return f"{sentence[: found.start('it')]}{PLACEHOLDER}{sentence[found.end('it') :]}"
    return ""


def _is_of_picture(rest: str) -> bool:
    """Whether words after "it" are said of pictures: "should be a painting", "a bit warmer"."""
    tones = re.match(r"\s*(?:(?:look|be|a|bit|little|lot|much|even|slightly|way) )*(\w+er)\b", rest.lower())
    return bool(_OF_PICTURES.search(rest) or (tones and tones[1] in TONES))


def _names_nothing(before: str) -> bool:
    """Whether no thing is named before an "it" that it could stand for."""
    return not any(word in NOUNS and word not in FUNCTION_WORDS for word in re.findall(r"\w+", before.lower()))


def _after_verb(sentence: str, shown: str) -> str:
    found = _BARE.search(shown)
    if found is None:
        return ""
    end = found.end("up") if found["up"] else found.end("verb")
    return f"{sentence[:end]} {PLACEHOLDER}{sentence[end:]}"


def _of_property(sentence: str, shown: str) -> str:
    """The sentence with "of <imagehere>" after "the background" or the like; '' if it has no such words."""
    found = _PROPERTY.search(shown)
    if found is None:
        return ""
    head, noun, tail = sentence[: found.start("noun")], found["noun"], sentence[found.end("noun") :]
    if not head and _CHANGE.match(tail):
        head, noun = ("Change the " if noun[0].isupper() else "change the "), noun.lower()
    elif re.search(r"\b(?:this|its) $", head, re.IGNORECASE):
        head = re.sub(r"(?:this|its) $", "the ", head, flags=re.IGNORECASE)
    joined = "in" if noun.lower() in ("weather", "season") else "of"
    return f"{head}{noun} {joined} {PLACEHOLDER}{tail}"


def _around_phrase(sentence: str, shown: str) -> str:
    """The placeholder before or after a phrase that has no verb; '' if it is a clause."""
    words = re.findall(r"[\w&'-]+", shown.lower())
    comma = _CLAUSE.search(shown) and not re.match(r"(?:as|like|with|without)\b", shown, re.IGNORECASE)
    if not words or comma or any(map(_is_verb, words)) or _SUBORDINATE & {*words}:
        return ""
    low = f"{sentence[0].lower()}{sentence[1:]}" if is_english_word(words[0]) else sentence
    if _FRAGMENT.match(shown):
        return f"{PLACEHOLDER} {low}"
    verb = "Add" if sentence[0].isupper() else "add"
    make = "Make" if sentence[0].isupper() else "make"
    if _is_look(words):
        is_art = re.fullmatch(
            r"(?:[\w-]+ )*(?:painting|drawing|sketch|cartoon|poster|illustration)", shown.strip(_STOPS)
        )
        article = f"{indefinite_article(low)} " if is_art else ""
        return f"{make} {PLACEHOLDER} {article}{low}"
    if words[-1] in _LOOK_NOUNS:
        return f"{PLACEHOLDER} in {low}"
    if _ADDED.match(shown) or (read_number(words[0]) is not None and len(words) > 1):
        stem = low.rstrip(_STOPS)
        return f"{verb} {stem} to {PLACEHOLDER}{low[len(stem) :]}"
    return ""


def _is_verb(word: str) -> bool:
    if word in NOUNS or word in TONES or word in STATES:
        return False
    return word in LEMMA


def _is_look(words: list[str]) -> bool:
    """Whether words are nothing but a look: "black and white", "oil painting", "brighter"."""
    text = " ".join(words)
    return all(word in TONES or word in STATES for word in words) or bool(
        re.fullmatch(rf"(?:(?:more|less|very|an?|slightly|much) )*(?:{_OF_PICTURES.pattern})(?: {_ART})?", text, re.I)
    )


def _at_end(sentence: str, shown: str) -> str:
    reason = _REASON.search(shown)
    words = sentence[: reason.start()] if reason else sentence.rstrip(_STOPS)
    tail = len(words) - min(len(words), _FURTHER)
    after = _AFTERTHOUGHT.search(shown[tail : len(words)])
    if after and not reason and tail + after.start():
        words = words[: tail + after.start()]
    words = words.rstrip(_STOPS) or sentence
    joined = "on" if _ENDS_IN.search(words) or _ZOOM.search(words) else "in"
    rest = sentence[len(words) :]
    return f"{words} {joined} {PLACEHOLDER}{rest.lstrip() if rest.lstrip()[:1] in _STOPS else rest}"
