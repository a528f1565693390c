"""Numbers of all samples by metric and subject, and the means, intervals and differences made of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence

from datagen.evaluate.cases import Case
from datagen.evaluate.compliance import EditCheck
from datagen.evaluate.intervals import Value, difference_of, mean_of
from datagen.evaluate.results import Difference, MetricInfo, MetricValue

EDITS, SAMPLES, LEFT = "edits right", "samples right", "change left"


def compliance_metrics(ops: Sequence[str]) -> list[MetricInfo]:
    """What checks of edits give: over all edits, by operation, and by sample."""

    def about(name: str, doc: str, *, failed_as: float = 0.0) -> MetricInfo:
        return MetricInfo(
            name=name,
            doc=f"{doc}; a sample without an output counts as {failed_as:g}",
            reference="truth of the drawn world",
            better="lower" if failed_as else "higher",
            unit="0 to 1",
            preprocessing="at the size of judgement, as the pictures of the true scenes",
            failed_as=failed_as,
        )

    return [
        about(EDITS, "share of single edits that are done exactly"),
        *(about(f"{EDITS}: {op}", f"the same of the operation {op}") for op in ops),
        about(SAMPLES, "share of samples all of whose edits are done exactly"),
        about(LEFT, "share of an edit's change that is missing or wrong, at most 1, by edit", failed_as=1.0),
    ]


class MetricTally:
    """Collects numbers by metric and subject."""

    def __init__(self, macro: frozenset[str]) -> None:
        """`macro` are the metrics whose mean is that of the means of groups."""
        self._macro = macro
        self._values: defaultdict[tuple[str, str], dict[str, Value]] = defaultdict(dict)
        self._failures: Counter[tuple[str, str]] = Counter()
        self._not_applicable: Counter[tuple[str, str]] = Counter()
        self.ops: dict[str, None] = {}

    def add(
        self,
        metrics: Sequence[MetricInfo],
        subject: str,
        case: Case,
        numbers: Mapping[str, float] | None,
        *,
        applicable: Container[str],
    ) -> None:
        """The numbers of one output; None if there is no output.

        `applicable` are the metrics that mean something of this sample.
        """
        for metric in metrics:
            if metric.name not in applicable:
                self._not_applicable[metric.name, subject] += 1
                continue
            self._failures[metric.name, subject] += numbers is None
            number = metric.failed_as if numbers is None else numbers[metric.name]
            if number is not None:
                self._put(metric.name, subject, case, case.key, number)

    def add_failures(self, metrics: Sequence[MetricInfo], subject: str) -> None:
        """One sample whose numbers are in the means already, but are those of a failure."""
        for metric in metrics:
            self._failures[metric.name, subject] += 1

    def add_checks(self, subject: str, case: Case, checks: Sequence[EditCheck], *, failed: bool) -> None:
        """Whether each edit of an output is right. Without an output (`failed`) none is that can be checked."""
        checked = [check for check in checks if check.right is not None]
        for place, check in enumerate(checks):
            self.ops[check.op] = None
            left = 1.0 if failed or check.left is None else min(1.0, check.left)
            right = float(bool(check.right) and not failed)
            for name, number in ((EDITS, right), (f"{EDITS}: {check.op}", right), (LEFT, left)):
                if check.right is None:
                    self._not_applicable[name, subject] += 1
                    continue
                self._failures[name, subject] += failed
                self._put(name, subject, case, f"{case.key}#{place}", number)
        if checked:
            right = all(check.right for check in checked) and not failed
            self._failures[SAMPLES, subject] += failed
            self._put(SAMPLES, subject, case, case.key, float(right))
        else:
            self._not_applicable[SAMPLES, subject] += 1

    def _put(self, metric: str, subject: str, case: Case, item: str, number: float) -> None:
        group = case.group if metric in self._macro else ""
        self._values[metric, subject][item] = Value(case.source, number, group)

    def value(self, metric: str, subject: str) -> MetricValue:
        """One mean with its interval."""
        place = metric, subject
        return MetricValue.of(
            mean_of(list(self._values[place].values())),
            failures=self._failures[place],
            not_applicable=self._not_applicable[place],
        )

    def differences(self, metrics: Sequence[str], pairs: Sequence[tuple[str, str]]) -> Iterator[Difference]:
        """Each pair of subjects in each metric that both have numbers of."""
        for metric in metrics:
            for first, second in pairs:
                found = difference_of(self._values[metric, first], self._values[metric, second])
                if found.samples:
                    yield Difference(metric=metric, first=first, second=second, **found._asdict())
