"""Sources of what models wrote and painted: a record for each part to judge, and rows that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import foreign_outputs as made
import pytest
from foreign import JPG, PNG, write_tar

from datagen.core.errors import ConfigError
from datagen.fetch import SCHEMES, read_file
from datagen.sources.base import Source, SourceRow
from datagen.sources.formats.outputs.generations import GenerationsConfig
from datagen.sources.formats.outputs.genref import GenRefConfig


def rows(source: Source) -> list[SourceRow]:
    source.check()
    found = list(source.rows())
    assert not any(row.error for row in found), found
    return found


@pytest.mark.parametrize("layout", ["generations", "generations-csv", "generations-parquet"])
def test_each_part_of_an_output_is_a_record(layout: str, tmp_path: Path) -> None:
    found = rows(made.MAKERS[layout](tmp_path))
    names = ("critique_of", "step", "canvas", "uri", "target_uri", "reference_uri")
    assert [(row.id, *(row.fields[name] for name in names)) for row in found] == [
        ("one/1/description", "description", 1, "blank", "", "a.png", ""),
        ("one/1/picture", "picture", 1, "blank", "", "a.png", ""),
        ("one/2/description", "description", 2, "blank", "", "b.png", ""),
        ("one/2/picture", "picture", 2, "picture", "a.png", "b.png", ""),
        ("one/2/mended", "mended", 2, "blank", "", "b.png", "c.png"),
        ("two/1/picture", "picture", 1, "blank", "", "c.png", ""),
    ]
    assert {row.fields["session"] for row in found} == {"one", "two"}
    assert [row.fields["license"] for row in found] == ["CC0-1.0"] * 5 + [""]
    assert found[0].fields["generation"][1] == {
        **{name: made.STEPS[1][name] for name in ("instruction", "description", "verdict", "critique", "correction")},
        **dict.fromkeys(("description_verdict", "description_critique", "description_correction"), ""),
    }
    assert found[-1].fields["generation"][0]["instruction"] == found[-1].fields["caption"] == "three apples"


def test_only_the_parts_that_are_wanted_come(tmp_path: Path) -> None:
    path = made.generations(tmp_path)
    config = GenerationsConfig(path=str(path), parts=("description",), license="MIT")
    found = rows(config.load())
    assert [row.id for row in found] == ["one/1/description", "one/2/description"]
    assert found[0].fields["license"] == "CC0-1.0", "the row's own licence counts"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "x", "prompt": "p"}, "has neither 'steps' nor 'picture'"),
        ({"id": "x", "prompt": " ", "picture": "a.png"}, "'prompt': it is empty; it has to say something"),
        ({"id": "x", "prompt": "p", "steps": []}, "'steps': it has no step"),
        ({"id": "x", "prompt": "p", "steps": {"a": 1}}, "'steps' is dict, not a list"),
        ({"id": "x", "prompt": "p", "steps": ["a"]}, "'steps.0'"),
        ({"id": "x", "prompt": "p", "steps": [{"instruction": "draw"}]}, "'steps.0.picture': field required"),
        (
            {"id": "x", "prompt": "p", "steps": [{"instruction": "draw", "picture": "a", "desciption": "b"}]},
            "unknown key 'steps.0.desciption'; did you mean 'description'?",
        ),
        ({"id": "x", "prompt": "p", "picture": "a", "verdict": "good"}, "'steps.0.verdict'"),
        ({"id": "x", "prompt": "p", "picture": "a", "mended": "b"}, "'mended' needs `verdict: inconsistent`"),
        ({"id": "x", "prompt": "p", "picture": "a", "description_critique": "b"}, "need a 'description_verdict'"),
        ({"id": "x", "prompt": "as <imagehere>", "picture": "a"}, "'prompt': it holds <imagehere>"),
        ({"id": "x", "prompt": "p", "picture": "a", "steps": [{"instruction": "d", "picture": "a"}]}, "'picture'"),
    ],
)
def test_a_generation_that_is_none_fails_alone(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = made.generations(tmp_path, rows=[made.GENERATIONS[1], row])
    found = list(GenerationsConfig(path=str(path)).load().rows())
    assert [bool(each.error) for each in found] == [False, True]
    assert found[1].error.startswith(f"{path}: line 2: ")
    assert message in found[1].error


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": "x", "prompt": "p", "pictures": "a"}], "the column 'pictures' means nothing; did you mean 'picture'?"),
        ([{"id": "x", "picture": "a"}], "the column 'prompt' is missing"),
        ([], "holds no generations"),
    ],
)
def test_a_table_of_generations_that_is_none_is_refused(rows: list[Any], message: str, tmp_path: Path) -> None:
    path = made.generations(tmp_path, rows=rows)
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        GenerationsConfig(path=str(path)).load().check()


def test_genref_gives_both_pictures_and_their_pair(tmp_path: Path) -> None:
    found = rows(made.MAKERS["genref"](tmp_path))
    assert [(row.id, row.fields["critique_of"]) for row in found] == [
        ("genref_0/0001/bad", "picture"),
        ("genref_0/0001/good", "picture"),
        ("genref_0/0001/mended", "mended"),
        ("genref_0/0002/good", "picture"),
    ]

    def read(row: SourceRow, name: str) -> bytes:
        return read_file(row.fields[name], base=row.fields["base"], schemes=SCHEMES, max_bytes=10**6)

    assert [read(row, "target_uri") for row in found] == [PNG, JPG, PNG, JPG]
    assert read(found[2], "reference_uri") == JPG
    steps = [row.fields["generation"][0] for row in found]
    assert [step["correction"] for step in steps] == [made.REFLECTION, "", made.REFLECTION, ""]
    assert [step["verdict"] for step in steps] == ["inconsistent", "consistent", "inconsistent", "consistent"]
    assert {row.fields["caption"] for row in found} == {"two apples", "a pear"}


def test_the_subsets_of_genref_are_chosen(tmp_path: Path) -> None:
    found = rows(GenRefConfig(path=str(made.genref(tmp_path)), subsets=("editing",), parts=("mended",)).load())
    assert [row.id for row in found] == ["genref_0/0003/mended"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"0002.prompt.txt": None}, "sample '0002': has no member 'prompt.txt'; it has: good_image.jpg"),
        ({"0002.good_image.jpg": None}, "sample '0002': has no member 'good_image.jpg'"),
        ({"0002.prompt.txt": b"\xff"}, "'prompt.txt' is not valid UTF-8"),
        ({"0002.prompt.txt": b" "}, "sample '0002': 'instruction'"),
    ],
)
def test_a_sample_of_genref_that_is_none_fails_alone(
    change: dict[str, bytes | None], message: str, tmp_path: Path
) -> None:
    files = {name: data for name, data in {**made.GENREF, **change}.items() if data is not None}
    write_tar(tmp_path / "g.tar", files)
    found = list(GenRefConfig(path=f"{tmp_path}/g.tar").load().rows())
    assert [row.error for row in found[:3]] == [""] * 3
    [error] = [row.error for row in found if row.error]
    assert message in error


@pytest.mark.parametrize(
    ("files", "message"),
    [({"1.jpg": JPG}, "its first sample has no member 'good_image.jpg'"), (None, "holds no tars")],
)
def test_tars_that_are_not_genref_are_refused(files: dict[str, bytes] | None, message: str, tmp_path: Path) -> None:
    if files:
        write_tar(tmp_path / "g.tar", files)
    with pytest.raises(ConfigError, match=message):
        GenRefConfig(path=str(tmp_path)).load().check()
