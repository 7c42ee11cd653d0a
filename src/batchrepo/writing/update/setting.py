"""One SET for all rows that meet conditions: which expressions go in, and what SQLAlchemy would add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.declare.elements import sql_of
from batchrepo.declare.stamps import stamps
from batchrepo.errors import ForbiddenWrite, InvalidArgument
from batchrepo.sql.guarding import guard, guard_all
from batchrepo.sql.select import check_own_columns
from batchrepo.sql.tables import plain
from batchrepo.writing.criteria.checking import bounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.criteria import Guards
    from batchrepo.mapping import EntityInfo
    from batchrepo.writing.rows.columns import WriteColumn, WriteColumns
    from batchrepo.writing.update.versions import Versions


@dataclass(frozen=True, slots=True)
class Setting:
    """What is set in each row.

    Attributes:
        values: by column: a value, or a SQL expression.
        names: the attributes.
        reached: the entities whose criteria are inside the expressions.
    """

    values: Mapping[sa.Column[Any], Any]
    names: frozenset[str]
    reached: tuple[EntityInfo, ...]


def read_setting(columns: WriteColumns, given: Any, versions: Versions, guards: Guards) -> Setting:
    """Check what ``set=`` says, and add what SQLAlchemy sets on an UPDATE.

    Raises:
        ForbiddenWrite: it would move rows out of the scope's sight.
        InvalidArgument: a key is no column that can be set, or a value no expression over the entity.
    """
    where = f"update_many of {columns.entity.name}"
    if not isinstance(given, Mapping) or not given:
        raise InvalidArgument(
            f"{where}: set= expects columns and their values, such as {{Album.price: Album.price * 1.1}}; got "
            f"{given!r:.200}."
        )
    values: dict[sa.Column[Any], Any] = {}
    named: dict[str, Any] = {}
    reached: dict[EntityInfo, None] = {}
    for key, value in given.items():
        column = columns.named(key, f"{where}: set=")
        if column.primary_key:
            raise InvalidArgument(
                f"{where}: {columns.entity.name}.{column.name} is part of the key, which rows keep. Insert and delete "
                f"instead."
            )
        named[column.name] = value
        values[column.column], more = _expression(columns.entity, value, guards)
        reached |= dict.fromkeys(more)
    _refuse_moves(columns.entity, named, guards)
    extra = {**_on_update(columns, named), **_version(versions, named, where)}
    names = {name for name, column in columns.columns.items() if column.column in extra}
    return Setting({**extra, **values}, frozenset(named) | names, tuple(reached))


def read_conditions(
    entity: EntityInfo, where: Sequence[Any], guards: Guards
) -> tuple[list[ColumnElement[bool]], dict[str, Any]]:
    """The conditions of an UPDATE or DELETE and their parameters: the caller's, and the scope's criteria.

    Raises:
        InvalidArgument: a condition compares columns of another entity.
        MissingContext: the scope's context does not have what a criterion needs.
        UnguardedStatement: criteria cannot be put on a condition.
    """
    check_own_columns(entity, where)
    conditions, reached = guard_all(where, guards)
    own, values = bounds(entity, guards)
    return [*map(_plain, conditions), *own], {**values, **guards.values(reached)}


def _plain(condition: Any) -> Any:
    found = sql_of(condition)
    return plain(condition if found is None else found)


def _expression(entity: EntityInfo, value: Any, guards: Guards) -> tuple[Any, tuple[EntityInfo, ...]]:
    found = sql_of(value)
    if found is None:
        return value, ()
    check_own_columns(entity, [found])
    guarded, reached = guard(found, guards, condition=False)
    return plain(guarded), reached


def _refuse_moves(entity: EntityInfo, named: Mapping[str, Any], guards: Guards) -> None:
    for stamp in stamps(entity, guards):
        if stamp.name not in named:
            continue
        value = named[stamp.name]
        if sql_of(value) is not None or value != stamp.value:
            shown = "SQL" if sql_of(value) is not None else repr(value)
            raise ForbiddenWrite(
                f"{entity.name}.{stamp.name} would become {shown:.100}, but this scope writes rows with "
                f"{stamp.value!r:.100} only. Nothing was written.",
                entity.name,
            )


def _on_update(columns: WriteColumns, named: Mapping[str, Any]) -> dict[sa.Column[Any], Any]:
    found: dict[sa.Column[Any], Any] = {}
    for name, column in columns.columns.items():
        if name not in named and column is not columns.version:
            found |= on_update(column)
    return found


def on_update(column: WriteColumn) -> dict[sa.Column[Any], Any]:
    """What ``onupdate`` of a column sets it to; nothing where the database, or SQLAlchemy's own execution, does it."""
    clause: Any = column.column.onupdate
    if column.make_on_update is not None:
        return {column.column: sa.literal(column.make_on_update(), column.type)}
    if column.on_update == "sequence":
        return {column.column: clause.next_value()}
    return {column.column: clause.arg} if column.on_update == "sql" else {}


def _version(versions: Versions, named: Mapping[str, Any], where: str) -> dict[sa.Column[Any], Any]:
    if versions.column is None or versions.column.name in named:
        return {}
    return versions.in_sql(where)
