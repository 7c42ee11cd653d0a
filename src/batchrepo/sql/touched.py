"""Which tables a statement reads, and which a write may have changed: what a change makes stale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.sql.selectable import TableClause

from batchrepo.mapping import entity_info

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.changes import Change

Tables = frozenset[Any]
"""Tables of the application's metadata."""

_read: WeakKeyDictionary[Any, Tables | None] = WeakKeyDictionary()


def tables_read(statement: Any) -> Tables | None:
    """The tables that a statement reads, those of its subqueries included.

    Returns:
        None where it cannot be told: literal SQL, or options of the ORM that read more.
    """
    try:
        return _read[statement]
    except KeyError:
        found = _read[statement] = _find_tables(statement)
        return found


def _find_tables(statement: Any) -> Tables | None:
    if not isinstance(statement, sa.ClauseElement):
        return None
    options: Any = getattr(statement, "_with_options", None)
    if options:
        return None
    found: set[Any] = set()
    for node in visitors.iterate(statement):
        if isinstance(node, sa.Table):
            found.add(node._deannotate())
        elif isinstance(node, TextClause | TableClause):
            return None
    return frozenset(found)


def tables_written(changes: Sequence[Change]) -> Tables:
    """The tables whose rows changes may have changed, those that foreign keys cascade to included."""
    found: set[Any] = set()
    for change in changes:
        entity = entity_info(change.entity)
        own: set[Any] = {table for table in entity.mapper.tables if isinstance(table, sa.Table)}
        for name in entity.relations if change.columns is None else change.columns:
            relation = entity.relations.get(name)
            if relation is not None and relation.secondary is not None:
                own.add(relation.secondary)
        found |= own
    return frozenset(found) | led_by(changes).keys()


def led_by(changes: Sequence[Change]) -> dict[Any, frozenset[Any]]:
    """Tables whose rows the database itself may change, since rows that they refer to were deleted or have new keys.

    Returns:
        For each table the foreign key's columns that it may have changed; none where rows may have been deleted.
    """
    found: dict[Any, frozenset[Any]] = {}
    for change in changes:
        if change.operation == "insert":
            continue
        tables = entity_info(change.entity).mapper.tables
        _follow(
            [table for table in tables if isinstance(table, sa.Table)], change.operation != "update", found
        )
    return found


def _follow(tables: list[Any], deleted: bool, found: dict[Any, frozenset[Any]]) -> None:
    for table in tables:
        for other in table.metadata.tables.values():
            for key in other.foreign_key_constraints:
                if key.referred_table is not table:
                    continue
                if deleted and (key.ondelete or "").upper() == "CASCADE":
                    if found.get(other) != frozenset():
                        found[other] = frozenset()
                        _follow([other], True, found)
                elif any(
                    (action or "").upper() in _ACTIONS
                    for action in (key.onupdate, key.ondelete if deleted else None)
                ):
                    columns = frozenset(key.columns)
                    known = found.get(other)
                    if known is None or (known and not columns <= known):
                        found[other] = columns | (known or frozenset())
                        _follow([other], False, found)


_ACTIONS = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})
"""What a foreign key may do to the rows that refer, by itself."""
