"""The ways to update rows that have the same columns; each says how many rows of the table it has updated."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.errors import InvalidArgument
from batchrepo.sql.insert import array_parameters, array_rows
from batchrepo.sql.update import (
    by_parameters,
    for_driver,
    names_in_rows,
    parameters_of,
    rows_in,
    temporary_rows,
    why_not_driven,
)
from batchrepo.sql.wire import wire_of
from batchrepo.writing.choosing import Choice
from batchrepo.writing.copying import copy_rows
from batchrepo.writing.falling_back import refused_ways
from batchrepo.writing.rows.encoding import Encoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Dialect

    from batchrepo.errors import BulkError
    from batchrepo.executing.writer import Writer
    from batchrepo.sql.update import RowUpdate
    from batchrepo.writing.choosing import Method
    from batchrepo.writing.refusals.applying import Part
    from batchrepo.writing.rows.columns import WriteColumns
    from batchrepo.writing.rows.shapes import Row

COPY_FROM = 10_000
"""From how many rows COPY to a temporary table is faster than arrays, as measured (docs/writing.md)."""

WAYS: tuple[Method, ...] = ("values", "temporary_table", "unnest", "executemany", "one_by_one")
"""The ways to update, the better ones first."""

_numbers = count(1)


class Updater:
    """Updates rows that have the same columns.

    Args:
        columns: of the entity.
        names: the attributes of the rows, in the order of ``update.columns``.
        update: what happens to them.
        values: of the parameters in its conditions.
        contextual: a column whose ``onupdate`` only SQLAlchemy's own execution can make; or None.
        dialect: of the database.
        method: the way that the caller wants, or None.
    """

    def __init__(
        self,
        columns: WriteColumns,
        names: tuple[str, ...],
        update: RowUpdate,
        values: dict[str, Any],
        contextual: str | None,
        dialect: Dialect,
        method: str | None,
    ) -> None:
        self._update = update
        self._values_of_where = values
        self._contextual = contextual
        self._dialect = dialect
        self._asked = method
        self._encoder = Encoder(columns, names, dialect)
        self._cause = f"update {columns.entity.name}"
        self._entity = columns.entity.name

    def choice(self, rows: int) -> Choice:
        """The way for so many rows.

        Raises:
            InvalidArgument: the way that is asked for is not possible.
        """
        if self._asked is not None:
            asked: Any = self._asked
            reason = (
                self.why_not(asked, rows)
                if asked in WAYS
                else f"an update has the ways {', '.join(WAYS[1:])}"
            )
            if reason is not None:
                raise InvalidArgument(
                    f"method={asked!r} cannot update these rows of {self._entity}: {reason}. Leave it out: the fastest "
                    f"way that is possible is chosen, and explain_write() says why."
                )
            return Choice(asked, "asked for")
        others: list[tuple[Method, str]] = []
        for method in WAYS:
            reason = self.why_not(method, rows)
            if reason is None and method == "temporary_table" and rows < COPY_FROM:
                reason = f"fewer than {COPY_FROM} rows are faster as arrays"
            if reason is None:
                return Choice(method, _WHY[method], tuple(others))
            if method != "values" and _of_database(method, self._dialect):
                others.append((method, reason))
        raise AssertionError("one_by_one takes everything")  # pragma: no cover

    def why_not(self, method: Method, rows: int) -> str | None:
        """Why a way cannot update these rows; None where it can."""
        known = dict(refused_ways(self._update.table))
        if method in known:
            return f"the database has refused it: {known[method]}"
        if not _of_database(method, self._dialect):
            return f"{self._dialect.name} has no such way"
        if method == "one_by_one":
            return None
        if method == "values":
            return None if rows == 1 else "there is more than one row"
        if self._contextual is not None:
            return f"the onupdate of {self._contextual} is a function of SQLAlchemy's execution context"
        for column in self._update.columns:
            wire = wire_of(column.type, self._dialect)
            reason = wire.raw or (wire.no_array if method == "unnest" else None)
            if reason is not None:
                return f"{column.name}: {reason}"
        return why_not_driven(self._update) if method == "executemany" else None

    def write(self, writer: Writer, part: Part[Row], method: Method) -> int:
        """Update rows.

        Returns:
            How many were.

        Raises:
            BulkError: a value does not fit its column.
            CopyRefused: this way is not possible for the table.
            sqlalchemy.exc.DBAPIError: the database refused a row.
        """
        found: int = getattr(self, f"_{method}")(writer, part)
        return found

    # --- SQLAlchemy's own execution -------------------------------------------------------------

    def _values(self, writer: Writer, part: Part[Row]) -> int:
        return self._one_by_one(writer, part)

    def _one_by_one(self, writer: Writer, part: Part[Row]) -> int:
        statement = by_parameters(self._update)
        found = 0
        # A list of parameters would be one call, but then not every driver says how many rows there were.
        for row in part.rows:
            params = {**parameters_of(row), **self._values_of_where}
            found += writer.execute(statement, params, cause=self._cause, keys=1).rowcount
        return found

    # --- PostgreSQL -----------------------------------------------------------------------------

    def _unnest(self, writer: Writer, part: Part[Row]) -> int:
        arrays = self._encoder.arrays(part.rows, part.indexes)
        _, values = array_rows(self._encoder.array_types)
        params = {**array_parameters(arrays), **self._values_of_where}
        statement = self._update.statement(values)
        return int(writer.execute(statement, params, cause=self._cause, keys=len(part)).rowcount)

    def _temporary_table(self, writer: Writer, part: Part[Row]) -> int:
        # asyncpg keeps what it has learnt of a table by its name.
        name = f"batchrepo_update_{next(_numbers)}"
        rows: Sequence[Row] = self._encoder.rows(part.rows, part.indexes)
        create = temporary_rows(name, self._update, self._dialect)
        writer.execute(sa.text(create.replace(":", "\\:")), cause=self._cause)

        def wrong(at: int, said: str) -> BulkError:
            return self._encoder.wrong_types(part.rows, part.indexes, at, said)

        copy_rows(writer, name, None, names_in_rows(self._update), rows, cause=self._cause, wrong=wrong)
        statement = self._update.statement(rows_in(name, self._update))
        result = writer.execute(statement, self._values_of_where, cause=self._cause, keys=len(rows))
        writer.execute(
            sa.text(f"DROP TABLE {self._dialect.identifier_preparer.quote(name)}"), cause=self._cause
        )
        return int(result.rowcount)

    # --- SQLite ---------------------------------------------------------------------------------

    def _executemany(self, writer: Writer, part: Part[Row]) -> int:
        update = for_driver(self._update, self._values_of_where, self._dialect)
        rows = list(map(update.arrange, self._encoder.rows(part.rows, part.indexes)))
        with writer.driven(update.sql, cause=self._cause, keys=len(rows)) as driven:
            cursor = writer.wait(writer.driver.executemany(update.sql, rows))
            found = int(cursor.rowcount)
            writer.wait(cursor.close())
            driven.rows = found
        return found


_WHY: dict[Method, str] = {
    "values": "one row",
    "temporary_table": f"{COPY_FROM} rows or more: COPY, then one UPDATE ... FROM",
    "unnest": "one UPDATE ... FROM with an array for each column",
    "executemany": "one prepared statement, run by the driver for all rows",
    "one_by_one": "SQLAlchemy's own execution takes everything, row by row",
}


def _of_database(method: Method, dialect: Dialect) -> bool:
    if method in ("temporary_table", "unnest"):
        return dialect.name == "postgresql"
    return method != "executemany" or dialect.name == "sqlite"
