"""Look-ahead: from what a query selects to the plan of what is read for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import get_argument_values

from batchrepo.declare.computed import Aggregate
from batchrepo.declare.orders import parse_order
from batchrepo.integrations.strawberry.query.arguments import NOTHING, Arguments, read_arguments
from batchrepo.integrations.strawberry.query.selections import (
    DEFINITION,
    Selections,
    field_named,
    field_of,
    object_type_of,
)
from batchrepo.integrations.strawberry.types.members import Related, RepositoryType, Value, repository_type_of
from batchrepo.integrations.strawberry.types.shapes import shape_of
from batchrepo.plan.read import AggregateField, ColumnField, Include, PageSpec, ReadPlan
from batchrepo.scope.related_pages import FLAGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphql import GraphQLField, GraphQLObjectType
    from graphql.language import FieldNode

    from batchrepo.mapping import ColumnInfo, RelationInfo
    from batchrepo.plan.pages import PageRequest
    from batchrepo.plan.read import Field
    from batchrepo.scope import Scope


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
        scope: where is read.
        deep: whether relations are read too; else only the columns that lead to them.

    Attributes:
        scoped: whether a plan has conditions that hold in this scope only.
        filtered: whether a plan has conditions or an order that a client has sent.
    """

    def __init__(self, selections: Selections, scope: Scope, *, deep: bool) -> None:
        self.selections = selections
        self.scope = scope
        self.deep = deep
        self.scoped = False
        self.filtered = False

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

    def ahead(
        self, related: Related, field: GraphQLField, node: FieldNode
    ) -> tuple[Arguments, PageRequest | None] | None:
        """How a relation is read together with its parent: its arguments, and the page of a connection.

        Returns:
            None where it is loaded when it is asked for.
        """
        if not self.deep:
            return None
        target = object_type_of(field)
        assert target is not None
        paged = type_of(target) is None
        try:
            asked = self._asked(related, field, node)
            request = asked.request(None, self._sizes(related)) if paged else None
        except Exception:  # noqa: BLE001  also what a filter of the application's own raises
            # The field is resolved from its parent's columns then, and fails in its own place.
            return None
        self.scoped = self.scoped or asked.scoped
        self.filtered = self.filtered or bool(asked.where or asked.order)
        if request is not None and (request.after is not None or request.before is not None):
            return None
        return asked, request

    def _related(self, related: Related, field: GraphQLField, group: list[FieldNode]) -> list[Field]:
        ahead = self.ahead(related, field, group[0])
        if ahead is None:
            return local_fields(related.relation)
        asked, request = ahead
        target = object_type_of(field)
        assert target is not None
        if request is not None:
            return self._connection(related, asked, request, target, group)
        return [
            Include(
                slot_of(group[0]),
                related.relation,
                self.plan(target, [group]),
                (*related.where, *asked.where),
                asked.order or related.order,
                related.first,
                related.many,
            )
        ]

    def _asked(self, related: Related, field: GraphQLField, node: FieldNode) -> Arguments:
        if not node.arguments:
            return NOTHING
        given = get_argument_values(field, node, self.selections.variables)
        return read_arguments(field, given, _repository_of(field), self.scope)

    def _sizes(self, related: Related) -> tuple[int, int]:
        return self.scope.reading.catalog.page_sizes(related.relation.target)

    def _connection(
        self,
        related: Related,
        asked: Arguments,
        request: PageRequest,
        connection: GraphQLObjectType,
        group: list[FieldNode],
    ) -> list[Field]:
        relation = related.relation
        selected = ConnectionSelection(self.selections, connection, group)
        where = (*related.where, *asked.where)
        total: Aggregate[int] | None = (
            Aggregate("count", relation.attribute, None, where) if selected.total else None
        )
        if total is not None and not selected.rows:
            return [AggregateField(slot_of(group[0]), total)]
        return [
            Include(
                slot_of(group[0]),
                relation,
                self.plan(selected.node_type, selected.nodes),
                where,
                asked.order or related.order or parse_order(relation.order_by),
                many=True,
                page=PageSpec(request.size, request.backward, total),
            )
        ]


def _repository_of(field: GraphQLField) -> Any:
    """The repository whose rows a relation's field shows."""
    kind = repository_type_of(shape_of(field.extensions[DEFINITION].resolve_type()).cls)
    assert kind is not None
    return kind.repository


class ConnectionSelection:
    """What is selected of a connection.

    Attributes:
        node_type: of its rows.
        nodes: the fields that lead to its rows.
        total: whether the total is asked for.
        rows: whether anything else is, for which a page is read.
        flags: which of ``has_next`` and ``has_previous`` are.
    """

    def __init__(
        self, selections: Selections, connection: GraphQLObjectType, group: Sequence[FieldNode]
    ) -> None:
        edges, total = field_named(connection, "edges"), field_named(connection, "total_count")
        info = field_named(connection, "page_info")
        assert edges is not None
        assert info is not None
        edge = object_type_of(edges)
        assert edge is not None
        node = field_named(edge, "node")
        assert node is not None
        node_type = object_type_of(node)
        assert node_type is not None
        self.node_type = node_type
        self.nodes: list[list[FieldNode]] = []
        self.total = self.rows = False
        self.flags: tuple[str, ...] = ()
        for below in selections.below(connection, group):
            field = field_of(connection, below[0])
            if field is not None and field is total:
                self.total = True
            else:
                self.rows = self.rows or field is not None
            if field is edges:
                self.nodes += [
                    inner for inner in selections.below(edge, below) if field_of(edge, inner[0]) is node
                ]
            elif field is info:
                page_info = object_type_of(info)
                assert page_info is not None
                asked = [field_of(page_info, inner[0]) for inner in selections.below(page_info, below)]
                self.flags = tuple(
                    flag
                    for flag in FLAGS
                    if flag in self.flags or field_named(page_info, f"{flag}_page") in asked
                )
