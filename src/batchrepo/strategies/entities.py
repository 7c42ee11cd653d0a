"""Reading whole entities into the scope's session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import joinedload, lazyload

from batchrepo.sql.guarding import embedded, loader_criteria
from batchrepo.sql.rows import Lookup, keyed_rows, row_keys
from batchrepo.sql.select import select_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.orders import OrderTerm
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.sql.keys import Key
    from batchrepo.sql.rows import Keyed
    from batchrepo.sql.statement import Statement
    from batchrepo.strategies.context import EntityContext

OURS = "batchrepo"
"""Execution option that marks statements which the scope itself runs in its session."""


async def entities_by_keys(
    lookup: Lookup, keys: Sequence[Key], context: EntityContext
) -> tuple[list[Any], list[Key]]:
    """The entities that a batch of keys finds.

    Args:
        lookup: how keys find rows.
        keys: each once.
        context: the scope.

    Returns:
        The entities, and for each the key that it belongs to.
    """
    keyed = _keyed(lookup, context)
    if keyed.single is not None and len(keys) == 1:
        keyed = keyed.single
    values = context.guards.values(keyed.entities)
    statement = _with_criteria(keyed.statement, lookup.entity, (), context)
    entities: list[Any] = []
    matched: list[Key] = []
    size = keyed.filter.limit or len(keys)
    for start in range(0, len(keys), size):
        part = keys[start : start + size]
        rows = await context.door.entities(
            context.session,
            statement,
            {**keyed.filter.encode(part), **values},
            cause=str(lookup),
            keys=len(part),
        )
        matched += row_keys(keyed, part, rows)
        entities += [row[0] for row in rows]
    return entities, matched


async def find_entities(
    entity: EntityInfo,
    context: EntityContext,
    *,
    where: Sequence[ColumnElement[bool]],
    order: Sequence[OrderTerm],
    limit: int | None,
    offset: int | None = None,
    joined: Sequence[RelationInfo] = (),
    cause: str,
) -> list[Any]:
    """The entities that meet conditions, in order, with to-one relations joined."""
    statement, guarded = select_rows(
        entity, [entity.cls], context.guards, where=where, order=order, limit=limit, offset=offset
    )
    statement = ready_entities(statement, entity, joined, context)
    rows = await context.door.entities(
        context.session, statement, context.guards.values(guarded), cause=cause
    )
    return [row[0] for row in rows]


def ready_entities(
    statement: Statement, entity: EntityInfo, joined: Sequence[RelationInfo], context: EntityContext
) -> Statement:
    """A statement that selects entities, as the scope's session runs it: with joins, and criteria for all it reads."""
    return _with_criteria(_plain(statement, entity, joined), entity, joined, context)


def _keyed(lookup: Lookup, context: EntityContext) -> Keyed:
    """The statement of a lookup, built once for all scopes with the same row criteria."""
    dialect = context.door.dialect
    cache_key = ("entities", lookup.same, dialect.name)
    cached: tuple[Keyed, Lookup] | None = context.guards.statements.get(cache_key)
    if cached is None:
        keyed = keyed_rows(lookup, None, context.guards, dialect)
        keyed = keyed.mapped(lambda statement: _plain(statement, lookup.entity, ()))
        # The lookup stays referenced, so that the ids in its identity stay theirs.
        cached = context.guards.statements[cache_key] = (keyed, lookup)
    return cached[0]


def _plain(statement: Statement, entity: EntityInfo, joined: Sequence[RelationInfo]) -> Statement:
    """Mark a statement as ours, join what is asked for, and leave all other relations to the scope.

    SQLAlchemy's own eager loads (``lazy="selectin"`` in the mapping) would know nothing of row criteria,
    peers and loaders; the scope loads those relations itself.
    """
    options: list[Any] = []
    if entity.has_eager or any(relation.target.has_eager for relation in joined):
        options.append(lazyload("*"))
    options += [joinedload(relation.attribute) for relation in joined]
    return statement.options(*options).execution_options(**{OURS: True})


def _with_criteria(
    statement: Statement, entity: EntityInfo, joined: Sequence[RelationInfo], context: EntityContext
) -> Statement:
    """Criteria for what the statement reads besides its own entity."""
    guards = context.guards
    if not guards.criteria:
        return statement
    others = {relation.target: None for relation in joined}
    for read in (entity, *others):
        others |= dict.fromkeys(embedded(read, guards))
    options = loader_criteria(others, guards)
    return statement.options(*options) if options else statement
