"""Row criteria, writing side: no row may be written that the scope does not see, nor become one.

- ``match`` stamps: a row that says nothing of the column gets the context's value; a row that says something else
  is refused (`stamp_rows`).
- Statements that change rows which exist have all criteria in their WHERE (`bounds`).
- ``predicate`` is checked after the write and inside its transaction: the rows written must meet it, or all is taken
  back (`needs_check`, `check_written`). A ``match`` on what is no column of the table is checked likewise.

What ``scope.without`` lifted is not among the guards, and so does not hold for writes either. A soft delete hides
rows and forbids none, so it bounds what is written and is not checked afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.declare.stamps import HIDDEN, Stamp, checked_conditions, stamps
from batchrepo.errors import ForbiddenWrite, RowError
from batchrepo.sql.locate import locate
from batchrepo.sql.tables import discriminator, plain
from batchrepo.writing.looking_up import look_up
from batchrepo.writing.refusals.naming import refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.criteria import Guards
    from batchrepo.mapping import EntityInfo
    from batchrepo.writing.context import WriteContext


def stamp_rows(
    entity: EntityInfo,
    names: tuple[str, ...],
    rows: list[tuple[Any, ...]],
    indexes: Sequence[int],
    guards: Guards,
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """New rows of a bulk write, with what ``match`` says of them.

    Args:
        entity: of the rows.
        names: the attributes that the rows have.
        rows: their values.
        indexes: the place of each row in the input.
        guards: the row criteria.

    Returns:
        Names and rows, with the stamped columns behind the others where the rows did not have them.

    Raises:
        ForbiddenWrite: rows have another value than the context's; it names them all.
        MissingContext: the scope's context does not have a value.
    """
    wanted = stamps(entity, guards)
    for each in wanted:
        if each.name not in names:
            names, rows = (*names, each.name), [(*row, each.value) for row in rows]
            continue
        at = names.index(each.name)
        if any(row[at] is None for row in rows):
            rows = [row if row[at] is not None else (*row[:at], each.value, *row[at + 1 :]) for row in rows]
    _refuse_contradictions(entity, wanted, names, rows, indexes)
    return names, rows


def refuse_moves(
    entity: EntityInfo,
    names: tuple[str, ...],
    rows: list[tuple[Any, ...]],
    indexes: Sequence[int],
    guards: Guards,
) -> None:
    """Refuse rows of an update that would go out of the scope's sight, in the columns that ``match`` compares.

    Raises:
        ForbiddenWrite: it names them all.
        MissingContext: the scope's context does not have a value.
    """
    _refuse_contradictions(entity, stamps(entity, guards), names, rows, indexes)


def _refuse_contradictions(
    entity: EntityInfo,
    wanted: Iterable[Stamp],
    names: tuple[str, ...],
    rows: list[tuple[Any, ...]],
    indexes: Sequence[int],
) -> None:
    against = [
        RowError(
            index,
            "forbidden",
            each.refusal(entity, row[at]),
            key_in(entity, names, row),
            columns=(each.name,),
        )
        for each in wanted
        if each.name in names
        for at in (names.index(each.name),)
        for index, row in zip(indexes, rows, strict=True)
        if row[at] != each.value
    ]
    if against:
        against.sort(key=lambda row: row.index)
        raise refused(ForbiddenWrite, entity.name, against, "are not this scope's to write")


def bounds(entity: EntityInfo, guards: Guards) -> tuple[tuple[ColumnElement[bool], ...], dict[str, Any]]:
    """What the WHERE of an UPDATE or DELETE must have, and its parameters: the rows that the scope may see.

    Raises:
        MissingContext: the scope's context does not have what a criterion needs.
    """
    conditions = tuple(plain(condition) for condition in guards.conditions(entity))
    return (*discriminator(entity), *conditions), guards.values([entity])


def needs_check(entity: EntityInfo, guards: Guards) -> bool:
    """Whether rows must be looked at after they were written, so that their keys must be known."""
    return bool(checked_conditions(entity, guards))


async def check_written(
    entity: EntityInfo,
    keys: Sequence[Any],
    context: WriteContext,
    indexes: Sequence[int] | None = None,
) -> None:
    """Check that rows which were just written meet the criteria; where none needs it, no statement is run.

    Args:
        entity: of the rows.
        keys: their primary keys.
        context: of the transaction that wrote them.
        indexes: the place of each in the input; default: the order of the keys.

    Raises:
        ForbiddenWrite: rows do not; it names them all. The transaction, or savepoint, must be taken back.
        MissingContext: the scope's context does not have what a criterion needs.
    """
    conditions = tuple(map(plain, checked_conditions(entity, context.guards)))
    if not conditions or not keys:
        return
    values = context.guards.values([entity])
    hidden = await hidden_among(entity, keys, conditions, values, context)
    if hidden:
        places = range(len(keys)) if indexes is None else indexes
        raise refused(
            ForbiddenWrite,
            entity.name,
            [RowError(places[at], "forbidden", HIDDEN, keys[at]) for at in hidden],
            "are not this scope's to write",
        )


async def hidden_among(
    entity: EntityInfo,
    keys: Sequence[Any],
    conditions: Sequence[ColumnElement[bool]],
    values: dict[str, Any],
    context: WriteContext,
) -> list[int]:
    """The places of the keys that have no row which meets all conditions."""
    key = [plain(column.attribute) for column in entity.ancestors[-1].key]
    located = locate(key, [], sa.and_(sa.true(), *conditions), context.dialect)
    seen = await look_up(located, keys, context, cause=f"check {entity.name}", values=values)
    return [at for at in range(len(keys)) if at not in seen]


def key_in(entity: EntityInfo, names: Sequence[str], row: Sequence[Any]) -> Any:
    """The primary key in the values of a row, as far as it has one."""
    if not set(entity.key_names) <= set(names):
        return None
    values = tuple(row[names.index(name)] for name in entity.key_names)
    if None in values:
        return None
    return values[0] if len(values) == 1 else values
