"""What a client is told about rows that were not written: which of them, why, and with which status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError, StatementError

from batchrepo.errors import RowError, WriteError
from batchrepo.writing.driver_errors import read_refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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

_TO_TRY_AGAIN = frozenset({"40001", "40P01", "55P03"})
"""SQLSTATE: could not serialize, deadlock, a lock that could not be had."""


def status_of(rows: Iterable[RowError]) -> int:
    """The status of several refused rows: what they have in common, else 422; 409 where it is not known which they are."""
    found = {STATUSES[row.kind] for row in rows}
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


def is_to_try_again(error: Exception) -> bool:
    """Whether another transaction stood in the way, so that the same request may succeed a moment later."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return False
    origin: Any = error.orig
    told: Any = origin.__cause__ or origin  # asyncpg's own error stands behind the one of SQLAlchemy's adapter
    if (state := getattr(told, "sqlstate", None)) is not None:
        return state in _TO_TRY_AGAIN
    name = getattr(origin, "sqlite_errorname", None) or ""
    return name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
