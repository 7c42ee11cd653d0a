"""What rows refer to: a row that the scope may not see is for clients one that does not exist."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from batchrepo.errors import RowError
from batchrepo.plan.read import ColumnField, ReadPlan
from batchrepo.sql.key_checks import check_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.scope import Scope


async def hidden_references(
    scope: Scope, entity: EntityInfo, rows: Sequence[dict[str, Any]]
) -> list[RowError]:
    """The rows that refer to what the scope may not see, told as a database tells of what is not there.

    A foreign key alone would let clients refer to rows of others, and so find out which there are. Only entities with
    row criteria are looked at: one statement for each relation to one.

    Args:
        scope: where they are to be written.
        entity: of the rows.
        rows: their values, by attribute name.
    """
    found: list[RowError] = []
    for relation in entity.relations.values():
        if relation.key_order is not None and scope.guards.of(relation.target):
            found += await _hidden(scope, relation, relation.key_order, rows)
    return sorted(found, key=lambda error: error.index)


async def _hidden(
    scope: Scope, relation: RelationInfo, order: tuple[int, ...], rows: Sequence[dict[str, Any]]
) -> list[RowError]:
    target = relation.target
    names = tuple(relation.local[place].name for place in order)
    places = [
        (index, tuple(row[name] for name in names))
        for index, row in enumerate(rows)
        if all(row.get(name) is not None for name in names)
    ]
    if not places:
        return []
    given = [values[0] if len(names) == 1 else values for _, values in places]
    keys = check_keys(target.name, target.key, given, scope.reading.engine.dialect)
    plan = ReadPlan(
        target, tuple(ColumnField(column.name, column.attribute, column) for column in target.key)
    )
    loader = scope.loaders.dicts_of_all(target, scope.reading.compiled(plan))
    seen = await asyncio.gather(*(loader.load((key,)) for key in keys))
    message = f"{', '.join(names)} refers to a row that does not exist."
    return [
        RowError(index, "foreign_key", message, columns=names)
        for (index, _), (row,) in zip(places, seen, strict=True)
        if row is None
    ]
