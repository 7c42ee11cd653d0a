"""``COPY ... FROM STDIN``, through asyncpg and through psycopg."""

from __future__ import annotations

from operator import length_hint
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Dialect

    from batchrepo.errors import BulkError
    from batchrepo.executing.writer import Writer
    from batchrepo.writing.rows.shapes import Row


class CopyRefused(Exception):
    """The server or the driver cannot COPY into this table, whatever the rows; the text says why."""


_UNSUPPORTED = "0A000"
"""SQLSTATE of what PostgreSQL does not do, such as COPY into a table with row-level security."""


def copy_rows(
    writer: Writer,
    table: str,
    schema: str | None,
    columns: Sequence[str],
    rows: Sequence[Row],
    *,
    cause: str,
    wrong: Callable[[int, str], BulkError],
) -> None:
    """Write rows into a table.

    Args:
        writer: the connection.
        table: its name.
        schema: its schema, or None for the first of the search path.
        columns: names in the table.
        rows: values as the driver takes them.
        cause: what needs it, for the report.
        wrong: makes the error for the row at a place that the driver cannot encode; the text is the driver's.

    Raises:
        BulkError: the driver cannot encode a value.
        CopyRefused: it cannot be done for this table.
        sqlalchemy.exc.DBAPIError: the database refused a row.
    """
    dialect = writer.connection.dialect
    sql = copy_text(dialect, table, schema, columns)
    driver = writer.driver
    iterator = iter(rows)
    try:
        with writer.driven(sql, cause=cause, keys=len(rows)) as driven:
            if dialect.driver == "asyncpg":
                copied = driver.copy_records_to_table(
                    table, records=iterator, columns=list(columns), schema_name=schema
                )
                writer.wait(copied)
            else:
                writer.wait(_with_psycopg(driver, sql, iterator))
            driven.rows = len(rows)
    except DBAPIError as error:
        told: Any = error.orig
        state = getattr(told, "sqlstate", None) or getattr(told.__cause__, "sqlstate", None)
        if state == _UNSUPPORTED:
            raise CopyRefused(str(told).partition("\n")[0]) from error
        at = len(rows) - length_hint(iterator) - 1
        if state is None and at >= 0 and not error.connection_invalidated:
            raise wrong(at, _said(error)) from error
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise wrong(max(len(rows) - length_hint(iterator) - 1, 0), _said(error)) from error
    except Exception as error:
        if type(error).__name__ == "InternalClientError":  # of asyncpg: a type without a binary form
            raise CopyRefused(_said(error)) from error
        raise


def copy_text(dialect: Dialect, table: str, schema: str | None, columns: Sequence[str]) -> str:
    """The statement."""
    quote = dialect.identifier_preparer.quote
    name = f"{quote(schema)}.{quote(table)}" if schema else quote(table)
    return f"COPY {name} ({', '.join(map(quote, columns))}) FROM STDIN"


async def _with_psycopg(driver: Any, sql: str, rows: Any) -> None:
    async with driver.cursor() as cursor, cursor.copy(sql) as copy:
        for row in rows:
            await copy.write_row(row)


def _said(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
