"""A pure ASGI middleware: a place for the request's scopes, and the header that says what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrepo.integrations.requests import KEY, RequestScopes

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from batchrepo.database import Database
    from batchrepo.integrations.fastapi.context import ContextDependency


class InstalledScopes(RequestScopes):
    """The scopes of a request to an application with the plug.

    Attributes:
        context: what finds the context of the shared scope, or None.
    """

    def __init__(self, database: Database, context: ContextDependency | None) -> None:
        super().__init__(database)
        self.context = context


class ScopeMiddleware:
    """Gives each HTTP request a place for its scopes; opens none itself.

    Args:
        app: the application inside.
        database: where scopes are opened.
        context: what finds the context of the shared scope.
        header: the response header for the number of statements, or None for no header.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        database: Database,
        context: ContextDependency | None,
        header: str | None,
    ) -> None:
        self._app = app
        self._database = database
        self._context = context
        self._header = header.lower().encode("ascii") if header is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scopes = InstalledScopes(self._database, self._context)
        scope[KEY] = scopes
        await self._app(
            scope, receive, send if self._header is None else _counting(self._header, scopes, send)
        )


def _counting(header: bytes, scopes: RequestScopes, send: Send) -> Send:
    async def counted(message: Message) -> Any:
        # What a streamed body reads later is not counted: the headers have gone by then.
        if message["type"] == "http.response.start" and (statements := scopes.statements) is not None:
            message = {**message, "headers": [*message.get("headers", ()), (header, b"%d" % statements)]}
        await send(message)

    return counted
