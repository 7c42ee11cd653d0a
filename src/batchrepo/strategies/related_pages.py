"""Pages of what a relation leads to, for many parents at once, each from its own cursor.

Parents without a cursor share one statement of constant text, the one that reads the first few rows of each. For
parents with cursors a UNION ALL has one part for each: each cursor is then a bound of its own that an index serves,
however deep the page is.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from batchrepo.sql.pages import ROWS, Part, cursor_values, select_pages
from batchrepo.strategies.batched import fetch_rows
from batchrepo.strategies.paging import Found, Walk, found_of, refusing_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.computed import Aggregate
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.sql.keys import Key
    from batchrepo.sql.rows import Lookup
    from batchrepo.strategies.context import ReadContext
    from batchrepo.strategies.paging import Place
    from batchrepo.strategies.reading import PagedOrder

MOST_PARTS = 50
"""Pages from cursors in one statement; SQLite takes up to 500 parts."""

PageKey: TypeAlias = "tuple[Key, Place | None, Place | None]"
"""Which page of which parent: the relation's key, and the places where reading starts and stops."""


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
    """

    relation: RelationInfo
    where: tuple[ColumnElement[bool], ...]
    order: PagedOrder
    size: int
    backward: bool
    lookup: Lookup
    counted: Aggregate[int]

    @property
    def target(self) -> EntityInfo:
        """The entity whose rows are on the pages."""
        return self.relation.target

    def walk(self, start: Place | None, stop: Place | None) -> Walk:
        """How one page is read."""
        return Walk(self.order.keyset, self.size, self.backward, start, stop)

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
    firsts = [key for key in keys if key[1] is None and key[2] is None]
    if firsts:
        found |= await _firsts(asked, columns, firsts, context)
    others = [key for key in keys if key not in found]
    for start in range(0, len(others), MOST_PARTS):
        part = others[start : start + MOST_PARTS]
        found |= dict(zip(part, await _from_cursors(asked, columns, part, context), strict=True))
    return [found[key] for key in keys]


async def _firsts(
    asked: RelatedPages, columns: Sequence[Any], keys: Sequence[PageKey], context: ReadContext
) -> dict[PageKey, Found]:
    width = len(columns)
    selected = [*columns, *asked.order.values]
    rows, matched = await fetch_rows(asked.lookup, selected, [key for key, _, _ in keys], context)
    groups: defaultdict[Key, list[Any]] = defaultdict(list)
    for row, key in zip(rows, matched, strict=True):
        groups[key].append(row[: len(selected)])
    walk = asked.walk(None, None)
    places = range(width, len(selected))
    return {key: found_of(groups.get(key[0], ()), walk, places, len(selected)) for key in keys}


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
