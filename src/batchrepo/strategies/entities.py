"""Reading whole entities into the scope's session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import joinedload, lazyload

from batchrepo.sql.rows import Lookup, keyed_rows, row_keys
from batchrepo.sql.select import loader_criteria, select_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.orders import OrderTerm
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.sql.keys import Key
    from batchrepo.sql.statement import Statement
    from batchrepo.strategies.context import EntityContext

OURS = "batchrepo"
"""Execution option that marks statements which the scope itself runs in its session."""


async def entities_by_keys(
    lookup: Lookup, keys: Sequence[Key], context: EntityContext, joined: Sequence[RelationInfo] = ()
) -> tuple[list[Any], list[Key]]:
    """The entities that a batch of keys finds.

    Args:
        lookup: how keys find rows.
        keys: each once.
        context: the scope.
        joined: to-one relations to read in the same statement.

    Returns:
        The entities, and for each the key that it belongs to.
    """
    dialect = context.door.dialect
    cache_key = ("entities", lookup.same, tuple(joined), dialect.name)
    keyed = context.guards.statements.get(cache_key)
    if keyed is None:
        keyed = keyed_rows(lookup, None, context.guards, dialect)
        context.guards.statements[cache_key] = keyed
    entities: list[Any] = []
    matched: list[Key] = []
    size = keyed.filter.limit or len(keys)
    for start in range(0, len(keys), size):
        part = keys[start : start + size]
        use = keyed.single if keyed.single is not None and len(part) == 1 else keyed
        statement = _finished(use.statement, lookup.entity, joined, context)
        params = {**use.filter.encode(part), **context.guards.values([lookup.entity, *_targets(joined)])}
        rows = await context.door.entities(
            context.session, statement, params, cause=str(lookup), keys=len(part)
        )
        matched += row_keys(use, part, rows)
        entities += [row[0] for row in rows]
    return entities, matched


async def find_entities(
    entity: EntityInfo,
    context: EntityContext,
    *,
    where: Sequence[ColumnElement[bool]],
    order: Sequence[OrderTerm],
    limit: int | None,
    joined: Sequence[RelationInfo] = (),
    cause: str,
) -> list[Any]:
    """The entities that meet conditions, in order."""
    statement, guarded = select_rows(
        entity, [entity.cls], context.guards, where=where, order=order, limit=limit
    )
    statement = _finished(statement, entity, joined, context)
    values = context.guards.values((*guarded, *_targets(joined)))
    rows = await context.door.entities(context.session, statement, values, cause=cause)
    return [row[0] for row in rows]


def _targets(joined: Sequence[RelationInfo]) -> list[EntityInfo]:
    return [relation.target for relation in joined]


def _finished(
    statement: Statement, entity: EntityInfo, joined: Sequence[RelationInfo], context: EntityContext
) -> Statement:
    """Mark the statement as ours, join what is asked for, and leave other eager loading to the scope.

    SQLAlchemy's own eager loads (``lazy="selectin"`` in the mapping) would not know the row criteria; the
    scope loads those relations itself.
    """
    options: list[Any] = [joinedload(relation.attribute) for relation in joined]
    names = {relation.name for relation in joined}
    options += [lazyload(getattr(entity.cls, name)) for name in entity.eager_in_mapper if name not in names]
    for relation in joined:
        options += [
            joinedload(relation.attribute).lazyload(getattr(relation.target.cls, name))
            for name in relation.target.eager_in_mapper
        ]
    options += loader_criteria(_targets(joined), context.guards)
    return statement.options(*options).execution_options(**{OURS: True})
