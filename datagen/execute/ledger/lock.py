"""The lock of an OUT: one run writes into it at a time, or several runs with a partition of the slices each.

A lock is a small JSON file that its holder rewrites every ten seconds. Stores without file locks, such as buckets,
support this too.
"""

from __future__ import annotations

import json
import math
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from datagen.core.errors import ConfigError, StoreError
from datagen.execute.ledger.partitions import Partition
from datagen.storage.store import Store

LOCK = "run/lock"
"""Held by a run over all slices."""
LOCKS = "run/locks"
"""Folder with one lock for each partition that runs."""
PACK_LOCK = f"{LOCKS}/pack"
RENEW_SECONDS = 10.0
STALE_SECONDS = 60.0
"""A killed run leaves its lock. A lock that was not renewed for this long is ignored."""
SETTLE_SECONDS = 0.5
"""If two processes take over a stale lock at once, the later write wins; after this pause each reads whose it is."""


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock of an OUT."""

    lock: str
    """Path of the lock: `run/lock`, or a file in `run/locks`."""
    host: str
    pid: int
    begun: float | None
    """When it took the lock, in seconds since 1970; None if the lock does not say."""
    seen: float
    """When it renewed the lock last, in seconds since 1970."""


def holders(store: Store) -> list[Holder]:
    """The processes that hold a lock of OUT and are alive, as far as their locks and this machine show. Only reads."""
    locks = [*([LOCK] if store.exists(LOCK) else []), *(f"{LOCKS}/{name}" for name in store.names(LOCKS))]
    found = ((lock, _read_holder(store, lock)) for lock in locks)
    return [
        Holder(lock, holder["host"], holder["pid"], holder["begun"], holder["seen"])
        for lock, holder in found
        if holder and _is_alive(holder)
    ]


@contextmanager
def locked(store: Store, partition: Partition | None = None) -> Iterator[None]:
    """Hold the lock of OUT, or of one partition of it. Raises `ConfigError` if another run conflicts.

    A run over all slices conflicts with any other run. Two partitions conflict unless they are different ones of the
    same number. The lock of a process that no longer exists on this machine, or that was not renewed for a minute, is
    taken over.
    """
    with _acquired(store, lock_of(partition)):
        # Check the others after taking the own lock: of two runs that start at once, at least one sees the other.
        _refuse_others(store, partition)
        yield


@contextmanager
def packing(store: Store) -> Iterator[bool]:
    """Hold the lock for packing an OUT of several drivers; yields False if another process holds it."""
    try:
        with _acquired(store, PACK_LOCK):
            yield True
    except _TakenError:
        yield False


def lock_of(partition: Partition | None) -> str:
    """Path of the lock of a partition, or of a run over all slices."""
    return f"{LOCKS}/{partition.number}-of-{partition.of}" if partition else LOCK


class _TakenError(ConfigError):
    """Another process holds the lock."""


@contextmanager
def _acquired(store: Store, lock: str) -> Iterator[None]:
    token, begun = uuid.uuid4().hex, time.time()
    if not store.create(lock, _signed(token, begun)):
        _take_over(store, lock, token, begun)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(store, lock, token, begun, ended), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()
        store.remove(lock)


def _take_over(store: Store, lock: str, token: str, begun: float) -> None:
    """Take over an existing lock whose holder is gone. Raises `ConfigError` if the holder is alive."""
    _refuse_if_alive(store, lock)
    store.write(lock, _signed(token, begun))
    time.sleep(SETTLE_SECONDS)
    if (_read_holder(store, lock) or {}).get("token") != token:  # another process wrote last, so that it has the lock
        _refuse_if_alive(store, lock)


def _renew(store: Store, lock: str, token: str, begun: float, ended: threading.Event) -> None:
    while not ended.wait(RENEW_SECONDS):
        store.write(lock, _signed(token, begun))


def _signed(token: str, begun: float) -> bytes:
    signed = {"host": socket.gethostname(), "pid": os.getpid(), "begun": begun, "seen": time.time(), "token": token}
    return json.dumps(signed).encode()


def _refuse_others(store: Store, partition: Partition | None) -> None:
    """Raise `ConfigError` if a run that conflicts with this one is alive."""
    if partition:
        _refuse_if_alive(store, LOCK)
    for name in store.names(LOCKS):
        found = re.fullmatch(r"\d+-of-(\d+)", name)
        if found and (partition is None or int(found[1]) != partition.of):
            _refuse_if_alive(store, f"{LOCKS}/{name}")


def _refuse_if_alive(store: Store, lock: str) -> None:
    holder = _read_holder(store, lock)
    if holder and _is_alive(holder):
        age = time.time() - holder["seen"]
        raise _TakenError(
            f"{store.address} is being written by process {holder['pid']} on {holder['host']}{_as_what(lock)}, "
            f"seen {age:.0f} s ago; {_remedy(lock)}, or give another --out"
        )


def _is_alive(holder: dict[str, Any]) -> bool:
    """Whether a lock was renewed lately, and its process still exists if it is on this machine."""
    here = holder["host"] == socket.gethostname()
    return time.time() - holder["seen"] < STALE_SECONDS and not (here and _is_gone(holder["pid"]))


def _as_what(lock: str) -> str:
    found = re.fullmatch(rf"{LOCKS}/(\d+)-of-(\d+)", lock)
    return f" as --slices {found[1]}/{found[2]}" if found else ""


def _remedy(lock: str) -> str:
    found = re.fullmatch(rf"{LOCKS}/(\d+)-of-(\d+)", lock)
    return f"wait for it, run another share of {found[2]}" if found else "wait for it"


def _read_holder(store: Store, lock: str) -> dict[str, Any] | None:
    """The content of a lock; None if it was released or is damaged, so that nobody holds it."""
    try:
        found: dict[str, Any] = {**json.loads(store.read(lock))}
        begun = float(found["begun"]) if math.isfinite(found.get("begun", math.nan)) else None
        own = {"seen": float(found["seen"]), "pid": int(found["pid"]), "host": str(found["host"]), "begun": begun}
        holder = {**found, **own}
    except (StoreError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    # `os.kill` takes 0 and negative numbers for process groups.
    return holder if math.isfinite(holder["seen"]) and 0 < holder["pid"] < 2**31 else None


def _is_gone(pid: int) -> bool:
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it exists, but belongs to another user
        return False
    return False
