"""The scopes of one request, where every plug finds them."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from batchrepo.errors import UnsavedChanges
from batchrepo.integrations.tokens import header_name
from batchrepo.routing import Consistency

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Self

    from batchrepo.database import Database
    from batchrepo.events import EventLog
    from batchrepo.integrations.tokens import Header, RequestToken
    from batchrepo.routing import ConsistencyToken
    from batchrepo.scope import Scope

KEY = "batchrepo"
"""Where a request's `RequestScopes` is in the ASGI scope."""


class RequestScopes:
    """What one request opens on a Database: the scope that it shares, and those of parts of it.

    An async context manager: its end closes the shared scope.

    Args:
        database: the Database of the application.
        context: finds the context of the shared scope; a function, async or not.
        header: the response header for the number of statements.
        token: the consistency token that came with the request; None where there are no replicas.

    Attributes:
        shared: the scope that the whole request shares, or None as long as nobody asked for one.
        failed: the answer is an error, so that nobody expects changes to be saved.
        consistency: what all scopes of the request must have seen; None where there are no replicas.
    """

    def __init__(
        self,
        database: Database,
        *,
        context: Callable[[], Any] | None = None,
        header: bytes | None = None,
        token: RequestToken | None = None,
    ) -> None:
        self.database = database
        self.shared: Scope | None = None
        self.failed = False
        self.consistency = (
            Consistency(token.given if token is not None else None) if database.routed else None
        )
        self._context = context
        self._header = header
        self._token = token
        self._opening = asyncio.Lock()
        self._logs: list[EventLog] = []
        self._latest: Scope | None = None
        # Scopes that the application opens by itself serve the same user.
        self._sharing: AbstractContextManager[None] = (
            database.sharing(self.consistency) if self.consistency is not None else nullcontext()
        )

    async def share(self, context: Callable[[], Any] | None = None) -> Scope:
        """The scope that the request shares, opened for whoever asks first.

        Args:
            context: finds the scope's context instead of what the scopes were made with.
        """
        async with self._opening:
            if self.shared is None:
                find = context or self._context
                found = find() if find is not None else None
                if inspect.isawaitable(found):
                    found = await found
                # Not by `open`: a generator and an exit stack around every request would be a tenth of what the plug costs.
                scope = self.database.scope(found, token=self.consistency)
                self.shared = await scope.__aenter__()
                self._opened(scope)
            return self.shared

    @asynccontextmanager
    async def open(self, context: Any = None) -> AsyncIterator[Scope]:
        """Open a scope for a part of the request; its statements count as the request's.

        It sees what any other scope of the request has written.
        """
        async with self.database.scope(context, token=self.consistency) as scope:
            self._opened(scope)
            yield scope

    def _opened(self, scope: Scope) -> None:
        self._logs.append(scope.events)
        self._latest = scope

    def refuse_unsaved(self) -> None:
        """Before an answer that is no error starts.

        Raises:
            UnsavedChanges: an entity of the shared scope was changed and nothing saved it.
        """
        if self.shared is not None and not self.shared.closed:
            self.shared.refuse_unsaved()

    @property
    def statements(self) -> int | None:
        """How many statements the request has run, or None if it opened no scope."""
        return sum(log.statement_count for log in self._logs) if self._logs else None

    async def written(self) -> ConsistencyToken | None:
        """What the next request must be able to see of this one; None if it has committed nothing."""
        if self.consistency is None or not self.consistency.commits:
            return None
        if self._latest is None:
            return await self.database.consistency_token()
        return await self._latest.consistency_token()  # any of them: they share what they know

    async def complete(self, headers: Iterable[Header]) -> list[Header]:
        """The headers of a response that starts now, with what they say of the request's scopes."""
        found = list(headers)
        if self._token is not None:
            found = self._token.added(await self.written(), found)
        if self._header is not None and self.statements is not None:
            found.append((self._header, b"%d" % self.statements))
        return found

    async def __aenter__(self) -> Self:
        self._sharing.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sharing.__exit__(None, None, None)
        if self.shared is None:
            return
        # Whoever got an error expects no change to be saved: to name them now would say nothing new.
        with suppress(*((UnsavedChanges,) if self.failed and error is None else ())):
            await self.shared.__aexit__(kind, error, trace)


def scopes_of(asgi_scope: Mapping[str, Any]) -> RequestScopes | None:
    """The scopes of the request with this ASGI scope; None where no Database is installed."""
    found = asgi_scope.get(KEY)
    return found if isinstance(found, RequestScopes) else None


def field_name(statement_header: str | None) -> bytes | None:
    """The name of a header as ASGI has it.

    Raises:
        DeclarationError: it is no field name.
    """
    name = header_name("statement_header=", statement_header, example="X-Statements")
    return name.lower() if name is not None else None
