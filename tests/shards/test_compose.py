from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from making import AUDIO_FIELDS, composed, mask, picture, record
from PIL import Image as Pillow

from datagen.core.errors import DataError
from datagen.core.fields import Field
from datagen.core.record import Record
from datagen.imaging.image import Image
from datagen.shards.info import SampleInfo
from datagen.shards.options import ImageOptions

KEYS = [
    "schema", "key", "id", "task", "label", "instruction", "text", "inputs", "input_info", "target", "captions",
    "subject", "size", "edits", "steps", "instances", "relations", "scores", "unchecked", "license", "source", "run",
    "seed",
]  # fmt: skip


def test_members_follow_the_catalogue() -> None:
    sample = composed(record("a", refs=2, masks=2, sounds=[b"fLaC"]))
    assert sorted(sample.members) == [
        "audio_0.flac", "json", "mask_0.png", "mask_1.png", "ref_0.png", "ref_1.png", "source.png", "target.png", "txt",
    ]  # fmt: skip
    assert sample.members["audio_0.flac"] == b"fLaC"
    assert sample.members["txt"] == b"Add a coin, a"


def test_all_keys_are_always_there() -> None:
    for sample in (composed(record("a", masks=2)), composed(Record("b", {}))):
        assert list(json.loads(sample.members["json"])) == KEYS


def test_the_json_says_what_the_record_says() -> None:
    info = json.loads(composed(record("a", subject="coin", label="negative")).members["json"])
    assert info["inputs"] == ["ref_0.png", "source.png"]
    assert info["input_info"][0] == {"role": "reference", "label": "a coin", "appears": True, "caption": ""}
    assert info["target"] == "target.png"
    assert info["size"] == [12, 8]
    assert info["edits"][0]["box"] == [1.0, 2.0, 3.5, 4.0]
    assert info["edits"][0]["mask"] == "mask_0.png"
    assert info["scores"] == [{"name": "sharpness", "by": "filter_quality", "value": 12.5}]
    assert info["source"] == {"uri": "pictures/a.jpg", "sha256": "sha of a", "license": "CC0-1.0"}
    assert (info["subject"], info["label"], info["run"], info["seed"]) == ("coin", "negative", "f00d", 7)


def test_relations_tell_two_instances_of_one_label_apart() -> None:
    muffins = [{"label": "muffin", "box": (0, 0, 3, 3)}, {"label": "muffin", "box": (6, 0, 9, 3)}]
    rows = [{"subject": "muffin", "predicate": "beside", "object": "muffin", "subject_id": 1, "object_id": 0}]
    rows.append({"subject": "muffin", "predicate": "leftmost of", "object": "muffin", "subject_id": 0})
    info = json.loads(composed(record("a", instances=muffins, relations=rows)).members["json"])
    assert info["schema"] == 2
    assert [(each["subject_id"], each["object_id"]) for each in info["relations"]] == [(1, 0), (0, None)]


@pytest.mark.parametrize("number", [2, -1])
def test_a_relation_names_an_instance_that_is_there(number: int) -> None:
    rows = [{"subject": "a", "predicate": "on", "object": "b", "subject_id": 0, "object_id": number}]
    with pytest.raises(DataError, match=r"instance 2, of 2 that count from 0|greater than or equal to 0"):
        composed(record("a", instances=[{"label": "a"}, {"label": "b"}], relations=rows))


def test_the_json_is_valid_under_its_schema() -> None:
    sample = composed(record("ä<&>", text="„schön“ 猫"))
    assert SampleInfo.model_validate_json(sample.members["json"]) == sample.info
    assert "„schön“ 猫".encode() in sample.members["json"]


def test_a_mask_is_an_eight_bit_png_with_255_inside() -> None:
    sample = composed(record("a"))
    with Pillow.open(io.BytesIO(sample.members["mask_0.png"])) as opened:
        assert opened.mode == "L"
        assert np.array_equal(np.array(opened), mask(0) * 255)


def test_one_format_for_all_pictures() -> None:
    sample = composed(record("a"), images=ImageOptions(format="webp"))
    assert {"source.webp", "target.webp", "ref_0.webp"} <= set(sample.members)
    assert sample.info.inputs == ["ref_0.webp", "source.webp"]


def test_a_pair_through_one_codec_keeps_no_originals_bytes() -> None:
    buffer = io.BytesIO()
    Pillow.fromarray(picture(1).array).save(buffer, "JPEG", quality=40)
    original = Image.decode(buffer.getvalue())
    through = composed(record("a", source_image=None).adding({"source": original}), images=ImageOptions(format="jpg"))
    sample = composed(record("a").adding({"source": original}), images=ImageOptions(format="jpg", keep_originals=True))
    assert through.members["source.jpg"] != buffer.getvalue()
    assert sample.members["source.jpg"] == buffer.getvalue()


def test_content_is_pictures_and_edits_not_names_and_wording() -> None:
    first = composed(record("a", subject="coin"))
    again = composed(record("b", subject="coin"))
    assert first.info.instruction != again.info.instruction
    assert again.content == first.content
    for change in (
        {"seed": 1},
        {"refs": 2},
        {"subject": "cup"},
        {"task": "subject_remove"},
        {"label": "negative"},
        {"sounds": [b"fLaC"]},
        {"edits": [{"op": "add", "object": "coin", "box": (1, 2, 3.5, 5), "mask": "mask_0"}]},
        {"edits": [{"op": "remove", "object": "coin", "box": (1, 2, 3.5, 4), "mask": "mask_0"}]},
        {"edits": [{"op": "add", "object": "cup", "box": (1, 2, 3.5, 4), "mask": "mask_0"}]},
    ):
        assert composed(record("a", **{"subject": "coin", **change})).content != first.content, change


def test_wording_is_content_where_no_edit_says_what_is_done() -> None:
    plain: dict[str, Any] = {"subject": "", "edits": [], "instruction": "<imagehere><imagehere>", "text": "Brighter"}
    first = composed(record("a", **plain))
    assert composed(record("b", **plain)).content == first.content
    for change in (
        {"text": "Darker"},
        {"instruction": "<imagehere>+<imagehere>"},
        {"steps": [{"instruction": "Darker"}]},
    ):
        assert composed(record("a", **{**plain, **change})).content != first.content, change


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"instruction": "Add <imagehere>"}, "the instruction has 1 <imagehere> for 2 inputs"),
        ({"inputs": [{"member": "ref_7"}, {"member": "source"}]}, "names the member 'ref_7', which it has not"),
        ({"inputs": [{"role": "x"}, {"member": "source"}]}, "inputs.0"),
        ({"inputs": ["source", "ref_0"]}, "is a list of mappings"),
        ({"edits": [{"box": [0, 0, float("nan"), 1]}]}, "edits.0.box.2: Input should be a finite number"),
        ({"edits": [{"box": [5, 0, 1, 1]}]}, "x0 <= x1"),
        ({"edits": [{"colour": "red"}]}, "edits.0.colour"),
        ({"label": "maybe"}, "label"),
        ({"text": "\ud800"}, "record 'a'"),
    ],
)
def test_a_record_that_contradicts_itself_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match="'a'") as caught:
        composed(record("a", **fields))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("a_very_long_member_name", "at most 19"),
        ("Alpha", "lower-case letters"),
        ("al.pha", "lower-case letters"),
        ("target", "two fields"),
    ],
)
def test_a_plugin_fields_member_keeps_the_rules(member: str, message: str) -> None:
    fields = {**AUDIO_FIELDS, "alpha": Field("alpha", "mask", "Where it is seen.", member=member)}
    with pytest.raises(DataError, match=message):
        composed(record("a").adding({"alpha": mask(0)}), fields=fields)
