"""Global ids in what clients send: from the id of a node to the key of its row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import GraphQLObjectType

from batchrepo.errors import InvalidArgument
from batchrepo.integrations.strawberry.query.planning import type_of
from batchrepo.integrations.strawberry.query.selections import DEFINITION
from batchrepo.integrations.strawberry.types.nodes import IdField

if TYPE_CHECKING:
    from graphql import GraphQLSchema
    from strawberry.relay import GlobalID

    from batchrepo.mapping import EntityInfo


def key_of_node(schema: GraphQLSchema, given: GlobalID, entity: EntityInfo, where: str) -> Any:
    """The primary key that a global id stands for.

    Whether there is such a row, and whether the scope may see it, is not looked at.

    Args:
        schema: knows the types that ids name.
        given: the id.
        entity: whose key is expected.
        where: the field of the input, for the message.

    Raises:
        InvalidArgument: the id is one of another type, or damaged.
    """
    named = schema.get_type(given.type_name)
    kind = type_of(named) if isinstance(named, GraphQLObjectType) else None
    if kind is None or not (entity in kind.entity.ancestors or kind.entity in entity.ancestors):
        raise InvalidArgument(
            f"{where} expects the id of a node of {entity.name}; got one of {given.type_name!r:.100}."
        )
    assert isinstance(named, GraphQLObjectType)
    for field in named.fields.values():
        definition = (field.extensions or {}).get(DEFINITION)
        if isinstance(definition, IdField):
            return definition.texts.key(given.node_id)
    raise InvalidArgument(f"{where} expects the id of a node; {given.type_name!r:.100} is none.")
