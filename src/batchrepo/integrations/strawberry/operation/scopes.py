"""The scope of the operation that runs, or of the event of a subscription."""

from __future__ import annotations

import inspect
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from batchrepo.errors import ScopeError
from batchrepo.integrations.requests import scopes_of
from batchrepo.integrations.strawberry.operation.tokens import OperationTokens
from batchrepo.integrations.strawberry.operation.whole import TakenBack, WholeOperation
from batchrepo.integrations.strawberry.passing.notes import Notes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import strawberry

    from batchrepo.database import Database
    from batchrepo.integrations.requests import RequestScopes
    from batchrepo.routing import Consistency
    from batchrepo.scope import Scope


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation that runs, or an event of a subscription.

    Attributes:
        scope: where it reads.
        look_ahead: whether all that it selects is read by one plan, or each relation when it is asked for.
        whole: the one transaction of all its mutations; None where each has its own.
        passed: what passed through, for its report; None where nothing may.
        strategy: how root fields are read whose whole answer passes; None for what pays.
        kept: what is worked out once for this operation, by places in its document.
    """

    scope: Scope
    look_ahead: bool
    whole: WholeOperation | None = None
    passed: Notes | None = None
    strategy: Literal["single", "batched"] | None = None
    kept: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)


# Not in the GraphQL context: the operations of a batched request run side by side with one context.
current_operation: ContextVar[Operation | None] = ContextVar("batchrepo_operation", default=None)


def scope_of(info: strawberry.Info[Any, Any]) -> Scope:
    """The scope of the operation that a resolver runs in; in a subscription, that of the event.

    What a subscription's generator does before it yields has a scope of its own, which ends when the event
    is there: what it has read once it does not read again, so it asks for the scope after it has waited.

    Args:
        info: the resolver's ``info``.

    Raises:
        ScopeError: the schema has no `ScopeExtension`.
    """
    return running(info.field_name).scope


def running(asking: str) -> Operation:
    """The operation that runs.

    Args:
        asking: the name of the field that asks, for the message.

    Raises:
        ScopeError: the schema has no `ScopeExtension`.
    """
    operation = current_operation.get()
    if operation is None:
        raise ScopeError(
            f"{asking} asked for the scope, but its schema opens none. Write "
            f"strawberry.Schema(..., extensions=[lambda: ScopeExtension(database)])."
        )
    return operation


class Scopes:
    """Opens the scopes of one operation.

    Args:
        database: where it reads.
        given: the GraphQL context.
        context: makes the scope's context from it; a function, async or not.
        look_ahead: as in `Operation`.
        sent: the consistency token that the client has sent with the operation, as it came.
        token: finds one in the GraphQL context; a function, async or not.
        pass_through: whether rows may become parts of the answer past the executor.
        strategy: as in `Operation`.

    Attributes:
        latest: the scope that was opened last, or None.
        passed: what passed through in it, as in `Operation`.
        tokens: what its scopes must have seen; None where there are no replicas.
    """

    def __init__(
        self,
        database: Database,
        given: Any,
        context: Callable[[Any], Any] | None,
        look_ahead: bool,
        *,
        sent: object = None,
        token: Callable[[Any], Any] | None = None,
        pass_through: bool = True,
        strategy: Literal["single", "batched"] | None = None,
    ) -> None:
        self.latest: Scope | None = None
        self.passed: Notes | None = None
        self.tokens: OperationTokens | None = None
        if database.routed:
            shared = getattr(self._of_request_to(database, given), "consistency", None)
            self.tokens = OperationTokens(database.tokens, shared, given, sent=sent, find=token)
        self._database = database
        self._given = given
        self._context = context
        self._look_ahead = look_ahead
        self._pass_through = pass_through
        self._strategy: Literal["single", "batched"] | None = strategy
        self._event = AsyncExitStack()

    @asynccontextmanager
    async def of_operation(self, whole: WholeOperation | None = None) -> AsyncIterator[Scope]:
        """The scope of a query or mutation: that of its HTTP request where the application asked for it.

        Args:
            whole: the one transaction of all mutations, if there is one.
        """
        scopes = self._of_request()
        consistency = await self._consistency()
        shared = scopes.shared if scopes is not None else None
        if shared is not None and not shared.closed:
            with self._running(shared, whole):
                yield shared
            return
        context = await self._made_context()
        opening: Any = (
            scopes.open(context) if scopes is not None else self._database.scope(context, token=consistency)
        )
        async with opening as scope:
            with self._running(scope, whole):
                yield scope

    @asynccontextmanager
    async def of_mutations(self, failed: Callable[[], bool]) -> AsyncIterator[None]:
        """As `of_operation`, for mutations that are one transaction.

        Args:
            failed: asked at the end: whether to take everything back.
        """
        async with self.of_operation(WholeOperation()) as scope:
            try:
                async with scope.transaction():
                    yield
                    if failed():
                        raise TakenBack  # noqa: TRY301  it has nothing to say
            except TakenBack:
                return

    @asynccontextmanager
    async def of_part(self) -> AsyncIterator[None]:
        """A scope for a part of a subscription: never that of a request, which lives as long."""
        consistency = await self._consistency()
        async with self._database.scope(await self._made_context(), token=consistency) as scope:
            with self._running(scope):
                yield

    async def events(self, source: Any) -> AsyncIterator[Any]:
        """The events of a subscription's generator, each with a scope for what is selected of it.

        `close_event` ends that scope. While the generator looks for the next event it has another one. So each
        scope is opened and closed in one step of the stream, which may be one task.
        """
        try:
            while True:
                async with self.of_part():
                    try:
                        event = await anext(source)
                    except StopAsyncIteration:
                        return
                await self._event.enter_async_context(self.of_part())
                try:
                    yield event
                finally:
                    await self.close_event()
        finally:
            if hasattr(source, "aclose"):
                await source.aclose()

    async def close_event(self) -> None:
        """The event's answer is there.

        Raises:
            UnsavedChanges: an entity was changed and nothing saved it.
        """
        await self._event.aclose()

    def _running(self, scope: Scope, whole: WholeOperation | None = None) -> _Running:
        self.latest, self.passed = scope, Notes() if self._pass_through else None
        return _Running(Operation(scope, self._look_ahead, whole, self.passed, self._strategy))

    async def _made_context(self) -> Any:
        if self._context is None:
            shared = getattr(self._of_request(), "shared", None)
            return shared.context if shared is not None else None
        context = self._context(self._given)
        return await context if inspect.isawaitable(context) else context

    async def _consistency(self) -> Consistency | None:
        return await self.tokens.required() if self.tokens is not None else None

    def _of_request(self) -> RequestScopes | None:
        return self._of_request_to(self._database, self._given)

    @staticmethod
    def _of_request_to(database: Database, given: Any) -> RequestScopes | None:
        request = given.get("request") if isinstance(given, dict) else getattr(given, "request", None)
        asgi_scope = getattr(request, "scope", None)
        found = scopes_of(asgi_scope) if isinstance(asgi_scope, dict) else None
        return found if found is not None and found.database is database else None


class _Running:
    """Makes an operation the current one."""

    __slots__ = ("_before", "_operation")

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._before: Operation | None = None

    def __enter__(self) -> None:
        self._before = current_operation.get()
        current_operation.set(self._operation)

    def __exit__(self, *_: object) -> None:
        # No token: a stream may go on in another context than it has begun in.
        current_operation.set(self._before)


# While a subscription begins: who opens the scopes of its events.
subscribing: ContextVar[Scopes | None] = ContextVar("batchrepo_subscribing", default=None)
