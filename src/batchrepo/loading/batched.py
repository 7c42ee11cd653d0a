"""``@batched``: any async function from a list of keys to their values becomes a loader of every scope."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Never, Protocol, TypeVar, overload

from batchrepo.errors import DeclarationError
from batchrepo.loading.loader import BatchLoader, Dispatch
from batchrepo.loading.results import RAISE, Sentinel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from typing import Literal

    from batchrepo.loading.scheduler import Scheduler

K = TypeVar("K")
V = TypeVar("V")
M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)


class Batched(Generic[K, V]):
    """A batch function with its settings. Made by ``batched``; a scope makes a loader from it.

    Attributes:
        function: as decorated.
        name: for messages and events.
        takes_scope: whether the function wants the scope as its second argument.
        max_batch_size, dispatch, timeout, cache, cache_key, missing: as given to ``batched``.
    """

    __slots__ = (
        "cache",
        "cache_key",
        "dispatch",
        "function",
        "max_batch_size",
        "missing",
        "name",
        "takes_scope",
        "timeout",
    )

    def __init__(
        self,
        function: Callable[..., Awaitable[Any]],
        *,
        name: str | None = None,
        max_batch_size: int | None = None,
        dispatch: Dispatch = "round",
        timeout: float | None = None,
        cache: bool = True,
        cache_key: Callable[[K], Any] | None = None,
        missing: Any = RAISE,
    ) -> None:
        self.function = function
        self.name = name or getattr(function, "__qualname__", None) or repr(function)
        self.takes_scope = _takes_scope(self.name, function)
        if max_batch_size is not None and max_batch_size < 1:
            raise DeclarationError(
                f"@batched {self.name}: max_batch_size is at least 1, or None, got {max_batch_size!r}."
            )
        if dispatch not in ("round", "immediate"):
            raise DeclarationError(
                f"@batched {self.name}: dispatch is 'round' or 'immediate', got {dispatch!r}."
            )
        if timeout is not None and not timeout > 0:
            raise DeclarationError(
                f"@batched {self.name}: timeout is more than 0 seconds, or None, got {timeout!r}."
            )
        self.max_batch_size = max_batch_size
        self.dispatch: Dispatch = dispatch
        self.timeout = timeout
        self.cache = cache
        self.cache_key = cache_key
        self.missing = missing

    def make_loader(self, scheduler: Scheduler, scope: Any) -> BatchLoader[K, V]:
        """A loader of this function in one scope; the scope is passed on if the function wants it."""
        function = self.function
        return BatchLoader(
            partial(_with_scope, function, scope) if self.takes_scope else function,
            max_batch_size=self.max_batch_size,
            cache=self.cache,
            get_cache_key=self.cache_key,
            name=self.name,
            scheduler=scheduler,
            dispatch=self.dispatch,
            timeout=self.timeout,
            missing=self.missing,
        )

    def __repr__(self) -> str:
        return f"<Batched {self.name}>"


class BatchedDecorator(Protocol[M_co]):  # pyright: ignore[reportInvalidTypeVarUse] - mypy wants it covariant
    """What ``batched(...)`` returns: a decorator that keeps the types of keys and values.

    ``M_co`` is the type of ``missing``, which loads may give besides the values.
    """

    @overload
    def __call__(
        self, function: Callable[[list[K]], Awaitable[Mapping[K, V]]], /
    ) -> Batched[K, V | M_co]: ...
    @overload
    def __call__(
        self, function: Callable[[list[K], Any], Awaitable[Mapping[K, V]]], /
    ) -> Batched[K, V | M_co]: ...
    @overload
    def __call__(self, function: Callable[[list[K]], Awaitable[Sequence[V]]], /) -> Batched[K, V | M_co]: ...
    @overload
    def __call__(
        self, function: Callable[[list[K], Any], Awaitable[Sequence[V]]], /
    ) -> Batched[K, V | M_co]: ...


@overload
def batched(function: Callable[[list[K]], Awaitable[Mapping[K, V]]], /) -> Batched[K, V]: ...
@overload
def batched(function: Callable[[list[K], Any], Awaitable[Mapping[K, V]]], /) -> Batched[K, V]: ...
@overload
def batched(function: Callable[[list[K]], Awaitable[Sequence[V]]], /) -> Batched[K, V]: ...
@overload
def batched(function: Callable[[list[K], Any], Awaitable[Sequence[V]]], /) -> Batched[K, V]: ...
@overload
def batched(
    *,
    name: str | None = None,
    max_batch_size: int | None = None,
    dispatch: Dispatch = "round",
    timeout: float | None = None,
    cache: bool = True,
    cache_key: Callable[[Any], Any] | None = None,
    missing: Literal[Sentinel.RAISE] = RAISE,
) -> BatchedDecorator[Never]: ...
@overload
def batched(
    *,
    name: str | None = None,
    max_batch_size: int | None = None,
    dispatch: Dispatch = "round",
    timeout: float | None = None,
    cache: bool = True,
    cache_key: Callable[[Any], Any] | None = None,
    missing: M,
) -> BatchedDecorator[M]: ...
def batched(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    max_batch_size: int | None = None,
    dispatch: Dispatch = "round",
    timeout: float | None = None,
    cache: bool = True,
    cache_key: Callable[[Any], Any] | None = None,
    missing: Any = RAISE,
) -> Any:
    """Make a loader of an async function from a list of distinct keys to their values.

    ::

        @batched(max_batch_size=20, dispatch="immediate", timeout=5.0)
        async def call_details(ids: list[str], scope: Scope) -> dict[str, Call]: ...

    The function returns a mapping by key, or a sequence aligned with the keys; a value that is an ``Exception``
    fails its key only. It may take the scope as a second argument.

    Args:
        function: where the decorator is used without parentheses.
        name: for messages and events; by default the function's own.
        max_batch_size: more keys than this are split into calls that run concurrently.
        dispatch: ``immediate`` waits for no running round, and no round waits for it: for slow foreign services.
        timeout: seconds that one call may take.
        cache: False asks anew for each load in a scope.
        cache_key: makes a hashable of a key.
        missing: the value of keys that the mapping leaves out; by default they fail with ``NotFound``.

    Raises:
        DeclarationError: it is not an async function, takes other arguments than keys and scope, or a setting
            makes no sense.
    """
    decorate = partial(
        Batched,
        name=name,
        max_batch_size=max_batch_size,
        dispatch=dispatch,
        timeout=timeout,
        cache=cache,
        cache_key=cache_key,
        missing=missing,
    )
    return decorate if function is None else decorate(function)


async def _with_scope(
    function: Callable[[list[Any], Any], Awaitable[Any]], scope: Any, keys: list[Any]
) -> Any:
    return await function(keys, scope)


def _takes_scope(name: str, function: Any) -> bool:
    if not callable(function):
        raise DeclarationError(f"@batched decorates an async function, got {function!r}.")
    if not (inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)):
        kind = "an async generator" if inspect.isasyncgenfunction(function) else "not an async function"
        raise DeclarationError(
            f"@batched {name} is {kind}. Declare it with `async def`, and return a mapping or a sequence."
        )
    parameters = inspect.signature(function).parameters.values()
    required = [
        p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    wanted = [p for p in required if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(wanted) != len(required) or len(wanted) not in (1, 2):
        raise DeclarationError(
            f"@batched {name} takes {inspect.signature(function)}. It is called with the list of keys, and with the "
            "scope if it has a second parameter; give every other parameter a default, or bind it with partial()."
        )
    return len(wanted) == 2
