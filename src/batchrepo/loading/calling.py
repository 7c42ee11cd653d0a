"""One call of a batch function: its name, its timeout, and what it must be."""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import TYPE_CHECKING, Any

from batchrepo.errors import BatchContract, BatchTimeout
from batchrepo.loading.results import read_values

if TYPE_CHECKING:
    from collections.abc import Callable


async def call_batch(
    name: str, function: Callable[[list[Any]], Any], keys: list[Any], *, limit: float | None, missing: object
) -> list[Any]:
    """Call a batch function and read what it returns: one value for each key.

    Args:
        name: the loader's name, for messages.
        function: gets a copy of the keys, which it may sort or empty.
        keys: distinct keys.
        limit: seconds that it may take, or None.
        missing: the value of keys that a returned mapping leaves out, or ``RAISE``.

    Raises:
        BatchTimeout: it took longer.
        BatchContract: it is not async, or returned something else than one value for each key.
    """
    timeout = asyncio.timeout(limit)
    try:
        async with timeout:
            returned = await _awaitable(name, function(keys.copy()))
    except TimeoutError as error:
        if not timeout.expired():
            raise  # its own
        raise BatchTimeout(
            f"The batch function of {name} took longer than its timeout of {limit:g} seconds for "
            f"{len(keys)} {'key' if len(keys) == 1 else 'keys'}. Raise timeout=, or lower max_batch_size=."
        ) from error
    return read_values(name, keys, returned, missing)


def _awaitable(name: str, answer: Any) -> Any:
    if inspect.isawaitable(answer):
        return answer
    raise BatchContract(
        f"The batch function of {name} returned {type(answer).__name__} where an awaitable was expected. "
        "Declare it with `async def` and return the values."
    )


def name_of(loader: object, function: object) -> str:
    """The name of a loader that was given none: that of its function, or of the subclass that defines it."""
    while isinstance(function, functools.partial):
        function = function.func
    if getattr(function, "__self__", None) is loader:
        return type(loader).__name__
    return getattr(function, "__qualname__", type(function).__name__)
