"""What a client is told about rows that were not written: which of them, why, and with which status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrepo.errors import ForbiddenWrite, RowError, StaleRows, WriteError
from batchrepo.writing.refusals.driver_errors import read_refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.exc import StatementError

    from batchrepo.errors import RowErrorKind
    from batchrepo.writing.refusals.driver_errors import DriverRefusal

STATUSES: Mapping[RowErrorKind, int] = {
    "unique": 409,
    "foreign_key": 409,
    "duplicate": 409,
    "other": 409,
    "not_null": 422,
    "check": 422,
    "value": 422,
    "forbidden": 403,
    "not_found": 404,
    "stale": 412,
}
"""The HTTP status of one refused row. A row that criteria hide is not found, like one that is not there."""

CODES: Mapping[int, str] = {
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    412: "STALE",
    422: "INVALID",
}
"""The names of these statuses, for programs."""

REFUSED = "The database refused it, and so nothing was written."
"""What a client is told where the database does not say more that is meant for clients."""

_TEXTS: Mapping[RowErrorKind, str] = {
    "unique": "Another row has the same values already.",
    "foreign_key": "It refers to a row that does not exist, or rows that exist refer to it.",
    "not_null": "A value is missing that must be there.",
    "check": "A value is not allowed.",
    "value": "A value does not fit into its column.",
}


def status_of(error: WriteError) -> int:
    """The status of several refused rows: what they have in common, else 422; 409 where it is not known which they are."""
    if isinstance(error, StaleRows | ForbiddenWrite):
        return 412 if isinstance(error, StaleRows) else 403
    found = {STATUSES[row.kind] for row in error.rows}
    if not found:
        return 409
    return found.pop() if len(found) == 1 else 422


def said(row: RowError) -> str:
    """What a client is told about a refused row: without the words of the database."""
    if row.kind == "other":
        return "The database refused it."
    if row.kind == "duplicate":
        return row.message.partition(" Pass ")[0]  # what the application could do is no business of clients
    what, colon, _ = row.message.partition(": ")
    fits = row.kind == "value" and colon and what == "A value does not fit into its column"
    return f"{what}." if fits else row.message


def detail_of(error: WriteError) -> str:
    """What happened, for people; of a single row just why."""
    if len(error.rows) == 1:
        return said(error.rows[0])
    if error.rows:
        return f"{len(error.rows)} rows were refused, and so nothing was written."
    return "Somebody else has changed it meanwhile." if isinstance(error, StaleRows) else REFUSED


def of_database(error: StatementError) -> RowError | None:
    """The row that a database's own error is about; None where it is about something else.

    It comes from statements of the application's own, so nothing is known of an entity, and the database's words
    are not passed on.
    """
    refusal: DriverRefusal | None = read_refusal(error)
    text = None if refusal is None else _TEXTS.get(refusal.kind)
    if refusal is None or text is None:
        return None
    return RowError(0, refusal.kind, text, constraint=refusal.constraint, columns=refusal.columns)
