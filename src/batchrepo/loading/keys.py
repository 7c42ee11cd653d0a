"""Keys as callers of a loader give them: each can be hashed, and none is None."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrepo.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


class InvalidKey(InvalidArgument, TypeError):
    """A key is None or cannot be hashed (also a TypeError, as in aiodataloader)."""


def no_key(loader: str) -> InvalidKey:
    """The error for None, where a key is expected."""
    return InvalidKey(f"{loader} was asked for the key None. Leave out keys that are None: they have no row.")


def unhashable(loader: str, key: object) -> InvalidKey:
    """The error for a key that cannot be hashed."""
    return InvalidKey(
        f"{loader} was asked for {key!r}, which is not hashable. Use a tuple, or pass get_cache_key=."
    )


def check_hashable(loader: str, key: object, cache_key: Any) -> None:
    """Refuse a key whose cache key cannot be hashed.

    Raises:
        InvalidKey: it cannot.
    """
    try:
        hash(cache_key)
    except TypeError as error:
        raise unhashable(loader, key) from error


def distinct_keys(loader: str, keys: list[Any], cache_keys: Sequence[Any]) -> dict[Hashable, Any]:
    """Keys by cache key, each once, in the order in which they came.

    Args:
        loader: its name, for messages.
        keys: as they were asked for.
        cache_keys: of each; the same object as `keys` where each is its own.

    Raises:
        InvalidKey: one of them cannot be asked for.
    """
    try:
        distinct: dict[Any, Any] = dict.fromkeys(cache_keys)
    except TypeError:
        for key, cache_key in zip(keys, cache_keys, strict=True):
            check_hashable(loader, key, cache_key)
        raise
    if cache_keys is keys:
        if None in distinct:
            raise no_key(loader)
        return dict(zip(distinct, distinct, strict=True))
    for key, cache_key in zip(reversed(keys), reversed(cache_keys), strict=True):  # the first one counts
        if key is None:
            raise no_key(loader)
        distinct[cache_key] = key
    return distinct
