"""``LazyFuture``: awaited it is a coroutine, gathered it is a future.

A coroutine that is gathered costs a task, which takes longer than a key of a batch. ``asyncio.gather`` takes futures as
they are, but what returns a future has begun its work already, and what is awaited later would be older than its ``await``.
So here is a coroutine that becomes a future when somebody takes it for one: ``gather``, ``ensure_future``, ``shield``,
``wait_for``. Until then it has asked nothing.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import warnings
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Any]")


_BLOCKING: Any = asyncio.Future.__dict__["_asyncio_future_blocking"]
"""Where futures written in C have it; those in Python, which other interpreters have, keep it in their `__dict__`."""

_IN_C = hasattr(_BLOCKING, "__set__")


class Source(Protocol):
    """What can answer: its text is what the caller called, for warnings and the names of tasks."""

    def ask(self, key: Any, answer: asyncio.Future[Any], /) -> None:
        """Begin; the answer comes by ``set_result`` or ``set_exception``. What is raised is the answer too."""


class Asked(asyncio.Future[T]):
    """The answer to a question that is asked.

    Args:
        loop: in which it is awaited.
        source: who is asked.
        key: for what.
    """

    __slots__ = ("_awaited", "_key", "_source", "_steps")

    def __init__(self, loop: asyncio.AbstractEventLoop, source: Source, key: Any) -> None:
        asyncio.Future.__init__(self, loop=loop)  # super() would take longer than it does
        self._source = source
        self._key = key
        self._awaited = False
        self._steps: Generator[Any, None, T] | None = None

    def _ask(self) -> None:
        try:
            self._source.ask(self._key, self)
        except Exception as error:  # noqa: BLE001  a coroutine raises it where it is awaited, too
            self.set_exception(error)


class LazyFuture(Asked[T], Coroutine[Any, Any, T]):
    """A question that is asked when somebody begins to wait; as a future it is of another class from then on."""

    __slots__ = ()
    _as_future: ClassVar[type[Asked[Any]]] = Asked

    # --- as a coroutine ---------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, T]:
        if self._awaited:
            raise RuntimeError(f"{self._source}() is already awaited. Call it again.")
        self._awaited = True
        self._ask()
        return asyncio.Future.__await__(self)

    __iter__ = __await__

    @property
    def __name__(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return str(self._source)

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
            self._awaited = True
            self._steps = asyncio.Future.__await__(self)
        return self._steps.throw(kind, value, trace)

    def close(self) -> None:
        """Give up, before the question is asked or while its answer is awaited."""
        self._awaited = True
        self.cancel()

    def __del__(self) -> None:
        if not self._awaited:
            warnings.warn(f"{self._source}() was never awaited", RuntimeWarning, source=self, stacklevel=2)
        asyncio.Future.__del__(self)

    # --- as a future ------------------------------------------------------------------------------------

    @property
    def _asyncio_future_blocking(self) -> bool:
        # By this attribute asyncio knows a future. To `asyncio.wait` it must not be a coroutine any more.
        if not self._awaited:
            self.__class__ = self._as_future  # type: ignore[assignment]
            self._ask()
        blocking: bool = (
            _BLOCKING.__get__(self) if _IN_C else self.__dict__.get("_asyncio_future_blocking", False)
        )
        return blocking

    @_asyncio_future_blocking.setter
    def _asyncio_future_blocking(self, blocking: bool) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        if _IN_C:
            _BLOCKING.__set__(self, blocking)
        else:
            self.__dict__["_asyncio_future_blocking"] = blocking


def lazily(source: Source, key: Any, kind: type[LazyFuture[Any]] = LazyFuture, /) -> Coroutine[Any, Any, Any]:
    """The answer for a key, asked for when somebody waits for it; a plain coroutine where no event loop runs yet."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return _once_a_loop_runs(source, key, kind)
    return kind(loop, source, key)


async def _once_a_loop_runs(source: Source, key: Any, kind: type[LazyFuture[T]]) -> T:
    return await kind(asyncio.get_running_loop(), source, key)


def awaited(function: F) -> F:
    """Mark what returns a coroutine without ``async def``, for whoever asks: autospec, frameworks."""
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(function)
    function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
    return function
