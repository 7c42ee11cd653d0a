"""What is wrong with an operation before it is validated: it asks for too much, or for pages that there are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graphql import DocumentNode, OperationType
from graphql.language import OperationDefinitionNode, SelectionSetNode
from graphql.validation import ASTValidationRule

from batchrepo.integrations.strawberry.limits.costs import Costs
from batchrepo.integrations.strawberry.limits.rows import Rows
from batchrepo.integrations.strawberry.limits.values import Values
from batchrepo.integrations.strawberry.limits.writes import Writes
from batchrepo.integrations.strawberry.query.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphql import GraphQLError, ValidationContext
    from strawberry.types import ExecutionContext

    from batchrepo.declare.repository_info import Catalog
    from batchrepo.integrations.strawberry.limits.limits import Limits

# Of documents that somebody keeps, so that they are counted once. What was refused is not kept.
_within: Remembered[DocumentNode, Limits] = Remembered()


def refused(context: ExecutionContext, limits: Limits, catalog: Catalog) -> Sequence[GraphQLError]:
    """The errors of an operation that was parsed; none where it may go on.

    Args:
        context: of the operation.
        limits: how much it may ask for.
        catalog: of the Database.
    """
    document = context.graphql_document
    assert document is not None
    if _within.get(document) != limits:
        errors = list(Costs(document).refused(limits))
        if errors:
            return errors
        _within[document] = limits
    operation = _operation_of(document, context.operation_name)
    if operation is None:
        return ()
    schema = context.schema._schema
    values = Values(operation, context.variables or {})
    if operation.operation is OperationType.MUTATION:
        errors = Writes(schema, document, operation, values, limits).refused()
        if errors:
            return errors
    return Rows(schema, document, operation, values, limits, catalog).refused()


def _operation_of(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode) and (
            name is None or (node.name and node.name.value == name)
        ):
            return node
    return None


@dataclass(frozen=True)
class Refusal:
    """A validation rule that has found its errors before.

    Attributes:
        errors: what is wrong.
    """

    errors: tuple[GraphQLError, ...]

    def __call__(self, context: ValidationContext) -> Any:
        """Report them, as a rule does."""
        for error in self.errors:
            context.report_error(error)
        return ASTValidationRule(context)


def emptied(document: DocumentNode) -> DocumentNode:
    """A document with the same operations, which select nothing."""
    nothing = SelectionSetNode(selections=())
    return DocumentNode(
        definitions=tuple(
            OperationDefinitionNode(operation=node.operation, name=node.name, selection_set=nothing)
            for node in document.definitions
            if isinstance(node, OperationDefinitionNode)
        )
    )
