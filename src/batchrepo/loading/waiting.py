"""Keys that were asked for, and those who wait for them.

Every waiter has a future of its own, so that cancelling one hurts nobody. Nothing is told when a future is
cancelled: that would cost a call of the loop, or a slower await, for each key. Whoever needs to know looks
(``Bundle.living``), and a batch watches one living waiter at a time (``Batch.watch``).

A key has no object of its own. Loaders are asked for thousands of keys at once, which are one dict and one list here.
"""

from __future__ import annotations

from operator import methodcaller
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Collection, Hashable, Mapping

    from batchrepo.loading.loader import BatchLoader
    from batchrepo.loading.rounds import Batch, Queue

_done = methodcaller("done")


class Bundle:
    """Keys of one loader that go out together, from the first load until their values are here.

    Attributes:
        keys: by cache key, in the order in which they came.
        queue: where they wait for their round; None once they are in a batch.
        batch: the batch that loads them, or None.
        partial: whether some of them may have been forgotten, so that newer loads do not join.
        askers: the batches that wait for them, with the futures they got and for which keys, while they are in no batch.
    """

    __slots__ = (
        "_futures",
        "_keys_of_futures",
        "_many",
        "askers",
        "batch",
        "keys",
        "loader",
        "partial",
        "queue",
    )

    def __init__(self, loader: BatchLoader[Any, Any], queue: Queue | None) -> None:
        self.loader = loader
        self.queue = queue
        self.batch: Batch | None = None
        self.partial = False
        self.keys: dict[Hashable, Any] = {}
        self.askers: list[tuple[Batch, Future[Any], Hashable]] = []
        # Side by side, and not as pairs: a tuple for each key would cost as much as all else here.
        self._futures: list[Future[Any]] = []
        self._keys_of_futures: list[Hashable] = []
        self._many: list[tuple[Many, Collection[Hashable]]] = []

    # --- who waits ----------------------------------------------------------------------------------

    def wait(self, cache_key: Hashable, future: Future[Any]) -> None:
        """A future gets the value of a key."""
        self._futures.append(future)
        self._keys_of_futures.append(cache_key)

    def wait_for_many(self, many: Many, cache_keys: Collection[Hashable]) -> None:
        """A ``load_many`` gets the values of some keys."""
        self._many.append((many, cache_keys))
        many.remaining += len(cache_keys)

    def note_asker(self, asker: Batch, future: Future[Any], cache_key: Hashable) -> None:
        """Remember that a batch waits for a key (an edge of the wait-for graph)."""
        if self.batch is None:
            self.askers.append((asker, future, cache_key))
        else:
            self.batch.add_blocked(asker, future, self.keys[cache_key])

    def living(self) -> Collection[Hashable]:
        """The cache keys that somebody waits for."""
        if not any(map(_done, self.futures())):
            return self.keys.keys()
        living = {
            cache_key
            for future, cache_key in zip(self._futures, self._keys_of_futures, strict=True)
            if not future.done()
        }
        for many, cache_keys in self._many:
            if not many.future.done():
                living.update(cache_keys)
        return living

    def futures(self) -> list[Future[Any]]:
        """The futures of all who wait or have waited: for single keys in the order they came, then for many."""
        return [*self._futures, *(many.future for many, _ in self._many)]

    def watched(self, start: int) -> tuple[int, Future[Any] | None]:
        """A future that is still waited for, if there is one, and where to go on looking when it has gone."""
        futures = self._futures
        for index in range(start, len(futures)):
            if not futures[index].done():
                return index, futures[index]
        for many, _ in self._many:
            if not many.future.done():
                return len(futures), many.future
        return len(futures), None

    # --- keys that go elsewhere ---------------------------------------------------------------------

    def take(self, cache_keys: Collection[Hashable]) -> Bundle:
        """Take some keys out, with all who wait for them, as a bundle of their own."""
        taken = Bundle(self.loader, self.queue)
        if len(cache_keys) == 1:
            self._move_one(next(iter(cache_keys)), taken)
        else:
            self._move(dict.fromkeys(cache_keys, taken))
        return taken

    def split(self, size: int) -> list[Bundle]:
        """Bundles of so many keys at most, in their order. This one is empty afterwards."""
        parts: list[Bundle] = []
        homes: dict[Hashable, Bundle] = {}
        for index, cache_key in enumerate(self.keys):
            if index % size == 0:
                parts.append(Bundle(self.loader, self.queue))
            homes[cache_key] = parts[-1]
        self._move(homes)
        return parts

    def _move_one(self, cache_key: Hashable, home: Bundle) -> None:
        """As `_move`: a batch function may take a thousand keys one after the other, so this one must not look at all."""
        home.keys[cache_key] = self.keys.pop(cache_key)
        keys = self._keys_of_futures
        while cache_key in keys:
            place = keys.index(cache_key)
            home.wait(keys.pop(place), self._futures.pop(place))
        groups, self._many = self._many, []
        for many, cache_keys in groups:
            if cache_key not in cache_keys:
                self._many.append((many, cache_keys))
                continue
            home._many.append((many, (cache_key,)))
            if len(cache_keys) > 1:
                self._many.append((many, [other for other in cache_keys if other != cache_key]))
        home.askers += [asked for asked in self.askers if asked[2] == cache_key]
        self.askers = [asked for asked in self.askers if asked[2] != cache_key]

    def _move(self, homes: Mapping[Hashable, Bundle]) -> None:
        """Give keys, and who waits for them, to other bundles, by cache key; what is not named stays here."""
        keys, self.keys = self.keys, {}
        for cache_key, key in keys.items():
            homes.get(cache_key, self).keys[cache_key] = key
        pairs = list(zip(self._futures, self._keys_of_futures, strict=True))
        self._futures, self._keys_of_futures = [], []
        for future, cache_key in pairs:
            homes.get(cache_key, self).wait(cache_key, future)
        groups, self._many = self._many, []
        for many, cache_keys in groups:
            parts: dict[Bundle, list[Hashable]] = {}
            for cache_key in cache_keys:
                parts.setdefault(homes.get(cache_key, self), []).append(cache_key)
            for bundle, part in parts.items():
                bundle._many.append((many, part))
        askers, self.askers = self.askers, []
        for asked in askers:
            homes.get(asked[2], self).askers.append(asked)

    def join(self, other: Bundle) -> None:
        """Let the keys of another bundle go out with this one."""
        self.keys |= other.keys
        self._futures += other._futures
        self._keys_of_futures += other._keys_of_futures
        self._many += other._many
        self.askers += other.askers

    # --- answers ------------------------------------------------------------------------------------

    def resolve(self, found: Mapping[Hashable, Any], *, failures: bool) -> None:
        """Give every waiter its value.

        Args:
            found: by cache key.
            failures: whether some of the values are exceptions, which fail their waiters.
        """
        for future, cache_key in zip(self._futures, self._keys_of_futures, strict=True):
            if not future.done():
                value = found[cache_key]
                if failures and isinstance(value, Exception):
                    future.set_exception(value)
                else:
                    future.set_result(value)
        for many, cache_keys in self._many:
            many.give(cache_keys, found, failures=failures)

    def fail(self, error_of: Callable[[Any], Exception]) -> None:
        """Fail every waiter, with an error that is made of his key."""
        for future, cache_key in zip(self._futures, self._keys_of_futures, strict=True):
            if not future.done():
                future.set_exception(error_of(self.keys[cache_key]))
        for many, cache_keys in self._many:
            if not many.future.done():
                error = error_of(self.keys[next(iter(cache_keys))])
                many.give(cache_keys, dict.fromkeys(cache_keys, error), failures=True)

    def drop(self) -> None:
        """All have their answers: let go of them, since what a batch spawned may keep the batch."""
        self.batch = None
        self.keys = {}
        self._futures, self._keys_of_futures, self._many, self.askers = [], [], [], []


@final
class Many:
    """Who waits for a whole ``load_many``: one future for all its keys.

    Attributes:
        future: what the caller has.
        cache_keys: as asked, in their order and with their duplicates.
        values: by cache key, as far as they are here.
        remaining: number of distinct keys without a value.
        failed: whether some value is a failure.
    """

    __slots__ = ("cache_keys", "failed", "future", "remaining", "values")

    def __init__(self, future: Future[list[Any]], cache_keys: list[Hashable]) -> None:
        self.future = future
        self.cache_keys = cache_keys
        self.values: dict[Hashable, Any] = {}
        self.remaining = 0
        self.failed = False

    def give(
        self, cache_keys: Collection[Hashable], found: Mapping[Hashable, Any], *, failures: bool
    ) -> None:
        """Some of the values are here; with the last ones the future has them all."""
        if self.future.done():
            return
        if failures and not self.failed:
            self.failed = any(isinstance(found[cache_key], Exception) for cache_key in cache_keys)
        self.remaining -= len(cache_keys)
        if not self.remaining and not self.values:
            self._finish(found)  # nearly always all at once
            return
        self.values.update((cache_key, found[cache_key]) for cache_key in cache_keys)
        if not self.remaining:
            self.finish()

    def finish(self) -> None:
        """All values are here: hand them over, or the first failure in the order of the keys."""
        values, self.values = self.values, {}
        self._finish(values)

    def _finish(self, found: Mapping[Hashable, Any]) -> None:
        values = list(map(found.__getitem__, self.cache_keys))
        if self.failed:
            self.future.set_exception(next(value for value in values if isinstance(value, Exception)))
        else:
            self.future.set_result(values)
