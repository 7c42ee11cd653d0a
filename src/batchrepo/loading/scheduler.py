"""When keys go out: all loaders of a scope queue here, and leave in rounds once the scope is quiet.

A tick-based loader sends a batch with every turn of the loop, so that loads which come after a different number
of awaits are split. Here a round goes out when no new key came for some hops of the loop; what comes while
it runs waits for the next one. Loads made inside a batch function go to sub-rounds, which never wait.
"""

from __future__ import annotations

import asyncio
import contextvars
from functools import partial
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING, Any

from batchrepo.errors import InvalidArgument, ScopeClosed, ScopeError
from batchrepo.events import BatchEvent, EventLog, RoundEvent, current_origin
from batchrepo.loading.results import as_failure
from batchrepo.loading.rounds import Batch, Queue, Round, current_batch, living_round

if TYPE_CHECKING:
    from batchrepo.events import RoundReason
    from batchrepo.loading.loader import BatchLoader
    from batchrepo.loading.waiting import Bundle


class Scheduler:
    """Collects the keys of all loaders of one scope and dispatches them in rounds.

    A batch function may load: its keys go to a sub-round. It must not wait by other means (a lock, a task made
    outside) for code that loads: that load waits for the round, and nobody can see that the round waits for it.

    Args:
        quiet_hops: a round goes out once no new key came for this many hops of the event loop (1 to 2 us each).
        max_hops: it goes out after this many hops even if keys keep coming.
        manual: dispatch nothing until ``flush`` is awaited; sub-rounds inside a flush go by themselves.
        events: where rounds and batches are recorded.
        context: the context variables that hold in batch functions; by default those of the code that makes
            the scheduler. Each batch runs in a copy.

    Raises:
        InvalidArgument: the hop counts make no sense.
    """

    def __init__(
        self,
        *,
        quiet_hops: int = 2,
        max_hops: int = 64,
        manual: bool = False,
        events: EventLog | None = None,
        context: contextvars.Context | None = None,
    ) -> None:
        if quiet_hops < 1 or max_hops < quiet_hops:
            raise InvalidArgument(
                f"Scheduler needs 1 <= quiet_hops <= max_hops, got quiet_hops={quiet_hops}, max_hops={max_hops}."
            )
        self.loop: asyncio.AbstractEventLoop | None = None
        self.closed = False
        self.root = Queue(self)
        self._foreign = Queue(self, depth=1)
        self._quiet_hops = quiet_hops
        self._max_hops = max_hops
        self._manual = manual
        self._events = EventLog(keep=0) if events is None else events
        self._context = contextvars.copy_context() if context is None else context
        # Ticks run in a context of their own: call_soon would copy that of whoever happened to load first.
        self._tick_context = self._context.copy()
        self._numbers = count(1)
        self._filled: set[Queue] = set()
        self._running: set[Batch] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._root_round: Round | None = None

    @property
    def pending(self) -> int:
        """Number of keys that are queued and not yet in a batch."""
        return sum(queue.pending for queue in self._filled)

    @property
    def running(self) -> int:
        """Number of batches that have not ended."""
        return len(self._running)

    def __repr__(self) -> str:
        state = " closed" if self.closed else " manual" if self._manual else ""
        return f"<Scheduler{state} {self.pending} pending, {self.running} running>"

    # --- keys come in -------------------------------------------------------------------------------

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Use this event loop from now on; called by loaders when the loop is not the known one.

        Moving to another loop is allowed when nothing is under way, so that a loader made at import serves one
        ``asyncio.run`` after another. What a closed loop left behind can never finish and is dropped.

        Raises:
            ScopeClosed: the scheduler is closed.
            ScopeError: keys or batches are under way in the other loop.
        """
        if self.closed:
            raise ScopeClosed("The scope of this loader has ended. Load inside `async with db.scope()`.")
        if self.loop is not None:
            if not self.loop.is_closed() and (self.pending or self._running):
                raise ScopeError(
                    f"A loader was used from a second event loop while {self.pending} keys and {self.running} "
                    "batches are under way in the first. Make one scope (or loader) for each event loop."
                )
            self._disown()
            self._running.clear()
            self._tasks.clear()
            self._root_round = None
        self.loop = loop

    def queue_for(self, loader: BatchLoader[Any, Any], asker: Batch | None) -> Queue:
        """The queue that a key goes to when it is asked for in the context of a batch (None: outside of any)."""
        round_ = None if asker is None else living_round(asker)
        nested = round_ is not None and round_.scheduler is self
        if loader.immediate is not None and (nested or not self._manual):
            return loader.immediate
        if round_ is None or (self._manual and not nested):
            return self.root
        # A batch of another scheduler waits for us: our root might wait for a round that waits for that batch.
        return round_.children if nested else self._foreign

    def wake(self, queue: Queue) -> None:
        """A queue is no longer empty: watch for it to become quiet."""
        queue.awake = True
        self._filled.add(queue)
        if queue is not self.root or (self._root_round is None and not self._manual):
            self._call_tick(queue)

    def _call_tick(self, queue: Queue) -> None:
        assert self.loop is not None
        self.loop.call_soon(self._tick, queue, self.loop, context=self._tick_context)

    def _tick(self, queue: Queue, loop: asyncio.AbstractEventLoop) -> None:
        """One hop of the loop has passed."""
        if loop is not self.loop:
            return  # closed, or at work in another loop
        reason = queue.hop(self._quiet_hops, self._max_hops)
        if reason is None:
            self._call_tick(queue)
            return
        round_ = self._take_round(queue, reason)
        if round_ is not None:
            self._start(round_)

    # --- rounds go out ------------------------------------------------------------------------------

    def _take_round(self, queue: Queue, reason: RoundReason) -> Round | None:
        """Empty a queue into a round, or None if nobody waits for its keys. Starting it is the caller's.

        Who waits for whom is decided here and in ``wake``. The root waits for its running round, so that what
        comes meanwhile is one round more and not a trickle. All other queues never wait:

        - A sub-queue must not wait for the sub-rounds of its own round: batch A has a sub-round running whose
          batch waits for something of batch B, and B has just asked for a key. If that key waited for the
          sub-round, all three would wait for ever.
        - A foreign queue serves batches of other schedulers, for which the same holds.
        - An immediate loader has opted out.
        """
        taken = queue.take()
        self._filled.discard(queue)
        if not taken:
            return None
        round_ = Round(self, next(self._numbers), queue, reason)
        for bundle in taken:
            loader = bundle.loader
            loader.dispatched(bundle)
            round_.batches += (Batch(round_, part) for part in loader.split(bundle))
        round_.running = len(round_.batches)
        self._running.update(round_.batches)
        if queue is self.root and not self._manual:
            self._root_round = round_
        return round_

    def _start(self, round_: Round) -> None:
        """Run each batch of a round in a task of its own."""
        assert self.loop is not None
        batches = tuple(round_.batches)
        sizes = tuple((batch.loader.name, len(batch.bundle.keys)) for batch in batches)
        parent = None if round_.parent is None else round_.parent.number
        try:
            self._events.emit(RoundEvent(round_.number, round_.depth, sizes, round_.reason, parent))
        except BaseException as error:
            for batch in batches:  # a listener's error, such as of a budget, belongs to those who wait
                self._fail(batch, error)
            if not isinstance(error, Exception):
                raise
            return
        for batch in batches:
            # Context.run and not create_task(context=): task factories from before 3.11 do not know that argument.
            task = self._context.copy().run(self.loop.create_task, self._run(batch))
            batch.task = task
            self._tasks.add(task)
            task.add_done_callback(partial(self._task_done, batch))
            batch.watch()

    async def _run(self, batch: Batch) -> None:
        current_batch.set(batch)
        current_origin.set(batch.origin)
        started = perf_counter()
        try:
            values = await batch.loader.call_batch(list(batch.bundle.keys.values()))
        except Exception as error:  # noqa: BLE001 - every error of a batch function belongs to those who wait
            self._finish(batch, error, perf_counter() - started)
        except GeneratorExit:
            raise  # the task is being collected after its loop: there is nobody left to tell
        except BaseException as error:
            self._finish(batch, error, perf_counter() - started)
            raise
        else:
            self._finish(batch, values, perf_counter() - started)

    def _finish(self, batch: Batch, outcome: list[Any] | BaseException, seconds: float) -> None:
        """Answer whoever still waits for a batch, and count it as ended. Happens once."""
        if batch.ended:
            return
        loader, bundle = batch.loader, batch.bundle
        try:
            failed = type(outcome).__name__ if isinstance(outcome, BaseException) else None
            self._events.emit(BatchEvent(loader.name, len(bundle.keys), seconds, batch.origin, failed))
            if not isinstance(outcome, BaseException):
                loader.settle(bundle, outcome)
        except BaseException as error:  # of a listener, or of the user's cache_map: nobody may hang
            outcome = error
            if not isinstance(error, Exception):
                raise
        finally:
            if isinstance(outcome, BaseException):
                self._fail(batch, outcome)
            else:
                self._ended(batch)

    def _fail(self, batch: Batch, error: BaseException) -> None:
        loader, bundle = batch.loader, batch.bundle
        loader.fail(bundle, as_failure(loader.name, len(bundle.keys), error))
        self._ended(batch)

    def _ended(self, batch: Batch) -> None:
        batch.ended = True
        batch.blocked.clear()
        batch.bundle.drop()
        self._running.discard(batch)
        round_ = batch.round
        round_.running -= 1
        if round_.running:
            return
        round_.batches = []  # they refer to each other: what they loaded must not wait for the garbage collector
        if round_.done is not None and not round_.done.done():
            round_.done.set_result(None)
        if round_ is self._root_round:
            self._root_round = None
            if self.root.awake:
                # Not at once: the waiters just answered run in the next hop and may load too.
                self._call_tick(self.root)

    def _task_done(self, batch: Batch, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # its waiters have it; asyncio need not log it as never retrieved
        # A task that was cancelled before its first step never ran: nothing else would tell its waiters.
        self._finish(batch, asyncio.CancelledError(), 0.0)
        batch.task = None  # its context has the batch: together they would wait for the garbage collector

    # --- by hand, and the end -----------------------------------------------------------------------

    async def flush(self) -> None:
        """Dispatch everything pending as one round and wait for its end. Only for ``manual=True``.

        Raises:
            ScopeError: the scheduler dispatches by itself.
            ScopeClosed: it is closed.
        """
        if not self._manual:
            raise ScopeError(
                "flush() is for Scheduler(manual=True); this scheduler dispatches by itself when quiet."
            )
        if self.closed:
            raise ScopeClosed("flush() on a scheduler that is closed.")
        round_ = self._take_round(self.root, "manual")
        if round_ is None:
            return
        round_.done = done = asyncio.get_running_loop().create_future()
        self._start(round_)
        await done

    async def aclose(self) -> None:
        """Fail all waiters with ``ScopeClosed``, cancel running batches and wait until they have unwound.

        Later loads raise ``ScopeClosed``. Calling it again is harmless.
        """
        self.closed = True
        reachable = self.loop is not None and not self.loop.is_closed()
        self.loop = None  # so that the next load comes to bind(), which refuses it
        for bundle in self._disown():
            if not reachable:
                continue  # futures of a closed loop: nobody can wait for them any more
            futures = [future for future in bundle.futures() if not future.done()]
            bundle.fail(partial(_scope_ended, bundle.loader.name))
            for future in futures:
                # Many of them have lost their task with the scope: do not log them as never retrieved.
                if future.done():
                    future.exception()
        loop, current = asyncio.get_running_loop(), asyncio.current_task()
        tasks = [task for task in self._tasks if task is not current and task.get_loop() is loop]
        # A batch that has lost its last waiter stops by itself; only one that closes the scheduler goes on.
        for batch in self._running:
            batch.stopped = batch.stopped or batch.task is current
        if tasks:
            await asyncio.wait(tasks)

    def _disown(self) -> list[Bundle]:
        """Empty all queues, and let no batch that runs fill a cache. Returns the keys without a value."""
        bundles = [bundle for queue in self._filled for bundle in queue.take()]
        self._filled.clear()
        bundles += (batch.bundle for batch in self._running)
        for bundle in bundles:
            bundle.loader.underway.forget(bundle)
        return bundles


def _scope_ended(name: str, key: Any) -> ScopeClosed:
    return ScopeClosed(f"The scope ended while {name} loaded key {key!r}.")
