"""The values that a scheduler moves about: queues of keys, the rounds taken from them, and their batches."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from batchrepo.events import Origin

if TYPE_CHECKING:
    import asyncio
    from asyncio import Future
    from collections.abc import Hashable, Sequence

    from batchrepo.events import RoundReason
    from batchrepo.loading.loader import BatchLoader
    from batchrepo.loading.scheduler import Scheduler
    from batchrepo.loading.waiting import Entry


class Queue:
    """Keys that wait for their round, in the order they came, and the quiet detection over them.

    Attributes:
        scheduler: whose queue it is.
        parent: the round in whose batches the keys were asked for; None for the root and for foreign batches.
        depth: of the rounds that are taken from it; 0 is the root.
        reason: of its rounds where that is fixed, else None.
        entries: the keys; those that were moved to another queue, or dropped, are left out when it is taken.
        hops: loop hops since it began to fill.
        awake: whether the scheduler knows that it is not empty.
    """

    __slots__ = ("_last", "awake", "depth", "entries", "hops", "parent", "reason", "scheduler")

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        parent: Round | None = None,
        depth: int = 0,
        reason: RoundReason | None = None,
    ) -> None:
        self.scheduler = scheduler
        self.parent = parent
        self.depth = depth
        self.reason: RoundReason | None = reason
        self.entries: list[Entry] = []
        self.hops = 0
        self._last = 0
        self.awake = False

    def add(self, entry: Entry) -> None:
        """Queue a key (its ``queue`` is this one), and start the quiet detection if it is the first."""
        self.extend((entry,))

    def extend(self, entries: Sequence[Entry]) -> None:
        """Queue many."""
        if not entries:
            return
        self.entries += entries
        self._last = self.hops
        if not self.awake:
            self.scheduler.wake(self)

    def hop(self, quiet_hops: int, max_hops: int) -> RoundReason | None:
        """Count one loop hop. Returns why the queue should be flushed now, or None to go on waiting."""
        self.hops += 1
        # More than, not as many as: the tick may run first in its hop, before the tasks that load in it.
        if self.hops - self._last > quiet_hops:
            return self.reason or "quiet"
        if self.hops >= max_hops:
            return self.reason or "cap"
        return None

    @property
    def pending(self) -> int:
        """Number of keys in it that somebody waits for."""
        return sum(entry.queue is self and entry.wanted() is not None for entry in self.entries)

    def take(self) -> dict[BatchLoader[Any, Any], list[Entry]]:
        """Empty the queue. Returns the keys that somebody still waits for, by loader."""
        taken: dict[BatchLoader[Any, Any], list[Entry]] = {}
        loader: BatchLoader[Any, Any] | None = None
        same: list[Entry] = []
        for entry in self.entries:
            if entry.queue is not self:
                continue
            entry.queue = None
            if entry.first.done() and entry.wanted() is None:
                entry.loader.forget(entry)
                continue
            if entry.loader is not loader:  # they mostly come in runs
                loader = entry.loader
                same = taken.setdefault(loader, [])
            same.append(entry)
        self.entries = []
        self.awake = False
        self.hops = self._last = 0
        return taken


class Round:
    """Batches that go out together.

    Attributes:
        number: counted from 1 in its scheduler.
        parent: the round in whose batches it was asked for, or None.
        running: number of its batches that have not ended.
        done: resolved at its end, where somebody waits for that.
    """

    __slots__ = (
        "_children",
        "batches",
        "depth",
        "done",
        "number",
        "parent",
        "reason",
        "running",
        "scheduler",
    )

    def __init__(self, scheduler: Scheduler, number: int, queue: Queue, reason: RoundReason) -> None:
        self.scheduler = scheduler
        self.number = number
        self.parent = queue.parent
        self.depth = queue.depth
        self.reason: RoundReason = reason
        self.batches: list[Batch] = []
        self.running = 0
        self.done: asyncio.Future[None] | None = None
        self._children: Queue | None = None

    @property
    def children(self) -> Queue:
        """The queue for loads that are made inside this round's batches."""
        if self._children is None:
            self._children = Queue(self.scheduler, parent=self, depth=self.depth + 1)
        return self._children

    def __repr__(self) -> str:
        sizes = ", ".join(f"{batch.loader.name}({len(batch.entries)})" for batch in self.batches)
        return f"<Round {self.number} depth {self.depth} {self.reason}: {sizes}>"


class Batch:
    """One call of one batch function.

    Attributes:
        blocked: the batches that wait for this one, with the futures they got and for which keys (the wait-for
            graph, upwards).
        ended: whether every waiter has its answer and the batch function has returned.
        stopped: whether its task was cancelled, or closes the scheduler itself. Once only: a second cancellation
            would break off its cleaning up.
        task: the task that runs it; None before it is started.
    """

    __slots__ = (
        "_cache_keys",
        "_watched",
        "blocked",
        "ended",
        "entries",
        "loader",
        "origin",
        "round",
        "stopped",
        "task",
    )

    def __init__(self, round_: Round, loader: BatchLoader[Any, Any], entries: list[Entry]) -> None:
        self.round = round_
        self.loader = loader
        self.entries = entries
        self.blocked: dict[Batch, list[tuple[Future[Any], Any]]] = {}
        self.ended = False
        self.stopped = False
        self.task: asyncio.Task[None] | None = None
        self.origin = Origin(round_.number, round_.depth, loader.name, loader.reads)
        self._cache_keys: frozenset[Hashable] | None = None
        self._watched = 0
        for entry in entries:
            entry.batch = self
            if entry.askers is not None:
                for asker, future in entry.askers:
                    self.add_blocked(asker, future, entry.key)
                entry.askers = None

    @property
    def cache_keys(self) -> frozenset[Hashable]:
        """The cache keys of its entries, as a set."""
        if self._cache_keys is None:
            self._cache_keys = frozenset(entry.cache_key for entry in self.entries)
        return self._cache_keys

    def add_blocked(self, asker: Batch, future: Future[Any], key: Any) -> None:
        """Another batch waits for a key of this one."""
        self.blocked.setdefault(asker, []).append((future, key))

    def blocks(self, asker: Batch) -> bool:
        """Whether another batch still waits for this one: some future that it got is open."""
        waiting = self.blocked[asker]
        while waiting and waiting[-1][0].done():
            waiting.pop()
        return bool(waiting)

    def watch(self, _: object = None) -> None:
        """Watch one living waiter, and when that one has gone another; when none is left, stop the work.

        One callback for each batch instead of one for each key. Cancelled waiters are passed once; the search
        is circular, because a key that was passed may have been asked for again.
        """
        if self.ended:
            return
        entries, start = self.entries, self._watched
        for index in (*range(start, len(entries)), *range(start)):
            future = entries[index].wanted()
            if future is not None:
                self._watched = index
                future.add_done_callback(self.watch)
                return
        for entry in entries:
            entry.loader.forget(entry)  # later loads start anew
        self.stop()

    def stop(self) -> None:
        """Cancel the work, if that has not been done."""
        if self.task is not None and not self.stopped:
            self.stopped = True
            self.task.cancel()


current_batch: ContextVar[Batch | None] = ContextVar("batchrepo_batch", default=None)
"""The batch in whose function, or in a task spawned by it, the running code is."""


def living_round(batch: Batch) -> Round | None:
    """The nearest round around a batch that has not ended; None when code outlived them all."""
    round_: Round | None = batch.round
    while round_ is not None and not round_.running:
        round_ = round_.parent
    return round_
