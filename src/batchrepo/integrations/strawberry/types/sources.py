"""What a field of a repository type is read from: what its name says, or what it was given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import QueryableAttribute

from batchrepo.declare.computed import Aggregate, Computed, Expression, Fetched, Top
from batchrepo.declare.elements import declared_conditions, declared_first, related_sources
from batchrepo.declare.markers import ColumnMarker, relation_of
from batchrepo.declare.orders import declared_order
from batchrepo.errors import DeclarationError, did_you_mean
from batchrepo.integrations.strawberry.types.members import Member, Related, Value
from batchrepo.mapping.entity import attribute_owner, is_relationship, shown
from batchrepo.plan.read import AggregateField, ColumnField, FetchedField, FlatField

if TYPE_CHECKING:
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.repository import Repository


@dataclass(frozen=True, eq=False)
class RelatedSource:
    """What ``related(...)`` was given."""

    relation: Any
    where: Any
    order_by: Any
    first: Any


def read_member(
    where: str, name: str, source: Any, entity: EntityInfo, repository: type[Repository[Any]]
) -> Member:
    """What is read for a field.

    Args:
        where: class and field, for messages.
        name: of the field in Python.
        source: what the field was given: a mapped attribute, a computed one, a ``column(...)``, a
            `RelatedSource`; None for what has the field's name.
        entity: whose rows the type shows.
        repository: reads them.

    Raises:
        DeclarationError: there is no such thing, or it cannot be read.
    """
    match source:
        case None:
            return _by_name(where, name, entity, repository)
        case RelatedSource(relation=Top() as top):
            if (source.where, source.order_by, source.first) != (None, None, None):
                raise DeclarationError(
                    f"{where}: {top} has its own conditions, order and number of rows. Leave where=, order_by= and "
                    f"first= away, or follow {top.relation} instead."
                )
            return _computed(where, name, top, entity)
        case RelatedSource():
            return _related(where, name, source, entity, repository)
        case Computed():
            return _computed(where, name, source, entity)
        case ColumnMarker():
            relations, column = source.resolve(entity, where)
            for relation in relations:
                _check_readable(where, relation, repository)
            if relations:
                return Value(name, FlatField(name, relations, column))
            return Value(name, ColumnField(name, column.attribute, column))
    return _attribute(where, name, source, entity)


def _attribute(where: str, name: str, source: Any, entity: EntityInfo) -> Value:
    if is_relationship(source):
        raise DeclarationError(f"{where}: {source} is a relationship. Write related({source}).")
    if not isinstance(source, QueryableAttribute):
        raise DeclarationError(
            f"{where}: attribute() expects a mapped attribute such as {entity.name}.{entity.key_names[0]}, a "
            f"column(...) or a computed attribute; got {shown(source)}."
        )
    owner, attribute = attribute_owner(source, where)
    if owner not in entity.ancestors:
        raise DeclarationError(
            f"{where}: {owner.name}.{attribute} is not an attribute of {entity.name}. One of a related entity is "
            f"written column({entity.name}.relation, {owner.name}.{attribute})."
        )
    column = entity.column(attribute, where)
    return Value(name, ColumnField(name, column.attribute, column))


def _by_name(where: str, name: str, entity: EntityInfo, repository: type[Repository[Any]]) -> Member:
    column = entity.columns.get(name) or entity.expressions.get(name)
    if column is not None:
        return Value(name, ColumnField(name, column.attribute, column))
    relation = entity.relations.get(name)
    if relation is not None:
        _check_readable(where, relation, repository)
        return Related(name, relation, relation.many)
    computed = getattr(repository, name, None)
    if isinstance(computed, Computed):
        return _computed(where, name, computed, entity)
    if name in entity.mapper.all_orm_descriptors:
        raise DeclarationError(
            f"{where}: {entity.name}.{name} has no SQL form: it works on instances only. Give it an expression, or "
            f"write a resolver with @field(requires=(...))."
        )
    known = [*entity.columns, *entity.relations, *_computed_names(repository), *entity.expressions]
    raise DeclarationError(
        f"{where}: {entity.name} has no attribute {name!r}, and {repository.__name__} computes none."
        f"{did_you_mean(name, known)} Write a resolver of your own with @strawberry.field."
    )


def _computed(where: str, name: str, computed: Computed[Any], entity: EntityInfo) -> Member:
    computed.check(entity)
    match computed:
        case Expression(expression=sql):
            return Value(name, ColumnField(name, sql, None))
        case Aggregate():
            return Value(name, AggregateField(name, computed))
        case Fetched():
            return Value(name, FetchedField(name, computed))
        case Top(relation=relation):
            return Related(
                name,
                relation,
                not computed.single,
                computed.where,
                computed.order,
                computed.first,
                declared=computed,
            )
    raise DeclarationError(f"{where}: {computed!r} cannot be read in a type.")


def _related(
    where: str, name: str, source: RelatedSource, entity: EntityInfo, repository: type[Repository[Any]]
) -> Related:
    relation = relation_of(where, entity, source.relation)
    _check_readable(where, relation, repository)
    sources, target = related_sources(relation), relation.target.name
    conditions = declared_conditions(source.where, where, sources, target)
    order = declared_order(source.order_by, where, sources, target)
    first = None if source.first is None else declared_first(source.first, f"{where}: first=")
    if not relation.many and (first is not None or order):
        raise DeclarationError(f"{where}: {relation} leads to one row, so first= and order_by= mean nothing.")
    return Related(name, relation, relation.many, conditions, order, first)


def _check_readable(where: str, relation: RelationInfo, repository: type[Repository[Any]]) -> None:
    if relation.refused:
        raise DeclarationError(f"{where}: {relation.refused}.")
    policies = {attribute_owner(key, where)[1]: policy for key, policy in repository.loading.items()}
    if policies.get(relation.name) == "forbid":
        raise DeclarationError(
            f"{where}: {relation} has the policy 'forbid' and may not be read. Remove the field or the policy."
        )


def _computed_names(repository: type[Repository[Any]]) -> list[str]:
    return [name for name in dir(repository) if isinstance(getattr(repository, name, None), Computed)]
