"""What an evaluation finds, as data: the schema of evaluation.json (docs/evaluation.md)."""

from __future__ import annotations

from typing import Any, Literal

from datagen.core.options import Options
from datagen.evaluate.intervals import Mean

FORMAT: Literal[1] = 1


class MetricInfo(Options):
    """What one number means."""

    name: str
    doc: str
    """What it is, in a line."""
    reference: str
    """What outputs are held against: `target`, `source`, `truth`, words, ..."""
    better: Literal["higher", "lower", "neither"]
    """`neither` of what only describes: how like the source an output is."""
    unit: str = ""
    model: str = ""
    """The model that it needs, with its revision; '' for none."""
    preprocessing: str
    """What is done to pictures and texts before."""
    needs: str = ""
    """What a sample has to have for it; '' for nothing."""
    scale: tuple[float, float] | None = None
    """The lowest and the highest grade, of a judge's grades."""
    failed_as: float | None = None
    """What a sample counts as whose number is lacking; null: it is counted as a failure and not in the mean."""


class MetricValue(Options):
    """One number of one subject, with its 95 % interval over sources."""

    value: float | None
    low: float | None
    high: float | None
    samples: int
    """How many numbers the mean is of: samples, or single edits."""
    sources: int
    failures: int
    """Samples whose number is lacking, or counts as `failed_as`."""
    not_applicable: int
    """Samples that the number means nothing of, as those without a caption."""
    note: str = ""
    """Why there is no interval."""

    @classmethod
    def of(cls, mean: Mean, *, failures: int, not_applicable: int) -> MetricValue:
        """With what did not get into a mean."""
        return cls(**mean._asdict(), failures=failures, not_applicable=not_applicable)


class Difference(Options):
    """The mean of one subject less that of another, over what both have a number of; paired."""

    metric: str
    first: str
    second: str
    value: float | None
    low: float | None
    high: float | None
    samples: int
    sources: int
    note: str = ""

    @property
    def is_clear(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


class SubjectInfo(Options):
    """What was judged."""

    name: str
    kind: Literal["model", "outputs", "baseline"]
    about: dict[str, Any]
    outputs: int
    """Samples that it has a usable output of."""
    failures: dict[str, int]
    """Samples that it has none of, by reason."""
    failed_keys: list[str]
    """The first of them."""


class SampleResult(Options):
    """The numbers of one sample."""

    key: str
    source: str
    """The key of its source picture: samples of one are drawn together for intervals."""
    group: str
    """The operation of its edits."""
    instruction: str
    size: tuple[int, int]
    """Of judgement: width and height."""
    ops: list[str] = []
    """What its edits do, of a drawn world."""
    values: dict[str, dict[str, float]]
    """By subject and metric. What fails or means nothing is not there."""
    edits_right: dict[str, list[bool | None]] = {}
    """By subject, whether each edit is right; null where it cannot be checked."""
    failures: dict[str, str] = {}
    """By subject, why it has no output."""
    judge_failures: dict[str, list[str]] = {}
    """By subject, the judges that gave no grades that can be read."""


class EvaluationResults(Options):
    """The content of evaluation.json."""

    format: Literal[1] = FORMAT
    dataset: str
    fingerprint: str
    split: str
    sizes: list[tuple[int, int]]
    """Widths and heights at which pictures are compared; [] for each sample's own."""
    sources_by: Literal["picture", "original"]
    samples_found: int
    """Samples of the split."""
    samples_judged: int
    sources: int
    left_out: dict[str, int]
    """Samples that cannot be judged on, by reason."""
    subjects: list[SubjectInfo]
    metrics: list[MetricInfo]
    values: dict[str, dict[str, MetricValue]]
    """By metric and subject."""
    differences: list[Difference]
    not_measured: dict[str, str]
    """What was not measured, and why."""
    notes: list[str] = []
    samples: list[SampleResult]

    def value(self, metric: str, subject: str) -> MetricValue:
        """One number. Raises `KeyError`."""
        return self.values[metric][subject]

    def difference(self, metric: str, first: str, second: str) -> Difference:
        """What one subject is better or worse by than another. Raises `KeyError`."""
        for found in self.differences:
            if (found.metric, found.first, found.second) == (metric, first, second):
                return found
        raise KeyError((metric, first, second))

    def metric(self, name: str) -> MetricInfo:
        """What a number means. Raises `KeyError`."""
        return {each.name: each for each in self.metrics}[name]

    def encoded(self) -> bytes:
        """The bytes of evaluation.json."""
        return self.model_dump_json(indent=1).encode("utf-8", "backslashreplace") + b"\n"
