"""The middleware of an application with the plug: a scope per request, whose context a dependency finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrepo.integrations.asgi import ScopeMiddleware
from batchrepo.integrations.requests import RequestScopes

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Scope

    from batchrepo.database import Database
    from batchrepo.integrations.fastapi.context import ContextDependency
    from batchrepo.integrations.tokens import RequestToken, TokenTransport


class InstalledScopes(RequestScopes):
    """The scopes of a request to an application with the plug.

    Attributes:
        dependency: what finds the context of the shared scope, or None.
    """

    def __init__(
        self,
        database: Database,
        dependency: ContextDependency | None,
        header: bytes | None,
        token: RequestToken | None,
    ) -> None:
        super().__init__(database, header=header, token=token)
        self.dependency = dependency


class InstalledMiddleware(ScopeMiddleware):
    """Opens the scope when the first `Provide` asks for it: only then can the dependency find its context.

    Errors are left to the application's handlers, ours among them.

    Args:
        app: the application inside.
        database: where scopes are opened.
        dependency: what finds the context of the shared scope.
        statement_header: the response header for the number of statements, or None for no header.
        tokens: where consistency tokens are.
    """

    def __init__(
        self,
        app: ASGIApp,
        database: Database,
        dependency: ContextDependency | None,
        statement_header: str | None,
        tokens: TokenTransport,
    ) -> None:
        super().__init__(
            app, database, lazy=True, statement_header=statement_header, problems=False, tokens=tokens
        )
        self._dependency = dependency

    def _scopes(self, scope: Scope) -> RequestScopes:
        return InstalledScopes(self._database, self._dependency, self._header, self._token(scope))
