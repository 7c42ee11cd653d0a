"""What is remembered of objects that somebody else keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import Iterator

K = TypeVar("K")
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Values by objects, as long as the objects live.

    Objects are told apart by their identity: nodes of parsed documents are equal by all that is in them, which
    takes as long to hash as the document is. A value may not hold its object.
    """

    def __init__(self) -> None:
        self._values: dict[int, tuple[ref[K], V]] = {}

    def get(self, key: K) -> V | None:
        """The value of an object, or None."""
        found = self._values.get(id(key))
        return found[1] if found is not None else None

    def __setitem__(self, key: K, value: V) -> None:
        place = id(key)
        # The entry goes before the object does, so that no other can have the same identity.
        self._values[place] = ref(key, lambda _: self._values.pop(place, None)), value

    def __len__(self) -> int:
        return len(self._values)

    def values(self) -> Iterator[V]:
        """All values."""
        return (value for _, value in list(self._values.values()))
