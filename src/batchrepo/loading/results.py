"""What a batch function may return, and how it is read: one value for each key, or an error that says why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Any, Final, Literal

from batchrepo.errors import BatchContract, LoadError, NotFound


class Sentinel(Enum):
    """Values that stand for "no value", where None would be one."""

    MISSING = "MISSING"
    RAISE = "RAISE"

    def __repr__(self) -> str:
        return self.name


MISSING: Final[Literal[Sentinel.MISSING]] = Sentinel.MISSING
"""What ``BatchLoader.peek`` gives for a key whose value is not here."""

RAISE: Final[Literal[Sentinel.RAISE]] = Sentinel.RAISE
"""The default of ``missing=``: a key that the batch function's mapping leaves out fails with ``NotFound``."""


def read_values(name: str, keys: list[Any], returned: object, missing: object) -> list[Any]:
    """One value for each key, in the order of the keys; a value that is an ``Exception`` fails its key.

    Args:
        name: the loader's name, for messages.
        keys: what the batch function was called with.
        returned: what it gave back: a mapping is read by key, any other ordered iterable is aligned.
        missing: the value of a key that a mapping leaves out, or ``RAISE``.

    Raises:
        BatchContract: the answer is neither, or has another length than the keys.
    """
    if not isinstance(returned, Mapping):
        return _aligned(name, len(keys), returned)
    # get(), not []: a defaultdict would invent values, and grow while it is read.
    values = [returned.get(key, MISSING) for key in keys]
    for index, value in enumerate(values):
        if value is MISSING:
            values[index] = NotFound(name, [keys[index]]) if missing is RAISE else missing
    return values


def as_failure(name: str, count: int, error: BaseException) -> Exception:
    """The error that waiters get: itself where a future can carry it, else a ``LoadError`` that names it.

    A waiter that got a ``CancelledError`` would look cancelled itself (a TaskGroup drops it without a word), a
    ``KeyboardInterrupt`` is for the event loop, and a future refuses ``StopIteration``.
    """
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    failure = LoadError(
        f"The batch function of {name} ended with {type(error).__name__} while it loaded {_count(count)}, "
        "so that they have no value. Catch it in the batch function if they should have one."
    )
    failure.__cause__ = error
    return failure


def _aligned(name: str, expected: int, returned: object) -> list[Any]:
    if isinstance(returned, str | bytes | bytearray | AbstractSet) or not isinstance(returned, Iterable):
        why = " (a set has no order)" if isinstance(returned, AbstractSet) else ""
        raise BatchContract(
            f"The batch function of {name} got {_count(expected)} and returned {type(returned).__name__}{why}. "
            "Return a mapping from key to value, or a sequence with one value for each key in their order."
        )
    values = list(returned)
    if len(values) != expected:
        raise BatchContract(
            f"The batch function of {name} got {_count(expected)} and returned {len(values)} values. "
            "Return one value for each key in their order, or a mapping from key to value, which may leave keys out."
        )
    return values


def _count(keys: int) -> str:
    return "1 key" if keys == 1 else f"{keys} keys"
