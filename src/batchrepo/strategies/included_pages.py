"""Relations that a view reads by pages: from the rows of many parents to one page for each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchrepo.declare.cursors import Cursors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.mapping import EntityInfo
    from batchrepo.plan.read import PageSpec
    from batchrepo.sql.keys import Key
    from batchrepo.strategies.context import ReadContext
    from batchrepo.strategies.reading import PagedOrder

Row = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class PagedInclude:
    """How the rows of a relation become pages.

    Attributes:
        spec: which page.
        entity: whose rows are on it.
        order: they are paged by.
        where: the conditions on them, which cursors are bound to.
        places: where the order's values are in a row.
        cursors: whether each item's cursor is asked for, besides the first and the last.
    """

    spec: PageSpec
    entity: EntityInfo
    order: PagedOrder
    where: tuple[ColumnElement[bool], ...]
    places: tuple[int, ...]
    cursors: bool

    def split(self, rows: Sequence[Row], keys: Sequence[Key]) -> tuple[list[Row], list[Key], set[Key]]:
        """Leave out the row that is read of each parent to see whether there are more.

        Args:
            rows: in the direction of reading within each parent.
            keys: of the parent of each row.

        Returns:
            The rows on pages in the order that was asked for, their keys, and the keys with more rows.
        """
        size = self.spec.size
        counts: defaultdict[Key, int] = defaultdict(int)
        on_page: list[tuple[Row, Key]] = []
        more: set[Key] = set()
        for row, key in zip(rows, keys, strict=True):
            counts[key] += 1
            if counts[key] <= size:
                on_page.append((row, key))
            else:
                more.add(key)
        if self.spec.backward:
            on_page.reverse()
        return [row for row, _ in on_page], [key for _, key in on_page], more

    def pages(
        self,
        rows: Sequence[Row],
        keys: Sequence[Key],
        dicts: Sequence[dict[str, Any]],
        more: set[Key],
        context: ReadContext,
    ) -> dict[Key, dict[str, Any]]:
        """The page of each parent that has rows, as a dict."""
        reading = context.reading
        purpose = reading.purpose(self.entity, self.order, self.where, context.guards)
        items: defaultdict[Key, list[dict[str, Any]]] = defaultdict(list)
        found: defaultdict[Key, list[Row]] = defaultdict(list)
        for row, key, item in zip(rows, keys, dicts, strict=True):
            items[key].append(item)
            found[key].append(tuple(row[place] for place in self.places))
        # Of a page with no place for any row, only those are known that it leaves out.
        beyond = {key: self._page([], None, more=True) for key in more if key not in found}
        return beyond | {
            key: self._page(items[key], Cursors(reading.cursors, purpose, places), key in more)
            for key, places in found.items()
        }

    def empty(self) -> dict[str, Any]:
        """The page of a parent without rows."""
        return self._page([], None, more=False)

    def _page(self, items: list[dict[str, Any]], cursors: Cursors | None, more: bool) -> dict[str, Any]:
        start, end = (None, None) if cursors is None else cursors.ends
        page = {
            "items": items,
            "has_next": more and not self.spec.backward,
            "has_previous": more and self.spec.backward,
            "start_cursor": start,
            "end_cursor": end,
            "total": None,
            "total_is": None,
        }
        if self.cursors:
            page["cursors"] = () if cursors is None else cursors
        return page


@dataclass(frozen=True, slots=True)
class PageTotal:
    """A total that was counted beside the pages and belongs into them.

    Attributes:
        name: of the field with the pages.
        counted: under which name the totals are until then.
    """

    name: str
    counted: str

    def move(self, dicts: Sequence[dict[str, Any]]) -> None:
        """Put each total into its page."""
        for parent in dicts:
            page = parent[self.name]
            page["total"] = parent.pop(self.counted)
            page["total_is"] = "exact"
