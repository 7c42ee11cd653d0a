"""The values that a scheduler moves about: queues of keys, the rounds taken from them, and their batches."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from batchrepo.events import Origin
from batchrepo.loading.waiting import Bundle

if TYPE_CHECKING:
    import asyncio
    from asyncio import Future

    from batchrepo.events import RoundReason
    from batchrepo.loading.loader import BatchLoader
    from batchrepo.loading.scheduler import Scheduler


class Queue:
    """Keys that wait for their round, in the order they came, and the quiet detection over them.

    Attributes:
        scheduler: whose queue it is.
        parent: the round in whose batches the keys were asked for; None for the root and for foreign batches.
        depth: of the rounds that are taken from it; 0 is the root.
        reason: of its rounds where that is fixed, else None.
        bundles: the keys, by loader.
        hops: loop hops since it began to fill.
        last: the hop in which the last new key came.
        awake: whether the scheduler knows that it is not empty.
    """

    __slots__ = ("awake", "bundles", "depth", "hops", "last", "parent", "reason", "scheduler")

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
        self.bundles: dict[BatchLoader[Any, Any], Bundle] = {}
        self.hops = 0
        self.last = 0
        self.awake = False

    def bundle(self, loader: BatchLoader[Any, Any]) -> Bundle:
        """Where new keys of a loader go. Says that they come, which starts the quiet detection if they are the first."""
        self.last = self.hops
        if not self.awake:
            self.scheduler.wake(self)
        bundle = self.bundles.get(loader)
        if bundle is None:
            bundle = self.bundles[loader] = Bundle(loader, self)
        return bundle

    def hop(self, quiet_hops: int, max_hops: int) -> RoundReason | None:
        """Count one loop hop. Returns why the queue should be flushed now, or None to go on waiting."""
        self.hops += 1
        # More than, not as many as: the tick may run first in its hop, before the tasks that load in it.
        if self.hops - self.last > quiet_hops:
            return self.reason or "quiet"
        if self.hops >= max_hops:
            return self.reason or "cap"
        return None

    @property
    def pending(self) -> int:
        """Number of keys in it that somebody waits for."""
        return sum(len(bundle.living()) for bundle in self.bundles.values())

    def take(self) -> list[Bundle]:
        """Empty the queue. Returns the keys that somebody still waits for."""
        taken = []
        for bundle in self.bundles.values():
            living = bundle.living()
            if len(living) < len(bundle.keys):
                gone = bundle.keys.keys() - living
                bundle.loader.underway.forget(bundle, gone)
                bundle.take(gone)
            bundle.queue = None
            if living:
                taken.append(bundle)
        self.bundles = {}
        self.awake = False
        self.hops = self.last = 0
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
        sizes = ", ".join(f"{batch.loader.name}({len(batch.bundle.keys)})" for batch in self.batches)
        return f"<Round {self.number} depth {self.depth} {self.reason}: {sizes}>"


class Batch:
    """One call of one batch function.

    Attributes:
        bundle: its keys; none any more when it has ended.
        blocked: the batches that wait for this one, with the futures they got and for which keys (the wait-for
            graph, upwards).
        ended: whether every waiter has its answer and the batch function has returned.
        stopped: whether its task was cancelled, or closes the scheduler itself. Once only: a second cancellation
            would break off its cleaning up.
        task: the task that runs it; None before it is started.
    """

    __slots__ = (
        "_watched",
        "blocked",
        "bundle",
        "ended",
        "loader",
        "origin",
        "round",
        "stopped",
        "task",
    )

    def __init__(self, round_: Round, bundle: Bundle) -> None:
        self.round = round_
        self.loader = bundle.loader
        self.bundle = bundle
        self.blocked: dict[Batch, list[tuple[Future[Any], Any]]] = {}
        self.ended = False
        self.stopped = False
        self.task: asyncio.Task[None] | None = None
        self.origin = Origin(round_.number, round_.depth, self.loader.name, self.loader.reads)
        self._watched = 0
        bundle.batch = self
        for asker, future, cache_key in bundle.askers:
            self.add_blocked(asker, future, bundle.keys[cache_key])
        bundle.askers = []

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

        One callback for each batch instead of one for each key. Cancelled waiters are passed once; who asks for a key
        meanwhile comes behind them.
        """
        if self.ended:
            return
        self._watched, future = self.bundle.watched(self._watched)
        if future is not None:
            future.add_done_callback(self.watch)
            return
        self.loader.underway.forget(self.bundle)  # later loads start anew
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
