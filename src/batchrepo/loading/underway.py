"""The keys of one loader that were asked for and are not answered yet."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from batchrepo.loading.waiting import Bundle

if TYPE_CHECKING:
    from collections.abc import Collection


class Underway(dict[Hashable, Bundle]):
    """By cache key the bundle that a key is in. Who asks for one of these keys joins those who wait for it."""

    __slots__ = ()

    def has_none(self, asked: dict[Hashable, Any]) -> bool:
        """Whether none of these keys is asked for already."""
        return not self or self.keys().isdisjoint(asked)

    def start(self, asked: dict[Hashable, Any], bundle: Bundle) -> None:
        """Put keys that are asked for first, by cache key, into a bundle."""
        bundle.keys = bundle.keys | asked if bundle.keys else asked
        self.update(dict.fromkeys(asked, bundle))

    def move(self, cache_keys: Collection[Hashable], source: Bundle, target: Bundle) -> None:
        """Let keys of a bundle go out with another one."""
        target.join(source.take(cache_keys))
        self.update(dict.fromkeys(cache_keys, target))

    def split(self, bundle: Bundle, size: int) -> list[Bundle]:
        """A bundle in parts of so many keys at most."""
        if len(bundle.keys) <= size:
            return [bundle]
        partial, parts = bundle.partial, bundle.split(size)
        for part in parts:
            part.partial = partial
            for cache_key in part.keys:
                if self.get(cache_key) is bundle:
                    self[cache_key] = part
        return parts

    def forget_one(self, cache_key: Hashable, bundle: Bundle) -> None:
        """Let later loads of a key start anew."""
        bundle.partial = True
        del self[cache_key]

    def forget(self, bundle: Bundle, cache_keys: Collection[Hashable] | None = None) -> list[Hashable]:
        """Let later loads of the keys (default: all) start anew. Newer loads stay. Returns those that were forgotten."""
        asked = bundle.keys if cache_keys is None else cache_keys
        current = (
            [cache_key for cache_key in asked if self.get(cache_key) is bundle]
            if bundle.partial
            else list(asked)
        )
        bundle.partial = bundle.partial or cache_keys is None
        if len(current) == len(self):
            self.clear()
        else:
            for cache_key in current:
                del self[cache_key]
        return current
