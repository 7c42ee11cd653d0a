"""The scopes of one request, where every plug finds them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from batchrepo.database import Database
    from batchrepo.events import EventLog
    from batchrepo.scope import Scope

KEY = "batchrepo"
"""Where a request's `RequestScopes` is in the ASGI scope."""


class RequestScopes:
    """What one request opened on a Database.

    Attributes:
        database: the Database of the application.
        shared: the scope that the whole request shares, or None as long as nobody asked for one.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.shared: Scope | None = None
        self._logs: list[EventLog] = []

    @asynccontextmanager
    async def open(self, context: Any = None) -> AsyncIterator[Scope]:
        """Open a scope whose statements count as the request's."""
        async with self.database.scope(context) as scope:
            self._logs.append(scope.events)
            yield scope

    @property
    def statements(self) -> int | None:
        """How many statements the request has run, or None if it opened no scope."""
        return sum(log.statement_count for log in self._logs) if self._logs else None


def scopes_of(asgi_scope: Mapping[str, Any]) -> RequestScopes | None:
    """The scopes of the request with this ASGI scope; None where no Database is installed."""
    found = asgi_scope.get(KEY)
    return found if isinstance(found, RequestScopes) else None
