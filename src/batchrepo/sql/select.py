"""The statement that reads the root of a plan, and the guards on statements that users write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import with_loader_criteria
from sqlalchemy.sql import visitors

from batchrepo.errors import UnguardedStatement

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
    limit: int | None = None,
) -> tuple[Statement, tuple[EntityInfo, ...]]:
    """Read `selected` from the rows of `entity` that the guards allow.

    Returns:
        The statement, and the entities whose criteria it has.
    """
    statement = sa.select(*selected).select_from(entity.cls).where(*where, *guards.conditions(entity))
    if order:
        statement = statement.order_by(*(term.element for term in order))
    if limit is not None:
        statement = statement.limit(limit)
    return guard_others(statement, (*where, *(term.expression for term in order)), entity, guards)


def guard_others(
    statement: Statement, written: Iterable[Any], entity: EntityInfo, guards: Guards
) -> tuple[Statement, tuple[EntityInfo, ...]]:
    """Put criteria on entities that the caller's own conditions reach, such as ``Album.artist.has(...)``."""
    if not guards.criteria:
        return statement, ()
    tables = {
        table for condition in written for node in visitors.iterate(condition) for table in _tables_of(node)
    }
    others = [
        guarded
        for guarded in guards.criteria
        if guarded is not entity and guards.of(guarded) and tables & set(guarded.mapper.tables)
    ]
    guarded_statement = statement.options(*loader_criteria(others, guards)) if others else statement
    return guarded_statement, (entity, *others)


def loader_criteria(entities: Iterable[EntityInfo], guards: Guards) -> list[Any]:
    """SQLAlchemy options that put the criteria of `entities` on an ORM statement."""
    return [
        with_loader_criteria(entity.cls, sa.and_(sa.true(), *guards.conditions(entity)), include_aliases=True)
        for entity in entities
        if guards.of(entity)
    ]


def guard_statement(statement: Any, guards: Guards) -> tuple[Any, tuple[EntityInfo, ...]]:
    """Put all criteria on a statement that a user wrote.

    Returns:
        The guarded statement, and the entities whose criteria it has.

    Raises:
        UnguardedStatement: it reads a guarded table in a way that criteria cannot be put on (text, or the
            table itself instead of the mapped class).
    """
    guarded = [entity for entity in guards.criteria if guards.of(entity)]
    if not guarded:
        return statement, ()
    names = ", ".join(sorted(entity.name for entity in guarded))
    if not isinstance(statement, sa.Select):
        raise UnguardedStatement(
            f"Row criteria of {names} cannot be put on a {type(statement).__name__}. "
            f"Use select() of mapped classes, or pass unfiltered='why this is safe'."
        )
    tables = {table: entity for entity in guarded for table in entity.mapper.tables}
    for node in visitors.iterate(statement):
        if isinstance(node, sa.TextClause | sa.TextualSelect):
            raise UnguardedStatement(
                f"The statement has text in it ({str(node)[:60]!r}), on which row criteria of {names} cannot be put. "
                f"Write it with mapped classes, or pass unfiltered='why this is safe'."
            )
        if isinstance(node, sa.Table) and "parententity" not in node._annotations and node in tables:
            raise UnguardedStatement(
                f"The statement reads the table {node.name!r} itself, on which the row criteria of "
                f"{tables[node].name} cannot be put. Use the class {tables[node].name}, or pass "
                f"unfiltered='why this is safe'."
            )
    return statement.options(*loader_criteria(guarded, guards)), tuple(guarded)


def _tables_of(node: Any) -> Iterable[Any]:
    if isinstance(node, sa.Table):
        yield node._deannotate()
    table = getattr(node, "table", None)
    if isinstance(table, sa.Table):
        yield table._deannotate()
