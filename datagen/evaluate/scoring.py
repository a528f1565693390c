"""Scores the outputs of all subjects, batch by batch, and remembers the samples in which they differ most."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import NamedTuple

from datagen.core.errors import ConfigError, DataError
from datagen.core.fields import Box
from datagen.evaluate.cases import Case, box_mask, fitted
from datagen.evaluate.compliance import ComplianceChecker, checker_for
from datagen.evaluate.judges import GradedOutput, Judges
from datagen.evaluate.metrics import L1, Network, Numbers, pixel_metrics, pixel_numbers
from datagen.evaluate.results import MetricInfo, SampleResult
from datagen.evaluate.subjects import COPY, TARGET, ModelSubject, OtherWords, Subject
from datagen.evaluate.tally import MetricTally, compliance_metrics
from datagen.evaluate.truth import WorldTruth
from datagen.imaging.image import Image, Mask, Pixels


class ShownPicture(NamedTuple):
    """One picture of a sample."""

    name: str
    """`source`, `target`, or the name of a subject."""
    pixels: Pixels


class ShownSample(NamedTuple):
    """A sample with its pictures: source, outputs, target."""

    apart: tuple[float, ...]
    """By how much the compared differ in it: in the share of edits that are right, and in L1."""
    result: SampleResult
    pictures: list[ShownPicture]
    boxes: list[Box]
    """xyxy in pixels of the pictures, without those of the whole picture."""


@dataclass
class _Draft:
    """What is known so far of one sample of a batch."""

    case: Case
    checker: ComplianceChecker | None
    boxes: Sequence[Box]
    """Of its edits, xyxy in pixels of judgement: on worlds the true ones; none if one of them is not known."""
    inside: Mask | None = field(init=False)
    """The pixels that its boxes touch; None without boxes."""
    outputs: dict[str, Pixels] = field(default_factory=dict)
    """By subject; one without an output is not there."""
    values: dict[str, Numbers] = field(default_factory=dict)
    ops: list[str] = field(default_factory=list)
    edits_right: dict[str, list[bool | None]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    judge_failures: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.inside = box_mask(self.boxes, self.case.example.source.shape) if self.boxes else None

    def result(self) -> SampleResult:
        height, width = self.case.example.source.shape[:2]
        return SampleResult(
            key=self.case.key,
            source=self.case.source,
            group=self.case.group,
            instruction=self.case.words,
            size=(width, height),
            ops=self.ops,
            values=self.values,
            edits_right=self.edits_right,
            failures=self.failures,
            judge_failures=self.judge_failures,
        )


class Scorer:
    """Scores batches of samples."""

    def __init__(
        self,
        subjects: Sequence[Subject],
        networks: Sequence[Network],
        judges: Judges,
        truth: WorldTruth | None,
        *,
        outputs: Path | None,
        pictures: int,
    ) -> None:
        """`outputs` is where outputs of models are saved, None for nowhere; `pictures` how many samples are shown."""
        self._subjects, self._networks, self._judges, self._truth = subjects, networks, judges, truth
        self._saved, self._most = outputs, pictures
        self._named = [subject.name for subject in subjects if subject.kind != "baseline"]
        self._compared = compared_names(self._named)
        self._picture_metrics = [
            *pixel_metrics("true boxes" if truth else "boxes of KEY.json"),
            *(metric for network in networks for metric in network.metrics),
        ]
        self._without_truth = 0
        self._tokens, self._usd = 0, 0.0
        self._shown: list[tuple[tuple[float, ...], int, ShownSample]] = []
        self.tally = MetricTally(judges.macro)
        self.samples: list[SampleResult] = []
        self.failures: dict[str, dict[str, str]] = {}
        """By subject and key, why there is no output."""

    @property
    def metrics(self) -> list[MetricInfo]:
        """All that was measured, what matters most first."""
        return [
            *(compliance_metrics(sorted(self.tally.ops)) if self._truth else ()),
            *self._picture_metrics,
            *self._judges.metrics,
        ]

    def add(self, cases: Sequence[Case]) -> None:
        """Score all subjects on some samples. Raises what judges raise."""
        drafts = [self._draft(case) for case in cases]
        references = [network.references(cases) for network in self._networks] if cases else []
        for subject in self._subjects:
            for draft in drafts:
                self._edit(subject, draft)
            made = [(place, draft) for place, draft in enumerate(drafts) if subject.name in draft.outputs]
            for network, reference in zip(self._networks, references, strict=True) if made else ():
                batch = [draft.case for _, draft in made]
                shown = [draft.outputs[subject.name] for _, draft in made]
                found = network.numbers(batch, shown, reference.at([place for place, _ in made]))
                for (_, draft), numbers in zip(made, found, strict=True):
                    draft.values[subject.name] |= numbers
        for subject, draft in product(self._subjects, drafts):
            self.tally.add(
                self._picture_metrics,
                subject.name,
                draft.case,
                draft.values.get(subject.name),
                applicable=draft.values[TARGET],  # of which there is an output always
            )
            self._check(subject.name, draft)
        self._grade(drafts)
        for draft in drafts:
            self.samples.append(draft.result())
            self._remember(draft, self.samples[-1])

    def shown(self) -> list[ShownSample]:
        """The samples in which the compared differ most, those that differ most first."""
        return [sample for _, _, sample in sorted(self._shown, key=lambda entry: entry[:2], reverse=True)]

    def notes(self) -> Iterator[str]:
        """What a reader has to know of the numbers."""
        if self._without_truth:
            yield (
                f"of {self._without_truth:,} samples the truth is not known (damage, a photograph that is gone, or a "
                "source that is not the world's picture): their edits are not checked"
            )
        if self._tokens:
            yield f"judges used {self._tokens:,} tokens in this run, {self._usd:.2f} USD by the prices of the config"

    def _draft(self, case: Case) -> _Draft:
        if self._truth is None:
            return _Draft(case, None, case.boxes)
        checker = checker_for(case, self._truth)
        self._without_truth += checker is None
        return _Draft(case, checker, checker.boxes() if checker else ())

    def _edit(self, subject: Subject, draft: _Draft) -> None:
        """Take a subject's output, and measure its pixels."""
        try:
            output = fitted(subject.output(draft.case), draft.case)
        except DataError as error:
            draft.failures[subject.name] = str(error)
            self.failures.setdefault(subject.name, {})[draft.case.key] = str(error)
            return
        draft.outputs[subject.name] = output
        draft.values[subject.name] = pixel_numbers(draft.case, output, draft.inside)
        if self._saved is not None and isinstance(subject, ModelSubject | OtherWords):
            _save(output, self._saved / subject.name.replace("/", "-"), draft.case.key)

    def _check(self, subject: str, draft: _Draft) -> None:
        if draft.checker is None:
            return
        failed = subject not in draft.outputs
        # without an output, the source says which edits can be checked
        checks = draft.checker.check(draft.outputs.get(subject, draft.case.example.source))
        self.tally.add_checks(subject, draft.case, checks, failed=failed)
        draft.ops = [check.op for check in checks]
        draft.edits_right[subject] = [None if check.right is None else check.right and not failed for check in checks]

    def _grade(self, drafts: Sequence[_Draft]) -> None:
        metrics = self._judges.metrics
        names = {metric.name for metric in metrics}
        for subject in self._named if metrics else ():
            made = [draft for draft in drafts if subject in draft.outputs]
            items = [GradedOutput(subject, draft.case, draft.outputs[subject]) for draft in made]
            for draft, graded in zip(made, self._judges.grade(items), strict=True):
                draft.values[subject] |= graded.numbers
                self._tokens, self._usd = self._tokens + graded.tokens, self._usd + graded.usd
                self.tally.add(metrics, subject, draft.case, graded.numbers, applicable=names)
                if graded.failed:
                    draft.judge_failures[subject] = graded.failed
                    self.tally.add_failures(self._judges.metrics_of(graded.failed), subject)
            for draft in drafts:
                if subject not in draft.outputs:
                    self.tally.add(metrics, subject, draft.case, None, applicable=names)

    def _remember(self, draft: _Draft, result: SampleResult) -> None:
        apart = _apart(result, self._compared)
        entry = apart, -len(self.samples)  # what differs alike stays in the order of the dataset
        if self._most < 1 or (len(self._shown) >= self._most and entry <= self._shown[0][:2]):
            return
        pictures = [
            ShownPicture("source", draft.case.example.source),
            *(ShownPicture(name, output) for name, output in draft.outputs.items() if name not in (COPY, TARGET)),
            ShownPicture("target", draft.case.example.target),
        ]
        height, width = draft.case.example.source.shape[:2]
        boxes = [box for box in draft.boxes or draft.case.boxes if box != (0, 0, width, height)]
        whole = *entry, ShownSample(apart, result, pictures, boxes)
        if len(self._shown) < self._most:
            heapq.heappush(self._shown, whole)
        else:
            heapq.heapreplace(self._shown, whole)


def compared_names(named: Sequence[str]) -> Sequence[str]:
    """The subjects by whose differences samples are chosen to be shown; `named` are those that are no baselines."""
    return named if len(named) > 1 else [*named, COPY] if named else [COPY, TARGET]


def _apart(result: SampleResult, names: Sequence[str]) -> tuple[float, float]:
    """How far the compared lie apart in one sample: in the share of edits that are right, and in L1."""
    shares = []
    for name in names:
        checked = [right for right in result.edits_right.get(name, ()) if right is not None]
        shares += [sum(checked) / len(checked)] if checked else []
    distances = [result.values[name][L1] for name in names if name in result.values]
    return _spread(shares), _spread(distances)


def _spread(numbers: Sequence[float]) -> float:
    return max(numbers) - min(numbers) if numbers else 0.0


def _save(output: Pixels, folder: Path, key: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{key}.png").write_bytes(Image.of(output).encoded())
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}; give another --to") from error
