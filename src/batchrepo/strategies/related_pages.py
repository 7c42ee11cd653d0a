"""Pages of what a relation leads to, for many parents at once, each from its own cursor.

Parents without a cursor share one statement of constant text, the one that reads the first few rows of each. For
parents with cursors a UNION ALL has one part for each: each cursor is then a bound of its own that an index serves,
however deep the page is. More parents than that takes, with the same cursors, share a statement as those without do; what
is on the other side of each cursor is asked by one more. All parents of one GraphQL field do so, so that
their number decides about no statement.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from batchrepo.sql.pages import PREFIX, ROWS, Part, cursor_values, place_parameters, select_pages, shape_of
from batchrepo.strategies.batched import fetch_rows
from batchrepo.strategies.paging import Found, Walk, found_of, refusing_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.computed import Aggregate
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.sql.keys import Key
    from batchrepo.sql.keyset import Keyset
    from batchrepo.sql.rows import Lookup
    from batchrepo.strategies.context import ReadContext
    from batchrepo.strategies.paging import Place
    from batchrepo.strategies.reading import PagedOrder

MOST_PARTS = 50
"""Pages from cursors in one statement; SQLite takes up to 500 parts."""

_START, _STOP = f"{PREFIX}start", f"{PREFIX}stop"
"""What the names of the parameters for cursors that many parents share begin with."""

PageKey: TypeAlias = "tuple[Key, Place | None, Place | None]"
"""Which page of which parent: the relation's key, and the places where reading starts and stops."""


Nulls: TypeAlias = "tuple[bool, ...]"
"""For each value of a cursor whether it is NULL."""


@dataclass(frozen=True, eq=False)
class RelatedPages:
    """Pages of one relation, all with the same order, filter and size.

    Attributes:
        relation: which leads to the rows.
        where: conditions on them.
        order: they are paged by.
        size: items on a page.
        backward: read from the end.
        lookup: finds the first rows of parents without a cursor, one more than a page has.
        counted: counts the rows of all pages of a parent.
        alike: all parents have the same cursors, so that any number of them share a statement.
        probes: whether to look for rows on the other side of cursors.
    """

    relation: RelationInfo
    where: tuple[ColumnElement[bool], ...]
    order: PagedOrder
    size: int
    backward: bool
    lookup: Lookup
    counted: Aggregate[int]
    alike: bool = False
    probes: bool = True

    @property
    def target(self) -> EntityInfo:
        """The entity whose rows are on the pages."""
        return self.relation.target

    def walk(self, start: Place | None, stop: Place | None) -> Walk:
        """How one page is read."""
        return Walk(self.order.keyset, self.size, self.backward, start, stop, self.probes)

    def __str__(self) -> str:
        return f"pages of {self.relation}"


async def read_related_pages(
    asked: RelatedPages, columns: Sequence[Any], keys: Sequence[PageKey], context: ReadContext
) -> list[Found]:
    """The pages of many parents.

    Args:
        asked: of which relation.
        columns: what to select; rows begin with it.
        keys: each once.
        context: the scope.

    Returns:
        One page for each key, in order.
    """
    found: dict[PageKey, Found] = {}
    alike: defaultdict[Any, list[PageKey]] = defaultdict(list)
    for key in keys:
        alike[key[1:]].append(key)
    single: list[PageKey] = []
    for (start, stop), group in alike.items():
        if start is None and stop is None:
            found |= await _from_one_place(asked, columns, group, context, _Shared.of(asked, None, None))
        elif asked.alike or len(group) > MOST_PARTS:
            shared = _shared(asked, start, stop, context)
            found |= await _from_one_place(asked, columns, group, context, shared)
        else:
            single += group
    for begin in range(0, len(single), MOST_PARTS):
        part = single[begin : begin + MOST_PARTS]
        found |= dict(zip(part, await _from_cursors(asked, columns, part, context), strict=True))
    return [found[key] for key in keys]


@dataclass(frozen=True, eq=False)
class _Shared:
    """How pages from the same cursors are read.

    Attributes:
        page: finds the rows of each parent, one more than a page has.
        behind: finds one row at the starting cursor or behind it; None without one.
        beyond: finds one row at the stopping cursor or beyond it; None without one.
    """

    page: Lookup
    behind: Lookup | None = None
    beyond: Lookup | None = None

    @classmethod
    def of(cls, asked: RelatedPages, start: Nulls | None, stop: Nulls | None) -> _Shared:
        """For cursors with NULLs at these places."""
        if start is None and stop is None:
            return cls(asked.lookup)
        ahead = asked.walk(None, None).directed
        back = ahead.backward()
        limits: list[Any] = []
        behind = beyond = None

        def one(order: Keyset, condition: Any) -> Lookup:
            where = (*asked.where, condition)
            return replace(asked.lookup, where=where, order=order.order_terms, first=1)

        if start is not None:
            place = place_parameters(_START, ahead, start)
            limits.append(ahead.condition(place))
            behind = one(back, back.condition(place, inclusive=True)) if asked.probes else None
        if stop is not None:
            place = place_parameters(_STOP, ahead, stop)
            limits.append(back.condition(place))
            beyond = one(ahead, ahead.condition(place, inclusive=True)) if asked.probes else None
        return cls(replace(asked.lookup, where=(*asked.where, *limits)), behind, beyond)


def _shared(asked: RelatedPages, start: Place | None, stop: Place | None, context: ReadContext) -> _Shared:
    """Made once: lookups are told apart by the identity of their conditions."""
    nulls = shape_of(start), shape_of(stop)
    cache_key = ("shared pages", asked, nulls)
    found = context.guards.statements.get(cache_key)
    if found is None:
        found = context.guards.statements[cache_key] = _Shared.of(asked, *nulls)
    return found


async def _from_one_place(
    asked: RelatedPages,
    columns: Sequence[Any],
    keys: Sequence[PageKey],
    context: ReadContext,
    shared: _Shared,
) -> dict[PageKey, Found]:
    """Pages of parents with the same cursors, or with none."""
    _, start, stop = keys[0]
    parents = [key for key, _, _ in keys]
    width = len(columns)
    selected = [*columns, *asked.order.values]
    values = {**cursor_values(_START, start or ()), **cursor_values(_STOP, stop or ())}
    probed = [column.attribute for column in asked.target.key]

    async def having(lookup: Lookup | None) -> set[Key]:
        """The parents that have a row on the other side of a cursor."""
        if lookup is None:
            return set()
        return set((await fetch_rows(lookup, probed, parents, context, values))[1])

    with refusing_values(asked.walk(start, stop)):
        rows, matched = await fetch_rows(shared.page, selected, parents, context, values)
        behind, beyond = await having(shared.behind), await having(shared.beyond)
    groups: defaultdict[Key, list[Any]] = defaultdict(list)
    for row, key in zip(rows, matched, strict=True):
        groups[key].append(row[: len(selected)])
    walk = asked.walk(None, None)
    places = range(width, len(selected))
    found: dict[PageKey, Found] = {}
    for key in keys:
        page = found_of(groups.get(key[0], ()), walk, places, len(selected))
        sides = key[0] in behind, key[0] in beyond
        before, after = sides[::-1] if asked.backward else sides
        found[key] = replace(page, has_previous=page.has_previous or before, has_next=page.has_next or after)
    return found


async def _from_cursors(
    asked: RelatedPages, columns: Sequence[Any], keys: Sequence[PageKey], context: ReadContext
) -> list[Found]:
    walks = [asked.walk(start, stop) for _, start, stop in keys]
    parts = tuple(Part(walk.shape, number) for number, walk in enumerate(walks))
    guards = context.guards
    cache_key = ("pages", asked, tuple(map(id, columns)), parts)
    built = guards.statements.get(cache_key)
    if built is None:
        made = select_pages(asked.relation, asked.where, columns, walks[0].directed, parts, guards)
        # The columns stay referenced, so that their ids stay theirs.
        built = guards.statements[cache_key] = (made, columns)
    paged = built[0]
    params: dict[str, Any] = {ROWS: asked.size + 1, **guards.values(paged.entities)}
    for part, walk, (key, _, _) in zip(parts, walks, keys, strict=True):
        values = key if isinstance(key, tuple) else (key,)
        params |= {part.key_name(i): value for i, value in enumerate(values)}
        params |= cursor_values(part.prefix + "start", walk.start or ())
        params |= cursor_values(part.prefix + "stop", walk.stop or ())
    with refusing_values(*walks):
        rows = await context.door.rows(paged.statement, params, cause=str(asked.relation), keys=len(keys))
    groups: defaultdict[int, list[Any]] = defaultdict(list)
    for row in rows:
        groups[row[-1]].append(row[:-1])
    return [found_of(groups[number], walk, paged.places, paged.probes) for number, walk in enumerate(walks)]
