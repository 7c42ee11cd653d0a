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
from batchrepo.loading.keys import InvalidKey, check_hashable, distinct_keys, no_key, unhashable
from batchrepo.loading.results import MISSING, RAISE, Sentinel, as_failure
from batchrepo.loading.rounds import Queue, current_batch
from batchrepo.loading.scheduler import Scheduler
from batchrepo.loading.underway import Underway
from batchrepo.loading.waiting import Many

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Awaitable, Callable, Hashable, MutableMapping, Sequence
    from typing import Self

    from batchrepo.loading.rounds import Batch
    from batchrepo.loading.waiting import Bundle

K = TypeVar("K")
V = TypeVar("V")

Dispatch = Literal["round", "immediate"]
"""``round``: go out with everything else of the scope; ``immediate``: go alone, and hold up nobody."""


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
        self.underway = Underway()
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
        pending = sum(len(bundle.living()) for bundle in set(self.underway.values()) if bundle.batch is None)
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
        future: Future[V] = self._loop().create_future()
        self.load_into(key, future)
        return future

    def load_into(self, key: K, future: Future[V]) -> None:
        """As ``load``, into a future that the caller has made.

        Raises:
            InvalidKey, ScopeClosed: as ``load``; the future stays as it is.
        """
        scheduler = self._scheduler
        loop = future.get_loop()
        if loop is not scheduler.loop:
            scheduler.bind(loop)
        cache_key = key if self._key_of is None else self._key_of(key)
        asker = current_batch.get()
        if asker is not None:
            asker.loader.reads.add(self)
        try:
            value: Any = self._values.get(cache_key, MISSING) if self.cache else MISSING
            bundle = self.underway.get(cache_key)
        except TypeError as error:
            raise unhashable(self.name, key) from error
        if key is None:
            raise no_key(self.name)
        if value is not MISSING:
            if isinstance(value, Exception):
                future.set_exception(value)
            else:
                future.set_result(value)
            return
        if asker is not None:
            self._load_inside(asker, key, cache_key, bundle, future)
            return
        if bundle is None:
            bundle = self.underway[cache_key] = self._home.bundle(self)
            bundle.keys[cache_key] = key
        bundle.wait(cache_key, future)

    def _load_inside(
        self, asker: Batch, key: K, cache_key: Hashable, bundle: Bundle | None, future: Future[V]
    ) -> None:
        """A batch function loads."""
        queue, root = self._scheduler.queue_for(self, asker), self._scheduler.root
        cycle = Blocked(asker, self).cycle(key, cache_key)
        if cycle is not None:
            future.set_exception(cycle)
            return
        if bundle is None:
            bundle = self.underway[cache_key] = queue.bundle(self)
            bundle.keys[cache_key] = key
        elif bundle.queue is root and queue is not root:
            # An outside task asked first. The root waits for the round whose batch waits for this key.
            early, bundle = bundle, queue.bundle(self)
            self.underway.move((cache_key,), early, bundle)
        bundle.wait(cache_key, future)
        bundle.note_asker(asker, future, cache_key)

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
        loop = self._loop()
        if loop is not self._scheduler.loop:
            self._scheduler.bind(loop)
        cache_keys: list[Any] = keys if self._key_of is None else [self._key_of(key) for key in keys]
        asked = distinct_keys(self.name, keys, cache_keys)
        asker = current_batch.get()
        if asker is not None:
            asker.loader.reads.add(self)
        many = Many(loop.create_future(), cache_keys)
        queue = self._home if asker is None else self._scheduler.queue_for(self, asker)
        known = self.cache and self._values and not self._values.keys().isdisjoint(asked)
        if asked and asker is None and not known and self.underway.has_none(asked):
            bundle = queue.bundle(self)
            bundle.wait_for_many(many, list(asked))
            self.underway.start(asked, bundle)
        else:
            self._ask_each(asked, many, queue, asker)
        if not many.remaining:
            many.finish()
        return many.future

    def _ask_each(self, asked: dict[Hashable, K], many: Many, queue: Queue, asker: Batch | None) -> None:
        values: Mapping[Any, V] = self._values if self.cache else {}
        root, underway = self._scheduler.root, self.underway
        blocked = None if asker is None else Blocked(asker, self)
        waits: dict[Bundle, list[Hashable]] = {}
        fresh: dict[Hashable, K] = {}
        early: dict[Bundle, list[Hashable]] = {}
        for cache_key, key in asked.items():
            value: Any = values.get(cache_key, MISSING)
            if value is MISSING and blocked is not None:
                value = blocked.cycle(key, cache_key) or MISSING
            if value is not MISSING:
                many.failed = many.failed or isinstance(value, Exception)
                many.values[cache_key] = value
                continue
            bundle = underway.get(cache_key)
            if bundle is None:
                fresh[cache_key] = key
            elif bundle.queue is root and queue is not root:
                early.setdefault(bundle, []).append(cache_key)
            else:
                waits.setdefault(bundle, []).append(cache_key)
        if fresh:
            bundle = queue.bundle(self)
            underway.start(fresh, bundle)
            waits.setdefault(bundle, []).extend(fresh)
        for bundle, cache_keys in early.items():
            target = queue.bundle(self)  # the root waits for the round whose batch waits for these
            underway.move(cache_keys, bundle, target)
            waits.setdefault(target, []).extend(cache_keys)
        for bundle, cache_keys in waits.items():
            bundle.wait_for_many(many, cache_keys)
            if asker is not None:
                for cache_key in cache_keys:
                    bundle.note_asker(asker, many.future, cache_key)

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
        bundle = self.underway.get(cache_key)
        if bundle is not None and bundle.batch is not None:
            self.underway.forget_one(cache_key, bundle)
        return self

    def clear_all(self) -> Self:
        """Forget all keys, as ``clear`` does."""
        self._values.clear()
        for bundle in {bundle for bundle in self.underway.values() if bundle.batch is not None}:
            self.underway.forget(bundle)
        return self

    def prime(self, key: K, value: V) -> Self:
        """Put a value into the cache, unless the key is there or being loaded. ``clear(key).prime(key, v)`` replaces.

        Those who wait for a key that is only queued get the value at once, and it is not asked for. An
        ``Exception`` as the value makes loads of the key fail until it is cleared.
        """
        if not self.cache:
            return self
        cache_key = self._cache_key(key)
        bundle = self.underway.get(cache_key)
        if cache_key in self._values or (bundle is not None and bundle.batch is not None):
            return self
        self._values[cache_key] = value
        if bundle is not None:
            self.underway.forget_one(cache_key, bundle)
            bundle.take((cache_key,)).resolve({cache_key: value}, failures=True)
        return self

    def prime_many(self, values: Mapping[K, V] | Iterable[tuple[K, V]]) -> Self:
        """``prime`` for a mapping or for pairs of key and value."""
        pairs = cast("Iterable[tuple[K, V]]", values.items() if isinstance(values, Mapping) else values)
        for key, value in pairs:
            self.prime(key, value)
        return self

    def _cache_key(self, key: K) -> Any:
        cache_key = key if self._key_of is None else self._key_of(key)
        check_hashable(self.name, key, cache_key)
        return cache_key

    def close(self) -> None:
        """Let go of the values; those in a ``cache_map`` of the user's stay there. It is not to be used any more."""
        self._values = {}

    # --- for the scheduler --------------------------------------------------------------------------

    async def call_batch(self, keys: list[K]) -> list[Any]:
        """Call the batch function. Returns one value for each key; an ``Exception`` among them fails its key."""
        return await call_batch(self.name, self.batch_load_fn, keys, limit=self.timeout, missing=self.missing)

    def split(self, bundle: Bundle) -> list[Bundle]:
        """A bundle in parts that are not too large for one batch."""
        size = self.max_batch_size if self.batch else 1
        return [bundle] if size is None else self.underway.split(bundle, size)

    def dispatched(self, bundle: Bundle) -> None:
        """Keys leave the queue for a batch. Without a cache, later loads do not share what is being read."""
        if not self.cache:
            self.underway.forget(bundle)

    def settle(self, bundle: Bundle, values: list[Any]) -> None:
        """A batch has its values: into the cache, unless the key was cleared meanwhile, and to all who wait."""
        found = dict(zip(bundle.keys, values, strict=True))
        kinds = set(map(type, values))
        failures = any(issubclass(kind, BaseException) for kind in kinds)
        if failures:
            for cache_key, value in found.items():
                if isinstance(value, BaseException):
                    found[cache_key] = as_failure(self.name, 1, value)
        current = self.underway.forget(bundle)
        if self.cache:
            self._keep(found, current, bundle, failures=failures)
        bundle.resolve(found, failures=failures)

    def _keep(
        self, found: dict[Hashable, Any], cache_keys: list[Hashable], bundle: Bundle, *, failures: bool
    ) -> None:
        cache = self._values
        if not failures and len(cache_keys) == len(found) and type(cache).__setitem__ is dict.__setitem__:
            cache.update(found)
            return
        for index, cache_key in enumerate(cache_keys):
            value = found[cache_key]
            if failures and isinstance(value, Exception):
                continue
            try:
                cache[cache_key] = value
            except BaseException:  # of the user's cache_map: it fails those behind it
                bundle.take(cache_keys[:index]).resolve(found, failures=failures)
                raise

    def fail(self, bundle: Bundle, error: Exception) -> None:
        """A batch failed: every key of it without a value gets the error, and the next load tries again."""
        self.underway.forget(bundle)
        bundle.fail(lambda _: error)

    # --- odds and ends ------------------------------------------------------------------------------

    def _loop(self) -> AbstractEventLoop:
        try:
            return asyncio.get_running_loop()
        except RuntimeError:
            if self._given_loop is not None:
                return self._given_loop
        raise InvalidArgument(
            f"{self.name}.load() was called where no event loop runs. Call it from async code, or pass loop=."
        )
