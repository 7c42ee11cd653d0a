"""What a query selects: the fields of each object, with fragments and directives followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

from graphql import (
    GraphQLIncludeDirective,
    GraphQLObjectType,
    GraphQLSkipDirective,
    get_directive_values,
    get_named_type,
    is_abstract_type,
)
from graphql.execution import VariableValues
from graphql.language import FieldNode, FragmentSpreadNode, InlineFragmentNode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from graphql import GraphQLField, GraphQLResolveInfo
    from graphql.language import SelectionNode

DEFINITION = "strawberry-definition"
"""Under which name Strawberry keeps its own field, argument or type in the extensions of graphql-core's."""

ResolveInfo: TypeAlias = "GraphQLResolveInfo[Any]"
"""What graphql-core tells a resolver."""


class Selections:
    """Follows the selections of one operation.

    Args:
        info: of any field of the operation.
    """

    def __init__(self, info: ResolveInfo) -> None:
        self.schema = info.schema
        self.fragments = info.fragments
        # Strawberry's executor gives the values alone, graphql-core's own has their origins too.
        given: Any = info.variable_values
        self.variables = given if isinstance(given, VariableValues) else VariableValues({}, given)
        self.operation = info.operation

    def below(self, parent: GraphQLObjectType, nodes: Iterable[FieldNode]) -> list[list[FieldNode]]:
        """The fields that are selected of an object: for each response key the nodes that ask for it.

        Args:
            parent: the object's type.
            nodes: the fields that lead to the object.
        """
        return list(self.by_key(parent, nodes).values())

    def by_key(self, parent: GraphQLObjectType, nodes: Iterable[FieldNode]) -> dict[str, list[FieldNode]]:
        """As `below`, by the response keys."""
        groups: dict[str, list[FieldNode]] = {}
        seen: set[str] = set()
        for node in nodes:
            if node.selection_set is not None:
                self._collect(parent, node.selection_set.selections, groups, seen)
        return groups

    def roots(self, root: GraphQLObjectType) -> dict[str, list[FieldNode]]:
        """The root fields of the operation, by their response keys."""
        groups: dict[str, list[FieldNode]] = {}
        self._collect(root, self.operation.selection_set.selections, groups, set())
        return groups

    def merged(
        self, parent: GraphQLObjectType, objects: Iterable[Sequence[FieldNode]]
    ) -> list[list[FieldNode]]:
        """As `below`, for an object that is selected under several response keys."""
        groups: dict[int, list[FieldNode]] = {}
        for nodes in objects:
            for group in self.below(parent, nodes):
                known = groups.setdefault(id(group[0]), [])
                known += [node for node in group if all(node is not other for other in known)]
        return list(groups.values())

    def _collect(
        self,
        parent: GraphQLObjectType,
        selections: Iterable[SelectionNode],
        groups: dict[str, list[FieldNode]],
        seen: set[str],
    ) -> None:
        for selection in selections:
            if not self._included(selection):
                continue
            match selection:
                case FieldNode():
                    key = (selection.alias or selection.name).value
                    groups.setdefault(key, []).append(selection)
                case InlineFragmentNode():
                    if self._applies(parent, selection.type_condition):
                        self._collect(parent, selection.selection_set.selections, groups, seen)
                case FragmentSpreadNode(name=name) if name.value not in seen:
                    seen.add(name.value)
                    fragment = self.fragments[name.value]
                    if self._applies(parent, fragment.type_condition):
                        self._collect(parent, fragment.selection_set.selections, groups, seen)

    def _included(self, selection: SelectionNode) -> bool:
        if not selection.directives:
            return True
        skip = get_directive_values(GraphQLSkipDirective, selection, self.variables)
        if skip and skip["if"]:
            return False
        include = get_directive_values(GraphQLIncludeDirective, selection, self.variables)
        return include is None or bool(include["if"])

    def _applies(self, parent: GraphQLObjectType, condition: Any) -> bool:
        if condition is None or condition.name.value == parent.name:
            return True
        found = self.schema.get_type(condition.name.value)
        return found is not None and is_abstract_type(found) and self.schema.is_sub_type(found, parent)


def field_of(parent: GraphQLObjectType, node: FieldNode) -> GraphQLField | None:
    """The definition of a selected field; None for ``__typename``."""
    found: GraphQLField | None = parent.fields.get(node.name.value)
    return found


def field_named(parent: Any, python_name: str) -> GraphQLField | None:
    """The field of a type that has a name in Python, however the schema's config writes it for clients."""
    for field in getattr(parent, "fields", {}).values():
        if getattr((field.extensions or {}).get(DEFINITION), "python_name", None) == python_name:
            return cast("GraphQLField", field)
    return None


def object_type_of(field: GraphQLField) -> GraphQLObjectType | None:
    """The object type that a field leads to, through lists and such; None for a value."""
    named = get_named_type(field.type)
    return named if isinstance(named, GraphQLObjectType) else None
