"""Statements that update rows by their keys: one text for any number of rows."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.dml import Update
    from sqlalchemy.sql.elements import ColumnElement

    Columns = tuple[sa.Column[Any], ...]
    Row = Sequence[Any]

VALUE = "batchrepo_value"
"""What the values of a row are called as parameters, with their places behind."""


@dataclass(frozen=True, slots=True)
class RowUpdate:
    """An UPDATE of rows, each of which says its key, what must still be so, and what is to be set.

    Attributes:
        table: the table.
        key: the columns by which a row is found.
        compared: columns that must have the row's values, or it is not updated: its version.
        changed: columns that get the row's values.
        made: columns that get the same SQL in each row.
        where: what else must hold.
    """

    table: sa.Table
    key: Columns
    compared: Columns
    changed: Columns
    made: Mapping[sa.Column[Any], Any]
    where: tuple[ColumnElement[bool], ...]

    @property
    def columns(self) -> Columns:
        """What the values of a row are of, in this order."""
        return (*self.key, *self.compared, *self.changed)

    def statement(self, values: Sequence[Any]) -> Update:
        """The UPDATE.

        Args:
            values: stands for the values of a row, in the order of `columns`: parameters, or columns of a table of
                rows, which is then in its FROM.
        """
        tested = len(self.key) + len(self.compared)
        equal = [
            column == value for column, value in zip(self.columns[:tested], values[:tested], strict=True)
        ]
        setting = dict(zip(self.changed, values[tested:], strict=True))
        return sa.update(self.table).where(*equal, *self.where).values({**setting, **self.made})


def by_parameters(update: RowUpdate) -> Update:
    """An UPDATE of one row, its values parameters."""
    return update.statement(
        [sa.bindparam(f"{VALUE}_{place}", type_=column.type) for place, column in enumerate(update.columns)]
    )


def parameters_of(row: Row) -> dict[str, Any]:
    """The parameters of `by_parameters`."""
    return {f"{VALUE}_{place}": value for place, value in enumerate(row)}


@dataclass(frozen=True, slots=True)
class DriverUpdate:
    """An UPDATE for the driver's ``executemany``.

    Attributes:
        sql: for one row.
        arrange: from the values of a row, as the driver takes them, to the parameters in their order.
    """

    sql: str
    arrange: Callable[[Row], Row]


def why_not_driven(update: RowUpdate) -> str | None:
    """Why the driver cannot run an UPDATE by itself; None where it can."""
    for part in (*update.where, *update.made.values()):
        if isinstance(part, sa.ClauseElement):
            for node in visitors.iterate(part):
                if isinstance(node, sa.BindParameter) and node.expanding:
                    return "a criterion has a list of values in it, which SQLAlchemy writes out at each execution"
    return None


def for_driver(update: RowUpdate, values: Mapping[str, Any], dialect: Dialect) -> DriverUpdate:
    """Compile an UPDATE for a driver whose parameters are positional.

    Args:
        update: one for which `why_not_driven` gives no reason.
        values: of the parameters in its conditions.
        dialect: of the database.
    """
    compiled: Any = by_parameters(update).compile(dialect=dialect)
    fixed = compiled.construct_params(dict(values), _check=False)
    places: list[int] = []
    constants: list[Any] = []
    own = {f"{VALUE}_{place}": place for place in range(len(update.columns))}
    for name in compiled.positiontup:
        if name in own:
            places.append(own[name])
            continue
        process = compiled._bind_processors.get(name)
        places.append(len(own) + len(constants))
        constants.append(fixed[name] if process is None else process(fixed[name]))
    pick: Any = itemgetter(*places)  # of two or more: a key and a value
    if not constants:
        return DriverUpdate(str(compiled), pick)
    behind = tuple(constants)
    return DriverUpdate(str(compiled), lambda row: pick((*row, *behind)))


def temporary_rows(name: str, update: RowUpdate, dialect: Dialect) -> str:
    """``CREATE TEMPORARY TABLE`` for rows of an UPDATE: what a column can hold, its copy can."""
    quote = dialect.identifier_preparer
    listed = ", ".join(
        f"{quote.format_column(column)} AS {kept}"
        for column, kept in zip(update.columns, names_in_rows(update), strict=True)
    )
    select = f"SELECT {listed} FROM {quote.format_table(update.table)}"  # noqa: S608  quoted names
    return f"CREATE TEMPORARY TABLE {quote.quote(name)} ON COMMIT DROP AS {select} WITH NO DATA"


def names_in_rows(update: RowUpdate) -> list[str]:
    """The columns of `temporary_rows`: numbered, since a version is there twice, as it was and as it will be."""
    return [f"c{place}" for place in range(len(update.columns))]


def rows_in(name: str, update: RowUpdate) -> list[Any]:
    """The columns of `temporary_rows` as a statement names them."""
    source = sa.table(name, *(sa.column(each) for each in names_in_rows(update)))
    return list(source.c)
