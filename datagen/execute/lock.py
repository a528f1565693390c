"""Keeps two runs out of one OUT."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from datagen.errors import ConfigError, StoreError
from datagen.store import Store

LOCK = "run/lock"
BEAT_SECONDS = 10.0
STALE_SECONDS = 60.0
"""A run that was killed leaves its lock; one that has not been seen for so long does not count."""


@contextmanager
def held(store: Store) -> Iterator[None]:
    """Hold OUT for this process. Raises `ConfigError` if another run holds it.

    The lock of a process that is gone from this machine, or that was not seen
    for a minute, is taken over.
    """
    if not store.create(LOCK, _signed()):
        _refuse_if_alive(store)
        store.write(LOCK, _signed())
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(store, ended), daemon=True)
    beating.start()
    try:
        yield
    finally:
        ended.set()
        beating.join()
        store.remove(LOCK)


def _beat(store: Store, ended: threading.Event) -> None:
    while not ended.wait(BEAT_SECONDS):
        store.write(LOCK, _signed())


def _signed() -> bytes:
    return json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "seen": time.time()}).encode()


def _refuse_if_alive(store: Store) -> None:
    try:
        holder: dict[str, Any] = json.loads(store.read(LOCK))
        age = time.time() - float(holder["seen"])
        here = holder["host"] == socket.gethostname()
    except (StoreError, ValueError, KeyError, TypeError):
        return  # given back meanwhile, or torn: nobody holds it
    if age < STALE_SECONDS and not (here and _is_gone(int(holder["pid"]))):
        raise ConfigError(
            f"{store.address} is being written by process {holder['pid']} on {holder['host']}, seen {age:.0f} s ago; "
            "wait for it, or give another --out"
        )


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
