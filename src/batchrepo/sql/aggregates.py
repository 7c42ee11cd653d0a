"""One grouped statement for several aggregates over one relation, for any number of parents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.sql.rows import Keyed, Lookup, source_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Dialect

    from batchrepo.declare.computed import Aggregate
    from batchrepo.declare.criteria import Guards


def keyed_aggregates(
    lookup: Lookup, aggregates: Sequence[Aggregate[Any]], guards: Guards, dialect: Dialect
) -> Keyed:
    """One row for each key that has related rows: the aggregates, then the match columns.

    Different conditions become FILTER clauses, so that siblings share the statement; a condition that all
    of them share limits the rows instead, so that an index can serve it.
    """
    key_filter, conditions = source_of(lookup, dialect)
    relation = lookup.relation
    assert relation is not None
    conditions = (*conditions, *guards.conditions(lookup.entity))
    shared = aggregates[0].where if len({_identity(a.where) for a in aggregates}) == 1 else None
    if relation.may_repeat:
        return _over_distinct(lookup, aggregates, key_filter, conditions)
    values = [_value(a, a.column, None if shared is not None else a.where) for a in aggregates]
    statement = (
        sa.select(
            *(value.label(f"a{i}") for i, value in enumerate(values)),
            *(column.label(f"match_{i}") for i, column in enumerate(key_filter.match)),
        )
        .select_from(lookup.entity.cls)
        .where(*key_filter.conditions, *conditions, *(shared or ()))
        .group_by(*key_filter.match)
    )
    return Keyed(statement, len(values), key_filter, (lookup.entity,))


def _over_distinct(
    lookup: Lookup, aggregates: Sequence[Aggregate[Any]], key_filter: Any, conditions: Sequence[Any]
) -> Keyed:
    """Through a link table that may repeat a pair: each child counts once."""
    key = [column.attribute.label(f"key_{i}") for i, column in enumerate(lookup.entity.key)]
    columns = [a.column.label(f"column_{i}") for i, a in enumerate(aggregates) if a.column is not None]
    met = [sa.and_(sa.true(), *a.where).label(f"met_{i}") for i, a in enumerate(aggregates) if a.where]
    match = [column.label(f"match_{i}") for i, column in enumerate(key_filter.match)]
    inner = (
        sa.select(*match, *key, *columns, *met)
        .select_from(lookup.entity.cls)
        .where(*key_filter.conditions, *conditions)
        .distinct()
        .subquery("linked")
    )
    values = [
        _value(
            a,
            inner.c[f"column_{i}"] if a.column is not None else None,
            (inner.c[f"met_{i}"],) if a.where else (),
        )
        for i, a in enumerate(aggregates)
    ]
    matched = [inner.c[f"match_{i}"] for i in range(len(match))]
    statement = sa.select(*(v.label(f"a{i}") for i, v in enumerate(values)), *matched).group_by(*matched)
    return Keyed(statement, len(values), key_filter, (lookup.entity,))


def _value(aggregate: Aggregate[Any], column: Any, where: Sequence[Any] | None) -> Any:
    function = aggregate.function
    value: Any
    if function in ("count", "exists"):
        value = sa.func.count()
    elif function == "total":
        value = sa.func.sum(column)
    elif function == "average":
        value = sa.func.avg(sa.cast(column, sa.Double()))
    else:
        value = sa.func.min(column) if function == "minimum" else sa.func.max(column)
    if where:
        value = value.filter(*where)
    if function == "exists":
        return value > 0
    if function == "total":
        # The sum of BIGINTs is NUMERIC in PostgreSQL; a sum has its column's type here.
        if isinstance(column.type, sa.Integer):
            value = sa.cast(value, sa.BigInteger())
        return sa.func.coalesce(value, sa.literal(0, column.type))
    return value


def _identity(where: Sequence[Any]) -> tuple[int, ...]:
    return tuple(id(condition) for condition in where)
