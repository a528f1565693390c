"""Records: what flows through a pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from datagen.core.frozen import are_pixels_changed, frozen, pixel_digest


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


class FrozenValue(Pending):
    """A value as a stage gets it: a frozen copy of the lists and dicts in `source`, made when it is first read.

    Each stage gets a copy of its own. So even C code that writes past the copy's methods changes it for no other stage.
    """

    __slots__ = ("_digest", "_source")

    def __init__(self, name: str, source: Any) -> None:
        super().__init__(lambda: self._freeze(name))
        self._source = source
        self._digest: Any = None

    def _freeze(self, name: str) -> Any:
        value = frozen(self._original(), name=f"field '{name}'")
        self._digest = pixel_digest(value)
        return value

    def _original(self) -> Any:
        return self._source.get() if isinstance(self._source, Pending) else self._source

    def is_changed(self) -> bool:
        """Whether the copy differs from its source all the same, or the pixels from what they were."""
        if isinstance(self._value, list | dict):
            return bool(self._value != self._original())
        return are_pixels_changed(self._value, digest=self._digest)


class Record(Mapping[str, Any]):
    """An immutable mapping from field names to values, with a stable id."""

    __slots__ = ("_fields", "_id", "_parent")

    def __init__(self, id: str, fields: Mapping[str, Any], *, parent: str = "") -> None:
        self._id = id
        self._parent = parent
        self._fields = dict(fields)

    @property
    def id(self) -> str:
        """The name of the record in this run and every other."""
        return self._id

    @property
    def parent(self) -> str:
        """The id of the record that it was made of; '' for a row of the source."""
        return self._parent

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
        """This record as a stage gets it: only the fields `names`, in which nothing can be changed.

        Each is taken from the field `renamed[name]` if it is in `renamed`.
        """
        pairs = ((name, self._fields.get(renamed.get(name, name), _MISSING)) for name in names)
        fields = {
            name: value if isinstance(value, str | int | float | None) else FrozenValue(name, value)
            for name, value in pairs
            if value is not _MISSING
        }
        return Record(self.id, fields, parent=self.parent)

    def changed_fields(self) -> list[str]:
        """Of a record that `seeing` made: the fields that a stage changed although they are frozen, as C code can."""
        return [name for name, value in self._fields.items() if isinstance(value, FrozenValue) and value.is_changed()]


_MISSING = object()
