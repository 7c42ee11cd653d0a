"""One scope per GraphQL operation."""

from __future__ import annotations

import inspect
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError
from sqlalchemy.exc import SQLAlchemyError
from strawberry.extensions import SchemaExtension

from batchrepo.errors import BatchRepoError
from batchrepo.integrations.requests import scopes_of
from batchrepo.integrations.strawberry.errors import typed
from batchrepo.integrations.strawberry.preparing import prepare
from batchrepo.integrations.strawberry.scopes import Operation, current_operation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from batchrepo.database import Database
    from batchrepo.integrations.requests import RequestScopes
    from batchrepo.scope import Scope


class ScopeExtension(SchemaExtension):
    """Gives each operation a scope: ``Schema(..., extensions=[lambda: ScopeExtension(database)])``.

    An operation that comes over HTTP to an application with the FastAPI plug takes part in its request: it
    uses the scope of the request where the context getter asked for ``Provide[Scope]``, and its statements
    count in the header in any case. A subscription has one scope from its start to its end.

    Errors of batchrepo get a code in ``extensions``, such as ``NOT_FOUND``. Messages of the database never
    reach the client.

    Args:
        database: where the operation reads.
        context: makes the scope's context from the GraphQL context; a function, async or not.
        look_ahead: read all that a root field selects by one plan. Without it each relation is loaded when it is
            asked for, still batched: the same answers, more rounds.
    """

    def __init__(
        self,
        database: Database,
        *,
        context: Callable[[Any], Any] | None = None,
        look_ahead: bool = True,
    ) -> None:
        self._database = database
        self._context = context
        self._look_ahead = look_ahead

    async def on_operation(self) -> AsyncIterator[None]:
        """Open the scope, run the operation, close the scope."""
        prepare(self.execution_context.schema)
        before = current_operation.get()
        try:
            async with self._scope() as scope:
                current_operation.set(Operation(scope, self._look_ahead))
                yield
                _type_errors(self.execution_context.result)
        except (BatchRepoError, SQLAlchemyError) as error:
            # What goes wrong outside of a field, such as unsaved changes when the scope closes.
            raise typed(GraphQLError(str(error), original_error=error)) from error
        finally:
            current_operation.set(before)

    def on_stream_result(self, result: Any) -> Iterator[None]:
        """Give the errors of a streamed result their codes."""
        _type_errors(result)
        yield

    @asynccontextmanager
    async def _scope(self) -> AsyncIterator[Scope]:
        given = self.execution_context.context
        scopes = _scopes_of_request(given)
        if scopes is not None and scopes.database is not self._database:
            scopes = None
        if scopes is not None and scopes.shared is not None and not scopes.shared.closed:
            yield scopes.shared
            return
        context = self._context(given) if self._context is not None else None
        if inspect.isawaitable(context):
            context = await context
        opened = scopes.open(context) if scopes is not None else self._database.scope(context)
        async with opened as scope:
            yield scope


def _scopes_of_request(context: Any) -> RequestScopes | None:
    request = context.get("request") if isinstance(context, dict) else getattr(context, "request", None)
    asgi_scope = getattr(request, "scope", None)
    return scopes_of(asgi_scope) if isinstance(asgi_scope, dict) else None


def _type_errors(result: Any) -> None:
    errors = getattr(result, "errors", None)
    if errors:
        result.errors = [typed(error) for error in errors]
