"""Sessions judged by a vision-language model: one call a session, with all pairs of turns demanded by the schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import combinations
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints, create_model

from datagen.core.errors import DataError
from datagen.core.stage import Runtime
from datagen.imaging.image import Image
from datagen.models.language.base import AnswerForm, Draw, LanguageModel
from datagen.models.language.prompt import Kind, delimited
from datagen.models.language.role_config import LanguageRoleConfig
from datagen.models.session_judges.base import JudgedRelation, SessionJudge, Turn, in_order


class LanguageSessionJudgeConfig(LanguageRoleConfig):
    """Asks a vision-language model, which sees every state; MCIE asks Qwen2.5-VL-72B about each window instead.

    A session of n turns has n(n - 1)/2 pairs, each some 20 tokens of the answer: raise the model's `max_tokens`.
    """

    kind: Literal["language"] = "language"
    slots: ClassVar[Mapping[str, Kind]] = {"turns": "json", "count": "number", "width": "number", "height": "number"}

    prompt: str = "judge_session"
    most_turns: int = Field(default=12, ge=2, le=30)
    """Longest session that is asked about; a longer one fails. Twelve turns have 66 pairs and 13 pictures."""

    def load(self, device: str, *, runtime: Runtime) -> SessionJudge:
        """The judge. Raises `SetupError` if its model cannot be used."""
        return LanguageSessionJudge(self, self.model.load(device, runtime=runtime))


PairKind = Literal[
    "none", "undo", "same_object", "count_of", "needs_result", "order", "dangling", "standing_order", "unknown"
]
_Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]


class TurnForm(AnswerForm):
    """One turn; whether it relies on words that were said before the first turn."""

    object: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
    dangles: bool


class PairForm(AnswerForm):
    """How the later turn of a pair stands to the earlier one."""

    kind: PairKind
    reason: _Reason


@cache
def session_form(count: int) -> type[AnswerForm]:
    """The answer for a session of `count` turns: a key for each turn, and one for each pair."""
    keys: dict[str, Any] = {f"turn_{number}": (TurnForm, ...) for number in range(1, count + 1)}
    keys |= {f"pair_{one}_{two}": (PairForm, ...) for one, two in combinations(range(1, count + 1), 2)}
    return create_model(f"SessionForm{count}", __base__=AnswerForm, __doc__="All turns and all pairs.", **keys)


class LanguageSessionJudge:
    """Asks a model about a whole session. It never sees windows; those follow from the pairs."""

    def __init__(self, config: LanguageSessionJudgeConfig, model: LanguageModel) -> None:
        self._model = model
        self._most = config.most_turns
        self._prompt = config.read_prompt()

    async def judge(self, turns: Sequence[Turn], states: Sequence[Image], *, record: str) -> list[JudgedRelation]:
        """See `SessionJudge`."""
        if len(turns) > self._most:
            raise DataError(f"the session has {len(turns)} turns, more than the {self._most} of `most_turns`")
        width, height = states[0].size
        values = {"turns": _rows(turns), "count": len(turns), "width": width, "height": height}
        question = self._prompt.render(values)._replace(images=tuple(states))
        reply = await self._model(question, shape=session_form(len(turns)), draw=Draw(record))
        return in_order(_relations(reply.value, [turn["turn"] for turn in turns]))

    async def close(self) -> None:
        """Close the model's connections."""
        await self._model.close()


def _rows(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """The turns as the model is told them, numbered from 1; an instruction is text from data, so it is delimited."""
    return [
        {
            "turn": number,
            "instruction": delimited(turn["text"]),
            "box": [round(edge) for edge in turn.get("box") or ()],
            "before": turn["before"] + 1,
            "after": turn["after"] + 1,
        }
        for number, turn in enumerate(turns, 1)
    ]


def _relations(form: AnswerForm, numbers: Sequence[int]) -> list[JudgedRelation]:
    found: list[JudgedRelation] = []
    for index, number in enumerate(numbers, 1):
        if getattr(form, f"turn_{index}").dangles:
            found.append(JudgedRelation(0, number, "dangling", "it relies on what was said before the session"))
    for one, two in combinations(range(1, len(numbers) + 1), 2):
        pair = getattr(form, f"pair_{one}_{two}")
        if pair.kind != "none":
            found.append(JudgedRelation(numbers[one - 1], numbers[two - 1], pair.kind, pair.reason))
    return found
