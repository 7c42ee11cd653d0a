"""What a database says when it refuses a row: which constraint, which columns, and sometimes which values.

PostgreSQL says much of it in fields of the error (asyncpg and psycopg name them differently); SQLite says it in
one line of text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError, StatementError

if TYPE_CHECKING:
    from batchrepo.errors import RowErrorKind

_KINDS: dict[str, RowErrorKind] = {
    "23505": "unique",
    "23P01": "unique",  # an exclusion constraint: another row stands in the way, too
    "23503": "foreign_key",
    "23001": "foreign_key",
    "23502": "not_null",
    "23514": "check",
    "44000": "check",  # WITH CHECK OPTION of a view
    "P0001": "other",  # RAISE in a trigger
}
"""By SQLSTATE."""

_SQLITE_KINDS: dict[str, RowErrorKind] = {
    "SQLITE_CONSTRAINT_UNIQUE": "unique",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "unique",
    "SQLITE_CONSTRAINT_ROWID": "unique",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "foreign_key",
    "SQLITE_CONSTRAINT_NOTNULL": "not_null",
    "SQLITE_CONSTRAINT_CHECK": "check",
    "SQLITE_CONSTRAINT_DATATYPE": "value",
    "SQLITE_CONSTRAINT_TRIGGER": "other",
    "SQLITE_MISMATCH": "value",
    "SQLITE_TOOBIG": "value",
}
"""By SQLite's name of the error."""

_KEY = re.compile(r"\((?P<columns>.*?)\)=\((?P<values>.*)\)", re.DOTALL)
"""The part of a detail that says which key it is about, in whichever language: ``Key (ref)=(x) already exists.``"""

_LINE = re.compile(r"^COPY .*?, line (?P<line>\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class DriverRefusal:
    """What the database says of a row that it refused.

    Attributes:
        kind: why.
        text: its own words, one line.
        constraint: the constraint's name.
        table: the table's name; of a row that is still referred to, the table that refers.
        columns: names in the table.
        values: the values of `columns`, as PostgreSQL writes them, separated by a comma and a space.
        line: of a COPY, counted from 1.
    """

    kind: RowErrorKind
    text: str
    constraint: str | None = None
    table: str | None = None
    columns: tuple[str, ...] = ()
    values: str | None = None
    line: int | None = None


def read_refusal(error: StatementError) -> DriverRefusal | None:
    """What an error says of a row; None where it is about something else: a lock, the connection, the statement."""
    origin: Any = error.orig
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return None
    if origin is None:
        return None
    if not isinstance(error, DBAPIError):
        return DriverRefusal("value", _one_line(origin))  # a type's bind processor refused the value
    if (name := getattr(origin, "sqlite_errorname", None)) is not None:
        return _of_sqlite(name, str(origin))
    told = origin.__cause__ or origin  # asyncpg's own error stands behind the one of SQLAlchemy's adapter
    return _of_postgres(told, getattr(told, "diag", None))


def _of_sqlite(name: str, text: str) -> DriverRefusal | None:
    kind = _SQLITE_KINDS.get(name)
    if kind is None:
        return None
    _, _, rest = text.partition(" constraint failed: ")
    if kind == "check":
        return DriverRefusal(kind, text, constraint=rest or None)
    if rest.startswith("index '"):
        return DriverRefusal(kind, text, constraint=rest[len("index '") : -1])
    if kind not in ("unique", "not_null"):
        return DriverRefusal(kind, text)
    named = [part.strip().rpartition(".") for part in rest.split(",")]
    return DriverRefusal(kind, text, table=named[0][0] or None, columns=tuple(column for *_, column in named))


def _of_postgres(told: Any, diag: Any) -> DriverRefusal | None:
    state = getattr(told, "sqlstate", None)
    text = _one_line(told)
    kind = _kind_of(type(told), state, text)
    if kind is None:
        return None
    source, detail, where = (
        (told, "detail", "context") if diag is None else (diag, "message_detail", "context")
    )
    found = _KEY.search(getattr(source, detail, None) or "")
    line = _LINE.search(getattr(source, where, None) or "")
    columns: tuple[str, ...] = ()
    if found is not None:
        columns = tuple(name.strip().strip('"') for name in found["columns"].split(","))
    elif (column := getattr(source, "column_name", None)) is not None:
        columns = (column,)
    return DriverRefusal(
        kind,
        text,
        constraint=getattr(source, "constraint_name", None),
        table=getattr(source, "table_name", None),
        columns=columns,
        values=None if found is None else found["values"],
        line=None if line is None else int(line["line"]),
    )


def _kind_of(error: type[Any], state: str | None, text: str) -> RowErrorKind | None:
    if state is None:
        # The driver refused a value before it was sent.
        return "value" if error.__name__ == "DataError" or issubclass(error, ValueError) else None
    if state == "42501":
        return "forbidden" if "row-level security" in text else None
    return "value" if state.startswith("22") else _KINDS.get(state)


def _one_line(error: Any) -> str:
    return str(error).partition("\n")[0]
