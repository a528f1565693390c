"""Published datasets of edits: what each layout tells becomes a pair, turn by turn, and both its pictures can be read."""

from __future__ import annotations

import io
import json
from pathlib import Path

import foreign_edits as made
import pyarrow.parquet as pq
import pytest
from PIL import Image as Pillow

from datagen.core.errors import ConfigError
from datagen.execute.workers.slices import cut
from datagen.fetch import SCHEMES, read_file
from datagen.sources.base import Source, SourceRow
from datagen.sources.formats.pairs.gier import GierConfig
from datagen.sources.formats.pairs.hq_edit import HqEditConfig
from datagen.sources.formats.pairs.instructpix2pix import InstructPix2PixConfig
from datagen.sources.formats.pairs.magicbrush import MagicBrushConfig
from datagen.sources.formats.pairs.seed_edit_turns import SeedEditPart23Config
from datagen.sources.rows import PAIR_FIELDS


def rows(source: Source) -> list[SourceRow]:
    source.check()
    found = list(source.rows())
    assert not any(row.error for row in found), found
    return found


def widths(row: SourceRow) -> tuple[int, int]:
    """How wide the source and the target are."""
    names = (row.fields["uri"], row.fields["target_uri"])
    data = [read_file(uri, base=row.fields["base"], schemes=SCHEMES, max_bytes=10**6) for uri in names]
    before, after = (Pillow.open(io.BytesIO(each)).size[0] for each in data)
    return before, after


@pytest.mark.parametrize("layout", made.MAKERS)
def test_every_row_is_a_pair_whose_pictures_can_be_read(layout: str, tmp_path: Path) -> None:
    source = made.MAKERS[layout](tmp_path)
    assert set(source.writes) - {"mask_uri"} == set(PAIR_FIELDS)
    for row in rows(source):
        before, after = widths(row)
        assert before > 0
        assert after > 0
        assert row.fields["text"]
        assert row.fields["objects"] == []
        assert row.fields["reference_from"] == "target"


def test_instructpix2pix_as_parquet(tmp_path: Path) -> None:
    found = rows(made.MAKERS["instructpix2pix"](tmp_path))
    assert [row.id for row in found] == [f"data/train-00000-of-00001-ab12/{number}" for number in range(3)]
    fields = found[2].fields
    assert (fields["source_caption"], fields["text"], fields["target_caption"]) == ("before 2", "make it 2", "after 2")
    assert widths(found[2]) == (8, 9)
    assert fields["license"] == ""


@pytest.mark.parametrize("layout", ["instructpix2pix-folders", "instructpix2pix-unlisted"])
def test_instructpix2pix_in_its_authors_folders_by_either_name_of_the_caption(layout: str, tmp_path: Path) -> None:
    found = {row.id: row.fields for row in rows(made.MAKERS[layout](tmp_path))}
    assert list(found) == ["0000001/11", "0000001/12", "0000002/21"]
    released, written = found["0000001/12"], found["0000002/21"]
    assert (released["source_caption"], released["text"], released["target_caption"]) == (
        "a cat",
        "make it a dog",
        "a dog",
    )
    assert (written["source_caption"], written["text"]) == ("a lake", "freeze the lake")
    assert released["uri"] == "0000001/12_0.jpg"
    assert released["target_uri"] == "0000001/12_1.jpg"


def test_ultraedit_says_which_edits_are_bound_to_a_region(tmp_path: Path) -> None:
    free = rows(made.MAKERS["ultraedit"](tmp_path / "free"))
    bound = rows(made.MAKERS["ultraedit-regions"](tmp_path / "bound"))
    assert [row.fields["reach"] for row in free] == ["", ""]
    assert [row.fields["reach"] for row in bound] == ["local", "local"]
    assert bound[1].fields["target_caption"] == "a lake with a boat"
    assert bound[1].fields["license"] == "CC-BY-4.0"
    assert widths(bound[1]) == (6, 7)


@pytest.mark.parametrize("layout", ["magicbrush", "magicbrush-folders"])
def test_magicbrush_gives_one_record_a_turn_and_a_slice_a_session(layout: str, tmp_path: Path) -> None:
    source = made.MAKERS[layout](tmp_path)
    found = rows(source)
    first, second, alone = found
    assert [row.id.rpartition("/")[2] for row in found] == ["1", "2", "1"]
    assert [row.fields["turn"] for row in found] == [1, 2, 1]
    assert first.fields["session"] == second.fields["session"] != alone.fields["session"]
    assert {row.fields["reach"] for row in found} == {"local"}
    assert read(first, "target_uri") == read(second, "uri")
    assert MagicBrushConfig(path="x").group_by == "session"
    assert [len(part.rows) for part in cut(source, size=1, group_by="session")] == [2, 1]
    if layout == "magicbrush-folders":
        assert first.fields["target_caption"] == second.fields["source_caption"] == "a desk with a cup"
        assert second.fields["target_caption"] == ""


def read(row: SourceRow, field: str) -> bytes:
    return read_file(row.fields[field], base=row.fields["base"], schemes=SCHEMES, max_bytes=10**6)


@pytest.mark.parametrize(
    ("direction", "requests"), [("forward", ["give the cat a hat"]), ("inverse", ["take the cat's hat off"])]
)
def test_hq_edit_forward_and_back(tmp_path: Path, direction: str, requests: list[str]) -> None:
    found = rows(HqEditConfig(path=str(made.hq_edit(tmp_path)), direction=direction).load())  # type: ignore[arg-type]
    assert [row.fields["text"] for row in found] == requests
    captions = (found[0].fields["source_caption"], found[0].fields["target_caption"])
    there = direction == "forward"
    assert captions == (("a cat", "a cat with a hat") if there else ("a cat with a hat", "a cat"))
    assert widths(found[0]) == ((4, 5) if there else (5, 4))
    assert found[0].id.endswith("/inverse") is not there


def test_hq_edit_both_ways_is_one_session_a_row(tmp_path: Path) -> None:
    made.hq_edit(tmp_path, rows=2)
    found = rows(HqEditConfig(path=str(tmp_path), direction="both").load())
    stem = "data/train-00000-of-00001"
    assert [(row.id, row.fields["session"]) for row in found] == [
        (f"{stem}/0", f"{stem}/0"), (f"{stem}/0/inverse", f"{stem}/0"),
        (f"{stem}/1", f"{stem}/1"), (f"{stem}/1/inverse", f"{stem}/1"),
    ]  # fmt: skip
    alone = rows(HqEditConfig(path=str(tmp_path), direction="inverse").load())
    assert {row.fields["session"] for row in alone} == {""}


@pytest.mark.parametrize("column", ["input", "output", "edit", "inverse_edit"])
def test_faults_speak_of_the_datasets_own_columns_both_ways(tmp_path: Path, column: str) -> None:
    [path] = (made.hq_edit(tmp_path) / "data").iterdir()
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.schema.get_field_index(column), column, [[5]]), path)
    ways = {"edit": 1, "inverse_edit": 1}.get(column, 2)
    found = [f"{path}: row 0: '{column}': input should be a valid string"] * ways
    assert faulty(HqEditConfig(path=str(tmp_path), direction="both").load()) == found


def test_seed_data_edit_tells_edits_from_sessions_by_their_keys(tmp_path: Path) -> None:
    found = rows(made.MAKERS["seed_edit_part2_3"](tmp_path))
    assert [row.id for row in found] == [
        "multi/split_0001/1/1", "multi/split_0001/1/2", "real/split_0001/1", "real/split_0001/2",
    ]  # fmt: skip
    one, two, edit, _ = (row.fields for row in found)
    assert (one["uri"], one["target_uri"], one["turn"]) == ("s/0.jpg", "s/1.jpg", 1)
    assert (two["uri"], two["target_uri"], two["turn"]) == ("s/1.jpg", "s/2.jpg", 2)
    assert one["session"] == two["session"] == "multi/split_0001/1"
    assert (edit["text"], edit["session"], edit["turn"]) == ("brighten the face", "", 0)


def test_gier_has_wordings_and_operators(tmp_path: Path) -> None:
    found = rows(made.MAKERS["gier"](tmp_path))
    assert [(row.fields["text"], row.fields["reach"], row.fields["operation"]) for row in found] == [
        ("brighten the picture", "global", "brightness, contrast"),
        ("it is too dark, please make it brighter", "global", "brightness, contrast"),
        ("please remove the man", "local", "inpaint_obj"),
    ]
    firsts = rows(GierConfig(path=f"{tmp_path}/GIER.json").load())
    assert [row.fields["text"] for row in firsts] == ["brighten the picture", "please remove the man"]
    assert [row.id for row in firsts] == ["0jo4ye_0jo4ye-0jo4ye_1/0", "b_b-b_2/0"]


def test_another_dataset_than_the_kind_says_is_told_with_the_nearest_column(tmp_path: Path) -> None:
    made.hq_edit(tmp_path)
    with pytest.raises(ConfigError) as caught:
        InstructPix2PixConfig(path=str(tmp_path)).load().check()
    assert str(caught.value) == (
        f"{tmp_path}/data/train-00000-of-00001.parquet: there is no column 'original_image'; did you mean 'input_image'?; "
        "this is another dataset than `kind` says"
    )


def faulty(source: Source) -> list[str]:
    source.check()
    return [row.error for row in source.rows() if row.error]


def test_rows_of_tables_that_are_wrong_fail_alone(tmp_path: Path) -> None:
    made.magicbrush_parquet(tmp_path)
    [path] = (tmp_path / "data").iterdir()
    table = pq.read_table(path)
    columns = {"instruction": [None, " ", "fine"], "img_id": ["a", "b", None]}
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, [values])
    pq.write_table(table, path)
    assert faulty(MagicBrushConfig(path=str(tmp_path)).load()) == [
        f"{path}: row 0: 'instruction': field required",
        f"{path}: row 1: 'instruction': string should have at least 1 character",
        f"{path}: row 2: its session is None and its turn 1; they name the record",
    ]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ('{"caption": "a", "output": "b"}', "has no key 'edit'; it has: caption, output"),
        ('{"edit": 7}', "'edit': input should be a valid string"),
        ('{"edit": ""}', "'edit': string should have at least 1 character"),
        ("[]", "holds list, not a JSON object"),
        ("{", "not valid JSON"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_prompt_that_is_wrong_fails_its_pairs_alone(tmp_path: Path, prompt: str | None, message: str) -> None:
    path = made.ip2p_folders(tmp_path) / "0000001" / "prompt.json"
    path.unlink()
    if prompt is not None:
        path.write_text(prompt)
    source = InstructPix2PixConfig(path=str(tmp_path), form="folders").load()
    found = list(source.rows())
    assert [bool(row.error) for row in found] == [True, True, False]
    assert found[0].error.startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    "listed", ['{"a": 1}', '[["../x", ["1"]]]', '[["0000001", "11"]]', '[["0000001"]]', "[[1, []]]", "["]
)
def test_a_list_of_seeds_that_is_wrong_or_leads_out_ends_the_source(tmp_path: Path, listed: str) -> None:
    made.ip2p_folders(tmp_path)
    (tmp_path / "seeds.json").write_text(listed)
    with pytest.raises(ConfigError, match=r"seeds\.json: "):
        InstructPix2PixConfig(path=str(tmp_path), form="folders").load().check()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            {"source_image": "a/0.jpg", "target_image": "../../etc/passwd", "instruction": "x"},
            "leads out of the folder",
        ),
        ({"source_image": "a/0.jpg", "target_image": "a/1.jpg"}, "'instruction': field required"),
        ({"source_image": None, "target_image": "a/1.jpg", "instruction": "x"}, "'source_image': field required"),
        ({"source_image": "a/0.jpg"}, "has neither 'target_image' nor 'instruction_1'; it has: source_image"),
        ({"source_image": "a/0.jpg", "instruction_1": "x"}, "turn 1: 'edit_image_1': field required"),
        (
            {"source_image": "a/0.jpg", "instruction_2": "x", "edit_image_2": "b"},
            "turn 2: 'edit_image_1': field required",
        ),
    ],
)
def test_a_line_of_seed_data_edit_that_is_wrong_fails_alone(
    tmp_path: Path, line: dict[str, object], message: str
) -> None:
    made.seed_edit(tmp_path)
    path = tmp_path / "annotations" / "real" / "split_0001.jsonl"
    path.write_text("{\n" + json.dumps(line) + "\n" + json.dumps(made.SEED_PAIRS[0]) + "\n")
    source = SeedEditPart23Config(path=str(path), images=f"{tmp_path}/images").load()
    broken, wrong, good = source.rows()
    assert broken.error.startswith(f"{path}: line 1: not valid JSON")
    assert wrong.error.startswith(f"{path}: line 2")
    assert message in wrong.error
    assert not good.error


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (7, "entry 0: is int, not a JSON object"),
        ({"input": "a.jpg", "output": "b.jpg"}, "has no request, neither in 'expert_summary' nor in 'amateur_summary'"),
        ({"input": "a.jpg", "expert_summary": ["x"]}, "'output' names no picture"),
        ({"input": "a.jpg", "output": "/b.jpg", "expert_summary": ["x"]}, "leads out of the folder"),
        ({"input": "a.jpg", "output": "b.jpg", "expert_summary": "x"}, "'expert_summary' is str, not a list"),
        ({"input": "a.jpg", "output": "b.jpg", "expert_summary": ["x"], "operator": ["crop"]}, "'operator' is list"),
    ],
)
def test_an_entry_of_gier_that_is_wrong_fails_alone(tmp_path: Path, entry: object, message: str) -> None:
    made.gier(tmp_path)
    (tmp_path / "GIER.json").write_text(json.dumps([entry, made.GIER[1]]))
    wrong, good = GierConfig(path=f"{tmp_path}/GIER.json").load().rows()
    assert message in wrong.error
    assert not good.error


@pytest.mark.parametrize(
    ("sessions", "message"),
    [
        ({"a": {}}, "session 'a': it is dict, not a list"),
        ({"a": [7]}, "turn 1: is int, not a JSON object"),
        ({"a": [{"input": "x", "output": "../y", "instruction": "z"}]}, "leads out of the folder"),
        ({"..": [{"input": "x", "output": "y", "instruction": "z"}]}, "leads out of the folder"),
        ({"a": [{"input": "x", "output": "y"}]}, "'instruction': field required"),
    ],
)
def test_a_session_of_magicbrush_that_is_wrong_fails_alone(tmp_path: Path, sessions: object, message: str) -> None:
    made.magicbrush_folders(tmp_path)
    good = {"9": made.SESSIONS["9"]}
    (tmp_path / "edit_sessions.json").write_text(json.dumps({**sessions, **good}))  # type: ignore[dict-item]
    wrong, sound = MagicBrushConfig(path=str(tmp_path), form="folders").load().rows()
    assert message in wrong.error
    assert not sound.error


def test_a_list_of_other_things_is_none_of_giers(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('[["0000001", ["1"]]]')
    with pytest.raises(ConfigError, match="is none of GIER's: an entry is an object with 'input' and 'output'"):
        GierConfig(path=f"{tmp_path}/x.json").load().check()


def test_a_folder_of_another_kind_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.txt").touch()
    for config, found in (
        (
            InstructPix2PixConfig(path=str(tmp_path), form="folders"),
            "holds no folder with prompt.json and pairs such as",
        ),
        (MagicBrushConfig(path=str(tmp_path), form="folders"), "edit_sessions.json: there is no such folder or file"),
        (
            SeedEditPart23Config(path=str(tmp_path), images=str(tmp_path)),
            "holds no tables; their names end in .jsonl",
        ),
        (GierConfig(path=f"{tmp_path}/GIER.json"), "GIER.json: there is no such folder or file"),
        (HqEditConfig(path=str(tmp_path)), r"holds no .parquet files.*\)$"),
        (MagicBrushConfig(path=str(tmp_path)), "`form: folders` reads its authors' own folders"),
    ):
        with pytest.raises(ConfigError, match=found):
            config.load().check()
