"""Shorter ways through a schema: fields that need nothing of Strawberry's resolvers are asked directly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from graphql import GraphQLObjectType

from batchrepo.integrations.strawberry.declaring import RepositoryField
from batchrepo.integrations.strawberry.planning import DEFINITION
from batchrepo.integrations.strawberry.roots import RootField

if TYPE_CHECKING:
    from strawberry import Schema

_prepared: WeakSet[Any] = WeakSet()


def prepare(schema: Schema) -> None:
    """Let graphql-core call our resolvers itself; once for each schema.

    Strawberry's resolvers convert arguments, make an ``Info`` and go through permissions and extensions. Fields
    with permissions, extensions or exception handlers keep theirs.
    """
    if schema in _prepared:
        return
    _prepared.add(schema)
    if schema.schema_converter.exception_handlers:
        return
    for named in schema._schema.type_map.values():
        if isinstance(named, GraphQLObjectType):
            for field in named.fields.values():
                definition = (field.extensions or {}).get(DEFINITION)
                if isinstance(definition, RepositoryField | RootField) and not definition.extensions:
                    field.resolve = definition.resolver
