"""Connections: pages as the Relay specification has them.

https://relay.dev/graphql/connections.htm

Edges and nodes are never null, which the specification leaves open: the rows of a page are read together, and
one that nobody may see is on no page. ``first`` and ``last`` together are refused, which it discourages.
Where its algorithm lets a server say False for the flag of the other direction, both flags are right here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.relay import PageInfo
from strawberry.types.arguments import StrawberryArgument

if TYPE_CHECKING:
    from collections.abc import Sequence


T = TypeVar("T")


@strawberry.type(description="A row on a page, with its cursor.")
class Edge(Generic[T]):
    """A row on a page, with its cursor."""

    cursor: str = strawberry.field(description="For `after` and `before`.")
    node: T = strawberry.field(description="The row itself.")


@strawberry.type(description="A page of rows.")
class Connection(Generic[T]):
    """A page of rows; as the type of a field it pages a relation, or all rows: ``tracks: Connection[TrackType]``."""

    edges: list[Edge[T]] = strawberry.field(description="The rows of this page.")
    page_info: PageInfo = strawberry.field(description="Whether there are more rows, and how to get them.")
    total_count: int = strawberry.field(
        description="How many rows there are on all pages; counted if asked for."
    )


class PageEdge:
    """An `Edge` whose cursor is made when it is asked for."""

    __slots__ = ("_cursors", "_index", "node")

    def __init__(self, node: Any, cursors: Sequence[str], index: int) -> None:
        self.node = node
        self._cursors = cursors
        self._index = index

    @property
    def cursor(self) -> str:
        """For ``after`` and ``before``."""
        return self._cursors[self._index]


class PageOfRows:
    """A `Connection` that was read, and its `PageInfo`."""

    __slots__ = ("edges", "end_cursor", "has_next_page", "has_previous_page", "start_cursor", "total_count")

    def __init__(self, nodes: Sequence[Any], page: dict[str, Any]) -> None:
        cursors = page["cursors"]
        self.edges = [PageEdge(node, cursors, index) for index, node in enumerate(nodes)]
        self.total_count = page["total"]
        self.has_next_page = page["has_next"]
        self.has_previous_page = page["has_previous"]
        self.start_cursor = page["start_cursor"]
        self.end_cursor = page["end_cursor"]

    @property
    def page_info(self) -> PageOfRows:
        """Whether there are more rows, and how to get them."""
        return self


class CountOfRows:
    """A `Connection` of which nothing but the total is asked for."""

    __slots__ = ("total_count",)

    def __init__(self, total_count: int) -> None:
        self.total_count = total_count


def page_arguments() -> list[StrawberryArgument]:
    """The arguments of every connection."""
    texts = {
        "first": (int, "At most so many rows from the start."),
        "after": (str, "Only rows behind the one with this cursor."),
        "last": (int, "At most so many rows from the end."),
        "before": (str, "Only rows before the one with this cursor."),
    }
    return [
        StrawberryArgument(
            name,
            None,
            StrawberryAnnotation(kind | None),
            description=description,
        )
        for name, (kind, description) in texts.items()
    ]
