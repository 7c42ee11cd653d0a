"""Statements that read one page: from the root of an entity, or of what one parent's relation leads to."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress, repeat
from operator import not_
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.declare.elements import tables_in
from batchrepo.mapping.entity import column_of
from batchrepo.sql.guarding import guard_all
from batchrepo.sql.keyset import NULL
from batchrepo.sql.limits import limit_of
from batchrepo.sql.rows import on_columns
from batchrepo.sql.select import check_own_columns
from batchrepo.sql.sources import sources_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.criteria import Guards
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.sql.keyset import Keyset
    from batchrepo.sql.statement import Statement

PREFIX = "batchrepo_"
"""What the names of parameters begin with, so that they are no caller's."""

ROWS = f"{PREFIX}rows"
"""The parameter for how many rows are read: one more than the page has, to see whether there are more."""


@dataclass(frozen=True, slots=True)
class PageShape:
    """All about a page that decides about its SQL.

    Attributes:
        start: for each term of the order whether the value of the starting cursor is NULL; None without one.
        stop: the same for the cursor where the page must stop.
        probes: look whether there are rows on the other side of the cursors.
        rows: how many are read, where that stands in the text; None where it is a parameter.
    """

    start: tuple[bool, ...] | None = None
    stop: tuple[bool, ...] | None = None
    probes: bool = True
    rows: int | None = None

    @property
    def limit(self) -> Any:
        """The LIMIT of each part of the page."""
        return sa.bindparam(ROWS, type_=sa.Integer()) if self.rows is None else limit_of(self.rows)

    @property
    def outer(self) -> tuple[bool, bool]:
        """Which probes the statement has: behind the start, beyond the stop."""
        return self.probes and self.start is not None, self.probes and self.stop is not None


@dataclass(frozen=True, eq=False)
class Paged:
    """A built statement for a page.

    Attributes:
        statement: selects what was asked for, then those of the order's values that are not among it, then one
            truth for each probe. With probes there is always a row; one without a key says that the page is empty.
        entities: whose criteria are in it.
        places: where the order's values are in a row.
        probes: where the probes begin.
    """

    statement: Statement
    entities: tuple[EntityInfo, ...]
    places: tuple[int, ...]
    probes: int


@dataclass(frozen=True, eq=False)
class PageSource:
    """The rows that are paged.

    Attributes:
        entity: whose.
        conditions: on them, row criteria included, guarded.
        entities: whose criteria are in the conditions.
    """

    entity: EntityInfo
    conditions: tuple[ColumnElement[bool], ...]
    entities: tuple[EntityInfo, ...]


def root_source(entity: EntityInfo, where: Sequence[Any], guards: Guards) -> PageSource:
    """All rows of an entity that meet conditions and row criteria.

    Raises:
        InvalidArgument: a condition compares columns of another entity.
    """
    check_own_columns(entity, where)
    conditions, reached = guard_all(where, guards)
    return PageSource(entity, (*conditions, *guards.conditions(entity)), (entity, *reached))


@dataclass(frozen=True, slots=True)
class Part:
    """One page of a statement that reads several.

    Attributes:
        shape: which cursors it has.
        number: of the page, counted from 0.
    """

    shape: PageShape
    number: int

    @property
    def prefix(self) -> str:
        """What the names of its parameters begin with."""
        return f"{PREFIX}p{self.number}_"

    def key_name(self, place: int) -> str:
        """The parameter for a value of the parent's key."""
        return f"{self.prefix}key_{place}"


def select_pages(
    relation: RelationInfo,
    where: Sequence[Any],
    selected: Sequence[Any],
    keyset: Keyset,
    parts: Sequence[Part],
    guards: Guards,
) -> Paged:
    """Read pages of a relation, each of one parent and from a cursor of its own, by one statement.

    Rows are those of `select_page`, with the number of their page behind them.

    Args:
        relation: from the parents to the rows.
        where: conditions on the rows.
        selected: the columns.
        keyset: the order, already turned around for pages that are read backward.
        parts: the pages.
        guards: the row criteria.
    """
    pages = [
        select_page(
            _related_source(relation, where, part, guards), selected, keyset, part.shape, guards, part.prefix
        )
        for part in parts
    ]
    places, end = pages[0].places, pages[0].probes
    most = max(len(page.statement.selected_columns) for page in pages)
    whole = sa.union_all(*map(_numbered, pages, parts, repeat(most))).subquery("batchrepo_pages")
    columns = list(whole.c)
    order = _by(keyset, [columns[place] for place in places])
    statement = sa.select(*columns).order_by(whole.c.part, *order)
    return Paged(statement, pages[0].entities, places, end)


def _numbered(page: Paged, part: Part, width: int) -> Statement:
    """A page as a part of several: its columns, as many as the widest part has, and its number."""
    table = page.statement.subquery(f"batchrepo_page_{part.number}")
    columns = [column.label(f"r{i}") for i, column in enumerate(table.c)]
    missing = [sa.false().label(f"r{i}") for i in range(len(columns), width)]
    return sa.select(*columns, *missing, sa.literal_column(str(part.number), sa.Integer()).label("part"))


def link_tables(relation: RelationInfo) -> frozenset[Any]:
    """The tables by which a relation links its rows to their parents."""
    return frozenset(table for table, _ in sources_of([relation.secondary]))


def _related_source(relation: RelationInfo, where: Sequence[Any], part: Part, guards: Guards) -> PageSource:
    """The rows of a relation of one parent, whose key is a parameter."""
    target = relation.target
    keys = tuple(sa.bindparam(part.key_name(i), type_=column.type) for i, column in enumerate(relation.local))
    condition, in_relation = on_columns(relation, keys, guards)
    conditions, reached = guard_all(where, guards)
    if relation.may_repeat:
        # Each row once, however often it is linked: so what is asked of a link is asked where it is looked for.
        links = link_tables(relation)
        of_links = [bool(tables_in(written) & links) for written in where]
        own = [column.attribute for column in target.key]
        linked = sa.select(*own).where(condition, *compress(conditions, of_links)).correlate_except(*links)
        condition = (own[0] if len(own) == 1 else sa.tuple_(*own)).in_(linked)
        conditions = list(compress(conditions, map(not_, of_links)))
    return PageSource(
        target, (condition, *conditions, *guards.conditions(target)), (target, *in_relation, *reached)
    )


def select_page(
    source: PageSource,
    selected: Sequence[Any] | None,
    keyset: Keyset,
    shape: PageShape,
    guards: Guards,
    prefix: str = PREFIX,
) -> Paged:
    """Read one page.

    Args:
        source: of which rows.
        selected: the columns, or None for whole entities (an ORM statement).
        keyset: the order, already turned around for a page that is read backward.
        shape: which cursors there are.
        guards: the row criteria.
        prefix: what the names of the cursors' parameters begin with.
    """
    places, end = _places(selected, keyset)
    expressions, in_order = guard_all((t.expression for t in keyset.terms), guards, conditions=False)
    keyset = keyset.with_expressions(expressions)
    in_columns: tuple[EntityInfo, ...] = ()
    if selected is not None:
        selected, in_columns = guard_all(selected, guards, conditions=False)
    entities = (*source.entities, *in_order, *in_columns)
    width = 1 if selected is None else len(selected)
    added = [i for i, place in enumerate(places) if place >= width]
    if shape.start is None and shape.stop is None:
        statement = _plain(source, selected, keyset, shape, added)
    else:
        statement = _from_cursor(source, selected, keyset, shape, prefix, added)
    return Paged(statement, entities, places, end)


def _places(selected: Sequence[Any] | None, keyset: Keyset) -> tuple[tuple[int, ...], int]:
    """Where the order's values are in a row, and how wide it is with them: none is read twice."""
    known = {} if selected is None else {column_of(column): i for i, column in enumerate(selected)}
    end = 1 if selected is None else len(selected)
    places: list[int] = []
    for term in keyset.terms:
        found = known.get(column_of(term.expression)) if term.values.same else None
        if found is None:
            found, end = end, end + 1
        places.append(found)
    return tuple(places), end


def cursor_values(prefix: str, place: Sequence[Any]) -> Mapping[str, Any]:
    """The parameters for a cursor; `prefix` ends with ``start`` or ``stop``."""
    return {f"{prefix}_{i}": value for i, value in enumerate(place) if value is not NULL}


def shape_of(place: Sequence[Any] | None) -> tuple[bool, ...] | None:
    """For each value of a cursor whether it is NULL."""
    return None if place is None else tuple(value is NULL for value in place)


def place_parameters(prefix: str, keyset: Keyset, nulls: tuple[bool, ...]) -> list[Any]:
    """The place of a cursor as `Keyset` takes it: parameters, which `cursor_values` gives their values."""
    return [
        NULL if is_null else sa.bindparam(f"{prefix}_{i}", type_=term.values.type)
        for i, (term, is_null) in enumerate(zip(keyset.terms, nulls, strict=True))
    ]


def _plain(
    source: PageSource,
    selected: Sequence[Any] | None,
    keyset: Keyset,
    shape: PageShape,
    added: Sequence[int],
) -> Statement:
    columns = [source.entity.cls] if selected is None else list(selected)
    values = {i: keyset.terms[i].value.label(f"batchrepo_o{i}") for i in added}
    sorted_by = [
        values[i] if i in values and term.values.exactly is None else term.expression
        for i, term in enumerate(keyset.terms)
    ]
    return (
        sa.select(*columns, *values.values())
        .select_from(source.entity.cls)
        .where(*source.conditions)
        .order_by(*_by(keyset, sorted_by))
        .limit(shape.limit)
    )


def _from_cursor(
    source: PageSource,
    selected: Sequence[Any] | None,
    keyset: Keyset,
    shape: PageShape,
    prefix: str,
    added: Sequence[int],
) -> Statement:
    """The page and the probes in one statement.

    The probes are a row of their own, to which the page is outer-joined: so they are answered for an empty page too.
    """
    cls = source.entity.cls
    limits: list[list[ColumnElement[bool]]] = [[]]
    if shape.start is not None:
        limits = [[limit] for limit in keyset.ranges(place_parameters(f"{prefix}start", keyset, shape.start))]
    if shape.stop is not None:
        backward = keyset.backward()
        before = backward.condition(place_parameters(f"{prefix}stop", keyset, shape.stop))
        limits = [[*limit, before] for limit in limits]
    inner = [column.attribute for column in source.entity.key] if selected is None else selected
    labelled = [column.label(f"c{i}") for i, column in enumerate(inner)]
    sorted_by = [term.expression.label(f"batchrepo_o{i}") for i, term in enumerate(keyset.terms)]
    parts = [
        sa.select(*labelled, *sorted_by)
        .select_from(cls)
        .where(*source.conditions, *limit)
        .order_by(*_by(keyset, sorted_by))
        .limit(shape.limit)
        for limit in limits
    ]
    page = _page(parts)
    order = _by(keyset, [page.c[f"batchrepo_o{i}"] for i in range(len(sorted_by))])
    columns: list[Any] = [page.c[f"c{i}"] for i in range(len(inner))] if selected is not None else [cls]
    values = [keyset.terms[i].values.read(page.c[f"batchrepo_o{i}"]) for i in added]
    probes = _probes(source, keyset, shape, prefix)
    found: Any = page
    if probes:
        facts = sa.select(*probes).subquery("batchrepo_probes")
        found = facts.outerjoin(page, sa.true())
        probes = [facts.c[probe.name] for probe in probes]
    if selected is None:
        on = [column.attribute == page.c[f"c{i}"] for i, column in enumerate(source.entity.key)]
        found = sa.outerjoin(found, cls, sa.and_(*on)) if probes else sa.join(found, cls, sa.and_(*on))
    statement = sa.select(*columns, *values, *probes).select_from(found).order_by(*order)
    return statement if len(parts) == 1 else statement.limit(shape.limit)


def _page(parts: Sequence[Statement]) -> Any:
    """The ranges of a page as one table; each has its own limit, so that an index serves each."""
    if len(parts) == 1:
        return parts[0].subquery("batchrepo_page")
    ranges = [sa.select(part.subquery(f"batchrepo_range_{i}")) for i, part in enumerate(parts)]
    return sa.union_all(*ranges).subquery("batchrepo_page")


def _by(keyset: Keyset, expressions: Sequence[Any]) -> list[Any]:
    """The order by what was selected for it: an expensive expression is then computed once."""
    return [term.on(expression) for term, expression in zip(keyset.terms, expressions, strict=True)]


def _probes(source: PageSource, keyset: Keyset, shape: PageShape, prefix: str) -> list[Any]:
    """Whether there is a row at or behind each cursor, seen from the page.

    Each looks from the cursor along the order and stops at the first row. (An EXISTS would not do: PostgreSQL drops
    its ORDER BY, and may then read the table from its other end.)
    """
    backward = keyset.backward()
    found: list[Any] = []
    for name, order, nulls, wanted in (
        ("start", backward, shape.start, shape.outer[0]),
        ("stop", keyset, shape.stop, shape.outer[1]),
    ):
        if nulls is None or not wanted:
            continue
        firsts = [
            sa.select(sa.literal_column("1"))
            .select_from(source.entity.cls)
            .where(*source.conditions, limit)
            .order_by(*order.order)
            .limit(limit_of(1))
            .scalar_subquery()
            for limit in order.ranges(place_parameters(f"{prefix}{name}", keyset, nulls), inclusive=True)
        ]
        found.append(sa.or_(*(first.is_not(None) for first in firsts)).label(f"batchrepo_beyond_{name}"))
    return found
