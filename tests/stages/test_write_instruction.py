"""WriteInstruction: from a record's boxes to its instruction, relations, edits and inputs."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import numpy as np

from datagen import Answer
from datagen.core.record import Record
from datagen.imaging.image import Image
from stages.write_instruction import WriteInstruction

SPOON = (10.0, 40.0, 40.0, 60.0)


def instance(label: str, box: tuple[float, ...], *attributes: str) -> dict[str, Any]:
    return {"label": label, "box": list(box), "mask": "", "attributes": list(attributes)}


def record(id: str = "a", *instances: dict[str, Any]) -> Record:
    fields = {"target": Image.of(np.zeros((90, 120, 3), np.uint8)), "subject": "teaspoon", "box": SPOON}
    some = instances or (instance("teaspoon", SPOON, "silver"), instance("cup", (60, 30, 100, 70)))
    return Record(id, {**fields, "attributes": ["silver"], "instances": list(some)})


def stage(seed: int = 0) -> WriteInstruction:
    made = WriteInstruction(WriteInstruction.Config(), seed=seed)
    made.setup("cpu")
    return made


def answers_of(made: WriteInstruction, records: list[Record]) -> list[Answer]:
    async def together() -> list[Answer]:
        return await asyncio.gather(*(made.process_one(one) for one in records))

    return asyncio.run(together())


def test_it_writes_every_field_it_promises() -> None:
    (answer,) = answers_of(stage(), [record()])
    assert isinstance(answer, dict)
    assert set(answer) == set(WriteInstruction.writes)
    assert answer["instruction"].startswith("Add <imagehere> to the ")
    assert answer["task"] == "subject_add"
    assert answer["edits"] == [
        {
            "instruction": answer["text"],
            "op": "add",
            "object": "teaspoon",
            "box": list(SPOON),
            "mask": "mask_0.png",
            "candidates": [],
        }
    ]
    assert [(i["member"], i["role"], i["label"]) for i in answer["inputs"]] == [
        ("ref_0", "reference", "teaspoon"),
        ("source", "source", ""),
    ]


def test_relations_are_plain_rows() -> None:
    (answer,) = answers_of(stage(), [record()])
    assert isinstance(answer, dict)
    assert answer["relations"]
    names = {"subject", "predicate", "object", "subject_id", "object_id"}
    assert all(set(row) == names for row in answer["relations"])
    assert all(row["object"] == "cup" for row in answer["relations"])


def test_the_subject_itself_is_no_neighbour_but_a_second_of_its_kind_is() -> None:
    alone = [record(str(i), instance("teaspoon", SPOON)) for i in range(30)]
    assert all(not answer["relations"] for answer in answers_of(stage(), alone))  # type: ignore[call-overload]
    two = [record(str(i), instance("teaspoon", SPOON), instance("teaspoon", (60, 40, 90, 60))) for i in range(30)]
    assert all(answer["relations"] for answer in answers_of(stage(), two))  # type: ignore[call-overload]


def test_a_subject_that_is_not_among_the_instances_keeps_all_neighbours() -> None:
    (answer,) = answers_of(stage(), [record("a", instance("cup", (60, 30, 100, 70)))])
    assert isinstance(answer, dict)
    assert answer["relations"]


def test_batches_and_reruns_do_not_change_the_answer() -> None:
    some = [record(str(i)) for i in range(8)]
    together = answers_of(stage(), some)
    assert together == [answers_of(stage(), [one])[0] for one in some]
    assert together != answers_of(stage(seed=1), some)
    assert len({answer["instruction"] for answer in together}) > 4  # type: ignore[call-overload]


def test_the_record_is_left_as_it_was() -> None:
    given = record()
    before = {name: repr(value) for name, value in given.items()}
    answers_of(stage(), [given])
    assert before == {name: repr(value) for name, value in given.items()}


def test_relations_name_instances_by_their_places() -> None:
    """Of two things with one label, and with the subject anywhere among them."""
    cups = [instance("cup", (60, 40, 90, 60)), instance("cup", (100, 5, 118, 20)), instance("cup", (5, 60, 25, 85))]
    for place in range(4):
        some = [*cups[:place], instance("teaspoon", SPOON), *cups[place:]]
        answers = answers_of(stage(), [record(str(i), *some) for i in range(20)])
        rows = [row for answer in answers for row in answer["relations"]]  # type: ignore[call-overload, index]
        named = {row["object_id"] for row in rows}
        assert {row["subject_id"] for row in rows} == {place}
        assert len(named) > 1
        assert all(some[number]["label"] == "cup" for number in named)


def masked(some: Record, *, box: tuple[int, int, int, int]) -> Record:
    """The record with a mask for the subject that fills this box."""
    mask = np.zeros((90, 120), np.bool_)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return Record(some.id, {**dict(some.items()), "mask": mask})


def outlined(instance_row: dict[str, Any], *corners: tuple[float, float]) -> dict[str, Any]:
    """The annotated object of an instance, with one outline."""
    return {**instance_row, "polygons": [list(corners)] if corners else [], "mask": None}


def test_sizes_and_places_and_the_edit_are_those_of_the_mask() -> None:
    """The box says half of the frame, the mask says its top left corner."""
    loose = instance("teaspoon", (0, 0, 60, 90))
    some = [
        masked(Record(str(i), {**dict(record("a", loose).items()), "box": (0, 0, 60, 90)}), box=(6, 4, 16, 12))
        for i in range(30)
    ]
    for answer in answers_of(stage(), some):
        assert isinstance(answer, dict)
        assert answer["edits"][0]["box"] == [6, 4, 16, 12]
        assert "nearly all" not in answer["text"]
        assert re.match(r"Add <imagehere> to the (top|upper|left) ", answer["instruction"])


def test_neighbours_are_where_their_outlines_are() -> None:
    """By boxes the cup is beside the spoon; its outline fills only what lies below."""
    cup = instance("cup", (60, 30, 100, 90))
    spoon = instance("teaspoon", (60, 5, 100, 25))
    shape = outlined(cup, (60, 70), (100, 70), (100, 90), (60, 90))
    for place in (0, 1):
        rows, things = [cup, spoon], [shape, outlined(spoon)]
        fields = {"box": (60.0, 5.0, 100.0, 25.0), "objects": things[:: 1 - 2 * place]}
        plain = record("a", *rows[:: 1 - 2 * place])
        for name in ("objects", "found_objects"):
            given = {**dict(plain.items()), "box": fields["box"], name: fields["objects"]}
            answers = answers_of(stage(), [Record(str(i), given) for i in range(40)])
            texts = " ".join(answer["text"] for answer in answers)  # type: ignore[call-overload, index]
            assert "well above" in texts
            assert "just above" not in texts
