"""Facts about the size and shape of the subject, alone and compared with a neighbour."""

from __future__ import annotations

from datagen.imaging.box_relations import Region
from datagen.models.instructions.base import PictureObject, stated_relation
from datagen.models.instructions.facts import (
    ABOUT,
    BE,
    BIGGER,
    COVER,
    EXTEND,
    FILL,
    LONGER,
    SPAN,
    TAKE_UP,
    Fact,
    Predicate,
    Verb,
    Voice,
    area_bound,
    as_adjective,
    multiple,
    shares,
    size_word,
)


def size_facts(region: Region, *, voice: Voice) -> list[Fact]:
    """Facts about the width, the height, both, and an upper bound of the area."""
    facts = [_length(share, "width", "wide", voice) for share in shares(region.width)]
    facts += [_length(share, "height", "tall", voice) for share in shares(region.height)]
    wide, tall = ([s for s in shares(v) if "between" not in s] for v in (region.width, region.height))
    facts += [_both(w, h, voice) for w in wide for h in tall if w == h or "less" not in w + h]
    return [*facts, *_area(region, voice)]


def _length(share: str, noun: str, adjective: str, voice: Voice) -> Fact:
    whole = f"the {voice.picture}'s"
    of = f"{share} of {whole} {noun}"
    alike = f"{as_adjective(share)} as {adjective} as the {voice.picture}"
    verbs = (SPAN, TAKE_UP, COVER, EXTEND) if noun == "width" else (SPAN, TAKE_UP, Verb("fills", "fill", "filling"))
    return Fact(
        "size",
        predicates=(*(Predicate(verb, of) for verb in verbs), Predicate(BE, alike)),
        adjuncts=(alike,),
        openers=(alike,),
        commands=(
            f"make {voice.them} {alike}",
            f"scale {voice.them} to {of}",
            f"size {voice.them} to {share} of the {noun}",
        ),
        clauses=tuple(f"{voice.its} {noun} {verb} {share} of {whole}" for verb in ("is", "comes to")),
    )


def _both(width: str, height: str, voice: Voice) -> Fact:
    again = "" if width == height else f"{height} of its "
    rest = f"{width} of the {voice.picture}'s width and {again}height"
    again = "" if width == height else f"{as_adjective(height)} "
    alike = f"{as_adjective(width)} as wide and {again}as tall as the {voice.picture}"
    verbs = (SPAN, TAKE_UP, COVER, FILL)
    return Fact(
        "size",
        predicates=(*(Predicate(verb, rest) for verb in verbs), Predicate(BE, alike)),
        adjuncts=(alike,),
        openers=(alike,),
        commands=(f"scale {voice.them} to {rest}", f"make {voice.them} {alike}"),
    )


def bulk_facts(region: Region, *, voice: Voice) -> list[Fact]:
    """Facts with one word for the size in the picture, such as "small"."""
    word = size_word(region)
    if not word:
        return []
    keep = "keep" if "small" in word else "make"
    phrase = f"{word} in the {voice.picture}"
    return [
        Fact(
            "size",
            predicates=(Predicate(BE, phrase), Predicate(BE, word)),
            adjuncts=(phrase,),
            openers=(phrase,),
            commands=(f"{keep} {voice.them} {word}", f"{keep} {voice.them} {phrase}"),
        )
    ]


def _area(region: Region, voice: Voice) -> list[Fact]:
    under = area_bound(region.area)
    if not under:
        return []
    of = f"{under} of the {voice.picture}"
    verbs = (TAKE_UP, COVER, FILL, Verb("occupies", "occupy", "occupying"))
    return [
        Fact("size", predicates=tuple(Predicate(verb, of) for verb in verbs), commands=(f"let {voice.them} fill {of}",))
    ]


def shape_facts(region: Region, *, size: tuple[int, int], voice: Voice) -> list[Fact]:
    """The ratio of width to height, in pixels of a picture of `size` (width, height)."""
    ratio = region.width * size[0] / (region.height * size[1])
    if abs(ratio - 1) <= ABOUT:
        phrases = [f"about as wide as {voice.it} {BE.finite(plural=voice.plural)} tall"]
    else:
        factor, longer, other = (ratio, "wide", "tall") if ratio > 1 else (1 / ratio, "tall", "wide")
        often = multiple(factor, longer) or _longer(factor, "wider" if longer == "wide" else "taller", "")
        phrases = [f"{often} {voice.it} {BE.finite(plural=voice.plural)} {other}"] if often else []
    return [
        Fact("shape", predicates=(Predicate(BE, words),), adjuncts=(words,), commands=(f"keep {voice.them} {words}",))
        for words in phrases
    ]


def comparisons(
    subject: Region, other: Region, *, name: str, things: tuple[PictureObject, PictureObject], kind: str, voice: Voice
) -> list[Fact]:
    """The size compared with a neighbour of this `name` and `kind`; `things` are both of them."""
    return [
        Fact(
            "comparison",
            predicates=(Predicate(BE, f"{words} {name}"),),
            adjuncts=(f"{words} {name}",),
            openers=(f"{words} {name}",),
            commands=(f"make {voice.them} {words} {name}", f"keep {voice.them} {words} {name}"),
            about=frozenset((kind,)),
            stated=(stated_relation(things[0], words, things[1]),),
        )
        for words in compared(subject, other)
    ]


def compared(a: Region, b: Region) -> list[str]:
    """All true comparisons of two sizes: `about half as wide as`, `larger than`."""
    wide, tall = a.width / b.width, a.height / b.height
    found = [multiple(wide, "wide"), multiple(tall, "tall")]
    found += [_longer(wide, "wider", "narrower"), _longer(tall, "taller", "shorter")]
    if min(wide, tall) >= BIGGER:
        found = ["larger than", *(["much larger than"] if min(wide, tall) >= 2 * BIGGER else []), *found[:2]]
    if max(wide, tall) <= 1 / BIGGER:
        found = ["smaller than", *(["much smaller than"] if max(wide, tall) <= 0.5 / BIGGER else []), *found[:2]]
    if max(abs(wide - 1), abs(tall - 1)) <= 2 * ABOUT:
        found.append("about the same size as")
    return [words for words in found if words]


def _longer(ratio: float, more: str, less: str) -> str:
    if ratio >= LONGER or ratio <= 1 / LONGER:
        return f"{more if ratio > 1 else less} than"
    return ""
