"""Batches that would wait for themselves: found when the load that closes the cycle is made.

The graph has an edge from a batch to each batch whose keys it waits for. Only a load of a key that is being
loaded can close a cycle: a new batch waits for nothing yet. So the search runs when a batch asks for a key, from
that batch upwards to those that wait for it. A load from a task that a batch function spawned counts as the
batch's own, since nobody can see whether the batch awaits that task: better an error than a hang.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrepo.errors import LoaderCycle

if TYPE_CHECKING:
    from batchrepo.loading.loader import BatchLoader
    from batchrepo.loading.rounds import Batch


class Blocked:
    """The batches that wait for one batch, directly or through others, itself included.

    Made once for each ``load`` or ``load_many`` inside a batch function.
    """

    __slots__ = ("_loader", "_same_loader", "_through")

    def __init__(self, asker: Batch, loader: BatchLoader[Any, Any]) -> None:
        self._loader = loader
        # From each batch to the one it waits for on the way down to the asker.
        self._through: dict[Batch, Batch | None] = {asker: None}
        pending = [asker]
        for batch in pending:  # grows while it runs: breadth first, so that the path named is a shortest one
            for waiting in batch.blocked:
                if waiting not in self._through and batch.blocks(waiting):
                    self._through[waiting] = batch
                    pending.append(waiting)
        self._same_loader = [batch for batch in pending if batch.loader is loader and not batch.ended]

    def cycle(self, key: Any, cache_key: Any) -> LoaderCycle | None:
        """The error for a load of this key, or None if it can be waited for.

        By key and not by what is in flight: without a cache, or after a clear, loading the key again inside the
        batch that loads it would go on for ever.
        """
        for batch in self._same_loader:
            if cache_key in batch.bundle.keys:
                return self._error(batch, key)
        return None

    def _error(self, top: Batch, key: Any) -> LoaderCycle:
        steps = [f"{top.loader.name}[{key!r}]"]
        batch, below = top, self._through[top]
        while below is not None:
            steps.append(f"{below.loader.name}[{_keys_asked(below, batch)}]")
            batch, below = below, self._through[below]
        steps.append(steps[0])
        return LoaderCycle(
            f"{self._loader.name}.load({key!r}) would wait for itself: {' -> '.join(steps)}. "
            "Load that key outside these batch functions, or split the loader that needs itself in two."
        )


def _keys_asked(awaited: Batch, asker: Batch) -> str:
    keys = [repr(key) for future, key in awaited.blocked[asker] if not future.done()]
    return ", ".join(keys[:5]) + (", ..." if len(keys) > 5 else "")
