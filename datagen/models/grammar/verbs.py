"""Verbs of edits: what they ask for, and the forms in which they stand."""

from __future__ import annotations

import re

from datagen.core.english import word_set

_CLASSES = {
    "remove": """
        remove kill yeet delete erase eliminate discard scrap banish hide ditch omit exclude dispose scrub
        dump expunge obliterate purge eradicate disappear vanish subtract nix zap axe evict nuke bin trash
        junk vaporize vaporise dissolve oust efface excise lose conceal inpaint uninstall unadd purify censor
        unlist
    """,
    "replace": """
        replace swap exchange substitute trade switch supersede supplant interchange sub
    """,
    "turn": "turn change convert transform morph become transmute evolve modify make",
    "paint": """
        paint colour color recolour recolor repaint dye redye tint shade stain retint spray recolorize
        recolourise colorize colourise tinge hue
    """,
    "move": """
        move shift slide relocate push pull drag nudge transfer reposition carry raise lower send bump shove
        swing scoot transport displace transplant migrate haul tow budge rearrange transpose bring scooch ease
        position reassign center centre
    """,
    "place": """
        add put place insert draw include give create sketch introduce stick attach hang set append pop lay
        plant overlay superimpose decorate equip adorn generate render show drop slip squeeze
        install build mount deposit drape pin tape glue spawn slap paste plop plunk sneak tuck stamp
        layer affix fix embed inject incorporate park conjure design doodle depict fill crown dress garnish
        furnish outfit supply surround cover hand offer grant lend print sprinkle scatter dab nestle lodge
        prop perch stack composite populate augment embellish integrate provide supplement feature
        produce bung chuck
    """,
    "global": """
        illuminate brighten darken lighten desaturate saturate invert mirror crop zoom blur sharpen warm cool
        apply tilt flip rotate reflect adjust increase decrease reduce boost enhance tone dim regrade grade
        stretch resize
    """,
    "undo": """
        undo revert rewind rollback retract rescind reinstate nullify backtrack unwind revoke annul reverse
        withdraw cancel restore return reset unmake
    """,
    "other": """
        edit alter update retouch rework love spot use try take cut leave rub wipe clear photoshop airbrush
        kick strip pluck whisk sweep lift get pick select choose grab keep preserve retain maintain repeat
        duplicate copy clone double replicate go have let want need belong end lean feel seem distract concern
        occupy contain benefit suit fit drift bother annoy ruin hurt suffer clash deserve lack miss hold wear
        face remain exist float hover consider request serve ask attract obstruct fall lead read
        happen start begin continue require overlap match reveal vary see imagine pretend ensure perform sit
        stand lie rest land stay appear look enlarge shrink polish open close clean fade bleach throw toss
        yank peel scratch strike trim snip carve forget disregard ignore skip dismiss reject remember
        stop help do say exit depart touch affect reconstruct blend complete simplify extend merge work call
        shine smile wave sleep run jump dance fly laugh walk swim wink cry drink eat sing glow tell explain
        describe answer write list translate save download upload recommend know bug beg wonder regret
    """,
}
"""Verbs by what they ask for, each in one list. `place` verbs add what is new and move what is there."""
CLASS_OF = {verb: kind for kind, verbs in _CLASSES.items() for verb in verbs.split()}
_IRREGULAR = {
    "put": "putting",
    "get": "getting got gotten",
    "set": "setting",
    "cut": "cutting",
    "lose": "lost",
    "take": "took taken",
    "make": "made",
    "give": "gave given",
    "draw": "drew drawn",
    "hang": "hung",
    "lay": "laid",
    "stick": "stuck",
    "throw": "threw thrown",
    "build": "built",
    "show": "shown",
    "bring": "brought",
    "send": "sent",
    "swing": "swung",
    "run": "running ran",
    "tell": "told",
    "write": "wrote written writing",
    "slide": "slid",
    "hide": "hid hidden",
    "become": "became",
    "undo": "undid undone undoing",
    "lend": "lent",
    "rewind": "rewound",
    "withdraw": "withdrew withdrawn",
    "go": "went going goes",
    "keep": "kept",
    "see": "seen saw",
    "lie": "lying lay lain",
    "stand": "stood",
    "sit": "sat",
    "have": "has had",
    "do": "did done does doing",
    "let": "letting",
    "say": "said",
    "choose": "chose chosen",
    "forget": "forgot forgotten",
    "overlay": "overlaid overlain",
    "sweep": "swept",
    "strike": "struck",
    "shrink": "shrank shrunk",
    "dye": "dyeing",
}
_NOUNS = {
    "remove": "removal deletion erasure elimination disposal exclusion omission",
    "replace": "replacement substitution exchange swap",
    "place": "addition insertion placement inclusion introduction",
    "move": "relocation repositioning movement displacement",
    "undo": "reversal rollback reversion cancellation restoration",
    "paint": "recolouring recoloring recolor recolour",
    "turn": "conversion transformation",
    "mirror": "reflection mirroring",
}
"""Nouns that name an edit: "removal of the star"."""


def _forms(verb: str) -> set[str]:
    """The forms of a verb, regular ones by spelling."""
    found = {verb, *_IRREGULAR.get(verb, "").split()}
    stem = verb[:-1] if verb.endswith("e") else verb
    doubled = re.fullmatch(r"(?:[^aeiou]*|re)[aeiou][bdgmnpt]", verb) or verb in ("transfer", "omit", "swap", "outfit")
    ends = [stem, f"{verb}{verb[-1]}"] if doubled else [stem]
    if verb[-1] == "y" and verb[-2] not in "aeiou":
        return found | {f"{verb[:-1]}ies", f"{verb[:-1]}ied", f"{verb}ing"}
    found |= {f"{verb}es" if verb.endswith(("s", "x", "ch", "sh")) else f"{verb}s"}
    return found | {f"{end}{suffix}" for end in ends for suffix in ("ed", "ing")}


LEMMA: dict[str, str] = {form: verb for verb in CLASS_OF for form in _forms(verb)}
LEMMA |= {verb: verb for verb in CLASS_OF}
LEMMA_OF_NOUN = {noun: verb for verb, nouns in _NOUNS.items() for noun in word_set(nouns)}
EDIT_NOUNS = {noun: CLASS_OF[verb] for noun, verb in LEMMA_OF_NOUN.items()}
"""The class of each noun that names an edit."""


def class_of(word: str) -> str:
    """The class of a verb in any form, or of a noun for an edit; '' for any other word."""
    word = word.lower()
    return CLASS_OF.get(LEMMA.get(word, ""), "") or EDIT_NOUNS.get(word, "")
