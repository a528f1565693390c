"""Decompose an instruction for an edit into its parts by rules: what is done, to what, and what that relies on."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, get_args

from datagen.core.english import word_set
from datagen.models.grammar.chunker import chunks_of
from datagen.models.grammar.clause_readings import Reading, read_clause
from datagen.models.grammar.clauses import clauses_of, plain, sentences_of
from datagen.models.grammar.edit_forms import ClauseForm
from datagen.models.grammar.edit_words import BACK, GEOMETRIC, REGRET, STANDING, UNDO, is_foreign
from datagen.models.grammar.thing_names import COLOUR_FAMILIES, SHADES, may_be_same, singular_name

Operation = Literal["add", "remove", "replace", "change", "move", "global", "undo", "unknown"]
OPERATIONS: tuple[str, ...] = get_args(Operation)
Cue = Literal["pronoun", "another", "one_of", "standing", "geometric"]
CUES: tuple[str, ...] = get_args(Cue)
MOST_PARTS = 24
"""Most parts of an instruction."""
LONGEST_EDIT = 1000
"""Most characters of an instruction that is read."""


class EditPart(NamedTuple):
    """One edit of one thing."""

    op: Operation
    object: str
    """Name of the thing, '' where it is not named or the edit is global."""
    renamed_to: str
    """What the thing is called after the edit, '' if its name stays."""
    refers_to: tuple[str, ...]
    """Names of other things that the instruction relies on; pronouns as they are written."""
    number: int
    """How many such things the clause is about, one part for each; 0 for several without a number."""
    cues: tuple[Cue, ...]
    """How it relies on other turns: `pronoun` (a thing named before), `another` (a further one of a kind), `one_of`
    (one of several), `standing` (an order for later turns); or `geometric`, a global edit that moves what is there."""


_UNKNOWN = EditPart("unknown", "", "", (), 1, ())
_POINTING = word_set("it them him her this that these those one they he she")
_LEAD = re.compile(
    r"^(?:please|kindly|now|then|actually|no|hmm+|oops|ok(?:ay)?|oh|well|so|and|but|just|(?:can|could|would"
    r"|will) (?:you|we|i)|let us|i (?:would )?(?:want|like|need|love|prefer)(?: you)? to|go ahead and)\b[\s,.!]*",
    re.IGNORECASE,
)
"""Polite words at the start of a sentence."""


def decompose_edit(text: str) -> list[EditPart]:
    """The parts of an instruction in their order, at least one; one part with `unknown` if it is not understood.

    "Add three apples" becomes three parts. A pronoun whose noun stands in the same text is replaced by the noun. Other
    languages than English, and longer texts than `LONGEST_EDIT`, are not understood.
    """
    # `clauses_of` marks with NUL what it cuts off
    whole = " ".join(text.replace("\u2019", "'").replace("\0", " ").split())
    if len(whole) > LONGEST_EDIT or is_foreign(whole):
        return [_UNKNOWN]
    discourse = _Discourse()
    for sentence in sentences_of(plain(whole)):
        discourse.read(sentence)
    return discourse.parts()


class _Discourse:
    """The clauses of an instruction, read one after another."""

    def __init__(self) -> None:
        self.forms: list[ClauseForm] = []
        self.named = ""
        """The thing that was named last."""
        self.several = ""
        """The equal things that were counted last."""
        self.is_one = False
        """Whether one of them was named."""
        self.instead = False
        """Whether what comes next is in the place of what was named."""
        self.negated = False
        """Whether the last clause only said that something is not wanted."""
        self.is_state = False
        """Whether the last clause said how something is to look."""
        self.is_new = False
        """Whether the thing that was named last is not there yet."""
        self.colour = ""
        """A colour that was only mentioned."""
        self.regrets = False
        """Whether a sentence takes an edit back, if nothing else is asked for."""
        self.orders: list[EditPart] = []
        """Orders for later turns."""

    def read(self, sentence: str) -> None:
        """Read one sentence."""
        if order := STANDING.search(sentence):
            before = sentence[: order.start()]
            if _asks_alone(before):
                self._read(before)
            self.orders.append(_standing_order(sentence, order))
            return
        if self._undoes(sentence):
            return
        self.regrets = self.regrets or bool(REGRET.search(sentence))
        self._read(REGRET.sub("", sentence))

    def _undoes(self, sentence: str) -> bool:
        stripped = _strip(sentence)
        back = BACK.match(stripped)
        if back and (
            re.search(r"\bback\b", stripped)
            or re.match(r"(?:restore|return|reinstate|undo|revert|reverse|cancel|withdraw)\b", stripped, re.IGNORECASE)
        ):
            things = [chunk for chunk in chunks_of(back["thing"]) if chunk.is_thing]
            if things and not UNDO.search(back["thing"]):
                thing = things[0]
                if not GEOMETRIC.search(sentence):
                    self.forms.append(ClauseForm("undo", thing.name, cues=() if thing.name else thing.cues))
                    return True
        if GEOMETRIC.search(re.sub(r"(?i)\brevers(?:e[ds]?|al)\b", "", sentence)) or not UNDO.search(stripped):
            return False
        if not (self.forms and self.forms[-1].op == "undo"):
            self.forms.append(ClauseForm("undo"))
        return True

    def _read(self, sentence: str) -> None:
        clauses = clauses_of(sentence)
        for clause in clauses:
            if len(clauses) > 1 and not clause.aside and self._undoes(clause.text):
                continue
            self._take(read_clause(clause))

    def _take(self, reading: Reading) -> None:
        """Join what a clause asks for to what was asked for before it in the same text."""
        last = self.forms[-1] if self.forms else None
        if self.instead and reading.forms:
            reading, self.instead = reading._replace(instead=True), False
        self.instead = self.instead or (reading.instead and not reading.forms)
        if reading.colour and last and last.is_open:
            self.forms[-1] = last._replace(colour=reading.colour)
        if not reading.forms and reading.wishes and reading.named and self.colour:
            reading = reading._replace(forms=[ClauseForm("change", reading.named, colour=self.colour)])
        self.colour = reading.colour or self.colour
        forms = [self._bound(form, reading) for form in reading.forms if "bare" not in form.cues or self.named]
        if forms and forms[0] == last and last.op in ("global", "undo"):
            forms = []
        if forms and last and self._continues(forms[0], last, reading):
            forms = []
        self.forms += forms
        self.negated = reading.negated and bool(forms)
        self.is_state = reading.is_state
        self.several = reading.several or self.several
        self.is_new = reading.is_new if reading.named else self.is_new
        self.is_one = self.is_one or reading.is_one
        self.named = (forms[-1].renamed_to or forms[-1].object if forms else "") or reading.named or self.named

    def _bound(self, form: ClauseForm, reading: Reading) -> ClauseForm:
        """A form with its pronouns replaced by what this text named."""
        cues = [cue for cue in form.cues if cue not in ("one", "bare")]
        name = form.object
        if form.op == "global" and "pronoun" in cues:
            cues.remove("pronoun")
            return ClauseForm("change", self.named) if self.named else form._replace(cues=tuple(cues))
        if form.op in ("move", "change") and not (name or form.colour or form.renamed_to or self.forms) and self.is_new:
            return ClauseForm("add", self.named)  # "What is missing is a star. Put it in."
        if form.op == "undo" and not name and self.forms and self.forms[-1].op == "undo":
            return self.forms[-1]
        if form.op == "add" and "one" in form.cues and self.named:
            cues.remove("another")
        is_one = "one" in form.cues or "one_of" in form.cues or (self.is_one and "pronoun" in form.cues)
        if form.op in ("remove", "change", "move", "replace") and not name and self.several and is_one:
            return form._replace(object=singular_name(self.several), cues=("one_of",), number=1)
        if form.op == "add" and reading.instead and self.named and name and self.named not in (name, *form.refers_to):
            return form._replace(op="replace", object=self.named, renamed_to=name, refers_to=(), cues=())
        if form.op == "add" and reading.instead and name and "another" not in cues and not form.refers_to:
            return form._replace(op="replace", object="", renamed_to=name, cues=("pronoun",))
        refers = list(form.refers_to)
        if self.named and ("pronoun" in cues or (form.op in ("change", "move", "remove", "replace") and not name)):
            cues = [cue for cue in cues if cue != "pronoun"]
            if form.op != "add":
                name = name or self.named
            refers = [self.named if word.lower() in _POINTING else word for word in refers]
            refers = [word for word in refers if word != name] if name == self.named else refers
        if form.op == "add":
            name = name or self.named
            refers = [word for word in refers if word != name]
        return form._replace(object=name, refers_to=tuple(refers), cues=tuple(cues))

    def _continues(self, form: ClauseForm, last: ClauseForm, reading: Reading) -> bool:
        """Whether a form only says more about the one before it, which then takes it in."""
        same = form.object == last.object or (form.object and may_be_same(form.object, last.renamed_to or last.object))
        if reading.is_vague and (same or not form.object):
            return True
        joined = self._with_addition(form, last, reading) if form.op == "add" else None
        if form.op == "replace":
            joined = self._with_replacement(form, last, same=bool(same))
        elif form.op in ("remove", "change", "move") and same:
            joined = self._with_same(form, last)
        if joined is not None:
            self.forms[-1] = joined
        return joined is not None

    def _with_addition(self, form: ClauseForm, last: ClauseForm, reading: Reading) -> ClauseForm | None:
        """A form together with an addition that follows it; None if they are two edits."""
        if last.op == "add" and not form.object:
            return last
        repeated = last.op == "add" and form.object == last.object
        if repeated and "another" in last.cues + form.cues:
            return last._replace(cues=tuple(dict.fromkeys([*last.cues, *form.cues])))
        if repeated and reading.named in ("", last.object):
            return last
        if last.op not in ("remove", "replace") or last.renamed_to or last.object == form.object:
            return None
        fills = reading.vacated or reading.instead or last.op == "replace" or self.negated
        return last._replace(op="replace", renamed_to=form.object) if fills else None

    def _with_replacement(self, form: ClauseForm, last: ClauseForm, *, same: bool) -> ClauseForm | None:
        if last.op == "replace" and not form.renamed_to:
            return last
        if last.op == "remove" and (same or not form.object):
            return form._replace(object=last.object, cues=last.cues)
        return form._replace(object=last.object) if same and last.is_open and not self.is_state else None

    def _with_same(self, form: ClauseForm, last: ClauseForm) -> ClauseForm | None:
        """A form together with a further one about the same thing."""
        says_no_more = form.op == "move" or form.is_open
        if says_no_more and last.op in ("add", "replace", "remove"):
            more = [name for name in form.refers_to if name not in (last.object, last.renamed_to)]
            refers = tuple(dict.fromkeys([*last.refers_to, *more]))
            return last._replace(refers_to=refers) if last.op == "add" else last
        if form.op == last.op:
            if form.op == "change" and last.colour and form.colour and last.colour != form.colour:
                return None
            joined = last._replace(cues=("one_of",), number=1) if "one_of" in form.cues + last.cues else last
            named = form.colour or form.renamed_to
            return joined._replace(colour=form.colour, renamed_to=form.renamed_to) if named else joined
        return form._replace(object=last.object) if last.is_open and not self.is_state else None

    def parts(self) -> list[EditPart]:
        """What was asked for."""
        if not self.forms and not self.orders and self.regrets:
            self.forms.append(ClauseForm("undo"))
        found = [_part(form) for form in self.forms]
        repeated = [part for part in found for _ in range(min(max(part.number, 1), MOST_PARTS))]
        return ([*repeated, *self.orders[:1]] or [_UNKNOWN])[:MOST_PARTS]


def _strip(sentence: str) -> str:
    """A sentence without polite words at its start and end."""
    while (found := _LEAD.match(sentence)) and found.end() < len(sentence):
        sentence = sentence[found.end() :]
    return re.sub(r"[\s,.!?]+(?:please|now|ok(?:ay)?|instead)?[\s,.!?]*$", "", sentence)


def _asks_alone(text: str) -> bool:
    """Whether a text asks for an edit by itself, so that a standing order after it is one of its own."""
    return any(
        form.op in ("add", "remove", "replace", "move") and (form.object or form.cues)
        for clause in clauses_of(text)
        for form in read_clause(clause).forms
    ) and not re.search(r"\b(?:all|any|every\w*|what\w*|each|things?)\b[^,.]*$", text, re.IGNORECASE)


def _standing_order(sentence: str, order: re.Match[str]) -> EditPart:
    """The part of an order for later turns: what it asks for is not done in its own turn."""
    words = re.findall(r"[\w-]+", sentence[order.start() :].lower()) + re.findall(r"[\w-]+", sentence.lower())
    colour = next((word for word in words if word in COLOUR_FAMILIES), "")
    return EditPart("global", "", colour, (), 1, ("standing",))


def _part(form: ClauseForm) -> EditPart:
    """A form as a part."""
    renamed = form.renamed_to
    if form.colour:
        renamed = recoloured(form.object, form.colour) if form.object else form.colour.lower()
    return EditPart(form.op, form.object, renamed, form.refers_to, form.number, form.cues)  # type: ignore[arg-type]


def recoloured(name: str, colour: str) -> str:
    """A name after its thing took a colour: `blue star` for "red star"."""
    words = name.split()
    keep = [word for word in words if word.lower() not in COLOUR_FAMILIES]
    if len(keep) < len(words):  # the shades before a colour go with it
        while len(keep) > 1 and keep[0].lower() in SHADES:
            keep = keep[1:]
    return f"{colour.lower()} {' '.join(keep or words[-1:])}"
