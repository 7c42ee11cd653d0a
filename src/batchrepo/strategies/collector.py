"""The cyclic garbage collector while many objects are made by one call, of which none can be garbage."""

from __future__ import annotations

import gc
import sys
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MANY = 200
"""From so many rows on it is worth it."""


def making_many(rows: int) -> AbstractContextManager[None]:
    """Let the collector wait for the end of a block that makes an object for each of so many rows, and awaits nothing.

    Up to Python 3.11 it runs in the midst of a call, each time over all that the call has made: three fifths of the time that
    10,000 views take. Later versions let it wait by themselves.
    """
    if sys.version_info >= (3, 12) or rows < MANY or not gc.isenabled():
        return nullcontext()
    return _waiting()


@contextmanager
def _waiting() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
