"""How many rows an operation may give, and whether the sizes of its pages can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import (
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
)
from graphql.language import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
)

from batchrepo.errors import InvalidArgument
from batchrepo.integrations.outcomes import outcome_of
from batchrepo.integrations.strawberry.limits.limits import MOST, exceeded
from batchrepo.integrations.strawberry.query.planning import type_of
from batchrepo.integrations.strawberry.query.selections import DEFINITION, field_named
from batchrepo.integrations.strawberry.roots.declaring import ManyField
from batchrepo.integrations.strawberry.roots.fields import RootField
from batchrepo.integrations.strawberry.types.members import Related
from batchrepo.integrations.strawberry.writes.fields import WriteField
from batchrepo.integrations.strawberry.writes.payloads import Written
from batchrepo.plan.pages import is_integer, read_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphql import GraphQLField, GraphQLNamedType, GraphQLSchema
    from graphql.language import (
        DocumentNode,
        OperationDefinitionNode,
        SelectionNode,
        SelectionSetNode,
    )

    from batchrepo.declare.repository_info import Catalog
    from batchrepo.integrations.strawberry.limits.limits import Limits
    from batchrepo.integrations.strawberry.limits.values import Values

FOREIGN_PAGE = 100
"""The size of a page of a connection that is not ours, where nothing says another: Strawberry's own."""


class Rows:
    """Counts the rows of one operation, with the values of its variables.

    The document may be invalid: what is not in the schema counts for nothing, since validation refuses it.

    Args:
        schema: of the operation.
        document: its fragments contain themselves nowhere.
        operation: one of the document.
        values: of the operation's arguments.
        limits: how much a list counts.
        catalog: of the Database, for the sizes of pages.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        values: Values,
        limits: Limits,
        catalog: Catalog,
    ) -> None:
        self._schema = schema
        self._operation = operation
        self._limits = limits
        self._catalog = catalog
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._values = values
        self._known: dict[str, int] = {}
        self._errors: list[GraphQLError] = []

    def refused(self) -> list[GraphQLError]:
        """What is wrong with sizes of pages; where they are right, whether there may be too many rows."""
        root = self._schema.get_root_type(self._operation.operation)
        rows = self._selected(root, self._operation.selection_set)
        allowed = self._limits.rows
        if not self._errors and allowed is not None and rows > allowed:
            return [
                exceeded(
                    "rows",
                    rows,
                    allowed,
                    "the answer may have {value} rows, since the sizes of pages in pages multiply",
                    "Ask for smaller pages with first or last",
                )
            ]
        return self._errors

    def _selected(self, parent: GraphQLNamedType | None, selected: SelectionSetNode) -> int:
        rows = 0
        for selection in selected.selections:
            if self._values.includes(selection):
                rows += self._rows(parent, selection)
        return min(rows, MOST)

    def _rows(self, parent: GraphQLNamedType | None, selection: SelectionNode) -> int:
        match selection:
            case FieldNode(selection_set=below) if below is not None:
                field = _fields_of(parent).get(selection.name.value)
                return self._field(parent, field, selection, below) if field is not None else 0
            case InlineFragmentNode(type_condition=condition, selection_set=below):
                kind = self._schema.get_type(condition.name.value) if condition is not None else parent
                return self._selected(kind, below)
            case FragmentSpreadNode(name=name) if name.value in self._fragments:
                return self._fragment(name.value)
        return 0

    def _fragment(self, name: str) -> int:
        found = self._known.get(name)
        if found is None:
            node = self._fragments[name]
            kind = self._schema.get_type(node.type_condition.name.value)
            found = self._known[name] = self._selected(kind, node.selection_set)
        return found

    def _field(
        self,
        parent: GraphQLNamedType | None,
        field: GraphQLField,
        node: FieldNode,
        selected: SelectionSetNode,
    ) -> int:
        target = get_named_type(field.type)
        if is_leaf_type(target):
            return 0
        below = self._selected(target, selected)
        if _is_connection(target):
            return min(self._page_size(field, target, node) * max(1, below), MOST)
        if is_written(target):
            return min(max(1, self._values.written(field, node)) * (1 + below), MOST)
        if _is_connection(parent) or is_written(parent):
            return below  # its page is counted
        times = self._length(field, node) if is_list_type(get_nullable_type(field.type)) else 1
        return min(times * (1 + below), MOST)

    # --- how many -------------------------------------------------------------------------------

    def _length(self, field: GraphQLField, node: FieldNode) -> int:
        """Of a list without pages."""
        member = getattr((field.extensions or {}).get(DEFINITION), "member", None)
        if isinstance(member, Related) and member.first is not None:
            return member.first
        root = (field.extensions or {}).get(DEFINITION)
        if isinstance(root, WriteField):
            return self._values.written(field, node)
        if isinstance(root, ManyField):
            asked = self._values.argument(field, node, "limit")
            return max(0, asked) if is_integer(asked) else min(root.limit, self._limits.list_rows)
        if "ids" in field.args:
            ids = self._values.argument(field, node, "ids")
            if isinstance(ids, list | tuple):
                return len(ids)
        return self._limits.list_rows

    def _page_size(self, field: GraphQLField, connection: Any, node: FieldNode) -> int:
        asked = {name: self._values.argument(field, node, name) for name in ("first", "last")}
        usable = {name: value if is_integer(value) else None for name, value in asked.items()}
        sizes = self._sizes(field, connection)
        if sizes is None:
            return max(0, usable["first"] or usable["last"] or FOREIGN_PAGE)
        default, largest = sizes
        try:
            request = read_request(
                first=usable["first"],
                after=None,
                last=usable["last"],
                before=None,
                total=None,
                default=default,
                largest=largest,
            )
        except InvalidArgument as error:
            outcome = outcome_of(error)
            self._errors.append(
                GraphQLError(f"{node.name.value}: {outcome.detail}", node, extensions={"code": outcome.code})
            )
            return 0
        return request.size

    def _sizes(self, field: GraphQLField, connection: Any) -> tuple[int, int] | None:
        """The default and the largest size of pages; None where the rows are none of a repository's."""
        node = field_named(_named_type_of(field_named(connection, "edges")), "node")
        row = _named_type_of(node)
        kind = type_of(row) if isinstance(row, GraphQLObjectType) else None
        if kind is None:
            return None
        if isinstance((field.extensions or {}).get(DEFINITION), RootField):
            info = self._catalog.by_class[kind.repository]
            return info.page_size, info.max_page_size
        return self._catalog.page_sizes(kind.entity)


def _fields_of(kind: Any) -> Mapping[str, GraphQLField]:
    return kind.fields if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) else {}


def _is_connection(kind: Any) -> bool:
    return field_named(kind, "edges") is not None and field_named(kind, "page_info") is not None


def _named_type_of(field: GraphQLField | None) -> Any:
    return get_named_type(field.type) if field is not None else None


def is_written(kind: Any) -> bool:
    """Whether a type is what was written of many rows."""
    definition = (getattr(kind, "extensions", None) or {}).get(DEFINITION)
    generic = getattr(definition, "concrete_of", None)
    return generic is not None and generic.origin is Written
