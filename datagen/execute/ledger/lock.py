"""The lock of an OUT: one run writes into it at a time, or several runs with a partition of the slices each.

A lock is a small JSON file that its holder rewrites every ten seconds. Stores without file locks, such as buckets,
support this too.

A holder that is dead, or was not seen for a minute, loses its lock to the first process that creates the lock's claim:
a file in `run/locks/claims` that is named by the token of the lock. The claim is a lock itself, and may be claimed in
its turn. So the holder is the end of a chain that begins at the lock file; tokens are unique, and of several processes
exactly one creates the next link. It then expels all holders before it (`Store.expel`): should one of them be alive,
because it was only stopped, its changes fail from then on. At last it replaces the lock by its own.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import threading
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from datagen.core.errors import ConfigError, StoreError
from datagen.execute.ledger.partitions import Partition
from datagen.execute.ledger.process_identity import ProcessIdentity
from datagen.storage.local_files import ExpelledError
from datagen.storage.store import Store

LOCK = "run/lock"
"""Held by a run over all slices."""
LOCKS = "run/locks"
"""Folder with one lock for each partition that runs."""
PACK_LOCK = f"{LOCKS}/pack"
CLAIMS = f"{LOCKS}/claims"
RENEW_SECONDS = 10.0
STALE_SECONDS = 60.0
"""A lock that was not renewed for this long does not count, nor does one that is dated so far in the future."""
_TRIES = 20
"""How often a lock that others take and give back at the same time is tried."""
_TOKEN = re.compile("[0-9a-f]{32}")


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


class LostLockError(StoreError):
    """Another process took the lock of this run over while it ran."""


class _TakenError(ConfigError):
    """Another process holds the lock."""


class _Link(NamedTuple):
    """A lock or claim file: a holder in the chain of those that took a lock over from each other."""

    path: str
    token: str
    """Unique to this lock; if the file has none, a digest of its content."""
    seen: float
    """In seconds since 1970; minus infinity if the file is damaged, so that nobody holds it."""
    begun: float | None
    process: ProcessIdentity

    def is_alive(self) -> bool:
        """Whether it was renewed lately, and its process is not known to have ended."""
        return abs(time.time() - self.seen) < STALE_SECONDS and not self.process.has_ended()


@dataclass
class HeldLock:
    """A lock that this process took. Changes through `store` fail as soon as another process took the lock over."""

    lock: str
    store: Store
    begun: float
    process: ProcessIdentity
    _lost: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def token(self) -> str:
        """The token of the lock and of the store's writer."""
        return self.store.writer

    def check(self) -> None:
        """Raise `LostLockError` if it was noticed that another process has the lock."""
        if self._lost.is_set():
            raise self.lost_error()

    def confirm(self) -> None:
        """Look at the lock itself, and raise `LostLockError` if another process has it."""
        if self.is_lost():
            raise self.lost_error()

    def is_lost(self) -> bool:
        """Whether another process has the lock, as far as the lock can be read."""
        if not self._lost.is_set():
            with suppress(StoreError):
                chain = _chain(self.store, self.lock)
                if not chain or chain[-1].token != self.token:
                    self._lost.set()
        return self._lost.is_set()

    def give_back(self) -> bool:
        """Remove the lock; False if another process has it. What cannot be removed is taken over by the next run."""
        if self.is_lost():
            return False
        try:
            self.store.remove(self.lock)
        except ExpelledError:
            return False
        except StoreError:
            pass
        return True

    def lost_error(self) -> LostLockError:
        """The error that says who has the lock now."""
        by = "another process"
        with suppress(StoreError):
            for link in _chain(self.store, self.lock)[-1:]:
                if link.seen > -math.inf and link.token != self.token:
                    by = f"process {link.process.pid} on {link.process.host}"
        return LostLockError(
            f"{self.store.address}: this run lost its lock, and {by} took it over, because it was not renewed for "
            f"{STALE_SECONDS:.0f} s or was removed; nothing was written since. "
            "Run the same command again when the other one has ended: what was committed stays"
        )

    def renew(self) -> None:
        """Rewrite the lock, so that it counts for another minute. What cannot be written now is tried again later."""
        if self.is_lost():
            return
        try:
            self.store.write(self.lock, self.signed())
        except ExpelledError:
            self._lost.set()
        except StoreError:  # a full disk, or a service that does not answer
            pass

    def signed(self) -> bytes:
        """The content of the lock file."""
        own = {**self.process._asdict(), "begun": self.begun, "seen": time.time(), "token": self.token}
        return json.dumps(own).encode()

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Renew the lock in the background during the block."""
        thread = threading.Thread(target=self._renew_again_and_again, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _renew_again_and_again(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            self.renew()


def holders(store: Store) -> list[Holder]:
    """The processes that hold a lock of OUT and are alive, as far as their locks and this machine show. Only reads."""
    found = []
    for lock in _locks(store):
        with suppress(StoreError):  # a FIFO or the like, which nobody can hold
            for link in _chain(store, lock)[-1:]:
                if link.is_alive():
                    found.append(Holder(lock, link.process.host, link.process.pid, link.begun, link.seen))
    return found


@contextmanager
def locked(store: Store, partition: Partition | None = None) -> Iterator[HeldLock]:
    """Hold the lock of OUT, or of one partition of it. Raises `ConfigError` if another run conflicts.

    A run over all slices conflicts with any other run. Two partitions conflict unless they are different ones of the
    same number. The lock of a process that no longer exists on this machine, or that was not renewed for a minute, is
    taken over. All changes have to be made through the store of the lock. Raises `LostLockError`, at the latest at the
    end of the block, if another process took the lock over meanwhile.
    """
    with _acquired(store, lock_of(partition)) as held:
        # Check the others after taking the own lock: of two runs that start at once, at least one sees the other.
        for other in _conflicting(held.store, partition):
            _break_if_dead(held, other)
        yield held


@contextmanager
def packing(store: Store) -> Iterator[HeldLock | None]:
    """Hold the lock for packing an OUT of several drivers; yields None if another process holds it."""
    with ExitStack() as stack:
        try:
            held = stack.enter_context(_acquired(store, PACK_LOCK))
        except _TakenError:
            held = None
        yield held


def lock_of(partition: Partition | None) -> str:
    """Path of the lock of a partition, or of a run over all slices."""
    return f"{LOCKS}/{partition.number}-of-{partition.of}" if partition else LOCK


@contextmanager
def _acquired(store: Store, lock: str) -> Iterator[HeldLock]:
    # Admitted before the lock is taken: whoever takes the lock over then finds something to expel.
    held = HeldLock(lock, store.admit(uuid.uuid4().hex), time.time(), ProcessIdentity.own())
    try:
        _take(held)
        try:
            with held.renewing():
                yield held
        except StoreError as error:  # also of files that the other process had changed
            if held.is_lost():
                raise held.lost_error() from error
            raise
        finally:
            given_back = held.give_back()
        if not given_back:
            raise held.lost_error()
    except ExpelledError as error:  # before the lock was taken: this process stood still for a minute
        raise held.lost_error() from error
    finally:
        store.expel(held.token)


def _take(held: HeldLock) -> None:
    """Create the lock, or take it over if its holder is gone. Raises `_TakenError` if the holder is alive."""
    for _ in range(_TRIES):
        if held.store.create(held.lock, held.signed()):
            return
        if chain := _claimed_chain(held, held.lock):
            held.store.write(held.lock, held.signed())
            _remove_claims(held, chain)  # only now, as they say whose the lock is
            return
    raise _TakenError(f"{held.store.address}/{held.lock} is taken and given back again and again; try again")


def _break_if_dead(held: HeldLock, other: str) -> None:
    """Remove another lock, and expel its holder, if that is gone. Raises `_TakenError` if it is alive."""
    for _ in range(_TRIES):
        if not _chain(held.store, other):
            return
        if chain := _claimed_chain(held, other):
            held.store.remove(other)
            _remove_claims(held, chain)
            return
    raise _TakenError(f"{held.store.address}/{other} is taken and given back again and again; try again")


def _claimed_chain(held: HeldLock, lock: str) -> list[_Link]:
    """Become the end of a lock's chain, and expel the holders before. Returns these; [] if the chain changed meanwhile.

    Raises `_TakenError` if the holder is alive.
    """
    store, chain = held.store, _chain(held.store, lock)
    if not chain:
        return []
    _refuse_if_alive(store, chain[-1], lock)
    claim = _claim_of(chain[-1], lock)
    if not store.create(claim, held.signed()):
        return []
    for writer in _writers_before(held, chain):
        store.expel(writer)
    # Only now: an expelled holder cannot give the lock back any more, and another process cannot claim it.
    now = _chain(store, lock)
    if now and now[-1].token == held.token:
        return chain
    store.remove(claim)
    return []


def _writers_before(held: HeldLock, chain: list[_Link]) -> list[str]:
    """The writers of a chain. If a lock is damaged, its writer is one of those that no other lock names."""
    if all(link.seen > -math.inf for link in chain):
        return [link.token for link in chain if _TOKEN.fullmatch(link.token)]
    return _unnamed_writers(held, but={link.token for link in chain})


def _unnamed_writers(held: HeldLock, *, but: Collection[str] = ()) -> list[str]:
    """The writers that no lock names; locks with the tokens in `but` do not count."""
    named = {link.token for lock in _locks(held.store) for link in _chain(held.store, lock)}.difference(but)
    return [writer for writer in held.store.writers() if writer not in named | {held.token}]


def expel_forgotten(held: HeldLock) -> None:
    """Expel writers that were killed before they had a lock. Only for a lock that excludes all other runs."""
    for writer in _unnamed_writers(held):
        held.store.expel(writer)


def _remove_claims(held: HeldLock, chain: list[_Link]) -> None:
    for link in chain:
        held.store.remove(_claim_of(link, chain[0].path))


def _claim_of(link: _Link, lock: str) -> str:
    return f"{CLAIMS}/{lock.rpartition('/')[2]}.{link.token}"


def _locks(store: Store) -> list[str]:
    return [LOCK, *(f"{LOCKS}/{name}" for name in store.names(LOCKS))]


def _conflicting(store: Store, partition: Partition | None) -> Iterator[str]:
    """The locks that another run may hold and that exclude a run of this partition."""
    if partition:
        yield LOCK
    for name in store.names(LOCKS):
        found = re.fullmatch(r"\d+-of-(\d+)", name)
        if (found and (partition is None or int(found[1]) != partition.of)) or (name == "pack" and partition is None):
            yield f"{LOCKS}/{name}"


def _refuse_if_alive(store: Store, holder: _Link, lock: str) -> None:
    if holder.is_alive():
        raise _TakenError(
            f"{store.address} is being written by process {holder.process.pid} on {holder.process.host}"
            f"{_as_what(lock)}, seen {max(0.0, time.time() - holder.seen):.0f} s ago; "
            f"{_remedy(lock)}, or give another --out"
        )


def _as_what(lock: str) -> str:
    found = re.fullmatch(rf"{LOCKS}/(\d+)-of-(\d+)", lock)
    return f" as --slices {found[1]}/{found[2]}" if found else ""


def _remedy(lock: str) -> str:
    found = re.fullmatch(rf"{LOCKS}/(\d+)-of-(\d+)", lock)
    return f"wait for it, run another share of {found[2]}" if found else "wait for it"


def _chain(store: Store, lock: str) -> list[_Link]:
    """The lock, the claim of its token, the claim of that one's token and so on; [] if nobody has the lock.

    Raises `StoreError` if something is in its place that is no file.
    """
    chain: list[_Link] = []
    path = lock
    while len(chain) < _TRIES and (data := store.find(path)) is not None:
        chain.append(_parsed(path, data))
        path = _claim_of(chain[-1], lock)
    return chain


def _parsed(path: str, data: bytes) -> _Link:
    """The content of a lock. One that is damaged is held by nobody."""
    digest = hashlib.sha256(data).hexdigest()
    nobody = _Link(path, digest, -math.inf, None, ProcessIdentity("", 0, "", "", ""))
    try:
        found: dict[str, Any] = {**json.loads(data)}
        begun = float(found["begun"]) if math.isfinite(found.get("begun", math.nan)) else None
        seen, pid = float(found["seen"]), int(found["pid"])
        process = ProcessIdentity(str(found["host"]), pid, *(str(found.get(name) or "") for name in _IDENTITY))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return nobody
    token = str(found.get("token"))
    # `os.kill` takes 0 and negative numbers for process groups.
    if not math.isfinite(seen) or not 0 < pid < 2**31:
        return nobody
    return _Link(path, token if _TOKEN.fullmatch(token) else digest, seen, begun, process)


_IDENTITY = ProcessIdentity._fields[2:]
