"""Statements that delete rows, or mark them as deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.sql.dml import Delete, Update
    from sqlalchemy.sql.elements import ColumnElement


def delete_rows(
    table: sa.Table,
    where: Sequence[ColumnElement[bool]],
    marks: Mapping[sa.Column[Any], Any] | None,
) -> Delete | Update:
    """``DELETE``, or for rows that stay an ``UPDATE``.

    Args:
        table: the table.
        where: which rows.
        marks: of a soft delete: what is written into the rows.
    """
    statement: Any = sa.delete(table) if marks is None else sa.update(table).values(dict(marks))
    return statement.where(*where)  # type: ignore[no-any-return]
