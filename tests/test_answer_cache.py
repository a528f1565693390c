"""Kept answers: what was paid for once is never asked again, and never changes what comes out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from building import PAINT, Quiet, dataset_bytes, ledger_rows, plain_rows, run_local, toy_graph
from judge import Judge, judge
from picture_files import noise, saved

from datagen.core.errors import StoreError
from datagen.core.fields import catalogue
from datagen.core.stage import Reject
from datagen.execute.engines.progress_events import Summary
from datagen.execute.reuse.answer_cache import CACHE, CHECKPOINTS, AnswerCache, CachedAnswer, Cost, MadeRecords
from datagen.execute.reuse.fingerprints import stage_fingerprints
from datagen.execute.run import RunOptions, run
from datagen.execute.workers.commit import Committer
from datagen.execute.workers.stage_runner import Unit
from datagen.imaging.codecs import canonical
from datagen.imaging.image import Image
from datagen.storage.store import Store

FIELDS = catalogue()
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def _answers(out: Path) -> AnswerCache:
    return AnswerCache(Store(str(out)), "print", catalogue=FIELDS)


def _plain(value: Any) -> Any:
    """A value as something that can be compared."""
    if isinstance(value, Image):
        return value.array.tolist()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


VALUES: list[dict[str, Any]] = [
    {"caption": "größer \N{GRINNING FACE} \n", "sharpness": 0.1 + 0.2},
    {"target": Image.of(PIXELS), "refs": [Image.of(PIXELS[:3]), Image.of(PIXELS)]},
    {"mask": PIXELS[..., 0] > 99, "masks": [PIXELS[..., 1] > 9]},
    {"box": (1.5, 2.0, 3.0, 4.25), "attributes": ["red", "old"], "annotated_mask": {}},
    {"polygons": [[(0.0, 1.0), (2.0, 3.0)]]},
    {},
]


@pytest.mark.parametrize("fields", VALUES, ids=lambda fields: "+".join(fields) or "nothing")
def test_every_kind_of_value_comes_back(tmp_path: Path, fields: dict[str, Any]) -> None:
    given = {name: canonical(FIELDS[name], value) for name, value in fields.items()}
    stored = CachedAnswer(given, Cost(1.25, 7, 0.5))
    assert _answers(tmp_path).save("slice", {"r0": stored}) == {"r0": stored}
    [found] = _answers(tmp_path).load("slice").values()
    assert _plain(found.answer) == _plain(given)
    assert found.cost == stored.cost
    _answers(tmp_path).append("other", "r0", stored)
    [(id, noted)] = _answers(tmp_path).load("other").items()
    assert (id, _plain(noted.answer), noted.cost) == ("r0", _plain(given), stored.cost)


def test_rejections_children_and_groups_come_back(tmp_path: Path) -> None:
    given = {
        "r0": CachedAnswer(Reject("blurred", "0.3 of 0.5", {"sharpness": 0.3}), Cost()),
        "r1": CachedAnswer(MadeRecords((("", {"subject": "cup"}), ("", {"subject": "jar"}))), Cost()),
        "r2\0digest": CachedAnswer(MadeRecords((("r2#1", {}),)), Cost()),
    }
    _answers(tmp_path).save("slice", given)
    assert _answers(tmp_path).load("slice") == given


def test_single_answers_are_there_until_the_slice_is_kept(tmp_path: Path) -> None:
    one, other = _answers(tmp_path), _answers(tmp_path)
    assert not one.has_any()
    one.append("slice", "r0", CachedAnswer({"caption": "a"}, Cost()))
    one.append("slice", "odd/../id \N{SNOWMAN}", CachedAnswer({"caption": "b"}, Cost()))
    assert other.has_any()
    assert {id: stored.answer["caption"] for id, stored in other.load("slice").items()} == {
        "r0": "a",
        "odd/../id \N{SNOWMAN}": "b",
    }
    one.save("slice", other.load("slice"))
    assert not (tmp_path / CACHE / "print" / "slice").exists()
    assert len(_answers(tmp_path).load("slice")) == 2


def test_what_a_killed_worker_noted_is_kept_with_what_comes_after_it(tmp_path: Path) -> None:
    for id in "abc":
        _answers(tmp_path).append("slice", id, CachedAnswer({"caption": id}, Cost(1, 10, 0.5)))
    resumed = _answers(tmp_path)
    assert sorted(resumed.load("slice")) == ["a", "b", "c"]
    new = {"d": CachedAnswer({"caption": "d"}, Cost())}
    assert resumed.save("slice", new) == new
    assert not (tmp_path / CACHE / "print" / "slice").exists()
    found = _answers(tmp_path).load("slice")
    assert {id: stored.answer["caption"] for id, stored in found.items()} == dict(zip("abcd", "abcd", strict=True))


def test_a_slice_that_was_noted_whole_is_kept(
    tmp_path: Path, judge_server: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between its last answer and the file of all."""

    def killed(*_: object) -> None:
        raise StoreError("killed")

    monkeypatch.setattr(AnswerCache, "save", killed)
    with pytest.raises(StoreError, match="killed"):
        _run(tmp_path, _stages(judge_server), "out")
    monkeypatch.undo()
    noted = {path.parent.name for path in (tmp_path / "out" / CACHE).rglob("log-*")}
    assert noted
    _run(tmp_path, _stages(judge_server), "out")
    assert set(Counter(call.id for call in judge_server.calls).values()) == {1}, "none is asked again"
    assert not list((tmp_path / "out" / CACHE).rglob("log-*"))
    assert noted <= {path.stem for path in (tmp_path / "out" / CHECKPOINTS).rglob("*.arrow")}


def test_the_first_writer_counts_and_the_later_one_takes_its_answers(tmp_path: Path) -> None:
    first = {"r0": CachedAnswer({"caption": "first"}, Cost()), "r1": CachedAnswer({"caption": "first"}, Cost())}
    later = {"r1": CachedAnswer({"caption": "later"}, Cost()), "r2": CachedAnswer({"caption": "later"}, Cost())}
    _answers(tmp_path).save("slice", first)
    counts = _answers(tmp_path).save("slice", later)
    assert {id: stored.answer["caption"] for id, stored in counts.items()} == {"r1": "first", "r2": "later"}
    found = _answers(tmp_path).load("slice")
    assert {id: stored.answer["caption"] for id, stored in found.items()} == {
        "r0": "first",
        "r1": "first",
        "r2": "later",
    }


@pytest.fixture
def judge_server() -> Iterator[Judge]:
    """A judge behind HTTP."""
    with judge() as found:
        yield found


def _stages(judge_server: Judge, *, share: float = 0.0, **more: Any) -> list[Any]:
    return [
        {"use": "fan_out", "with": {"most": 2}},
        {"use": "inquire", "with": {"port": judge_server.port}, **more},
        PAINT,
        {"use": "sift", "with": {"share": share}},
    ]


def _run(folder: Path, stages: list[Any], out: str, **keys: Any) -> tuple[Summary, Quiet]:
    watcher = Quiet()
    graph = toy_graph(folder, stages, **keys)
    return run(graph, out=str(folder / out), options=RunOptions("local"), watcher=watcher), watcher


def test_a_changed_last_filter_asks_nothing_again(tmp_path: Path, judge_server: Judge) -> None:
    first, _ = _run(tmp_path, _stages(judge_server), "out")
    number = len(judge_server.calls)
    assert number > 5
    values = {id: (row["tokens"], row["usd"]) for id, row in ledger_rows(tmp_path / "out").items()}
    again, _ = _run(tmp_path, _stages(judge_server, share=0.5), "out")
    assert len(judge_server.calls) == number, "the judge was asked nothing"
    counters = again.stage_counters["inquire"]
    assert (counters.reused, counters.calls, counters.tokens, counters.usd) == (number, 0, 0, 0.0), (
        "nothing is spent now"
    )
    assert first.stage_counters["inquire"].tokens == 3 * number
    after = {id: (row["tokens"], row["usd"]) for id, row in ledger_rows(tmp_path / "out").items()}
    assert after == values, "the ledger says what the record's answer took when it was given"
    assert sum(tokens for tokens, _ in values.values()) == 3 * number
    _run(tmp_path, _stages(judge_server, share=0.5), "fresh")
    assert dataset_bytes(tmp_path / "out") == dataset_bytes(tmp_path / "fresh")


def test_an_earlier_filter_that_lets_more_through_asks_only_about_those(tmp_path: Path, judge_server: Judge) -> None:
    def stages(share: float) -> list[Any]:
        return [{"use": "sift", "with": {"share": share}}, *_stages(judge_server)[:-1]]

    _run(tmp_path, stages(0.6), "out", rows=plain_rows(12))
    few = set(judge_server.requests())
    judge_server.forget()
    _run(tmp_path, stages(0.2), "out", rows=plain_rows(12))
    assert judge_server.calls
    assert not few & set(judge_server.requests())
    _run(tmp_path, stages(0.2), "fresh", rows=plain_rows(12))
    assert dataset_bytes(tmp_path / "out") == dataset_bytes(tmp_path / "fresh")


def _truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flipped(data: bytes) -> bytes:
    return data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]


@pytest.mark.parametrize("damage", [_truncated, _flipped, lambda _: b""], ids=["truncated", "flipped", "empty"])
def test_a_damaged_file_is_told_and_asked_again(tmp_path: Path, judge_server: Judge, damage: Any) -> None:
    _run(tmp_path, _stages(judge_server), "out")
    file = sorted((tmp_path / "out" / CHECKPOINTS).rglob("*.arrow"))[0]
    file.write_bytes(damage(file.read_bytes()))
    judge_server.forget()
    summary, watcher = _run(tmp_path, _stages(judge_server, share=0.5), "out")
    assert [text for text in watcher.messages if "is damaged" in text and file.name in text]
    asked_again = len(judge_server.calls)
    assert 0 < asked_again < summary.stage_counters["inquire"].taken, "that slice, and no other"
    judge_server.forget()
    _run(tmp_path, _stages(judge_server, share=0.6), "out")
    assert not judge_server.calls, "the new answers stand beside the damaged ones"
    _run(tmp_path, _stages(judge_server, share=0.6), "fresh")
    assert dataset_bytes(tmp_path / "out") == dataset_bytes(tmp_path / "fresh")


def test_a_failure_is_never_kept(tmp_path: Path) -> None:
    rows = plain_rows(3)
    rows[1]["caption"] = "dud"
    stages = [{"use": "blow_up", "durable": True}, PAINT]
    graph = toy_graph(tmp_path, stages, rows=rows)
    run_local(graph, tmp_path / "out")
    stored = AnswerCache(Store(str(tmp_path / "out")), stage_fingerprints(graph)["blow_up"], catalogue=graph.catalogue)
    [file] = (tmp_path / "out" / CHECKPOINTS).rglob("*.arrow")
    assert set(stored.load(file.stem)) == {"r0", "r2"}


def test_a_groups_answer_is_not_used_for_another_group(tmp_path: Path) -> None:
    """`sift` decides who reaches the group; its answer has to change with it."""

    def stages(share: float) -> list[Any]:
        return [
            {"use": "fan_out", "with": {"most": 3}},
            {"use": "sift", "with": {"share": share}},
            {"use": "gather", "durable": True},
            PAINT,
        ]

    _run(tmp_path, stages(0.0), "out")
    again, _ = _run(tmp_path, stages(0.4), "out")
    assert again.stage_counters["gather"].calls > 0
    _run(tmp_path, stages(0.4), "fresh")
    assert dataset_bytes(tmp_path / "out") == dataset_bytes(tmp_path / "fresh")


def test_a_groups_answer_is_not_used_when_its_slice_was_cut_otherwise(tmp_path: Path) -> None:
    stages = [{"use": "gather_session", "durable": True}, PAINT]

    def rows(sessions: list[str]) -> list[dict[str, Any]]:
        return [{**row, "session": session} for row, session in zip(plain_rows(4), sessions, strict=True)]

    keys: dict[str, Any] = {
        "source": {"kind": "manifest", "path": str(tmp_path / "manifest.jsonl"), "group_by": "session"}
    }
    _run(tmp_path, stages, "out", rows=rows(["a", "a", "b", "b"]), **keys)
    _run(tmp_path, stages, "out", rows=rows(["a", "a", "a", "b"]), **keys)
    _run(tmp_path, stages, "fresh", rows=rows(["a", "a", "a", "b"]), **keys)
    assert dataset_bytes(tmp_path / "out") == dataset_bytes(tmp_path / "fresh")


def test_a_stage_whose_answers_are_all_known_is_not_set_up(tmp_path: Path) -> None:
    def stages(share: float) -> list[Any]:
        return [
            {"use": "set_up_once", "with": {"folder": str(tmp_path)}, "durable": True},
            PAINT,
            {"use": "sift", "with": {"share": share}},
        ]

    marks = tmp_path / "setups.txt"
    _run(tmp_path, stages(0.0), "out", rows=plain_rows(6))
    assert marks.read_text().split() == ["setup"]
    _run(tmp_path, stages(0.5), "out", rows=plain_rows(6))
    assert marks.read_text().split() == ["setup"], "its model was not loaded"
    _run(tmp_path, stages(0.5), "out", rows=plain_rows(9))
    assert marks.read_text().split() == ["setup", "setup"], "a record that is new needs it"


def test_a_stage_is_durable_by_default_where_it_is_dear(tmp_path: Path) -> None:
    graph = toy_graph(
        tmp_path, [{"use": "sift"}, {"use": "ask"}, {"use": "trace"}, {**PAINT, "resources": {"gpus": 1}}]
    )
    assert [node.id for node in graph.nodes if node.durable] == ["ask", "trace", "paint"]
    found = toy_graph(tmp_path, [{"use": "sift", "durable": True}, {"use": "ask", "durable": False}, PAINT])
    assert [node.id for node in found.nodes if node.durable] == ["sift"]


def test_a_stage_that_is_not_durable_leaves_nothing_and_is_asked_again(tmp_path: Path, judge_server: Judge) -> None:
    _run(tmp_path, _stages(judge_server, durable=False), "out")
    number = len(judge_server.calls)
    assert not (tmp_path / "out" / CHECKPOINTS).exists()
    assert not (tmp_path / "out" / CACHE).exists()
    _run(tmp_path, _stages(judge_server, share=0.5, durable=False), "out")
    assert len(judge_server.calls) == 2 * number


SUMMARISE = {"use": "summarise", "durable": True}
_GATHER = {"use": "gather_session", "map": {"caption": "subject"}}
CHAINS: dict[str, list[Any]] = {
    "alone": [SUMMARISE],
    "of children": [{"use": "fan_out", "map": {"subject": "operation"}}, SUMMARISE],
    "of a group": [SUMMARISE, {**_GATHER, "durable": True}],
    "behind a group": [SUMMARISE, _GATHER, {**_GATHER, "id": "again", "durable": True}],
}
"""Stages between the reading of a picture and the painting of a sample."""


@pytest.mark.parametrize("killed", [False, True], ids=["other options", "killed"])
@pytest.mark.parametrize("name", CHAINS)
def test_answers_for_a_picture_are_not_used_for_another_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, killed: bool
) -> None:
    """The manifest has no checksum that would tell."""
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(saved(noise(4, 4, seed=number), "PNG"))
    rows = [{"id": f"r{n}", "uri": f"{n}.png", "caption": "c", "session": f"s{n // 3}"} for n in range(6)]
    source = {"kind": "manifest", "path": str(tmp_path / "manifest.jsonl"), "group_by": "session"}

    def ran(out: str, side: int = 4) -> Summary:
        stages = [{"use": "read_image"}, *CHAINS[name], {**PAINT, "with": {"side": side}}]
        return _run(tmp_path, stages, out, rows=rows, source=source)[0]

    def fail(*_: object) -> None:
        raise StoreError("killed")

    if killed:
        monkeypatch.setattr(Committer, "commit", fail)
        with pytest.raises(StoreError, match="killed"):
            ran("out")
        monkeypatch.undo()
    else:
        ran("out", side=5)
    old = (tmp_path / "0.png").read_bytes()
    (tmp_path / "0.png").write_bytes(saved(noise(4, 4, seed=9), "PNG"))
    ran("out")
    ran("fresh")
    assert dataset_bytes(tmp_path / "out") == dataset_bytes(tmp_path / "fresh")
    (tmp_path / "0.png").write_bytes(old)
    again = ran("out", side=6)
    durable = [stage.get("id", stage["use"]) for stage in CHAINS[name] if stage.get("durable")]
    assert not any(again.stage_counters[id].calls for id in durable), "all are known"
    assert all(again.stage_counters[id].reused for id in durable)


def test_answers_that_were_kept_without_a_checksum_of_their_picture_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As runs before it was in their keys kept them."""
    (tmp_path / "0.png").write_bytes(saved(noise(4, 4), "PNG"))
    rows = [{"id": "r0", "uri": "0.png", "caption": "c"}]
    stages = [{"use": "read_image"}, SUMMARISE]
    monkeypatch.setattr(Unit, "key", Unit.given)
    _run(tmp_path, [*stages, PAINT], "out", rows=rows)
    monkeypatch.undo()
    again, _ = _run(tmp_path, [*stages, {**PAINT, "with": {"side": 5}}], "out", rows=rows)
    assert (again.stage_counters["summarise"].calls, again.stage_counters["summarise"].reused) == (0, 1)


def test_a_stage_that_does_not_depend_on_a_picture_keeps_its_answers(tmp_path: Path) -> None:
    rows = [{"id": "r0", "uri": "0.png", "caption": "c"}]
    stages = [{"use": "read_image"}, {"use": "blow_up", "durable": True}, SUMMARISE]
    for seed in range(2):
        (tmp_path / "0.png").write_bytes(saved(noise(4, 4, seed=seed), "PNG"))
        found, _ = _run(tmp_path, [*stages, {**PAINT, "with": {"side": 4 + seed}}], "out", rows=rows)
    assert (found.stage_counters["blow_up"].calls, found.stage_counters["summarise"].calls) == (0, 1)


def test_a_committed_sample_stays_that_of_the_picture_it_was_made_of(tmp_path: Path) -> None:
    old = saved(noise(4, 4), "PNG")
    (tmp_path / "0.png").write_bytes(old)
    keys: dict[str, Any] = {"rows": [{"id": "r0", "uri": "0.png", "caption": "c"}]}
    _run(tmp_path, [{"use": "read_image"}, SUMMARISE, PAINT], "out", **keys)
    before = dataset_bytes(tmp_path / "out")
    (tmp_path / "0.png").write_bytes(saved(noise(4, 4, seed=1), "PNG"))
    _run(tmp_path, [{"use": "read_image"}, SUMMARISE, PAINT], "out", **keys)
    assert dataset_bytes(tmp_path / "out") == before
    assert ledger_rows(tmp_path / "out")["r0"]["source_sha256"] == hashlib.sha256(old).hexdigest()


def test_a_kept_file_says_what_it_is_made_of(tmp_path: Path) -> None:
    """A contract: the digest of the rest in the first 32 bytes, then two Arrow streams."""
    _answers(tmp_path).save("slice", {"r0": CachedAnswer({"caption": "a"}, Cost())})
    data = (tmp_path / CHECKPOINTS / "print" / "slice.arrow").read_bytes()
    assert hashlib.sha256(data[32:]).digest() == data[:32]
