"""The machines that a run has: Ray started or joined, and what fits on it."""

from __future__ import annotations

import ctypes
import logging
import math
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import ray

from datagen.core.errors import ConfigError, DatagenError, SetupError
from datagen.execute.workers.operators import Operator

_LIGHT = 0.1
"""Cores; a worker that reserves less takes none from others."""
_ARENA_MAX = -8
"""glibc's M_ARENA_MAX."""
_ARENAS = 2


class Machines(NamedTuple):
    """What a cluster has."""

    cpus: float
    gpus: float
    most_cpus: float
    """Of one machine."""
    most_gpus: float
    """Of one machine."""
    store_bytes: float
    """Of Ray's object store, on all machines together."""

    @classmethod
    def one(cls, *, cpus: float, gpus: float) -> Machines:
        """A single machine."""
        return cls(cpus, gpus, cpus, gpus, 2e9)


def start_ray(address: str = "") -> str:
    """Join the cluster at `address` or RAY_ADDRESS, else start Ray on this machine; where its dashboard is.

    Raises `ConfigError` if there is no such cluster, `SetupError` if Ray does not start here.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    _keep_little_memory()
    joins = address or "RAY_ADDRESS" in os.environ
    context = _joined(address) if joins else _started()
    return f"http://{context.dashboard_url}" if context.dashboard_url else "not running"


def _joined(address: str) -> Any:
    try:
        return _init(**({"address": address} if address else {}))
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"no Ray cluster answers at {address or os.environ['RAY_ADDRESS']}: {str(error).splitlines()[0]}; "
            "start one with `ray start --head`, set RAY_AUTH_MODE=token if it asks for a token, "
            "or leave out --ray-address to run on this machine"
        ) from error


def _started() -> Any:
    try:
        return _init(address="local", include_dashboard=True, dashboard_host="127.0.0.1")
    except Exception as error:  # Ray raises bare ones, as where a busy machine kept it waiting for half a minute
        raise SetupError(
            f"Ray did not start on this machine: {(str(error) or type(error).__name__).splitlines()[0]}; "
            "what it says of itself lies in the folder ray/session_latest/logs of the temporary files; "
            "where the machine is too busy or short of memory run the same command again later, or with --engine local"
        ) from error


def _init(**options: Any) -> Any:
    return ray.init(logging_level=logging.ERROR, log_to_driver=False, **options)


def _keep_little_memory() -> None:
    """Let glibc keep two pools of freed memory a process, not eight a core: this one's, Ray's and the workers'."""
    os.environ.setdefault("MALLOC_ARENA_MAX", str(_ARENAS))
    with suppress(AttributeError, OSError):  # another C library than glibc
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)


def machines() -> Machines:
    """What the cluster that this process has joined consists of."""
    alive: list[dict[str, float]] = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]

    def of_all(what: str) -> list[float]:
        return [node.get(what, 0.0) for node in alive] or [0.0]

    cpus, gpus = of_all("CPU"), of_all("GPU")
    return Machines(sum(cpus), sum(gpus), max(cpus), max(gpus), sum(of_all("object_store_memory")))


def check_is_joined() -> None:
    """Raise `DatagenError` if this machine's part of Ray has died: Ray itself would wait for it for ever."""
    here = ray.get_runtime_context().get_node_id()
    alive = any(node["Alive"] and node["NodeID"] == here for node in ray.nodes())  # type: ignore[no-untyped-call]
    if _own_raylet_died() or not alive:
        raise DatagenError(
            "Ray's raylet on this machine has died, and its workers with it: it was killed, or the memory ran out; "
            "run the same command again: it goes on from here"
        )


def _own_raylet_died() -> bool:
    """Whether the raylet that this process started is dead; asking buries it, and only then its workers end too."""
    node: Any = ray._private.worker._global_node
    return node is not None and any(kind == "raylet" for kind, _ in node.dead_processes())


def shares(operators: Sequence[Operator], has: Machines) -> list[int]:
    """Workers that each operator may count on: at least its minimum, then cores and GPUs shared out evenly.

    Raises `ConfigError` if the machines can never hold one of them.
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
    """Workers of an operator at the most, if there is room for them.

    Where the config gives no maximum, as many as there are cores; those that reserve nothing are not multiplied.
    """
    if operator.replicas.max is not None:
        return operator.replicas.max
    if operator.gpus:
        return math.inf
    return math.ceil(has.cpus) if operator.cpus else 1


def fit_within(operators: Sequence[Operator], counts: Sequence[int], has: Machines) -> bool:
    """Whether so many workers are no more than the cores and GPUs; those that take next to no core do not count."""
    heavy = [(operator, number) for operator, number in zip(operators, counts, strict=True) if operator.cpus >= _LIGHT]
    cpus = sum(operator.cpus * number for operator, number in heavy)
    return cpus <= has.cpus and taken(operators, counts, "gpus") <= has.gpus


def taken(operators: Sequence[Operator], counts: Sequence[int], what: str) -> float:
    """Cores (`cpus`) or GPUs (`gpus`) that so many workers reserve."""
    return sum(float(getattr(operator, what)) * number for operator, number in zip(operators, counts, strict=True))


def _check_fits(operator: Operator, has: Machines) -> None:
    for most, needs, unit in ((has.most_cpus, operator.cpus, "cores"), (has.most_gpus, operator.gpus, "GPUs")):
        if needs > most:
            raise ConfigError(
                f"{operator.origin}: '{operator.first}' needs {needs:g} {unit}, and no machine has more than {most:g}; "
                f"lower its `resources`, choose another profile, or run where there are more"
            )


def _check_gpus_fit_together(operators: Sequence[Operator], gpus: float) -> None:
    """Cores can be shared by more workers than there are, GPUs cannot: a worker would wait for one for ever."""
    holders = [operator for operator in operators if operator.gpus]
    needs = taken(holders, [operator.replicas.min for operator in holders], "gpus")
    if needs > gpus:
        names = ", ".join(f"'{operator.name}' {operator.replicas.min} x {operator.gpus:g}" for operator in holders)
        raise ConfigError(
            f"{holders[0].origin}: the stages need {needs:g} GPUs together, and there are {gpus:g} ({names}); "
            "give them fractions of a GPU in `resources`, or run where there are more"
        )
