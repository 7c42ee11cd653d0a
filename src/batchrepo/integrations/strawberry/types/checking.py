"""Whether a schema fits a Database: what only all of its repositories together can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from graphql import GraphQLObjectType
from strawberry.types.base import StrawberryOptional

from batchrepo.declare.criteria import Predicate
from batchrepo.errors import DeclarationError
from batchrepo.integrations.strawberry.query.planning import type_of
from batchrepo.integrations.strawberry.query.selections import DEFINITION
from batchrepo.integrations.strawberry.roots.fields import RootField
from batchrepo.integrations.strawberry.types.fields import RepositoryField
from batchrepo.integrations.strawberry.types.inputs import check_inputs
from batchrepo.integrations.strawberry.types.members import Related, Value, repository_type_of
from batchrepo.integrations.strawberry.types.shapes import shape_of
from batchrepo.integrations.strawberry.writes.checking import check_write
from batchrepo.integrations.strawberry.writes.fields import WriteField
from batchrepo.plan.fitting import why_hidden
from batchrepo.plan.read import FlatField

if TYPE_CHECKING:
    from strawberry import Schema

    from batchrepo.database import Database
    from batchrepo.declare.repository_info import Catalog
    from batchrepo.mapping import RelationInfo

_checked: WeakKeyDictionary[Any, WeakSet[Any]] = WeakKeyDictionary()


def check_schema(schema: Schema, database: Database) -> None:
    """Check a schema against the repositories of a Database: when an application starts, or in a test of it.

    `ScopeExtension` does it too, with the first operation. Most of a schema has been checked when its classes were
    declared and when it was made; here is what another repository of the same entity may say.

    Raises:
        DeclarationError: a repository is not registered, a relation may not be read by the policy of any repository,
            row criteria of any may hide a row where a field does not allow None, or two repositories have inputs of
            one name.
    """
    known = _checked.get(schema)
    if known is not None and database in known:
        return
    catalog = database.reading.catalog
    for named in schema._schema.type_map.values():
        if not isinstance(named, GraphQLObjectType):
            continue
        kind = type_of(named)
        if kind is not None:
            _check_registered(kind.cls.__name__, kind.repository, catalog)
        for field in named.fields.values():
            definition = (field.extensions or {}).get(DEFINITION)
            if isinstance(definition, RootField):
                _check_registered(definition.where, definition.kind.repository, catalog)
                if isinstance(definition, WriteField):
                    check_write(definition, schema._schema, catalog)
                check_inputs(definition.where, field, definition.kind.repository)
            elif isinstance(definition, RepositoryField):
                _check_field(definition, catalog)
                target = repository_type_of(shape_of(definition.resolve_type()).cls)
                if target is not None:
                    check_inputs(definition.where, field, target.repository)
    _checked.setdefault(schema, WeakSet()).add(database)


def _check_registered(where: str, repository: type[Any], catalog: Catalog) -> None:
    if repository not in catalog.by_class:
        raise DeclarationError(
            f"{where}: {repository.__name__} is not registered with the Database. "
            f"Name it in Database(..., repositories=[...])."
        )


def _check_field(field: RepositoryField, catalog: Catalog) -> None:
    optional = isinstance(field.resolve_type(), StrawberryOptional)
    for relation in _relations(field):
        if catalog.policy(relation) == "forbid":
            raise DeclarationError(
                f"{field.where}: {relation} has the policy 'forbid' and may not be read. Remove the field or the policy."
            )
        if not relation.many and not optional and _may_hide(relation, catalog):
            raise DeclarationError(
                f"{field.where}: {why_hidden(relation)}, but the field does not allow None. Write ... | None."
            )


def _relations(field: RepositoryField) -> tuple[RelationInfo, ...]:
    match field.member:
        case Related(relation=relation):
            return (relation,)
        case Value(field=FlatField(path=path)):
            return path
    return ()


def _may_hide(relation: RelationInfo, catalog: Catalog) -> bool:
    criteria = catalog.criteria
    return any(
        isinstance(criterion, Predicate)
        for entity in relation.target.ancestors
        for criterion in criteria.get(entity, ())
    )
