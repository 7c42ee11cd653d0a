"""Reading the rows of a plan's root. Reads of the same shape share one built statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.sql.select import select_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.declare.orders import OrderTerm
    from batchrepo.mapping import EntityInfo
    from batchrepo.strategies.context import ReadContext

LIMIT = "row_limit"
"""The parameter of a shared statement's LIMIT."""


async def find_rows(
    entity: EntityInfo,
    columns: Sequence[Any],
    context: ReadContext,
    *,
    where: Sequence[Any],
    order: Sequence[OrderTerm],
    limit: int | None,
    offset: int | None = None,
    cause: str,
) -> list[tuple[Any, ...]]:
    """Rows of an entity, as tuples of `columns`.

    Args:
        entity: whose rows.
        columns: what to select.
        context: the scope.
        where: conditions of the caller.
        order: of the rows.
        limit: at most so many, or None.
        offset: so many are left out first, or None.
        cause: for the report.
    """
    guards = context.guards
    shape = None if where or offset is not None else _shape(entity, order)
    if shape is None:
        statement, guarded = select_rows(
            entity, columns, guards, where=where, order=order, limit=limit, offset=offset
        )
        return await context.door.rows(statement, guards.values(guarded), cause=cause)
    key = ("root", entity, tuple(map(id, columns)), shape, limit is None)
    built = guards.statements.get(key)
    if built is None:
        bound: Any = None if limit is None else sa.bindparam(LIMIT, type_=sa.Integer())
        statement, guarded = select_rows(entity, columns, guards, order=order, limit=bound)
        # The columns stay referenced, so that their ids stay theirs.
        built = guards.statements[key] = (statement, guarded, tuple(columns))
    values = guards.values(built[1])
    if limit is not None:
        values = {**values, LIMIT: limit}
    return await context.door.rows(built[0], values, cause=cause)


def _shape(entity: EntityInfo, order: Sequence[OrderTerm]) -> tuple[Any, ...] | None:
    """What tells one order by columns from another; None for an order by other expressions."""
    shape: list[Any] = []
    for term in order:
        annotations = getattr(term.expression, "_annotations", {})
        name = annotations.get("proxy_key")
        if name not in entity.columns or annotations.get("parententity") is not entity.mapper:
            return None
        shape.append((name, term.descending, term.nulls))
    return tuple(shape)
