"""What a repository's body calls to declare computed attributes: ``album_count = count(Artist.albums)``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from batchrepo.declare.computed import Aggregate, Computed, Expression, Fetched, Top

if TYPE_CHECKING:
    from sqlalchemy.orm import QueryableAttribute
    from sqlalchemy.sql.elements import SQLCoreOperations

    from batchrepo.declare.computed import BatchSource

T = TypeVar("T")
C = TypeVar("C")


def count(relation: QueryableAttribute[Any], *, where: Any = None) -> Computed[int]:
    """How many related rows there are; 0 for none.

    Args:
        relation: a to-many relationship, such as ``Artist.albums``.
        where: counts only the rows that meet this condition (or all conditions of a sequence).
    """
    return Aggregate("count", relation, None, where)


def exists(relation: QueryableAttribute[Any], *, where: Any = None) -> Computed[bool]:
    """Whether there is any related row (that meets `where`)."""
    return Aggregate("exists", relation, None, where)


def total(
    relation: QueryableAttribute[Any], column: SQLCoreOperations[T], *, where: Any = None
) -> Computed[T]:
    """The sum of `column` over the related rows; a zero of its type for none. NULLs are left out."""
    return Aggregate("total", relation, column, where)


def minimum(
    relation: QueryableAttribute[Any], column: SQLCoreOperations[T], *, where: Any = None
) -> Computed[T | None]:
    """The smallest value of `column` over the related rows; None for none."""
    return Aggregate("minimum", relation, column, where)


def maximum(
    relation: QueryableAttribute[Any], column: SQLCoreOperations[T], *, where: Any = None
) -> Computed[T | None]:
    """The greatest value of `column` over the related rows; None for none."""
    return Aggregate("maximum", relation, column, where)


def average(
    relation: QueryableAttribute[Any], column: SQLCoreOperations[Any], *, where: Any = None
) -> Computed[float | None]:
    """The mean of `column` over the related rows, always a float; None for none."""
    return Aggregate("average", relation, column, where)


def top(
    relation: QueryableAttribute[list[C]], first: int, *, order_by: Any = None, where: Any = None
) -> Computed[list[C]]:
    """The first rows of each parent.

    Args:
        relation: a to-many relationship.
        first: how many rows per parent, 1 or more.
        order_by: default: the relationship's own order. The primary key breaks ties.
        where: takes only the rows that meet this condition.
    """
    return Top(relation, first, order_by, where)


@overload
def latest(relation: QueryableAttribute[list[C]], by: Any, *, where: Any = None) -> Computed[C | None]: ...
@overload
def latest(relation: QueryableAttribute[Any], by: Any, *, where: Any = None) -> Computed[Any]: ...
def latest(relation: QueryableAttribute[Any], by: Any, *, where: Any = None) -> Computed[Any]:
    """The related row with the greatest `by`; equal ones by the greatest key; NULL comes last.

    Returns None for a parent without related rows.
    """
    return Top(relation, 1, by, where, extreme="latest")


@overload
def earliest(relation: QueryableAttribute[list[C]], by: Any, *, where: Any = None) -> Computed[C | None]: ...
@overload
def earliest(relation: QueryableAttribute[Any], by: Any, *, where: Any = None) -> Computed[Any]: ...
def earliest(relation: QueryableAttribute[Any], by: Any, *, where: Any = None) -> Computed[Any]:
    """The related row with the smallest `by`; equal ones by the smallest key; NULL comes last."""
    return Top(relation, 1, by, where, extreme="earliest")


def expression(sql: SQLCoreOperations[T]) -> Computed[T]:
    """A SQL expression over the entity's own columns, such as ``func.substr(Message.content, 1, 100)``."""
    return Expression(sql)


def fetched(source: BatchSource, *, key: QueryableAttribute[Any]) -> Computed[Any]:
    """A value from a batched function (a foreign service, a file, a computation) by a column's value.

    Args:
        source: a function decorated with `batched`.
        key: the column whose value is the key, such as ``Album.id``. A NULL gives None.
    """
    return Fetched(source, key)
