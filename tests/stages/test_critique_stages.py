"""From judged outputs to samples: what becomes of each, in single stages and in a run with a real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from building import ledger_rows, run_local
from chat_server import Act, Chat, Request, chatting, says, words_of
from foreign import write_tar
from picture_files import saved
from tiny_configs import judging, written_config

from datagen import Record, Reject
from datagen.execute.maintain.verify import verify
from datagen.imaging.image import Image
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.shards.reader import open_dataset
from stages.expand_critique import ExpandCritique
from stages.write_inspection import WriteInspection
from stages.write_refinement import WriteRefinement

DARK, GREY, BRIGHT = (Image.of(np.full((16, 24, 3), level, np.uint8)) for level in (40, 90, 200))
STEPS = [
    {"instruction": "Draw a cat.", "description": "a cat"},
    {"instruction": "Add a dog.", "description": "a cat and a dog"},
    {"instruction": "Make it snow.", "description": "all of them in the snow"},
]
FLAWED = {"verdict": "inconsistent", "critique": "It is too dark.", "correction": "Make the picture brighter."}
SOUND = {"verdict": "consistent", "critique": "", "correction": ""}


def output(kind: str = "picture", step: int = 2, **fields: Any) -> Record:
    given = {"critique_of": kind, "caption": "a cat and a dog in the snow", "step": step, "generation": STEPS}
    return Record(fields.pop("id", "a"), {**given, "image": DARK, **SOUND, **fields})


@pytest.mark.parametrize(
    ("kind", "verdict", "forms"),
    [
        ("description", "inconsistent", (["inspect_text"], ["inspect_text"], ["inspect_text"])),
        ("picture", "consistent", (["inspect_image"], ["inspect_image"], ["inspect_image"])),
        ("picture", "inconsistent", (["inspect_image", "refine"], ["inspect_image"], ["inspect_image"])),
        ("mended", "inconsistent", ([], ["refine"], [])),
    ],
)
def test_which_samples_come_of_an_output(kind: str, verdict: str, forms: tuple[list[str], ...]) -> None:
    for refine, expected in zip(("edited", "given", "none"), forms, strict=True):
        stage = ExpandCritique(ExpandCritique.Config.model_validate({"refine": refine}))
        [children] = stage.process([output(kind, verdict=verdict)])
        assert [child["critique_form"] for child in children] == expected  # type: ignore[union-attr]


def test_a_pair_whose_first_picture_is_consistent_is_rejected_before_it_is_mended() -> None:
    stage = ExpandCritique(ExpandCritique.Config(refine="given"))
    [answer] = stage.process([output("mended")])
    assert isinstance(answer, Reject)
    assert answer.reason == "not_flawed"


def inspected(record: Record, **options: Any) -> Any:
    return WriteInspection(WriteInspection.Config(**options)).process([record])[0]


def test_a_description_is_inspected_with_all_steps_so_far() -> None:
    found = inspected(output("description", **FLAWED, source=GREY))
    assert (found["task"], found["label"], found["target"]) == ("inspect_text", "negative", DARK)
    assert found["instruction"] == found["text"] == "a cat and a dog in the snow"
    assert found["inputs"] == found["edits"] == []
    assert found["steps"] == [STEPS[0], {**STEPS[1], **FLAWED, "image": "target"}], "and none that is still to come"


def test_a_picture_is_inspected_with_its_own_instruction() -> None:
    found = inspected(output(source=GREY))
    assert (found["task"], found["label"], found["text"]) == ("inspect_image", "positive", "Add a dog.")
    assert found["instruction"] == "In <imagehere>: Add a dog."
    assert [row["member"] for row in found["inputs"]] == ["source"]
    assert found["steps"] == [{**STEPS[1], **SOUND, "image": "target"}]
    first = inspected(output())
    assert first["inputs"] == [], "a first picture has none before it"
    assert first["instruction"] == first["text"] == "Add a dog."


def test_a_share_of_the_consistent_ones_is_taken_whatever_the_batch() -> None:
    records = [output(id=f"r{number}") for number in range(400)]
    stage = WriteInspection(WriteInspection.Config(consistent_share=0.25))
    answers = stage.process(records)
    taken = [not isinstance(answer, Reject) for answer in answers]
    assert 60 < sum(taken) < 140
    assert {answer.reason for answer in answers if isinstance(answer, Reject)} == {"surplus"}
    assert [not isinstance(stage.process([record])[0], Reject) for record in records] == taken
    assert inspected(output(**FLAWED), consistent_share=0)["label"] == "negative"


def refined(record: Record) -> Any:
    return WriteRefinement(WriteRefinement.Config()).process([record])[0]


def test_a_refinement_goes_from_the_flawed_picture_to_the_mended_one() -> None:
    [found] = refined(output(**FLAWED, mended=BRIGHT))
    assert (found["source"], found["target"]) == (DARK, BRIGHT)
    assert found["instruction"] == f"In <imagehere>: {found['text']}"
    assert found["text"] == FLAWED["correction"]
    assert (found["target_caption"], found["task"], found["label"]) == ("a cat and a dog", "refine", "positive")
    assert found["steps"] == [{"instruction": FLAWED["correction"], **FLAWED, "image": "source"}]
    [last] = refined(output(step=3, **FLAWED, mended=BRIGHT))
    assert last["target_caption"] == "a cat and a dog in the snow"


def test_what_cannot_be_refined_is_rejected() -> None:
    small = Image.of(np.zeros((8, 24, 3), np.uint8))
    assert refined(output(mended=BRIGHT)).reason == "not_flawed"
    assert refined(output(**FLAWED, mended=small)) == Reject(
        "other_size", "the flawed picture is 24x16, the mended one 24x8"
    )


def replies(request: Request, number: int) -> Act:
    """A critic that finds dark pictures too dark, and descriptions of dogs wrong."""
    words = words_of(request)
    if "The newest step" in words:
        wrong = "<data>a cat and a dog</data>" in words.rpartition("The description after it")[2]
        return says({"critique": "No dog yet.", **FLAWED} if wrong else SOUND)
    if "was wrong with the first picture" in words:
        return says(SOUND)
    return says(FLAWED if "Draw a cat." in words else SOUND)


def critique_run(folder: Path, chat: Chat) -> dict[str, dict[str, Any]]:
    """The ledger of a run in which a server judges three steps, and rules carry out the corrections."""
    names = {"dark": DARK, "grey": GREY, "bright": BRIGHT}
    for name, image in names.items():
        (folder / f"{name}.png").write_bytes(saved(image.array, "PNG"))
    steps = [{**step, "picture": f"{name}.png"} for step, name in zip(STEPS, names, strict=True)]
    path = folder / "mine.jsonl"
    path.write_text(json.dumps({"id": "one", "prompt": "a cat and a dog in the snow", "steps": steps}))
    model = {"model": "m", "base_url": chat.address, "api_key_env": "", "repairs": 1}
    refine = {"use": "edit_image", "with": {"editor": {"kind": "rules"}}, "when": {"critique_form": "refine"}}
    refine["map"] = {"source": "image", "instruction": "correction", "target": "mended"}
    stages = judging(refine, critic={"kind": "language", "model": model})
    config = written_config(folder, {"kind": "generations", "path": str(path)}, stages, name="critique")
    run_local(build(load(config)), folder / "out")
    return ledger_rows(folder / "out")


def test_a_users_generations_end_as_samples_of_all_three_forms(tmp_path: Path) -> None:
    with chatting() as chat:
        chat.act = replies
        rows = critique_run(tmp_path, chat)
        assert len(chat.requests) == 7, "each part once, and each mended picture"
    out = tmp_path / "out"
    assert not [row["detail"] for row in rows.values() if row["status"] not in ("accepted", "expanded")]
    assert verify(str(out)) == []
    samples = sorted(open_dataset(str(out)), key=lambda sample: str(sample.info["id"]))
    assert [tuple(sample.info[name] for name in ("id", "task", "label")) for sample in samples] == [
        ("one/1/description#0", "inspect_text", "positive"),
        ("one/1/picture#0", "inspect_image", "negative"),
        ("one/1/picture#1#0", "refine", "positive"),
        ("one/2/description#0", "inspect_text", "negative"),
        ("one/2/picture#0", "inspect_image", "positive"),
        ("one/3/description#0", "inspect_text", "positive"),
        ("one/3/picture#0", "inspect_image", "positive"),
    ]
    mended, follows = samples[2], samples[4]
    assert np.array_equal(mended.source, DARK.array)
    assert mended.target.mean() > mended.source.mean()
    assert mended.info["steps"][0]["critique"] == FLAWED["critique"]
    assert np.array_equal(follows.source, DARK.array)
    assert np.array_equal(follows.target, GREY.array)


def test_a_critic_that_contradicts_itself_fails_its_records_alone(tmp_path: Path) -> None:
    with chatting() as chat:
        contradicts = says({**SOUND, "correction": "Add a dog."})
        chat.act = lambda request, number: (
            contradicts if "The instruction: <data>Add a dog." in words_of(request) else replies(request, number)
        )
        rows = critique_run(tmp_path, chat)
    faulty = {id: row["detail"] for id, row in rows.items() if row["status"] == "failed"}
    assert list(faulty) == ["one/2/picture"]
    assert "the verdict is consistent, yet the correction is not empty: Add a dog." in faulty["one/2/picture"]
    assert len(open_dataset(str(tmp_path / "out"))) == 6


def test_genref_ends_as_inspections_and_refinements(tmp_path: Path) -> None:
    files = {"good_image.jpg": saved(BRIGHT.array, "PNG"), "bad_image.jpg": saved(DARK.array, "PNG")}
    words = {"reflection.txt": "Make it brighter.", "prompt.txt": "a bright day", "subset.txt": "general"}
    sample = {**files, **{name: text.encode() for name, text in words.items()}}
    write_tar(tmp_path / "g.tar", {f"1.{name}": data for name, data in sample.items()})
    names = {name: f"reference_{name}" for name in ("uri", "sha256", "original_sha256")}
    given = {"use": "read_image", "id": "read_mended", "when": {"critique_form": "refine"}}
    stages = judging({**given, "map": {**names, "image": "mended"}})
    source = {"kind": "genref", "path": f"{tmp_path}/g.tar", "license": "MIT"}
    run_local(build(load(written_config(tmp_path, source, stages, name="genref"))), tmp_path / "out")
    found = {sample.info["id"]: sample.info for sample in open_dataset(str(tmp_path / "out"))}
    assert {id: (info["task"], info["label"]) for id, info in found.items()} == {
        "g/1/bad#0": ("inspect_image", "negative"),
        "g/1/good#0": ("inspect_image", "positive"),
        "g/1/mended#0#0": ("refine", "positive"),
    }
    assert found["g/1/mended#0#0"]["captions"]["target"] == "a bright day"
    assert found["g/1/mended#0#0"]["text"] == "Make it brighter."
