"""Errors with codes for programs, and without a word about SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import GraphQLError
from sqlalchemy.exc import SQLAlchemyError
from strawberry.exceptions import StrawberryException
from strawberry.relay import GlobalIDValueError

from batchrepo.errors import BatchRepoError, DeclarationError, InvalidCursor
from batchrepo.integrations.outcomes import Outcome, outcome_of
from batchrepo.integrations.refusals import said
from batchrepo.integrations.strawberry.limits.limits import of_text
from batchrepo.integrations.strawberry.operation.whole import NotRun

if TYPE_CHECKING:
    from batchrepo.errors import RowError
    from batchrepo.integrations.strawberry.limits.limits import Limits


def typed(error: GraphQLError) -> GraphQLError:
    """The error as a client sees it.

    An error of batchrepo gets its code in ``extensions``, and the message that is meant for clients; one about
    a cursor its ``reason`` too. One of SQLAlchemy is replaced, since its message holds the statement and its
    parameters; of a violated constraint it is told which kind. One about rows that were not written has them in
    ``rows``. One that another try may not meet has in ``retryAfter`` after how many seconds. One of Strawberry about a
    global id gets a code. Others stay.
    """
    match error.original_error:
        case InvalidCursor() as original:
            return _told(error, outcome_of(original), reason=original.reason)
        case NotRun() as original:
            return _told(error, Outcome("NOT_RUN", 409, str(original)))
        case (BatchRepoError() | SQLAlchemyError()) as original:
            return _told(error, outcome_of(original))
        case GlobalIDValueError():
            return _told(error, Outcome("INVALID_ARGUMENT", 400, error.message))
        case _:
            return error


def typed_as_graphql(error: Exception) -> GraphQLError:
    """As `typed`, of an error outside of any field."""
    return typed(GraphQLError(str(error), original_error=error))


def type_errors(result: Any, limits: Limits) -> None:
    """Give the errors of a result their codes, in place."""
    # Where parts of an answer come later, each part has errors of its own, and so has what could not be delivered.
    first = getattr(result, "initial_result", None)
    later = (*(getattr(result, "incremental", None) or ()), *(getattr(result, "completed", None) or ()))
    part: Any
    for part in (result, first, *later):
        errors = getattr(part, "errors", None)
        if errors:
            part.errors = [of_text(error, limits) or typed(error) for error in errors]


def _row(row: RowError) -> dict[str, Any]:
    return {"index": row.index, "kind": row.kind, "message": said(row), "columns": list(row.columns)}


def _told(error: GraphQLError, outcome: Outcome, **more: Any) -> GraphQLError:
    if outcome.rows:
        more["rows"] = [_row(row) for row in outcome.rows]
    if outcome.retry_after is not None:
        more["retryAfter"] = outcome.retry_after
    return GraphQLError(
        outcome.detail,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        original_error=error.original_error,
        extensions={**(error.extensions or {}), "code": outcome.code, **more},
    )


class SchemaMistake(DeclarationError, StrawberryException):
    """A DeclarationError that is found while Strawberry makes a schema, which lets only its own errors through."""

    exception_source = None  # pyright: ignore[reportAssignmentType]

    def __init__(self, message: str) -> None:
        DeclarationError.__init__(self, message)
        self.message = message
