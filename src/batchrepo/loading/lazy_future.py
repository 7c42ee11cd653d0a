"""``LazyFuture``: awaited it is a coroutine, gathered it is a future.

A coroutine that is gathered costs a task, which takes longer than a key of a batch. ``asyncio.gather`` takes futures as
they are, but what returns a future has begun its work already, and what is awaited later would be older than its ``await``.
So here is a future that begins when somebody waits for it, and that everything takes which takes coroutines:
``await``, ``create_task``, ``TaskGroup``, ``wait_for``, ``shield``.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import warnings
from abc import abstractmethod
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextvars import Context
    from types import TracebackType

T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Any]")


_BLOCKING: Any = asyncio.Future.__dict__["_asyncio_future_blocking"]


class LazyFuture(asyncio.Future[T], Coroutine[Any, Any, T]):
    """A future whose question is asked when somebody begins to wait for it.

    Args:
        loop: in which it is awaited.
        name: what the caller called, for warnings and the names of tasks.
    """

    __slots__ = ("__name__", "_asked", "_steps")

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str) -> None:
        super().__init__(loop=loop)
        self.__name__ = name
        self._asked = False
        self._steps: Generator[Any, None, T] | None = None

    @abstractmethod
    def _ask(self) -> None:
        """Begin; the answer comes by ``set_result`` or ``set_exception``. What is raised is the answer too."""

    def _begin(self) -> None:
        self._asked = True
        try:
            self._ask()
        except Exception as error:  # noqa: BLE001  a coroutine raises it where it is awaited, too
            self.set_exception(error)

    # --- as a future ------------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, T]:
        if not self._asked:
            self._begin()
        return super().__await__()

    __iter__ = __await__

    @property
    def _asyncio_future_blocking(self) -> bool:
        # What asyncio looks at to know a future: `ensure_future` must begin it, as it begins a coroutine.
        if not self._asked:
            self._begin()
        blocking: bool = _BLOCKING.__get__(self)
        return blocking

    @_asyncio_future_blocking.setter
    def _asyncio_future_blocking(self, blocking: bool) -> None:
        _BLOCKING.__set__(self, blocking)

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context | None = None) -> None:
        """Call a function with the future when it is done."""
        if not self._asked:
            self._begin()
        super().add_done_callback(fn, context=context)

    # --- as a coroutine ---------------------------------------------------------------------------------

    def send(self, value: Any, /) -> Any:
        """Go on, for the task that runs it."""
        if self._steps is None:
            self._steps = self.__await__()
        return self._steps.send(value)

    def throw(
        self, kind: Any, value: BaseException | object = None, trace: TracebackType | None = None, /
    ) -> Any:
        """Raise an exception where it waits."""
        if self._steps is None:
            self._asked = True
            self._steps = super().__await__()
        return self._steps.throw(kind, value, trace)

    def close(self) -> None:
        """Give up, before the question is asked or while its answer is awaited."""
        self._asked = True
        self.cancel()

    def __del__(self) -> None:
        if not self._asked:
            warnings.warn(f"{self.__name__}() was never awaited", RuntimeWarning, source=self, stacklevel=2)
        super().__del__()


def awaited(function: F) -> F:
    """Mark what returns a coroutine without ``async def``, for whoever asks: autospec, frameworks."""
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(function)
    function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
    return function
