"""Computed attributes: values that a repository declares beside the columns of its entity.

Each is loaded for any number of parents in one statement, may be named in a view, and can be read
with ``scope.related(entity, ArtistRepository.album_count)``.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar, overload

from batchrepo.declare.orders import OrderTerm, parse_order, total_order
from batchrepo.errors import DeclarationError, did_you_mean
from batchrepo.mapping.entity import attribute_owner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import QueryableAttribute
    from sqlalchemy.sql.elements import ColumnElement, SQLCoreOperations

    from batchrepo.mapping import EntityInfo, RelationInfo

T = TypeVar("T")
C = TypeVar("C")

AggregateFunction = Literal["count", "exists", "total", "minimum", "maximum", "average"]
"""What an aggregate does with the related rows."""


class Computed(Generic[T]):
    """A value that is computed for an entity; `T` is the type that reading it gives.

    Attributes:
        name: the attribute's name on its repository, or a description where it has none.
        owner: the repository class that declares it, or None.
    """

    name: str = ""
    owner: type[Any] | None = None

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.owner, self.name = owner, name

    def entity(self) -> EntityInfo | None:
        """The entity it is computed for, where the declaration itself says so."""
        return None

    def __str__(self) -> str:
        return f"{self.owner.__name__}.{self.name}" if self.owner else type(self).__name__.lower()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


class _OverRelation(Computed[T]):
    def __init__(self, relation: QueryableAttribute[Any], where: Any) -> None:
        self._relation_attribute = relation
        self.where: tuple[ColumnElement[bool], ...] = _conditions(where)

    @cached_property
    def relation(self) -> RelationInfo:
        """The relation it looks at.

        Raises:
            DeclarationError: the attribute is not a to-many relationship.
        """
        entity, name = attribute_owner(self._relation_attribute)
        relation = entity.relations.get(name)
        if relation is None:
            raise DeclarationError(
                f"{self}: {entity.name}.{name} is not a relationship.{did_you_mean(name, entity.relations)}"
            )
        if relation.refused:
            raise DeclarationError(f"{self}: {relation.refused}.")
        return relation

    def entity(self) -> EntityInfo | None:
        return self.relation.parent


class Aggregate(_OverRelation[T]):
    """One number (or truth) over the related rows. Made by `count`, `exists`, `total`, ..."""

    def __init__(
        self, function: AggregateFunction, relation: QueryableAttribute[Any], column: Any, where: Any
    ) -> None:
        super().__init__(relation, where)
        self.function: AggregateFunction = function
        self.column = column

    @property
    def empty(self) -> Any:
        """The value for a parent without related rows."""
        return {"count": 0, "exists": False, "total": 0}.get(self.function)


class Top(_OverRelation[T]):
    """The first few related rows, or the one that comes first. Made by `top`, `latest`, `earliest`."""

    def __init__(
        self,
        relation: QueryableAttribute[Any],
        first: int,
        order_by: Any,
        where: Any,
        *,
        single: bool,
    ) -> None:
        super().__init__(relation, where)
        if first < 1:
            raise DeclarationError(f"top({relation}, {first}): expected at least 1 row per parent.")
        self.first = first
        self.single = single
        self._order_by = order_by

    @cached_property
    def order(self) -> tuple[OrderTerm, ...]:
        """The order, with the target's primary key as tie-breaker."""
        terms = parse_order(self._order_by) or parse_order(self.relation.order_by)
        return total_order(terms, self.relation.target)


class Expression(Computed[T]):
    """A SQL expression over the entity's own columns, computed in the statement that reads its row."""

    def __init__(self, expression: SQLCoreOperations[T]) -> None:
        self.expression: Any = expression


class BatchSource(Protocol):
    """What `fetched` needs of a batched function: a name, and a loader for a scope."""

    name: str

    def make_loader(self, scheduler: Any, scope: Any) -> Any:
        """A loader for one scope."""
        ...


class Fetched(Computed[T]):
    """A value that a batched function finds by one of the entity's columns. Made by `fetched`."""

    def __init__(self, source: BatchSource, key: QueryableAttribute[Any]) -> None:
        self.source = source
        self._key_attribute = key

    @cached_property
    def key(self) -> str:
        """The name of the column whose value is the key."""
        entity, name = attribute_owner(self._key_attribute)
        return entity.column(name).name

    def entity(self) -> EntityInfo | None:
        """The entity whose column is the key."""
        return attribute_owner(self._key_attribute)[0]


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
    """The sum of `column` over the related rows; 0 for none. NULLs are left out."""
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
    return Top(relation, first, order_by, where, single=False)


@overload
def latest(relation: QueryableAttribute[list[C]], by: Any, *, where: Any = None) -> Computed[C | None]: ...
@overload
def latest(relation: QueryableAttribute[Any], by: Any, *, where: Any = None) -> Computed[Any]: ...
def latest(relation: QueryableAttribute[Any], by: Any, *, where: Any = None) -> Computed[Any]:
    """The related row with the greatest `by`; equal ones by the greatest key; NULL comes last.

    Returns None for a parent without related rows.
    """
    order = tuple(OrderTerm(term.expression, True, "last") for term in parse_order(by))
    return Top(relation, 1, order, where, single=True)


@overload
def earliest(relation: QueryableAttribute[list[C]], by: Any, *, where: Any = None) -> Computed[C | None]: ...
@overload
def earliest(relation: QueryableAttribute[Any], by: Any, *, where: Any = None) -> Computed[Any]: ...
def earliest(relation: QueryableAttribute[Any], by: Any, *, where: Any = None) -> Computed[Any]:
    """The related row with the smallest `by`; equal ones by the smallest key; NULL comes last."""
    order = tuple(OrderTerm(term.expression, False, "last") for term in parse_order(by))
    return Top(relation, 1, order, where, single=True)


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


def _conditions(where: Any) -> tuple[ColumnElement[bool], ...]:
    if where is None:
        return ()
    conditions: Sequence[Any] = where if isinstance(where, tuple | list) else (where,)
    for condition in conditions:
        if not hasattr(condition, "compile"):
            raise DeclarationError(
                f"where= expects a SQL condition such as Track.milliseconds > 1000; got {condition!r}."
            )
    return tuple(conditions)
