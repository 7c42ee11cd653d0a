"""The rows of one part of a statement that `cascade` builds, and how the rows of another one belong to them."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import reduce
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.plan.read import AggregateField, ColumnField, FetchedField, FlatField, Include
from batchrepo.strategies.compiled import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.types import TypeEngine

    from batchrepo.declare.computed import Aggregate
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.plan.read import ReadPlan
    from batchrepo.sql.rows import Keyed

NUMBER = "batchrepo_number"
"""The column that numbers the rows of a part, in their order."""

RANK, FOUND = "batchrepo_rank", "batchrepo_found"
"""The columns of the rows of pages: their place among those of their parent, and how many those are."""

MATCH = "batchrepo_match_"
"""What the columns begin with that tell to which parent a row belongs, as `keyed_rows` has them."""


@dataclass(eq=False)
class PartRows:
    """The rows that one part of the statement has.

    Attributes:
        plan: what is written of each.
        source: the places of the columns in `table`.
        table: the part.
        joins: what is joined to it for the texts of the rows, and on which condition.
    """

    plan: ReadPlan
    source: Source
    table: Any
    joins: list[tuple[Any, ColumnElement[bool]]] = dataclass_field(default_factory=list)

    @property
    def joined(self) -> Any:
        """The part with all that is joined to it."""
        return reduce(lambda left, right: left.outerjoin(*right), self.joins, self.table)

    def column(self, expression: Any, info: Any) -> Any:
        """A column of the rows."""
        return self.table.c[f"c{self.source.place(expression, info)}"]

    def key(self, relation: RelationInfo, order: Sequence[int] | None = None) -> list[Any]:
        """The columns with which a relation begins."""
        local = relation.local if order is None else [relation.local[i] for i in order]
        return [self.column(column.attribute, column) for column in local]

    @property
    def number(self) -> Any:
        """Tells them apart."""
        return self.table.c[NUMBER]


def selected_of(plan: ReadPlan) -> Source:
    """The columns that a part of the statement needs of the rows of a plan: for texts, and as keys of what is below."""
    source = Source()
    for field in plan.fields:
        match field:
            case ColumnField():
                source.place(field.expression, field.column)
            case Include(relation=relation):
                _place_key(source, relation)
            case FlatField(path=(relation, *_)):
                _place_key(source, relation)
            case AggregateField(aggregate=aggregate):
                _place_key(source, aggregate.relation)
            case FetchedField() | FlatField():
                pass
    if not source.columns:
        for column in plan.entity.key:
            source.place(column.attribute, column)
    return source


def _place_key(source: Source, relation: RelationInfo) -> None:
    for column in relation.local:
        source.place(column.attribute, column)


def labelled(columns: Sequence[Any]) -> list[Any]:
    """Columns under the names that the parts of the statement know them by."""
    return [column.label(f"c{i}") for i, column in enumerate(columns)]


def kind_of(aggregate: Aggregate[Any]) -> TypeEngine[Any] | None:
    """The type of what an aggregate gives; None where it is not surely known."""
    match aggregate.function:
        case "count":
            return sa.BigInteger()
        case "exists":
            return sa.Boolean()
        case "average":
            return sa.Double()
        case "total":
            # The sum of integers is one, and so is that of none; of other numbers the sum of none has another form.
            return sa.BigInteger() if isinstance(aggregate.column.type, sa.Integer) else None
        case "minimum" | "maximum":
            column = aggregate.relation.target.columns.get(getattr(aggregate.column, "key", None) or "")
            return None if column is None else column.type


def match_of(table: Any, keyed: Keyed) -> list[Any]:
    """The columns that tell to which parent the rows belong."""
    return [table.c[f"{MATCH}{i}"] for i in range(len(keyed.filter.match))]


def belongs(
    table: Any, keyed: Keyed, parents: PartRows, relation: RelationInfo, order: Sequence[int] | None = None
) -> ColumnElement[bool]:
    """What is found for a parent belongs to it."""
    by_number = keyed.filter.first_ordinal is not None
    return equal(match_of(table, keyed), [parents.number] if by_number else parents.key(relation, order))


def equal(some: Sequence[Any], others: Sequence[Any]) -> ColumnElement[bool]:
    """Each equals its other one."""
    return sa.and_(*(one == other for one, other in zip(some, others, strict=True)))


def joins_by_key(entity: EntityInfo, dialect: Dialect) -> bool:
    """Whether the database looks up joined rows; SQLite would first read all rows of what is a join itself."""
    return dialect.name != "sqlite" or len(entity.mapper.tables) == 1
