"""A key that was asked for, and those who wait for it.

Every waiter has a future of its own, so that cancelling one hurts nobody. Nothing is told when a future is
cancelled: that would cost a call of the loop, or a slower await, for each key. Whoever needs to know looks
(``Entry.wanted``), and a batch watches one living waiter at a time (``Batch.watch``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, final

from batchrepo.loading.results import MISSING

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Hashable, Iterator

    from batchrepo.loading.loader import BatchLoader
    from batchrepo.loading.rounds import Batch, Queue

    Waiter: TypeAlias = "Many | Future[Any]"
    """Who waits for an entry: the future of one ``load``, or all of a ``load_many``."""


class Entry:
    """One key of one loader from the first load until its value is here.

    Attributes:
        first: who asked first; there may be more.
        queue: where it waits for its round; None once it is in a batch, or dropped.
        batch: the batch that loads it, or None.
        value: what came (an ``Exception`` is a failure), or ``MISSING`` before.
        askers: the batches that wait for it and the futures they got, while it is in no batch itself.
    """

    __slots__ = ("_more", "askers", "batch", "cache_key", "first", "key", "loader", "queue", "value")

    def __init__(
        self, loader: BatchLoader[Any, Any], key: Any, cache_key: Hashable, waiter: Waiter, queue: Queue
    ) -> None:
        self.loader = loader
        self.key = key
        self.cache_key = cache_key
        self.first = waiter
        self._more: list[Waiter] | None = None
        self.queue: Queue | None = queue
        self.batch: Batch | None = None
        self.value: Any = MISSING
        self.askers: list[tuple[Batch, Future[Any]]] | None = None

    def join(self, waiter: Waiter) -> None:
        """Add a waiter to an entry that has one already."""
        if self._more is None:
            self._more = [waiter]
        else:
            self._more.append(waiter)

    def note_asker(self, asker: Batch, future: Future[Any]) -> None:
        """Remember that a batch waits for this entry (an edge of the wait-for graph)."""
        if self.batch is not None:
            self.batch.add_blocked(asker, future, self.key)
        elif self.askers is None:
            self.askers = [(asker, future)]
        else:
            self.askers.append((asker, future))

    def wanted(self) -> Future[Any] | None:
        """The future of a waiter that is still waiting, or None when all have gone."""
        first = self.first
        if not first.done():
            return first.future if type(first) is Many else first
        return next(self.futures(), None) if self._more else None

    def futures(self) -> Iterator[Future[Any]]:
        """The futures of all who still wait, in the order they came."""
        for waiter in (self.first, *(self._more or ())):
            if not waiter.done():
                yield waiter.future if isinstance(waiter, Many) else waiter

    def resolve(self, value: Any) -> None:
        """Give every waiter the value."""
        self.value = value
        waiter = self.first
        if not waiter.done():
            waiter.set_result(value)
        for waiter in self._more or ():
            if not waiter.done():
                waiter.set_result(value)

    def fail(self, error: Exception) -> None:
        """Fail every waiter."""
        self.value = error
        for waiter in (self.first, *(self._more or ())):
            if not waiter.done():
                waiter.set_exception(error)


@final
class Many:
    """Who waits for a whole ``load_many``: one future for all its keys.

    Attributes:
        future: what the caller has.
        items: for each key as asked, its value if that was here, else its entry.
        remaining: number of items without a value; a key that was asked for twice counts twice.
        failed: whether some item is a failure.
    """

    __slots__ = ("done", "failed", "future", "items", "remaining")

    def __init__(self, future: Future[list[Any]]) -> None:
        self.future = future
        self.done = future.done
        self.items: list[Any] = []
        self.remaining = 0
        self.failed = False

    def set_result(self, _: Any) -> None:
        """One of the entries has its value."""
        self.remaining -= 1
        if not self.remaining:
            self.finish()

    def set_exception(self, error: Exception) -> None:
        """One of the entries failed."""
        self.failed = True
        self.set_result(error)

    def finish(self) -> None:
        """All values are here: hand them over, or the first failure in the order of the keys."""
        items, self.items = self.items, []  # they refer to this object: do not leave it to the collector
        values = [item.value if type(item) is Entry else item for item in items]
        if self.failed:
            self.future.set_exception(next(value for value in values if isinstance(value, Exception)))
        else:
            self.future.set_result(values)
