"""RelationInfo: how the rows of one relationship are found for many parents at once.

SQLAlchemy's lazy clause is the most general form of a relationship: the join condition in which each
column of the parent has become a bind parameter. It covers custom ``primaryjoin`` conditions,
self-references and secondary tables alike. Where that clause is a plain conjunction of
``remote column = parent's value`` (nearly always), the relation is *direct*: a batch of parents is
then a batch of values for those remote columns.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import interfaces
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    Grouping,
    UnaryExpression,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import orm
    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.mapping.entity import ColumnInfo, EntityInfo

_DIRECTIONS = (operators.asc_op, operators.desc_op, operators.nulls_first_op, operators.nulls_last_op)
"""What a column of an index may be wrapped in without being an expression."""


class RelationInfo:
    """One relationship of an entity.

    Attributes:
        parent: the entity that declares it.
        name: the attribute's name.
        many: whether it holds a list (True) or one entity or None.
        local: the parent's columns whose values are the key of a lookup.
        remote: the columns that these values equal, in the order of `local`, where the relation is
            direct; None where it is not.
        extra: the rest of the condition of a direct relation (it depends on no parent).
        clause: the whole condition; `binds` names its parameters, in the order of `local`.
        secondary: the link table of a many-to-many relation, or None.
        order_by: as declared on the relationship.
    """

    def __init__(self, parent: EntityInfo, prop: orm.RelationshipProperty[Any]) -> None:
        self.parent = parent
        self.prop = prop
        self.name = prop.key
        self.many = bool(prop.uselist)
        self.secondary = prop.secondary
        self.order_by: tuple[ColumnElement[Any], ...] = tuple(prop.order_by or ())
        clause, bind_columns, _ = prop._join_condition.create_lazy_clause()
        self.clause: ColumnElement[bool] = clause
        self.binds: tuple[str, ...] = tuple(bind_columns)
        self._local_columns = tuple(bind_columns.values())
        self.remote, self.extra = self._direct_parts()

    @cached_property
    def local(self) -> tuple[ColumnInfo, ...]:
        """The parent's columns in the condition, in the order of `binds`."""
        mapper = self.parent.mapper
        return tuple(
            self.parent.columns[mapper.get_property_by_column(column).key] for column in self._local_columns
        )

    @cached_property
    def target(self) -> EntityInfo:
        """The entity it leads to."""
        from batchrepo.mapping.entity import entity_info

        return entity_info(self.prop.mapper.class_)

    @property
    def attribute(self) -> Any:
        """The attribute of the class, such as ``Album.tracks``."""
        return getattr(self.parent.cls, self.name)

    @cached_property
    def key_order(self) -> tuple[int, ...] | None:
        """For each key column of the target, the position of its value in `local`.

        None for a relation that is not a lookup by the target's primary key.
        """
        if self.remote is None or self.extra or self.secondary is not None or self.many:
            return None
        mapper = self.target.mapper
        positions: list[int] = []
        for key_column in mapper.primary_key:
            same: set[Any] = {key_column, *mapper._equivalent_columns.get(key_column, ())}
            found = [i for i, column in enumerate(self.remote) if column in same]
            if len(found) != 1:
                return None
            positions.append(found[0])
        return tuple(positions) if len(positions) == len(self.remote) else None

    @cached_property
    def enforced(self) -> bool:
        """Whether a foreign key constraint of the schema promises that a non-NULL key has its row.

        A constraint on the table of a base class promises a row of that class only, not of the subclass to
        which the relation leads.
        """
        target = self.target.mapper
        if self.key_order is None or self.remote is None or target.single:
            return False
        pairs = set(zip(map(_plain, self._local_columns), map(_plain, self.remote), strict=True))
        return any(
            {(element.parent, element.column) for element in constraint.elements} == pairs
            for table in self.parent.mapper.tables
            if isinstance(table, sa.Table)
            for constraint in table.foreign_key_constraints
            if constraint.referred_table is target.local_table
        )

    @cached_property
    def indexed(self) -> bool:
        """Whether an index of the schema starts with the remote columns.

        One parent's rows can then be found without reading everybody's.
        """
        if self.remote is None:
            return False
        columns = {_plain(column) for column in self.remote}
        tables = {getattr(column, "table", None) for column in columns}
        return any(
            set(index[: len(columns)]) == columns
            for table in tables
            if isinstance(table, sa.Table)
            for index in _indexes(table)
        )

    @cached_property
    def may_repeat(self) -> bool:
        """Whether the link table may hold one pair of parent and child twice."""
        if self.secondary is None or not isinstance(self.secondary, sa.Table):
            return self.secondary is not None
        linked = {_plain(column) for pair in self.prop.synchronize_pairs for column in pair[1:]}
        linked |= {
            _plain(column) for pair in self.prop.secondary_synchronize_pairs or () for column in pair[1:]
        }
        return not any(key and set(key) <= linked for key in unique_keys(self.secondary))

    @property
    def nullable(self) -> bool:
        """Whether a to-one relation may be None."""
        return not (self.enforced and not any(column.nullable for column in self.local))

    @property
    def is_many_to_one(self) -> bool:
        """Whether the foreign key is on the parent's side."""
        return self.prop.direction is interfaces.MANYTOONE

    @property
    def refused(self) -> str | None:
        """Why batchrepo cannot load this relation, or None."""
        if self.prop.entity.is_aliased_class:
            return f"{self} leads to an alias of a class, which batchrepo does not load"
        if self.prop.lazy in ("dynamic", "write_only"):
            return f"{self} is a {self.prop.lazy} relationship, whose attribute holds no rows"
        if not self.binds:
            return f"{self} has a join condition without a column of {self.parent.name}"
        return None

    def _direct_parts(self) -> tuple[tuple[ColumnElement[Any], ...] | None, tuple[ColumnElement[bool], ...]]:
        remote: dict[str, ColumnElement[Any]] = {}
        extra: list[ColumnElement[bool]] = []
        for part in _conjuncts(self.clause):
            equated = _equated(part, self.binds)
            if equated is not None and equated[0] not in remote:
                remote[equated[0]] = equated[1]
            elif _mentions(part, self.binds):
                return None, ()
            else:
                extra.append(part)
        return tuple(remote[name] for name in self.binds), tuple(extra)

    def __str__(self) -> str:
        return f"{self.parent.name}.{self.name}"

    def __repr__(self) -> str:
        return f"<RelationInfo {self} -> {'list of ' if self.many else ''}{self.prop.mapper.class_.__name__}>"


def _conjuncts(clause: Any) -> Iterator[ColumnElement[bool]]:
    if isinstance(clause, Grouping):
        yield from _conjuncts(clause.element)
    elif isinstance(clause, BooleanClauseList) and clause.operator is operators.and_:
        for part in clause.clauses:
            yield from _conjuncts(part)
    else:
        yield clause


def _equated(part: ColumnElement[bool], binds: tuple[str, ...]) -> tuple[str, ColumnElement[Any]] | None:
    if not (isinstance(part, BinaryExpression) and part.operator is operators.eq):
        return None
    for one, other in ((part.left, part.right), (part.right, part.left)):
        if isinstance(one, BindParameter) and one.key in binds and isinstance(other, sa.Column):
            return one.key, other
    return None


def _mentions(part: ColumnElement[Any], binds: tuple[str, ...]) -> bool:
    return any(isinstance(node, BindParameter) and node.key in binds for node in visitors.iterate(part))


def _plain(column: Any) -> Any:
    return column._deannotate() if hasattr(column, "_deannotate") else column


def _indexes(table: sa.Table) -> Iterator[tuple[Any, ...]]:
    """The leading plain columns of every index that can find all rows of a value."""
    yield from _keys(table)
    for index in table.indexes:
        yield _leading(index)


def unique_keys(table: Any) -> Iterator[tuple[Any, ...]]:
    """The columns of every constraint and index that lets no two rows have the same values, but for NULLs."""
    if isinstance(table, sa.Table):
        yield from _keys(table)
        for index in table.indexes:
            if index.unique and len(_leading(index)) == len(index.expressions):
                yield _leading(index)


def _keys(table: sa.Table) -> Iterator[tuple[Any, ...]]:
    yield tuple(table.primary_key.columns)
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint):
            yield tuple(constraint.columns)


def _leading(index: sa.Index) -> tuple[Any, ...]:
    """The columns of an index before its first expression; none of a partial index, which has not all rows.

    ``Index.columns`` would not do: it also has the columns inside of expressions such as ``lower(name)``.
    """
    settings = {name.split("_", 1)[1]: value for name, value in index.dialect_kwargs.items()}
    if settings.get("where") is not None or settings.get("using", "btree") not in ("btree", "hash"):
        return ()
    columns: list[Any] = []
    for expression in index.expressions:
        element: Any = expression
        while isinstance(element, UnaryExpression) and element.modifier in _DIRECTIONS:
            element = element.element
        if not isinstance(element, sa.Column):
            break
        columns.append(element)
    return tuple(columns)
