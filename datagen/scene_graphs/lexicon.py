"""The words that the rules know: what adjectives say, which nouns stand together, and how things stand to each other.

Everything else is a noun of one word, or not understood.
"""

from __future__ import annotations

from typing import Final

from datagen.core.english import word_set

VALUES: Final = {
    "size": word_set(
        "small large big tiny little huge giant enormous gigantic massive miniature medium medium-sized tall short "
        "long thick thin wide narrow"
    ),
    "age": word_set("old new young ancient modern antique vintage"),
    "state": word_set(
        "open closed empty full broken clean dirty wet dry sleeping sitting standing lying running walking jumping "
        "flying swimming smiling laughing crying yawning dancing eating lit burning melting shiny rusty fluffy furry "
        "happy sad angry bright dark sliced peeled folded torn"
    ),
    "texture": word_set("smooth rough soft hard bumpy fuzzy glossy matte woolly hairy"),
    "shape": word_set(
        "round rectangular triangular oval circular spherical cubic cylindrical conical hexagonal pentagonal oblong "
        "pointed curved flat heart-shaped star-shaped"
    ),
    "pattern": word_set("striped spotted dotted checkered chequered plaid floral patterned zigzag polka-dotted"),
    "colour": word_set(
        "red yellow green cyan blue purple pink white black orange brown grey gray gold silver teal turquoise violet "
        "magenta maroon beige crimson scarlet navy golden silvery transparent colourful colorful"
    ),
    "material": word_set(
        "wooden metal plastic glass steel stone ceramic leather paper cotton bronze brass copper iron porcelain rubber "
        "fabric wool silk marble concrete brick bamboo cardboard metallic"
    ),
}
"""Adjectives by the kind of attribute that they are values of; kinds stand in their order before a noun."""
SHADES: Final = word_set("light dark bright pale deep")
"""Words that make a colour another one: `light blue`."""
RELATIVE: Final = VALUES["size"] - word_set("medium medium-sized")
"""Sizes that say something only beside something else."""
KIND_NOUNS: Final = word_set(
    "colour color size material texture state shape pattern age mood pose action expression style type brand weather"
)
"""Kinds of attributes that are nouns, as in `with a fluffy texture`."""
KIND_OF: Final = {value: kind for kind, values in VALUES.items() for value in sorted(values)}
RANKS: Final = {kind: rank for rank, kind in enumerate(VALUES)}

PREDICATES: Final = {
    **dict.fromkeys(
        ("to the left of", "left of", "on the left of", "to the left side of", "on the left side of"), "left of"
    ),
    **dict.fromkeys(
        ("to the right of", "right of", "on the right of", "to the right side of", "on the right side of"), "right of"
    ),
    **dict.fromkeys(("above", "over"), "above"),
    **dict.fromkeys(("below", "beneath"), "below"),
    **dict.fromkeys(("under", "underneath"), "under"),
    **dict.fromkeys(("on", "on top of", "upon", "atop"), "on"),
    **dict.fromkeys(("next to", "beside"), "next to"),
    **dict.fromkeys(("behind", "in back of"), "behind"),
    **dict.fromkeys(("in", "inside of"), "in"),
    "with": "has",
    **{name: name for name in ("in front of", "near", "close to", "far from", "inside", "outside of", "around")},
    **{name: name for name in ("against", "across from", "along", "at", "touching", "facing")},
}
"""Words between two things, and the predicates that they say."""
SPELLING: Final = {"left of": "to the left of", "right of": "to the right of"}
"""How predicates are written that are not written as they are."""
PLACING: Final = word_set("hovering floating placed located positioned situated")
"""Participles that say no more than that something is somewhere."""
POSTURES: Final = word_set("sitting standing lying sleeping running walking jumping flying swimming smiling")
"""Participles that are a state of their subject, beside where it is."""
VERBS: Final = {
    "holds": "hold", "has": "have", "wears": "wear", "rides": "ride", "eats": "eat", "chases": "chase",
    "carries": "carry", "watches": "watch", "faces": "face", "covers": "cover", "contains": "contain",
    "touches": "touch", "kicks": "kick", "throws": "throw", "catches": "catch", "pulls": "pull", "pushes": "push",
    "surrounds": "surround", "follows": "follow", "hugs": "hug", "drinks": "drink", "reads": "read",
}  # fmt: skip
"""Verbs in the third person that are predicates, and their plural."""
AFTER_PARTICIPLES: Final = ("on top of", "in front of", "next to", "on", "in", "at", "with", "from", "into", "through")
"""Words that may follow a participle in a predicate, as in `looking at`."""

PLACES: Final = word_set(
    "kitchen beach street park room forest field garden desert sky classroom office bathroom bedroom city farm meadow "
    "jungle mountain mountains ocean sea lake river playground library museum restaurant cafe garage backyard yard "
    "stadium market supermarket town village studio snow background"
)
"""Nouns that are where everything is, after `in`, `on` or `at`."""
MEDIA: Final = word_set(
    "photo photograph painting drawing sketch cartoon illustration render rendering watercolour watercolor picture "
    "image collage mosaic poster engraving etching print"
)
"""What a picture can be: `an oil painting of ...`."""
PLAIN_MEDIA: Final = ("a picture", "an image", "a scene")
"""Openings that say nothing about the style."""

NOT_NOUNS: Final = word_set(
    "a an the and or but nor not no none very is are was were be been being am do does did has have had will would "
    "could should that which who whom whose what where when while if then than so as of to from for by into "
    "onto through it them they he she him her its their this these those there here one two three four five six "
    "seven eight nine ten several many few some any every each all both either neither more most less least other "
    "another pair couple group dozen hundred thousand lot lots left right between among without within during above "
    "over below beneath under underneath on upon atop next beside behind in near inside outside around against "
    "across along with at touching facing side front back top bottom middle el la los las un una unos unas le les "
    "des du de del della di il lo gli der das den dem ein eine einen einem einer und oder auf unter neben ist "
    "sind y e et ou est sont sur sous dans avec con su sobre bajo junto ao da dos em na com um uma och en het "
    "een op naast med ett"
)
"""Words that are never a part of a label; some are of other languages, so that these are not taken for English."""
NOUNS: Final = word_set(
    "circle square triangle diamond cross star heart ring hexagon pentagon oval rectangle cube sphere ball cone "
    "cylinder pyramid arrow moon sun cloud rainbow lightning person man woman child boy girl baby lady gentleman "
    "king queen prince princess doctor nurse teacher student chef cook farmer soldier pirate astronaut clown police "
    "fire snow base foot basket volley tennis golf ice rain cat dog bird horse sheep cow elephant bear zebra "
    "giraffe lion tiger monkey rabbit mouse rat fox wolf deer duck goose hen chicken rooster turkey eagle owl "
    "parrot penguin swan frog snake turtle fish shark whale dolphin crab octopus butterfly bee ant spider snail "
    "kitten puppy pony pig goat camel panda koala kangaroo meerkat squirrel car bus truck train bicycle bike "
    "motorcycle airplane plane boat ship helicopter rocket van taxi tram tractor scooter skateboard surfboard wagon "
    "cart sled canoe yacht chair table bed sofa couch bench desk lamp shelf cabinet drawer wardrobe mirror clock "
    "door window wall floor roof rug carpet curtain pillow blanket vase plant flower tree bush grass leaf branch "
    "rock hill house building tower bridge castle church barn tent fence gate road sign light traffic parking meter "
    "hydrant cup mug glass bottle bowl plate fork knife spoon pan pot kettle teapot jar can box bag backpack "
    "suitcase handbag wallet umbrella hat cap helmet shirt coat jacket dress skirt shoe boot sock glove scarf tie "
    "belt watch necklace crown mask button coin key lock phone laptop computer keyboard screen television radio "
    "camera book newspaper letter envelope pen pencil brush scissors hammer saw axe screwdriver nail rope ladder "
    "bucket broom toothbrush soap towel candle lantern balloon kite doll toy teddy robot drum guitar piano violin "
    "trumpet flute bell apple banana orange pear lemon lime grape cherry strawberry peach pineapple melon "
    "watermelon tomato potato carrot onion pepper corn mushroom bread cake pie cookie donut pizza sandwich burger "
    "egg cheese milk water coffee tea wine beer juice soup salad rice pasta sausage hotdog candy chocolate butter "
    "sugar salt honey stone wood brick sand statue fountain flag trophy medal card domino puzzle chess board "
    "bat racket bow sword shield gun cannon wheel engine anchor barrel crate feather shell bone nest cage oven "
    "stove fridge refrigerator microwave toaster sink toilet bathtub shower fan heater vacuum tray stool cushion "
    "photo picture painting kitchen dining office school sports baseball football soccer volleyball basketball "
    "space air race rocking stop tv espresso "
    "galaxy mission patch name tag shuttle model"
)
"""Nouns that may stand before another noun in a label, as in `fire truck`."""
FIXED_LABELS: Final = frozenset(("hot dog", "teddy bear", "polar bear", "grand piano", "elliptical galaxy"))
"""Labels whose first word is no noun."""
