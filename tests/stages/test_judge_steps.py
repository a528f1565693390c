"""What the judge of steps declares; what it does is in tests/models/test_step_judges.py."""

from __future__ import annotations

from stages.judge_steps import JudgeSteps


def test_only_a_judge_by_graphs_needs_them() -> None:
    assert "step_graphs" in JudgeSteps.needs(JudgeSteps.Config())
    model = {"kind": "openai", "model": "m", "base_url": "http://127.0.0.1:1/v1", "api_key_env": ""}
    config = JudgeSteps.Config.model_validate({"judge": {"kind": "language", "model": model}})
    assert JudgeSteps.needs(config) == JudgeSteps.reads
