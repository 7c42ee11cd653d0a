"""The ways to upsert rows that have the same columns; each gives back how many were inserted or updated."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from batchrepo.errors import BulkError
from batchrepo.sql.insert import (
    array_parameters,
    array_rows,
    copied_table,
    driver_insert,
    insert_from,
    temporary_table,
    values_of,
)
from batchrepo.sql.upsert import OnConflict, upsert
from batchrepo.sql.wire import is_plain_text
from batchrepo.writing.choosing import Request, choose
from batchrepo.writing.copying import copy_rows
from batchrepo.writing.falling_back import refused_ways
from batchrepo.writing.rows.encoding import Encoder
from batchrepo.writing.update.setting import on_update
from batchrepo.writing.update.versions import Versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Dialect

    from batchrepo.executing.writer import Writer
    from batchrepo.writing.choosing import Choice, Method
    from batchrepo.writing.refusals.applying import Part
    from batchrepo.writing.rows.columns import WriteColumn, WriteColumns
    from batchrepo.writing.rows.shapes import Row
    from batchrepo.writing.upsert.conflicts import Target

_CARDINALITY = "21000"
"""SQLSTATE of a statement that would change one row twice."""

_numbers = count(1)


class Upserter:
    """Upserts rows that have the same columns.

    Args:
        columns: of the entity.
        names: the attributes that the rows have, with those that Python has filled.
        given: those that the caller's rows have.
        target: by which rows are told apart.
        updated: the attributes that an update sets; None for all that are given.
        dialect: of the database.
        bounds: conditions that rows must meet to be updated, and their parameters.
        method: the way that the caller wants, or None.
    """

    def __init__(
        self,
        columns: WriteColumns,
        names: tuple[str, ...],
        given: frozenset[str],
        target: Target,
        updated: tuple[str, ...] | None,
        dialect: Dialect,
        *,
        bounds: tuple[tuple[Any, ...], dict[str, Any]],
        method: str | None,
    ) -> None:
        self._columns = columns
        self._names = names
        self._dialect = dialect
        self._method = method
        self._table = columns.table
        self._target = target
        self._written = [columns.columns[name].column for name in names]
        self._encoder = Encoder(columns, names, dialect)
        self._cause = f"upsert {columns.entity.name}"
        conditions, self._values_of_bounds = bounds
        changed = _changed(columns, given, target, updated)
        # With a function that makes a value for each row, the value of the new row is it.
        anew = [
            column
            for name, column in columns.columns.items()
            if changed and column.updates_as_inserted and name in names and name not in given
        ]
        version = columns.generated_version
        self.checks_version = bool(changed) and version is not None and version.name in given
        self.conflict = OnConflict(
            tuple(column.column for column in target.columns),
            target.where,
            tuple(column.column for column in (*changed, *anew)),
            _set_to(columns, (*changed, *anew)) if changed else {},
            version.column if self.checks_version and version is not None else None,
            conditions if changed else (),
        )

    @property
    def counts(self) -> bool:
        """Whether a row may be left alone although it should be updated, so that rows must be counted."""
        return self.conflict.updates and (self.checks_version or bool(self.conflict.where))

    def choice(self, rows: int) -> Choice:
        """The way for so many rows."""
        request = Request(self._columns, self._names, rows, False, True, refused_ways(self._table))
        return choose(request, self._dialect, self._method)

    def write(self, writer: Writer, part: Part[Row], method: Method) -> int:
        """Upsert rows.

        Returns:
            How many were inserted or updated.

        Raises:
            BulkError: a value does not fit its column, or two rows are one for the database.
            CopyRefused: this way is not possible for the table.
            sqlalchemy.exc.DBAPIError: the database refused a row.
        """
        try:
            found: int = getattr(self, f"_{method}")(writer, part)
        except DBAPIError as error:
            told: Any = error.orig
            if getattr(told, "sqlstate", None) != _CARDINALITY:
                raise
            names = ", ".join(self._target.names)
            raise BulkError(
                f"Rows of {self._columns.entity.name} were refused, and so nothing was written: two rows of the input "
                f"differ in {names}, but are equal for the database.",
                self._columns.entity.name,
            ) from error
        return found

    @property
    def _insert(self) -> Any:
        statement = upsert(self._table, self.conflict, self._dialect)
        return statement.execution_options(preserve_rowcount=True)

    # --- SQLAlchemy's own execution -------------------------------------------------------------

    def _values(self, writer: Writer, part: Part[Row]) -> int:
        (values,) = values_of(self._written, part.rows)
        statement = self._insert.inline()
        result = writer.execute(statement, {**values, **self._values_of_bounds}, cause=self._cause, keys=1)
        return max(result.rowcount, 0)

    def _insertmanyvalues(self, writer: Writer, part: Part[Row]) -> int:
        rows = [{**row, **self._values_of_bounds} for row in values_of(self._written, part.rows)]
        # Only what comes back says how many there were.
        statement = self._insert.returning(*(column.column for column in self._columns.key))
        return len(writer.execute(statement, rows, cause=self._cause, keys=len(part)).all())

    # --- PostgreSQL -----------------------------------------------------------------------------

    def _unnest(self, writer: Writer, part: Part[Row]) -> int:
        arrays = self._encoder.arrays(part.rows, part.indexes)
        source, values = array_rows(self._encoder.array_types)
        by_column = dict(zip(self._written, values, strict=True))
        statement = insert_from(self._insert, self._written, values, source, self._order(by_column))
        params = {**array_parameters(arrays), **self._values_of_bounds}
        return int(writer.execute(statement, params, cause=self._cause, keys=len(part)).rowcount)

    def _temporary_table(self, writer: Writer, part: Part[Row]) -> int:
        name = f"batchrepo_{next(_numbers)}"
        rows = self._encoder.rows(part.rows, part.indexes)
        create = temporary_table(name, self._table, self._written, self._dialect)
        writer.execute(sa.text(create.replace(":", "\\:")), cause=self._cause)

        def wrong(at: int, said: str) -> BulkError:
            return self._encoder.wrong_types(part.rows, part.indexes, at, said)

        names = [column.name for column in self._written]
        copy_rows(writer, name, None, names, rows, cause=self._cause, wrong=wrong)
        source = copied_table(name, self._written)
        by_column = {column: source.c[column.name] for column in self._written}
        statement = insert_from(self._insert, self._written, list(source.c), source, self._order(by_column))
        result = writer.execute(statement, self._values_of_bounds, cause=self._cause, keys=len(rows))
        writer.execute(
            sa.text(f"DROP TABLE {self._dialect.identifier_preparer.quote(name)}"), cause=self._cause
        )
        return int(result.rowcount)

    def _order(self, by_column: dict[sa.Column[Any], Any]) -> list[Any]:
        """By the key that may be there: two upserts that lock the same rows then do so in the same order."""
        order = []
        for column in self._target.columns:
            value = by_column.get(column.column)
            if value is None or not _is_sortable(column):
                continue
            # Any order does; that of a language takes longer.
            order.append(sa.collate(value, "C") if is_plain_text(column.type) else value)
        return order

    # --- SQLite ---------------------------------------------------------------------------------

    def _executemany(self, writer: Writer, part: Part[Row]) -> int:
        insert = driver_insert(self._insert, self._written, self._dialect, self._values_of_bounds)
        rows = insert.parameters(self._encoder.rows(part.rows, part.indexes))
        with writer.driven(insert.sql, cause=self._cause, keys=len(rows)) as driven:
            cursor = writer.wait(writer.driver.executemany(insert.sql, rows))
            found = int(cursor.rowcount)
            writer.wait(cursor.close())
            driven.rows = len(rows)
        return found


def _changed(
    columns: WriteColumns, given: frozenset[str], target: Target, updated: tuple[str, ...] | None
) -> list[WriteColumn]:
    wanted = given if updated is None else given.intersection(updated)
    fixed = {*target.names, *(column.name for column in columns.key)}
    if columns.version is not None:
        fixed.add(columns.version.name)
    return [column for name, column in columns.columns.items() if name in wanted and name not in fixed]


def _set_to(columns: WriteColumns, changed: Sequence[WriteColumn]) -> dict[Any, Any]:
    """Columns that an update sets by itself, as SQLAlchemy's unit of work does."""
    found: dict[Any, Any] = Versions(columns, "unchecked").in_sql("upsert_many")
    for column in columns.columns.values():
        if column not in changed and column is not columns.version:
            found |= on_update(column)
    return found


def _is_sortable(column: WriteColumn) -> bool:
    return not isinstance(column.type, sa.JSON)
