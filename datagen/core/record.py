"""Records: what flows through a pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any


class Pending:
    """A value that is computed when it is first read. All records that hold it share the result."""

    __slots__ = ("_make", "_value")

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make: Callable[[], Any] | None = make
        self._value: Any = None

    def get(self) -> Any:
        """The value."""
        if self._make is not None:
            self._value = self._make()
            self._make = None
        return self._value


class Record(Mapping[str, Any]):
    """An immutable mapping from field names to values, with a stable id."""

    __slots__ = ("_fields", "id", "parent")

    def __init__(self, id: str, fields: Mapping[str, Any], *, parent: str = "") -> None:
        self.id = id
        self.parent = parent
        self._fields = dict(fields)

    def __getitem__(self, name: str) -> Any:
        value = self._fields[name]
        return value.get() if isinstance(value, Pending) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Record({self.id!r}, {sorted(self._fields)})"

    def raw(self) -> dict[str, Any]:
        """All fields; a value that nobody has read yet is a `Pending`."""
        return dict(self._fields)

    def adding(self, fields: Mapping[str, Any]) -> Record:
        """This record with `fields` added or replaced."""
        return Record(self.id, {**self._fields, **fields}, parent=self.parent)

    def child(self, key: str, fields: Mapping[str, Any]) -> Record:
        """A new record that inherits this one's fields; its id is `<this id>#<key>`."""
        return Record(f"{self.id}#{key}", {**self._fields, **fields}, parent=self.id)

    def seeing(self, names: Iterable[str], *, renamed: Mapping[str, str]) -> Record:
        """This record with only the fields `names`, each taken from the field `renamed[name]` if it is in `renamed`."""
        pairs = ((name, renamed.get(name, name)) for name in names)
        return Record(
            self.id, {name: self._fields[field] for name, field in pairs if field in self._fields}, parent=self.parent
        )
