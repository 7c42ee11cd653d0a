"""Reading whole entities into the scope's session."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import joinedload, lazyload

from batchrepo.errors import RowsLocked
from batchrepo.executing import sqlstate
from batchrepo.sql.guarding import embedded, loader_criteria
from batchrepo.sql.rows import Lookup, keyed_rows, row_keys
from batchrepo.sql.select import select_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.orders import OrderTerm
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.sql.keys import Key
    from batchrepo.sql.rows import Keyed
    from batchrepo.sql.statement import Statement
    from batchrepo.strategies.context import EntityContext

Lock = Literal["wait", "skip_locked", "nowait"]
"""How rows are locked that others may have locked: wait for them, leave them out, or raise."""

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


async def lock_by_keys(
    entity: EntityInfo, keys: Sequence[Key], lock: Lock, context: EntityContext
) -> dict[Key, Any]:
    """Entities by primary key, read anew and locked until the end of the transaction, in one statement.

    Args:
        entity: which.
        keys: each once. They are locked in the order in which the database finds them.
        lock: whether to wait for rows that others have locked.
        context: the scope, in a transaction.

    Raises:
        RowsLocked: others have locked a row, with ``nowait``.
    """
    lookup = Lookup(entity, columns=entity.key)
    keyed = _keyed(lookup, context)
    statement = locked(_with_criteria(keyed.statement, entity, (), context), lock)
    values = context.guards.values(keyed.entities)
    found: dict[Key, Any] = {}
    size = keyed.filter.limit or len(keys)
    for start in range(0, len(keys), size):
        part = keys[start : start + size]
        with locking(entity):
            rows = await context.door.entities(
                context.session,
                statement,
                {**keyed.filter.encode(part), **values},
                cause=f"lock {entity.name}",
                keys=len(part),
            )
        found.update(zip(row_keys(keyed, part, rows), (row[0] for row in rows), strict=True))
    return found


def locked(statement: Any, lock: Lock) -> Any:
    """A statement of entities that locks its rows, and refreshes entities that are known already."""
    return statement.with_for_update(
        skip_locked=lock == "skip_locked", nowait=lock == "nowait"
    ).execution_options(populate_existing=True)


@contextmanager
def locking(entity: EntityInfo) -> Iterator[None]:
    """Translate what goes wrong while rows are locked.

    Raises:
        RowsLocked: others have locked a row, and it was not to be waited for.
    """
    try:
        yield
    except DBAPIError as error:
        if sqlstate(error) != "55P03":
            raise
        raise RowsLocked(
            f"Rows of {entity.name} are locked by another transaction. Try again later, wait for them with "
            f'for_update=True, or leave them out with for_update="skip_locked".'
        ) from error


async def find_entities(
    entity: EntityInfo,
    context: EntityContext,
    *,
    where: Sequence[ColumnElement[bool]],
    order: Sequence[OrderTerm],
    limit: int | None,
    offset: int | None = None,
    joined: Sequence[RelationInfo] = (),
    lock: Lock | None = None,
    cause: str,
) -> list[Any]:
    """The entities that meet conditions, in order, with to-one relations joined, or locked."""
    statement, guarded = select_rows(
        entity, [entity.cls], context.guards, where=where, order=order, limit=limit, offset=offset
    )
    statement = ready_entities(statement, entity, joined, context)
    if lock is not None:
        statement = locked(statement, lock)
    with locking(entity):
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
