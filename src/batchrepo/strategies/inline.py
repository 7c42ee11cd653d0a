"""To-one relations that are read inside the statement of their parents, where few rows are asked for.

A row that a key leads to costs the batched strategy a statement, for any number of keys. For a few rows it is cheaper to
select its columns as subqueries beside those of the parent: the statement keeps its rows, its order and its limit, the
row criteria of the other entity go into the subqueries, and what is fetched fits into one place of the parent's dict.
For many rows the statement is cheaper, since the database looks keys up faster in a batch than one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.declare.values import value_along
from batchrepo.plan.read import ColumnField
from batchrepo.sql.keys import equals_as_python

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchrepo.mapping import ColumnInfo, RelationInfo
    from batchrepo.plan.read import FlatField, Include, ReadPlan

_SMALL: tuple[type[Any], ...] = (
    sa.Integer,
    sa.Boolean,
    sa.Date,
    sa.DateTime,
    sa.Time,
    sa.Uuid,
    sa.Numeric,
    sa.Enum,
    sa.String,
)
"""Types whose values may travel once for each parent."""


@dataclass(frozen=True)
class Inlining:
    """What a Database reads inside of statements.

    Attributes:
        lookups: how many subqueries one relation of one read may cost; 0 for none.
        lateral: whether the first few rows of each parent are found by an index, so that nothing is looked up for
            rows that are left out.
        chosen: whether a relation has no declared policy, which would say how it is read.
    """

    lookups: int
    lateral: bool
    chosen: Callable[[RelationInfo], bool]

    def weight(self, include: Include, plan: ReadPlan) -> int | None:
        """How many subqueries a relation of `plan` costs for each row; None if it is not read so."""
        if include.many or include.where or include.relation.parent is not plan.entity:
            return None
        columns = [f.column if isinstance(f, ColumnField) else None for f in include.plan.fields]
        if not self._leads(include.relation) or not all(map(_is_small, columns)):
            return None
        return len(InlineColumns(include.relation, [c for c in columns if c is not None]).read)

    def weight_of_flat(self, flat: FlatField, plan: ReadPlan) -> int | None:
        """The same for a column of an entity that relations lead to."""
        if flat.path[0].parent is not plan.entity or not _is_small(flat.column):
            return None
        return len(flat.path) if all(map(self._leads, flat.path)) else None

    def _leads(self, relation: RelationInfo) -> bool:
        """Whether values of the parent are the primary key of the row, exactly."""
        return (
            relation.key_order is not None
            and self.chosen(relation)
            and not any(_inherits(entity) for entity in (relation.parent, relation.target))
            and all(
                equals_as_python(own.type) and own.type._type_affinity is key.type._type_affinity
                for own, key in zip(own_key(relation), relation.target.key, strict=True)
            )
        )


class InlineColumns:
    """Which columns of a row are read by subqueries, and which the parent has.

    Args:
        relation: to the row; it leads by primary key.
        columns: that are asked for.

    Attributes:
        read: columns of the row that need a subquery; one of them is never NULL, so that it tells whether
            there is a row.
        present: the place of that one among them.
    """

    def __init__(self, relation: RelationInfo, columns: Sequence[ColumnInfo]) -> None:
        target = relation.target
        self.read = [column for column in columns if column.name not in target.key_names]
        sure = next((i for i, column in enumerate(self.read) if not column.nullable), None)
        if sure is None:
            self.read.append(target.key[0])
        self.present = len(self.read) - 1 if sure is None else sure


def own_key(relation: RelationInfo) -> list[ColumnInfo]:
    """The parent's columns that have the target's primary key, in its order."""
    assert relation.key_order is not None
    return [relation.local[i] for i in relation.key_order]


def inline_value(path: Sequence[RelationInfo], column: ColumnInfo) -> Any:
    """The subquery for a column of the row to which relations lead; NULL where there is none."""
    return value_along(path, column.attribute)


def _is_small(column: ColumnInfo | None) -> bool:
    return (
        column is not None
        and column.is_table_column
        and isinstance(column.type, _SMALL)
        and not isinstance(column.type, sa.Text)
    )


def _inherits(entity: Any) -> bool:
    mapper = entity.mapper
    return mapper.inherits is not None or mapper.polymorphic_on is not None
