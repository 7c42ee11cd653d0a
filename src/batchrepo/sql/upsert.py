"""``INSERT ... ON CONFLICT``: what an upsert does with a row whose key is there already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement


@dataclass(frozen=True, slots=True)
class OnConflict:
    """What happens to a row that is there already.

    Attributes:
        target: the columns of the unique constraint or index.
        target_where: the predicate of a partial index.
        update: the columns that take the values of the new row.
        set_to: columns that are set to something else.
        unchanged: a column that must still have the new row's value, or nothing is updated.
        where: what else the existing row must meet.
    """

    target: tuple[sa.Column[Any], ...]
    target_where: ColumnElement[bool] | None
    update: tuple[sa.Column[Any], ...]
    set_to: Mapping[sa.Column[Any], Any]
    unchanged: sa.Column[Any] | None = None
    where: tuple[ColumnElement[bool], ...] = ()

    @property
    def updates(self) -> bool:
        """Whether the row that is there is changed at all."""
        return bool(self.update)


def upsert(table: sa.Table, conflict: OnConflict, dialect: Dialect) -> Any:
    """An INSERT without values, of the database's own kind, with its ON CONFLICT."""
    insert: Any = (postgresql if dialect.name == "postgresql" else sqlite).insert(table)
    if not conflict.updates:
        return insert.on_conflict_do_nothing(
            index_elements=list(conflict.target), index_where=conflict.target_where
        )
    new = insert.excluded
    values: dict[Any, Any] = {column: new[column.key] for column in conflict.update}
    values |= conflict.set_to
    where: Sequence[Any] = conflict.where
    if conflict.unchanged is not None:
        where = (*where, conflict.unchanged == new[conflict.unchanged.key])
    return insert.on_conflict_do_update(
        index_elements=list(conflict.target),
        index_where=conflict.target_where,
        set_=values,
        where=sa.and_(*where) if where else None,
    )
