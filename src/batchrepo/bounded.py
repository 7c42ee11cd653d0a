"""A mapping of bounded size, for whatever callers and their clients can make more and more of."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from batchrepo.errors import InvalidArgument

K = TypeVar("K")
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """Keeps at most `size` values; the one that was not asked for the longest goes first.

    What goes can be made again: it is a cache, so a key without a value and one whose value went look the same.
    Threads may share it.

    Args:
        size: how many values are kept, 1 or more.

    Raises:
        InvalidArgument: the size is less than 1.
    """

    __slots__ = ("_values", "size")

    def __init__(self, size: int) -> None:
        if size < 1:
            raise InvalidArgument(f"Bounded() keeps 1 or more values; got size={size}.")
        self.size = size
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value of a key, or None."""
        found = self._values.get(key)
        if found is not None:
            try:  # noqa: SIM105 - `suppress` costs twice the rest
                self._values.move_to_end(key)
            except KeyError:  # another thread has let it go in between
                pass
        return found

    def __setitem__(self, key: K, value: V) -> None:
        values = self._values
        values.pop(key, None)
        values[key] = value
        while len(values) > self.size:
            try:
                values.popitem(last=False)
            except KeyError:  # another thread has emptied it
                break

    def pop(self, key: K) -> None:
        """Let the value of a key go, if there is one."""
        self._values.pop(key, None)

    def values(self) -> list[V]:
        """All values, the one that was not asked for the longest first."""
        return list(self._values.values())

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<Bounded {len(self)} of {self.size}>"
