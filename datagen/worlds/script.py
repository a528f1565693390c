"""Writes the turns of a session: what is edited, by which words, and what the words rely on.

Each session has a plot: a few featured turns, such as an addition and its undo, between plain ones. Plots go through
all kinds of conflict, and through what only looks like one. What conflicts is not taken from the plot, but found from
what the turns did (`conflicts`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from datagen.core.draws import Draws
from datagen.worlds.colours import COLOURS, TONES
from datagen.worlds.conflicts import TurnFacts
from datagen.worlds.layout import cell_of, fit_cell, free_cells, is_alone, place_in_cell, place_on
from datagen.worlds.pool import Pool
from datagen.worlds.scene import Scene, SceneObject
from datagen.worlds.specification import OPERATIONS, Operation, WorldSpecification
from datagen.worlds.wording import NUMBERS, PLACES, SessionWording, plural, sentences, slots_of, with_article

PLOTS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "same_object": (("touch",), ("touch_again",)),
    "undo": (("plain", "undo"),),
    "undo_by_name": (("add",), ("remove_subject",)),
    "needs_result": (("add",), ("add_on_subject",)),
    "another": (("add", "add_another"),),
    "pronoun": (("add_or_touch", "use_pronoun"),),
    "no_antecedent": (("use_pronoun",),),
    "standing_order": (("give_order",), ("add",), ("add",)),
    "flip_then_place": (("flip",), ("add_at_side",)),
    "place_then_flip": (("add_at_side",), ("flip",)),
    "count": (("add_two",), ("change_one_of_two",)),
    "same_noun": (("add",), ("add_same_noun",)),
    "global_colour": (("change_tone",), ("recolour",)),
    "old_anchor": (("touch",), ("add_on_old",)),
    "plain": (),
}
"""Featured turns by plot: turns of one group follow each other, plain ones may lie between groups.

In those from `same_noun` on nothing conflicts, unless the plain turns of a long session run out of objects. Of
`another` only a window that starts with the second featured turn does."""
FROM_THE_START: Final = ("no_antecedent",)
"""Plots whose first featured turn is the session's first."""
_TOUCHES: Final[tuple[Operation, ...]] = ("recolour", "move", "replace")
_NEEDS: Final[Mapping[str, frozenset[Operation]]] = {
    "remove_subject": frozenset({"remove"}),
    "recolour": frozenset({"recolour"}),
    "change_tone": frozenset({"global"}),
    "flip": frozenset({"global"}),
    "touch": frozenset(_TOUCHES),
    "touch_again": frozenset({*_TOUCHES, "remove"}),
    "add_or_touch": frozenset({"add", *_TOUCHES}),
    "change_one_of_two": frozenset({"recolour", "remove"}),
    "use_pronoun": frozenset({"recolour", "remove"}),
    "plain": frozenset(OPERATIONS),
    "undo": frozenset(OPERATIONS),
}
"""By featured turn, the operations of which it needs one. A turn that is not here needs `add`."""


@dataclass(frozen=True)
class Turn:
    """One turn: what it did, its words, and the names in them."""

    facts: TurnFacts
    op: str
    """add, remove, replace, change, move, global or undo."""
    text: str
    label: str = ""
    """What kind of thing its object is, by its plain name; '' for the whole picture."""
    attributes: tuple[str, ...] = ()
    """What its object is like before the turn, of an addition after it."""
    object: str = ""
    """Its object in the instruction's words, without an article."""
    renamed_to: str = ""
    """What a replacement puts in the object's stead, in the instruction's words."""
    count: int = 1
    """Number of objects that it is about."""


def plots_of(operations: Sequence[Operation]) -> list[str]:
    """The plots that need no other operations than these."""

    def fits(turn: str) -> bool:
        return not _NEEDS.get(turn, frozenset({"add"})).isdisjoint(operations)

    return [plot for plot, groups in PLOTS.items() if all(fits(turn) for group in groups for turn in group)]


def is_held_out(label: str, colour: str) -> bool:
    """Whether a colour of a shape is among the sixth that `names: common` never shows."""
    return bool(colour) and zlib.crc32(f"{colour} {label}".encode()) % 6 == 0


def order_turns(plot: str, *, turns: int, draws: Draws) -> list[str]:
    """The names of a session's turns: the plot's, and plain ones at random before, between and after its groups.

    A plot with more turns than the session gives a plain session.
    """
    groups = PLOTS[plot] if sum(map(len, PLOTS[plot])) <= turns else ()
    plain = [0] * (len(groups) + 1)
    earliest = 1 if plot in FROM_THE_START and groups else 0
    for _ in range(turns - sum(map(len, groups))):
        plain[earliest + draws.below(len(plain) - earliest)] += 1
    order = ["plain"] * plain[0]
    for group, number in zip(groups, plain[1:], strict=True):
        order += [*group, *["plain"] * number]
    return order


class Script:
    """Writes one session, turn by turn, from a scene; `turns` has what was written."""

    def __init__(
        self, scene: Scene, specification: WorldSpecification, *, pool: Pool, wording: SessionWording, draws: Draws
    ) -> None:
        self.turns: list[Turn] = []
        self._scene, self._specification = scene, specification
        self._pool, self._wording, self._draws = pool, wording, draws
        # On a picture without colours greyscale would change a few objects alone, and that is no global change.
        self._tones = [name for name in TONES if name != "greyscale" or not specification.background.grey]
        self._last_id = max((thing.id for thing in scene.objects), default=0)
        self._touched: set[int] = set()
        self._names = {(thing.label, thing.colour) for thing in scene.objects}
        """Every name that an object ever had: none is given twice, but by `add_another` and `add_two`."""
        self._subject = 0
        """Number of the object that the last featured turn brought or changed; 0 for none."""
        self._pair: tuple[int, ...] = ()
        """Numbers of the objects that `add_two` brought."""
        self._pair_turn = 0
        self._order: tuple[str, int] | None = None
        """The colour of a standing order, and its turn."""
        self._plain_turns: dict[str, Callable[[], bool]] = {
            "add": self._add,
            "remove": lambda: self._remove(self._choose_old()),
            "replace": lambda: self._replace(self._choose_old()),
            "recolour": lambda: self._recolour(self._choose_old()),
            "move": lambda: self._move(self._choose_old()),
            "global": self._change_tone,
        }
        self._featured_turns: dict[str, Callable[[], bool]] = {
            "plain": lambda: False,
            "touch": lambda: self._one_of(_TOUCHES),
            "add_or_touch": lambda: self._one_of(("add", "add", "add", *_TOUCHES)),
            "touch_again": self._touch_again,
            "remove_subject": lambda: self._remove(self._described(self._subject)),
            "undo": self._undo,
            "add_on_subject": lambda: self._add_on(self._described(self._subject)),
            "add_on_old": lambda: self._add_on(self._choose_old()),
            "add_another": self._add_another,
            "add_same_noun": self._add_same_noun,
            "use_pronoun": self._use_pronoun,
            "give_order": self._give_order,
            "flip": lambda: self._write("global", "global.flip", {}, after=self._scene.flip()),
            "add_at_side": self._add_at_side,
            "add_two": self._add_two,
            "change_one_of_two": self._change_one_of_two,
            "change_tone": self._change_tone,
        }

    def write(self, name: str) -> None:
        """Write the turn of a name in `PLOTS`, or, where the scene allows none, a plain one."""
        featured = self._featured_turns.get(name) or self._plain_turns[name]
        if not featured():
            self._write_plain()
        touched = self.turns[-1].facts.touched
        if name != "plain" and touched:
            self._subject = touched[0]

    def _write_plain(self) -> None:
        wanted = self._specification.operations
        # What is not wanted comes last, and only where the scene allows nothing else.
        for name in sorted(self._draws.shuffle(list(self._plain_turns)), key=lambda name: name not in wanted):
            if self._plain_turns[name]():
                return
        raise AssertionError("the tone of a picture can always be changed")

    def _one_of(self, names: Sequence[str]) -> bool:
        wanted = [name for name in names if name in self._specification.operations]
        return self._plain_turns[self._draws.choose(wanted)]()

    # Turns: each returns whether the scene allows it, and writes it if so

    def _add(self) -> bool:
        thing = self._new_object(self._new_name(), free_cells(self._scene))
        return thing is not None and self._add_thing(thing, "add")

    def _add_at_side(self) -> bool:
        sides = [cell for cell in free_cells(self._scene) if "left" in PLACES[cell] or "right" in PLACES[cell]]
        thing = self._new_object(self._new_name(), sides)
        return thing is not None and self._add_thing(thing, "add", having=("place",))

    def _add_same_noun(self) -> bool:
        subject = self._scene.get(self._subject)
        name = self._new_name(label=subject.label) if subject else None
        thing = self._new_object(name, free_cells(self._scene))
        return thing is not None and self._add_thing(thing, "add")

    def _add_another(self) -> bool:
        subject = self._scene.get(self._subject)
        if subject is None:
            return False
        thing = self._new_object((subject.label, subject.colour), free_cells(self._scene))
        return thing is not None and self._add_thing(thing, "again", follows=len(self.turns))

    def _add_on(self, anchor: SceneObject | None) -> bool:
        if anchor is None or not is_alone(anchor, self._scene):
            return False
        thing = self._new_object(self._new_name(), [cell_of(anchor, self._scene.size)])
        if thing is None:
            return False
        small = replace(thing, width=max(4, anchor.width // 2), height=max(4, anchor.height // 2))
        x, y = place_on(anchor, item=(small.width, small.height))
        return self._add_thing(replace(small, x=x, y=y, shadow=0), "add_on", anchor=anchor)

    def _add_two(self) -> bool:
        first = self._new_object(self._new_name(), free_cells(self._scene))
        if first is None:
            return False
        cells = free_cells(self._scene.add(first))
        second = self._new_object((first.label, first.colour), cells)
        if second is None:
            return False
        words = f"{NUMBERS[2]} {plural(self._words(first))}"
        self._pair, self._pair_turn = (first.id, second.id), len(self.turns) + 1
        after = self._scene.add(first).add(second)
        facts = {"touched": self._pair}
        return self._write("add", "add", {"a_object": words}, after=after, facts=facts, of=first, words=words, count=2)

    def _change_one_of_two(self) -> bool:
        present = [thing for id in self._pair if (thing := self._scene.get(id))]
        if len(present) < 2:
            return False
        thing = self._draws.choose(present)
        facts = {"touched": (thing.id,), "counts": self._pair_turn}
        words = self._words(thing)
        values = {"number": NUMBERS[2], "objects": plural(words)}
        colour = self._new_colour(thing.label)
        if colour and self._prefers("recolour", "remove", chance=0.5):
            after = self._scene.recolour(thing.id, colour=colour)
            values["colour"] = self._wording.colour(colour, draws=self._draws)
            return self._write("change", "one_of_recolour", values, after=after, facts=facts, of=thing, words=words)
        after = self._scene.remove(thing.id)
        return self._write("remove", "one_of_remove", values, after=after, facts=facts, of=thing, words=words)

    def _remove(self, thing: SceneObject | None) -> bool:
        if thing is None:
            return False
        return self._change("remove", "remove", thing, after=self._scene.remove(thing.id))

    def _replace(self, thing: SceneObject | None) -> bool:
        if thing is None or self._order:  # is what replaces something "added"? a standing order leaves that open
            return False
        new = self._new_object(self._new_name(), [cell_of(thing, self._scene.size)])
        if new is None:
            return False
        words = self._words(new)
        after = self._scene.replace(thing.id, thing=new)
        values = {"a_new": with_article(words)}
        return self._change("replace", "replace", thing, after=after, values=values, renamed_to=words)

    def _recolour(self, thing: SceneObject | None) -> bool:
        colour = self._new_colour(thing.label) if thing else None
        if thing is None or colour is None:
            return False
        after = self._scene.recolour(thing.id, colour=colour)
        values = {"colour": self._wording.colour(colour, draws=self._draws)}
        return self._change("change", "recolour", thing, after=after, values=values)

    def _move(self, thing: SceneObject | None) -> bool:
        cells = free_cells(self._scene)
        if thing is None or not cells:
            return False
        cell = self._draws.choose(cells)
        item = thing.width, thing.height
        x, y = place_in_cell(cell, item=item, size=self._scene.size, draws=self._draws)
        after = self._scene.move(thing.id, x=x, y=y)
        values = {"place": self._wording.place(PLACES[cell], draws=self._draws)}
        return self._change("move", "move", thing, after=after, values=values, place=PLACES[cell])

    def _touch_again(self) -> bool:
        thing = self._described(self._subject)
        turns = {"recolour": self._recolour, "move": self._move, "replace": self._replace, "remove": self._remove}
        wanted = [turn for name, turn in turns.items() if name in self._specification.operations]
        return self._draws.choose(wanted)(thing)

    def _change_tone(self) -> bool:
        before = self._scene.background.tones
        # Twice the same tone might change nothing.
        fits = [
            tone for tone in self._tones if tone not in before[-1:] and not (tone == "greyscale" and tone in before)
        ]
        name = self._draws.choose(fits)
        return self._write("global", f"global.{name}", {}, after=self._scene.change_tone(name))

    def _undo(self) -> bool:
        if not self.turns:
            return False
        last, number = self.turns[-1], len(self.turns)
        facts = {"touched": last.facts.touched, "undoes": number, "follows": number}
        self._write("undo", "undo", {}, after=last.facts.before, facts=facts)
        self.turns[-1] = replace(
            self.turns[-1], label=last.label, attributes=last.attributes, object=last.object, count=last.count
        )
        return True

    def _use_pronoun(self) -> bool:
        """Say `it` of the object of the turn before; of one that nobody named, if there is none."""
        touched = self.turns[-1].facts.touched if self.turns else (self._draws.choose(self._scene.objects).id,)
        thing = self._scene.get(touched[0]) if touched else None
        if thing is None:
            return False
        facts = {"touched": (thing.id,), "follows": len(self.turns)}
        colour = self._new_colour(thing.label)
        if colour and self._prefers("recolour", "remove", chance=0.6):
            values = {"colour": self._wording.colour(colour, draws=self._draws)}
            after = self._scene.recolour(thing.id, colour=colour)
            return self._write("change", "pronoun_recolour", values, after=after, facts=facts, of=thing, words="it")
        after = self._scene.remove(thing.id)
        return self._write("remove", "pronoun_remove", {}, after=after, facts=facts, of=thing, words="it")

    def _give_order(self) -> bool:
        colour = self._draws.choose(list(COLOURS))
        thing = self._new_object(self._new_name(colour=colour), free_cells(self._scene))
        if thing is None or not self._add_thing(thing, "add"):
            return False
        self._order = colour, len(self.turns)
        template = self._wording.choose("standing_order", draws=self._draws, slots=("colour",)) or ""
        order = template.format(colour=self._wording.colour(colour, draws=self._draws))
        self.turns[-1] = replace(self.turns[-1], text=sentences(self.turns[-1].text, order))
        return True

    # What turns are made of

    def _prefers(self, one: Operation, other: Operation, *, chance: float) -> bool:
        """Whether the one operation is to be done instead of the other, by chance where both are wanted."""
        drawn = self._draws.happens(chance)
        wanted = self._specification.operations
        return drawn if one in wanted and other in wanted else one in wanted

    def _may_be(self, label: str, colour: str) -> bool:
        """Whether edits may bring about a colour of a thing."""
        names = self._specification.names
        return names == "any" or is_held_out(label, colour) == (names == "held_out")

    def _add_thing(
        self,
        thing: SceneObject,
        section: str,
        *,
        having: Sequence[str] = (),
        anchor: SceneObject | None = None,
        follows: int | None = None,
    ) -> bool:
        """An addition, in the words of a section. Under a standing order its words leave the colour out."""
        obeys = self._order is not None and section == "add"
        words = self._noun(thing) if obeys else self._words(thing)
        place = PLACES[cell_of(thing, self._scene.size)]
        values = {"a_object": with_article(words), "noun": self._noun(thing), "object": words}
        if anchor is not None:
            values["anchor"] = self._words(anchor)
        else:
            values["place"] = self._wording.place(place, draws=self._draws)
        facts = {
            "touched": (thing.id,),
            "anchor": anchor.id if anchor else 0,
            "follows": follows,
            "ordered_by": self._order[1] if self._order and obeys else 0,
        }
        after = self._scene.add(thing)
        return self._write(
            "add", section, values, after=after, facts=facts, of=thing, words=words, place=place, having=having
        )

    def _change(
        self,
        op: str,
        section: str,
        thing: SceneObject,
        *,
        after: Scene,
        values: Mapping[str, str] | None = None,
        place: str = "",
        renamed_to: str = "",
    ) -> bool:
        """A change of an object that the words name."""
        words = self._words(thing)
        named = {**(values or {}), "object": words}
        if sum(other.label == thing.label for other in self._scene.objects) == 1:
            named["noun"] = self._noun(thing)
        facts = {"touched": (thing.id,)}
        return self._write(
            op, section, named, after=after, facts=facts, of=thing, words=words, place=place, renamed_to=renamed_to
        )

    def _write(
        self,
        op: str,
        section: str,
        values: Mapping[str, str],
        *,
        after: Scene,
        facts: Mapping[str, Any] | None = None,
        of: SceneObject | None = None,
        words: str = "",
        place: str = "",
        renamed_to: str = "",
        count: int = 1,
        having: Sequence[str] = (),
    ) -> bool:
        template = self._wording.choose(section, draws=self._draws, slots=values, having=having)
        if template is None:
            return False
        slots = slots_of(template)
        known = TurnFacts(self._scene, after, place=place if "place" in slots else "", **(facts or {}))
        if "noun" in slots and "object" not in slots and of is not None:
            words = values["noun"]
        if section == "again" and not slots & {"noun", "object"}:
            words = "it"  # "Do that once more": a pronoun, which stands for no name
        self.turns.append(
            Turn(
                known,
                op,
                template.format(**values),
                label=of.label if of else "",
                attributes=of.attributes if of else (),
                object=words,
                renamed_to=renamed_to,
                count=count,
            )
        )
        self._scene = after
        self._touched.update(known.touched)
        self._names |= {(thing.label, thing.colour) for thing in after.objects}
        return True

    def _choose_old(self) -> SceneObject | None:
        """An object that no turn has changed, and that a name tells from all others; None if there is none."""
        known = [thing for thing in self._scene.objects if thing.id not in self._touched]
        fits = [thing for thing in known if self._described(thing.id) and is_alone(thing, self._scene)]
        return self._draws.choose(fits) if fits else None

    def _described(self, id: int) -> SceneObject | None:
        """The object with a number, if it is there and its name tells it from all others."""
        thing = self._scene.get(id)
        if thing is None:
            return None
        others = [other for other in self._scene.objects if other.id != id and other.label == thing.label]
        # One that is called by its noun alone has to be the only one of its kind.
        clear = not any(other.colour == thing.colour or not thing.colour for other in others)
        return thing if clear else None

    def _new_name(self, *, label: str = "", colour: str = "") -> tuple[str, str] | None:
        """A label and a colour that no object has had yet; None if there is none."""
        labels = [label] if label else list(self._pool.labels)
        wanted = self._order[0] if self._order else colour
        colours = [wanted] if wanted else list(dict.fromkeys(self._pool.colours))
        every = ((kind, hue) for kind in labels for hue in colours)
        names = [name for name in every if name not in self._names and self._may_be(*name)]
        present = {thing.label for thing in self._scene.objects}
        # A thing in its own colours is called by its noun alone.
        names = [name for name in names if name[1] or name[0] not in present]
        if not names:
            return None
        plain = [name for name in names if not name[1]]
        return self._draws.choose(plain if plain and self._draws.happens(0.5) else names)

    def _new_colour(self, label: str) -> str | None:
        colours = [hue for hue in COLOURS if (label, hue) not in self._names and self._may_be(label, hue)]
        return self._draws.choose(colours) if colours else None

    def _new_object(self, name: tuple[str, str] | None, cells: Sequence[int]) -> SceneObject | None:
        """An object of a name in one of the cells; None if there is no name or no cell."""
        if name is None or not cells:
            return None
        self._last_id += 1
        return draw_object(
            name,
            id=self._last_id,
            cell=self._draws.choose(cells),
            size=self._scene.size,
            pool=self._pool,
            draws=self._draws,
            shadow=self._specification.shadow,
        )

    def _words(self, thing: SceneObject) -> str:
        """A name that tells it from others, such as `red star`."""
        colour = self._wording.colour(thing.colour, draws=self._draws) if thing.colour else ""
        return f"{colour} {self._noun(thing)}".strip()

    def _noun(self, thing: SceneObject) -> str:
        return self._wording.noun(thing.label, draws=self._draws)


def draw_object(
    name: tuple[str, str], *, id: int, cell: int, size: tuple[int, int], pool: Pool, draws: Draws, shadow: float
) -> SceneObject:
    """An object of a label and a colour, at random in a cell of a frame of `size` (width, height)."""
    look = draws.choose(pool.looks[name[0]])
    item = fit_cell(look, size=size, draws=draws)
    x, y = place_in_cell(cell, item=item, size=size, draws=draws)
    return SceneObject(id, look, x, y, *item, colour=name[1], seed=draws.below(1 << 32), shadow=shadow)
