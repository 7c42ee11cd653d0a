"""Whether all that is selected of an object is in its row, and what the answer makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from graphql import is_non_null_type
from graphql.language import FieldNode, FragmentSpreadNode
from strawberry import relay

from batchrepo.integrations.strawberry.passing.completing import (
    Completer,
    Constant,
    Cursor,
    Edges,
    Leaf,
    Many,
    One,
    Page,
    Whole,
    make_completer,
)
from batchrepo.integrations.strawberry.query.planning import ConnectionSelection, slot_of
from batchrepo.integrations.strawberry.query.selections import (
    DEFINITION,
    field_named,
    field_of,
    object_type_of,
)
from batchrepo.integrations.strawberry.types.connections import Connection
from batchrepo.integrations.strawberry.types.fields import RepositoryField
from batchrepo.integrations.strawberry.types.members import Related, Value
from batchrepo.integrations.strawberry.types.nodes import IdField
from batchrepo.integrations.strawberry.types.shapes import shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from graphql import GraphQLField, GraphQLObjectType
    from graphql.language import Node

    from batchrepo.integrations.strawberry.passing.completing import Part, Parts
    from batchrepo.integrations.strawberry.query.planning import Planning

OF_PAGES = {
    "has_next_page": "has_next",
    "has_previous_page": "has_previous",
    "start_cursor": "start_cursor",
    "end_cursor": "end_cursor",
}
"""The fields of ``PageInfo`` by their names in Python, and where a page that was read has them."""

FOLLOWED = ("skip", "include")
"""Directives that decide what is selected."""

Nodes: TypeAlias = "Sequence[FieldNode]"
"""The fields of a document that lead to an object."""


@dataclass(frozen=True, eq=False)
class Cover:
    """What is known of the objects that a field leads to.

    Attributes:
        complete: makes the object of the answer from a row or a page; None where the executor must visit the fields.
        counted: whether it takes the total of a connection, of which nothing else is asked for.
        why_not: what keeps the executor at it: reasons by the fields below, as paths of response keys; "" for what is
            about the objects themselves.
        parts: of the object of the answer.
    """

    complete: Completer | None
    counted: bool
    why_not: dict[str, str]
    parts: Parts


def is_connection(object_type: GraphQLObjectType) -> bool:
    """Whether a type is a `Connection`."""
    definition = (object_type.extensions or {}).get(DEFINITION)
    generic = getattr(definition, "concrete_of", None)
    return generic is not None and generic.origin is Connection


def node_type_of(connection: GraphQLObjectType) -> GraphQLObjectType | None:
    """The type of a connection's rows; None where it is no object type."""
    edges = field_named(connection, "edges")
    edge = object_type_of(edges) if edges is not None else None
    node = field_named(edge, "node")
    return object_type_of(node) if node is not None else None


def cover(planning: Planning, object_type: GraphQLObjectType, nodes: Nodes) -> Cover:
    """Whether rows can be passed through, and how.

    Args:
        planning: of the operation.
        object_type: a type of a repository, or a `Connection`.
        nodes: the fields that lead to its objects.
    """
    covering = _Covering(planning)
    covering.refuse("", why_not_nodes(planning, nodes))
    counted = False
    if is_connection(object_type):
        parts = covering.connection(object_type, nodes, "")
        selected = ConnectionSelection(planning.selections, object_type, nodes)
        counted = selected.total and not selected.rows
    else:
        parts = covering.objects(object_type, nodes, "")
    return Cover(None if covering.why_not else make_completer(parts), counted, covering.why_not, parts)


def why_not_nodes(planning: Planning, nodes: Nodes) -> str | None:
    """What about the fields that lead to objects keeps the executor at it."""
    for node in nodes:
        for directive in _directives(planning, node):
            if directive not in FOLLOWED:
                return f"@{directive} is more than the plan follows."
    return None


def why_not_type(object_type: GraphQLObjectType) -> str | None:
    """What about a type keeps the executor at its objects."""
    definition: Any = (object_type.extensions or {}).get(DEFINITION)
    if definition.is_type_of is not None:
        return f"{definition.origin.__name__} has an is_type_of of its own."
    return None


def why_not_field(field: GraphQLField) -> str | None:
    """What about a field of a repository type keeps the executor at it."""
    definition: Any = (field.extensions or {}).get(DEFINITION)
    where = f"{getattr(definition.origin, '__name__', '')}.{definition.python_name}"
    if not isinstance(definition, RepositoryField | IdField):
        return f"{where} has a resolver of its own."
    if definition.permission_classes:
        return f"{where} has permissions."
    if definition.extensions:
        return f"{where} has extensions of its own."
    if field.resolve != definition.resolver:
        return f"{where} is resolved by Strawberry."
    return None


def _directives(planning: Planning, node: FieldNode) -> Iterator[str]:
    """The directives on a field, and on the fragments in its selection set; not those of the fields in there."""
    seen: set[str] = set()
    pending: list[Node] = [node]
    while pending:
        found: Any = pending.pop()
        yield from (directive.name.value for directive in found.directives or ())
        if isinstance(found, FragmentSpreadNode):
            name = found.name.value
            if name in seen:
                continue
            seen.add(name)
            found = planning.selections.fragments[name]
        selections = found.selection_set.selections if found.selection_set is not None else ()
        pending += [each for each in selections if not isinstance(each, FieldNode)]


class _Covering:
    """Follows a selection.

    Attributes:
        why_not: as in `Cover`.
    """

    def __init__(self, planning: Planning) -> None:
        self.why_not: dict[str, str] = {}
        self._planning = planning
        self._selections = planning.selections

    def refuse(self, path: str, reason: str | None) -> bool:
        """Note a reason, if there is one."""
        if reason is not None:
            self.why_not.setdefault(path, reason)
        return reason is not None

    def objects(self, object_type: GraphQLObjectType, nodes: Nodes, path: str) -> list[Part]:
        """The parts of objects of a repository type."""
        self.refuse(path, why_not_type(object_type))
        return self._each(object_type, nodes, path, self._field)

    def _field(
        self, owner: GraphQLObjectType, key: str, field: GraphQLField, group: list[FieldNode], path: str
    ) -> Part | None:
        if self.refuse(path, why_not_field(field)):
            return None
        definition: Any = field.extensions[DEFINITION]
        if isinstance(definition, IdField):
            return Leaf(key, "", field.type, read=GlobalIdOf(definition, owner.name))
        if isinstance(definition.member, Value):
            return Leaf(key, definition.member.name, field.type)
        return self._related(key, field, definition.member, group, path)

    def _related(
        self, key: str, field: GraphQLField, member: Related, group: list[FieldNode], path: str
    ) -> Part | None:
        target = object_type_of(field)
        assert target is not None
        if self._planning.ahead(member, field, group[0]) is None:
            # What comes later passes through by itself.
            self.refuse(path, "is loaded when it is asked for, and not by the plan.")
            return None
        slot, optional = slot_of(group[0]), not is_non_null_type(field.type)
        shape = shape_of(field.extensions[DEFINITION].resolve_type())
        if shape.paged:
            return Page(key, slot, optional, self.connection(target, group, path))
        return (Many if shape.many else One)(key, slot, optional, self.objects(target, group, path))

    def connection(self, connection: GraphQLObjectType, nodes: Nodes, path: str) -> list[Part]:
        """The parts of a connection."""
        selected = ConnectionSelection(self._selections, connection, nodes)
        counted = selected.total and not selected.rows

        def part(
            _: GraphQLObjectType, key: str, field: GraphQLField, group: list[FieldNode], path: str
        ) -> Part:
            below = object_type_of(field)
            match _name(field):
                case "edges":
                    assert below is not None
                    return Edges(key, self._each(below, group, path, self._edge))
                case "page_info":
                    assert below is not None
                    return Whole(key, self._each(below, group, path, _of_page))
            return Leaf(key, "total", field.type, read=_itself if counted else None)

        return self._each(connection, nodes, path, part)

    def _edge(
        self, _: GraphQLObjectType, key: str, field: GraphQLField, group: list[FieldNode], path: str
    ) -> Part:
        if _name(field) == "cursor":
            return Cursor(key, field.type)
        target = object_type_of(field)
        assert target is not None
        return Whole(key, self.objects(target, group, path))

    def _each(
        self,
        owner: GraphQLObjectType,
        nodes: Nodes,
        path: str,
        make: Callable[[GraphQLObjectType, str, GraphQLField, list[FieldNode], str], Part | None],
    ) -> list[Part]:
        parts: list[Part] = []
        for key, group in self._selections.by_key(owner, nodes).items():
            field, below = field_of(owner, group[0]), f"{path}.{key}".lstrip(".")
            if group[0].name.value == "__typename":
                parts.append(Constant(key, owner.name))
            elif field is not None and not self.refuse(below, why_not_nodes(self._planning, group)):
                part = make(owner, key, field, group, below)
                if part is not None:
                    parts.append(part)
        return parts


def _of_page(
    _: GraphQLObjectType, key: str, field: GraphQLField, _group: list[FieldNode], _path: str
) -> Part:
    return Leaf(key, OF_PAGES[_name(field)], field.type)


def _name(field: GraphQLField) -> str:
    name: str = field.extensions[DEFINITION].python_name
    return name


def _itself(total: Any) -> Any:
    return total


class GlobalIdOf:
    """Makes the global id of a row.

    Args:
        field: of the id.
        type_name: of the objects.

    Attributes:
        type_name: as it was given.
        names: what it reads of a row.
    """

    __slots__ = ("_text", "names", "type_name")

    def __init__(self, field: IdField, type_name: str) -> None:
        self.type_name = type_name
        self.names = tuple(read.name for read in field.reads)
        self._text = field.texts.text

    def __call__(self, row: dict[str, Any]) -> str:
        """The id."""
        return relay.to_base64(self.type_name, self._text([row[name] for name in self.names]))
