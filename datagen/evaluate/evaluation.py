"""Judges models, folders of outputs and baselines on a split of a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import NamedTuple, TypedDict

from datagen.core.errors import ConfigError
from datagen.evaluate.cases import Case, CaseList, SourceKind, list_cases, read_cases
from datagen.evaluate.config import EvaluationConfig
from datagen.evaluate.judges import Judges
from datagen.evaluate.metrics import load_networks
from datagen.evaluate.results import Difference, EvaluationResults, MetricInfo, MetricValue, SubjectInfo
from datagen.evaluate.scoring import Scorer, ShownSample
from datagen.evaluate.subjects import (
    COPY,
    ModelSubject,
    OtherWords,
    Subject,
    check_places,
    iter_subjects,
    load_models,
)
from datagen.evaluate.truth import read_truth
from datagen.shards.index import read_dataset
from datagen.shards.reader import open_dataset
from datagen.storage.store import Store
from datagen.train.data.framing import Size
from datagen.train.data.selection import Needs
from datagen.train.gradients import device_of

BATCH = 32
"""Samples whose pictures are in memory at once."""
FEW_ORIGINALS = 10
"""Fewer original pictures than these are named in a note."""
_ANY_NUMBER = 1_000_000
_NAMED = 10
"""Keys of a subject's failures that are named."""
_COMPLIANCE = "exact compliance"

Progress = Callable[[int, int], None]
"""Called with the samples that are done, and all of them."""


@dataclass(frozen=True)
class EvaluationRequest:
    """What is judged, and how."""

    judged: Sequence[str]
    """Folders of models or of outputs, or `copy`."""
    dataset: str
    """Folder or address."""
    split: str = "val"
    sizes: Sequence[Size] = ()
    """Sizes of judgement; () for those of the models, or, without models, for each sample's own."""
    by: SourceKind = "picture"
    limit: int | None = None
    """Most samples."""
    device: str = "auto"
    config: EvaluationConfig = field(default_factory=EvaluationConfig)
    replies: str = ""
    """Address of stored replies of judges; '' to store none."""
    outputs: Path | None = None
    """Folder to save the outputs of models in, NAME/KEY.png."""
    pictures: int = 48
    """Samples to show."""


class Evaluated(NamedTuple):
    """What an evaluation gives."""

    results: EvaluationResults
    shown: list[ShownSample]
    """The samples in which the compared differ most, in this order."""


def evaluate(request: EvaluationRequest, *, on_progress: Progress | None = None) -> Evaluated:
    """Judge on a split. Raises `ConfigError`, `StoreError`, and what judges raise (`AllowanceError`, `SetupError`)."""
    check_places(request.judged)
    fingerprint = read_dataset(Store(request.dataset)).fingerprint
    dataset = open_dataset(request.dataset, split=request.split)
    models = load_models(request.judged, device=request.device)
    sizes = _sizes(request, models)
    needs = _needs_of([subject.model.family.needs() for subject in models.values()])
    listed = list_cases(dataset, needs, sizes=sizes, limit=request.limit)
    has_folders = set(request.judged) - {COPY, *models}
    known = frozenset(sample.key for sample in open_dataset(request.dataset)) if has_folders else frozenset()
    subjects = list(iter_subjects(request.judged, models, cases=listed.cases, known=known))
    truth = read_truth(request.dataset)
    networks, not_measured = load_networks(request.config, device=device_of(request.device).type)
    if isinstance(truth, str):
        not_measured = {_COMPLIANCE: truth, **not_measured}
    with Judges(request.config.judges, replies=request.replies, concurrency=request.config.concurrency) as judges:
        scorer = Scorer(
            subjects,
            networks,
            judges,
            None if isinstance(truth, str) else truth,
            outputs=request.outputs,
            pictures=request.pictures,
        )
        unreadable = 0
        for start in range(0, len(listed.cases), BATCH):
            part = listed.cases[start : start + BATCH]
            read = list(read_cases(dataset, part, sizes=sizes, by=request.by))
            cases = [case for case in read if isinstance(case, Case)]
            unreadable += len(read) - len(cases)
            scorer.add(cases)
            if on_progress:
                on_progress(start + len(part), len(listed.cases))
    if not scorer.samples:
        raise ConfigError(f"{dataset!r}: no picture can be read; `python -m datagen verify` says what is wrong")
    listed.left_out += Counter(damaged=unreadable)
    results = EvaluationResults(
        dataset=request.dataset,
        fingerprint=fingerprint,
        split=request.split,
        sizes=sizes,
        sources_by=request.by,
        samples_found=listed.found,
        samples_judged=len(scorer.samples),
        sources=len({sample.source for sample in scorer.samples}),
        left_out=dict(listed.left_out),
        notes=[*scorer.notes(), *_notes(request, listed)],
        samples=scorer.samples,
        **_summed(scorer, subjects, not_measured),
    )
    return Evaluated(results, scorer.shown())


def _needs_of(models: Sequence[Needs]) -> Needs:
    """What a sample has to be so that every model can edit it; boxes are used where there are some."""
    most_edits = [needs.most_edits for needs in models if needs.most_edits is not None]
    rules = [needs.also for needs in models if needs.also]
    return Needs(
        most_references=min((needs.most_references for needs in models), default=_ANY_NUMBER),
        most_edits=min(most_edits, default=None),
        placeholders=any(needs.placeholders for needs in models),
        also=lambda facts: next((reason for rule in rules if (reason := rule(facts))), ""),
    )


class _Summed(TypedDict):
    not_measured: dict[str, str]
    subjects: list[SubjectInfo]
    metrics: list[MetricInfo]
    values: dict[str, dict[str, MetricValue]]
    differences: list[Difference]


def _summed(scorer: Scorer, subjects: Sequence[Subject], not_measured: Mapping[str, str]) -> _Summed:
    """Means, intervals and differences over all samples."""
    metrics = scorer.metrics
    names = [subject.name for subject in subjects]
    values = {metric.name: _row(metric.name, names, scorer) for metric in metrics}
    used = [metric for metric in metrics if values[metric.name]]
    unused = {metric.name: f"no sample has {metric.needs}" for metric in metrics if not values[metric.name]}
    return {
        "not_measured": {**not_measured, **unused},
        "subjects": [_subject_info(subject, scorer) for subject in subjects],
        "metrics": used,
        "values": {metric.name: values[metric.name] for metric in used},
        "differences": list(scorer.tally.differences([metric.name for metric in used], list(_pairs(subjects)))),
    }


def _row(metric: str, names: Sequence[str], scorer: Scorer) -> dict[str, MetricValue]:
    """One number by subject; {} if it means nothing of any sample."""
    found = {name: scorer.tally.value(metric, name) for name in names}
    return {name: value for name, value in found.items() if value.samples or value.failures}


def _pairs(subjects: Sequence[Subject]) -> Iterator[tuple[str, str]]:
    """Who is compared with whom: all that were named with each other, and each with its baselines."""
    named = [subject for subject in subjects if subject.kind != "baseline"]
    yield from ((first.name, second.name) for first, second in combinations(named, 2))
    for subject in named:
        yield subject.name, COPY
        yield from (
            (subject.name, other.name) for other in subjects if isinstance(other, OtherWords) and other.model is subject
        )


def _subject_info(subject: Subject, scorer: Scorer) -> SubjectInfo:
    failed = scorer.failures.get(subject.name, {})
    return SubjectInfo(
        name=subject.name,
        kind=subject.kind,
        about=subject.about(),
        outputs=len(scorer.samples) - len(failed),
        failures=dict(Counter(failed.values()).most_common()),
        failed_keys=list(failed)[:_NAMED],
    )


def _notes(request: EvaluationRequest, listed: CaseList) -> Iterator[str]:
    usable = listed.found - listed.left_out.total()
    if request.limit is not None and request.limit < usable:
        yield f"{request.limit:,} of {usable:,} samples, chosen by a hash of their keys"
    originals = {case.original for case in listed.cases}
    if request.by == "picture" and len(originals) < FEW_ORIGINALS:
        yield (
            f"all source pictures come from {len(originals)} original{'s' * (len(originals) > 1)}: the intervals say "
            "nothing about others"
        )
    if not any(case.facts.parts for case in listed.cases):
        yield "no sample lists its single edits, so that nothing is known of boxes and operations"


def _sizes(request: EvaluationRequest, models: Mapping[str, ModelSubject]) -> list[Size]:
    """The sizes of judgement; [] for each sample's own. Raises `ConfigError` if a model cannot edit at them."""
    sizes = list(request.sizes) or list(next(iter(models.values())).sizes if models else ())
    for place, model in models.items():
        if set(sizes) - set(model.sizes) or (not request.sizes and set(sizes) != set(model.sizes)):
            own = ", ".join(f"{width}x{height}" for width, height in model.sizes)
            wanted = ", ".join(f"{width}x{height}" for width, height in sizes)
            raise ConfigError(
                f"{place}: edits at {own}, and the size of judgement would be {wanted}; give --size for sizes that all "
                "models edit at, or judge folders of outputs, of which each size is scaled"
            )
    return sizes
