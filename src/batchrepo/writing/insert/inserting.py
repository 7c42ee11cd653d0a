"""The ways to insert rows that have the same columns; each gives back primary keys where they are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from batchrepo.sql.insert import (
    array_parameters,
    array_rows,
    driver_insert,
    insert_from,
    reserved_keys,
    values_of,
)
from batchrepo.writing.choosing import Request, choose
from batchrepo.writing.copying import CopyRefused, copy_rows
from batchrepo.writing.falling_back import refused_ways
from batchrepo.writing.rows.allocating import allocating
from batchrepo.writing.rows.encoding import Encoder
from batchrepo.writing.rows.intake import keys_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Dialect

    from batchrepo.errors import BulkError
    from batchrepo.executing.writer import Writer
    from batchrepo.writing.choosing import Choice, Method
    from batchrepo.writing.refusals.applying import Part
    from batchrepo.writing.rows.columns import WriteColumns
    from batchrepo.writing.rows.shapes import Row

BIND_LIMIT = 32_000
"""Parameters of one statement: SQLite takes 32,766."""


class Inserter:
    """Inserts rows that have the same columns.

    Args:
        columns: of the entity.
        names: the attributes that the rows have.
        keys: whether their primary keys are wanted.
        dialect: of the database.
        method: the way that the caller wants, or None.
    """

    def __init__(
        self, columns: WriteColumns, names: tuple[str, ...], keys: bool, dialect: Dialect, method: str | None
    ) -> None:
        self._columns = columns
        self._names = names
        self._dialect = dialect
        self._method = method
        self._table = columns.table
        self._written = [columns.columns[name].column for name in names]
        self._keys = keys
        self._missing = [column for column in columns.key if column.name not in names]
        self._encoder = Encoder(columns, names, dialect)
        self._cause = f"insert {columns.entity.name}"

    def choice(self, rows: int) -> Choice:
        """The way for so many rows."""
        asks = self._keys and bool(self._missing)
        request = Request(self._columns, self._names, rows, asks, refused=refused_ways(self._table))
        return choose(request, self._dialect, self._method)

    def write(self, writer: Writer, part: Part[Row], method: Method) -> list[Any]:
        """Insert rows.

        Returns:
            Their primary keys in the order of the rows, where they are wanted, or else nothing.

        Raises:
            BulkError: a value does not fit its column.
            CopyRefused: this way is not possible for the table.
            sqlalchemy.exc.DBAPIError: the database refused a row.
        """
        found: list[Any] = getattr(self, f"_{method}")(writer, part)
        return found

    # --- SQLAlchemy's own execution -------------------------------------------------------------

    def _values(self, writer: Writer, part: Part[Row]) -> list[Any]:
        return self._insertmanyvalues(writer, part)

    def _insertmanyvalues(self, writer: Writer, part: Part[Row]) -> list[Any]:
        rows: Any = values_of(self._written, part.rows)
        if len(rows) == 1:
            (rows,) = rows
        statement: Any = sa.insert(self._table)
        if not (self._keys and self._missing):
            # Without inline() one row would ask for its key.
            writer.execute(statement.inline(), rows, cause=self._cause, keys=len(part))
            return self._given(part.rows)
        key = [column.column for column in self._columns.key]
        statement = (
            statement.returning(*key)
            if isinstance(rows, dict)
            else statement.returning(*key, sort_by_parameter_order=True)
        )
        found = writer.execute(statement, rows, cause=self._cause, keys=len(part)).all()
        return [row[0] for row in found] if len(key) == 1 else [tuple(row) for row in found]

    # --- PostgreSQL -----------------------------------------------------------------------------

    def _unnest(self, writer: Writer, part: Part[Row]) -> list[Any]:
        arrays = self._encoder.arrays(part.rows, part.indexes)
        source, values = array_rows(self._encoder.array_types)
        statement: Any = insert_from(
            postgresql.insert(self._table), self._written, values, source, [source.c.ordinal]
        )
        if self._keys and self._missing:
            (missing,) = self._missing
            statement = statement.returning(missing.column)
        result = writer.execute(statement, array_parameters(arrays), cause=self._cause, keys=len(part))
        if not (self._keys and self._missing):
            return self._given(part.rows)
        # The rows are inserted in the order of the SELECT, so their numbers ascend in the order of the input,
        # whatever the order in which they come back.
        return self._with_numbers(part.rows, sorted(result.scalars()))

    def _copy(self, writer: Writer, part: Part[Row]) -> list[Any]:
        names, rows = self._written, self._encoder.rows(part.rows, part.indexes)
        keys: list[Any] | None = None
        if self._keys and self._missing:
            (missing,) = self._missing
            numbers = self._reserve(writer, missing.column, len(rows))
            names = [*names, missing.column]
            rows = _beside(rows, numbers)
            keys = self._with_numbers(part.rows, numbers)

        def wrong(at: int, said: str) -> BulkError:
            return self._encoder.wrong_types(part.rows, part.indexes, at, said)

        copy_rows(
            writer,
            self._table.name,
            schema_of(self._table, writer),
            [column.name for column in names],
            rows,
            cause=self._cause,
            wrong=wrong,
        )
        return self._given(part.rows) if keys is None else keys

    def _reserve(self, writer: Writer, column: sa.Column[Any], count: int) -> list[Any]:
        statement = reserved_keys(self._table, column, self._dialect)
        numbers = writer.execute(statement, {"count": count}, cause=self._cause, keys=count).scalar_one()
        if len(numbers) != count:
            raise CopyRefused(f"{column} has no sequence that this role may draw from")
        return sorted(numbers)

    # --- SQLite ---------------------------------------------------------------------------------

    def _executemany(self, writer: Writer, part: Part[Row]) -> list[Any]:
        insert = driver_insert(sa.insert(self._table), self._written, self._dialect)
        rows = insert.parameters(self._encoder.rows(part.rows, part.indexes))
        with writer.driven(insert.sql, cause=self._cause, keys=len(rows)) as driven:
            writer.wait(writer.driver.executemany(insert.sql, rows))
            driven.rows = len(rows)
        return self._given(part.rows)

    def _multivalues(self, writer: Writer, part: Part[Row]) -> list[Any]:
        insert = driver_insert(sa.insert(self._table), self._written, self._dialect)
        (missing,) = self._missing
        returning = self._dialect.identifier_preparer.format_column(missing.column)
        rows = insert.parameters(self._encoder.rows(part.rows, part.indexes))
        size = max(BIND_LIMIT // len(insert.order), 1)
        numbers: list[Any] = []
        for start in range(0, len(rows), size):
            some = rows[start : start + size]
            sql = insert.many(len(some), returning)
            values = [value for row in some for value in row]
            with writer.driven(sql, cause=self._cause, keys=len(some)) as driven:
                found = writer.wait(writer.driver.execute_fetchall(sql, values))
                driven.rows = len(some)
            # SQLite numbers new rows upwards, in the order of VALUES.
            numbers += sorted(number for (number,) in found)
        return self._with_numbers(part.rows, numbers)

    # --- keys -----------------------------------------------------------------------------------

    def _given(self, rows: Sequence[Row]) -> list[Any]:
        """The keys that the rows have."""
        if self._missing or not self._keys:
            return []
        return keys_of(self._columns, self._names, rows)

    def _with_numbers(self, rows: Sequence[Row], numbers: Sequence[Any]) -> list[Any]:
        """The keys, of which one column was missing."""
        if len(self._columns.key) == 1:
            return list(numbers)
        places = [
            None if column.name not in self._names else self._names.index(column.name)
            for column in self._columns.key
        ]
        return [
            tuple(number if place is None else row[place] for place in places)
            for row, number in zip(rows, numbers, strict=True)
        ]


@allocating
def _beside(rows: Sequence[Row], values: Sequence[Any]) -> list[Row]:
    return [(*row, value) for row, value in zip(rows, values, strict=True)]


def schema_of(table: sa.Table, writer: Writer) -> str | None:
    """The table's schema, by the connection's ``schema_translate_map``."""
    translated = writer.connection.get_execution_options().get("schema_translate_map") or {}
    found: Any = translated.get(table.schema, table.schema)
    return found  # type: ignore[no-any-return]
