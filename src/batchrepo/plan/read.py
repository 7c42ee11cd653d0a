"""ReadPlan: a read as a value. What to read, not how."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel
    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.computed import Aggregate, Fetched
    from batchrepo.declare.orders import OrderTerm
    from batchrepo.mapping import ColumnInfo, EntityInfo, RelationInfo


@dataclass(frozen=True, eq=False)
class ColumnField:
    """A column, or a SQL expression over the entity's own columns."""

    name: str
    expression: Any
    column: ColumnInfo | None

    def __str__(self) -> str:
        if self.column is None or self.column.name == self.name:
            return self.name
        return f"{self.name}={self.column.name}"


@dataclass(frozen=True, eq=False)
class FlatField:
    """A column of an entity that to-one relations lead to."""

    name: str
    path: tuple[RelationInfo, ...]
    column: ColumnInfo

    def __str__(self) -> str:
        return f"{self.name}={'.'.join(r.name for r in self.path)}.{self.column.name}"


@dataclass(frozen=True, eq=False)
class AggregateField:
    """An aggregate over a relation."""

    name: str
    aggregate: Aggregate[Any]

    def __str__(self) -> str:
        a = self.aggregate
        column = f".{getattr(a.column, 'key', None) or f'({a.column})'}" if a.column is not None else ""
        return f"{self.name}={a.function}({a.relation.name}{column}{' where ...' if a.where else ''})"


@dataclass(frozen=True, eq=False)
class FetchedField:
    """A value from a batched function."""

    name: str
    fetched: Fetched[Any]

    def __str__(self) -> str:
        return f"{self.name}=fetched({self.fetched.key})"


@dataclass(frozen=True, eq=False)
class PageSpec:
    """A relation is read by pages: the first one of each parent, with cursors.

    Attributes:
        size: items on a page.
        backward: the last page instead of the first.
        total: counts the rows of all pages of a parent, or None.
    """

    size: int
    backward: bool = False
    total: Aggregate[Any] | None = None

    def __str__(self) -> str:
        return f"{'last' if self.backward else 'first'} {self.size}{' of total' if self.total else ''}"


@dataclass(frozen=True, eq=False)
class Include:
    """A relation, with the plan for what it leads to.

    Attributes:
        name: of the field.
        relation: which to follow.
        plan: what to read there.
        where: further conditions on the related rows.
        order: of the related rows; empty for the relationship's own order.
        first: at most so many rows for each parent, or None.
        many: whether the field holds a list.
        required: the field does not allow None.
        page: which page of each parent, where it is read by pages; `first` is None then.
    """

    name: str
    relation: RelationInfo
    plan: ReadPlan
    where: tuple[ColumnElement[bool], ...] = ()
    order: tuple[OrderTerm, ...] = ()
    first: int | None = None
    many: bool = False
    required: bool = False
    page: PageSpec | None = None

    def __str__(self) -> str:
        renamed = f"{self.name}=" if self.name != self.relation.name else ""
        limit = f"({self.page or self.first})" if self.page or self.first is not None else ""
        where = "?" if self.where else ""
        return f"{renamed}{self.relation.name}{limit}{where}{self.plan.body()}"


Field = ColumnField | FlatField | AggregateField | FetchedField | Include
"""Anything that a plan can read for a row."""


@dataclass(frozen=True, eq=False)
class ReadPlan:
    """What to read of an entity.

    Attributes:
        entity: whose rows.
        fields: in the order of the output.
        view: the Pydantic model it came from, or None.
    """

    entity: EntityInfo
    fields: tuple[Field, ...]
    view: type[BaseModel] | None = None

    @property
    def columns(self) -> tuple[ColumnField, ...]:
        """The columns among the fields."""
        return tuple(f for f in self.fields if isinstance(f, ColumnField))

    @property
    def includes(self) -> tuple[Include, ...]:
        """The relations among the fields."""
        return tuple(f for f in self.fields if isinstance(f, Include))

    @cached_property
    def calls_out(self) -> bool:
        """Whether any batched function takes part, at any depth: then no connection may be held meanwhile."""
        return any(isinstance(f, FetchedField) for plan in self.walk() for f in plan.fields)

    @cached_property
    def pages(self) -> tuple[Include, ...]:
        """The relations that are read by pages, at any depth, parents first."""
        return tuple(include for plan in self.walk() for include in plan.includes if include.page is not None)

    def body(self) -> str:
        """The fields in braces, then the includes, as in ``{id, title} > artist{name}``."""
        own = ", ".join(str(f) for f in self.fields if not isinstance(f, Include))
        deeper = ", ".join(str(include) for include in self.includes)
        return f"{{{own}}}" + (f" > ({deeper})" if deeper else "")

    def walk(self) -> Iterator[ReadPlan]:
        """This plan and those of its includes, at any depth, parents first."""
        yield self
        for include in self.includes:
            yield from include.plan.walk()

    def __repr__(self) -> str:
        return f"<ReadPlan {self.entity.name}{self.body()}>"
