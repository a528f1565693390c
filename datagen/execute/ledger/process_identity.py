"""Which process on which machine holds a lock, and whether it is certain that this process has ended."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path
from typing import NamedTuple


class ProcessIdentity(NamedTuple):
    """A process, distinguishable from others that have its number and its machine's name.

    Containers may share their host's name, and each PID namespace counts processes from 1; after a restart, or when all
    numbers were used, another process has the number.
    """

    host: str
    pid: int
    boot: str
    """Identifies the machine since its last start; '' if unknown."""
    pid_namespace: str
    """Identifies the namespace of `pid`; '' if unknown."""
    started: str
    """When the process started, in clock ticks since the boot; '' if unknown."""

    @classmethod
    def own(cls) -> ProcessIdentity:
        """The identity of this process."""
        pid = os.getpid()
        return cls(socket.gethostname(), pid, _boot(), _pid_namespace(), _started(pid))

    def has_ended(self) -> bool:
        """Whether it is certain that the process does not exist any more. False if it may run elsewhere."""
        here = ProcessIdentity.own()
        if not self.boot or not self.pid_namespace:
            return False
        if (self.boot, self.pid_namespace) != (here.boot, here.pid_namespace):
            return False
        return _is_gone(self.pid) or (self.started != "" and _started(self.pid) not in ("", self.started))


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # no Linux, where a machine is known by its name and its network card
        return "" if os.path.isdir("/proc/self") else f"{socket.gethostname()}-{uuid.getnode():x}"


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:  # other systems have one namespace
        return "" if os.path.isdir("/proc/self") else "all"


def _stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on: state, parent and so on; [] if unknown."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []


def _started(pid: int) -> str:
    fields = _stat_fields(pid)
    return fields[19] if len(fields) > 19 else ""


def _is_gone(pid: int) -> bool:
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):  # it exists, but belongs to another user
        return False
    return _stat_fields(pid)[:1] == ["Z"]  # it has ended, and its parent has not asked how
