"""Datasets exported to each layout are read back, with all pictures and words, by readers written from facts."""

from __future__ import annotations

import base64
import gc
import hashlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from buckets import served_bucket
from commands import call, refused
from export.layout_readers import ReadPicture, ReadSample, ReadText, read_genref, read_irg, read_zebra, said_to_model
from export.planned import WITHOUT_VAL, dataset, inspection, picture_inspection, plan, refinement, sample, step
from PIL import Image as Pillow
from shards.making import mask, packed, picture

import datagen
from datagen import cli
from datagen.core.errors import ConfigError, StoreError
from datagen.export import Exported, export_dataset
from datagen.export import irg as irg_layout
from datagen.shards.options import OutputOptions
from datagen.storage.store import Store


def exported(out: str, to: Path, *, format: str = "irg", **options: Any) -> Exported:
    found, was_there = export_dataset(out, format=format, to=to, **options)
    assert not was_there
    return found


def texts(pieces: ReadSample) -> list[str]:
    return [piece.text for piece in pieces if isinstance(piece, ReadText)]


def pictures(pieces: ReadSample) -> list[bytes]:
    return [piece.data for piece in pieces if isinstance(piece, ReadPicture)]


def member(out: str, key: str, stem: str) -> bytes:
    found = datagen.open(out).by_key(key)
    return found.read(next(name for name in found.members if name.startswith(f"{stem}.")))


@pytest.fixture(scope="module")
def four_tasks(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One dataset with samples of all four tasks."""
    records = [
        *(plan(f"plan{number}", length=3 + number % 2) for number in range(3)),
        inspection("one"),
        inspection("two", is_consistent=True),
        picture_inspection(),
        refinement(),
    ]
    return dataset(tmp_path_factory.mktemp("tasks") / "out", *records)


@pytest.mark.parametrize(("format", "read"), [("irg", read_irg), ("zebra_cot", read_zebra)])
def test_every_picture_and_word_is_read_back_in_order(four_tasks: str, tmp_path: Path, format: str, read: Any) -> None:
    found = exported(four_tasks, tmp_path / "to", format=format)
    assert (found.total, found.left_out, found.licenses) == (7, {}, {"CC0-1.0": 7})
    assert found.samples == {"train": {"plan_generation": 3, "inspect_text": 2, "inspect_image": 1, "refine": 1}}
    samples = read(tmp_path / "to" / "train")
    assert sorted(samples) == sorted(each.key for each in datagen.open(four_tasks))
    for each in datagen.open(four_tasks):
        pieces = samples[each.key]
        order = ["source", *(f"turn_{number}" for number in range(9)), "target"]
        stems = [stem for stem in order if any(name.startswith(f"{stem}.") for name in each.members)]
        assert pictures(pieces) == [member(four_tasks, each.key, stem) for stem in stems]
        words = "\n".join(texts(pieces))
        for row in each.info["steps"]:
            for name in ("instruction", "description", "critique", "correction"):
                assert row[name] in words
        assert each.info["text"] in words


def test_a_plan_in_irg_is_learnt_but_for_its_prompt(four_tasks: str, tmp_path: Path) -> None:
    exported(four_tasks, tmp_path / "to")
    pieces = read_irg(tmp_path / "to" / "train")["plan0"]
    assert pieces[0] == ReadText("The prompt of plan0.", False)
    assert [type(piece) for piece in pieces[1:]] == [ReadText, ReadPicture] * 4
    assert texts(pieces)[1] == "<ins>Add thing 0.</ins><des>Things up to 0.</des>"
    assert all(piece.loss for piece in pieces[1:])
    flags = [(piece.need_vae, piece.need_vit) for piece in pieces if isinstance(piece, ReadPicture)]
    assert flags == [(True, True)] * 3 + [(False, False)]  # nothing follows the last


def test_an_inspection_in_irg_learns_its_verdict_alone(four_tasks: str, tmp_path: Path) -> None:
    exported(four_tasks, tmp_path / "to")
    samples = read_irg(tmp_path / "to" / "train")
    assert texts(samples["one"])[-1] == "Verdict: inconsistent.\none lacks a star.\n<refine>Add a star.</refine>"
    assert texts(samples["two"])[-1] == "Verdict: consistent."
    for key in ("one", "two", "picture"):
        assert [piece.loss for piece in samples[key]] == [False] * (len(samples[key]) - 1) + [True]
        assert all(not piece.need_vae and piece.need_vit for piece in samples[key] if isinstance(piece, ReadPicture))
    assert texts(samples["picture"])[0] == "<ins>Add thing 0.</ins><des>Things up to 0.</des>"


def test_a_refinement_in_irg_paints_from_the_flawed_picture(four_tasks: str, tmp_path: Path) -> None:
    exported(four_tasks, tmp_path / "to")
    pieces = read_irg(tmp_path / "to" / "train")["refine"]
    source, target = (member(four_tasks, "refine", stem) for stem in ("source", "target"))
    assert pieces == [
        ReadText("Three stars.", False),
        ReadPicture(source, False, True, True),
        ReadText("refine has two stars, not three.", False),
        ReadText("<refine>Add a star.</refine>", True),
        ReadPicture(target, True, False, False),
    ]


def test_irg_has_the_keys_of_its_reader(four_tasks: str, tmp_path: Path) -> None:
    exported(four_tasks, tmp_path / "to")
    rows = pq.read_table(tmp_path / "to/train/000000.parquet").to_pylist()
    turns = {row["key"]: json.loads(row["conversation"]) for row in rows}
    assert turns["plan0"][0] == {"role": "user", "content": "The prompt of plan0.", "need_loss": False}
    assert [turn["role"] for turn in turns["plan0"]] == ["user", "assistant"]
    text, painted = turns["plan0"][1]["content"][:2]
    assert text == {"type": "text", "content": "<ins>Add thing 0.</ins><des>Things up to 0.</des>", "need_loss": True}
    assert {**painted, "content": ""} == {
        "type": "image",
        "content": "",
        "need_loss": True,
        "need_vae": True,
        "need_vit": True,
    }
    assert base64.b64decode(painted["content"], validate=True) == member(four_tasks, "plan0", "turn_0")
    # a picture is never the user's, whose turns are words
    assert [turn["role"] for turn in turns["picture"]] == ["assistant"]


def test_zebra_looks_at_a_given_picture_and_never_paints_from_it(four_tasks: str, tmp_path: Path) -> None:
    found = exported(four_tasks, tmp_path / "to", format="zebra_cot")
    assert found.without_place == {"given picture to paint from": 1}
    pieces = read_zebra(tmp_path / "to" / "train")["refine"]
    source, target = (member(four_tasks, "refine", stem) for stem in ("source", "target"))
    assert [piece for piece in pieces if isinstance(piece, ReadPicture)] == [
        ReadPicture(source, False, False, True),
        ReadPicture(target, True, True, True),
    ]


def test_zebra_has_the_given_in_the_question_and_the_verdict_in_the_answer(four_tasks: str, tmp_path: Path) -> None:
    exported(four_tasks, tmp_path / "to", format="zebra_cot")
    rows = {row["key"]: row for row in map(json.loads, (tmp_path / "to/train/samples.jsonl").read_text().splitlines())}
    assert rows["plan0"]["Question"] == "The prompt of plan0."
    assert rows["plan0"]["Text Reasoning Trace"].endswith("\n<image_start>[reasoning_image_4]<image_end>")
    assert rows["plan0"]["Final Answer"] == rows["refine"]["Final Answer"] == "The last picture."
    assert rows["one"]["Question"].count("<image_start>[problem_image_") == 3
    assert (rows["one"]["Final Answer"], rows["two"]["Final Answer"]) == ("inconsistent", "consistent")
    assert rows["refine"]["reasoning_image_1"] == "images/000000/refine.target.png"


def test_refinements_are_read_as_genref(four_tasks: str, tmp_path: Path) -> None:
    found = exported(four_tasks, tmp_path / "to", format="reflection_flow")
    assert found.samples == {"train": {"refine": 1}}
    assert found.left_out == {
        "other_task/plan_generation": 3,
        "other_task/inspect_text": 2,
        "other_task/inspect_image": 1,
    }
    assert found.without_place == {"correction": 1}
    members = read_genref(tmp_path / "to" / "train")["refine"]
    assert members["reflection.txt"].decode() == "refine has two stars, not three."
    assert (members["prompt.txt"], members["subset.txt"]) == (b"Three stars.", b"rule")
    assert said_to_model(members) == "Three stars. [Reflexion] refine has two stars, not three."
    original = datagen.open(four_tasks).by_key("refine")
    for name, pixels in (("good_image.jpg", original.target), ("bad_image.jpg", original.source)):
        with Pillow.open(io.BytesIO(members[name])) as opened:
            assert opened.format == "JPEG"
            assert np.abs(np.asarray(opened, np.int16) - pixels).max() <= 3


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # webdataset leaves closing to the collector
def test_webdataset_gives_reflectionflow_its_five_members(four_tasks: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import webdataset

    exported(four_tasks, tmp_path / "to", format="reflection_flow")
    shards = [str(path) for path in sorted((tmp_path / "to" / "train").glob("*.tar"))]
    members = ("good_image.jpg", "bad_image.jpg", "reflection.txt", "prompt.txt", "subset.txt")
    samples = webdataset.WebDataset(shards, shardshuffle=False).decode("pil").to_tuple(*members)
    [(good, bad, reflection, prompt, subset)] = list(samples)
    gc.collect()
    assert (reflection, prompt, subset) == ("refine has two stars, not three.", "Three stars.", "rule")
    original = datagen.open(four_tasks).by_key("refine")
    for found, pixels in ((good, original.target), (bad, original.source)):
        assert np.abs(np.asarray(found, np.int16) - pixels).max() <= 3


def test_a_jpeg_of_the_dataset_is_not_encoded_again(tmp_path: Path) -> None:
    options = OutputOptions(val_fraction=0, shard_mb=0.5, images={"format": "jpg"})
    out = dataset(tmp_path / "out", refinement(), options=options)
    exported(out, tmp_path / "to", format="reflection_flow")
    assert read_genref(tmp_path / "to" / "train")["refine"]["good_image.jpg"] == member(out, "refine", "target")


UNFIT = [
    ("no_steps", plan(steps=[], turns=[])),
    ("no_picture", plan(steps=[step(0, image=""), step(1, image="target")], turns=[])),
    ("picture_without_place", plan(steps=[step(0), step(1, image="target")])),
    ("negative", plan(label="negative")),
    ("negative", plan(length=1, steps=[step(0, verdict="inconsistent"), step(1, image="target")])),
    ("no_words", plan(length=1, steps=[step(0, instruction="", description=" "), step(1, image="target")])),
    ("no_words", plan(instruction="", text="")),
    ("marker_in_words", plan(instruction="A sign: <image_start>[x]<image_end>", text="")),
    ("marker_in_words", plan(instruction="It ends with <image_end>", text="")),
    ("marker_in_words", plan(instruction="A cat.<|im_end|>", text="")),
    ("marker_in_words", inspection(instruction="A <des> cat.", text="")),
    ("marker_in_words", plan(instruction="A cat. <IMAGE_PLACEHOLDER>", text="")),
    ("marker_in_words", plan(instruction="</think> A cat.", text="")),
    ("no_verdict", inspection(steps=[step(0), step(1), step(2, image="target")])),
    ("no_critique", refinement(steps=[{**dict.fromkeys(step(0), "")}])),
    ("other_steps", refinement(steps=[step(0, image="", critique="Bad star."), step(1, image="")])),
    ("other_steps", refinement(steps=[{**dict.fromkeys(step(0), ""), "critique": "Bad.", "correction": "Other."}])),
    ("no_picture", refinement(source=None)),
    ("negative", refinement(label="negative")),
    (
        "placeholder",
        refinement(
            instruction="Mend <imagehere>.", text=None, inputs=[{"member": "source", "role": "source"}]
        ),
    ),
    (
        "other_inputs",
        plan(
            instruction="As in <imagehere>.",
            text="As in it.",
            inputs=[{"member": "ref_0", "role": "reference"}],
            refs=[picture(77)],
        ),
    ),
    ("other_task/subject_add", sample("adding", "subject_add", edits=[{"op": "add", "object": "coin"}])),
]  # fmt: skip


@pytest.mark.parametrize("format", ["irg", "zebra_cot"])
def test_what_has_no_place_is_counted_by_reason(tmp_path: Path, format: str) -> None:
    for number, (reason, record) in enumerate(UNFIT):
        out = dataset(tmp_path / f"out{number}", record, plan("sound", length=1))
        found = exported(out, tmp_path / f"to{number}", format=format)
        assert (found.left_out, found.total) == ({reason: 1}, 1), record
        assert found.examples[reason].startswith(f"{record.id}: ")


def test_a_reflection_that_the_trainer_ignores_is_left_out(tmp_path: Path) -> None:
    short = refinement("short", steps=[{**dict.fromkeys(step(0), ""), "critique": " Bad. "}])
    out = dataset(tmp_path / "out", refinement(), short, refinement("nameless", target_caption=""))
    found = exported(out, tmp_path / "to", format="reflection_flow")
    assert (found.total, found.left_out) == (1, {"short_reflection": 1, "no_prompt": 1})
    assert list(read_genref(tmp_path / "to" / "train")) == ["refine"]


def test_masks_and_judgements_that_no_lesson_says_are_counted(tmp_path: Path) -> None:
    steps = [step(0, verdict="consistent"), step(1, verdict="consistent", critique="Fine.", image="target")]
    out = dataset(tmp_path / "out", plan(length=1, steps=steps, masks=[mask(1), mask(2)]))
    found = exported(out, tmp_path / "to")
    assert found.without_place == {"mask": 2, "verdict of a step": 2, "critique of a step": 1}


def test_samples_above_the_trainers_limit_are_left_out(tmp_path: Path) -> None:
    out = dataset(tmp_path / "out", plan("long", side=700, length=4), plan("short", side=32, length=1))
    found = exported(out, tmp_path / "to", max_tokens=16_384)
    assert (found.left_out, found.samples) == ({"too_long": 1}, {"train": {"plan_generation": 1}})
    assert found.examples["too_long"].startswith("long: some 2")
    assert found.examples["too_long"].endswith(" tokens, and the limit is 16,384")
    for format, limit in (("irg", 32_768), ("zebra_cot", 60_000)):
        published = exported(out, tmp_path / format, format=format)
        assert (published.left_out, published.max_tokens) == ({}, limit)


def test_splits_are_apart_and_one_without_a_fit_sample_has_no_files(tmp_path: Path) -> None:
    records = [plan(f"p{number}", length=1) for number in range(30)]
    out = dataset(tmp_path / "out", *records, options=OutputOptions(val_fraction=0.3, shard_mb=0.5))
    for split in ("train", "val"):
        assert 0 < len(datagen.open(out, split=split)) < 30
    exported(out, tmp_path / "to")
    for split in ("train", "val"):
        wanted = {each.key for each in datagen.open(out, split=split)}
        assert set(read_irg(tmp_path / "to" / split)) == wanted
    val = {each.key for each in datagen.open(out, split="val")}
    negative = [
        plan(f"p{number}", length=1, label="negative" if f"p{number}" in val else "positive") for number in range(30)
    ]
    apart = dataset(tmp_path / "apart", *negative, options=OutputOptions(val_fraction=0.3, shard_mb=0.5))
    found = exported(apart, tmp_path / "one")
    assert (found.left_out, list(found.samples)) == ({"negative": len(val)}, ["train"])
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["export.json", "train"]


def test_many_rows_lie_in_row_groups_and_files_that_parquet_info_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(irg_layout, "_GROUP_ROWS", 3)
    monkeypatch.setattr(irg_layout, "_FILE_BYTES", 30_000)
    out = dataset(tmp_path / "out", *(plan(f"p{number}", length=1) for number in range(40)))
    exported(out, tmp_path / "to")
    info = json.loads((tmp_path / "to/train/parquet_info.json").read_text())
    assert len(info) > 1
    assert all(Path(path).is_file() and path.startswith(str(tmp_path / "to/train/")) for path in info)
    assert len(read_irg(tmp_path / "to" / "train")) == 40
    (tmp_path / "to").rename(tmp_path / "moved")  # the paths are wrong now, and IRG looks into the files
    assert len(read_irg(tmp_path / "moved" / "train")) == 40


def digests(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.mark.parametrize("format", ["irg", "zebra_cot", "reflection_flow"])
def test_the_same_dataset_gives_the_same_files(four_tasks: str, tmp_path: Path, format: str) -> None:
    first, second = tmp_path / "a" / "to", tmp_path / "b" / "to"
    exported(four_tasks, first, format=format)
    exported(four_tasks, second, format=format)
    found, again = digests(first), digests(second)
    if format == "irg":  # it has the paths in it
        assert found.pop("train/parquet_info.json") != again.pop("train/parquet_info.json")
    assert found == again


def test_an_export_that_is_there_is_left_as_it_is(four_tasks: str, tmp_path: Path) -> None:
    to = tmp_path / "to"
    first = exported(four_tasks, to)
    before = digests(to)
    assert export_dataset(four_tasks, format="irg", to=to) == (first, True)
    assert digests(to) == before
    with pytest.raises(ConfigError, match="holds an export of another format"):
        export_dataset(four_tasks, format="zebra_cot", to=to)
    with pytest.raises(ConfigError, match="holds an export of another max_tokens"):
        export_dataset(four_tasks, format="irg", to=to, max_tokens=99_999)
    other = dataset(tmp_path / "other", plan())
    with pytest.raises(ConfigError, match="holds an export of another dataset"):
        export_dataset(other, format="irg", to=to)
    (to / "train" / "000000.parquet").unlink()
    with pytest.raises(ConfigError, match=r"000000\.parquet is missing or changed since it was exported"):
        export_dataset(four_tasks, format="irg", to=to)
    (to / "export.json").write_text('{"version": 1}')
    with pytest.raises(ConfigError, match="is not that of an export"):
        export_dataset(four_tasks, format="irg", to=to)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("s3://bucket/to", "is an address; an export goes to a folder of this machine"),
        ("out", "lies in the dataset"),
        ("out/report/export", "lies in the dataset"),
        ("taken", "has other things in it than an export"),
        ("file", "is a file, not a folder"),
        ("file/below", "cannot be written"),
        ("loop", "is no folder|cannot be"),
    ],
)
def test_a_place_that_will_not_do_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    dataset(Path("out"), plan())
    Path("taken").mkdir()
    Path("taken/notes.txt").write_text("mine")
    Path("file").write_text("mine")
    Path("loop").symlink_to("loop")
    before = digests(tmp_path)
    with pytest.raises((ConfigError, StoreError), match=message):
        export_dataset("out", format="irg", to=Path(place))
    assert digests(tmp_path) == before


def test_a_dataset_without_a_fit_sample_leaves_nothing(tmp_path: Path) -> None:
    out = dataset(tmp_path / "out", plan(label="negative"), inspection())
    with pytest.raises(ConfigError, match=r"no sample of .* has a place in reflection_flow: 1 other_task/plan_gen"):
        export_dataset(out, format="reflection_flow", to=tmp_path / "to")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    with pytest.raises(ConfigError, match="there is no format 'zebra'; did you mean 'zebra_cot'"):
        export_dataset(out, format="zebra", to=tmp_path / "to")
    with pytest.raises(StoreError, match="does not exist"):
        export_dataset(str(tmp_path / "nowhere"), format="irg", to=tmp_path / "to")


def test_a_damaged_sample_stops_the_export_by_its_name(tmp_path: Path) -> None:
    out = dataset(tmp_path / "out", plan("sound"), plan("hurt"))
    found = datagen.open(out).by_key("hurt")
    shard = Path(out) / found.shard
    data = shard.read_bytes()
    for wrong in (found.read("target.png"), found.read("json")):
        shard.write_bytes(data.replace(wrong, bytes(len(wrong))))
        with pytest.raises(StoreError, match=r"sample 'hurt' is damaged: .*--repair"):
            export_dataset(out, format="irg", to=tmp_path / "to")
        assert not (tmp_path / "to").exists()


def test_an_export_goes_to_a_folder_behind_a_link(four_tasks: str, tmp_path: Path) -> None:
    """parquet_info has the path that the user gave, as the trainer will be given it too."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    exported(four_tasks, tmp_path / "link" / "to")
    assert len(read_irg(tmp_path / "link" / "to" / "train")) == 7


@pytest.mark.s3
def test_a_dataset_in_a_bucket_is_exported_as_one_on_a_disk(tmp_path: Path) -> None:
    with served_bucket() as bucket:
        records = [plan(f"p{number}", length=1) for number in range(3)]
        packed(Store(f"{bucket.address}/plans"), records, options=WITHOUT_VAL)
        exported(f"{bucket.address}/plans", tmp_path / "bucket", format="zebra_cot")
    exported(dataset(tmp_path / "out", *records), tmp_path / "disk", format="zebra_cot")
    samples = read_zebra(tmp_path / "bucket" / "train")
    assert len(samples) == 3
    assert samples == read_zebra(tmp_path / "disk" / "train")


def test_the_command_shows_what_was_left_out(
    four_tasks: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("export", four_tasks, "--format", "reflection_flow", "--to", tmp_path / "to")
    result = call(*words, capfd=capfd)
    assert result.code == cli.OK
    assert "1 samples in the layout reflection_flow" in result.out
    assert "left out 6:" in result.out
    assert "3  other_task/plan_generation, such as plan0: the layout has no place for its task" in result.out
    assert "no place in the layout: 1 correction" in result.out
    assert "licences CC0-1.0 (1)" in result.out
    again = call(*words, "--json", capfd=capfd)
    assert "holds this export already" in again.err
    assert again.data["samples"] == {"train": {"refine": 1}}
    assert "give a new folder" in refused("export", four_tasks, "--format", "irg", "--to", tmp_path, capfd=capfd)


def test_ctrl_c_leaves_nothing(
    four_tasks: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(irg_layout, "refuse_markers", interrupt)
    result = call("export", four_tasks, "--format", "irg", "--to", tmp_path / "to", capfd=capfd)
    assert (result.code, result.err.strip()) == (cli.INTERRUPTED, "interrupted; nothing is left of it")
    assert list(tmp_path.iterdir()) == []
