"""A plain ASGI middleware: one scope per HTTP request, for any framework.

::

    app = ScopeMiddleware(app, database, context=lambda request: request["user"])


    async def album(request):  # a handler of Starlette, Litestar, Quart ...
        return Response(await AlbumRepository(current_scope()).get_json(1, AlbumView))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from batchrepo.errors import BatchRepoError, ScopeError
from batchrepo.integrations.problems import MEDIA_TYPE, problem_of
from batchrepo.integrations.requests import KEY, RequestScopes, field_name, scopes_of
from batchrepo.integrations.tokens import DEFAULT_TRANSPORT, TokenCarrier, TokenTransport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from types import TracebackType

    from batchrepo.database import Database
    from batchrepo.integrations.tokens import RequestToken
    from batchrepo.scope import Scope

    AsgiScope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    AsgiApp = Callable[[AsgiScope, Receive, Send], Awaitable[None]]


class ScopeMiddleware:
    """Gives each HTTP request one scope, which closes when the response and its body have been sent.

    The scope is ``current_scope()`` in whatever handles the request, and ``await request_scope(asgi_scope)``
    for code that has the request at hand. It is opened before the application is called, since opening one
    takes no connection and about fifty microseconds. Where finding its context costs more than that, or the
    framework's own dependencies find it, ``lazy=True`` opens it for the first who awaits `request_scope`.

    Changes of entities that nothing saved are an error before the response starts, while it can still be
    one; a response that is an error itself (400 or more) goes out as it is.

    With replicas a request that has written answers with its consistency token, and the next one, which brings it
    along, sees what was written. What is committed when the response has started cannot be told any more.

    WebSockets get no scope: they outlive any. Open one per message.

    Args:
        app: the application inside.
        database: where scopes are opened.
        context: finds the context of a request's scope, such as the user or tenant that row criteria look
            at, from the ASGI scope; a function, async or not.
        lazy: open the scope when it is asked for.
        statement_header: the response header with the number of statements that were run before the
            response started, on every response to a request that opened a scope. None for no header.
        problems: answer errors of batchrepo and SQLAlchemy that the application did not handle with problem
            details (RFC 9457). Those that are not the client's fault go to the log ``batchrepo``.
        tokens: the cookie and the header in which consistency tokens travel; neither is there without replicas.

    Raises:
        DeclarationError: the header is no field name, or ``tokens`` is something else.
    """

    def __init__(
        self,
        app: AsgiApp,
        database: Database,
        *,
        context: Callable[[AsgiScope], Any] | None = None,
        lazy: bool = False,
        statement_header: str | None = "X-Statements",
        problems: bool = True,
        tokens: TokenTransport = DEFAULT_TRANSPORT,
    ) -> None:
        self._app = app
        self._database = database
        self._context = context
        self._lazy = lazy
        self._header = field_name(statement_header)
        self._problems = problems
        carrier = TokenCarrier(database, tokens)
        self._carrier = carrier if database.routed else None

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scopes = scope[KEY] = self._scopes(scope)
        response = _Response(scopes, send)
        try:
            async with scopes:
                if not self._lazy:
                    await scopes.share()
                with response:
                    await self._app(scope, receive, response.send)
        except (BatchRepoError, SQLAlchemyError) as error:
            if response.started or not self._problems:
                raise
            await response.send_problem(error, f"{scope['method']} {scope['path']}")

    def _scopes(self, scope: AsgiScope) -> RequestScopes:
        context = self._context
        find = (lambda: context(scope)) if context is not None else None
        return RequestScopes(self._database, context=find, header=self._header, token=self._token(scope))

    def _token(self, scope: AsgiScope) -> RequestToken | None:
        return self._carrier.received(scope) if self._carrier is not None else None


async def request_scope(asgi_scope: AsgiScope) -> Scope:
    """The scope of the request with this ASGI scope; opened now if nobody asked before.

    Raises:
        ScopeError: there is no `ScopeMiddleware` around the application, or it is no HTTP request.
    """
    scopes = scopes_of(asgi_scope)
    if scopes is None:
        raise ScopeError(
            f"This {asgi_scope.get('type')} connection has no scope. HTTP requests get one from "
            f"ScopeMiddleware(app, database); for anything else open it: async with database.scope() as scope: ..."
        )
    return await scopes.share()


class _Response:
    """The response of a request, as it passes through the middleware."""

    def __init__(self, scopes: RequestScopes, send: Send) -> None:
        self.started = False
        self._scopes = scopes
        self._send = send
        self._refused: BatchRepoError | None = None

    async def send(self, message: Message) -> None:
        """Pass a message on, the first one with what the request's scopes add to it."""
        if message["type"] == "http.response.start":
            if message["status"] < 400:
                self._refuse_unsaved()
            else:
                self._scopes.failed = True
            # What a streamed body reads later is not counted: the headers have gone by then.
            message = {**message, "headers": await self._scopes.complete(message.get("headers", ()))}
            self.started = True
        await self._send(message)

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What kept the response from starting counts, whatever the framework made of it.
        if self._refused is not None and not self.started and isinstance(error, Exception | None):
            raise self._refused

    async def send_problem(self, error: Exception, request: str) -> None:
        """Send what a client is told about an error."""
        problem, more = problem_of(error, request)
        body = problem.body
        headers = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), **more}
        raw = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": raw})
        await self.send({"type": "http.response.body", "body": body})

    def _refuse_unsaved(self) -> None:
        try:
            self._scopes.refuse_unsaved()
        except BatchRepoError as error:
            self._refused = error
            raise
