"""Markers for view fields whose name alone does not say what to read.

They go into ``Annotated``: ``artist_name: Annotated[str, column(Album.artist, Artist.name)]``. What they were
given is checked when the view is planned, where view and field can be named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Marker:
    """The base of all markers."""


@dataclass(frozen=True, eq=False)
class ColumnMarker(Marker):
    """Made by `column`."""

    path: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class IncludeMarker(Marker):
    """Made by `include`."""

    relation: Any
    first: int | None
    where: Any
    order_by: Any


@dataclass(frozen=True, eq=False)
class UnmappedMarker(Marker):
    """Made by `unmapped`."""


def column(*path: Any) -> ColumnMarker:
    """Read a column under another name, or flatten one of a related entity.

    Args:
        path: to-one relationships that lead to the column, then the column:
            ``column(Album.title)``, ``column(Album.artist, Artist.name)``.
    """
    return ColumnMarker(path)


def include(
    relation: Any, *, first: int | None = None, where: Any = None, order_by: Any = None
) -> IncludeMarker:
    """Read a relation under another name, or with a filter, an order or a limit for each parent.

    Args:
        relation: the relationship, such as ``Album.tracks``.
        first: at most so many rows for each parent, 1 or more; None for all.
        where: a condition on the related rows (or a sequence of conditions, all of which must hold).
        order_by: default: the relationship's own order; the primary key breaks ties where `first` is given.
    """
    return IncludeMarker(relation, first, where, order_by)


def unmapped() -> UnmappedMarker:
    """A field that is not read from the database: the view's default or a validator fills it."""
    return UnmappedMarker()
