"""What a client is told about an error: one table for all plugs.

A client sees the message of an error that it can do something about. For the others it gets a plain
sentence, since their messages tell how the application is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from batchrepo.errors import (
    BatchTimeout,
    DatabaseUnavailable,
    ForbiddenWrite,
    InvalidArgument,
    MissingContext,
    NotFound,
    StaleRows,
    StatementBudgetExceeded,
    WriteError,
)
from batchrepo.writing.driver_errors import read_refusal

if TYPE_CHECKING:
    from batchrepo.errors import RowError, RowErrorKind

GENERAL = "The server could not answer this request."
"""What a client is told about an error that is none of its business."""


REFUSED = "The database refused it, and so nothing was written."
"""What a client is told where the database does not say more that is meant for clients."""

_CODES: dict[RowErrorKind, tuple[str, int]] = {
    "unique": ("CONFLICT", 409),
    "foreign_key": ("CONFLICT", 409),
    "duplicate": ("CONFLICT", 409),
    "other": ("CONFLICT", 409),
    "not_null": ("INVALID", 422),
    "check": ("INVALID", 422),
    "value": ("INVALID", 422),
    "forbidden": ("FORBIDDEN", 403),
    "not_found": ("NOT_FOUND", 404),
    "stale": ("STALE", 409),
}
"""Code and status by why a row was refused. A row that criteria hide is not found, like one that is not there."""

_GENERAL_REFUSALS: dict[str, str] = {
    "unique": "Another row has the same values already.",
    "foreign_key": "It refers to a row that does not exist, or rows that exist refer to it.",
    "not_null": "A value is missing that must be there.",
    "check": "A value is not allowed.",
}


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
        case WriteError() | IntegrityError():
            return _of_write(error)
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


def said(row: RowError) -> str:
    """What a client is told about a refused row: without the words of the database."""
    if row.kind == "other":
        return "The database refused it."
    if row.kind == "duplicate":
        return row.message.partition(" Pass ")[0]  # what the application could do is no business of clients
    what, colon, _ = row.message.partition(": ")
    fits = row.kind == "value" and colon and what == "A value does not fit into its column"
    return f"{what}." if fits else row.message


def _of_write(error: WriteError | IntegrityError) -> Outcome:
    kind: RowErrorKind
    if isinstance(error, IntegrityError):  # of a flush; bulk writes have errors of their own
        refusal = read_refusal(error)
        kind = "other" if refusal is None else refusal.kind
        return _by_kind(kind, _GENERAL_REFUSALS.get(kind, REFUSED))
    match error:
        case StaleRows():
            kind = "stale"
        case ForbiddenWrite():
            kind = "forbidden"
        case _:
            kind = error.rows[0].kind if error.rows else "other"
    if len(error.rows) == 1:
        return _by_kind(kind, said(error.rows[0]))
    if error.rows:
        return _by_kind(kind, f"{len(error.rows)} rows were refused, and so nothing was written.")
    return _by_kind(kind, "Somebody else has changed it meanwhile." if kind == "stale" else REFUSED)


def _by_kind(kind: RowErrorKind, detail: str) -> Outcome:
    code, status = _CODES[kind]
    return Outcome(code, status, detail)
