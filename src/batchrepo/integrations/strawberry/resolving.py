"""Resolvers: what the plan has read are attributes of its object; what it has not read is loaded by the scope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrepo.integrations.strawberry.connections import PageOfRows
from batchrepo.integrations.strawberry.planning import DEFINITION, slot_of
from batchrepo.integrations.strawberry.shapes import shape_of

if TYPE_CHECKING:
    from graphql import GraphQLResolveInfo

    from batchrepo.integrations.strawberry.members import Value


def resolve_value(member: Value, source: Any, _info: GraphQLResolveInfo) -> Any:
    """A column or computed attribute."""
    return source.__dict__[member.name]


def resolve_related(source: Any, info: GraphQLResolveInfo) -> Any:
    """What a relation leads to."""
    found = source.__dict__[slot_of(info.field_nodes[0])]
    if found is None:
        return None
    field = info.parent_type.fields[info.field_name].extensions[DEFINITION]
    shape = shape_of(field.resolve_type())
    kind = shape.cls.__dict__["__batchrepo_type__"]
    if shape.paged:
        return PageOfRows(kind.objects(found["items"]), found)
    return kind.objects(found) if shape.many else kind.objects([found])[0]
