"""Which rows of a table have given values in some columns, each answer told by the place of its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from batchrepo.sql.keys import key_dialect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.sql.keys import Key, KeyFilter


@dataclass(frozen=True, slots=True)
class Located:
    """A SELECT of some columns for the rows with given values.

    Attributes:
        statement: the SELECT.
        filter: how it is limited to the values.
    """

    statement: sa.Select[Any]
    filter: KeyFilter

    def parameters(self, values: Sequence[Key]) -> Mapping[str, Any]:
        """The parameters for values: each one, or a tuple for several columns."""
        return self.filter.encode(values)

    @property
    def limit(self) -> int | None:
        """How many values one statement takes."""
        return self.filter.limit

    def places(self, values: Sequence[Key], rows: Sequence[Any]) -> dict[int, tuple[Any, ...]]:
        """What was selected, by the place of the values in their sequence."""
        width = len(self.filter.match)
        if self.filter.first_ordinal is not None:
            return {int(row[0]) - self.filter.first_ordinal: tuple(row[1:]) for row in rows}
        found = {row[0] if width == 1 else tuple(row[:width]): tuple(row[width:]) for row in rows}
        return {at: found[value] for at, value in enumerate(values) if value in found}


def locate(
    columns: Sequence[sa.Column[Any]],
    wanted: Sequence[sa.Column[Any]],
    where: ColumnElement[bool] | None,
    dialect: Dialect,
    *,
    lock: bool = False,
) -> Located:
    """Look rows up by the values of some columns.

    Args:
        columns: that are compared.
        wanted: what is selected.
        where: what else must hold.
        dialect: of the database.
        lock: whether the rows are locked until the transaction ends, where the database can do that.
    """
    found = key_dialect(dialect).filter(columns)
    statement = sa.select(*found.match, *wanted).where(*found.conditions)
    if where is not None:
        statement = statement.where(where)
    if lock:
        statement = statement.with_for_update(of=columns[0].table)
    return Located(statement, found)


def locate_all(
    columns: Sequence[sa.Column[Any]],
    wanted: Sequence[sa.Column[Any]],
    where: ColumnElement[bool] | None,
    dialect: Dialect,
) -> tuple[sa.Select[Any], Callable[[Sequence[Key]], Mapping[str, Any]]] | None:
    """Look up rows of which each is there: one array for each wanted column, in the order of the values.

    Returns:
        The SELECT of one row, and what makes its parameters; None where the database has no arrays, or cannot have
        one of these columns in an array.
    """
    if dialect.name != "postgresql" or any(isinstance(column.type, sa.ARRAY) for column in wanted):
        return None
    table = key_dialect(dialect).table([column.type for column in columns])
    if table is None:
        return None
    same = [column == value for column, value in zip(columns, table.columns, strict=True)]
    conditions = same if where is None else [*same, where]
    arrays = [
        sa.func.array_agg(aggregate_order_by(column, table.ordinal), type_=sa.ARRAY(column.type))
        for column in wanted
    ]
    statement: Any = sa.select(*arrays).where(*conditions)
    return statement, table.encode
