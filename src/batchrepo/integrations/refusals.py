"""What a client is told about rows that were not written: which of them, why, and with which status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrepo.errors import ForbiddenWrite, RowError, StaleRows, WriteError
from batchrepo.writing.driver_errors import read_refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.exc import StatementError

    from batchrepo.errors import RowErrorKind
    from batchrepo.writing.driver_errors import DriverRefusal

STATUSES: Mapping[RowErrorKind, int] = {
    "unique": 409,
    "foreign_key": 409,
    "not_null": 422,
    "check": 422,
    "value": 422,
    "duplicate": 422,
    "other": 422,
    "forbidden": 403,
    "not_found": 404,
    "stale": 412,
}
"""The HTTP status of one refused row."""

CODES: Mapping[int, str] = {
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    412: "STALE",
    422: "INVALID_ROW",
}
"""The names of these statuses, for programs."""

_TEXTS: Mapping[RowErrorKind, str] = {
    "unique": "Another row has the same value already.",
    "foreign_key": "A row refers to one that does not exist, or rows that exist refer to it.",
    "not_null": "A value is missing.",
    "check": "A value breaks a rule.",
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


def detail_of(error: WriteError) -> str:
    """What happened, for people; of a single row just why."""
    if len(error.rows) == 1 and error.rows[0].index == 0:
        return f"{error.entity}: {error.rows[0].message}" if error.entity else error.rows[0].message
    return str(error)


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
