"""Remember what was computed of the last pictures."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

from datagen.imaging.image import Pixels

T = TypeVar("T")


class RecentValues(Generic[T]):
    """The values of the last keys. Threads may share it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[bytes, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> T | None:
        """The value of a key; None if there is none."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: bytes, value: T) -> None:
        """Remember the value of a key; the one that was used longest ago is let go."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)

    def of(self, key: bytes, make: Callable[[], T]) -> T:
        """The value of a key, made if there is none. Two threads may make it at once."""
        value = self.get(key)
        if value is None:
            value = make()
            self.put(key, value)
        return value


def picture_key(picture_HWC: Pixels) -> bytes:
    """A key by a picture's shape and content."""
    return hashlib.sha256(repr(picture_HWC.shape).encode() + np.ascontiguousarray(picture_HWC).tobytes()).digest()
