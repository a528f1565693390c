"""Sessions judged by rules over parsed instructions, boxes and states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from datagen.core.fields import Box
from datagen.core.stage import Runtime
from datagen.imaging.change_map import cached_pixel_map
from datagen.imaging.image import Image
from datagen.imaging.map_boxes import edit_parts, in_picture
from datagen.models.base import ModelConfig
from datagen.models.grammar import colours_of, contradicts, kind_of, may_be_same
from datagen.models.session_judges.base import JudgedRelation, RelationKind, SessionJudge, Turn, in_order
from datagen.models.session_judges.restored import is_restored
from datagen.models.session_judges.things import Thing, Things, covered


class RulesSessionJudgeConfig(ModelConfig):
    """Follows the things that instructions name, by name and place, from turn to turn."""

    kind: Literal["rules"] = "rules"

    def load(self, device: str, *, runtime: Runtime) -> SessionJudge:  # noqa: ARG002
        """The judge; it needs no device and no runtime."""
        return RulesSessionJudge()


class RulesSessionJudge:
    """Judges by names and boxes; what boxes do not tell, names decide."""

    async def judge(self, turns: Sequence[Turn], states: Sequence[Image], *, record: str) -> list[JudgedRelation]:  # noqa: ARG002
        """See `SessionJudge`."""
        return _Reading(turns, states).relations()

    async def close(self) -> None:
        """Nothing to close."""


Part = Mapping[str, Any]
_IN_BOX = 0.5
"""Least share of a place of a move that the box of the move covers."""
_POINTING = frozenset(("it", "them", "him", "her", "this", "that", "these", "those", "one"))


class _Reading:
    """One session, read turn by turn."""

    def __init__(self, turns: Sequence[Turn], states: Sequence[Image]) -> None:
        self.turns = turns
        self.states = states
        self.things = Things()
        self.found: list[JudgedRelation] = []

    def relations(self) -> list[JudgedRelation]:
        """The relations of all pairs."""
        for index, turn in enumerate(self.turns):
            self._relate_whole(index)
            boxes = self._places_of(turn)
            for part in turn["parts"]:
                self._relate_part(index, part, boxes)
            if is_geometric(turn):
                self.things.forget_places()
        return in_order(self.found)

    def _places_of(self, turn: Turn) -> list[Box]:
        """The boxes in which a turn edited one thing; of a move both of its places, if its pictures show two."""
        box = box_of(turn)
        if box is None:
            return []
        before, after = self.states[turn["before"]], self.states[turn["after"]]
        if any(part["op"] != "move" for part in turn["parts"]) or before.size != after.size:
            return [box]
        change_HW = cached_pixel_map.map(before.array, after.array)
        places = [in_picture(part.box, change_HW, before.size) for part in edit_parts(change_HW, places=2).own]
        inside = [place for place in places if covered(place, box) >= _IN_BOX]
        return inside if len(inside) > 1 else [box]

    def _note(self, first: int, turn: Turn, kind: RelationKind, reason: str) -> None:
        if first != turn["turn"]:
            self.found.append(JudgedRelation(first, turn["turn"], kind, reason))

    def _relate_whole(self, index: int) -> None:
        """What a turn's operation alone says about the turns before it."""
        turn = self.turns[index]
        if is_unknown(turn):
            self._note(0, turn, "unknown", "the instruction is not understood")
        for before in self.turns[:index]:
            number = before["turn"]
            if is_unknown(turn) or is_unknown(before):
                self._note(number, turn, "unknown", "one of the two instructions is not understood")
            elif is_standing(before) and (brings(turn) or is_standing(turn)):
                self._note(number, turn, "standing_order", "an earlier turn is an order for all later ones")
            elif is_standing(before) and not brings(before):
                continue
            elif (is_geometric(turn) or is_geometric(before)) and not is_standing(turn):
                self._relate_movement(before, turn)
            elif is_global(turn) and is_global(before) and not is_standing(turn) and self._restores(before, turn, None):
                self._note(number, turn, "undo", "the picture is again what it was before that turn")

    def _relate_movement(self, before: Turn, turn: Turn) -> None:
        """The relation of two turns of which one moves all that the picture shows."""
        if is_geometric(turn) and is_geometric(before) and self._restores(before, turn, None):
            self._note(before["turn"], turn, "undo", "the picture is again what it was before that turn")
        elif not (is_global(turn) and is_global(before)) or (is_geometric(turn) and is_geometric(before)):
            self._note(before["turn"], turn, "order", "a global edit moves what the other turn is about")

    def _relate_part(self, index: int, part: Part, boxes: Sequence[Box]) -> None:
        turn, number = self.turns[index], self.turns[index]["turn"]
        if part["op"] in ("unknown", "global"):
            return
        if part["op"] == "undo":
            self._undo(index, part, boxes)
            return
        self._relate_places(turn, part, boxes)
        thing = self._added(turn, part, boxes) if part["op"] == "add" else self._edited(turn, part, boxes)
        if number not in thing.turns:
            thing.turns.append(number)
        thing.boxes += [box for box in boxes if box not in thing.boxes]
        self.things.last = thing

    def _relate_places(self, turn: Turn, part: Part, boxes: Sequence[Box]) -> None:
        """Relations to what the names in a phrase of place stand for."""
        for name in part["refers_to"]:
            pointing = name.lower() in _POINTING
            thing = (
                self.things.last
                if pointing
                else self.things.relied_on(name, holds=boxes if part["op"] == "add" else ())
            )
            if pointing:
                self._dangle(turn, thing, name)
            if thing:
                for first in _reasons_for(thing, name, pointing=pointing):
                    self._note(first, turn, "needs_result", f"its place is what that turn brought: {thing.name}")

    def _dangle(self, turn: Turn, thing: Thing | None, word: str) -> None:
        before = [number for number in thing.turns if number < turn["turn"]] if thing else []
        reason = f"'{word}' means what that turn names" if before else f"no earlier turn says what '{word}' means"
        if not thing or not thing.turns or before:
            self._note(max(before, default=0), turn, "dangling", reason)

    def _added(self, turn: Turn, part: Part, boxes: Sequence[Box]) -> Thing:
        """The thing that a turn adds, related to others of its kind."""
        number, name = turn["turn"], part["object"]
        other = self.things.of_kind(name) if name else self.things.last
        if "another" in part["cues"]:
            if other and other.turns and max(other.turns) < number:
                self._note(max(other.turns), turn, "dangling", "it is another of what that turn names")
            elif not name:
                self._dangle(turn, None, "another")
            name = name or (other.name if other else "")
        elif gone := self.things.removed(name, boxes):
            self._note(gone.gone, turn, "undo", f"{gone.name} is there again")
            self._touch(gone, turn, except_for=gone.gone)
        elif other and not other.gone and part["count"] == 1 and other.number == 1 and _agree(other, name, boxes):
            self._touch(other, turn)
        thing = self.things.add(name, boxes=boxes, turn=number, number=part["count"])
        thing.brought.append(number)
        return thing

    def _touch(self, thing: Thing, turn: Turn, *, except_for: int = 0) -> None:
        for first in thing.turns:
            if first != except_for:
                self._note(first, turn, "same_object", f"both are about {thing.name or 'one thing'}")

    def _edited(self, turn: Turn, part: Part, boxes: Sequence[Box]) -> Thing:
        """The thing that a turn removes, replaces, changes or moves, related to the turns that edited it before."""
        number, name = turn["turn"], part["object"]
        pointing = "pronoun" in part["cues"] and not name
        thing = self.things.pointed_at(boxes) if pointing else self.things.find(name, boxes)
        if "one_of" in part["cues"]:
            thing = self._one_of(turn, name, thing, boxes)
        elif pointing or (not name and not part["renamed_to"]):
            self._dangle(turn, thing, "it")
        if thing is None:
            thing = self.things.add(name, boxes=boxes, turn=0)
        for first in thing.turns:
            self._relate_edits(thing, first, turn, part)
        self._rename(thing, part, number)
        return thing

    def _one_of(self, turn: Turn, name: str, thing: Thing | None, boxes: Sequence[Box]) -> Thing | None:
        """None, as one of several is a thing of its own; it needs the turn that brought them all."""
        several = self.things.last
        if name:
            several = self.things.several(name, boxes) or thing or self.things.relied_on(name)
        else:
            self._dangle(turn, several, "one of them")
        for first in several.brought if several else ():
            self._note(first, turn, "count_of", f"it is one of what that turn brought: {name or 'them'}")
        return None

    def _relate_edits(self, thing: Thing, first: int, turn: Turn, part: Part) -> None:
        before = next(each for each in self.turns if each["turn"] == first)
        # What a removal leaves may look like what was there before, but it takes nothing but an addition back.
        restores = part["op"] != "remove" and self._restores(before, turn, box_of(before))
        if restores or is_inverse(before, part, thing):
            self._note(first, turn, "undo", f"{thing.name or 'the thing'} is again what it was before that turn")
        else:
            self._note(first, turn, "same_object", f"both are about {thing.name or 'one thing'}")

    def _rename(self, thing: Thing, part: Part, number: int) -> None:
        if part["op"] == "remove":
            thing.gone = number
        if part["op"] in ("replace", "move"):
            thing.brought.append(number)
        if renamed := part["renamed_to"]:
            if part["op"] == "change" and not part["object"] and thing.name:
                renamed = f"{renamed} {kind_of(thing.name)}" if kind_of(thing.name) not in renamed else renamed
            thing.names.append(renamed)
            thing.named.append((number, renamed))

    def _undo(self, index: int, part: Part, boxes: Sequence[Box]) -> None:
        """The turn that an undo takes back: one whose state comes back, or that edited the thing, or the last one."""
        turn = self.turns[index]
        earlier = self.turns[:index]
        named = self.things.removed(part["object"], boxes) or self.things.find(part["object"], boxes)
        restored = [each["turn"] for each in earlier if self._restores(each, turn, box_of(each))]
        of_thing = [*named.turns] if named and part["object"] else []
        if not earlier:
            self._note(0, turn, "dangling", "there is no earlier turn to undo")
            return
        first = max(restored or of_thing or [earlier[-1]["turn"]])
        self._note(first, turn, "undo", "it takes that turn back")
        self._note(first, turn, "dangling", "it takes that turn back, which has to be known")
        for thing in self.things.all:
            if first in thing.turns:
                self._touch(thing, turn, except_for=first)
                thing.turns.append(turn["turn"])
                thing.gone = turn["turn"] if first in thing.brought and thing.turns[0] == first else 0

    def _restores(self, before: Turn, turn: Turn, box: Box | None) -> bool:
        if box is None and not is_global(before) and turn["op"] != "undo":
            return False
        earlier, later = ((each["before"], each["after"]) for each in (before, turn))
        return is_restored(self.states, earlier=earlier, later=later, box=box)


def _agree(thing: Thing, name: str, boxes: Sequence[Box]) -> bool:
    """Whether a thing may be what a name in boxes means."""
    return bool(boxes and thing.boxes) and not contradicts(thing.name, name) and thing.may_lie_in(boxes)


def _reasons_for(thing: Thing, name: str, *, pointing: bool) -> list[int]:
    """The turns without which a phrase of place would not find its thing: that brought it, or gave it that name."""
    renamed = [
        number
        for (_, was), (number, becomes) in zip(thing.named, thing.named[1:], strict=False)
        if not pointing and may_be_same(name, becomes)
        # "the blue ball" finds nothing before the turn that makes the ball blue
        if not may_be_same(name, was) or (colours_of(name) and not colours_of(was))
    ]
    return list(dict.fromkeys([*thing.brought, *renamed]))


def is_inverse(before: Turn, part: Part, thing: Thing) -> bool:
    """Whether a part takes back what an earlier turn did to a thing, by their operations and names."""
    for earlier in before["parts"]:
        operations = (earlier["op"], part["op"])
        if operations in (("add", "remove"), ("remove", "add")):
            return True
        was, becomes = earlier["object"], part["renamed_to"]
        if operations == ("replace", "replace") and becomes and may_be_same(was, becomes):
            return True
        if operations == ("change", "change") and earlier["renamed_to"] and becomes:
            kind = kind_of(thing.name)
            back = becomes if kind in becomes else f"{becomes} {kind}"
            return contradicts(was, earlier["renamed_to"]) and not contradicts(was, back)
    return False


def box_of(turn: Turn) -> Box | None:
    """Where a turn edited one thing; None if that is unknown, or if it edited several."""
    names = {part["object"] for part in turn["parts"]}
    if len(names) > 1 or is_global(turn) or not turn.get("box"):
        return None
    x0, y0, x1, y1 = turn["box"]
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def is_unknown(turn: Turn) -> bool:
    """Whether an instruction was not understood."""
    return any(part["op"] == "unknown" for part in turn["parts"])


def brings(turn: Turn) -> bool:
    """Whether a turn puts something new into the picture."""
    return any(part["op"] in ("add", "replace") for part in turn["parts"])


def is_standing(turn: Turn) -> bool:
    """Whether a turn is an order for later turns."""
    return any("standing" in part["cues"] for part in turn["parts"])


def is_global(turn: Turn) -> bool:
    """Whether a turn changes the picture as a whole."""
    return all(part["op"] == "global" for part in turn["parts"])


def is_geometric(turn: Turn) -> bool:
    """Whether a turn moves all that the picture shows."""
    return any("geometric" in part["cues"] for part in turn["parts"])
