"""Keeps two runs out of one OUT, unless each takes a share of its own."""

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
"""Held by a whole run."""
LOCKS = "run/locks"
"""Below it, one lock for each share that runs."""
PACK_LOCK = f"{LOCKS}/pack"
BEAT_SECONDS = 10.0
STALE_SECONDS = 60.0
"""A run that was killed leaves its lock; one that has not been seen for so long does not count."""
SETTLE_SECONDS = 0.5
"""Of two that take over one lock at once, the later counts: so long after, each looks whose it is."""


@dataclass(frozen=True)
class Holder:
    """A process that writes into an OUT now."""

    lock: str
    """What it holds: `run/lock`, or one of `run/locks`."""
    host: str
    pid: int
    begun: float | None
    """When it took the lock, in seconds since 1970; None where it does not say."""
    seen: float
    """When it was seen last."""


def holders(store: Store) -> list[Holder]:
    """Who writes into OUT now, as far as can be told from here; only looks."""
    locks = [*([LOCK] if store.exists(LOCK) else []), *(f"{LOCKS}/{name}" for name in store.names(LOCKS))]
    found = ((lock, _holder(store, lock)) for lock in locks)
    return [
        Holder(lock, holder["host"], holder["pid"], holder["begun"], holder["seen"])
        for lock, holder in found
        if holder and _is_alive(holder)
    ]


@contextmanager
def locked(store: Store, share: Partition | None = None) -> Iterator[None]:
    """Hold OUT for this process, or one share of it. Raises `ConfigError` if another run is in the way.

    A whole run bears no other; a share bears other shares of as many. The lock of a process that
    is gone from this machine, or that was not seen for a minute, is taken over.
    """
    with _held(store, lock_of(share)):
        _refuse_others(store, share)
        yield


@contextmanager
def packing(store: Store) -> Iterator[bool]:
    """Hold the packing of a shared OUT; False if another process holds it."""
    try:
        with _held(store, PACK_LOCK):
            yield True
    except _TakenError:
        yield False


def lock_of(share: Partition | None) -> str:
    """The lock of a share, or of a whole run."""
    return f"{LOCKS}/{share.number}-of-{share.of}" if share else LOCK


class _TakenError(ConfigError):
    """Another process holds a lock."""


@contextmanager
def _held(store: Store, lock: str) -> Iterator[None]:
    token, begun = uuid.uuid4().hex, time.time()
    if not store.create(lock, _signed(token, begun)):
        _take_over(store, lock, token, begun)
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(store, lock, token, begun, ended), daemon=True)
    beating.start()
    try:
        yield
    finally:
        ended.set()
        beating.join()
        store.remove(lock)


def _take_over(store: Store, lock: str, token: str, begun: float) -> None:
    """Take a lock that is there, if nobody alive holds it. Raises `ConfigError` otherwise."""
    _refuse_if_alive(store, lock)
    store.write(lock, _signed(token, begun))
    time.sleep(SETTLE_SECONDS)
    if (_holder(store, lock) or {}).get("token") != token:
        _refuse_if_alive(store, lock)


def _beat(store: Store, lock: str, token: str, begun: float, ended: threading.Event) -> None:
    while not ended.wait(BEAT_SECONDS):
        store.write(lock, _signed(token, begun))


def _signed(token: str, begun: float) -> bytes:
    signed = {"host": socket.gethostname(), "pid": os.getpid(), "begun": begun, "seen": time.time(), "token": token}
    return json.dumps(signed).encode()


def _refuse_others(store: Store, share: Partition | None) -> None:
    """Refuse what this run does not bear; its own lock is there by now, so that of two that come at once none slips."""
    if share:
        _refuse_if_alive(store, LOCK)
    for name in store.names(LOCKS):
        found = re.fullmatch(r"\d+-of-(\d+)", name)
        if found and (share is None or int(found[1]) != share.of):
            _refuse_if_alive(store, f"{LOCKS}/{name}")


def _refuse_if_alive(store: Store, lock: str) -> None:
    holder = _holder(store, lock)
    if holder and _is_alive(holder):
        age = time.time() - holder["seen"]
        raise _TakenError(
            f"{store.address} is being written by process {holder['pid']} on {holder['host']}{_as_what(lock)}, "
            f"seen {age:.0f} s ago; {_remedy(lock)}, or give another --out"
        )


def _is_alive(holder: dict[str, Any]) -> bool:
    """Whether who signed a lock was seen of late, and is not gone from this machine."""
    here = holder["host"] == socket.gethostname()
    return time.time() - holder["seen"] < STALE_SECONDS and not (here and _is_gone(holder["pid"]))


def _as_what(lock: str) -> str:
    found = re.fullmatch(rf"{LOCKS}/(\d+)-of-(\d+)", lock)
    return f" as --slices {found[1]}/{found[2]}" if found else ""


def _remedy(lock: str) -> str:
    found = re.fullmatch(rf"{LOCKS}/(\d+)-of-(\d+)", lock)
    return f"wait for it, run another share of {found[2]}" if found else "wait for it"


def _holder(store: Store, lock: str) -> dict[str, Any] | None:
    """Who signed a lock; None if it was given back, or is torn: nobody holds it then."""
    try:
        found: dict[str, Any] = {**json.loads(store.read(lock))}
        begun = float(found["begun"]) if math.isfinite(found.get("begun", math.nan)) else None
        own = {"seen": float(found["seen"]), "pid": int(found["pid"]), "host": str(found["host"]), "begun": begun}
        told = {**found, **own}
    except (StoreError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return told if math.isfinite(told["seen"]) and 0 < told["pid"] < 2**31 else None


def _is_gone(pid: int) -> bool:
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
