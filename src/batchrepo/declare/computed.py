"""Computed attributes: values that a repository declares beside the columns of its entity.

Each is loaded for any number of parents in one statement, may be named in a view, and can be read
with ``scope.related(entity, ArtistRepository.album_count)``.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.sql.elements import SQLCoreOperations

from batchrepo.declare.elements import (
    declared_conditions,
    declared_first,
    related_sources,
    sql_of,
    why_foreign,
    why_no_expression,
    with_own_parameters,
)
from batchrepo.declare.orders import OrderTerm, Sortable, declared_order, parse_order, total_order
from batchrepo.declare.values import AggregateFunction, aggregate_value, extreme_value
from batchrepo.errors import DeclarationError, InvalidArgument, did_you_mean
from batchrepo.mapping.entity import attribute_owner, python_type_of, shown

if TYPE_CHECKING:
    from sqlalchemy.orm import QueryableAttribute
    from sqlalchemy.sql.elements import ColumnElement, Label
    from sqlalchemy.sql.operators import OperatorType

    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.mapping.entity import Sources

T = TypeVar("T")
C = TypeVar("C")


if TYPE_CHECKING:
    _Value = SQLCoreOperations  # checkers see SQLAlchemy's own signatures
else:

    class _Value(Sortable, SQLCoreOperations[T]):
        """The base of computed attributes: directions are put on them before their SQL is known."""


class Computed(_Value[T]):
    """A value that is computed for an entity; `T` is the type that reading it gives.

    It is a SQL expression too: ``AlbumRepository.duration > 3_600_000`` is a condition, and
    ``AlbumRepository.duration.desc()`` an order, of reads of that entity.

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

    def check(self, entity: EntityInfo) -> None:
        """Check the whole declaration, as one of a repository of `entity`.

        What a declaration was given is looked at here (or when it is first used), not in its constructor: in
        the class body neither its name nor the mapped classes are known yet.

        Raises:
            DeclarationError: something of it is wrong; the message names repository and attribute.
        """
        owner = self.entity()
        if owner is not None and owner not in entity.ancestors:
            raise DeclarationError(
                f"{self} is computed from {owner.name}, but the repository's entity is {entity.name}. "
                f"Declare it on the repository of {owner.name}."
            )

    def __clause_element__(self) -> ColumnElement[T]:
        """The SQL expression, correlated to the entity's tables.

        Raises:
            InvalidArgument: it has no single value in SQL.
            DeclarationError: something of the declaration is wrong.
        """
        return self._sql

    @cached_property
    def _sql(self) -> ColumnElement[T]:
        raise InvalidArgument(f"{self} has no value in SQL: it is {self._what}. {self._instead}")

    _what: ClassVar[str] = "computed elsewhere"
    """What it is instead of a value in SQL, for messages."""

    _instead: ClassVar[str] = "Read it with the rows instead."
    """What to use instead, for messages."""

    def label(self, name: str) -> Label[T]:
        """The SQL expression under a name, for statements of your own."""
        return self._sql.label(name)

    def operate(self, op: OperatorType, *other: Any, **kwargs: Any) -> ColumnElement[Any]:
        """SQLAlchemy's operators, on the SQL expression."""
        return op(self._sql, *other, **kwargs)  # type: ignore[no-any-return]

    def reverse_operate(self, op: OperatorType, other: Any, **kwargs: Any) -> ColumnElement[Any]:
        """The same where it is the right operand."""
        return op(other, self._sql, **kwargs)  # type: ignore[no-any-return]

    def __hash__(self) -> int:
        # `==` builds SQL; in sets and dicts a declaration is itself.
        return object.__hash__(self)

    def __str__(self) -> str:
        return f"{self.owner.__name__}.{self.name}" if self.owner else type(self).__name__.lower()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


class _OverRelation(Computed[T]):
    def __init__(self, relation: QueryableAttribute[Any], where: Any) -> None:
        self._relation_attribute = relation
        self._where = where

    @cached_property
    def relation(self) -> RelationInfo:
        """The relation it looks at.

        Raises:
            DeclarationError: the attribute is not a to-many relationship.
        """
        entity, name = attribute_owner(self._relation_attribute, str(self))
        relation = entity.relations.get(name)
        if relation is None:
            raise DeclarationError(
                f"{self}: {entity.name}.{name} is not a relationship.{did_you_mean(name, entity.relations)}"
            )
        if relation.refused:
            raise DeclarationError(f"{self}: {relation.refused}.")
        if not relation.many:
            raise DeclarationError(
                f"{self}: {relation} leads to one {relation.target.name}, but a list is needed here. "
                f"Use a to-many relationship."
            )
        return relation

    @cached_property
    def where(self) -> tuple[ColumnElement[bool], ...]:
        """Conditions on the related rows.

        Raises:
            DeclarationError: one is no condition, or has columns of another table.
        """
        return declared_conditions(self._where, str(self), self._sources, str(self.relation.target.name))

    @property
    def _sources(self) -> Sources:
        return related_sources(self.relation)

    def entity(self) -> EntityInfo | None:
        return self.relation.parent

    def check(self, entity: EntityInfo) -> None:
        super().check(entity)
        _ = self.where


class Aggregate(_OverRelation[T]):
    """One number (or truth) over the related rows. Made by `count`, `exists`, `total`, ..."""

    def __init__(
        self, function: AggregateFunction, relation: QueryableAttribute[Any], column: Any, where: Any
    ) -> None:
        super().__init__(relation, where)
        self.function: AggregateFunction = function
        self._column = column

    @cached_property
    def column(self) -> Any:
        """What is added up or compared; None for `count` and `exists`.

        Raises:
            DeclarationError: it is no expression over the related rows, or no number where one is needed.
        """
        if self.function in ("count", "exists"):
            return None
        column, target = self._column, self.relation.target
        refusal = why_no_expression(column) or why_foreign(column, self._sources, target.name, value=True)
        if refusal is not None:
            raise DeclarationError(f"{self}: {refusal}.")
        kind = sql_of(column).type  # type: ignore[union-attr]
        if self.function in ("total", "average") and not _may_be_number(kind):
            raise DeclarationError(
                f"{self}: {self.function}() needs numbers, but {shown(column)} has the type {kind!r}."
            )
        return with_own_parameters(column)

    @cached_property
    def _sql(self) -> ColumnElement[T]:
        return aggregate_value(self.relation, self.function, sql_of(self.column), self.where)

    @cached_property
    def empty(self) -> Any:
        """The value for a parent without related rows; a total is a zero of its column's type."""
        if self.function == "total":
            kind = python_type_of(sql_of(self.column).type)  # type: ignore[union-attr]
            return kind(0) if kind in (Decimal, float) else 0
        return {"count": 0, "exists": False}.get(self.function)

    def check(self, entity: EntityInfo) -> None:
        """As `Computed.check`: relation, conditions and column."""
        super().check(entity)
        _ = self.column


def _may_be_number(kind: Any) -> bool:
    unknown = isinstance(kind, sa.types.TypeDecorator | sa.types.NullType) and not isinstance(
        kind, sa.Interval
    )
    return unknown or isinstance(kind, sa.Integer | sa.Numeric | sa.Float)


class Top(_OverRelation[T]):
    """The first few related rows, or the one that comes first. Made by `top`, `latest`, `earliest`."""

    def __init__(
        self,
        relation: QueryableAttribute[Any],
        first: Any,
        order_by: Any,
        where: Any,
        *,
        extreme: Literal["latest", "earliest"] | None = None,
    ) -> None:
        super().__init__(relation, where)
        self._first = first
        self._order_by = order_by
        self._extreme = extreme

    @property
    def single(self) -> bool:
        """Whether it is one row (or None) instead of a list."""
        return self._extreme is not None

    _what = "a list of rows"
    _instead = "Sort and filter by an aggregate over the relation, or by latest() or earliest()."

    @cached_property
    def _sql(self) -> ColumnElement[T]:
        if self._extreme is None:
            return super()._sql
        by = self.order[0].expression
        return extreme_value(self.relation, sql_of(by), self.where, greatest=self._extreme == "latest")

    @cached_property
    def first(self) -> int:
        """At most so many rows for each parent.

        Raises:
            DeclarationError: it is no number of rows.
        """
        return declared_first(self._first, f"{self}: top({shown(self._relation_attribute)}, ...)")

    @cached_property
    def order(self) -> tuple[OrderTerm, ...]:
        """The order, with the target's primary key as tie-breaker.

        Raises:
            DeclarationError: it is no order of the related rows.
        """
        target = self.relation.target
        terms = declared_order(self._order_by, str(self), self._sources, target.name)
        if self._extreme is not None:
            if not terms:
                raise DeclarationError(
                    f"{self}: {self._extreme}() needs by=, the column that decides; got {self._order_by!r}."
                )
            descending = self._extreme == "latest"
            terms = tuple(OrderTerm(term.expression, descending, "last") for term in terms)
        return total_order(terms or parse_order(self.relation.order_by), target)

    def check(self, entity: EntityInfo) -> None:
        """As `Computed.check`: relation, conditions, number and order."""
        super().check(entity)
        _ = self.first, self.order


class Expression(Computed[T]):
    """A SQL expression over the entity's own columns, computed in the statement that reads its row."""

    def __init__(self, expression: SQLCoreOperations[T]) -> None:
        self._expression = expression

    @cached_property
    def expression(self) -> Any:
        """What is computed."""
        return with_own_parameters(self._expression)

    @cached_property
    def _sql(self) -> ColumnElement[T]:
        refusal = why_no_expression(self.expression)
        if refusal is not None:
            raise DeclarationError(f"{self}: {refusal}.")
        return sql_of(self.expression)  # type: ignore[return-value]

    def check(self, entity: EntityInfo) -> None:
        """As `Computed.check`: the expression has columns of this entity only."""
        super().check(entity)
        refusal = why_no_expression(self.expression) or why_foreign(
            self.expression, entity.sources, entity.name, value=True
        )
        if refusal is not None:
            raise DeclarationError(f"{self}: {refusal}.")


class BatchSource(Protocol):
    """What `fetched` needs of a batched function: a name, and a loader for a scope."""

    name: str

    def make_loader(self, scheduler: Any, scope: Any) -> Any:
        """A loader for one scope."""
        ...


class Fetched(Computed[T]):
    """A value that a batched function finds by one of the entity's columns. Made by `fetched`."""

    _what = "made by a batched function"
    _instead = "Sort and filter by a column."

    def __init__(self, source: BatchSource, key: QueryableAttribute[Any]) -> None:
        self.source = source
        self._key_attribute = key

    @cached_property
    def key(self) -> str:
        """The name of the column whose value is the key.

        Raises:
            DeclarationError: the attribute is not a column.
        """
        entity, name = attribute_owner(self._key_attribute, str(self))
        return entity.column(name, str(self)).name

    def entity(self) -> EntityInfo | None:
        """The entity whose column is the key."""
        return attribute_owner(self._key_attribute, str(self))[0]

    def check(self, entity: EntityInfo) -> None:
        """As `Computed.check`: the batched function and the key's column."""
        if not callable(getattr(self.source, "make_loader", None)):
            raise DeclarationError(
                f"{self}: fetched() expects a function decorated with @batched; got {shown(self.source)}."
            )
        super().check(entity)
        _ = self.key
