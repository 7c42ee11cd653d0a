"""The oracle: the same documents, answered from plain rows by graphql-core, field after field."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import ExecutionResult, GraphQLError, GraphQLResolveInfo, build_schema, graphql_sync

from tests.criteria.models import Badge, Chapter, Label, Member, Note, Page, Part, Remark
from tests.criteria.rows import View, relation_of

EVERYTHING = View(site=None)

TYPES = {cls.__name__: cls for cls in (Badge, Chapter, Label, Member, Note, Page, Part, Remark)}
"""The entities behind the types, by the names of these."""

PAGES = {"Page": (3, 2000), "Member": (20, 2000)}
"""Default and largest size of a page, where they are not the general ones."""

GENERAL = (20, 1000)


@dataclass(frozen=True)
class Row:
    """A row that is seen."""

    cls: type[Any]
    key: Any


@dataclass(frozen=True)
class Cursors:
    """What cursors stand for.

    Attributes:
        meaning: for each text, the order and the key of its row.
    """

    meaning: dict[str, tuple[str, Any]]

    def place(self, text: str, order: str) -> Any:
        """The key of the row; an error where the cursor is none, or of another order."""
        found = self.meaning.get(text)
        if found is None or found[0] != order:
            raise invalid("cursor")
        return found[1]

    def told(self, data: Any) -> Any:
        """Data with what the cursors stand for in their place."""
        match data:
            case dict():
                return {key: self.told(value) for key, value in data.items()}
            case list():
                return [self.told(value) for value in data]
            case str() if data in self.meaning:
                return token(*self.meaning[data])
            case _:
                return data


def token(order: str, key: Any) -> str:
    return f"<{order} {key}>"


def invalid(what: str, code: str = "INVALID_ARGUMENT") -> GraphQLError:
    return GraphQLError(what, extensions={"code": code})


class Naive:
    """Answers documents.

    Args:
        sdl: the schema.
        cursors: all cursors that a document may have.
    """

    def __init__(self, sdl: str, cursors: Cursors) -> None:
        self._schema = build_schema(sdl)
        self.cursors = cursors

    def answer(self, document: str, variables: dict[str, Any], site: int) -> ExecutionResult:
        """The result, with tokens for cursors."""
        return graphql_sync(
            self._schema,
            document,
            context_value=View(site),
            variable_values=variables,
            field_resolver=self._resolve,
        )

    def _resolve(self, source: Any, info: GraphQLResolveInfo, **asked: Any) -> Any:
        view: View = info.context
        name = re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", info.field_name)
        match source:
            case None:
                found = self._root(view, name, asked)
            case dict():
                return source[name]
            case Row(cls, key):
                found = self._of_row(view, cls, key, name)
        if str(info.return_type).rstrip("!").endswith("Connection"):
            return self._page(found, asked)
        return found

    def _root(self, view: View, name: str, asked: dict[str, Any]) -> Any:
        match name:
            case "page" | "member":
                cls = TYPES[name.title()]
                return Row(cls, asked["id"]) if view.sees(cls, asked["id"]) else None
            case "chapter":
                key = (asked["pageId"], asked["number"])
                return Row(Chapter, key) if view.sees(Chapter, key) else None
            case "members_of":
                return [Row(Member, key) for key in asked["ids"]]
            case "pages" | "all_pages":
                found = [Row(Page, key) for key in sorted(view.keys(Page), key=by_size)]
                return Ordered(found, "Page by size", by_size) if name == "pages" else found
            case "all_chapters":
                return [Row(Chapter, key) for key in view.keys(Chapter)]
            case "some_members":
                return Ordered([Row(Member, key) for key in view.keys(Member)], "Member by key")
            case "all_members":
                return [Row(Member, key) for key in view.keys(Member)]
        raise AssertionError(name)

    def _of_row(self, view: View, cls: type[Any], key: Any, name: str) -> Any:
        if (cls, name) in COMPUTED:
            return COMPUTED[cls, name](view, key)
        row = view.row(cls, key)
        if name in row:
            return row[name]
        attribute = getattr(cls, name)
        found, target = view.related(attribute, key), relation_of(attribute).target
        if not relation_of(attribute).many:
            return None if found is None else Row(target, found)
        rows = [Row(target, other) for other in found]
        # By the relation's order and then the key, as a cursor of another parent's row shows.
        places = {"place": by_number} if target is Chapter else {}
        return Ordered(rows, f"{target.__name__} by key", **places)

    def _page(self, whole: Ordered, asked: dict[str, Any]) -> dict[str, Any]:
        """A page, of all rows."""
        first, last = asked.get("first"), asked.get("last")
        after, before = asked.get("after"), asked.get("before")
        rows = whole.rows
        default, largest = PAGES.get(whole.order.split(" ", maxsplit=1)[0], GENERAL)
        if (first is not None and last is not None) or any(
            size is not None and not 0 <= size <= largest for size in (first, last)
        ):
            raise invalid("size")
        behind, beyond, within = [], [], rows
        if after is not None:
            place = whole.place(self.cursors.place(after, whole.order))
            behind = [row for row in rows if whole.place(row.key) <= place]
            within = [row for row in within if whole.place(row.key) > place]
        if before is not None:
            place = whole.place(self.cursors.place(before, whole.order))
            beyond = [row for row in rows if whole.place(row.key) >= place]
            within = [row for row in within if whole.place(row.key) < place]
        backward = last is not None or (first is None and after is None and before is not None)
        size = next((size for size in (first, last) if size is not None), default)
        page = within[max(0, len(within) - size) :] if backward else within[:size]
        more = len(within) > size
        cursors = [token(whole.order, row.key) for row in page]
        return {
            "edges": [{"cursor": cursor, "node": row} for cursor, row in zip(cursors, page, strict=True)],
            "page_info": {
                # Rows at a cursor and on its other side count, also where the cursors have changed places.
                "has_next_page": bool(beyond) or (more and not backward),
                "has_previous_page": bool(behind) or (more and backward),
                "start_cursor": cursors[0] if cursors else None,
                "end_cursor": cursors[-1] if cursors else None,
            },
            "total_count": len(rows),
        }


class Ordered(list[Row]):
    """Rows in an order.

    Args:
        rows: in it.
        order: its name.
        place: where a row is, by its key.
    """

    def __init__(
        self, rows: Sequence[Row], order: str, place: Callable[[Any], Any] = lambda key: key
    ) -> None:
        super().__init__(rows)
        self.rows = list(rows)
        self.order = order
        self.place = place


def by_number(key: tuple[int, int]) -> Any:
    page, number = key
    return number, page


def by_size(key: int) -> Any:
    row = EVERYTHING.row(Page, key)
    return row["size"] is None, -(row["size"] or 0), row["title"], key


# --- computed attributes -------------------------------------------------------------------------------------


def stars(view: View, key: int) -> list[int]:
    return [value for value in view.values(Page.remarks, key, "stars") if value is not None]


def remarks(view: View, key: int, place: Callable[[bool, int, int], Any]) -> list[Row]:
    found = [(view.row(Remark, remark)["stars"], remark) for remark in view.related(Page.remarks, key)]
    found.sort(key=lambda pair: place(pair[0] is None, pair[0] or 0, pair[1]))
    return [Row(Remark, remark) for _, remark in found]


def _rows(attribute: Any, some: slice) -> Callable[[View, Any], list[Row]]:
    target = relation_of(attribute).target
    return lambda view, key: [Row(target, found) for found in view.related(attribute, key)[some]]


def _count(attribute: Any) -> Callable[[View, Any], int]:
    return lambda view, key: len(view.related(attribute, key))


COMPUTED: dict[tuple[type[Any], str], Callable[[View, Any], Any]] = {
    (Page, "number_of_remarks"): _count(Page.remarks),
    (Page, "by_subquery"): _count(Page.remarks),
    (Page, "remark_count"): _count(Page.remarks),
    (Page, "label_count"): _count(Page.labels),
    (Page, "good_remarks"): lambda view, key: sum(value >= 2 for value in stars(view, key)),
    (Page, "has_remarks"): lambda view, key: bool(view.related(Page.remarks, key)),
    (Page, "stars"): lambda view, key: sum(stars(view, key)),
    (Page, "least"): lambda view, key: min(stars(view, key), default=None),
    (Page, "most"): lambda view, key: max(stars(view, key), default=None),
    (Page, "best"): lambda view, key: max(stars(view, key), default=None),
    # Of at most a few small numbers: every database divides them equally.
    (Page, "mean"): lambda view, key: sum(found) / len(found) if (found := stars(view, key)) else None,
    (Page, "asked"): lambda view, key: f"asked {view.row(Page, key)['author_id']}",
    (Page, "two_remarks"): lambda view, key: remarks(view, key, lambda none, n, id_: (none, -n, id_))[:2],
    (Page, "last_remark"): lambda view, key: next(
        iter(remarks(view, key, lambda none, n, id_: (none, -n, -id_))), None
    ),
    (Page, "first_remark"): lambda view, key: next(
        iter(remarks(view, key, lambda none, n, id_: (none, n, id_))), None
    ),
    (Page, "one_label"): _rows(Page.labels, slice(-1, None)),
    (Member, "page_count"): _count(Member.pages),
    (Member, "pages_read"): _count(Member.read),
    (Member, "read_size"): lambda view, key: sum(size or 0 for size in view.values(Member.read, key, "size")),
    (Member, "first_read"): _rows(Member.read, slice(2)),
    (Member, "title"): lambda view, key: f"{key}/{view.row(Member, key)['name']}",
    (Member, "again"): lambda view, key: Row(Member, key),
    (Member, "own_pages"): _rows(Member.pages, slice(None)),
    (Chapter, "note_count"): _count(Chapter.notes),
    (Chapter, "first_notes"): _rows(Chapter.notes, slice(1)),
}
"""What the declarations of `tests.criteria.repositories` and of the types give, in Python."""
