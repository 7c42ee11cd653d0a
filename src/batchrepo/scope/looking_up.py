"""Looking rows up by key inside a flush, where the loaders cannot: on the session's own connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.sql.locate import locate
from batchrepo.strategies.entities import OURS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.engine import Dialect, Result

    from batchrepo.mapping import EntityInfo


def look_up(
    execute: Callable[[Any, Mapping[str, Any]], Result[Any]],
    dialect: Dialect,
    entity: EntityInfo,
    keys: Sequence[Any],
    wanted: Sequence[Any] = (),
    *,
    conditions: Sequence[Any] = (),
    values: Mapping[str, Any] | None = None,
) -> dict[int, tuple[Any, ...]]:
    """Some columns of rows, by the place of their key; a key without a row is not there.

    Args:
        execute: of a session or connection, inside a greenlet.
        dialect: of the database.
        entity: whose rows.
        keys: primary keys, each a value or a tuple.
        wanted: what is selected.
        conditions: that the rows must meet.
        values: parameters of the conditions.
    """
    located = locate(
        [column.attribute for column in entity.key], wanted, sa.and_(sa.true(), *conditions), dialect
    )
    statement = located.statement.execution_options(**{OURS: True})
    found: dict[int, tuple[Any, ...]] = {}
    size = located.limit or len(keys)
    for start in range(0, len(keys), size):
        some = keys[start : start + size]
        rows = execute(statement, {**located.parameters(some), **(values or {})}).all()
        found.update((start + at, row) for at, row in located.places(some, rows).items())
    return found
