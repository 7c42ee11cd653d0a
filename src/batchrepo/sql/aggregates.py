"""One grouped statement for several aggregates over one relation, for any number of parents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.declare.values import aggregated
from batchrepo.sql.guarding import guard, guard_all
from batchrepo.sql.keys import key_dialect
from batchrepo.sql.rows import Keyed, Lookup, behind, source_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Dialect

    from batchrepo.declare.computed import Aggregate
    from batchrepo.declare.criteria import Guards
    from batchrepo.declare.values import AggregateFunction
    from batchrepo.mapping import EntityInfo
    from batchrepo.sql.keys import KeyDialect, KeyFilter


@dataclass(frozen=True, eq=False)
class _Part:
    """One aggregate, its column and conditions guarded."""

    function: AggregateFunction
    column: Any
    where: tuple[Any, ...]


def keyed_aggregates(
    lookup: Lookup,
    aggregates: Sequence[Aggregate[Any]],
    guards: Guards,
    dialect: Dialect,
    keys: KeyDialect | None = None,
) -> Keyed:
    """One row for each key that has related rows: the aggregates, then the match columns.

    Different conditions become FILTER clauses, so that siblings share the statement; a condition that all
    of them share limits the rows instead, so that an index can serve it.

    Args:
        lookup: which rows.
        aggregates: over them.
        guards: the row criteria.
        dialect: of the database.
        keys: where the keys come from; by default a parameter.
    """
    key_filter, fixed, in_relation = source_of(lookup, guards, keys or key_dialect(dialect))
    parts, reached = _guarded(aggregates, guards)
    entities = (lookup.entity, *in_relation, *reached)
    conditions = (*key_filter.conditions, *fixed, *guards.conditions(lookup.entity))
    relation = lookup.relation
    if relation is not None and relation.may_repeat:
        return _over_distinct(lookup, parts, key_filter, conditions, entities)
    shared = aggregates[0].where
    if any(a.where is not shared and [*map(id, a.where)] != [*map(id, shared)] for a in aggregates):
        values = [aggregated(part.function, part.column, part.where) for part in parts]
    else:
        values = [aggregated(part.function, part.column) for part in parts]
        conditions = (*conditions, *parts[0].where)
    statement = (
        sa.select(
            *(value.label(f"a{i}") for i, value in enumerate(values)),
            *(column.label(f"batchrepo_match_{i}") for i, column in enumerate(key_filter.match)),
        )
        .select_from(lookup.entity.cls)
        .where(*conditions)
        .group_by(*key_filter.match)
    )
    return Keyed(statement, behind(len(values), key_filter), key_filter, entities)


def _guarded(
    aggregates: Sequence[Aggregate[Any]], guards: Guards
) -> tuple[list[_Part], tuple[EntityInfo, ...]]:
    parts: list[_Part] = []
    reached: dict[EntityInfo, None] = {}
    for aggregate in aggregates:
        where, in_where = guard_all(aggregate.where, guards)
        column = aggregate.column
        if column is not None:
            column, in_column = guard(column, guards, condition=False)
            reached |= dict.fromkeys(in_column)
        parts.append(_Part(aggregate.function, column, tuple(where)))
        reached |= dict.fromkeys(in_where)
    return parts, tuple(reached)


def _over_distinct(
    lookup: Lookup,
    parts: Sequence[_Part],
    key_filter: KeyFilter,
    conditions: Sequence[Any],
    entities: tuple[EntityInfo, ...],
) -> Keyed:
    """Through a link table that may repeat a pair: each child counts once."""
    key = [column.attribute.label(f"key_{i}") for i, column in enumerate(lookup.entity.key)]
    columns = [part.column.label(f"column_{i}") for i, part in enumerate(parts) if part.column is not None]
    met = [sa.and_(sa.true(), *part.where).label(f"met_{i}") for i, part in enumerate(parts) if part.where]
    match = [column.label(f"batchrepo_match_{i}") for i, column in enumerate(key_filter.match)]
    inner = (
        sa.select(*match, *key, *columns, *met)
        .select_from(lookup.entity.cls)
        .where(*conditions)
        .distinct()
        .subquery("batchrepo_linked")
    )
    values = [
        aggregated(
            part.function,
            inner.c[f"column_{i}"] if part.column is not None else None,
            (inner.c[f"met_{i}"],) if part.where else (),
        )
        for i, part in enumerate(parts)
    ]
    matched = [inner.c[f"batchrepo_match_{i}"] for i in range(len(match))]
    statement = sa.select(*(v.label(f"a{i}") for i, v in enumerate(values)), *matched).group_by(*matched)
    return Keyed(statement, behind(len(values), key_filter), key_filter, entities)
