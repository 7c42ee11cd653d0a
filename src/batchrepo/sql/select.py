"""The statement that reads the root of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.declare.elements import why_foreign
from batchrepo.errors import InvalidArgument
from batchrepo.sql.guarding import guard_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.criteria import Guards
    from batchrepo.declare.orders import OrderTerm
    from batchrepo.mapping import EntityInfo
    from batchrepo.sql.statement import Statement


def select_rows(
    entity: EntityInfo,
    selected: Sequence[Any],
    guards: Guards,
    *,
    where: Sequence[ColumnElement[bool]] = (),
    order: Sequence[OrderTerm] = (),
    limit: Any = None,
    offset: Any = None,
) -> tuple[Statement, tuple[EntityInfo, ...]]:
    """Read `selected` from the rows of `entity` that the guards allow.

    Returns:
        The statement, and the entities whose criteria it has.

    Raises:
        InvalidArgument: a condition or an order compares columns of another entity.
    """
    check_own_columns(entity, (*where, *(term.expression for term in order)))
    columns, reached = guard_all(selected, guards, conditions=False)
    conditions, more = guard_all(where, guards)
    sorted_by, others = guard_all((term.expression for term in order), guards, conditions=False)
    statement = sa.select(*columns).select_from(entity.cls).where(*conditions, *guards.conditions(entity))
    if order:
        statement = statement.order_by(
            *(term.on(expression) for term, expression in zip(order, sorted_by, strict=True))
        )
    if limit is not None:
        statement = statement.limit(limit)
    if offset is not None:
        statement = statement.offset(offset)
    return statement, (entity, *reached, *more, *others)


def count_statement(
    entity: EntityInfo,
    where: Sequence[ColumnElement[bool]],
    guards: Guards,
    *,
    limit: int | None = None,
    rows: bool = False,
) -> tuple[Statement, tuple[EntityInfo, ...]]:
    """Count the rows of `entity` that the guards allow.

    Args:
        entity: whose rows.
        where: conditions of the caller.
        guards: the row criteria.
        limit: count so many at most.
        rows: select the rows instead of their number, for a planner that is asked how many it expects.

    Raises:
        InvalidArgument: a condition compares columns of another entity.
    """
    if limit is None and not rows:
        counted = [sa.func.count()]
        return select_rows(entity, counted, guards, where=where)
    found, reached = select_rows(entity, [sa.literal_column("1")], guards, where=where, limit=limit)
    if rows:
        return found, reached
    return sa.select(sa.func.count()).select_from(found.subquery("batchrepo_counted")), reached


def check_own_columns(entity: EntityInfo, written: Sequence[Any]) -> None:
    """Refuse conditions that would join another table without saying how.

    Raises:
        InvalidArgument: naming the table.
    """
    for element in written:
        refusal = why_foreign(element, entity.sources, entity.name)
        if refusal is not None:
            raise InvalidArgument(f"{refusal}.")
