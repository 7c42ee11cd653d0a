"""The relations that the suite goes through: every one that the contract models have, inherited ones too."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from sqlalchemy import Column
from sqlalchemy.orm import (
    MANYTOONE,
    ColumnProperty,
    InstrumentedAttribute,
    Mapper,
    RelationshipProperty,
    class_mapper,
)
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList, ColumnElement, UnaryExpression

from batchrepo.testing.contract.data import FAMILIES, Family


@dataclass(frozen=True, repr=False)
class RelationCase:
    """One relation of one class.

    Attributes:
        family: where its models and their data are.
        owner: the class that the relation is read from; a subclass where the relation is inherited.
        key: the relation's name.
    """

    family: Family
    owner: type[Any]
    key: str

    def __str__(self) -> str:
        return f"{self.owner.__name__}.{self.key}"

    def __repr__(self) -> str:
        return f"<RelationCase {self}>"  # in failure messages, where the family's data would be in the way

    @property
    def attribute(self) -> InstrumentedAttribute[Any]:
        """The attribute as a user names it: `Author.books`."""
        return cast("InstrumentedAttribute[Any]", getattr(self.owner, self.key))

    @property
    def relationship(self) -> RelationshipProperty[Any]:
        """SQLAlchemy's description of the relation."""
        return class_mapper(self.owner).relationships[self.key]

    @property
    def target(self) -> Mapper[Any]:
        """The mapper of the class that the relation leads to."""
        return self.relationship.mapper

    @property
    def is_list(self) -> bool:
        """Whether the relation holds a list; otherwise it holds one entity or None."""
        return bool(self.relationship.uselist)

    @cached_property
    def order(self) -> tuple[str, ...] | None:
        """What the related entities are ordered by.

        Returns:
            The names of target attributes; entities that are equal in all of them may be in any order. An empty
            tuple where the order depends on columns of the link table, in which the data has no ties. None
            where no order is declared.
        """
        declared = self.relationship.order_by
        if not declared:
            return None
        columns = [term.element if isinstance(term, UnaryExpression) else term for term in declared]
        if not {_name(column) for column in columns} <= {_name(c) for c in self.target.columns}:
            return ()
        return tuple(self.target.get_property_by_column(cast("Any", column)).key for column in columns)

    @cached_property
    def local_attributes(self) -> tuple[str, ...]:
        """The owner's attributes that are compared with columns of the target or of the link table."""
        owner = class_mapper(self.owner)
        own_tables = {table.name for table in cast("Any", owner).tables}
        local = [column for column, _ in self.relationship.local_remote_pairs or ()]
        return tuple(
            owner.get_property_by_column(column).key for column in local if _name(column)[0] in own_tables
        )

    @cached_property
    def is_equality(self) -> bool:
        """Whether the condition is owner columns = target columns, perhaps with conditions on the target.

        Such a relation leads nowhere when one of the owner's columns is NULL. Relations through a link table
        begin at a primary key, which is never NULL.
        """
        if self.relationship.secondary is not None:
            return True
        pairs = {frozenset(map(_name, pair)) for pair in self.relationship.local_remote_pairs or ()}
        target_tables = {table.name for table in cast("Any", self.target).tables}
        for term in _terms(self.relationship.primaryjoin):
            if _compared_columns(term) in pairs:
                continue
            tables = {_name(element)[0] for element in visitors.iterate(term) if isinstance(element, Column)}
            if tables - target_tables:
                return False
        return True

    @cached_property
    def leads_to_primary_key(self) -> bool:
        """Whether the owner's columns hold the target's key, so that entities in hand can be the answer."""
        relation = self.relationship
        if relation.direction is not MANYTOONE or self.is_list or not self.is_equality:
            return False
        pairs = relation.local_remote_pairs or ()
        remote = {self.target.get_property_by_column(column).key for _, column in pairs}
        has_conditions = len(_terms(relation.primaryjoin)) > len(pairs)
        return not has_conditions and remote == {prop.key for prop in key_properties(self.target)}


def relation_cases() -> list[RelationCase]:
    """Every relation of every contract model, family by family."""
    return [
        RelationCase(family, mapper.class_, relation.key)
        for family in FAMILIES
        for mapper in family.mappers
        for relation in mapper.relationships
    ]


def key_properties(mapper: Mapper[Any]) -> tuple[ColumnProperty[Any], ...]:
    """The mapped attributes of the primary key, in the order of its columns."""
    return tuple(cast("ColumnProperty[Any]", mapper.get_property_by_column(c)) for c in mapper.primary_key)


def _terms(condition: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    """The parts of a condition that must all hold."""
    if isinstance(condition, BooleanClauseList) and condition.operator is operators.and_:
        return [part for clause in condition.clauses for part in _terms(clause)]
    return [condition]


def _compared_columns(term: ColumnElement[Any]) -> frozenset[tuple[str, str]] | None:
    """The two sides of an equality; a function of a column is not that column."""
    if isinstance(term, BinaryExpression) and term.operator is operators.eq:
        return frozenset((_name(term.left), _name(term.right)))
    return None


def _name(column: Any) -> tuple[str, str]:
    """A column as (table, column): annotated copies and originals are alike in that."""
    return (column.table.name, column.name) if isinstance(column, Column) else ("", "")
