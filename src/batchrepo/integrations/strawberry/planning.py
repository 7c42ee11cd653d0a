"""Look-ahead: from what a query selects to the plan of what is read for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import get_argument_values

from batchrepo.declare.computed import Aggregate
from batchrepo.declare.orders import parse_order
from batchrepo.errors import InvalidArgument
from batchrepo.integrations.strawberry.members import Related, RepositoryType, Value, repository_type_of
from batchrepo.integrations.strawberry.selections import Selections, field_of, object_type_of
from batchrepo.plan.pages import read_request
from batchrepo.plan.read import ColumnField, Include, PageSpec, ReadPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphql import GraphQLField, GraphQLObjectType
    from graphql.language import FieldNode

    from batchrepo.declare.repository_info import Catalog
    from batchrepo.mapping import ColumnInfo, RelationInfo
    from batchrepo.plan.read import Field

DEFINITION = "strawberry-definition"
"""Under which name Strawberry keeps its own field or type in the extensions of graphql-core's."""


def slot_of(node: FieldNode) -> str:
    """Where an object has what was read for a field with its selection: one place for each field of the document."""
    return f"@{id(node):x}"


def local_name(column: ColumnInfo) -> str:
    """Where an object has a column that is read for something else than a field of its own."""
    return f"#{column.name}"


def local_fields(relation: RelationInfo) -> list[Field]:
    """The columns of an object that a relation starts from, for those who load it later."""
    return [ColumnField(local_name(column), column.attribute, column) for column in relation.local]


def type_of(object_type: GraphQLObjectType) -> RepositoryType | None:
    """The repository type behind a GraphQL type."""
    definition = (object_type.extensions or {}).get(DEFINITION)
    return repository_type_of(getattr(definition, "origin", None))


class Planning:
    """Makes plans of the selections of one operation.

    Args:
        selections: of the operation.
        catalog: of the Database.
        deep: whether relations are read too; else only the columns that lead to them.
    """

    def __init__(self, selections: Selections, catalog: Catalog, *, deep: bool) -> None:
        self.selections = selections
        self.catalog = catalog
        self.deep = deep

    def plan(self, object_type: GraphQLObjectType, objects: Sequence[Sequence[FieldNode]]) -> ReadPlan:
        """What is read for objects of a repository type.

        Args:
            object_type: their type in GraphQL.
            objects: the fields that lead to them; several where response keys share what is read.
        """
        kind = type_of(object_type)
        assert kind is not None, f"{object_type.name} is no type of a repository"
        fields: dict[str, Field] = {}
        for group in self.selections.merged(object_type, objects):
            field = field_of(object_type, group[0])
            if field is not None:
                for found in self._fields(kind, field, group):
                    fields.setdefault(found.name, found)
        if not fields:
            for column in kind.entity.key:
                fields[column.name] = ColumnField(column.name, column.attribute, column)
        return ReadPlan(kind.entity, tuple(fields.values()))

    def _fields(self, kind: RepositoryType, field: GraphQLField, group: list[FieldNode]) -> list[Field]:
        definition = (field.extensions or {}).get(DEFINITION)
        match getattr(definition, "member", None):
            case Value(field=read):
                return [read]
            case Related() as related:
                return self._related(related, field, group)
        reads = getattr(definition, "reads", None)
        if reads is not None:
            return list(reads)
        names = getattr(definition, "requires", ())
        return [value.field for name in names if isinstance(value := kind.members[name], Value)]

    def _related(self, related: Related, field: GraphQLField, group: list[FieldNode]) -> list[Field]:
        target = object_type_of(field)
        assert target is not None
        if not self.deep:
            return local_fields(related.relation)
        if type_of(target) is None:
            return self._connection(related, field, target, group)
        plan = self.plan(target, [group])
        return [
            Include(
                slot_of(group[0]),
                related.relation,
                plan,
                related.where,
                related.order,
                related.first,
                related.many,
            )
        ]

    def _connection(
        self, related: Related, field: GraphQLField, connection: GraphQLObjectType, group: list[FieldNode]
    ) -> list[Field]:
        asked: dict[str, Any] = get_argument_values(field, group[0], self.selections.variables)
        selected = ConnectionSelection(self.selections, connection, group)
        relation = related.relation
        size, largest = self.catalog.page_sizes(relation.target)
        try:
            request = read_request(
                first=asked.get("first"),
                after=asked.get("after"),
                last=asked.get("last"),
                before=asked.get("before"),
                total=None,
                default=size,
                largest=largest,
            )
        except InvalidArgument:
            # An error of this field, with its path: not of the root field, which reads the others.
            return local_fields(relation)
        if request.after is not None or request.before is not None:
            return local_fields(relation)
        total: Aggregate[int] | None = (
            Aggregate("count", relation.attribute, None, related.where) if selected.total else None
        )
        return [
            Include(
                slot_of(group[0]),
                relation,
                self.plan(selected.node_type, selected.nodes),
                related.where,
                related.order or parse_order(relation.order_by),
                many=True,
                page=PageSpec(request.size, request.backward, total),
            )
        ]


class ConnectionSelection:
    """What is selected of a connection.

    Attributes:
        node_type: of its rows.
        nodes: the fields that lead to its rows.
        total: whether the total is asked for.
    """

    def __init__(
        self, selections: Selections, connection: GraphQLObjectType, group: Sequence[FieldNode]
    ) -> None:
        edge = object_type_of(connection.fields["edges"])
        assert edge is not None
        node_type = object_type_of(edge.fields["node"])
        assert node_type is not None
        self.node_type = node_type
        self.nodes: list[list[FieldNode]] = []
        self.total = False
        for below in selections.below(connection, group):
            match below[0].name.value:
                case "edges":
                    self.nodes += [
                        inner for inner in selections.below(edge, below) if inner[0].name.value == "node"
                    ]
                case "totalCount":
                    self.total = True
