"""Giving an application its Database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrepo.errors import DeclarationError
from batchrepo.integrations.fastapi.context import ContextDependency
from batchrepo.integrations.fastapi.middleware import InstalledMiddleware
from batchrepo.integrations.fastapi.openapi import describe
from batchrepo.integrations.fastapi.problems import answer_with_problems
from batchrepo.integrations.requests import field_name
from batchrepo.integrations.tokens import DEFAULT_TRANSPORT, TokenCarrier, TokenTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from batchrepo.database import Database


def install(
    app: FastAPI,
    database: Database,
    *,
    context: Callable[..., Any] | None = None,
    statement_header: str | None = "X-Statements",
    problems: bool = True,
    tokens: TokenTransport = DEFAULT_TRANSPORT,
) -> None:
    """Give an application its Database, so that its endpoints may use ``Provide``.

    Making a Database opens no connection, so this belongs right after ``FastAPI(...)``, whose
    ``lifespan=lifespan(database)`` closes it. The Database is then ``app.state.batchrepo``.

    Every error becomes problem details (RFC 9457): those of batchrepo, requests that FastAPI refuses,
    ``HTTPException``, unknown paths and methods, and what nobody expected. A handler of yours comes first,
    whether it was added before or after.

    Args:
        app: the application. One that is mounted in it finds the Database too, and needs a call of its own
            only for problem details, or for another Database.
        database: where requests read.
        context: a FastAPI dependency that finds the context of a request's scope, such as the user or
            tenant that row criteria look at. It is solved once per request, when the first ``Provide`` is,
            and apart from the endpoint's own dependencies: read its result from ``scope.context``. It may
            raise ``HTTPException``.
        statement_header: the response header with the number of statements that were run before the
            response started, on every response to a request that opened a scope. None for no header.
        problems: False answers only errors of batchrepo with problem details and leaves the others as they
            were, for an application whose clients know FastAPI's form of them.
        tokens: the cookie and the header in which consistency tokens travel from a request that has written to the
            next one, so that it sees that; neither is there without replicas.

    Raises:
        DeclarationError: the application has one already, has started, the header is no field name, or ``tokens``
            is something else.
    """
    if getattr(app.state, "batchrepo", None) is not None:
        raise DeclarationError("install(app, database) was called before for this application; call it once.")
    if app.middleware_stack is not None:
        raise DeclarationError(
            "install(app, database) came after the application's start. Call it after FastAPI(...)."
        )
    field_name(statement_header)
    TokenCarrier(database, tokens)  # a mistake is found now, not when the application starts
    app.state.batchrepo = database
    app.add_middleware(
        InstalledMiddleware,
        database=database,
        dependency=ContextDependency(context) if context is not None else None,
        statement_header=statement_header,
        tokens=tokens,
    )
    answer_with_problems(app, every=problems)
    describe(app)
