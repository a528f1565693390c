"""Starts or joins Ray, and computes how many workers fit on the machines of the cluster."""

from __future__ import annotations

import ctypes
import logging
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import ray

from datagen.core.errors import ConfigError, DatagenError, SetupError
from datagen.execute.workers.operators import Operator

_LIGHT = 0.1
"""Cores; a worker that reserves less does not count as a user of cores."""
_ARENA_MAX = -8
"""`M_ARENA_MAX` in glibc's `malloc.h`."""
_ARENAS = 2


class Machines(NamedTuple):
    """The resources of a cluster."""

    cpus: float
    """Cores of all machines together."""
    gpus: float
    """GPUs of all machines together."""
    most_cpus: float
    """Cores of the machine with the most."""
    most_gpus: float
    """GPUs of the machine with the most."""
    store_bytes: float
    """Size of Ray's object store in bytes, all machines together."""

    @classmethod
    def one(cls, *, cpus: float, gpus: float) -> Machines:
        """A single machine with 2 GB of object store."""
        return cls(cpus, gpus, cpus, gpus, 2e9)


def start_ray(address: str = "") -> str:
    """Join the cluster at `address` or RAY_ADDRESS, or start Ray on this machine. Returns the dashboard's address.

    Raises `ConfigError` if no cluster answers there, `SetupError` if Ray does not start here.
    """
    # Ray's coming default, chosen now so that it prints no warning: workers without a GPU keep CUDA_VISIBLE_DEVICES.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    _limit_malloc_arenas()
    joins = address or "RAY_ADDRESS" in os.environ
    context = _join_cluster(address) if joins else _start_local()
    return f"http://{context.dashboard_url}" if context.dashboard_url else "not running"


@contextmanager
def joined_ray(address: str = "") -> Iterator[None]:
    """Have Ray for a block, as of `start_ray`, and leave it afterwards; one that was joined before stays."""
    if ray.is_initialized():
        yield
        return
    start_ray(address)
    try:
        yield
    finally:
        ray.shutdown()


def _join_cluster(address: str) -> Any:
    try:
        return _init(**({"address": address} if address else {}))
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"no Ray cluster answers at {address or os.environ['RAY_ADDRESS']}: {str(error).splitlines()[0]}; "
            "start one with `ray start --head`, set RAY_AUTH_MODE=token if it asks for a token, "
            "or leave out --ray-address to run on this machine"
        ) from error


def _start_local() -> Any:
    try:
        # Without address="local" Ray joins the cluster that was started last on this machine, and the run dies with it.
        return _init(address="local", include_dashboard=True, dashboard_host="127.0.0.1")
    except Exception as error:  # Ray raises bare ones, as where a busy machine kept it waiting for half a minute
        raise SetupError(
            f"Ray did not start on this machine: {(str(error).strip() or type(error).__name__).splitlines()[0]}; "
            "what it says of itself lies in the folder ray/session_latest/logs of the temporary files; "
            "where the machine is too busy or short of memory run the same command again later, or with --engine local"
        ) from error


def _init(**options: Any) -> Any:
    return ray.init(logging_level=logging.ERROR, log_to_driver=False, **options)


def _limit_malloc_arenas() -> None:
    """Let glibc use two malloc arenas in each process instead of eight for each core.

    Freed memory stays in its arena, so more arenas hold more unused memory. The variable is inherited by Ray and its
    workers; `mallopt` sets the limit for this process, which has started already.
    """
    os.environ.setdefault("MALLOC_ARENA_MAX", str(_ARENAS))
    with suppress(AttributeError, OSError):  # another C library than glibc
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)


def machines() -> Machines:
    """The resources of the machines that are alive now in the joined cluster."""
    alive: list[dict[str, float]] = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]

    def of_all(what: str) -> list[float]:
        return [node.get(what, 0.0) for node in alive] or [0.0]

    cpus, gpus = of_all("CPU"), of_all("GPU")
    return Machines(sum(cpus), sum(gpus), max(cpus), max(gpus), sum(of_all("object_store_memory")))


def check_raylet_is_alive() -> None:
    """Raise `DatagenError` if Ray's raylet on this machine has died.

    `ray.wait` would block for ever, and the workers of a dead raylet would go on calling services.
    """
    here = ray.get_runtime_context().get_node_id()
    alive = any(node["Alive"] and node["NodeID"] == here for node in ray.nodes())  # type: ignore[no-untyped-call]
    if _own_raylet_died() or not alive:
        raise DatagenError(
            "Ray's raylet on this machine has died, and its workers with it: it was killed, or the memory ran out; "
            "run the same command again: it goes on from here"
        )


def _own_raylet_died() -> bool:
    """Whether the raylet that this process started is dead.

    Only a private member of Ray knows. The query also reaps the dead process; its workers end only after that.
    """
    node: Any = ray._private.worker._global_node
    return node is not None and any(kind == "raylet" for kind, _ in node.dead_processes())


def fair_shares(operators: Sequence[Operator], has: Machines) -> list[int]:
    """Number of workers that each operator is entitled to.

    Each gets its minimum. Then one worker at a time is added to each operator in turn while cores and GPUs last.

    Raises `ConfigError` if no machine can hold a worker, or if GPU workers do not fit together.
    """
    for operator in operators:
        _check_fits(operator, has)
    _check_gpus_fit_together(operators, has.gpus)
    counts = [operator.replicas.min for operator in operators]
    grown = True
    while grown:
        grown = False
        for index, operator in enumerate(operators):
            trial = [*counts]
            trial[index] += 1
            if counts[index] < most_workers(operator, has) and fit_within(operators, trial, has):
                counts, grown = trial, True
    return counts


def most_workers(operator: Operator, has: Machines) -> float:
    """Maximal number of workers of an operator.

    Without a maximum in the config it is: no limit for GPU workers (the GPUs limit them), the number of cores for
    workers that reserve cores, and one for workers that reserve nothing.
    """
    if operator.replicas.max is not None:
        return operator.replicas.max
    if operator.gpus:
        return math.inf
    return math.ceil(has.cpus) if operator.cpus else 1


def fit_within(operators: Sequence[Operator], counts: Sequence[int], has: Machines) -> bool:
    """Whether the cores and GPUs suffice for `counts` workers of each operator. Light workers do not count."""
    heavy = [(operator, number) for operator, number in zip(operators, counts, strict=True) if operator.cpus >= _LIGHT]
    cpus = sum(operator.cpus * number for operator, number in heavy)
    return cpus <= has.cpus and reserved(operators, counts, "gpus") <= has.gpus


def reserved(operators: Sequence[Operator], counts: Sequence[int], what: str) -> float:
    """Cores (`what` is "cpus") or GPUs ("gpus") that `counts` workers of each operator reserve together."""
    return sum(float(getattr(operator, what)) * number for operator, number in zip(operators, counts, strict=True))


def _check_fits(operator: Operator, has: Machines) -> None:
    for most, needs, unit in ((has.most_cpus, operator.cpus, "cores"), (has.most_gpus, operator.gpus, "GPUs")):
        if needs > most:
            raise ConfigError(
                f"{operator.origin}: '{operator.first}' needs {needs:g} {unit}, and no machine has more than {most:g}; "
                f"lower its `resources`, choose another profile, or run where there are more"
            )


def _check_gpus_fit_together(operators: Sequence[Operator], gpus: float) -> None:
    """Raise `ConfigError` if the minimal workers need more GPUs than there are.

    Cores are scaled down so that all workers fit; GPUs are not, so a worker would wait for one for ever.
    """
    holders = [operator for operator in operators if operator.gpus]
    needs = reserved(holders, [operator.replicas.min for operator in holders], "gpus")
    if needs > gpus:
        names = ", ".join(f"'{operator.name}' {operator.replicas.min} x {operator.gpus:g}" for operator in holders)
        raise ConfigError(
            f"{holders[0].origin}: the stages need {needs:g} GPUs together, and there are {gpus:g} ({names}); "
            "give them fractions of a GPU in `resources`, or run where there are more"
        )
