"""`evaluate` from command to page: what is judged, what is counted, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_scorers
from building import run_local
from commands import call, refused
from finished import finished
from PIL import Image as Pillow
from selectolax.lexbor import LexborHTMLParser
from training_runs import SMALL, Followed
from worlds_on_disk import world_dataset

import datagen
from datagen import cli
from datagen.core.errors import ConfigError
from datagen.core.fields import PLACEHOLDER
from datagen.evaluate.cases import Case, list_cases, read_cases
from datagen.evaluate.config import EvaluationConfig
from datagen.evaluate.evaluation import Evaluated, EvaluationRequest, evaluate
from datagen.evaluate.page import evaluation_page
from datagen.evaluate.results import EvaluationResults
from datagen.evaluate.subjects import other_words, unique_names
from datagen.evaluate.tally import EDITS, LEFT, SAMPLES
from datagen.evaluate.text import evaluation_text
from datagen.imaging.image import Image, Pixels
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.pipeline.yaml_file import parse_yaml
from datagen.train.config import TrainConfig
from datagen.train.data.selection import Needs, select
from datagen.train.loop import train
from datagen.train.models.small import SmallConfig

pytestmark = pytest.mark.torch
PLAIN = EvaluationConfig(effnet=None)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world_dataset(tmp_path_factory.mktemp("worlds"))


@pytest.fixture(scope="module")
def edits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Edits of photographs, with no truth of a world."""
    return finished(tmp_path_factory.mktemp("edits") / "out")


def trained(worlds: Path, place: Path, **more: Any) -> Path:
    """A model of the family `small` after two steps."""
    config = {
        "train": place.name,
        "out": str(place),
        "data": {"datasets": [{"path": str(worlds)}], "sizes": [[32, 32]]},
        "model": SMALL,
        "steps": 2,
        "optimizer": {"learning_rate": 0.02, "warmup_steps": 0},
        "batch_size": 4,
        "ema": 0,
        "evaluation": {"every": 2, "samples": 2, "pictures": 1},
        "threads": 1,
        **more,
    }
    train(TrainConfig.model_validate(config), watcher=Followed())
    return place


@pytest.fixture(scope="module")
def models(worlds: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return trained(worlds, folder / "one"), trained(worlds, folder / "two", seed=1)


def val_keys(out: Path) -> list[str]:
    return [sample.key for sample in datagen.open(str(out), split="val")]


def outputs(folder: Path, out: Path, *, of: str = "target", shift: int = 0) -> Path:
    """A folder of outputs: each sample's picture, brighter by `shift`."""
    folder.mkdir(parents=True)
    for sample in datagen.open(str(out), split="val"):
        pixels = np.clip(sample.image(of).astype(np.int16) + shift, 0, 255).astype(np.uint8)
        Pillow.fromarray(pixels).save(folder / f"{sample.key}.png")
    return folder


def judged(*places: Path | str, out: Path, **options: Any) -> EvaluationResults:
    return evaluated(*places, out=out, **options).results


def evaluated(*places: Path | str, out: Path, **options: Any) -> Evaluated:
    request = EvaluationRequest([*map(str, places)], str(out), **{"config": PLAIN, **options})
    return evaluate(request)


def number(results: EvaluationResults, metric: str, subject: str) -> float:
    value = results.value(metric, subject).value
    assert value is not None
    return value


# Numbers


def test_baselines_have_the_numbers_that_they_have_by_construction(worlds: Path) -> None:
    results = judged("copy", out=worlds)
    assert [subject.name for subject in results.subjects] == ["copy", "target"]
    assert (number(results, EDITS, "copy"), number(results, EDITS, "target")) == (0, 1)
    assert (number(results, SAMPLES, "copy"), number(results, SAMPLES, "target")) == (0, 1)
    assert number(results, LEFT, "copy") > 0.9  # a thing that is not there is sought near its place
    assert number(results, LEFT, "target") < 0.01
    assert number(results, "background error", "copy") == 0
    assert number(results, "L1 to source", "copy") == number(results, "L1", "target") == 0
    assert number(results, "L1", "copy") == number(results, "L1 to source", "target") > 0
    samples = {sample.key: sample for sample in datagen.open(str(worlds), split="val")}
    whole = [np.abs(sample.source.astype(float) - sample.target).mean() / 255 for sample in samples.values()]
    squared = [((sample.source / 255 - sample.target / 255) ** 2).mean() for sample in samples.values()]
    assert number(results, "L1", "copy") == pytest.approx(np.mean(whole))
    assert number(results, "L2", "copy") == pytest.approx(np.mean(squared))
    assert results.samples_judged == results.samples_found == len(samples)
    assert results.sizes == []
    assert results.value("L1", "copy").sources == len({sample.source.tobytes() for sample in samples.values()})


def test_outputs_in_a_folder_have_the_numbers_of_what_they_are(worlds: Path, tmp_path: Path) -> None:
    results = judged(
        outputs(tmp_path / "copies", worlds, of="source"),
        outputs(tmp_path / "targets", worlds),
        outputs(tmp_path / "brighter", worlds, of="source", shift=5),
        out=worlds,
    )
    for metric in results.values:
        assert results.values[metric]["copies"] == results.values[metric]["copy"]
        assert results.values[metric]["targets"] == results.values[metric]["target"]
    assert 3 < number(results, "background error", "brighter") <= 5  # what is white cannot be brighter
    assert number(results, EDITS, "brighter") < 0.1


def test_a_better_folder_is_better_in_pairs(worlds: Path, tmp_path: Path) -> None:
    worse, better = outputs(tmp_path / "worse", worlds, shift=20), outputs(tmp_path / "better", worlds, shift=4)
    results = judged(worse, better, out=worlds)
    found = results.difference("L1", "worse", "better")
    assert found.value == pytest.approx(number(results, "L1", "worse") - number(results, "L1", "better"))
    assert found.is_clear
    assert found.low is not None
    assert found.low > 0
    pairs = {(each.first, each.second) for each in results.differences}
    assert pairs == {("worse", "better"), ("worse", "copy"), ("better", "copy")}
    with pytest.raises(KeyError):
        results.difference("L1", "better", "worse")


def test_intervals_are_over_originals_where_that_is_asked_for(worlds: Path) -> None:
    by_picture, by_original = judged("copy", out=worlds), judged("copy", out=worlds, by="original")
    originals = {sample.info["source"]["uri"] for sample in datagen.open(str(worlds), split="val")}
    assert by_original.sources == len(originals) < by_picture.sources
    assert number(by_original, "L1", "copy") == number(by_picture, "L1", "copy")
    assert any("all source pictures come from" in note for note in by_picture.notes)


def test_a_dataset_without_a_world_has_no_exact_checks_and_says_so(edits: Path, tmp_path: Path) -> None:
    results = judged(outputs(tmp_path / "mine", edits), out=edits, split="val")
    assert EDITS not in results.values
    assert "what its edits did is not known" in results.not_measured["exact compliance"]
    assert results.not_measured["background error"] == "no sample has boxes of all of its edits"
    assert number(results, "L1", "mine") == 0
    assert all(not sample.ops for sample in results.samples)


# Models


def test_a_model_is_judged_beside_itself_with_other_words(worlds: Path, models: tuple[Path, Path]) -> None:
    results = judged(*models, out=worlds)
    names = [subject.name for subject in results.subjects]
    assert names == ["one", "two", "one, other text", "two, other text", "copy", "target"]
    assert results.sizes == [(32, 32)]
    assert {subject.outputs for subject in results.subjects} == {results.samples_judged}
    pairs = {(each.first, each.second) for each in results.differences}
    assert ("one", "two") in pairs
    assert ("one", "one, other text") in pairs
    assert ("one", "two, other text") not in pairs
    assert number(results, EDITS, "target") == 1
    assert 0 < number(results, "L1", "one") != number(results, "L1", "two")


def test_saved_outputs_of_a_model_are_judged_as_the_model_is(
    worlds: Path, models: tuple[Path, Path], tmp_path: Path
) -> None:
    first = judged(models[0], out=worlds, outputs=tmp_path, limit=6)
    again = judged(tmp_path / "one", out=worlds, sizes=[(32, 32)], limit=6)
    assert again.values["L1"]["one"] == first.values["L1"]["one"]
    assert again.values[EDITS]["one"] == first.values[EDITS]["one"]
    assert {path.stem for path in (tmp_path / "one").iterdir()} == {sample.key for sample in first.samples}


def test_other_words_are_of_another_sample_with_as_many_edits(worlds: Path) -> None:
    cases = list_cases(datagen.open(str(worlds), split="val"), Needs(), sizes=[(32, 32)]).cases
    partners = other_words(cases)
    assert partners.keys() == {case.facts.key for case in cases}
    for case in cases:
        partner = partners[case.facts.key]
        assert partner.facts.text != case.facts.text
        assert len(partner.facts.parts) == len(case.facts.parts)
    assert other_words(cases[:1]) == {}


def test_placeholders_stand_for_the_pictures_that_they_stand_for_in_training(tmp_path: Path) -> None:
    run_local(build(load(Path("configs/subject_replace.yaml"))), tmp_path / "out", limit=3)
    dataset = datagen.open(str(tmp_path / "out"))
    listed = list_cases(dataset, Needs(most_references=4, placeholders=True), sizes=[(32, 32)]).cases
    cases = [case for case in read_cases(dataset, listed, sizes=[(32, 32)], by="picture") if isinstance(case, Case)]
    for case in cases:
        assert len(case.example.inputs) == case.example.instruction.count(PLACEHOLDER) > 0
        assert case.with_words("add a cup", ["add a cup"]).example.inputs == ()
    assert len(cases) == len(listed)


def test_a_model_that_edits_at_another_size_is_refused(worlds: Path, models: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"one: edits at 32x32, and the size of judgement would be 64x64; give --size"
    ):
        judged(models[0], out=worlds, sizes=[(64, 64)])
    options = {"data": {"datasets": [{"path": str(worlds)}], "sizes": [[16, 16]]}}
    other = trained(worlds, tmp_path / "small", **options)
    with pytest.raises(ConfigError, match="edits at 16x16, and the size of judgement would be 32x32"):
        judged(models[0], other, out=worlds)


# What is wrong with outputs


def test_missing_damaged_and_strange_outputs_are_counted_and_named(worlds: Path, tmp_path: Path) -> None:
    folder = outputs(tmp_path / "mine", worlds)
    keys = val_keys(worlds)
    (folder / f"{keys[0]}.png").unlink()
    (folder / f"{keys[1]}.png").write_bytes(b"no picture")
    Pillow.new("RGB", (96, 40)).save(folder / f"{keys[2]}.png")
    Pillow.open(folder / f"{keys[3]}.png").resize((192, 192)).save(folder / f"{keys[3]}.png")
    (folder / "notes.txt").write_text("x")
    (folder / "other.png").write_bytes(b"x")
    shutil.copy(folder / f"{keys[4]}.png", folder / f"{keys[4]}.webp")
    results = judged(folder, out=worlds)
    (mine,) = [subject for subject in results.subjects if subject.name == "mine"]
    assert mine.outputs == len(keys) - 3
    assert mine.failed_keys == keys[:3]
    reasons = " | ".join(mine.failures)
    assert "there is no output of it" in reasons
    assert f"{keys[1]}.png cannot be read" in reasons
    assert "an output of 96x40: wanted is the shape of the sample, 96x96" in reasons
    assert mine.about["strange_files"] == 3
    assert mine.about["strange_files_named"] == [f"{keys[4]}.webp", "notes.txt", "other.png"]
    value = results.value("L1", "mine")
    assert (value.samples, value.failures) == (len(keys) - 3, 3)
    # a sample without an output is not right, and stays in the share
    assert results.value(SAMPLES, "mine").samples == results.value(SAMPLES, "target").samples
    assert number(results, SAMPLES, "mine") < 1
    assert results.value(SAMPLES, "mine").failures > 0
    lost = next(sample for sample in results.samples if sample.key == keys[0])
    assert lost.failures == {"mine": "there is no output of it"}
    assert "mine" not in lost.values
    assert not any(lost.edits_right["mine"])


def test_outputs_of_the_train_split_are_not_strange(worlds: Path, tmp_path: Path) -> None:
    folder = outputs(tmp_path / "mine", worlds)
    other = next(sample.key for sample in datagen.open(str(worlds), split="train"))
    (folder / f"{other}.png").write_bytes(b"x")
    assert judged(folder, out=worlds).subjects[0].about["strange_files"] == 0


def test_names_tell_folders_apart() -> None:
    assert unique_names(["out/a", "out/b"]) == ["a", "b"]
    assert unique_names(["x/one/model", "x/two/model", "copy"]) == ["one/model", "two/model", "copy"]
    assert unique_names(["./copy"]) != ["copy"]


def test_a_limit_takes_the_same_samples_each_time(worlds: Path) -> None:
    few, more = (judged("copy", out=worlds, limit=limit) for limit in (4, 7))
    assert {sample.key for sample in few.samples} < {sample.key for sample in more.samples}
    assert [sample.key for sample in more.samples] == [
        key for key in val_keys(worlds) if key in {sample.key for sample in more.samples}
    ]
    assert any(note.startswith("4 of ") for note in few.notes)


# The command


def test_the_command_writes_numbers_and_a_page(
    worlds: Path, models: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = outputs(tmp_path / "mine", worlds, shift=9)
    place = tmp_path / "evaluation"
    words = ("evaluate", models[0], folder, worlds, "--to", place, "--set", "effnet=null", "--pictures", 5)
    done = call(*words, "--save-outputs", capfd=capfd)
    assert done.code == cli.OK, done.err
    assert "compared at 32x32 px" in done.out
    assert re.search(r"L1 +lower +target +one +\d+ +0 +0\.\d+ \[0\.\d+ to 0\.\d+\]", done.out)
    assert "not measured: LPIPS (no weights are named; give --set lpips.weights=FOLDER, or a config)" in done.out
    stored = EvaluationResults.model_validate_json((place / "evaluation.json").read_bytes())
    assert {subject.kind for subject in stored.subjects} == {"model", "outputs", "baseline"}
    assert len(list((place / "outputs" / "one").iterdir())) == stored.samples_judged
    page = (place / "index.html").read_text()
    assert "http" not in page.replace('http-equiv="Content', "")
    tree = LexborHTMLParser(page)
    cards = tree.css("article")
    assert len(cards) == 5
    shown = [figure.text().split()[0] for figure in cards[0].css("figcaption b")]
    assert shown == ["source", "one", "mine", "one,", "target"]
    assert cards[0].css("rect.box")
    as_json = call(*words, "--json", capfd=capfd)
    assert as_json.data == json.loads((place / "evaluation.json").read_text())


def test_the_page_begins_with_what_differs_most(worlds: Path, tmp_path: Path) -> None:
    near, far = outputs(tmp_path / "near", worlds), outputs(tmp_path / "far", worlds)
    keys = val_keys(worlds)
    for place, shift in ((3, 90), (5, 40)):
        path = far / f"{keys[place]}.png"
        pixels: Pixels = np.asarray(Pillow.open(path))
        path.write_bytes(Image.of(np.where(pixels > 127, pixels - shift, pixels + shift).astype(np.uint8)).encoded())
    shown = evaluated(near, far, out=worlds, pictures=3).shown
    assert [sample.result.key for sample in shown[:2]] == [keys[3], keys[5]]
    assert shown[0].apart > shown[1].apart > shown[2].apart
    assert evaluated(near, far, out=worlds, pictures=0).shown == []
    alone = evaluated("copy", out=worlds, pictures=2)  # beside the target
    distances = {sample.key: sample.values["copy"]["L1"] for sample in alone.results.samples}
    assert [sample.result.key for sample in alone.shown] == sorted(distances, key=distances.__getitem__)[:-3:-1]
    assert "those in which copy and target differ most" in evaluation_page(alone)


def test_what_data_says_is_escaped_on_the_page(worlds: Path, tmp_path: Path) -> None:
    folder = outputs(tmp_path / "<b>mine", worlds)
    page = evaluation_page(evaluated(folder, out=worlds, pictures=1))
    assert "&lt;b&gt;mine" in page
    assert "<b>mine" not in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(
            ["copy", "OUT", "--split", "test"], "a dataset has no split 'test'; known: train, val", id="split"
        ),
        pytest.param(["nowhere", "OUT"], "nowhere: does not exist; judged are folders of models", id="nothing there"),
        pytest.param(["FILE", "OUT"], "is a file; judged are folders of models", id="a file"),
        pytest.param(["copy", "copy", "OUT"], "copy: stands twice", id="twice"),
        pytest.param(
            ["EMPTY", "OUT"], "none of its 0 files is an output of a sample that is judged", id="an empty folder"
        ),
        pytest.param(["copy", "EMPTY"], "is no dataset of datagen, dataset.json is missing", id="no dataset"),
        pytest.param(["copy", "OUT", "--size", "64"], "--size 64: wanted are width and height", id="size"),
        pytest.param(["copy", "OUT", "--sources", "x"], "--sources x: wanted is picture or original", id="sources"),
        pytest.param(
            ["copy", "OUT", "--set", "clap.weights=a/b"], "there is no key 'clap'; did you mean 'clip'", id="key"
        ),
        pytest.param(["copy", "OUT", "--device", "abacus"], "device: 'abacus' cannot be used", id="device"),
        pytest.param(["copy", "OUT", "--set", "effnet=null", "--to", "FILE"], "cannot be written", id="to"),
    ],
)
def test_what_is_wrong_is_named(
    worlds: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    known = {"OUT": worlds, "EMPTY": tmp_path / "empty", "FILE": tmp_path / "file"}
    given = [known.get(word, word) for word in words]
    place = [] if "--to" in words else ["--to", tmp_path / "evaluation"]
    assert message in refused("evaluate", *given, *place, capfd=capfd)


def test_an_empty_split_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = finished(tmp_path / "out", limit=1)
    empty = next(split for split in ("train", "val") if not len(datagen.open(str(out), split=split)))
    error = refused("evaluate", "copy", out, "--split", empty, "--to", tmp_path / "e", capfd=capfd)
    assert "no sample can be judged on: it is empty; give another dataset or --split" in error


@pytest.mark.parametrize(
    "text", [b'{"size": 7}', b'{"size": ["a", 2], "edits": 3}', b'{"edits": [[]], "size": [9, 9]}', b"[]"]
)
def test_a_sample_whose_json_is_nonsense_is_left_out_and_counted(worlds: Path, tmp_path: Path, text: bytes) -> None:
    out = tmp_path / "out"
    shutil.copytree(worlds, out)
    sample = datagen.open(str(out), split="val")[1]
    offset, size = sample._places["json"]
    data = bytearray((out / sample.shard).read_bytes())
    data[offset : offset + size] = text.ljust(size)
    (out / sample.shard).write_bytes(data)
    results = judged("copy", out=out)
    assert sum(results.left_out.values()) == 1
    assert select(datagen.open(str(out), split="val"), Needs(), sizes=[(32, 32)]).left_out == results.left_out
    assert results.samples_judged == results.samples_found - 1


def test_the_config_in_the_docs_is_sound() -> None:
    page = Path("docs/evaluation.md").read_text()
    (block,) = re.findall(r"```\n(judges:.*?)```", page, re.DOTALL)
    config = EvaluationConfig.model_validate(parse_yaml(block, name="evaluation.md").data)
    assert [judge.protocol for judge in config.judges] == ["gedit", "complex-edit"]


def test_a_sample_whose_picture_is_damaged_is_left_out_and_counted(worlds: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(worlds, out)
    sample = datagen.open(str(out), split="val")[2]
    offset, _ = sample._places["source.png"]
    shard = out / sample.shard
    data = bytearray(shard.read_bytes())
    data[offset : offset + 200] = bytes(200)
    shard.write_bytes(data)
    results = judged("copy", out=out)
    assert results.left_out == {"damaged": 1}
    assert results.samples_judged == results.samples_found - 1


def test_networks_are_asked_of_all_subjects_but_of_missing_outputs(worlds: Path, tmp_path: Path) -> None:
    folder = outputs(tmp_path / "mine", worlds, shift=3)
    first = val_keys(worlds)[0]
    (folder / f"{first}.png").unlink()
    clip = tiny_scorers.clip(tmp_path / "clip")
    config = EvaluationConfig.model_validate({"effnet": None, "clip": {"weights": str(clip)}})
    results = judged(folder, out=worlds, config=config)
    value = results.value("CLIP-I", "mine")
    assert (value.samples, value.failures) == (results.samples_judged - 1, 1)
    assert number(results, "CLIP-I", "target") == pytest.approx(1)
    assert 0.9 < number(results, "CLIP-I", "mine") < 1
    assert results.not_measured["CLIP-T"] == "no sample has a caption of its target"
    assert results.metric("CLIP-I").model.startswith("clip@1:clip@unpinned")


def test_a_dataset_with_damage_is_judged_without_exact_checks(tmp_path: Path) -> None:
    out = world_dataset(tmp_path, sessions=8, damages=["grain", "none"])
    results = judged("copy", out=out)
    checked = [sample for sample in results.samples if sample.edits_right]
    assert 0 < len(checked) < results.samples_judged
    assert any(
        f"of {results.samples_judged - len(checked):,} samples the truth is not known" in note for note in results.notes
    )
    assert results.value("background error", "copy").not_applicable >= results.samples_judged - len(checked)


def test_what_is_printed_names_failures_and_strange_files(worlds: Path, tmp_path: Path) -> None:
    folder = outputs(tmp_path / "mine", worlds)
    keys = val_keys(worlds)
    for key in keys[1:]:
        (folder / f"{key}.png").unlink()
    (folder / "notes.txt").write_text("x")
    results = judged(folder, out=worlds)
    text = evaluation_text(results.model_copy(update={"left_out": {"no_source": 3}}))
    assert f"mine: {len(keys) - 1} without an output: there is no output of it" in text
    assert "mine: 1 files are no output of this dataset, such as notes.txt" in text
    assert "left out, by reason: no_source 3" in text
    assert "[no interval: 1 source]" in text
    assert "compared at each sample's own size" in text


def test_a_model_that_fails_on_a_sample_has_no_output_of_it(
    worlds: Path, models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Pixels:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(SmallConfig, "edit", broken)
    results = judged(models[0], out=worlds, limit=3)
    assert results.subjects[0].failures == {"the model cannot edit it: out of memory": 3}
    assert number(results, EDITS, "one") == 0


def test_large_pictures_are_small_on_the_page(edits: Path, tmp_path: Path) -> None:
    page = evaluation_page(evaluated(outputs(tmp_path / "mine", edits), out=edits, pictures=1))
    (source, *_) = LexborHTMLParser(page).css("article img")
    assert "data:image/webp" in (source.attributes["src"] or "")
    assert int(source.attributes["width"] or 0) <= 320


def test_an_edit_that_is_not_seen_is_not_checked(worlds: Path) -> None:
    """At 8 pixels hardly anything is left of an object."""
    results = judged("copy", out=worlds, sizes=[(8, 8)])
    rights = [right for sample in results.samples for right in sample.edits_right["target"]]
    assert None in rights
    assert results.value(EDITS, "target").not_applicable == rights.count(None)
    assert results.value(EDITS, "target").samples == len(rights) - rights.count(None)


def test_a_folder_that_cannot_be_written_is_named(worlds: Path, models: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="file/one cannot be written"):
        judged(models[0], out=worlds, limit=1, outputs=tmp_path / "file")
