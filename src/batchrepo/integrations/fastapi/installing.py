"""Giving an application its Database."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from batchrepo.errors import BatchRepoError, DeclarationError
from batchrepo.integrations.fastapi.context import ContextDependency
from batchrepo.integrations.fastapi.middleware import ScopeMiddleware
from batchrepo.integrations.fastapi.problems import answer_with_problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from batchrepo.database import Database

_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def install(
    app: FastAPI,
    database: Database,
    *,
    context: Callable[..., Any] | None = None,
    statement_header: str | None = "X-Statements",
) -> None:
    """Give an application its Database, so that its endpoints may use ``Provide``.

    Making a Database opens no connection, so this belongs right after ``FastAPI(...)``. The Database is
    then ``app.state.batchrepo``; closing it stays with whoever made it, in the application's lifespan::

        @asynccontextmanager
        async def lifespan(app):
            async with app.state.batchrepo:
                yield

    Errors of batchrepo become problem details (RFC 9457); a handler of yours for one of them, or for
    ``BatchRepoError``, comes first.

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

    Raises:
        DeclarationError: the application has one already, has started, or the header is no field name.
    """
    if getattr(app.state, "batchrepo", None) is not None:
        raise DeclarationError("install(app, database) was called before for this application; call it once.")
    if app.middleware_stack is not None:
        raise DeclarationError(
            "install(app, database) came after the application's start. Call it after FastAPI(...)."
        )
    if statement_header is not None and not _FIELD_NAME.fullmatch(statement_header):
        raise DeclarationError(
            f"statement_header={statement_header!r} is no name of a header. Expected one such as 'X-Statements', or None."
        )
    app.state.batchrepo = database
    app.add_middleware(
        ScopeMiddleware,
        database=database,
        context=ContextDependency(context) if context is not None else None,
        header=statement_header,
    )
    app.exception_handlers.setdefault(BatchRepoError, answer_with_problem)
