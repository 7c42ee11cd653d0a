"""Keys that are the rows of another part of the same statement, instead of a parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.sql.keys import KeyDialect, KeyFilter, KeyTable, equals_as_python

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.sql.selectable import FromClause
    from sqlalchemy.types import TypeEngine

    from batchrepo.sql.keys import Key


class ParentKeys(KeyDialect):
    """The keys of all rows of a table expression.

    Rows belong to a parent by the value of the key where that is one column whose equality nobody doubts: the rows of
    several parents with an equal key are then read once. Else they belong to it by its number.

    Args:
        dialect: of the database.
        parents: the table expression; the statement names it several times, so it should be a CTE.
        columns: the key's, in `parents`.
        number: tells the rows of `parents` apart.
    """

    def __init__(
        self,
        dialect: Dialect,
        parents: FromClause,
        columns: Sequence[ColumnElement[Any]],
        number: ColumnElement[Any],
    ) -> None:
        super().__init__(dialect)
        self.parents = parents
        self.columns = tuple(columns)
        self.number = number

    def member(self, column: ColumnElement[Any]) -> KeyFilter:
        """``column IN (SELECT key FROM parents)``."""
        (key,) = self.columns
        found = sa.select(key).select_from(self.parents).correlate(None)
        return KeyFilter((column.in_(found),), (column,), None, _no_parameters)

    def table(self, types: Sequence[TypeEngine[Any]]) -> KeyTable:
        """The parents themselves."""
        return KeyTable(self.parents, self.columns, self.number, 0, _no_parameters)

    def filter(self, columns: Sequence[ColumnElement[Any]]) -> KeyFilter:
        """Rows whose `columns` equal the key of a parent."""
        kinds = [*(column.type for column in columns), *(column.type for column in self.columns)]
        if len(columns) == 1 and all(map(equals_as_python, kinds)):
            return self.member(columns[0])
        table = self.table(kinds)
        equal = tuple(column == key for column, key in zip(columns, table.columns, strict=True))
        return KeyFilter(equal, (table.ordinal,), table.first_ordinal, table.encode, table=table)


def _no_parameters(_keys: Sequence[Key]) -> Mapping[str, Any]:
    """The keys are in the statement."""
    return {}
