"""What a client is told about an error: one table for all plugs.

A client sees the message of an error that it can do something about. For the others it gets a plain
sentence, since their messages tell how the application is built.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from batchrepo.errors import (
    BatchTimeout,
    DatabaseUnavailable,
    InvalidArgument,
    MissingContext,
    NotFound,
    StatementBudgetExceeded,
)

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
    """

    code: str
    status: int
    detail: str
    retry_after: int | None = None

    @property
    def expected(self) -> bool:
        """Whether the request was at fault, not the server."""
        return self.status < 500


UNAVAILABLE = Outcome(
    "DATABASE_UNAVAILABLE", 503, "The database cannot be reached at the moment.", retry_after=5
)
"""Five seconds: a pool has emptied by then, and a server that starts anew is often back."""


def outcome_of(error: Exception) -> Outcome:
    """What a client is told about this error."""
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
            return UNAVAILABLE
        case BatchTimeout():
            return Outcome("TIMEOUT", 504, "A source that the answer depends on took too long.")
        case _:
            return Outcome("INTERNAL", 500, GENERAL)
