"""Judges against a real server on this machine: every protocol, replies that cannot be read, draws, and kept replies."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chat_server import Act, Chat, Request, chatting, fails, says, words_of
from PIL import Image as Pillow
from pydantic import ValidationError
from worlds_on_disk import world_dataset

import datagen
from datagen.core.errors import AllowanceError, ConfigError
from datagen.evaluate.config import EvaluationConfig, load_evaluation
from datagen.evaluate.evaluation import EvaluationRequest, evaluate
from datagen.evaluate.grades import PROTOCOLS, ThreeGrades
from datagen.evaluate.results import EvaluationResults, MetricValue
from datagen.models.language import calls as singly

pytestmark = pytest.mark.torch
SAMPLES = 6


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world_dataset(tmp_path_factory.mktemp("worlds"), sessions=4)


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    monkeypatch.setattr(singly, "_FIRST_WAIT_S", 0.02)
    with chatting() as server:
        yield server


@pytest.fixture
def copies(worlds: Path, tmp_path: Path) -> Path:
    """Outputs that are the source itself."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for sample in datagen.open(str(worlds), split="val"):
        Pillow.fromarray(sample.source).save(folder / f"{sample.key}.png")
    return folder


def judged(
    chat: Chat, worlds: Path, *places: Path, protocol: str = "mcie", draws: int = 1, replies: str = "", **model: Any
) -> EvaluationResults:
    options = {"model": "seer", "base_url": chat.address, "api_key_env": "", "repairs": 1, **model}
    if draws > 1:
        options.setdefault("temperature", 1)
    judges = [{"protocol": protocol, "draws": draws, "model": options}]
    config = EvaluationConfig.model_validate({"effnet": None, "judges": judges, "concurrency": 4})
    request = EvaluationRequest([*map(str, places)], str(worlds), config=config, replies=replies, limit=SAMPLES)
    return evaluate(request).results


def number(results: EvaluationResults, metric: str) -> float:
    value = results.value(metric, "mine").value
    assert value is not None
    return value


def pictures_of(request: Request) -> int:
    return sum(part["type"] == "image_url" for part in request["messages"][-1]["content"])


def test_mcie_grades_compliance_and_consistency(chat: Chat, worlds: Path, copies: Path) -> None:
    chat.does(says({"reason": "nothing was done", "compliance": 1, "consistency": 5}))
    results = judged(chat, worlds, copies)
    assert number(results, "mcie IC by seer, 1 draw") == 1
    assert number(results, "mcie BC by seer, 1 draw") == 5
    assert len(chat.requests) == SAMPLES  # baselines are not paid for
    assert {pictures_of(request) for request in chat.requests} == {2}
    instructions = {sample.instruction for sample in results.samples}
    found = [[text for text in instructions if text[:20] in words_of(request)] for request in chat.requests]
    assert all(found)
    metric = results.metric("mcie IC by seer, 1 draw")
    assert (metric.scale, metric.failed_as) == ((1, 10), 1)
    assert "openai@1:seer; prompts judge_mcie@1:" in metric.model
    assert any("judges used" in note for note in results.notes)
    assert set(results.values[metric.name]) == {"mine"}


def by_prompt(**answers: Any) -> Callable[[Request, int], Act]:
    """An answer by what the prompt asks for."""
    return lambda request, place: says(next(found for word, found in answers.items() if word in words_of(request)))


def test_gedit_takes_the_root_of_success_and_quality(chat: Chat, worlds: Path, copies: Path) -> None:
    chat.act = by_prompt(over_editing={"success": 4, "over_editing": 9}, quality={"quality": 9})
    results = judged(chat, worlds, copies, protocol="gedit")
    assert number(results, "gedit SC by seer, 1 draw") == 4
    assert number(results, "gedit PQ by seer, 1 draw") == 9
    assert number(results, "gedit O by seer, 1 draw") == pytest.approx(math.sqrt(36))
    assert sorted(map(pictures_of, chat.requests)) == [1] * SAMPLES + [2] * SAMPLES


def test_the_mean_of_gedit_is_that_of_the_means_by_operation(chat: Chat, worlds: Path, copies: Path) -> None:
    whole = judged(chat, worlds, copies)
    groups = {sample.key: sample.group for sample in whole.samples}
    texts = {sample.key: sample.instruction for sample in whole.samples}
    assert len(set(groups.values())) > 1
    first = min(groups.values())
    chat.requests.clear()

    def act(request: Request, place: int) -> Act:
        if "over_editing" not in words_of(request):
            return says({"quality": 10})
        mine = [key for key, text in texts.items() if text in words_of(request).replace("\n", " ")]
        return says({"success": 10 if any(groups[key] == first for key in mine) else 0, "over_editing": 10})

    chat.act = act
    results = judged(chat, worlds, copies, protocol="gedit")
    graded = {sample.key: sample.values["mine"]["gedit SC by seer, 1 draw"] for sample in results.samples}
    means = [np.mean([graded[key] for key in groups if groups[key] == group]) for group in set(groups.values())]
    assert number(results, "gedit SC by seer, 1 draw") == pytest.approx(np.mean(means))
    assert number(results, "gedit SC by seer, 1 draw") != pytest.approx(np.mean(list(graded.values())))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("Compliance: 2\nSeamlessness: 5\nPreservation: 5", id="lines"),
        pytest.param("**Compliance:** 2/5\n- seamlessness - 5\nPreservation: 5.", id="decorated lines"),
        pytest.param({"compliance": 2, "seamlessness": 5, "preservation": 5}, id="json"),
    ],
)
def test_imgedit_reads_three_lines(chat: Chat, worlds: Path, copies: Path, answer: Any) -> None:
    chat.does(says(answer))
    results = judged(chat, worlds, copies, protocol="imgedit")
    assert number(results, "imgedit compliance by seer, 1 draw") == 2
    assert number(results, "imgedit mean by seer, 1 draw") == pytest.approx(4)
    assert "What matters with an edit of this type" in words_of(chat.requests[0])


@pytest.mark.parametrize(
    "text",
    [
        "Compliance: 2\nSeamlessness: 5",
        "Compliance: 6\nSeamlessness: 5\nPreservation: 5",
        "Compliance: 2\nCompliance: 3\nSeamlessness: 5\nPreservation: 5",
        "All is well.",
        "Compliance: 2 or 3\nSeamlessness: 5\nPreservation: 5",
    ],
)
def test_lines_that_have_no_one_meaning_are_no_grades(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        ThreeGrades.from_text(text)


def test_complex_edit_draws_several_times_and_averages(chat: Chat, worlds: Path, copies: Path) -> None:
    chat.act = lambda request, place: says({"following": place % 3, "identity": 6, "quality": 9})
    results = judged(chat, worlds, copies, protocol="complex-edit", draws=3)
    assert len(chat.requests) == 3 * SAMPLES
    assert number(results, "complex-edit identity by seer, 3 draws") == 6
    assert number(results, "complex-edit following by seer, 3 draws") == pytest.approx(1)  # of 0, 1 and 2
    assert number(results, "complex-edit overall by seer, 3 draws") == pytest.approx((1 + 6 + 9) / 3)


GOOD = {"reason": "", "compliance": 9, "consistency": 5}
IC = "mcie IC by seer, 1 draw"


def refusing(text: str) -> Callable[[Request, int], Act]:
    """Grades for all but the sample with this instruction."""
    return lambda request, place: says("I would rather not." if text in words_of(request) else GOOD)


def test_a_reply_that_cannot_be_read_is_a_failure_and_counts_as_the_lowest(
    chat: Chat, worlds: Path, copies: Path
) -> None:
    lost = judged(chat, worlds, copies).samples[2]
    chat.act = refusing(lost.instruction)
    results = judged(chat, worlds, copies)
    value: MetricValue = results.value(IC, "mine")
    assert (value.samples, value.failures) == (SAMPLES, 1)
    assert value.value == pytest.approx((9 * (SAMPLES - 1) + 1) / SAMPLES)
    assert results.samples[2].judge_failures == {"mine": ["mcie by seer, 1 draw"]}
    assert results.samples[2].values["mine"][IC] == 1


def test_a_missing_output_counts_as_the_lowest_too_and_is_not_asked_about(
    chat: Chat, worlds: Path, copies: Path
) -> None:
    chat.does(says(GOOD))
    lost = judged(chat, worlds, copies).samples[1].key
    chat.requests.clear()
    (copies / f"{lost}.png").unlink()
    value = judged(chat, worlds, copies).value(IC, "mine")
    assert (value.samples, value.failures, len(chat.requests)) == (SAMPLES, 1, SAMPLES - 1)
    assert value.value == pytest.approx((9 * (SAMPLES - 1) + 1) / SAMPLES)


def test_replies_are_stored_and_asked_for_once(chat: Chat, worlds: Path, copies: Path, tmp_path: Path) -> None:
    chat.does(says(GOOD))
    first = judged(chat, worlds, copies, replies=str(tmp_path / "replies"))
    number_of_calls = len(chat.requests)
    again = judged(chat, worlds, copies, replies=str(tmp_path / "replies"))
    assert len(chat.requests) == number_of_calls == SAMPLES
    assert again.values == first.values
    assert not any("judges used" in note for note in again.notes)


def test_a_budget_ends_the_evaluation_and_the_same_command_goes_on(
    chat: Chat, worlds: Path, copies: Path, tmp_path: Path
) -> None:
    chat.does(says(GOOD))
    stored = str(tmp_path / "replies")
    with pytest.raises(AllowanceError, match="budget"):
        judged(chat, worlds, copies, replies=stored, budget_tokens=1)
    assert judged(chat, worlds, copies, replies=stored).value(IC, "mine").samples == SAMPLES


def test_two_models_are_compared_by_a_judge(chat: Chat, worlds: Path, copies: Path, tmp_path: Path) -> None:
    other = tmp_path / "targets"
    other.mkdir()
    for sample in datagen.open(str(worlds), split="val"):
        Pillow.fromarray(sample.target).save(other / f"{sample.key}.png")

    def act(request: Request, place: int) -> Act:
        before, after = (part["image_url"]["url"] for part in request["messages"][-1]["content"][:2])
        return says({"compliance": 1 if before == after else 8, "consistency": 5})

    chat.act = act
    found = judged(chat, worlds, other, copies).difference(IC, "targets", "mine")
    assert found.value is not None
    assert found.value > 5


def test_a_server_that_refuses_all_calls_gives_failures(chat: Chat, worlds: Path, copies: Path) -> None:
    chat.does(fails(400, "no pictures here"))
    value = judged(chat, worlds, copies, retries=0).value(IC, "mine")
    assert (value.value, value.failures) == (1, SAMPLES)


# Configs


def test_draws_at_temperature_zero_are_refused() -> None:
    options = {"protocol": "mcie", "draws": 3, "model": {"model": "m"}}
    with pytest.raises(ValidationError, match="3 draws at temperature 0 are one draw"):
        EvaluationConfig.model_validate({"judges": [options]})


def test_one_judge_twice_is_refused() -> None:
    options = {"protocol": "mcie", "model": {"model": "m"}}
    with pytest.raises(ValidationError, match="two judges are called 'mcie by m, 1 draw'"):
        EvaluationConfig.model_validate({"judges": [options, options]})


def test_a_config_is_read_with_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "judges.yaml"
    path.write_text("judges:\n  - protocol: gedit\n    model: {model: m}\n")
    config = load_evaluation(path, sets=["concurrency=3", "dino.weights=./dino"])
    assert (config.judges[0].protocol, config.concurrency) == ("gedit", 3)
    assert config.dino is not None
    path.write_text("judges:\n  - protocol: elo\n    model: {model: m}\n")
    with pytest.raises(ConfigError, match=r"judges.yaml:2.*protocol"):
        load_evaluation(path)


def test_a_key_in_a_config_is_refused_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "judges.yaml"
    path.write_text("judges:\n  - protocol: gedit\n    model: {model: m, api_key_env: sk-abcdefghijklmnopqrstuvwx}\n")
    with pytest.raises(ConfigError, match=r"judges.yaml:3: 'judges.0.model.api_key_env' holds") as refusal:
        load_evaluation(path)
    assert "sk-abc" not in str(refusal.value)


def test_every_protocol_has_scores_within_its_scale() -> None:
    for protocol in PROTOCOLS.values():
        for extreme in (0, 1):
            grades: dict[str, int] = {}
            for call in protocol.calls:
                for name, field in call.shape.model_fields.items():
                    bounds = {type(rule).__name__: rule for rule in field.metadata}
                    if name != "reason":
                        grades[name] = int(bounds["Le"].le if extreme else bounds["Ge"].ge)
            for score in protocol.scores:
                assert score.of(grades) == score.scale[extreme]
