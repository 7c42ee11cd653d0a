"""Reading the rows of a plan's root. Reads of the same shape share one built statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.sql.limits import is_written, limit_of
from batchrepo.sql.select import select_rows
from batchrepo.strategies.kept import kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.declare.orders import OrderTerm
    from batchrepo.mapping import EntityInfo
    from batchrepo.sql.statement import Statement
    from batchrepo.strategies.context import ReadContext

LIMIT = "batchrepo_limit"
"""The parameter of a LIMIT that is not written out."""

OFFSET = "batchrepo_offset"
"""The parameter of an OFFSET."""

_LIMIT = sa.bindparam(LIMIT, type_=sa.Integer())
_OFFSET = sa.bindparam(OFFSET, type_=sa.Integer())


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

    def build(
        conditions: Sequence[Any], most: Any = limit, skipped: Any = offset
    ) -> tuple[Statement, tuple[EntityInfo, ...]]:
        return select_rows(entity, columns, guards, where=conditions, order=order, limit=most, offset=skipped)

    sorted_by = _shape(entity, order)
    if sorted_by is None:
        statement, guarded = build(where)
        return await context.door.rows(statement, guards.values(guarded), cause=cause)
    numbers: dict[str, int] = {}
    most: Any = limit
    if limit is not None and is_written(limit):
        most = limit_of(limit)
    elif limit is not None:
        most, numbers[LIMIT] = _LIMIT, limit
    if offset is not None:
        numbers[OFFSET] = offset
    identity = (
        "root",
        tuple(map(id, columns)),
        sorted_by,
        limit if most is not _LIMIT else LIMIT,
        offset is None,
    )
    (statement, guarded), values = kept(
        context,
        entity,
        identity,
        context.reading.conditions(where),
        lambda conditions: build(conditions, most, None if offset is None else _OFFSET),
        columns,
    )
    return await context.door.rows(statement, {**guards.values(guarded), **values, **numbers}, cause=cause)


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
