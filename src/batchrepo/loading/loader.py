"""``BatchLoader``: aiodataloader's ``DataLoader`` with one future for each waiter and a scheduler over all loaders.

What differs from aiodataloader, and why:

- Each ``load`` gives a future of its own (there: one shared by all who ask for the key), so that cancelling or
  timing out one waiter hurts nobody.
- Failures are not kept in the cache, so that asking again tries again. A failure put there with ``prime`` stays.
- ``cache_map`` maps to plain values and not to futures: values outlive the event loop.
- The batch function may return a mapping, and runs in the scheduler's context, not in the first caller's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import aiodataloader

from batchrepo.errors import InvalidArgument
from batchrepo.loading.calling import call_batch, name_of
from batchrepo.loading.cycles import Blocked
from batchrepo.loading.results import MISSING, RAISE, Sentinel, as_failure
from batchrepo.loading.rounds import Queue, current_batch
from batchrepo.loading.scheduler import Scheduler
from batchrepo.loading.waiting import Entry, Many

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Awaitable, Callable, Hashable, MutableMapping, Sequence
    from typing import Self

    from batchrepo.loading.rounds import Batch
    from batchrepo.loading.waiting import Waiter

K = TypeVar("K")
V = TypeVar("V")

Dispatch = Literal["round", "immediate"]
"""``round``: go out with everything else of the scope; ``immediate``: go alone, and hold up nobody."""


class InvalidKey(InvalidArgument, TypeError):
    """A key is None or cannot be hashed (also a TypeError, as in aiodataloader)."""


class BatchLoader(aiodataloader.DataLoader[K, V]):
    """Loads values by key, many keys with one call.

    Args:
        batch_load_fn: gets a list of distinct keys; returns a mapping (by key) or a sequence (aligned). A value
            that is an ``Exception`` fails its key only. May be a method of a subclass instead.
        batch: False calls the function once for each key.
        max_batch_size: more keys than this are split into batches that run concurrently.
        cache: False asks anew for each load; keys in one batch are still distinct.
        get_cache_key: makes a hashable of a key; keys with equal results are the same key.
        cache_map: holds the values instead of a dict, such as one with a bounded size.
        loop: the event loop; by default the one that runs at the first load.
        name: for messages and events; by default that of the function.
        scheduler: shared by all loaders of a scope; by default one of its own, made now, with the context
            variables of the code that makes the loader.
        dispatch: ``immediate`` waits for no running round and no round waits for it: for slow foreign sources.
        timeout: seconds that one batch may take.
        missing: the value of keys that a returned mapping leaves out; by default they fail with ``NotFound``.

    Raises:
        InvalidArgument: a setting makes no sense.
    """

    def __init__(
        self,
        batch_load_fn: Callable[[list[K]], Awaitable[Mapping[K, V] | Sequence[V]]] | None = None,
        batch: bool | None = None,
        max_batch_size: int | None = None,
        cache: bool | None = None,
        get_cache_key: Callable[[K], Any] | None = None,
        cache_map: MutableMapping[Any, V] | None = None,
        loop: AbstractEventLoop | None = None,
        *,
        name: str | None = None,
        scheduler: Scheduler | None = None,
        dispatch: Dispatch = "round",
        timeout: float | None = None,
        missing: Any = RAISE,
    ) -> None:
        # Not super().__init__(): it binds the event loop, which may not exist yet.
        function = batch_load_fn if batch_load_fn is not None else getattr(self, "batch_load_fn", None)
        if not callable(function):
            raise InvalidArgument(
                f"{type(self).__name__} needs an async function from a list of keys to their values, got "
                f"{function!r}. Pass batch_load_fn, or define it as a method of a subclass."
            )
        self.batch_load_fn = cast("Any", function)
        self.name = name or name_of(self, function)
        if batch is not None:
            self.batch = batch
        if max_batch_size is not None:
            self.max_batch_size = max_batch_size
        if cache is not None:
            self.cache = cache
        if get_cache_key is not None:
            self.get_cache_key = get_cache_key
        self.timeout = timeout
        self.missing = missing
        self._check_settings(dispatch)

        self._key_of: Callable[[K], Any] | None = getattr(self, "get_cache_key", None)
        self._values: MutableMapping[Any, V] = {} if cache_map is None else cache_map
        self._flying: dict[Hashable, Entry] = {}
        self._scheduler = scheduler if scheduler is not None else Scheduler()
        self._given_loop = loop
        self.immediate = Queue(self._scheduler, reason="immediate") if dispatch == "immediate" else None
        self._home = self._scheduler.queue_for(self, None)
        self.reads: set[Any] = set()  # what the values came from: statements, and other loaders

    def _check_settings(self, dispatch: str) -> None:
        if dispatch not in ("round", "immediate"):
            raise InvalidArgument(f"{self.name}: dispatch is 'round' or 'immediate', got {dispatch!r}.")
        if self.max_batch_size is not None and self.max_batch_size < 1:
            raise InvalidArgument(
                f"{self.name}: max_batch_size is at least 1, or None, got {self.max_batch_size!r}."
            )
        if self.timeout is not None and not self.timeout > 0:
            raise InvalidArgument(
                f"{self.name}: timeout is more than 0 seconds, or None, got {self.timeout!r}."
            )

    def __repr__(self) -> str:
        pending = sum(entry.batch is None and entry.wanted() is not None for entry in self._flying.values())
        return f"<{type(self).__name__} {self.name} {pending} pending, {len(self._values)} cached>"

    # --- loading ------------------------------------------------------------------------------------

    def load(self, key: K) -> Future[V]:
        """The value of one key, as a future of this caller's own.

        The future fails with what the batch function raised or gave for the key, ``NotFound``, ``BatchContract``,
        ``BatchTimeout``, ``LoaderCycle``, or ``ScopeClosed`` when the scope ends meanwhile.

        Raises:
            InvalidKey: the key is None or cannot be hashed.
            ScopeClosed: the scope has ended.
        """
        scheduler = self._scheduler
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = self._loop_or_fail()
        if loop is not scheduler.loop:
            scheduler.bind(loop)
        cache_key = key if self._key_of is None else self._key_of(key)
        asker = current_batch.get()
        if asker is not None:
            asker.loader.reads.add(self)
        try:
            value = self._values.get(cache_key, MISSING) if self.cache else MISSING
            entry = self._flying.get(cache_key)
        except TypeError as error:
            raise self._unhashable(key) from error
        if key is None:
            raise self._no_key()
        if value is not MISSING:
            return _resolved(loop, value)
        future: Future[V] = loop.create_future()
        if asker is None:
            queue = self._home
        else:
            queue = scheduler.queue_for(self, asker)
            cycle = Blocked(asker, self).cycle(key, cache_key)
            if cycle is not None:
                future.set_exception(cycle)
                return future
        if entry is None:
            entry = self._flying[cache_key] = Entry(self, key, cache_key, future, queue)
            queue.add(entry)
        else:
            self._join(entry, future, queue)
        if asker is not None:
            entry.note_asker(asker, future)
        return future

    def load_many(self, keys: Iterable[K]) -> Future[list[V]]:
        """The values of many keys, in their order and with their duplicates, as one future.

        The future resolves when every key has its answer. If some failed it fails, with the first failure in the
        order of the keys. Cancelling it releases all of them.

        Raises:
            InvalidKey: ``keys`` is no iterable, or a key is None or cannot be hashed; nothing is queued then.
            ScopeClosed: the scope has ended.
        """
        if not isinstance(keys, Iterable):
            raise InvalidKey(
                f"{self.name}.load_many() takes an iterable of keys, got {keys!r}. For one key: load()."
            )
        keys = list(keys)  # a generator may run code that loads or clears
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = self._loop_or_fail()
        if loop is not self._scheduler.loop:
            self._scheduler.bind(loop)
        many = Many(loop.create_future())
        asker = current_batch.get()
        if asker is not None:
            asker.loader.reads.add(self)
        queue = self._home if asker is None else self._scheduler.queue_for(self, asker)
        try:
            self._ask_many(keys, many, queue, asker)
        except BaseException:
            many.future.cancel()  # what was queued before the bad key must not be loaded for nobody
            raise
        if not many.remaining:
            many.finish()
        return many.future

    def _ask_many(self, keys: list[K], many: Many, queue: Queue, asker: Batch | None) -> None:
        fresh: list[Entry] = []
        try:
            self._ask_each(keys, many, queue, asker, fresh)
        finally:
            queue.extend(fresh)  # those before a bad key too: nobody waits for them, and a round drops them

    def _ask_each(
        self, keys: list[K], many: Many, queue: Queue, asker: Batch | None, fresh: list[Entry]
    ) -> None:
        values: Mapping[Any, V] = self._values if self.cache else {}
        flying, key_of, items = self._flying, self._key_of, many.items
        blocked = None if asker is None else Blocked(asker, self)
        for key in keys:
            cache_key = key if key_of is None else key_of(key)
            try:
                value: Any = values.get(cache_key, MISSING)
                entry = flying.get(cache_key)
            except TypeError as error:
                raise self._unhashable(key) from error
            if key is None:
                raise self._no_key()
            if value is MISSING and blocked is not None:
                value = blocked.cycle(key, cache_key) or MISSING
            if value is not MISSING:
                many.failed = many.failed or isinstance(value, Exception)
                items.append(value)
                continue
            if entry is None:
                entry = flying[cache_key] = Entry(self, key, cache_key, many, queue)
                fresh.append(entry)
            else:
                self._join(entry, many, queue)
            items.append(entry)
            many.remaining += 1
            if asker is not None:
                entry.note_asker(asker, many.future)

    def _join(self, entry: Entry, waiter: Waiter, queue: Queue) -> None:
        """Wait for a key that is under way already."""
        entry.join(waiter)
        root = self._scheduler.root
        if entry.queue is root and queue is not root:
            # An outside task asked first. The root waits for the round whose batch waits for this key.
            entry.queue = queue
            queue.add(entry)

    # --- the cache ----------------------------------------------------------------------------------

    def peek(self, key: K) -> V | Literal[Sentinel.MISSING]:
        """The value if it is in the cache, else ``MISSING`` (also for a primed failure). Never queues."""
        if not self.cache:
            return MISSING
        value: Any = self._values.get(self._cache_key(key), MISSING)
        return MISSING if isinstance(value, Exception) else value

    def clear(self, key: K) -> Self:
        """Forget one key. Who waits for it gets the value under way, but it does not come into the cache.

        A key that is queued stays: it has not been read yet.
        """
        cache_key = self._cache_key(key)
        self._values.pop(cache_key, None)
        entry = self._flying.get(cache_key)
        if entry is not None and entry.batch is not None:
            del self._flying[cache_key]
        return self

    def clear_all(self) -> Self:
        """Forget all keys, as ``clear`` does."""
        self._values.clear()
        for entry in [entry for entry in self._flying.values() if entry.batch is not None]:
            self.forget(entry)
        return self

    def prime(self, key: K, value: V) -> Self:
        """Put a value into the cache, unless the key is there or being loaded. ``clear(key).prime(key, v)`` replaces.

        Those who wait for a key that is only queued get the value at once, and it is not asked for. An
        ``Exception`` as the value makes loads of the key fail until it is cleared.
        """
        if not self.cache:
            return self
        cache_key = self._cache_key(key)
        entry = self._flying.get(cache_key)
        if cache_key in self._values or (entry is not None and entry.batch is not None):
            return self
        self._values[cache_key] = value
        if entry is not None:
            entry.queue = None
            self.forget(entry)
            if isinstance(value, Exception):
                entry.fail(value)
            else:
                entry.resolve(value)
        return self

    def prime_many(self, values: Mapping[K, V] | Iterable[tuple[K, V]]) -> Self:
        """``prime`` for a mapping or for pairs of key and value."""
        pairs = cast("Iterable[tuple[K, V]]", values.items() if isinstance(values, Mapping) else values)
        for key, value in pairs:
            self.prime(key, value)
        return self

    def _cache_key(self, key: K) -> Any:
        cache_key = key if self._key_of is None else self._key_of(key)
        try:
            hash(cache_key)
        except TypeError as error:
            raise self._unhashable(key) from error
        return cache_key

    # --- for the scheduler --------------------------------------------------------------------------

    @property
    def batch_limit(self) -> int | None:
        """Keys in one batch at most, or None."""
        return self.max_batch_size if self.batch else 1

    async def call_batch(self, keys: list[K]) -> list[Any]:
        """Call the batch function. Returns one value for each key; an ``Exception`` among them fails its key."""
        return await call_batch(self.name, self.batch_load_fn, keys, limit=self.timeout, missing=self.missing)

    def dispatched(self, entries: list[Entry]) -> None:
        """Keys leave the queue for a batch. Without a cache, later loads do not share what is being read."""
        if not self.cache:
            for entry in entries:
                self.forget(entry)

    def settle(self, entries: list[Entry], values: list[Any]) -> None:
        """A batch has its values: into the cache, unless the key was cleared meanwhile, and to all who wait."""
        flying, cache = self._flying, self._values if self.cache else None
        for entry, value in zip(entries, values, strict=True):
            cache_key = entry.cache_key
            current = flying.get(cache_key) is entry
            if current:
                del flying[cache_key]
            if isinstance(value, BaseException):
                entry.fail(as_failure(self.name, 1, value))
                continue
            if current and cache is not None:
                cache[cache_key] = value
            entry.resolve(value)

    def fail(self, entries: list[Entry], error: Exception) -> None:
        """A batch failed: every key of it without a value gets the error, and the next load tries again."""
        for entry in entries:
            self.forget(entry)
            if entry.value is MISSING:
                entry.fail(error)

    def forget(self, entry: Entry) -> None:
        """Let later loads of the key start anew. By identity: a newer load of the same key stays."""
        if self._flying.get(entry.cache_key) is entry:
            del self._flying[entry.cache_key]

    # --- odds and ends ------------------------------------------------------------------------------

    def _loop_or_fail(self) -> AbstractEventLoop:
        if self._given_loop is None:
            raise InvalidArgument(
                f"{self.name}.load() was called where no event loop runs. Call it from async code, or pass loop=."
            )
        return self._given_loop

    def _no_key(self) -> InvalidKey:
        return InvalidKey(
            f"{self.name} was asked for the key None. Leave out keys that are None: they have no row."
        )

    def _unhashable(self, key: object) -> InvalidKey:
        return InvalidKey(
            f"{self.name} was asked for {key!r}, which is not hashable. Use a tuple, or pass get_cache_key=."
        )


def _resolved(loop: AbstractEventLoop, value: Any) -> Future[Any]:
    future = loop.create_future()
    if isinstance(value, Exception):
        future.set_exception(value)
    else:
        future.set_result(value)
    return future
