"""Statements that insert many rows: one text for any number of them."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

    Columns = Sequence[sa.Column[Any]]

ROWS = "batchrepo_rows"
"""What the rows are called in a statement, as parameters (one for each column) and as a table."""


@dataclass(frozen=True, slots=True)
class DriverInsert:
    """An INSERT for the driver itself.

    Attributes:
        sql: for one row.
        order: of the parameters: places in a row that is followed by `constants`.
        constants: parameters that are the same for all rows.
    """

    sql: str
    order: tuple[int, ...]
    constants: tuple[Any, ...]

    def parameters(self, rows: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
        """The parameters of each row, from values in the order of the columns."""
        if not self.constants and self.order == tuple(range(len(self.order))):
            return rows
        if len(self.order) == 1:
            return rows if not self.constants else [self.constants for _ in rows]
        take = itemgetter(*self.order)
        return [take((*row, *self.constants)) for row in rows]

    def many(self, rows: int, returning: str) -> str:
        """The text for several rows at once, which gives back a column."""
        head, _, values = self.sql.rpartition(" VALUES ")
        return f"{head} VALUES {', '.join([values] * rows)} RETURNING {returning}"


def driver_insert(
    statement: Any, columns: Columns, dialect: Dialect, values: Mapping[str, Any] | None = None
) -> DriverInsert:
    """Compile an INSERT for the driver's ``executemany``.

    Args:
        statement: without values.
        columns: those that rows have.
        dialect: one whose parameters are positional.
        values: of parameters that the statement has besides, by name.
    """
    places = {column.key: place for place, column in enumerate(columns)}
    compiled = statement.inline().compile(
        dialect=dialect, column_keys=list(places), compile_kwargs={"render_postcompile": True}
    )
    given = compiled.construct_params(values or {}, _check=False)
    order: list[int] = []
    constants: list[Any] = []
    for name in compiled.positiontup or ():
        if name in places:
            order.append(places[name])
            continue
        order.append(len(columns) + len(constants))
        process = compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)
        constants.append(given[name] if process is None else process(given[name]))
    return DriverInsert(str(compiled), tuple(order), tuple(constants))


def array_rows(arrays: Sequence[TypeEngine[Any]]) -> tuple[Any, list[Any]]:
    """Rows that travel as one array for each column: the table, in FROM, and its columns; it has an ``ordinal``."""
    parameters = [sa.bindparam(f"{ROWS}_{place}", type_=kind) for place, kind in enumerate(arrays)]
    columns: list[sa.ColumnClause[Any]] = [sa.column(f"c{place}") for place in range(len(arrays))]
    source = (
        sa.func.unnest(*parameters)
        .table_valued(*columns, with_ordinality="ordinal", name=ROWS)
        .render_derived(name=ROWS)
    )
    return source, [source.c[f"c{place}"] for place in range(len(arrays))]


def array_parameters(arrays: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """The parameters of `array_rows`."""
    return {f"{ROWS}_{place}": values for place, values in enumerate(arrays)}


def insert_from(
    statement: PostgresInsert, columns: Columns, values: Sequence[Any], source: Any, order: Sequence[Any]
) -> PostgresInsert:
    """``INSERT ... SELECT``; SQL defaults of the columns that are left out are in its SELECT.

    Args:
        statement: the INSERT.
        columns: those that the rows have.
        values: their values in the source.
        source: what the rows are read from.
        order: in which they are written, so that numbers which the database gives follow it.
    """
    select = sa.select(*values).select_from(source).order_by(*order)
    return statement.from_select(list(columns), select)


def temporary_table(name: str, table: sa.Table, columns: Columns, dialect: Dialect) -> str:
    """``CREATE TEMPORARY TABLE`` with columns of the same types, which takes whatever they can hold."""
    prepare = dialect.identifier_preparer
    listed = ", ".join(prepare.format_column(column) for column in columns)
    select = f"SELECT {listed} FROM {prepare.format_table(table)}"  # noqa: S608  names, all of them quoted
    return f"CREATE TEMPORARY TABLE {prepare.quote(name)} ON COMMIT DROP AS {select} WITH NO DATA"


def copied_table(name: str, columns: Columns) -> sa.TableClause:
    """A temporary table as later statements name it."""
    return sa.table(name, *(sa.column(column.name) for column in columns))


def reserved_keys(table: sa.Table, column: sa.Column[Any], dialect: Dialect) -> sa.TextClause:
    """Draw ``:count`` numbers for a column from its sequence, as an array; it is empty where the role may not use it, or there is none."""
    owned = sa.text(
        "WITH owned AS MATERIALIZED (SELECT pg_get_serial_sequence(:table, :column)::regclass AS sequence), "
        "mine AS MATERIALIZED (SELECT sequence FROM owned WHERE has_sequence_privilege(sequence, 'USAGE')) "
        "SELECT array(SELECT nextval(mine.sequence) FROM mine, generate_series(1, :count))"
    )
    name = dialect.identifier_preparer.format_table(table)
    return owned.bindparams(sa.bindparam("count", type_=sa.Integer()), table=name, column=column.name)


def values_of(columns: Columns, rows: Sequence[Sequence[Any]]) -> list[Mapping[str, Any]]:
    """Rows as SQLAlchemy's ``execute`` takes them."""
    keys = [column.key for column in columns]
    return [dict(zip(keys, row, strict=True)) for row in rows]
