"""The values of arguments and directives of one operation, before it is validated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import Undefined
from graphql.language import BooleanValueNode, IntValueNode, ListValueNode, NullValueNode, VariableNode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphql import GraphQLField
    from graphql.language import FieldNode, OperationDefinitionNode, SelectionNode, ValueNode

_UNUSABLE: Any = object()
"""Stands for a value that validation refuses."""


class Values:
    """Reads values of one operation, as far as they decide about numbers of rows.

    Args:
        operation: the operation.
        variables: as they came; those that are missing have their defaults.
    """

    def __init__(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> None:
        self._variables = dict(variables)
        for definition in operation.variable_definitions or ():
            if definition.default_value is not None:
                self._variables.setdefault(
                    definition.variable.name.value, self._value(definition.default_value)
                )

    def argument(self, field: GraphQLField, node: FieldNode, name: str) -> Any:
        """The value of a field's argument."""
        for argument in node.arguments or ():
            if argument.name.value == name:
                value = argument.value
                if isinstance(value, VariableNode) and value.name.value not in self._variables:
                    break
                return self._value(value)
        declared = field.args.get(name)
        default = declared.default_value if declared is not None else None
        return None if default is Undefined else default

    def written(self, field: GraphQLField, node: FieldNode) -> int:
        """How many rows a field of mutations may write: the items of its longest list, or one."""
        longest = 0
        listed = False
        for name in field.args:
            value = self.argument(field, node, name)
            if isinstance(value, list | tuple):
                listed = True
                longest = max(longest, len(value))
        return longest if listed else 1

    def includes(self, selection: SelectionNode) -> bool:
        """Whether no directive leaves a selection out."""
        for directive in selection.directives or ():
            wanted = {"skip": False, "include": True}.get(directive.name.value)
            for argument in directive.arguments or ():
                if wanted is not None and argument.name.value == "if":
                    value = self._value(argument.value)
                    if isinstance(value, bool) and value is not wanted:
                        return False
        return True

    def _value(self, node: ValueNode) -> Any:
        match node:
            case IntValueNode(value=text):
                return int(text) if len(text) < 20 else _UNUSABLE
            case BooleanValueNode(value=value):
                return value
            case NullValueNode():
                return None
            case VariableNode(name=name):
                given: Any = self._variables.get(name.value, _UNUSABLE)
                # As graphql-core reads an Int.
                return int(given) if isinstance(given, float) and given.is_integer() else given
            case ListValueNode(values=values):
                return values
        return _UNUSABLE
