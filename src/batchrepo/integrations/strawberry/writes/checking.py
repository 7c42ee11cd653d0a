"""Whether fields that write fit a schema and a Database: what only all of their types and repositories can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphql import GraphQLObjectType
from strawberry import relay

from batchrepo.declare.criteria import Match
from batchrepo.errors import DeclarationError
from batchrepo.integrations.strawberry.query.planning import type_of
from batchrepo.mapping.entity import attribute_owner
from batchrepo.writing.rows.columns import write_columns

if TYPE_CHECKING:
    from graphql import GraphQLSchema

    from batchrepo.declare.repository_info import Catalog
    from batchrepo.integrations.strawberry.writes.fields import WriteField
    from batchrepo.integrations.strawberry.writes.inputs import InputKind


def check_write(field: WriteField, schema: GraphQLSchema, catalog: Catalog) -> None:
    """Check a field that writes.

    Raises:
        DeclarationError: its repository is not registered, its input takes ids of what is no node in this schema, or
            leaves out what a new row must have.
    """
    given = field.input
    if given is None:
        return
    if given.repository not in catalog.by_class:
        raise DeclarationError(
            f"{given.cls.__name__}: {given.repository.__name__} is not registered with the Database. "
            f"Name it in Database(..., repositories=[...])."
        )
    nodes = {
        kind.entity
        for named in schema.type_map.values()
        if isinstance(named, GraphQLObjectType)
        and (kind := type_of(named)) is not None
        and issubclass(kind.cls, relay.Node)
    }
    for name, setting in given.settings.items():
        node = setting.node
        if node is not None and not any(node in each.ancestors or each in node.ancestors for each in nodes):
            raise DeclarationError(
                f"{given.cls.__name__}.{name} takes the global id of a node of {node.name}, but no type of this schema "
                f"that shows {node.name} is a relay.Node. Make one, or name the column."
            )
    if given.creates:
        _check_complete(field, given, catalog)


def _check_complete(field: WriteField, given: InputKind, catalog: Catalog) -> None:
    stamped = {
        attribute_owner(criterion.attribute)[1]
        for entity in given.entity.ancestors
        for criterion in catalog.criteria.get(entity, ())
        if isinstance(criterion, Match)
    }
    columns = write_columns(given.entity)
    lacking = [name for name in columns.columns if name in columns.required - given.names - stamped]
    if lacking:
        raise DeclarationError(
            f"{field.where}: a new row of {given.entity.name} must have {', '.join(lacking)}, which {given.cls.__name__} "
            f"does not list. List it, give the column a default, or write a resolver with @mutation that knows it."
        )
