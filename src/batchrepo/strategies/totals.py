"""Counting rows: all of them, up to a cap, or as the planner estimates them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import Executable

from batchrepo.errors import InvalidArgument
from batchrepo.plan.pages import Capped
from batchrepo.sql.select import count_statement
from batchrepo.strategies.kept import kept

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.sql.compiler import SQLCompiler

    from batchrepo.mapping import EntityInfo
    from batchrepo.plan.pages import Total, TotalKind
    from batchrepo.sql.statement import Statement
    from batchrepo.strategies.context import ReadContext


async def count_rows(entity: EntityInfo, where: Sequence[Any], context: ReadContext) -> int:
    """How many rows meet the conditions."""
    statement, params = _counting(entity, where, context)
    (row,) = await context.door.rows(statement, params, cause=f"count {entity.name}")
    return int(row[0])


async def count_total(
    entity: EntityInfo, where: Sequence[Any], context: ReadContext, total: Total
) -> tuple[int | None, TotalKind | None]:
    """How many rows meet the conditions, counted as `total` says. One statement, or none.

    Returns:
        The number, and how it is meant.

    Raises:
        InvalidArgument: the database has no estimates.
    """
    if total is None:
        return None, None
    if isinstance(total, Capped):
        return await _capped(entity, where, context, total.limit)
    if total == "estimated":
        return await _estimated(entity, where, context), "estimated"
    return await count_rows(entity, where, context), "exact"


async def _capped(
    entity: EntityInfo, where: Sequence[Any], context: ReadContext, limit: int
) -> tuple[int, TotalKind]:
    statement, params = _counting(entity, where, context, limit=limit + 1)
    (row,) = await context.door.rows(statement, params, cause=f"count {entity.name}")
    found = int(row[0])
    return (found, "exact") if found <= limit else (limit, "at_least")


async def _estimated(entity: EntityInfo, where: Sequence[Any], context: ReadContext) -> int:
    name = context.door.dialect.name
    if name != "postgresql":
        raise InvalidArgument(
            f'total="estimated" needs the statistics of PostgreSQL\'s planner; {name} has none. '
            f'Use total=capped(1_000) or "exact".'
        )
    statement, params = _counting(entity, where, context, rows=True)
    explained = await context.door.rows(_Explain(statement), params, cause=f"estimate {entity.name}")
    plan = explained[0][0]
    return int((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]["Plan Rows"])


def _counting(
    entity: EntityInfo,
    where: Sequence[Any],
    context: ReadContext,
    *,
    limit: int | None = None,
    rows: bool = False,
) -> tuple[Statement, Mapping[str, Any]]:
    """A statement of `count_statement`, built once for conditions of one shape, and its parameters."""
    (statement, guarded), values = kept(
        context,
        entity,
        ("count", limit, rows),
        context.reading.conditions(where),
        lambda conditions: count_statement(entity, conditions, context.guards, limit=limit, rows=rows),
    )
    return statement, {**context.guards.values(guarded), **values}


class _Explain(Executable, sa.ClauseElement):
    """``EXPLAIN`` of a SELECT: PostgreSQL plans it, and does not run it."""

    inherit_cache = False
    supports_execution = True

    def __init__(self, statement: Any) -> None:
        self.statement = statement


@compiles(_Explain, "postgresql")
def _explain(element: _Explain, compiler: SQLCompiler, **options: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **options)}"
