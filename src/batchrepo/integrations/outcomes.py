"""What a client is told about an error: one table for all plugs.

A client sees the message of an error that it can do something about. For the others it gets a plain
sentence, since their messages tell how the application is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from batchrepo.errors import (
    BatchTimeout,
    DatabaseUnavailable,
    InvalidArgument,
    MissingContext,
    NotFound,
    PrimaryUnavailable,
    RowsLocked,
    StatementBudgetExceeded,
    WriteError,
)
from batchrepo.executing import collision
from batchrepo.integrations.refusals import CODES, STATUSES, detail_of, of_database, status_of

if TYPE_CHECKING:
    from batchrepo.errors import RowError

GENERAL = "The server could not answer this request."
"""What a client is told about an error that is none of its business."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a client is told about an error.

    Attributes:
        code: a stable name for programs, such as ``NOT_FOUND``.
        status: the HTTP status.
        detail: a sentence for people.
        retry_after: after how many seconds it is worth to ask again, or None.
        rows: the rows that were refused, in the order of the input.
    """

    code: str
    status: int
    detail: str
    retry_after: int | None = None
    rows: tuple[RowError, ...] = ()

    @property
    def expected(self) -> bool:
        """Whether the request was at fault, not the server."""
        return self.status < 500


UNAVAILABLE = Outcome(
    "DATABASE_UNAVAILABLE", 503, "The database cannot be reached at the moment.", retry_after=5
)
"""Five seconds: a pool has emptied by then, and a server that starts anew is often back."""

CONFLICTING = Outcome(
    "TRANSACTION_CONFLICT",
    503,
    "Somebody else was writing the same rows at the same time. Try again.",
    retry_after=1,
)
"""A serialization failure, a deadlock, a lock that could not be had: nothing was written, and the next try may succeed."""


def outcome_of(error: Exception) -> Outcome:
    """What a client is told about this error."""
    known = _of_write(error)
    if known is not None:
        return known
    match error:
        case NotFound():
            return Outcome("NOT_FOUND", 404, str(error))
        case InvalidArgument():
            return Outcome("INVALID_ARGUMENT", 400, str(error))
        case StatementBudgetExceeded():
            return Outcome(
                "STATEMENT_BUDGET_EXCEEDED", 500, "Answering this takes more work than one request may do."
            )
        case MissingContext():
            # Whether an unknown user means 401 or 403 is for the application to say, in what makes the context.
            return Outcome("MISSING_CONTEXT", 500, GENERAL)
        case DatabaseUnavailable() | PoolTimeout() | DBAPIError(connection_invalidated=True):
            # The last two come from sessions of the application's own; ours are translated where they occur.
            return _unavailable(error)
        case BatchTimeout():
            return Outcome("TIMEOUT", 504, "A source that the answer depends on took too long.")
        case _:
            return Outcome("INTERNAL", 500, GENERAL)


def _unavailable(error: Exception) -> Outcome:
    if not isinstance(error, PrimaryUnavailable):
        return UNAVAILABLE
    told = "Nothing can be written at the moment, nor what was just written be read. Try again."
    return Outcome("UNAVAILABLE", 503, told, retry_after=max(1, ceil(error.retry_after)))


def _of_write(error: Exception) -> Outcome | None:
    """What a client is told where rows were refused, or another transaction was in the way."""
    if isinstance(error, RowsLocked) or collision(error) is not None:
        return CONFLICTING
    if isinstance(error, WriteError):
        status = status_of(error)
        return Outcome(CODES[status], status, detail_of(error), rows=error.rows)
    row = of_database(error) if isinstance(error, StatementError) else None
    if row is None:
        return None
    status = STATUSES[row.kind]
    return Outcome(CODES[status], status, row.message, rows=(row,))
