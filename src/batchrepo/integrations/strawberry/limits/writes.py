"""How many rows the mutations of an operation may write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphql.language import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, InlineFragmentNode

from batchrepo.integrations.strawberry.limits.limits import MOST, exceeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphql import GraphQLError, GraphQLSchema
    from graphql.language import DocumentNode, OperationDefinitionNode, SelectionSetNode

    from batchrepo.integrations.strawberry.limits.limits import Limits
    from batchrepo.integrations.strawberry.limits.values import Values


class Writes:
    """Counts the rows that the fields of one operation are given to write.

    Args:
        schema: of the operation.
        document: its fragments contain themselves nowhere.
        operation: a mutation of the document.
        values: of its arguments.
        limits: how many rows there may be.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        values: Values,
        limits: Limits,
    ) -> None:
        self._root = schema.mutation_type
        self._operation = operation
        self._values = values
        self._limits = limits
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }

    def refused(self) -> list[GraphQLError]:
        """Whether there are too many rows."""
        allowed = self._limits.writes
        if allowed is None or self._root is None:
            return []
        rows = 0
        for node in self._fields(self._operation.selection_set):
            field = self._root.fields.get(node.name.value)
            if field is not None:
                rows = min(rows + self._values.written(field, node), MOST)
        if rows <= allowed:
            return []
        what = "{value} rows are to be written"
        return [
            exceeded("writes", rows, allowed, what, "Write fewer at once, and the rest by another mutation")
        ]

    def _fields(self, selected: SelectionSetNode) -> Iterator[FieldNode]:
        for selection in selected.selections:
            if not self._values.includes(selection):
                continue
            match selection:
                case FieldNode():
                    yield selection
                case InlineFragmentNode(selection_set=below):
                    yield from self._fields(below)
                case FragmentSpreadNode(name=name) if name.value in self._fragments:
                    yield from self._fields(self._fragments[name.value].selection_set)
