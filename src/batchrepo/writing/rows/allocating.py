"""Making many objects at once, without looking for garbage among them."""

from __future__ import annotations

import gc
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


def allocating(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function that makes a tuple for each of many rows and awaits nothing.

    Python looks for cycles after every few hundred new containers. Tuples of plain values are in none, and with the
    rows of a bulk write in memory the looking takes several times as long as the making.
    """

    @wraps(function)
    def later(*args: P.args, **kwargs: P.kwargs) -> T:
        enabled = gc.isenabled()
        gc.disable()
        try:
            return function(*args, **kwargs)
        finally:
            if enabled:
                gc.enable()

    return later
