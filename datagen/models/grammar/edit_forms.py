"""The forms of a clause that asks for one edit: additions, removals, replacements, changes, movements and others."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from datagen.models.grammar.clauses import may_be, strip_polite
from datagen.models.grammar.edit_words import (
    BACK,
    COLOURED,
    GEOMETRIC,
    GLOBAL_VERB,
    LOOKS,
    ONLY_TONE,
    PICTURE,
    PROPERTY,
    TONE,
    UNDO,
    UNDONE,
)
from datagen.models.grammar.noun_phrases import COLOUR, OWNERS, Phrase, is_general, read_phrase
from datagen.models.grammar.thing_names import kind_of, word_set


class ClauseForm(NamedTuple):
    """What a clause asks for; see `EditPart`. `colour` is the colour that the thing takes, '' if none."""

    op: str
    object: str = ""
    renamed_to: str = ""
    refers_to: tuple[str, ...] = ()
    number: int = 1
    cues: tuple[str, ...] = ()
    colour: str = ""


Reader = Callable[[str, str], list[ClauseForm]]
"""Given a clause and its first word in lower case: what it asks for, [] if it has another form."""
_PLACES = word_set(
    "left right top bottom middle center centre corner side edge background foreground front back distance upper "
    "lower half row border frame position place spot way end beginning area region part direction image picture "
    "photo photograph scene view shot canvas margin quarter third column rest it's colour color style"
)
_RELIES_ON = re.compile(
    r"(?<!\w)(?P<by>&|to|on|onto|in|into|at|over|under|above|below|behind|beside|besides|near|nearby|inside|outside"
    r"|between|by|beneath|around"
    r"|against|from|off|atop|within|underneath|towards?|of|across|along|through|where|and|with|than|as|like|match"
    r"|for|right|left)\s+"
    rf"(?P<np>(?:the|this|that|these|those|{OWNERS}|it|them|him|her)\b|(?P<new>an?)\s+\w)",
    re.IGNORECASE,
)
_AND = re.compile(
    r"\s*(?:,\s*(?:and\s+)?|\s+and\s+|\s+plus\s+|\s+as\s+well\s+as\s+)(?=(?:an?|the|some|another|two|three|four"
    r"|five|six|one|this|that|these|those|"
    rf"{OWNERS})\s)",
    re.IGNORECASE,
)
_OF_THING = re.compile(
    r"\bof\s+(?:the|an?|this|that|his|her|its|their)\s+(?!(?:whole\s+|entire\s+)?(?:image|picture|photo|photograph"
    r"|scene|shot)\b)\w",
    re.IGNORECASE,
)


def forms_of(clause: str) -> list[ClauseForm]:
    """What a clause asks for, by the first form that it has; [] if it has none."""
    verb = clause.split(maxsplit=1)[0].lower()
    readers = (_undoing, _global, _replacement, _removal, _change, _movement, _addition, _wish, _other)
    return next((forms for read in readers if (forms := read(clause, verb))), [])


def _form(op: str, phrase: Phrase, *, rest: str = "", renamed_to: str = "", colour: str = "") -> ClauseForm:
    """The form for a phrase, with what it and the rest of the clause rely on."""
    refers, cues = _relies_on(f"{phrase.rest} {rest}")
    if phrase.owner:
        refers = [phrase.owner, *refers]
        cues = ["pronoun", *cues] if phrase.owner == "it" else cues
    name, own = ("" if is_general(phrase.name) else phrase.name), list(phrase.cues)
    if phrase.name and not name and phrase.kind == "known":
        own.append("pronoun")  # "the one", "the red one"
    every = tuple(dict.fromkeys([*own, *cues]))
    return ClauseForm(op, name, renamed_to, tuple(refers), phrase.number, every, colour)


def _relies_on(rest: str) -> tuple[list[str], list[str]]:
    """The names of things that a phrase of place names, pronouns as written; and the cue `pronoun` if there is one."""
    names: list[str] = []
    cues: list[str] = []
    for found in _RELIES_ON.finditer(rest):
        if found["new"] and found["by"].lower() in ("with", "and", "of", "as", "like", "for"):
            continue
        phrase = read_phrase(rest[found.start("np") :])
        if phrase.kind == "pronoun" or "pronoun" in phrase.cues or phrase.owner == "it":
            word = rest[found.start("np") :].split(maxsplit=1)[0].lower().strip(",.;")
            if re.match(
                r"the\s+same\s+(?:kind|type|sort|size|colou?r|style)", rest[found.start("np") :], re.IGNORECASE
            ):
                continue
            names.append("it" if phrase.owner == "it" or word == "the" else phrase.name or word)
            cues.append("pronoun")
        elif phrase.owner:
            names.append(phrase.owner)
        elif phrase.name and kind_of(phrase.name) not in _PLACES and phrase.name.lower().split()[-1] not in _PLACES:
            names.append(phrase.name)
    return names, cues


def _each(op: str, text: str, *, rest: str = "") -> list[ClauseForm]:
    """One form for each thing of a list: "a cat and a dog on the sofa"."""
    found: list[ClauseForm] = []
    # "between the cat and the dog" is one place, not the end of a thing and another one
    for part in _AND.split(_BETWEEN.sub(r"\1 & ", text)):
        phrase = read_phrase(part)
        if phrase.name or phrase.cues:
            found.append(_form(op, phrase, rest=rest))
    return found


_BETWEEN = re.compile(r"(\bbetween\s.+?)\s+and\s", re.IGNORECASE)


def _undoing(clause: str, verb: str) -> list[ClauseForm]:  # noqa: ARG001
    if (found := BACK.match(clause)) and not re.search(r"\bback\s+(?:to|on|in|at)\s+the\s+\w+$", clause, re.IGNORECASE):
        phrase = read_phrase(found["after"] or found["before"])
        return [_form("undo", phrase)]
    if not UNDO.search(clause):
        return []
    named = UNDONE.match(clause)
    thing = read_phrase(named["thing"]) if named else None
    general = thing is None or UNDO.search(f"undo {named['thing']}" if named else "") is None
    if thing and not general and not _is_edit(thing.name):
        return [_form("undo", thing)]
    return [ClauseForm("undo")]


_EDITS = word_set(
    "edit change modification adjustment step round turn operation action instruction request command alteration "
    "tweak move thing version state way"
)


def _is_edit(name: str) -> bool:
    return not name or kind_of(name) in _EDITS or is_general(name)


def _global(clause: str, verb: str) -> list[ClauseForm]:
    if not (_is_of_picture(clause, verb) or _is_toned(clause) or _is_property(clause, verb)):
        return []
    return [ClauseForm("global", cues=("geometric",) if GEOMETRIC.search(clause) else ())]


def _is_of_picture(clause: str, verb: str) -> bool:
    """Whether the picture as a whole is what a clause changes."""
    found = PICTURE.search(clause)
    local = may_be(verb, "add") or (may_be(verb, "remove") and verb not in ("crop",))
    before = clause[: found.start()] if found else ""
    if found and not re.search(
        r"\b(?:in|to|into|on|onto|from|within|of|across|at|out\s+of)\s+$", before, re.IGNORECASE
    ):
        return (not local or verb == "give") and len(before.split()) <= 4
    if found and re.search(r"\b(?:colou?rs?|tone|look|mood|orientation|sides?)\s+of\s+$", before, re.IGNORECASE):
        return True
    whole = GLOBAL_VERB.match(clause)
    rest = clause[whole.end() :].strip() if whole else ""
    if whole and (
        not rest
        or re.match(
            r"(?:horizontal|vertical|by\b|an?\s+(?:bit|little|lot)|slightly|left|right|up|down|to\b|along|around"
            r"|in\b|out\b|upside|clockwise|counter|anti|more|much|\d)",
            rest,
            re.IGNORECASE,
        )
    ):
        return not _OF_THING.search(clause)
    if re.match(
        r"(?:swap|reverse|exchange|invert|switch)\s+(?:the\s+)?(?:left|right|top|bottom)\s+(?:and|with|for)\b",
        clause,
        re.IGNORECASE,
    ):
        return True
    turned = re.match(r"\w+\s+(?:it|this|things|everything|that)\b", clause, re.IGNORECASE)
    return bool(turned and GEOMETRIC.search(clause) and not local)


_IT = re.compile(
    r"^(?:(?:make|turn|have|let|render|change|convert|transform|set|get|give|want|switch|put|keep)\s+)?(?:(?:it"
    r"|this|that|things|everything|all|all\s+of\s+it|the\s+whole\s+thing)\s+)?",
    re.IGNORECASE,
)


def _is_toned(clause: str) -> bool:
    """Whether a clause says how all of it is to look: "make it brighter", "black and white"."""
    found = _IT.match(clause)
    tone = TONE.search(clause, found.end() if found else 0)
    if not (found and tone and ONLY_TONE.match(clause[found.end() : tone.start()])):
        return False
    rest = re.sub(
        r"(?:overall|in\s+general|a\s+bit|a\s+little|slightly|tones?|look|version|style|everywhere|by\s+.*|photo"
        r"|image|picture|scene|please|and|,|one|time|effect|overall)",
        "",
        clause[tone.end() :],
        flags=re.IGNORECASE,
    )
    return not re.search(r"\w", TONE.sub("", rest))


def _is_property(clause: str, verb: str) -> bool:
    """Whether a clause changes what the whole picture has, such as its brightness."""
    if _OF_THING.search(clause) or _COLOUR_OF.match(clause):
        return False
    if re.match(
        r"(?:remove|take|drain|strip|get\s+rid\s+of|drop|lose|wash)\b.*\bcolou?rs?\b(?!\s+\w+ed)", clause, re.IGNORECASE
    ) and not re.search(r"'s\s+colou?r|\bits\s+colou?r", clause):
        return True
    words = (
        r"(?:\w+\s+)?(?:up\s+|down\s+)?(?:(?:the|some|more|an?|less|all|overall|higher|lower|a\s+(?:bit|little"
        r"|touch|lot)\s+(?:of|more|less))\s+)*(?:[\w-]+\s+)?"
    )
    found = re.match(rf"{words}(?={PROPERTY.pattern})", clause, re.IGNORECASE)
    if not found:
        return False
    what = PROPERTY.search(clause, found.end())
    only_added = (
        verb in ("add", "put", "place", "draw", "insert", "include")
        and what
        and what[0].lower() in ("light", "background", "weather")
    )
    return not only_added and not re.search(r"\b(?:in|on|at|to)\s+the\s+$", clause[: found.end()], re.IGNORECASE)


_JOINED = {
    **{"replace": "with|by|for", "swap": r"out\s+for|for|with|to", "exchange": "for|with|by", "substitute": "with|by"},
    **{"trade": r"in\s+for|for", "switch": r"out\s+for|for|with|to|into", "change": "into|to|for|with"},
    **{"turn": "into|to", "convert": "into|to", "transform": "into|to", "morph": "into|to", "make": "into"},
}
"""What may stand between the old and the new thing, by verb."""


def _replacement(clause: str, verb: str) -> list[ClauseForm]:
    if verb == "substitute" and (
        found := re.match(r"substitute\s+(?P<new>.+?)\s+for\s+(?P<old>.+)", clause, re.IGNORECASE)
    ):
        return _replaced(found["old"], found["new"], verb)
    clause = (
        wanted["rest"]
        if (wanted := _WANTS.match(clause)) and re.search(r"\b(?:instead|place|rather)\b", clause)
        else clause
    )
    instead = (
        re.match(
            r"(?:(?:put|place|insert|have|want|use|show|draw|add"
            r"|get)\s+)?(?P<new>.+?)\s+(?:in\s+(?:the\s+)?place\s+of|instead\s+of|in\s+lieu\s+of"
            r"|rather\s+than)\s+(?P<old>.+)",
            clause,
            re.IGNORECASE,
        )
        or re.match(
            r"(?:instead\s+of|in\s+(?:the\s+)?place\s+of|rather\s+than)\s+(?P<old>.+?)(?:\s*,\s*|\s+(?=(?:put|place"
            r"|insert|have|use|show|draw|add|an?|the)\s))(?P<new>.+)",
            clause,
            re.IGNORECASE,
        )
        or re.match(
            r"(?:put|place|insert|have|use|draw)\s+(?P<new>an?\s.+?)\s+where\s+(?P<old>.+?)\s+(?:is|are|was|were"
            r"|stands|sits|lies)\b",
            clause,
            re.IGNORECASE,
        )
    )
    if instead:
        return _replaced(
            instead["old"],
            strip_polite(re.sub(r"^(?:put|place|insert|have|use|show|draw|add)\s+", "", instead["new"])),
            "replace",
        )
    become = re.match(
        r"(?:let|make|have)\s+(?P<old>.+?)\s+(?:become|be|turn\s+into)\s+(?P<new>an?\s.+)", clause, re.IGNORECASE
    ) or re.match(
        r"make\s+(?P<old>(?:the|this|that|it|them|him|her|his|my|your)\b.*?)\s+(?P<new>an?\s+(?!(?:bit|little"
        r"|lot)\b).+)",
        clause,
        re.IGNORECASE,
    )
    if become:
        return _replaced(become["old"], become["new"], "make")
    if verb not in _JOINED:
        return []
    found = re.match(rf"\w+(?:\s+out)?\s+(?P<old>.+?)\s+(?:{_JOINED[verb]})\s+(?P<new>.+)", clause, re.IGNORECASE)
    return _replaced(found["old"], found["new"], verb) if found else []


def _replaced(old: str, new: str, verb: str) -> list[ClauseForm]:
    """The form of a replacement; [] if it only changes how a thing looks, or where it is."""
    was, becomes = read_phrase(old), read_phrase(new)
    is_named = verb in ("replace", "swap", "exchange", "substitute", "trade", "switch")
    coloured = COLOURED.fullmatch(new.strip()) or COLOURED.match(f" {new.strip()}")
    one = is_general(becomes.name) or kind_of(becomes.name) in ("color", "colour", "tone", "shade", "")
    if (
        not (was.name or was.cues)
        or (coloured and not is_named)
        or re.search(r"\b(?:colou?r|shade|hue)\b", old, re.IGNORECASE)
    ):
        return []
    if verb in ("change", "turn", "switch", "move") and becomes.kind == "known" and _is_place(becomes.name):
        return []
    if one and (coloured or verb in ("change", "turn", "make")):
        colour = coloured["colour"] if coloured else ""
        return [_form("replace" if is_named else "change", was, rest=becomes.rest, colour=colour)]
    if not becomes.name:
        return [_form("replace", was, rest=becomes.rest)] if is_named and becomes.cues else []
    name = f"{becomes.name}"
    if kind_of(name) == kind_of(was.name) and not is_named:
        return [_form("change", was, rest=becomes.rest, renamed_to=name)]
    form = _form("replace", was, rest=becomes.rest, renamed_to=name)
    return [form._replace(cues=tuple(dict.fromkeys([*form.cues, *(cue for cue in becomes.cues if cue == "pronoun")])))]


def _is_place(name: str) -> bool:
    return bool(name) and name.lower().split()[-1] in _PLACES


_REMOVED = re.compile(
    r"(?:(?:(?:away|off|out)\s+with|remove|delete|erase|eliminate|discard|omit|exclude|scrap"
    r"|banish|hide|ditch|lose|drop|scrub|dump|clear|wipe|dispose\s+of|do\s+away\s+with"
    r"|(?:get\s+)?rid\s+(?:\w+\s+)?of|get\s+rid\s+of|(?:let'?s\s+)?have\s+done\s+with)"
    r"(?:\s+(?:away|out|off|up))?|(?:take|cut|leave|rub|edit|photoshop|crop|scrub|wipe|clear|strike|cross|kick"
    r"|throw|sweep)\s+(?:away|out|off|down))\s+(?P<thing>.+)",
    re.IGNORECASE,
)
_REMOVED_APART = re.compile(
    r"(?:take|cut|leave|rub|edit|photoshop|crop|wipe|clear|get|throw|strip|move|pull|kick|pluck|whisk"
    r"|sweep)\s+(?P<thing>(?:the|this|that|these|those|it|them|him|her|all|both|every|one|his|my|your|its|their"
    r"|any)\b.*?)\s+"
    r"(?:away|off|out)(?=$|\s+of\s+(?:here|there|the\s+(?:image|picture|photo|scene|frame|shot|way))|\s+from\s)"
    r"|(?:make|let|have)\s+(?P<gone>.+?)\s+(?:disappear|vanish|go(?:\s+away)?|gone|leave|invisible)$"
    r"|take\s+(?P<from>(?:the|this|that|these|those|it|them|him|her|one|his)\b.*?)\s+from\s+.*",
    re.IGNORECASE,
)
_GONE = re.compile(
    r"(?:no\s+more|no|without|minus|i\s+(?:do\s+not|don'?t|no\s+longer)\s+(?:want"
    r"|need)(?:\s+to\s+see)?(?:\s+any)?)\s+(?P<thing>.+)",
    re.IGNORECASE,
)


def _removal(clause: str, verb: str) -> list[ClauseForm]:
    apart = _REMOVED_APART.match(clause)
    thing = next((text for text in apart.groups() if text), "") if apart else ""
    if not apart and (found := _REMOVED.match(clause) or _GONE.match(clause)):
        thing = found["thing"]
    phrase = read_phrase(thing)
    if verb in ("drop", "throw") and phrase.kind == "new" and "one_of" not in phrase.cues:
        return []
    return _each("remove", thing) if thing else []


_PAINT = (
    "edit|adjust|modify|make|turn|paint|colou?r|recolou?r|repaint|dye|tint|shade|tone|have|let|render|change|set"
    "|keep|switch|alter|get|convert|transform|stain|spray|rework|redo|see|show|give"
)
_COLOUR_OF = re.compile(
    rf"(?:{_PAINT}|shift|adjust|modify|move|swap|replace|use)\s+(?:the\s+)?(?:colou?r|shade|hue|tint"
    rf"|paint)\s+of\s+(?P<one>.+?)\s+(?:from\s+\w+\s+)?(?:(?:to|into|with|by|be|as"
    rf"|for)\s+(?:be\s+)?|(?={COLOUR}$))(?P<first>(?:an?\s+)?{COLOUR})\b"
    rf"|(?:{_PAINT}|shift|adjust|modify|move|swap|replace)\s+(?P<two>.+?)(?:'s?|(?<=its)"
    rf"|(?<=their)|(?<=his)|(?<=her))\s+(?:colou?r|shade|hue|tint)\s+(?:from\s+\w+\s+)?(?:to|into"
    rf"|with|be)?\s*(?:be\s+)?(?P<second>(?:an?\s+)?{COLOUR})\b"
    rf"|give\s+(?P<three>(?:the|this|that|it|them|him|her|his|my|your|these"
    rf"|those)\b.*?)\s+(?:an?\s+)?(?P<third>{COLOUR})\s+(?:colou?r|tint|coat|paint|shade|hue|tone|look|finish"
    rf"|makeover|coating|appearance)\b"
    rf"|(?:fill|cover|coat)\s+(?P<four>.+?)\s+(?:with|in)\s+(?P<fourth>{COLOUR})\b"
    rf"|(?:use|apply|choose|pick)\s+(?:an?\s+)?(?P<fifth>{COLOUR})(?:\s+(?:colou?r|paint|shade))?\s+(?:for|to"
    rf"|on)\s+(?P<five>.+)",
    re.IGNORECASE,
)
_NUMBERED = ("one", "first"), ("two", "second"), ("three", "third"), ("four", "fourth"), ("five", "fifth")


def _change(clause: str, verb: str) -> list[ClauseForm]:
    if found := _COLOUR_OF.match(clause):
        for thing, colour in _NUMBERED:
            if found[thing]:
                return [_form("change", read_phrase(found[thing]), colour=re.sub(r"^an?\s+", "", found[colour]))]
    start = re.match(rf"(?:{_PAINT})\s+", clause, re.IGNORECASE)
    if not start:
        return []
    coloured, looks = COLOURED.search(clause), LOOKS.search(clause)
    for end in filter(None, (coloured, looks)):
        thing = clause[start.end() : end.start()]
        phrase = read_phrase(thing)
        if (
            thing.strip()
            and (phrase.name or phrase.cues)
            and not (verb in ("draw", "paint", "show", "give") and phrase.kind == "bare")
        ):
            colour = end["colour"] if end is coloured else ""
            state = end["state"] if end is looks else ""
            return [
                _form(
                    "change",
                    phrase,
                    rest=state if state.startswith(("like", "as", "wear", "hold")) else "",
                    colour=colour,
                )
            ]
    return []


_CARRY = (
    "move|shift|slide|bring|relocate|push|pull|drag|nudge|transfer|reposition|carry|raise|lower|lift|send|bump"
    "|shove|swing|scoot"
)
_PUT = "put|place|set|position|take|lay|hang|have|stick|drop|pop|stand|rest|want|center|centre"


def _movement(clause: str, verb: str) -> list[ClauseForm]:
    found = re.match(rf"(?P<verb>{_CARRY}|{_PUT})\s+(?P<thing>.+)", clause, re.IGNORECASE)
    if not found:
        return []
    phrase = read_phrase(found["thing"])
    carried = re.fullmatch(_CARRY, found["verb"], re.IGNORECASE) and not (
        verb == "bring" and (phrase.kind == "new" or re.match(r"in\b", found["thing"]))
    )
    pointed = phrase.kind in ("known", "pronoun") and "another" not in phrase.cues
    placed = pointed and re.match(
        r"\s*(?:to|on|onto|in|into|at|over|under|above|below|behind|beside|near|inside|between|by|next|closer"
        r"|further|farther|somewhere|elsewhere|up|down|left|right|against|around|across|from|off|there|here|where"
        r"|away|towards?|higher|lower|top|bottom|back|a\s)",
        phrase.rest,
        re.IGNORECASE,
    )
    if not (carried or placed or verb in ("center", "centre")) or not (phrase.name or phrase.cues):
        return []
    return [_form("move", phrase)]


_ADD = (
    "add|put|place|insert|draw|include|create|sketch|introduce|stick|attach|hang|set|position|append|pop|lay"
    "|plant|overlay|superimpose|throw|bring|generate|render|show|paint|drop|squeeze|slip|fit|install|build|mount"
    "|deposit|leave|make|have|need|want|get|see|imagine|picture|drape|pin|tape|glue|spawn"
)
_WITH = re.compile(
    r"(?:decorate|top|equip|adorn|dress|furnish|garnish|crown|provide|outfit|accompany|fit|supply|grace|cover"
    r"|surround)\s+(?P<on>.+?)\s+(?:with|in)\s+(?P<new>.+)",
    re.IGNORECASE,
)
_GIVE = re.compile(
    r"(?:give|hand|offer|bring|grant|lend|fit|get|make|draw|add|put)\s+(?P<on>(?:the|this|that|these|those|it|them"
    r"|him|her|his|my|your|its|their)\b.*?)\s+(?P<new>(?:an?|some|another|two|three|four|five|six|one\s+more"
    r"|matching|its\s+own)\s+.+)",
    re.IGNORECASE,
)
_AGAIN = re.compile(
    r"(?:(?:please|and|now|do|repeat|run|perform|try|make|give\s+me|add|put|draw|place|insert|use"
    r"|apply)\s+)*(?:(?:(?:it|that|this|the\s+same(?:\s+\w+)?|exactly\s+the\s+same(?:\s+\w+)?"
    r"|the\s+last\s+\w+)\s+)?(?:again|once\s+more|one\s+more\s+time|(?:a\s+)?(?:second|third|another)\s+time|twice"
    r"|over)(?:\s+please)?"
    r"|repeat\s+.*|the\s+same(?:\s+thing)?(?:\s+again)?|same\s+again|ditto|more\s+of\s+(?:the\s+same|those|these"
    r"|them|that))(?P<rest>\s.*)?",
    re.IGNORECASE,
)
_COPY = re.compile(
    r"(?:duplicate|copy|clone|double|replicate|twin)\s+(?P<thing>.+)|(?:add|make|put|draw|create|place|insert"
    r"|give\s+me)\s+(?:an?|another|one\s+more|a\s+second)\s+(?:exact\s+|identical\s+)?(?:copy|duplicate|clone|twin"
    r"|replica)(?:\s+of\s+(?P<of>.+))?",
    re.IGNORECASE,
)


def _addition(clause: str, verb: str) -> list[ClauseForm]:
    if found := _COPY.match(clause):
        phrase = read_phrase(found["thing"] or found["of"] or "it")
        form = _form("add", phrase._replace(number=1))
        return [form._replace(cues=tuple(dict.fromkeys([*form.cues, "another"])))]
    if found := _AGAIN.fullmatch(clause):
        refers, cues = _relies_on(found["rest"] or "")
        return [ClauseForm("add", refers_to=tuple(refers), cues=tuple(dict.fromkeys(["another", *cues])))]
    if found := _WITH.match(clause) or _GIVE.match(clause):
        owner = read_phrase(found["on"])
        on = owner.name or "it"
        points = not owner.name or "pronoun" in owner.cues or owner.owner == "it"
        each = _each("add", found["new"])
        return [
            form._replace(refers_to=(on, *form.refers_to), cues=_with_pronoun(form.cues) if points else form.cues)
            for form in each
        ]
    found = re.match(rf"(?:(?:{_ADD})(?:\s+(?:in|me|us|on))?(?=\s))?\s*(?P<new>.+)", clause, re.IGNORECASE)
    thing = found["new"] if found else ""
    phrase = read_phrase(thing)
    strong = may_be(verb, "add") and verb not in ("give", "bring", "show", "get", "set", "have")
    if not (strong or phrase.kind == "new") or (verb in ("make", "paint", "get", "see") and phrase.kind != "new"):
        return []
    if found and found.start("new") == 0 and phrase.kind != "new":
        return []
    place = re.match(
        r"(?:on|in|at|next\s+to|beside|behind|under|above|over|below|near|left|right|between|inside|to)\b",
        thing,
        re.IGNORECASE,
    )
    if place and (inner := re.search(r"\s(?:an?|some|another|two|three|four|five)\s", thing)):
        place_text = thing[: inner.start()].rstrip(" ,")
        if not re.search(r"\b(?:to|of|on|in|at|beside|behind|under|above|over|below|near|and|between)$", place_text):
            return _each("add", thing[inner.start() :], rest=f" {place_text}")
    return _each("add", thing)


def _with_pronoun(cues: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*cues, "pronoun"]))


_WANTS = re.compile(
    r"(?:i\s*(?:'d|\s+would|\s+do|\s+really)*\s+(?:really\s+)?(?:like|love|want|need|wish"
    r"|prefer|expect|hope)(?:\s+(?:to\s+(?:see|have|get)|for))?|we\s+(?:need|want)|get|have|let"
    r"|want|need|see|give\s+me|let\s+me\s+(?:see|have))\s+(?P<rest>.+)",
    re.IGNORECASE,
)
_THERE = re.compile(
    r"(?:there\s+(?:should|must|could|needs?\s+to|has\s+to|ought\s+to|might)\s+be|let\s+there\s+be"
    r"|i\s+wish\s+there\s+(?:was|were)|what\s+is\s+missing\s+is)\s+(?P<new>.+)",
    re.IGNORECASE,
)
_LACKS = re.compile(
    r"(?P<on>(?:the|this|that|these|those|his|her|its|my|your)\s+\S.*?|it|he|she|they)\s+(?:needs?|lacks?"
    r"|is\s+missing|could\s+use|deserves?)\s+(?P<new>(?:an?|some|two|three|another)\s.+)",
    re.IGNORECASE,
)
_SHOULD = re.compile(
    r"(?P<thing>(?:the|this|that|these|those|it|they|he|she|his|her|its|my|your|both|all)\b.*?)\s+(?:should|must"
    r"|needs?\s+to|has\s+to|have\s+to|ought\s+to|could|can|is\s+to|are\s+to|had\s+better|would\s+be\s+better"
    r"|would\s+look\s+(?:better|nicer|good|great))\s+(?:be\s+)?(?:better\s+)?(?P<state>.+)",
    re.IGNORECASE,
)
_DONE = (
    (re.compile((
        r"(?:removed|deleted|erased|gone|eliminated|go(?:\s+away)?|disappear|vanish|leave|wiped\s+\w+"
        r"|taken\s+(?:away|out|off)|cut\s+out|got\s+rid\s+of)\b.*"
    ), re.IGNORECASE), "remove {thing}"),
    (re.compile((
        r"(?:replaced|swapped|exchanged|substituted|traded)(?:\s+out)?\s+(?:with|by|for)\s+(?P<x>.+)"
    ), re.IGNORECASE), "replace {thing} with {x}"),
    (re.compile((
        r"(?:moved?|shifted|relocated|slid|brought|pushed|placed|put|positioned|sit|stand|go)\s+(?P<x>(?:to|on|onto"
        r"|in|into|at|over|under|above|below|behind|beside|near|inside|between|by|next|closer|further|up|down|left"
        r"|right|away)\b.*)"
    ), re.IGNORECASE), "move {thing} {x}"),
    (re.compile(
        r"(?:painted|colou?red|recolou?red|dyed|turned|made|changed|tinted)\s+(?P<x>.+)", re.IGNORECASE
    ), "turn {thing} {x}"),
    (re.compile((
        r"(?:have|has|wear|get|hold|carry)\s+(?P<x>(?:an?|some|two|three)\s.+)"
    ), re.IGNORECASE), "give {thing} {x}"),
    (re.compile(r"(?:flipped|mirrored|rotated|cropped|inverted)\b(?P<x>.*)", re.IGNORECASE), "flip {thing} {x}"),
    (re.compile(
        r"(?:become\s+|turn\s+into\s+|be\s+|to\s+be\s+)*(?P<x>an?\s.+)", re.IGNORECASE
    ), "turn {thing} into {x}"),
    (re.compile((
        r"(?P<x>(?:to\s+the\s|on\s|onto\s|in\s+the\s|at\s|over\s|under\s|above\s|below\s|behind\s|beside\s|near\s"
        r"|next\s+to\s|between\s|further\s|closer\s|left\s+of|right\s+of).*)"
    ), re.IGNORECASE), "move {thing} {x}"),
    (re.compile(r"(?:become\s+|turn\s+|be\s+|look\s+|appear\s+|get\s+)*(?P<x>.+)", re.IGNORECASE), "make {thing} {x}"),
)  # fmt: skip
"""How a state is asked for, as the order that asks for the same."""


def _wish(clause: str, verb: str) -> list[ClauseForm]:  # noqa: ARG001
    """A wish or a demand in other words: "I'd like the star blue", "the star should be removed"."""
    if found := _THERE.match(clause):
        return _each("add", found["new"])
    if found := _LACKS.match(clause):
        return forms_of(f"give {found['on']} {found['new']}")
    wanted = _WANTS.match(clause)
    rest = wanted["rest"] if wanted else clause
    if should := _SHOULD.match(rest) or (wanted and _split_state(rest)):
        return _of_state(should["thing"], re.sub(r"^(?:to\s+)?(?:be\s+)?", "", should["state"]))
    return _each("add", rest) if wanted and read_phrase(rest).kind == "new" else []


def _split_state(text: str) -> re.Match[str] | None:
    """A thing, and the state in which it is wanted: "the star" and "removed"."""
    states = (
        r"(?:removed|deleted|erased|gone|taken|replaced|swapped|exchanged|moved|shifted|painted|colou?red"
        r"|recolou?red|turned|made|changed|to|in|on|at|next)\b.*"
        rf"|{COLOUR}(?:\s+(?:and|instead|please)\b.*)?"
    )
    things = r"(?:the|this|that|these|those|his|her|its|my|your|both|all)\s+\S.*?|it|them|him|her|this|that"
    return re.match(rf"(?P<thing>{things})\s+(?P<state>{states})$", text, re.IGNORECASE)


def _of_state(thing: str, state: str) -> list[ClauseForm]:
    for pattern, order in _DONE:
        if found := pattern.fullmatch(state):
            return forms_of(order.format(thing=thing, x=found.groupdict().get("x", "").strip()).strip())
    return []


_SAYS = word_set(
    "see notice look note find locate there i you we is are it this that the they he she do like imagine consider "
    "mind a an take consider pick select choose"
)


def _other(clause: str, verb: str) -> list[ClauseForm]:
    """Any other verb that is done to a known thing: "polish the car"."""
    found = re.match(
        rf"[a-z]+(?:\s+(?:up|down|out|off|on))?\s+(?P<thing>(?:the|this|that|these|those|it|them|him|her"
        rf"|{OWNERS})\b.*)",
        clause,
        re.IGNORECASE,
    )
    if not found or verb in _SAYS:
        return []
    phrase = read_phrase(found["thing"])
    return [_form("change", phrase)] if phrase.name or phrase.cues else []
