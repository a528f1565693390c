"""What a stage is: a class that reads some fields of a record and writes others.

A stage never mutates what it is given and never sees fields that it did not
ask for. It answers each record with new fields, `Reject` or `Failed`.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import model_validator

from datagen.core.fields import Field
from datagen.core.options import Options
from datagen.core.record import Record

NO_CHILDREN = "no_children"
"""Why a record is rejected whose Expand or Combine stage made nothing of it."""


class StageConfig(Options):
    """Base of a stage's options, the `with:` of a config."""

    ordered_pairs: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Pairs of numeric options: the first must not be above the second; null is no bound."""

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
    """What was measured before it was rejected; the ledger keeps it."""


class Failed(NamedTuple):
    """The record could not be handled."""

    error: str


class Threshold(NamedTuple):
    """An option that a score is held against, so that people can be told what another value would do."""

    score: str
    """The field, which the stage reads or writes."""
    keeps: Literal["least", "most"]
    """What is kept: at `least` the option's value, or at `most`; that value itself is kept."""
    option: str
    """The number among the stage's options; where it is null, nothing is asked."""
    reason: str
    """Why others are rejected."""
    by: str = ""
    """The option that names the model whose score it is; it means nothing under another."""

    def holds(self, value: float, bound: float) -> bool:
        """Whether a score is kept by it."""
        return value >= bound if self.keeps == "least" else value <= bound


class Merged(NamedTuple):
    """A record that a Combine stage makes: all fields of `like`, then `fields` over them."""

    like: Record
    fields: Mapping[str, Any] = {}


class Lost(NamedTuple):
    """A sibling that did not reach the Combine stage."""

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
    """What handling some records cost."""

    tokens: int = 0
    usd: float = 0.0


_bill: ContextVar[Bill | None] = ContextVar("bill", default=None)


@contextmanager
def billing() -> Iterator[Bill]:
    """Collect what stages `charge` inside the block, also in tasks started there."""
    bill = Bill()
    token = _bill.set(bill)
    try:
        yield bill
    finally:
        _bill.reset(token)


def charge(*, tokens: int = 0, usd: float = 0.0) -> None:
    """Book what the records being handled cost; outside a run nobody keeps books."""
    bill = _bill.get()
    if bill is not None:
        bill.tokens += tokens
        bill.usd += usd


class Runtime(NamedTuple):
    """What a run provides to its stages. A stage that is tried alone has the defaults."""

    run: str = ""
    """Different for each run."""
    replies: str = ""
    """Address below which replies of services are kept by what was asked; '' for nowhere."""
    cluster: bool = False
    """Whether other workers of the run are processes of their own, which share limits through Ray."""
    round: str = ""
    """Which later round of a repeat block asks; '' for the first, and outside of such blocks."""


class Stage(ABC):
    """Base of all stages; derive from Map, AsyncMap, Expand or Combine instead.

    Constructors do nothing costly: weights load in `setup`, in the worker.
    """

    reads: ClassVar[tuple[str, ...]] = ()
    """Fields that must be there."""
    optional: ClassVar[tuple[str, ...]] = ()
    """Fields that are passed on where an earlier stage writes them."""
    writes: ClassVar[tuple[str, ...]] = ()
    rejects: ClassVar[tuple[str, ...]] = ()
    """Every reason it may reject for."""
    thresholds: ClassVar[tuple[Threshold, ...]] = ()
    """The scores it rejects by. A record is kept if all hold, and rejected for the reason of one that does not."""
    version: ClassVar[int] = 1
    """Raised by hand when the output changes for the same input and options."""
    deterministic: ClassVar[bool] = True
    """The same record and options always give the same bytes."""
    remote: ClassVar[bool] = False
    """It waits for a service rather than computing."""
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
        """Fields read under these options; `reads`, and what a chosen model asks for besides."""
        return cls.reads

    @classmethod
    def hash_bits(cls, config: Any) -> Mapping[str, int]:  # noqa: ARG003 - for those that override it
        """How many bits the hashes have that it writes under these options, by field, where that is known."""
        return {}

    @classmethod
    def hash_makers(cls, config: Any) -> Mapping[str, tuple[str, ...]]:  # noqa: ARG003 - for those that override it
        """What made the hashes that it writes, or all that made those which it holds others against, by field."""
        return {}

    def setup_on_node(self) -> None:
        """Fetch what all workers of a machine share, such as weights: once a machine and run. Raises `SetupError`."""

    def setup(self, device: str) -> None:
        """Load models onto `device` (`cpu` or `cuda`), once in each worker. Raises `SetupError`."""

    def rng(self, record: Record) -> np.random.Generator:
        """Random numbers of this record in this stage, the same whatever the batch or worker."""
        digest = hashlib.sha256(f"{self.seed}\0{self.id}\0{record.id}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:16], "little"))

    def charge(self, *, tokens: int = 0, usd: float = 0.0) -> None:
        """Book what the records being handled cost; a batch shares it equally."""
        charge(tokens=tokens, usd=usd)


class Map(Stage):
    """One record in, one answer out."""

    @abstractmethod
    def process(self, batch: list[Record]) -> list[Answer]:
        """One answer for each record, in order; no answer may depend on the rest of the batch."""


class Filter(Map):
    """One record in, its scores out, held against `thresholds`.

    The options that `thresholds` name are no part of what is measured.
    """

    bounds_in_fingerprint: ClassVar[bool] = False
    """Whether these options are in the stage's fingerprint, as all options of a Map are.

    Where they are not, a change of one reruns neither the stage nor those that read its scores. Set it on a Filter
    that was released as a Map: its fingerprint stays, and so do the datasets that were made with it.
    """

    @abstractmethod
    def measure(self, batch: list[Record]) -> list[Answer]:
        """The scores of each record, in order, or why it cannot be measured; none may depend on the batch."""

    def process(self, batch: list[Record]) -> list[Answer]:
        """Measure, then judge."""
        return [self.judge(found) for found in self.measure(batch)]

    def judge(self, found: Answer) -> Answer:
        """What was measured, or `Reject` for the first threshold that does not hold."""
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
    """One record in, one answer out, many in flight: for remote calls.

    Where only some of a stage's models are remote, it says `remote = False`, and the models decide.
    """

    remote = True

    @abstractmethod
    async def process_one(self, record: Record) -> Answer:
        """The answer for one record."""

    async def close(self) -> None:
        """Let go of connections, on the event loop that the calls were made on."""


class Expand(Stage):
    """One record in, children out. They inherit its fields; their ids are `<id>#0`, `<id>#1`, ..."""

    @abstractmethod
    def process(self, batch: list[Record]) -> list[Children]:
        """The children's new fields for each record; no children is the rejection `no_children`."""


class Combine(Stage):
    """The records of one group in, new records out, `<id of like>+0` and so on."""

    by: ClassVar[str] = ""
    """Field whose equal values make a group, one by which the source groups; '' for the children of one parent."""

    @abstractmethod
    def process_group(self, records: list[Record], lost: list[Lost]) -> Joined:
        """New records from those of one group (at least one), told of the siblings lost on the way."""


def stage_name(cls: type[Stage]) -> str:
    """The name that configs `use`: `DetectSubject` is `detect_subject`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()


def summary(cls: type) -> str:
    """The first sentence of a class's docstring."""
    return inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].replace("\n", " ")
