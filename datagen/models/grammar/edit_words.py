"""Words for what an instruction asks for as a whole: to take an edit back, to do it again, or an order for later."""

from __future__ import annotations

import re

from datagen.core.english import word_set

_EDIT = (
    r"(?:edits?|changes?|modifications?|adjustments?|steps?|turn|operation|action|instruction|request|command"
    r"|things? you did|alterations?|tweaks?|move|revisions?|version|state|result|amendment|update|idea|thing|one"
    r"|addition|insertion|removal|replacement)"
)
_LAST = r"(?:last|previous|prior|preceding|latest|most recent|recent|former|earlier|original|old)"
_DONE = (
    r"(?:what|whatever|the thing|anything|everything|that|which) (?:you|we|i) (?:have )?(?:just "
    r"|only )?(?:now )?(?:did|done|changed|made|applied|altered)\b|\bwhat (?:was|got|has been) (?:just )?(?:done"
    r"|changed|made|added)"
)
UNDO = re.compile(
    r"\b(?:undo|undone|undoing|revert(?:ed|ing)?|roll(?:ed)? ?back|rollback|rewind|retract(?:ed)?|rescind(?:ed)?"
    r"|reinstate[d]?|nullif(?:y|ied)|backtrack"
    r"|unwind|reversal|reversion|revoke[d]?|annul(?:led)?|ctrl ?\+? ?z|unmake|unapply)\b"
    r"|\b(?:reverse|withdraw|withdrawn|cancel|cancell?ed|reset|reject|dismiss|take|discard|scrap|scratch|forget"
    r"|disregard|ignore|drop|skip|erase|delete|remove|lose|ditch|not want|not keep|not like|never)\b[^,.]*?"
    rf"\b(?:{_LAST} (?:\w+ )?{_EDIT}|(?:that|this|the|your|my) (?:\w+ )?(?:edits?|changes?|modifications?|adjustments?"
    rf"|steps?|alterations?|tweaks?|revisions?)|{_DONE})"
    rf"|\b{_LAST} (?:\w+ )?(?:edit|change|modification|adjustment|step|alteration|tweak|revision|operation|action"
    rf"|instruction|request|command)s?\b"
    rf"|\b(?:restore|return|revert|go|back|get|want|put|bring|prefer(?:red)?|liked|keep|reinstate|show|give|have|see"
    rf"|use|load)\b.*\b(?:{_LAST} (?:version|state|picture|image|photo|look|result|one)|the way it (?:was|looked)"
    rf"|how (?:it|things|everything) (?:was|were|looked)"
    r"|(?:version|state|picture|image|photo|one) (?:from )?before\b|what was (?:there )?before|what (?:it|we"
    r"|i) (?:was|had)|the (?:picture|image|photo|version|one) (?:\w+ )?(?:i|we|you|that) (?:had|existed|was|before))\b"
    r"|^(?:\w+ )?(?:go|step|return|get|switch|change|take|bring|put|turn|roll|set|jump|come|move|back"
    r"|give) (?:\w+ ){0,3}?back(?:wards?)?\b(?! ?ground| to the (?:left|right|top|bottom|middle|cent)| (?:in|on|at) )"
    r"|^back(?: to\b.*| up)?$|^back to\b|\b(?:one|a) step back\b|\bback up\b|\bnever ?mind\b|^(?:please )?(?:restore"
    r"|reverse|withdraw|cancel|reset|return)(?: (?:it|that|this|everything|please))*$"
    r"|^(?:scratch|forget|cancel|disregard|ignore|scrap|reset|withdraw|reverse|take) (?:(?:about )?(?:that|this|it"
    r"|everything)(?: (?:last )?(?:one|thing|bit|idea|part))?)(?: back)?(?:,| please|$| and)"
    r"|\bforget about\b|\bforget it\b|\bit never happened\b|\bdid not happen\b|\bhad never (?:been"
    r"|happened)[^,.]*$(?<=done)|\b(?:before|prior to) (?:you|we|i|your|that|my) (?:did|changed|made|last|latest"
    r"|previous|edit|change)\b"
    r"|\b(?:go|can we|let us) back\b|\bliked? (?:it|the picture|things) (?:better|more) before\b|\bbetter before\b"
    rf"|\bto (?:its|the|their) {_LAST} (?:state|version|look|colou?r|place|position|condition)\b|\b(?:as|like|how"
    rf"|the way) (?:it|they|things?|everything|the \w+) (?:was|were|looked|used to be)(?: (?:before|like|originally"
    rf"|previously|at first|earlier|a moment ago))?$"
    r"|\bwithout (?:that|your|the) (?:last )?(?:edit|change|step|modification)\b"
    r"|\b(?:edit|change|modification|adjustment|step|alteration|tweak|revision|operation|action)\b.*\b(?:withdrawn"
    r"|reversed|cancell?ed|taken back|discarded|removed|dropped|scrapped|rolled back|erased)\b",
    re.IGNORECASE,
)
"""A sentence that takes an earlier edit back."""
REGRET = re.compile(
    r"\bon second thoughts?\b|\bchanged my mind\b|\b(?:that|it|this) was a mistake\b|\bwrong idea\b"
    r"|\bi have reconsidered\b|\bon reflection\b",
    re.IGNORECASE,
)
"""A sentence that takes an edit back if nothing beside it asks for one."""
BACK = re.compile(
    r"^(?:put|bring|add|get|give|place|restore|return|reinstate|undo|revert|reverse|cancel"
    r"|withdraw) (?:back )?(?P<thing>(?:the|that|this|my|his|her|a|an) [^,.]+?)(?: back)?$",
    re.IGNORECASE,
)
"""A clause that brings a thing back; only where it says "back", or by the verb alone."""
AGAIN = re.compile(
    r"\b(?:again|once more|repeat|same again|the same|ditto|likewise|twice|duplicate|copy|clone|of_kind|companion"
    r"|more of (?:those|these|that|them|it)|"
    r"(?:just|exactly) like (?:it|that|the last one|the one before)|one more|another|identical one|further instance"
    r"|same thing"
    r"|do it over)\b",
    re.IGNORECASE,
)
"""What repeats an edit."""
_LATER = r"(?:later|subsequent|following|future|further|upcoming|coming|remaining|new(?:ly added)?|next)"
_ADD = (
    r"(?:add|adds|added|adding|put|place|placed|insert|inserted|draw|drawn|introduce[d]?|ask(?:ed)?(?: for)?"
    r"|request(?:ed)?|appears?|appended|created?|include[d]?|bring|brought|comes?|made|make|paste[d]?|drop(?:ped)?"
    r"|give|gives|given|show(?:s|n)? up|joins?|generated?|tell|enters?|arrives?|render(?:ed)?|goes|do|edit|change)"
)
_ALL = (
    r"(?:every|everything|all|any|anything|each|whatever|always|whenever|whichever|no matter|stuff|things|objects"
    r"|items|elements|additions|shapes|insertions|ones|only|default|consistently)"
)
STANDING = re.compile(
    r"\b(?:from|starting|beginning|as of) (?:now|here|this point|this(?= on)|today(?= on)|this (?:moment|turn|step"
    r"|edit)|the next \w+|with the next \w+)\b(?: on(?:wards?)?| onwards?| forwards?)?(?! to\b)|\bfrom here (?:on"
    r"|out)\b"
    r"|\b(?:hence ?forth|hence ?forward|hereafter|thereafter)\b|\b(?:going|moving|looking) forwards?\b"
    r"|\bin (?:the )?future\b(?! edit)"
    r"|\bfor the (?:rest|remainder)\b(?: of (?:the|this|our) (?:session|conversation|edits?|chat))|\bin what follows\b"
    r"|\buntil (?:i|further)\b|\btill (?:i|further)\b|\bstanding (?:order|instruction|rule)\b|\bnew rule\b"
    r"|\b(?:additions|insertions|things|objects|ones|items|shapes|elements|everything|anything|whatever|all) (?:that "
    r"|which )?(?:will |may |might )?(?:follow|come)s?\b"
    rf"|\b{_ALL}\b[^.]*?\b(?:after (?:this|that|now)|in the turns to come|to come|later on|later|next|afterwards"
    rf"|from this point|in future)\b"
    rf"|\b{_ALL}\b (?:of )?(?:the |your |my |other |else )*(?:\w+ )?(?:that |which )?(?:gets?|is|are|you|we|i|you will"
    rf"|we will|i will|i'll|you'll|we'll|you are|we are|i am|you're|will be)(?: going to| about to| ever| have me"
    rf"| want| will)? (?:\w+ )?{_ADD}\b"
    rf"|\b(?:(?:all|any|every|each|everything|anything|whatever) (?:of )?(?:the |your |my "
    rf"|other )*{_LATER}\b (?:\w+ )?(?:edits?|changes?|objects?|things?|items?|additions?|shapes?|elements?|ones?"
    rf"|parts?|insertions?|stuff|pieces?|turns?|steps?)|(?:the|your|my|these|those) {_LATER}\b (?:\w+ )?(?:edits"
    rf"|changes|objects|things|items|additions|shapes|elements|ones|parts|insertions|stuff|pieces|turns|steps))\b"
    rf"|\b(?:all|any|every|each|future|later|subsequent|upcoming) (?:\w+ )?(?:additions|insertions|addition"
    rf"|insertion)\b|\bnew (?:things|objects|additions|items|shapes|elements|stuff|ones)\b|\b(?:anything|everything"
    rf"|whatever|something|things|stuff) (?:new|else new|added|(?:is |are |be )?newly)\b"
    rf"|\b(?:every|each|any) ?time (?:that )?(?:you|i|we) (?:\w+ ){{0,4}}(?:add|ask|put|insert|place|draw|request|want"
    rf"|tell)\b|\bwhenever\b|\b(?:when|if) (?:you|i|we) (?:\w+ ){{0,4}}(?:add|put|insert|place"
    rf"|draw|ask)\b|\bnext (?:objects|things|items|additions|ones|elements|shapes)\b|^always\b|\bkeep (?:adding|using"
    rf"|to)\b|\b(?:each|every|any) (?:object|thing|item|element|addition|shape)s? (?:(?:that|you|i|we|to be|is|are"
    rf"|will be|gets?) )*(?:added|inserted|introduced|drawn|created|add|insert|draw)\b"
    r"|\bfor (?:all|every) (?:\w+ )?(?:edits|additions|changes|steps|turns)\b|\bmake all later\b|\b(?:after this"
    r"|from this point)\b(?=,? (?:only|everything|all|every|any|whatever|should|must|use|make|on))",
    re.IGNORECASE,
)
"""An order for edits that come later: words for all that comes, and words for later or for adding."""
GEOMETRIC = re.compile(
    r"\b(?:flip\w*|mirror\w*|rotat\w+|upside[- ]down|crop(?:ped|ping)?(?! out (?:the|that|this|it)\b)|zoom\w*"
    r"|tilt(?:ed)?|reflect(?:ed|ion)?|flop(?:ped)?|stretch(?:ed)?"
    r"|resize[d]?|rescale[d]?|scale (?:up|down)|turn .*\b(?:\d+|ninety|around|sideways|left|right)|left (?:and|to|with"
    r"|for|becomes?) (?:the )?right|left[\s-]+(?:to[\s-]+)?right|right (?:and|to|with|for) (?:the )?left"
    r"|(?:swap\w*|exchang\w+|switch\w*|transpos\w+) .*\b(?:sides|left side .*right side)|laterally"
    r"|horizontally|vertically|back to front|inverted left|sideways|other way (?:a?round|about)|vice versa"
    r"|opposite (?:way|direction|side)s?|backwards?|revers(?:e|ed|ing)"
    r"|left (?:be|become|becomes|is|to be|should become|must become)"
    r" (?:the |on the )?right|left .*\bright.*(?:around|vice|swap|trade|exchange"
    r"|switch)|fac(?:e|es|ing) the other way)\b",
    re.IGNORECASE,
)
"""Edits of the whole picture that move what is in it."""
PROPERTY = re.compile(
    r"\b(?:brightness|contrast|saturation|exposure|lighting|lights?|luminance|lightness|illumination|vibrance|gamma"
    r"|warmth|temperature|balance|tones|colou?rs|hues|palette|mood|atmosphere|tonality|sharpness)\b",
    re.IGNORECASE,
)
"""What a picture has as a whole."""
_ENGLISH = word_set(
    "the a an to of with in on at it this that these and from for his her its my please picture image photo make is "
    "into i you we do does be there here one should would could can have what how if so or not no but now just add put "
    "remove want like let some all everything than by as up out"
)
_FOREIGN = word_set(
    "un une le la les el los las der die das den dem einen einem eine ein et y und il lo gli uno una del della des du "
    "au aux por para con en sur dans sous auf mit zum zur de het een van op met och ett na da em os um uma w v s se"
)
"""Small words of other languages that are none of English."""


def is_foreign(text: str) -> bool:
    """Whether a text is in another language than English, as far as its small words and letters say."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    letters = [letter for word in words for letter in word]
    if letters and sum(letter.isascii() for letter in letters) < 0.5 * len(letters):
        return True
    return sum(word in _FOREIGN for word in words) > sum(word in _ENGLISH for word in words)
