"""What one clause asks for: which edit, of which thing, from its chunks.

What is done follows from what a clause names more than from its verb: a new thing alone is added, a known thing with a
colour is recoloured, one with a place is moved, a known thing and a new one are an addition to it. Only removals,
replacements and edits of the whole picture need words of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from datagen.core.english import word_set
from datagen.models.grammar.chunker import PREPOSITIONS
from datagen.models.grammar.chunks import Chunk
from datagen.models.grammar.clauses import EditClause
from datagen.models.grammar.edit_words import AGAIN, GEOMETRIC, PROPERTY
from datagen.models.grammar.thing_names import singular_name

_NO_ANCHOR = word_set("of for with by into to as like than instead_of per about via without minus except")
ANCHORED = PREPOSITIONS - _NO_ANCHOR
"""Prepositions before a thing that only says where another one is."""
_REMOVED = re.compile(
    (
        r"\b(?:take|cut|leave|rub|edit|photoshop|crop|wipe|clear|throw|toss|kick|strip|pull|pluck|whisk|sweep|lift"
        r"|get|airbrush|clean|paint|blank|white|peel|snip|carve|cross|strike|scratch|trim|yank|chuck|fade|bleach"
        r"|thin)\b(?: \S+){0,4}? (?:(?:out|away|off)\b(?! (?:to|in|on|at|L)\b)|out_of\b)"
        r"|\b(?:drop|toss|chuck|throw) [DIO]\b(?! (?:on|in|at|to|L|into|onto|over|beside|near|under|before_of|by"
        r"|between|around|along|down|off|over|up|and)\b)"
        r"|\b(?:move|drag|shift|carry|push|strip|lift|take|erase|pull|clear|get|whisk)\b(?: \S+){0,4}? (?:from"
        r"|out_of) G\b"
        r"|\b(?:clear|wipe|thin|strip|edit) [DIBO]\b|\bcut [DIO]\b(?! (?:in|into)\b)"
        r"|\b[DIBO] (?:\w+ )?(?:from|out_of|off) G\b(?! (?:to|into|on)\b)"
        r"|\b(?:want|like|need|get|have|prefer) [DIBO] (?:out|off|away|out_of)\b(?! L)"
        r"|\b(?:heal|clone|mask|brush|patch) (?:out|over|away)\b|\btake (?:away|off|out) "
        r"|\btake [DO]\b(?: out)? (?:from|out_of|off) D\b|\b(?:gone|absent|invisible)\b"
        r"|\bno_longer (?:be )?(?:wish|like|visible|present|see|show|appear|exist|L|in G|want|need|require"
        r"|include)\b"
        r"|\b(?:want|need|see|L|exist|appear|be|include|in G) no_longer\b"
        r"|\bbe (?:not|never)(?: \w+)?(?: (?:L|in G|visible|present|see|show)\b|$)"
        r"|\b(?:without|minus|sans) (?:of )?[DIBO]\b|\bno (?:more )?B\b|^[DB] (?:out|away|off)\b"
        r"|\b(?:should|must|may|can|could|would|have to|have get to|need to|ought to|get to|got to|let [DIBO]"
        r"|make [DIBO]|have [DIBO]|time for [DIBO] to)(?: (?:just|now|please|better|finally|really|all|simply|D"
        r"|definitely)){0,2} (?:go|leave|depart)\b(?! (?:L|C|to|with|back|ahead|up|down|for|{ANCHORED})\b)"
        r"|\b(?:not|never|rather not|hardly)(?: (?:really|even|ever|like to|love to|care to|to|be able to|actually"
        r"|that|all)){0,2} (?:want|need|require|care for|have|see|keep|show|include)\b(?! A)"
        r"|\b(?:if|make|wish|should|would|could|might|ensure|so_that|like|pretend|look|imagine|want|prefer|let"
        r"|what)\b.*\b(?:not|never)(?: \w+){0,2} (?:be|been|there|exist|appear|present|visible|see|show"
        r"|belong)\b(?: (?:\w+ )?(?:L|there|in G|visible|present|see|show|part|on G)\b|(?: (?:all|at|anywhere"
        r"|anyway))*$)"
        r"|\b(?:can|could|may|should) (?:not|never|no_longer) (?:be )?(?:see|show|visible|appear|present|L)\b"
        r"|\bmust not be\b|\b(?:nothing but|only|just) (?:\w+ )?G\b|\bout with [DIB]\b|\bover with\b"
        r"|\b(?:away|off) with [DIB]\b|\bone N? ?(?:less|fewer)\b|\bN fewer\b|\breduce\b.* by O\b|\bthin\b.* by O\b"
    ).replace("{ANCHORED}", "|".join(sorted(ANCHORED)))
)
"""A line that says that something is to go, or is not wanted; for its symbols see `chunks`."""
_NOTHING_ELSE = re.compile(r"\binstead\b|\binstead_of\b|\breplace\b")
_BECOMES = re.compile(
    r"\b(?:turn|change|convert|transform|morph|make|switch|transmute|evolve|modify|become"
    r"|magically change)\b(?: \w+)*? (?:D|I|B|O)\b.* (?:into|to|become)?\s?A\b"
    r"|\b(?:D|I|O|N)(?: \w+){0,4}? (?:become|turn into|turn|change to|change into|be|been) (?:really |now "
    r"|just |also |simply |into |to |rather )?A\b"
    r"|\blet [DIO] be A\b|\bmake [DIO] A\b|\b(?:D|I) as A\b|\bbetter as A\b|\bB (?:become|turn into) A\b"
    r"|\bbetter than\b|\b(?:A|D)\b.* (?:rather )?than D\b|\bout with\b.*\bin with\b"
)
"""A line that says that one thing becomes another."""
WISHED = re.compile(
    r"\b(?:can|could|would|should|must|may|might|shall|need|ought|want|wish|prefer|rather|let|(?<!not )hope"
    r"|please|have to|got to|get to|instead|deserve|lack|missing|miss|belong (?:\w+ ){0,2}L|require|call for"
    r"|(?<!not )(?<!never )like to|ensure|if|how about|what about|why not|time (?:to|for)|better|be to|to be"
    r"|imagine|pretend|suppose|love to|request|recommend|desire|will|instead_of)\b"
)
"""A line that says that something is wanted."""
FINITE = re.compile(r"\b(?:be|have|do|look|feel|seem|appear|there_be|like|love|hate|contain|show|hurt|know)\b")
"""A line that may only say how things are."""
_GLOBAL_VERBS = word_set(
    "brighten darken lighten desaturate saturate invert mirror crop zoom blur sharpen warm cool tilt flip rotate "
    "reflect dim regrade grade adjust increase decrease reduce boost enhance tone raise lower bump turn apply stretch "
    "resize colorize"
)
_SAID = word_set(
    "seem feel know belong beg bug wonder lack miss need take pick select choose look see find locate notice grab get "
    "keep consider remember go want let have try use imagine stop appear stay do say call work show exit extend "
    "complete merge help"
)
"""Verbs that say nothing of what is done to their object."""
_SPEAKING = word_set("tell explain describe answer write list save download upload recommend")
ACTING = word_set("smile wave sleep run jump dance fly laugh walk swim wink cry drink eat sing face")
_LYING = word_set("belong go sit stand lie rest end appear")
_STILL = word_set("stay remain keep exist look appear")
_STRONG_ADD = word_set("add insert include create draw sketch generate introduce append")
_ALWAYS_GLOBAL = _GLOBAL_VERBS - {"turn", "apply", "raise", "lower"}
_LEFT_AND_RIGHT = re.compile(r"\bleft\b.*\bright\b|\bright\b.*\bleft\b", re.IGNORECASE)
_OF_ALL = re.compile(r"\b(?:colou?rs|tones|hues|palette|tonality|balance|lights?|temperature)\b")
"""Properties that a picture has and a thing has not."""
_PROVIDING = re.compile(
    r"\b(?:replace|cover|decorate|turn|fill|top|adorn|equip|dress|trade|change|provide|supplement|apply|combine"
    r"|put|use|fit|furnish|crown|supply|join)\b"
)
"""Verbs after which "with" says what is brought: "cover the car with the blanket"."""
_REPLACING = re.compile(r"\b(?:replace|swap|exchange|instead_of|become)\b")
_GIVEN = re.compile(
    r"\b(?:give|hand|offer|grant|lend|let|make|have|add|bring|draw|get|fit|provide|put|equip|dress|decorate|adorn|crown"
    r"|top|cover|furnish|supply|augment|embellish) (?:to )?I (?:with |have |wear |hold )?A\b"
)
"""A pronoun for what is given something: "give it a hat"."""


class ClauseForm(NamedTuple):
    """What a clause asks for; see `EditPart`. `colour` is the colour that the thing takes, '' if none."""

    op: str
    object: str = ""
    renamed_to: str = ""
    refers_to: tuple[str, ...] = ()
    number: int = 1
    cues: tuple[str, ...] = ()
    colour: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it changes a thing without saying what that becomes."""
        return self.op == "change" and not (self.colour or self.renamed_to)


class _View(NamedTuple):
    """A clause that asks for something, with its chunks by what they do in it."""

    chunks: list[Chunk]
    line: str
    sentence: str
    text: str
    """The clause alone."""
    things: Sequence[Chunk]
    mains: list[Chunk]
    anchors: list[Chunk]
    news: list[Chunk]
    colour: str

    @property
    def verbs(self) -> list[Chunk]:
        return [chunk for chunk in self.chunks if chunk.form]

    def has(self, *classes: str) -> bool:
        """Whether a verb of one of these classes is in it."""
        return any(chunk.form in classes for chunk in self.chunks)

    def says(self, pattern: str) -> bool:
        """Whether its line has a pattern."""
        return re.search(pattern, self.line) is not None

    @property
    def removes(self) -> bool:
        return self.has("remove") or _REMOVED.search(self.line) is not None

    @property
    def first(self) -> Chunk:
        """The thing that it is about; only where `mains` is not empty."""
        return self.mains[0]


_Forms = list[ClauseForm] | None
"""What a clause asks for, [] if surely nothing, None if it has another form."""


def last_colour(chunks: Sequence[Chunk]) -> str:
    """The colour that is named last, '' if none."""
    return next((chunk.name for chunk in reversed(chunks) if chunk.symbol == "C"), "")


def is_several(chunk: Chunk) -> bool:
    """Whether a thing with a name is several equal ones, or one of several."""
    return chunk.symbol in ("A", "D", "B") and (chunk.number != 1 or "one_of" in chunk.cues or _is_plural(chunk))


def _is_plural(chunk: Chunk) -> bool:
    last = chunk.words.lower().split()[-1]
    return last.endswith("s") and not last.endswith(("ss", "us", "is"))


def forms_of(chunks: list[Chunk], line: str, things: Sequence[Chunk], clause: EditClause) -> list[ClauseForm]:
    """What a clause that asks for something asks for, by its chunks, their line, and the things among them."""
    things = _one_of_several(things)
    mains, anchors, news = _sorted_things(things, line)
    named = [thing for thing in news if thing.name]
    if named and len(named) < len(news):  # "one further element: a ring"
        news = named
    view = _View(chunks, line, clause.sentence, clause.text, things, mains, anchors, news, last_colour(chunks))
    return next((forms for read in _READERS if (forms := read(view)) is not None), [])


def _no_edit(view: _View) -> _Forms:
    """What is said to whom, or is not wanted in numbers: "tell me a joke", "I don't need two stars"."""
    unwanted = view.news and view.says(r"\b(?:not|never)(?: \w+)? (?:want|need|see|have|require)(?: \w+)? A\b")
    speaks = view.verbs and view.verbs[0].symbol in _SPEAKING
    return [] if speaks or (unwanted and not view.removes) else None


def _of_picture(view: _View) -> _Forms:
    """An edit of the picture as a whole."""
    cues = ("geometric",) if GEOMETRIC.search(view.sentence) else ()
    if view.has("remove") and view.says(r"\b[a-z_]+ (?:G|I) (?:except|but|besides|apart from) D\b"):
        return [ClauseForm("global")]
    if view.news:
        turned = not view.mains and view.has("turn", "replace", "global", "paint")
        is_turned = turned and view.says(r"^(?:\w+ )*?[a-z_]+ G (?:\w+ )*?A\b")
        return [ClauseForm("global", cues=cues)] if is_turned else None
    if any(thing.symbol not in ("I", "B") for thing in view.mains) or not _is_global(view):
        return None
    pointing = any(thing.symbol == "I" for thing in view.mains) and "G" not in view.line
    return [ClauseForm("global", cues=(*cues, "pronoun") if pointing else cues)]


def _copied(view: _View) -> _Forms:
    """One more of a known thing: "duplicate the star", "same star again"."""
    if not view.mains:
        return None
    same = view.says(r"\bagain\b") and re.match(r"(?:the |do )?same\b", view.sentence, re.IGNORECASE)
    if same and view.first.symbol == "D":
        return [_form("add", replace(view.first, cues=("another",)), view.anchors)]
    if not any(chunk.symbol in ("duplicate", "copy", "clone", "double", "replicate") for chunk in view.verbs):
        return None
    form = _form("add", view.first, ())
    return [form._replace(number=1, cues=tuple(dict.fromkeys([*form.cues, "another"])))]


def _another(view: _View) -> _Forms:
    """One more of a kind: "another star"."""
    other = next((thing for thing in view.news if "another" in thing.cues), None)
    if other is None:
        return None
    known = [thing for thing in view.mains if thing.symbol == "D"]
    if known and not other.name:
        other = replace(other, name=known[0].name)
    refs = [thing for thing in (*known, *view.anchors) if thing.name != other.name and "pronoun" not in thing.cues]
    return [_form("add", _coloured(other, view.colour), refs)]


def _removal(view: _View) -> _Forms:
    mains, anchors, news = view.mains, view.anchors, view.news
    if view.says(r"\bthere_be (?:should|must|need|ought to) not (?:be )?A\b"):
        return _each("remove", news, anchors)
    if not view.removes:
        return None
    if not news and (mains or anchors):
        return _each("remove", mains or anchors, anchors if mains else ())
    if news and not mains and not anchors and view.has("remove"):
        return _each("remove", news, anchors)
    if not view.things and (view.has("remove") or view.says(r"\b(?:nothing but|only|which|that)\b")):
        return [ClauseForm("remove", cues=("pronoun",))]
    return None


def _one_more(view: _View) -> _Forms:
    """ "Put one on the left": what it is one of stands elsewhere."""
    if view.colour or not view.has("place") or not any(thing.symbol == "O" for thing in view.mains):
        return None
    return [ClauseForm("add", "", "", tuple(_names(view.anchors)), 1, ("one", "another"))]


def _undoing(view: _View) -> _Forms:
    return [_form("undo", view.first, ())] if view.has("undo") and view.mains and not view.news else None


def _colouring(view: _View) -> _Forms:
    if not view.colour or view.news:
        return None
    targets = view.mains or [anchor for anchor in view.anchors if anchor.symbol != "A"]
    open_ = r"\bQ\b|\b(?:go|how about|use|want|try|prefer|instead)\b"
    bare = not targets and not view.verbs and not view.says(open_)
    target = targets[0] if targets else Chunk("I", "it", cues=("pronoun", "bare") if bare else ("pronoun",))
    return [_form("change", target, view.anchors if view.mains else view.anchors[1:], colour=view.colour)]


def _addition(view: _View) -> _Forms:
    if view.news:
        news = [_coloured(view.news[0], view.colour), *view.news[1:]]
        given = _GIVEN.search(view.line)
        mains = [thing for thing in view.mains if thing.symbol not in ("I", "O") or thing.preposition or given]
        return _each("add", news, [*mains, *view.anchors])
    if AGAIN.search(view.text) and not any(thing.symbol == "D" for thing in view.mains):
        cues = tuple(dict.fromkeys(["another", *_cues(view.anchors)]))
        return [ClauseForm("add", refers_to=tuple(_names(view.anchors)), cues=cues)]
    strong = view.verbs and view.verbs[0].symbol in _STRONG_ADD and view.mains and view.first.symbol == "D"
    return _each("add", view.mains, view.anchors) if strong else None


def _placed(view: _View) -> _Forms:
    """A clause that only says where: "on the left"; what it is about stands elsewhere."""
    if view.mains:
        return None
    is_open = not FINITE.search(view.line) or view.verbs
    is_placing = all(chunk.form in ("move", "place") or chunk.symbol in _LYING for chunk in view.verbs)
    if not (view.anchors or view.says(r"\bL\b")) or not is_open or not is_placing:
        return []
    return [_form("move", Chunk("I", "it", cues=("pronoun", "bare")), view.anchors)]


def _movement(view: _View) -> _Forms:
    first, line = view.first, view.line
    if view.has("replace") and len(view.mains) > 1 and view.mains[1].joined:  # "swap the cat and the dog"
        return _each("move", view.mains, view.anchors)
    acting = ACTING | ({"look"} if "look at" in line else set())
    if first.symbol in ("D", "I") and acting & {chunk.symbol for chunk in view.verbs}:
        return [_form("change", first, ())]
    place = view.anchors or view.says(
        r"\bL\b|\b(?:up|down|back|further|closer|higher|lower|nearer|farther|forward|left|right|to C)\b"
    )
    said = WISHED.search(line) or view.says(r"\b(?:please|instead|now|N)\b|:")
    if not view.has("move") and not (place and (said or view.has("place", "other", "turn"))):
        return None
    classes = {chunk.form for chunk in view.verbs}
    if (
        classes == {"other"}
        and view.verbs[0].symbol in ("look", "keep", "see")
        and not (view.anchors or view.says(r"\bL\b"))
    ):
        return []
    if first.symbol != "B" or view.has("move"):
        return _each("move", view.mains[:1], view.anchors)
    if view.has("place"):
        return _each("add", view.mains, view.anchors)
    return _each("move", view.mains[:1], view.anchors) if ":" in line or " to be " in line else []


def _change(view: _View) -> _Forms:
    """Any other edit of a known thing: "polish the car", "make the star bigger"."""
    first, verbs = view.first, view.verbs
    if first.symbol == "B":
        return _each("add", view.mains, view.anchors) if view.has("place") else []
    before = verbs and view.chunks.index(verbs[0]) < view.chunks.index(_origin(first, view.chunks))
    asked = r"\b(?:state|T)\b|\b[DI] (?:should|must|need|have|ought|had better)(?: to)? be [a-z]"
    if (before and verbs[0].symbol not in _SAID) or view.says(asked):
        return [_form("change", first, view.anchors)]
    return []


def _origin(thing: Chunk, chunks: Sequence[Chunk]) -> Chunk:
    return next((chunk for chunk in chunks if chunk.words == thing.words), chunks[0])


def _sorted_things(things: Sequence[Chunk], line: str) -> tuple[list[Chunk], list[Chunk], list[Chunk]]:
    """The things that a clause is about, those that only say where, and new ones."""
    mains, anchors, news = _by_preposition(things, line)
    if any(thing.symbol in ("D", "O", "I") for thing in mains) or (news and not _REPLACING.search(line)):
        mains = [thing for thing in mains if thing.symbol != "B" or thing.joined]
    if bound := _bound_pronouns(things):
        mains, anchors = ([thing for thing in group if id(thing) not in bound] for group in (mains, anchors))
        if not mains and not news:
            first = _first_named(things)
            mains = [thing for thing in anchors if thing is first]
            anchors = [thing for thing in anchors if thing is not first]
    named = [thing for thing in mains if thing.symbol not in ("I", "O")]
    if any(thing.symbol == "D" for thing in mains):
        mains = named
    elif len(mains) > 1 and mains[0].symbol in ("I", "O"):
        mains = named or mains[:1]
    return mains, anchors, news


def _by_preposition(things: Sequence[Chunk], line: str) -> tuple[list[Chunk], list[Chunk], list[Chunk]]:
    """The things that a clause is about, those that only say where, and new ones, by the prepositions before them."""
    mains: list[Chunk] = []
    anchors: list[Chunk] = []
    news: list[Chunk] = []
    placed = ""
    provides = _PROVIDING.search(line)
    for thing in things:
        if thing.preposition == "with" and thing.symbol == "D" and (mains or anchors or news) and not provides:
            continue  # "the man with the camera"
        preposition = thing.preposition or (placed if thing.joined and thing.symbol in ("D", "I", "B") else "")
        placed = preposition if preposition in ANCHORED else ""
        is_place = placed and not (preposition == "from" and not mains)
        if thing.symbol == "A":
            has_main = news or any(each.symbol != "B" for each in mains)
            (anchors if is_place and has_main else news).append(thing)
            continue
        is_receiver = preposition == "to" and (mains or news) and "A" in line
        moves = mains and mains[0].symbol != "B" and re.search(r"\bL of\b|\bmove\b|\bto [DI]\b", line)
        is_goal = preposition in ("to", "of") and moves and not thing.joined
        (anchors if is_place or is_receiver or is_goal else mains).append(thing)
    return mains, anchors, news


def _bound_pronouns(things: Sequence[Chunk]) -> set[int]:
    """The `id` of each pronoun that means a thing named before it in the same clause."""
    bound: set[int] = set()
    after_named = after_known = False
    for thing in things:
        if thing.symbol == "I" and after_named and (thing.preposition not in ANCHORED or after_known):
            bound.add(id(thing))
        after_named = after_named or (thing.symbol in ("D", "A") and bool(thing.name))
        after_known = after_known or (thing.symbol == "D" and bool(thing.name))
    return bound


def _first_named(things: Sequence[Chunk]) -> Chunk:
    return next(thing for thing in things if thing.symbol in ("D", "A") and thing.name)


def _is_global(view: _View) -> bool:
    """Whether the picture as a whole is what a clause changes, which is about nothing else than pronouns."""
    if view.anchors:
        return False
    line, sentence = view.line, view.sentence
    symbols = {chunk.symbol for chunk in view.chunks}
    verbs = [chunk.symbol for chunk in view.verbs]
    pointed = any(thing.symbol == "I" for thing in view.mains)
    properties = [chunk.words for chunk in view.chunks if chunk.symbol == "Q"]
    whole = re.search(r"\b(?:overall|whole|entire|throughout|everywhere|globally)\b", sentence, re.IGNORECASE)
    geometric = GEOMETRIC.search(sentence)
    owned = re.search(r"\bI (?:overall )?(?:T|Q)\b", line)
    if owned and ("T" in symbols or whole or any(map(PROPERTY.search, properties))):
        return "C" not in symbols or bool(whole)
    if "G" in symbols and not pointed:
        toned = symbols & {"T", "Q"} or _GLOBAL_VERBS & {*verbs} or re.search(r"\b(?:more|less)\b.*\bC\b", line)
        if toned or geometric:
            return True
        is_place = re.search(r"\b(?:in|into|on|from|to|onto|within|across|out_of) G\b", line)
        changed = "C" in symbols or {*verbs} - _STILL
        return bool(changed) and not is_place and not _REMOVED.search(line) and verbs[:1] != ["see"]
    if geometric and (verbs or "G" in symbols or (not pointed and _LEFT_AND_RIGHT.search(sentence))):
        return True
    if "T" in symbols and not owned and "C" not in symbols:
        return True
    if properties and not owned and not pointed and ("C" not in symbols or any(map(_OF_ALL.search, properties))):
        return bool(verbs) or not FINITE.search(line)
    return "C" not in symbols and bool(_ALWAYS_GLOBAL.intersection(verbs[:1]))


def _replacement(view: _View) -> _Forms:
    """Something in the place of something else."""
    line, mains, news = view.line, view.mains, view.news
    replaces = view.has("replace")
    asked = replaces or bool(_NOTHING_ELSE.search(line)) or view.says(r"\bwhere (?:\w+ ){0,3}?D\b")
    if news and mains:
        return _by_new(view, asked=asked) if asked or view.removes or _BECOMES.search(line) else None
    if news:
        old, new = news[:2] if len(news) > 1 else [Chunk("I", "it", cues=("pronoun",)), *news]
        return [_form("replace", old, (), renamed=new.name)] if replaces else None
    if replaces and len(mains) > 1 and mains[1].joined and not mains[1].preposition:
        return None  # "swap the cat and the dog"
    if asked and len(mains) > 1 and mains[1].symbol in ("D", "B"):
        return [_by_known(view)]
    return _by_colour(view) if replaces and mains else None


def _by_new(view: _View, *, asked: bool) -> _Forms:
    """A new thing in the place of a known one; `asked` is whether the clause surely asks for that."""
    old, new = view.mains[0], view.news[0]
    if not (asked or view.removes):
        is_look = new.preposition == "as" and view.has("place") and not view.has("turn")
        is_part = new.preposition == "with" and "one_of" not in old.cues
        if is_look or is_part:
            return None
    if not new.name and not asked:
        return [_form("change", old, (), colour=view.colour)]
    return [_form("replace", old, (), renamed=new.name, colour="" if new.name else view.colour)]


def _by_known(view: _View) -> ClauseForm:
    """A known thing in the place of another: "swap the star for the ring", "use the ring for the star"."""
    old, new = view.mains[:2]
    if new.preposition in ("for", "instead_of") and view.says(r"\b(?:substitute|use|put|place|have|want|show)\b"):
        old, new = (new, old) if "swap" not in view.line else (old, new)
    return _form("replace", old, (), renamed=new.name)


def _by_colour(view: _View) -> _Forms:
    """A known thing in the place of which only a colour, or nothing, is named: "swap the star for a red one"."""
    old = view.mains[0]
    if not view.colour:
        return None if view.says(r"\bL\b") else [_form("replace", old, ())]
    is_one = any(" one" in chunk.words for chunk in view.chunks if chunk.symbol == "C")
    if is_one and old.symbol != "B" and view.says(r"\b(?:with|for|by) C\b") and not view.says(r"\bQ\b"):
        return [_form("replace", old, (), colour=view.colour)]
    return None


def _one_of_several(things: Sequence[Chunk]) -> Sequence[Chunk]:
    """ "One" beside several equal things is one of them: "of the two stars, remove one"."""
    several = next((thing for thing in things if thing.name and is_several(thing) and "one_of" not in thing.cues), None)
    one = next((thing for thing in things if thing.symbol == "O"), None)
    if one is None or several is None:
        return things
    name = several.name if several.number != 1 else singular_name(several.name)
    return [
        *(thing for thing in things if thing not in (one, several)),
        Chunk("D", several.words, name=name, cues=("one_of",)),
    ]


def _each(op: str, things: Sequence[Chunk], anchors: Sequence[Chunk]) -> list[ClauseForm]:
    """One form for each thing of a list: "a cat and a dog on the sofa"."""
    listed = [things[0], *(thing for thing in things[1:] if thing.joined)]
    return [_form(op, thing, anchors) for thing in listed]


def _coloured(thing: Chunk, colour: str) -> Chunk:
    """A new thing in a colour that stands behind it: "a star in red"."""
    return replace(thing, name=f"{colour} {thing.name}") if colour and thing.name else thing


def _names(things: Sequence[Chunk]) -> list[str]:
    """The names of things that a place relies on, pronouns as they are written."""
    found: list[str] = []
    for thing in things:
        found += (
            [thing.owner] if thing.owner else [thing.name or ("it" if thing.symbol != "I" else thing.words.lower())]
        )
        if not thing.name and len(found[-1].split()) > 1:
            found[-1] = "it"
    return list(dict.fromkeys(name for name in found if name))


def _cues(things: Sequence[Chunk]) -> list[str]:
    return [cue for thing in things for cue in thing.cues if cue == "pronoun"]


def _form(op: str, thing: Chunk, anchors: Sequence[Chunk], *, renamed: str = "", colour: str = "") -> ClauseForm:
    own = [cue for cue in thing.cues if not (cue == "pronoun" and thing.owner and op == "add")]
    refers = [*([thing.owner] if thing.owner else []), *_names([anchor for anchor in anchors if anchor is not thing])]
    cues = tuple(dict.fromkeys([*own, *_cues(anchors)]))
    return ClauseForm(op, thing.name, renamed, tuple(dict.fromkeys(refers)), thing.number, cues, colour)


_READERS: tuple[Callable[[_View], _Forms], ...] = (
    _no_edit,
    _of_picture,
    _copied,
    _replacement,
    _another,
    _removal,
    _one_more,
    _undoing,
    _colouring,
    _addition,
    _placed,
    _movement,
    _change,
)
"""The forms of clauses; the first that fits is taken. From `_movement` on there is a thing that the clause is about."""
