"""Wrong configs are answered with file, line, what was found and what would do."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from building import PAINT, plain_rows, run_fingerprint, write_manifest
from finished import finished, mixing

from datagen.core.errors import ConfigError
from datagen.execute.run import resolved_text
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.pipeline.yaml_file import parse_yaml
from datagen.sources.base import ForeignOptions
from datagen.train.config import load_training
from datagen.train.edit_plans import load_planner

HEAD = """\
pipeline: toy
plugins: [toys]
source:
  kind: manifest
  path: {manifest}
stages:
"""


def _config(folder: Path, stages: str, *, head: str = HEAD) -> Path:
    manifest = write_manifest(folder / "manifest.jsonl", plain_rows(2))
    path = folder / "x.yaml"
    path.write_text(head.replace("{manifest}", str(manifest)) + stages, encoding="utf-8")
    return path


def _message(path: Path, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        build(load(path, **options))
    return str(caught.value).replace(f"{path.parent}/", "")


WRONG_STAGES = {
    "unknown stage": (
        "  - use: pant\n",
        "x.yaml:7: there is no stage 'pant'; did you mean 'paint'?",
    ),
    "unknown option": (
        "  - use: paint\n    with:\n      sied: 3\n",
        "x.yaml:9: unknown key 'sied'; did you mean 'side'?",
    ),
    "option out of bounds": (
        "  - use: paint\n    with: {side: 0}\n",
        "x.yaml:8: 'side' is 0: input should be greater than or equal to 1",
    ),
    "option of another type": (
        "  - use: paint\n    with:\n      side: wide\n",
        "x.yaml:9: 'side' is 'wide'; it has to be a whole number",
    ),
    "unknown key of a stage": (
        "  - use: paint\n    wiht: {side: 3}\n",
        "x.yaml:8: unknown key 'stages.0.wiht'; did you mean 'with'?",
    ),
    "unknown key beside a block": (
        "  - repeat: {times: 2, until: {verdict: 'yes'}, stages: [{use: ask}], tiems: 3}\n  - use: paint\n",
        "x.yaml:7: unknown key 'stages.0.repeat.tiems'; did you mean 'times'?",
    ),
    "a key that is missing": (
        "  - with: {side: 3}\n",
        "x.yaml:7: 'stages.0.use' is missing; add it",
    ),
    "unknown model kind": (
        "  - use: paint\n  - use: segment_subject\n    with:\n      segmenter: {kind: grapcut}\n",
        "x.yaml:10: 'segmenter' has no kind 'grapcut'; did you mean 'grabcut'?",
    ),
    "unknown option of a model": (
        "  - use: paint\n  - use: segment_subject\n    with:\n      segmenter: {kind: grabcut, ronds: 3}\n",
        "x.yaml:10: unknown key 'segmenter.ronds'; did you mean 'rounds'?",
    ),
    "impossible replicas": (
        "  - use: paint\n    resources:\n      replicas: {min: 4, max: 2}\n",
        "x.yaml:9: 'stages.0.resources.replicas' is {'min': 4, 'max': 2}: max (2) is less than min (4)",
    ),
    "impossible fraction of GPUs": (
        "  - use: paint\n    resources: {gpus: 1.5}\n",
        "x.yaml:8: 'stages.0.resources.gpus' is 1.5: 1.5 GPUs: above 1 only whole numbers can be reserved",
    ),
    "no cores at all": (
        "  - use: paint\n    resources: {cpus: 0}\n",
        "x.yaml:8: 'stages.0.resources.cpus' is 0: input should be greater than 0",
    ),
    "two conditions": (
        "  - use: paint\n    when: {task: a, label: positive}\n",
        "x.yaml:8: 'stages.0.when' is {'task': 'a', 'label': 'positive'}; it has to be a mapping of at most 1",
    ),
    "a condition on nothing": (
        "  - use: paint\n    when: {label: null}\n",
        "x.yaml:8: 'stages.0.when.label' is null; it has to be true or false, a whole number, a number or text",
    ),
    "a condition on a mapping": (
        "  - use: paint\n    when: {label: {a: 1}}\n",
        "x.yaml:8: 'stages.0.when.label' is {'a': 1}; it has to be true or false, a whole number, a number or text",
    ),
    "a stage that is a word": (
        "  - paint\n",
        "x.yaml:7: 'stages.0' is 'paint'; it has to be a mapping",
    ),
    "a model that is a word": (
        "  - use: paint\n  - use: segment_subject\n    with: {segmenter: grabcut}\n",
        "x.yaml:9: 'segmenter' is 'grabcut'; it has to be a mapping, such as {kind: grabcut}",
    ),
    "a condition of another type": (
        "  - use: ask\n  - use: paint\n    when: {verdict: true}\n",
        "x.yaml:8: 'verdict' is never true; it is text; put it in quotes",
    ),
}


@pytest.mark.parametrize("case", WRONG_STAGES)
def test_wrong_stage(tmp_path: Path, case: str) -> None:
    stages, message = WRONG_STAGES[case]
    assert _message(_config(tmp_path, stages)) == message


WRONG_FILES = {
    "not YAML": ("pipeline: [toy\nstages: 3\n", "x.yaml:2: not valid YAML: expected ',' or ']', but got ':'"),
    "a tab": (
        "pipeline: toy\n\tseed: 1\n",
        "x.yaml:2: not valid YAML: found character '\\t' that cannot start any token",
    ),
    "empty": ("", "x.yaml: holds nothing; a config is `key: value` lines"),
    "only comments": ("# nothing\n", "x.yaml: holds nothing; a config is `key: value` lines"),
    "a list": ("- pipeline\n", "x.yaml: holds no mapping; a config is `key: value` lines"),
    "a key twice": ("pipeline: toy\nseed: 1\nseed: 2\n", "x.yaml:3: 'seed' stands twice here; remove one of the two"),
    "a tag": (
        "pipeline: !!python/name:os.system x\n",
        "x.yaml:1: the tag tag:yaml.org,2002:python/name:os.system is not",
    ),
    "endless aliases": ("a: &a [*a]\n", "x.yaml:1: aliases make this file endless or huge; write the values out"),
    "two documents": ("pipeline: toy\n---\nseed: 2\n", "x.yaml:2: not valid YAML: but found another document"),
    "no stages": (
        HEAD.replace("stages:\n", "stages: []\n"),
        "x.yaml:6: 'stages' is []; it has to be a list of at least 1",
    ),
    "stages left empty": (HEAD, "x.yaml:6: 'stages' is null; it has to be a list"),
    "one plugin that is no list": (
        HEAD.replace("[toys]", "toys") + "  - use: paint\n",
        "x.yaml:2: 'plugins' is 'toys'; it has to be a list",
    ),
    "a source that is a word": (
        "pipeline: toy\nsource: manifest\nstages: [{use: paint}]\n",
        "x.yaml:2: 'source' is 'manifest'; it has to be a mapping, such as {kind: manifest}",
    ),
    "deep nesting": ("pipeline:\n  " + "[" * 3000, "x.yaml:2: not valid YAML: nested more than 64 deep"),
    "deep nesting by aliases": (
        "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 400)),
        "x.yaml:1: nested more than 64 deep",
    ),
    "a number that is none": (
        "pipeline: toy\nseed: !!int ten\n",
        "x.yaml:2: 'ten' is no int; correct it, or put it in quotes",
    ),
    "an endless number": ("pipeline: toy\nseed: " + "9" * 5000 + "\n", "x.yaml:2: '9999"),
    "no source": ("pipeline: toy\nstages: [{use: paint}]\n", "x.yaml:1: 'source' is missing; add it"),
    "a bad name": (
        HEAD.replace("toy\n", "To y\n", 1) + "  - use: paint\n",
        "x.yaml:1: 'pipeline' is 'To y'; it has to be text of the form ^[a-z]",
    ),
    "unknown plugin": (
        HEAD.replace("[toys]", "[toyz]") + "  - use: paint\n",
        "x.yaml:7: there is no package 'toyz' to take stages from; install it, or correct `plugins`",
    ),
    "unknown source": (
        HEAD.replace("kind: manifest", "kind: manifold") + "  - use: paint\n",
        "x.yaml:3: 'source' has no kind 'manifold'; did you mean 'manifest'?",
    ),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_wrong_file(tmp_path: Path, case: str) -> None:
    text, message = WRONG_FILES[case]
    assert _message(_config(tmp_path, "", head=text)).startswith(message)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    message = _message(_config(tmp_path, "  - use: pant\n  - use: sift\n    with: {share: 2}\n  - use: paint\n"))
    assert message.splitlines() == [
        "x.yaml:7: there is no stage 'pant'; did you mean 'paint'?",
        "x.yaml:9: 'share' is 2: input should be less than or equal to 1",
    ]


def test_a_missing_file(tmp_path: Path) -> None:
    assert _message(tmp_path / "x.yaml") == "x.yaml: there is no such file"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    assert _message(tmp_path / "x.yaml").startswith("x.yaml: is no text in UTF-8 (invalid start byte at byte ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("08", 8), ("010", 10), ("+7", 7), ("-0", 0), ("1e5", 1e5), (".5", 0.5), ("1.", 1.0), ("-.inf", float("-inf")),
        ("1_000", "1_000"), ("0x1F", "0x1F"), ("1:30", "1:30"), ("2020-01-01", "2020-01-01"), ("yes", "yes"),
        ("'08'", "08"), ("!!str 08", "08"), ("true", True), ("~", None), ("null", None), ("", None),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    found = parse_yaml(f"value: {text}", name="x").data["value"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("written", "seed"), [("08", 8), ("010", 10)])
def test_a_seed_is_decimal(tmp_path: Path, written: str, seed: int) -> None:
    config = _config(tmp_path, f"  - use: paint\nseed: {written}\n")
    assert load(config).pipeline.seed == seed
    assert load(config, sets=[f"seed={written}0"]).pipeline.seed == seed * 10


def test_words_that_older_yaml_takes_for_truth_stay_words(tmp_path: Path) -> None:
    config = _config(
        tmp_path,
        "  - use: ask\n  - use: paint\n    when: {verdict: yes}\n  - {use: paint, id: p, when: {verdict: no}}\n",
    )
    graph = build(load(config))
    assert graph.nodes[1].clauses[0].values == ("yes",)


PROFILES = """\
  - use: sift
    with: {share: 0.1}
  - use: paint
profiles:
  embedded:
    unchecked: [taste]
  strict:
    stages:
      sift:
        with: {share: 0.9}
        resources: {batch_size: 2}
"""


def test_a_profile_changes_options_and_resources(tmp_path: Path) -> None:
    config = _config(tmp_path, PROFILES)
    plain, strict = build(load(config)), build(load(config, profile="strict"))
    assert (plain.nodes[0].config.model_dump(), plain.nodes[0].resources.batch_size) == ({"share": 0.1}, 16)
    assert (strict.nodes[0].config.model_dump(), strict.nodes[0].resources.batch_size) == ({"share": 0.9}, 2)
    assert (plain.loaded.unchecked, strict.loaded.unchecked) == (("taste",), ())


@pytest.mark.parametrize(
    ("old", "new", "profile", "message"),
    [
        ("", "", "strickt", "x.yaml:10: there is no profile 'strickt'; did you mean 'strict'?"),
        ("embedded", "small", "", "x.yaml:10: there is no profile 'embedded'; name one with --profile: small, strict"),
        (
            "      sift:",
            "      shift:",
            "strict",
            "x.yaml:15: profile 'strict' changes stage 'shift', which is not there; did you mean 'sift'?",
        ),
        ("share: 0.9", "share: 9", "strict", "x.yaml:16: 'share' is 9: input should be less than or equal to 1"),
        (
            "unchecked:",
            "uncheckd:",
            "strict",
            "x.yaml:12: unknown key 'profiles.embedded.uncheckd'; did you mean 'unchecked'?",
        ),
    ],
)
def test_a_wrong_profile(tmp_path: Path, old: str, new: str, profile: str, message: str) -> None:
    config = _config(tmp_path, PROFILES.replace(old, new) if old else PROFILES)
    assert _message(config, profile=profile) == message


LEFT_OUT = """\
  - use: paint
  - {use: sift, id: look}
  - {use: sift, id: again, after: look}
  - {use: sift, id: last, map: {contrast: clipped}, after: [paint, again]}
profiles:
  embedded:
    leaves_out: [look]
  bare:
    leaves_out: [look, again]
"""


@pytest.mark.parametrize(
    ("profile", "after"),
    [
        ("embedded", {"paint": (), "again": ("paint",), "last": ("paint", "again")}),
        ("bare", {"paint": (), "last": ("paint",)}),
    ],
)
def test_what_follows_a_stage_left_out_follows_what_was_before_it(
    tmp_path: Path, profile: str, after: dict[str, tuple[str, ...]]
) -> None:
    graph = build(load(_config(tmp_path, LEFT_OUT), profile=profile))
    assert {node.id: node.after for node in graph.nodes} == after


def test_a_config_with_stages_left_out_runs_again_as_it_was_resolved(tmp_path: Path) -> None:
    graph = build(load(_config(tmp_path, LEFT_OUT)))
    again = tmp_path / "again.yaml"
    again.write_text(resolved_text(graph), encoding="utf-8")
    assert run_fingerprint(build(load(again))) == run_fingerprint(graph)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "leaves_out: [look]",
            "leaves_out: [lock]",
            "x.yaml:13: profile 'embedded' leaves out 'lock', which is not there; did you mean 'look'?",
        ),
        (
            "leaves_out: [look]",
            "leaves_out: [paint, look, again, last]",
            "x.yaml:13: profile 'embedded' leaves out every stage; keep one at least",
        ),
        (
            "id: look}",
            "id: look, after: look}",
            "x.yaml:9: stages wait for each other in a circle: look after look",
        ),
        ("id: look}", "id: look, with: {share: 9}}", "x.yaml:8: 'share' is 9: input should be less than or equal to 1"),
    ],
)
def test_a_stage_wrongly_left_out(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert _message(_config(tmp_path, LEFT_OUT.replace(old, new))) == message


def test_the_only_profile_is_the_default(tmp_path: Path) -> None:
    text = PROFILES.replace("  embedded:\n    unchecked: [taste]\n", "")
    loaded = load(_config(tmp_path, text))
    assert loaded.profile == "strict"
    assert build(loaded).nodes[0].config.model_dump() == {"share": 0.9}


def test_the_resolved_config_of_a_profile_runs_again_as_it_is(tmp_path: Path) -> None:
    graph = build(load(_config(tmp_path, PROFILES), profile="strict"))
    again = tmp_path / "again.yaml"
    again.write_text(resolved_text(graph), encoding="utf-8")
    assert run_fingerprint(build(load(again))) == run_fingerprint(graph)


def test_set_wins_over_the_profile(tmp_path: Path) -> None:
    config = _config(tmp_path, PROFILES)
    assert build(load(config, profile="strict", sets=["sift.share=0.5"])).nodes[0].config.model_dump() == {"share": 0.5}


def test_set_changes_a_profile_before_it_is_laid(tmp_path: Path) -> None:
    config = _config(tmp_path, PROFILES)
    sets = [
        "sift.resources.batch_size=3",
        "profiles.strict.stages.sift.with.share=0.7",
        "profiles.strict.unchecked=[x]",
    ]
    graph = build(load(config, profile="strict", sets=sets))
    assert graph.nodes[0].config.model_dump() == {"share": 0.7}
    assert (graph.nodes[0].resources.batch_size, graph.loaded.unchecked) == (3, ("x",))


def test_a_wrong_set_of_a_profile_is_told(tmp_path: Path) -> None:
    config, text = _config(tmp_path, PROFILES), "profiles.strict.stages.sift.with.share=-9"
    message = _message(config, profile="strict", sets=[text])
    assert message == f"--set {text}: 'share' is -9: input should be greater than or equal to 0"


def test_set_on_a_stage_leaves_the_profile_that_it_came_from(tmp_path: Path) -> None:
    profile = "profiles: {small: {stages: {segment_subject: {with: {segmenter: {kind: grabcut}}}}}}\n"
    config = _config(tmp_path, "  - use: paint\n  - use: segment_subject\n" + profile)
    data = load(config, sets=["segment_subject.segmenter.rounds=2"]).located.data
    assert data["stages"][1]["with"] == {"segmenter": {"kind": "grabcut", "rounds": 2}}
    assert data["profiles"]["small"]["stages"]["segment_subject"]["with"] == {"segmenter": {"kind": "grabcut"}}


def test_set_changes_one_value(tmp_path: Path) -> None:
    config = _config(tmp_path, PROFILES)
    graph = build(load(config, sets=["sift.share=0.5", "seed=7", "sift.resources.cpus=2", "output.val_fraction=0"]))
    assert graph.nodes[0].config.model_dump() == {"share": 0.5}
    assert (graph.loaded.pipeline.seed, graph.nodes[0].resources.cpus) == (7, 2)
    assert graph.loaded.pipeline.output.val_fraction == 0


def test_set_of_another_kind_drops_the_options_of_the_old_one(tmp_path: Path) -> None:
    stages = "  - use: paint\n  - use: segment_subject\n    with:\n      segmenter: {kind: grabcut, rounds: 3}\n"
    text = (_config(tmp_path, stages)).read_text()
    assert "rounds" in text
    loaded = load(tmp_path / "x.yaml", sets=["segment_subject.segmenter.kind=annotated"])
    assert loaded.located.data["stages"][1]["with"] == {"segmenter": {"kind": "annotated"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sift.share=9", "--set sift.share=9: 'share' is 9: input should be less than or equal to 1"),
        ("sift.shar=1", "--set sift.shar=1: unknown key 'shar'; did you mean 'share'?"),
        ("shift.share=1", "--set shift.share=1: there is no stage or key 'shift'; did you mean 'sift'?"),
        ("sift.share", "--set sift.share: write it as --set key=value or --set stage.option=value"),
        ("sift=1", "--set sift=1: 'sift' is a stage; set one of its options: --set sift.option=value"),
        ("seed.x=1", "--set seed.x=1: 'seed' is a plain value, nothing can be set inside it"),
        (
            "profiles.embedded.unchecked.0=x",
            "--set profiles.embedded.unchecked.0=x: 'profiles.embedded.unchecked' is a list; set it as a whole: "
            "--set profiles.embedded.unchecked=[a, b]",
        ),
        ("plugins.0.x=1", "--set plugins.0.x=1: 'plugins' is a list; set it as a whole: --set plugins=[a, b]"),
        ("plugins=nosuchpkg", "--set plugins=nosuchpkg: 'plugins' is 'nosuchpkg'; it has to be a list"),
        ("sift.share=[", "--set sift.share=[:1: not valid YAML: expected the node content, but found '<stream end>'"),
    ],
)
def test_a_wrong_set(tmp_path: Path, text: str, message: str) -> None:
    config = _config(tmp_path, PROFILES.replace("  - use: sift", "seed: 1\nx", 0))
    config.write_text(config.read_text() + "seed: 1\n")
    assert _message(config, sets=[text]) == message


def test_the_shipped_configs_are_sound(tmp_path: Path) -> None:
    planner = Path("configs/train/planner.yaml")
    trainings = sorted({*Path("configs/train").glob("*.yaml")} - {planner})
    configs = sorted({*Path("configs").rglob("*.yaml")} - {planner, *trainings})
    assert configs
    assert load_planner(str(planner)).kind == "language"
    assert [load_training(training).steps for training in trainings]
    for config in configs:
        text = yaml.safe_load(config.read_text())
        sets = [mixing({"edit": finished(tmp_path / "finished", limit=2)})] if text["source"]["kind"] == "mix" else []
        for name in text.get("profiles", {"": {}}):
            assert build(load(config, profile=name, sets=sets)).nodes


def test_paint_is_what_the_examples_use() -> None:
    assert PAINT == {"use": "paint"}


@pytest.mark.parametrize(
    ("kind", "path"),
    [("manifest", "gone.jsonl"), ("pairs", "gone.jsonl"), ("pairs", "gone.csv"), ("sa1b", "gone"), ("images", "gone")],
)
def test_a_source_that_is_not_there_is_told_at_its_line(tmp_path: Path, kind: str, path: str) -> None:
    stages = "[{use: paint}]" if kind != "pairs" else "[{use: read_image}]"
    text = f"pipeline: x\nplugins: [toys]\nsource:\n  kind: {kind}\n  path: {path}\nstages: {stages}\n"
    (tmp_path / "x.yaml").write_text(text)
    assert re.match(rf"x\.yaml:5: {path}/?: there is no such", _message(tmp_path / "x.yaml"))


def test_a_manifest_at_an_address_of_no_filesystem(tmp_path: Path) -> None:
    config = _config(tmp_path, "  - use: paint\n")
    assert _message(config, sets=["source.path=s33://x/y.jsonl"]) == (
        "--set source.path=s33://x/y.jsonl: s33://x/y.jsonl: no filesystem has the scheme 's33'; did you mean 's3'?"
    )


PINNED = """\
  - use: fetch_weights
    with: {model: {weights: ./a.pth, sha256: %s, weights_license: MIT, batch_size: 2}}
  - use: paint
profiles:
  embedded: {}
  other:
    stages: {fetch_weights: {with: {model: {weights: owner/name, commit: main}}}}
""" % ("a" * 64)


@pytest.mark.parametrize(
    ("profile", "sets", "weights", "pins"),
    [
        ("embedded", [], "./a.pth", ("", "a" * 64)),
        ("embedded", ["fetch_weights.model.weights=./a.pth"], "./a.pth", ("", "a" * 64)),
        ("embedded", ["fetch_weights.model.weights=./b.pth"], "./b.pth", ("", "")),
        ("other", [], "owner/name", ("main", "")),
    ],
)
def test_other_weights_drop_the_pins_of_the_former(
    tmp_path: Path, profile: str, sets: list[str], weights: str, pins: tuple[str, str]
) -> None:
    model = build(load(_config(tmp_path, PINNED), profile=profile, sets=sets)).nodes[0].config.model_dump()["model"]
    assert (model["weights"], model["batch_size"]) == (weights, 2)
    assert (model["commit"], model["sha256"]) == pins
    assert model["weights_license"] == ("MIT" if weights == "./a.pth" else "")


COMMANDS = [
    (config, shlex.split(line.partition("datagen ")[2].partition("   #")[0]))
    for config in sorted(Path("configs").glob("*.yaml"))
    for line in config.read_text(encoding="utf-8").splitlines()
    if line.startswith("#   python -m datagen ") and str(config) in line
]


@pytest.mark.parametrize(("config", "words"), COMMANDS, ids=[" ".join(words[2:]) or str(at) for at, words in COMMANDS])
def test_a_command_in_a_config_says_no_demo_licence_of_other_pictures(config: Path, words: list[str]) -> None:
    profile = words[words.index("--profile") + 1] if "--profile" in words else ""
    sets = [after for word, after in itertools.pairwise(words) if word in ("-s", "--set")]
    source, demo = load(config, profile=profile, sets=sets).pipeline.source, load(config).pipeline.source
    if source.path != demo.path:
        license = {"sa1b": "LicenseRef-SA-1B", "subjects200k": "Apache-2.0"}.get(source.kind, "")
        assert (source.license, getattr(source, "form", "parquet")) == (license, "parquet")
    assert all(text.startswith("source") for text in sets)


def test_the_commands_in_configs_are_found() -> None:
    assert {str(config) for config, words in COMMANDS if "-s" in words} == {
        f"configs/{name}.yaml"
        for name in (
            "subject_add_sa1b",
            "instruct_edit",
            "re_edit",
            "subject_generation_subjects200k",
            "plan_generation",
            "critique_outputs",
        )
    }


@pytest.mark.parametrize(
    ("sets", "license", "credit"),
    [
        ((), "CC0-1.0", "me"),
        (("source.path=b",), "", ""),
        (("source.path=a",), "CC0-1.0", "me"),
        (("source={path: b}",), "", ""),
        (("source={path: b, license: MIT}",), "MIT", ""),
        (("source.path=b", "source.license=MIT"), "MIT", ""),
        (("source.license=MIT", "source.path=b"), "MIT", ""),
        (("source.license=",), "", "me"),
        (("source.kind=instructpix2pix", "source.path=b"), "", ""),
    ],
)
def test_another_path_drops_what_was_said_of_other_pictures(
    tmp_path: Path, sets: tuple[str, ...], license: str, credit: str
) -> None:
    source = "{kind: images, path: a, license: CC0-1.0, credit: me}"
    (tmp_path / "x.yaml").write_text(f"pipeline: x\nsource: {source}\nstages: [{{use: read_image}}]\n")
    found = load(tmp_path / "x.yaml", sets=sets).pipeline.source
    assert isinstance(found, ForeignOptions)
    assert (found.license, found.credit) == (license, credit)


def test_a_text_that_is_null_says_how_none_is_written(tmp_path: Path) -> None:
    config = _config(tmp_path, "  - use: paint\n")
    sets = ["source.kind=sa1b", "source.path=a", "source.license="]
    assert _message(config, sets=sets).endswith("'source.license' is null; it has to be text (for none, write '')")


def test_another_language_model_drops_what_was_said_of_the_former(tmp_path: Path) -> None:
    model = "{model: a, weights: one, weights_license: MIT, base_url: 'http://h/v1', api_key_env: ''}"
    config = _config(tmp_path, f"  - use: consult\n    with: {{model: {model}}}\n  - use: paint\n")

    def loaded_with(*sets: str) -> tuple[str, str, str]:
        found = build(load(config, sets=sets)).nodes[0].config.model_dump()["model"]
        return found["model"], found["weights"], found["weights_license"]

    assert loaded_with("consult.model.temperature=1") == ("a", "one", "MIT")
    assert loaded_with("consult.model.model=b") == ("b", "", "")
    assert loaded_with("consult.model.model=b", "consult.model.weights=two") == ("b", "two", "")
