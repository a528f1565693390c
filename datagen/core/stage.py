"""The base classes of stages. A stage reads some fields of a record and writes others.

A stage never changes a record, and it gets only the fields that it declares in `reads` and `optional`. Its answer for
a record is a mapping of new fields, a `Reject` or a `Failed`.
"""

from __future__ import annotations

import hashlib
import inspect
import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import model_validator

from datagen.core.error_text import brief
from datagen.core.fields import Field
from datagen.core.options import Options
from datagen.core.record import Record

NO_CHILDREN = "no_children"
"""The reason of a record for which an Expand or Combine stage made no new record."""


class StageConfig(Options):
    """Base class of a stage's options, the `with:` of a config."""

    ordered_pairs: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Pairs of numeric options of which the first must not be larger than the second; null means no limit."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        for least, most in self.ordered_pairs:
            low, high = getattr(self, least), getattr(self, most)
            if low is not None and high is not None and low > high:
                raise ValueError(f"{least} {low} is above {most} {high}")
        return self


class Reject(NamedTuple):
    """The record is not wanted, for one of the reasons in the stage's `rejects`."""

    reason: str
    detail: str = ""
    fields: Mapping[str, Any] = {}
    """Scores that were measured before; they go into the ledger."""


class Failed(NamedTuple):
    """The record could not be processed; `error` says why. The run goes on with the others."""

    error: str


class Threshold(NamedTuple):
    """An option that is the limit of a score. Declared so that reports can say what another value would change."""

    score: str
    """The field, which the stage reads or writes."""
    keeps: Literal["least", "most"]
    """Which scores pass: at `least` or at `most` the value of the option, that value included."""
    option: str
    """The name of the numeric option; if its value is null, every score passes."""
    reason: str
    """The reason for which other records are rejected."""
    by: str = ""
    """The option that names the model of the score, if any: a limit for one model means nothing for another."""

    def holds(self, value: float, bound: float) -> bool:
        """Whether the score `value` passes the limit `bound`."""
        return value >= bound if self.keeps == "least" else value <= bound


class Merged(NamedTuple):
    """A record that a Combine stage makes: all fields of `like`, then `fields` over them."""

    like: Record
    fields: Mapping[str, Any] = {}


class Lost(NamedTuple):
    """A record of the group that was rejected or failed before the Combine stage."""

    id: str
    status: Literal["rejected", "failed"]
    stage: str
    reason: str


Fields = Mapping[str, Any]
Answer = Fields | Reject | Failed
Children = Sequence[Fields] | Reject | Failed
Joined = Sequence[Merged] | Reject | Failed


@dataclass
class Bill:
    """The cost of processing some records."""

    tokens: int = 0
    usd: float = 0.0


_bill: ContextVar[Bill | None] = ContextVar("bill", default=None)


@contextmanager
def billing() -> Iterator[Bill]:
    """Collect what stages `charge` inside the block, also in asyncio tasks that are started there."""
    bill = Bill()
    token = _bill.set(bill)
    try:
        yield bill
    finally:
        _bill.reset(token)


MOST_TOKENS = 10**12
"""Most tokens that can be charged at once. The ledger's columns hold the sum of millions of such charges."""
MOST_USD = 1e9
"""Most US dollars that can be charged at once."""


def charge(*, tokens: int = 0, usd: float = 0.0) -> None:
    """Add to the cost of the records being processed. Does nothing outside a `billing` block.

    Raises `ValueError` for what is negative, not finite, or more than `MOST_TOKENS` or `MOST_USD`, and `TypeError` for
    tokens that are no whole number.
    """
    if not 0 <= tokens <= MOST_TOKENS or not 0 <= usd <= MOST_USD:
        raise ValueError(f"charged {brief(tokens)} tokens and {brief(usd)} US dollars, which no call costs")
    bill = _bill.get()
    if bill is not None:
        bill.tokens += operator.index(tokens)
        bill.usd += float(usd)


class Runtime(NamedTuple):
    """What a run provides to its stages. A stage that is used without a run has the defaults."""

    run: str = ""
    """Different for each run."""
    replies: str = ""
    """Address of the stored replies of services; '' to store none."""
    cluster: bool = False
    """Whether the run has several worker processes, which share rate limits through Ray."""
    round: str = ""
    """The round of a repeat block from the second on; '' in the first one and outside of such blocks."""


class Stage(ABC):
    """Base of all stages; derive from Map, AsyncMap, Expand or Combine instead.

    Constructors do nothing costly: weights load in `setup`, in the worker.
    """

    reads: ClassVar[tuple[str, ...]] = ()
    """Fields that every record must have."""
    optional: ClassVar[tuple[str, ...]] = ()
    """Fields that the stage gets if an earlier stage writes them."""
    writes: ClassVar[tuple[str, ...]] = ()
    rejects: ClassVar[tuple[str, ...]] = ()
    """All reasons for which it may reject a record."""
    thresholds: ClassVar[tuple[Threshold, ...]] = ()
    """The limits of its scores. A record passes if all hold; else it is rejected for the reason of one that fails."""
    version: ClassVar[int] = 1
    """Increase it by hand when the output changes for the same input and options."""
    deterministic: ClassVar[bool] = True
    """Whether the same record and options always give the same bytes."""
    remote: ClassVar[bool] = False
    """Whether it mostly waits for a service instead of computing."""
    fields: ClassVar[tuple[Field, ...]] = ()
    """Fields that this stage adds to the catalogue."""

    class Config(StageConfig):
        """No options."""

    config: StageConfig
    runtime: Runtime = Runtime()
    """What the run provides; set before `setup`."""

    def __init__(self, config: StageConfig, *, id: str = "", seed: int = 0) -> None:
        self.config = config
        self.id = id or stage_name(type(self))
        self.seed = seed

    @classmethod
    def needs(cls, config: Any) -> tuple[str, ...]:  # noqa: ARG003 - for those that override it
        """The fields that it reads with these options: `reads`, and those that a chosen model needs."""
        return cls.reads

    @classmethod
    def choices(cls, config: Any) -> Mapping[str, tuple[str, ...]]:  # noqa: ARG003 - for those that override it
        """All values that fields which it writes may have with these options, by field, where its options list them.

        `check` then follows the routes of these values and of no others.
        """
        return {}

    @classmethod
    def hash_bits(cls, config: Any) -> Mapping[str, int]:  # noqa: ARG003 - for those that override it
        """The number of bits of the hashes that it writes with these options, by field, where that is known."""
        return {}

    @classmethod
    def hash_makers(cls, config: Any) -> Mapping[str, tuple[str, ...]]:  # noqa: ARG003 - for those that override it
        """What makes the hashes that it writes, by field; for hashes that it compares with, all that made those."""
        return {}

    def setup_on_node(self) -> None:
        """Download what all workers of a machine share, such as weights. Called once for each machine and run.

        Raises `SetupError`.
        """

    def setup(self, device: str) -> None:
        """Load models onto `device` (`cpu` or `cuda`). Called once in each worker. Raises `SetupError`."""

    def rng(self, record: Record) -> np.random.Generator:
        """A random generator for one record in this stage; it does not depend on the batch or the worker."""
        digest = hashlib.sha256(f"{self.seed}\0{self.id}\0{record.id}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:16], "little"))

    def charge(self, *, tokens: int = 0, usd: float = 0.0) -> None:
        """Add to the cost of the records being processed; the records of a batch share it equally."""
        charge(tokens=tokens, usd=usd)


class Map(Stage):
    """One record in, one answer out."""

    @abstractmethod
    def process(self, batch: list[Record]) -> list[Answer]:
        """The answer for each record, in order. No answer may depend on the other records of the batch."""


class Filter(Map):
    """One record in, its scores out, which are compared with `thresholds`.

    The options that `thresholds` name must not change the scores.
    """

    bounds_in_fingerprint: ClassVar[bool] = False
    """Whether the options of `thresholds` are in the stage's fingerprint, as all options of a Map are.

    If not, a change of one reruns neither the stage nor those that read its scores. Set it to True on a Filter that
    was released as a Map: then its fingerprint does not change, and existing datasets stay valid.
    """

    @abstractmethod
    def measure(self, batch: list[Record]) -> list[Answer]:
        """The scores of each record, in order, or `Reject` or `Failed`. None may depend on the rest of the batch."""

    def process(self, batch: list[Record]) -> list[Answer]:
        """Measure the records, then compare the scores with the thresholds."""
        return [self.judge(found) for found in self.measure(batch)]

    def judge(self, found: Answer) -> Answer:
        """The scores of one record, or `Reject` for the first threshold that does not hold."""
        if isinstance(found, Reject | Failed):
            return found
        for threshold in self.thresholds:
            value, bound = found[threshold.score], getattr(self.config, threshold.option)
            if bound is not None and not threshold.holds(value, bound):
                sign = "<" if threshold.keeps == "least" else ">"
                detail = f"{threshold.score} {value:.4g} {sign} {bound:g} ({threshold.option})"
                return Reject(threshold.reason, detail, found)
        return found


class AsyncMap(Stage):
    """One record in, one answer out, many records at the same time: for remote calls.

    If only some of a stage's models are remote, set `remote = False`: then the chosen model decides.
    """

    remote = True

    @abstractmethod
    async def process_one(self, record: Record) -> Answer:
        """The answer for one record."""

    async def close(self) -> None:
        """Close connections. Runs on the event loop of the calls."""


class Expand(Stage):
    """One record in, children out. They inherit its fields; their ids are `<id>#0`, `<id>#1`, ..."""

    @abstractmethod
    def process(self, batch: list[Record]) -> list[Children]:
        """The new fields of the children of each record. A record without children is rejected as `no_children`."""


class Combine(Stage):
    """The records of one group in, new records out, `<id of like>+0` and so on."""

    by: ClassVar[str] = ""
    """The field whose equal values make a group, and by which the source groups; '' for the children of one parent."""

    @abstractmethod
    def process_group(self, records: list[Record], lost: list[Lost]) -> Joined:
        """New records made of one group. `records` has at least one; `lost` has those that did not come this far."""


def stage_name(cls: type[Stage]) -> str:
    """The name that configs `use`: `DetectSubject` is `detect_subject`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()


def summary(cls: type) -> str:
    """The first sentence of a class's docstring."""
    return inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].replace("\n", " ")
