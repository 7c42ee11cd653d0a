"""Reading one page of an entity's rows, as tuples or as entities."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from batchrepo.errors import InvalidCursor
from batchrepo.sql.limits import is_written
from batchrepo.sql.order_values import says_wrong_value
from batchrepo.sql.pages import PREFIX, ROWS, PageShape, cursor_values, root_source, select_page, shape_of
from batchrepo.strategies.entities import ready_entities
from batchrepo.strategies.kept import kept

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.cursors import Cursors
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.plan.pages import TotalKind
    from batchrepo.sql.keyset import Keyset
    from batchrepo.sql.pages import Paged
    from batchrepo.strategies.context import EntityContext, ReadContext

Place: TypeAlias = tuple[Any, ...]
"""The order's values of one row; `batchrepo.sql.keyset.NULL` for a NULL where it is a place to read from."""


@dataclass(frozen=True, slots=True)
class Walk:
    """How a page is read along its order.

    Attributes:
        keyset: the order, from its start.
        size: at most so many rows.
        backward: read from the order's end.
        start: the place behind which to start, in the direction of reading.
        stop: the place before which to stop, in the direction of reading.
        probes: whether to look for rows on the other side of `start` and `stop`.
    """

    keyset: Keyset
    size: int
    backward: bool = False
    start: Place | None = None
    stop: Place | None = None
    probes: bool = True

    @property
    def shape(self) -> PageShape:
        """All that decides about the SQL."""
        rows = self.size + 1
        written = rows if is_written(rows) else None
        return PageShape(shape_of(self.start), shape_of(self.stop), self.probes, written)

    @property
    def most(self) -> ColumnElement[int]:
        """Its size in SQL: written out where its limit is."""
        if is_written(self.size + 1):
            return sa.literal_column(str(self.size), sa.Integer())
        return sa.bindparam(ROWS, type_=sa.Integer()) - sa.literal_column("1", sa.Integer())

    @property
    def outer(self) -> tuple[bool, bool]:
        """Which probes the statement has; see `PageShape.outer`."""
        return self.probes and self.start is not None, self.probes and self.stop is not None

    @property
    def directed(self) -> Keyset:
        """The order in the direction of reading."""
        return self.keyset.backward() if self.backward else self.keyset

    @property
    def parameters(self) -> dict[str, Any]:
        """What the statement is given."""
        return {
            **cursor_values(f"{PREFIX}start", self.start or ()),
            **cursor_values(f"{PREFIX}stop", self.stop or ()),
            ROWS: self.size + 1,
        }


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of a page, in the order that was asked for.

    Attributes:
        rows: what was selected, as tuples; for entities the entities themselves.
        places: the order's values of each.
        has_next: whether there are rows behind them.
        has_previous: whether there are rows before them.
    """

    rows: list[Any]
    places: list[Place]
    has_next: bool
    has_previous: bool

    def page(
        self, items: list[Any], cursors: Cursors, total: int | None, total_is: TotalKind | None
    ) -> dict[str, Any]:
        """What `Page` has, as a dict; `items` are what was made of the rows."""
        start, end = cursors.ends
        return {
            "items": items,
            "has_next": self.has_next,
            "has_previous": self.has_previous,
            "start_cursor": start,
            "end_cursor": end,
            "total": total,
            "total_is": total_is,
            "cursors": cursors,
        }


NOTHING_FOUND = Found([], [], False, False)
"""The page of a parent that nothing can belong to."""


async def page_of_rows(
    entity: EntityInfo,
    columns: Sequence[Any],
    context: ReadContext,
    walk: Walk,
    *,
    where: Sequence[Any],
    cause: str,
) -> Found:
    """One page of an entity's rows, as tuples that begin with `columns`. One statement.

    Args:
        entity: whose rows.
        columns: what to select.
        context: the scope.
        walk: which page.
        where: conditions of the caller.
        cause: for the report.
    """
    paged, params = page_statement(entity, columns, context, walk, where)
    with refusing_values(walk):
        rows = await context.door.rows(paged.statement, params, cause=cause)
    return found_of(rows, walk, paged.places, paged.probes)


async def page_of_entities(
    entity: EntityInfo,
    context: EntityContext,
    walk: Walk,
    *,
    where: Sequence[Any],
    joined: Sequence[RelationInfo] = (),
    cause: str,
) -> Found:
    """One page of entities, with to-one relations joined. One statement."""
    paged, params = page_statement(entity, None, context, walk, where)
    statement = ready_entities(paged.statement, entity, joined, context)
    with refusing_values(walk):
        rows = await context.door.entities(context.session, statement, params, cause=cause)
    found = found_of(rows, walk, paged.places, paged.probes)
    return Found([row[0] for row in found.rows], found.places, found.has_next, found.has_previous)


class AroundPage(Protocol):
    """Builds another statement around that of a page."""

    @property
    def columns(self) -> Sequence[Any]:
        """What the page has to select."""
        ...

    @property
    def identity(self) -> tuple[Any, ...]:
        """What decides about what is built, besides the page; objects in it are kept alive."""
        ...

    def of_page(self, page: Paged, walk: Walk) -> Paged:
        """The other statement, with a row for each of the page. Of the walk, what `page_statement` tells statements by."""
        ...


def page_statement(
    entity: EntityInfo,
    columns: Sequence[Any] | None,
    context: ReadContext,
    walk: Walk,
    where: Sequence[Any],
    around: AroundPage | None = None,
) -> tuple[Paged, Mapping[str, Any]]:
    """The statement of a page, or what is built around it, once for conditions of one shape; and its parameters."""
    shape = walk.shape

    def build(conditions: Sequence[Any]) -> Paged:
        source = root_source(entity, conditions, context.guards)
        selected = columns if around is None else around.columns
        page = select_page(source, selected, walk.directed, shape, context.guards)
        return page if around is None else around.of_page(page, walk)

    identity = (
        "page",
        None if around is None else around.identity,
        None if columns is None else tuple(map(id, columns)),
        id(walk.keyset),
        walk.backward,
        shape,
    )
    paged, values = kept(
        context, entity, identity, context.reading.conditions(where), build, walk.keyset, columns
    )
    return paged, {**context.guards.values(paged.entities), **values, **walk.parameters}


class refusing_values:  # noqa: N801 - used as a function: `with refusing_values(walk):`
    """Let a database say that a cursor's value is wrong, where nobody else knows the type of the order's expression.

    Raises:
        InvalidCursor: it says so.
    """

    __slots__ = ("_walks",)

    def __init__(self, *walks: Walk) -> None:
        self._walks = walks

    def __enter__(self) -> None:
        """Nothing has to be prepared: what no error ends costs next to nothing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, DBAPIError):
            return
        asked = any(walk.start is not None or walk.stop is not None for walk in self._walks)
        unsure = [term for term in self._walks[0].keyset.terms if not term.values.sure]
        if asked and unsure and says_wrong_value(error):
            raise InvalidCursor(
                f"The cursor's value for {unsure[0].expression} is wrong. Start from the first page again.",
                reason="values",
            ) from error


def found_of(rows: Sequence[Any], walk: Walk, places: Sequence[int], probes: int) -> Found:
    """A page from the rows of a statement.

    Args:
        rows: in the direction of reading.
        walk: how they were read.
        places: where the order's values are in a row.
        probes: where the answers of the probes begin in a row.
    """
    behind, beyond = False, False
    outer = walk.outer
    if rows and any(outer):
        answers = iter(rows[0][probes:])
        behind, beyond = (bool(next(answers)) if probed else False for probed in outer)
        # The last term of an order is a part of the primary key, which no row is without.
        last = places[-1]
        rows = [row for row in rows if row[last] is not None]
    more = len(rows) > walk.size
    rows = rows[: walk.size]
    if walk.backward:
        rows = rows[::-1]
    ahead = more or beyond
    return Found(
        list(rows),
        _picked(rows, places),
        behind if walk.backward else ahead,
        ahead if walk.backward else behind,
    )


def _picked(rows: Sequence[Any], places: Sequence[int]) -> list[Place]:
    if len(places) > 1:  # faster, and gives tuples
        return list(map(itemgetter(*places), rows))
    (place,) = places
    return [(row[place],) for row in rows]
