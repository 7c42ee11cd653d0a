"""Reading the rows of a plan's root. Reads of the same shape share one built statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import sqlalchemy as sa

from batchrepo.sql.identity import order_identity
from batchrepo.sql.limits import is_written, limit_of
from batchrepo.sql.select import select_rows
from batchrepo.strategies.kept import kept

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from batchrepo.declare.orders import OrderTerm
    from batchrepo.mapping import EntityInfo
    from batchrepo.sql.statement import Statement
    from batchrepo.strategies.context import ReadContext

LIMIT = "batchrepo_limit"
"""The parameter of a LIMIT that is not written out."""

OFFSET = "batchrepo_offset"
"""The parameter of an OFFSET."""

_LIMIT = sa.bindparam(LIMIT, type_=sa.Integer())
_OFFSET = sa.bindparam(OFFSET, type_=sa.Integer())


async def find_rows(
    entity: EntityInfo,
    columns: Sequence[Any],
    context: ReadContext,
    *,
    where: Sequence[Any],
    order: Sequence[OrderTerm],
    limit: int | None,
    offset: int | None = None,
    cause: str,
) -> list[tuple[Any, ...]]:
    """Rows of an entity, as tuples of `columns`.

    Args:
        entity: whose rows.
        columns: what to select.
        context: the scope.
        where: conditions of the caller.
        order: of the rows.
        limit: at most so many, or None.
        offset: so many are left out first, or None.
        cause: for the report.
    """
    built, params = root_statement(
        entity, columns, context, where=where, order=order, limit=limit, offset=offset
    )
    return await context.door.rows(built.statement, params, cause=cause)


class Rooted(NamedTuple):
    """A built statement.

    Attributes:
        statement: selects the columns.
        entities: whose criteria are in it.
    """

    statement: Statement
    entities: tuple[EntityInfo, ...]


class Around(Protocol):
    """Builds another statement around that of the root."""

    @property
    def columns(self) -> Sequence[Any]:
        """What the root has to select."""
        ...

    @property
    def identity(self) -> tuple[Any, ...]:
        """What decides about what is built, besides the root; objects in it are kept alive."""
        ...

    def __call__(self, root: Statement, entities: tuple[EntityInfo, ...]) -> Rooted:
        """The other statement, and whose criteria are in both."""
        ...


def root_statement(
    entity: EntityInfo,
    columns: Sequence[Any],
    context: ReadContext,
    *,
    where: Sequence[Any],
    order: Sequence[OrderTerm],
    limit: int | None,
    offset: int | None = None,
    around: Around | None = None,
) -> tuple[Rooted, Mapping[str, Any]]:
    """The statement of `find_rows`, or what is built around it, and its parameters; the arguments are those of `find_rows`."""
    guards = context.guards

    def build(conditions: Sequence[Any], most: Any = limit, skipped: Any = offset) -> Rooted:
        selected = columns if around is None else around.columns
        statement, entities = select_rows(
            entity, selected, guards, where=conditions, order=order, limit=most, offset=skipped
        )
        return Rooted(statement, entities) if around is None else around(statement, entities)

    sorted_by: Hashable = _shape(entity, order)
    if sorted_by is None and around is None:
        built = build(where)
        return built, guards.values(built.entities)
    numbers: dict[str, int] = {}
    most: Any = limit
    if limit is not None and is_written(limit):
        most = limit_of(limit)
    elif limit is not None:
        most, numbers[LIMIT] = _LIMIT, limit
    if offset is not None:
        numbers[OFFSET] = offset
    identity = (
        "root",
        None if around is None else around.identity,
        tuple(map(id, columns)),
        order_identity(order) if sorted_by is None else sorted_by,
        limit if most is not _LIMIT else LIMIT,
        offset is None,
    )
    built, values = kept(
        context,
        entity,
        identity,
        context.reading.conditions(where),
        lambda conditions: build(conditions, most, None if offset is None else _OFFSET),
        columns,
    )
    return built, {**guards.values(built.entities), **values, **numbers}


def _shape(entity: EntityInfo, order: Sequence[OrderTerm]) -> tuple[Any, ...] | None:
    """What tells one order by columns from another; None for an order by other expressions."""
    shape: list[Any] = []
    for term in order:
        annotations = getattr(term.expression, "_annotations", {})
        name = annotations.get("proxy_key")
        if name not in entity.columns or annotations.get("parententity") is not entity.mapper:
            return None
        shape.append((name, term.descending, term.nulls))
    return tuple(shape)
