"""Putting row criteria on SQL that somebody else wrote: conditions, expressions, whole statements.

Statements that batchrepo builds carry the criteria of their own entity. Anything that a condition or an
expression reaches beyond it (``Album.artist.has(...)``, a scalar subquery, an alias) is a SELECT of its
own inside; each of these gets the criteria of every guarded table among its FROMs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import with_loader_criteria
from sqlalchemy.sql import visitors
from sqlalchemy.sql.util import ClauseAdapter

from batchrepo.errors import UnguardedStatement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from batchrepo.declare.criteria import Guards
    from batchrepo.mapping import EntityInfo


def guard(element: Any, guards: Guards) -> tuple[Any, tuple[EntityInfo, ...]]:
    """The same expression, with criteria in every SELECT inside it.

    Returns:
        The expression, and the entities whose criteria are now in it.

    Raises:
        UnguardedStatement: a guarded table is outer-joined inside it, where a condition would change what
            the join gives.
    """
    if not guards.criteria or isinstance(element, type):
        return element, ()
    clause = element.__clause_element__() if hasattr(element, "__clause_element__") else element
    if not any(isinstance(node, sa.Select) for node in visitors.iterate(clause)):
        return element, ()
    # The ORM would take an annotated expression back to the mapper's own, without what is put on it here.
    clause = clause._deannotate()
    tables = _guarded_tables(guards)
    reached: dict[EntityInfo, None] = {}

    def visit_select(select: Any) -> None:
        for source, is_outer in _sources(select.get_final_froms()):
            table = _table(source)
            for entity in tables.get(table, ()):
                if is_outer:
                    raise UnguardedStatement(
                        f"A subquery outer-joins {entity.name}, where its row criteria would change what the join "
                        f"gives. Use has() or any(), or an inner join."
                    )
                reached[entity] = None
                conditions: Sequence[Any] = guards.conditions(entity)
                if source is not table:
                    adapter = ClauseAdapter(source)
                    conditions = [adapter.traverse(condition) for condition in conditions]
                select._where_criteria += tuple(conditions)

    return visitors.cloned_traverse(clause, {}, {"select": visit_select}), tuple(reached)


def guard_all(elements: Iterable[Any], guards: Guards) -> tuple[list[Any], tuple[EntityInfo, ...]]:
    """`guard` for each of several expressions."""
    reached: dict[EntityInfo, None] = {}
    guarded: list[Any] = []
    for element in elements:
        made, entities = guard(element, guards)
        guarded.append(made)
        reached |= dict.fromkeys(entities)
    return guarded, tuple(reached)


def loader_criteria(entities: Iterable[EntityInfo], guards: Guards) -> list[Any]:
    """SQLAlchemy options that put the criteria of `entities` on an ORM statement, joins and nested loads included."""
    return [
        with_loader_criteria(
            entity.cls, sa.and_(sa.true(), *guards.valued_conditions(entity)), include_aliases=True
        )
        for entity in entities
        if guards.of(entity)
    ]


def embedded(entity: EntityInfo, guards: Guards) -> list[EntityInfo]:
    """The guarded entities that subqueries in an entity's own mapping (``column_property``) reach."""
    if not guards.criteria:
        return []
    tables = _guarded_tables(guards)
    reached: dict[EntityInfo, None] = {}
    for column in entity.columns.values():
        if not column.is_table_column:
            for node in visitors.iterate(column.attribute.__clause_element__()):
                if isinstance(node, sa.Table):
                    reached |= dict.fromkeys(tables.get(_table(node), ()))
    return list(reached)


def guard_statement(statement: Any, guards: Guards) -> Any:
    """Put all criteria on a SELECT that a user wrote.

    Raises:
        UnguardedStatement: it reads a guarded table in a way that criteria cannot be put on (text, or the
            table itself instead of the mapped class).
    """
    guarded = [entity for entity in guards.criteria if guards.of(entity)]
    if not guarded:
        return statement
    names = ", ".join(sorted(entity.name for entity in guarded))
    if not isinstance(statement, sa.Select):
        raise UnguardedStatement(
            f"Row criteria of {names} cannot be put on a {type(statement).__name__}. "
            f"Use select() of mapped classes, or pass unfiltered='why this is safe'."
        )
    tables = _guarded_tables(guards)
    for node in visitors.iterate(statement):
        if isinstance(node, sa.TextClause | sa.TextualSelect):
            raise UnguardedStatement(
                f"The statement has text in it ({str(node)[:60]!r}), on which row criteria of {names} cannot be put. "
                f"Write it with mapped classes, or pass unfiltered='why this is safe'."
            )
        if isinstance(node, sa.Table | sa.Alias) and "parententity" not in node._annotations:
            for entity in tables.get(_table(node), ())[:1]:
                raise UnguardedStatement(
                    f"The statement reads the table {_table(node).name!r} itself, on which the row criteria of "
                    f"{entity.name} cannot be put. Use the class {entity.name}, or pass "
                    f"unfiltered='why this is safe'."
                )
    return statement.options(*loader_criteria(guarded, guards))


def _guarded_tables(guards: Guards) -> dict[Any, list[EntityInfo]]:
    tables: dict[Any, list[EntityInfo]] = {}
    for entity in guards.criteria:
        if guards.of(entity):
            tables.setdefault(entity.mapper.local_table, []).append(entity)
    return tables


def _sources(froms: Iterable[Any], is_outer: bool = False) -> Iterator[tuple[Any, bool]]:
    """Tables and aliases in a FROM list, and whether an outer join may leave them out."""
    for source in froms:
        if isinstance(source, sa.Join):
            yield from _sources([source.left], is_outer or source.full)
            yield from _sources([source.right], is_outer or source.isouter or source.full)
        else:
            yield source, is_outer


def _table(source: Any) -> Any:
    """The table behind a FROM element, or None."""
    plain = source._deannotate()
    while isinstance(plain, sa.Alias):
        plain = plain.element._deannotate()
    return plain if isinstance(plain, sa.Table) else None
