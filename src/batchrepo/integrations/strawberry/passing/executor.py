"""The executor of a schema, which hands on what needs no visit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from graphql import GraphQLObjectType, is_non_null_type
from strawberry.extensions.directives import DirectivesExtension
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from batchrepo.integrations.strawberry.operation.scopes import current_operation
from batchrepo.integrations.strawberry.passing.covering import cover, is_connection, node_type_of
from batchrepo.integrations.strawberry.passing.leaves import Unfit
from batchrepo.integrations.strawberry.passing.whole import EXECUTOR, Completed
from batchrepo.integrations.strawberry.query.lookahead import lookahead_of
from batchrepo.integrations.strawberry.query.planning import type_of
from batchrepo.integrations.strawberry.types.connections import CountOfRows, PageEdge, PageOfRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphql.pyutils import Path
    from strawberry import Schema

    from batchrepo.integrations.strawberry.operation.scopes import Operation
    from batchrepo.integrations.strawberry.passing.completing import Completer
    from batchrepo.integrations.strawberry.passing.notes import Notes

STEPS = (
    "execute_fields",
    "execute_field",
    "build_resolve_info",
    "handle_field_error",
    "complete_value",
    "complete_leaf_value",
    "complete_list_value",
    "complete_iterable_value",
    "complete_list_item_value",
    "complete_object_value",
    "collect_and_execute_subfields",
    "collect_subfields",
    "execute_collected_subfields",
)
"""The methods of an executor that a subtree which passes is spared."""


def passing(schema: Schema) -> type[Any]:
    """The class that executes operations of a schema: its own, with objects that pass."""
    own: Any = schema.execution_context_class
    known = {
        "refusal": why_not_schema(schema),
        "in_parts": schema.config.enable_experimental_incremental_execution,
    }
    return type(f"Passing{own.__name__}", (Passing, own), known)


def why_not_schema(schema: Schema) -> str | None:
    """What about a schema keeps its executor at every field."""
    own: Any = schema.execution_context_class
    for name in STEPS:
        if getattr(own, name, None) is not getattr(StrawberryGraphQLCoreExecutionContext, name):
            return f"The schema's execution_context_class, {own.__name__}, has a {name} of its own."
    if schema.schema_converter.exception_handlers:
        return "The schema has exception_handlers."
    if schema.config.default_resolver is not getattr:
        return "The schema's config has a default_resolver of its own."
    return None


def why_not_operation(middlewares: Any) -> str | None:
    """What about an operation keeps its executor at every field.

    Args:
        middlewares: graphql-core's manager of them, or None.
    """
    for each in getattr(middlewares, "middlewares", ()):
        # That of Strawberry looks at directives of the document, and fields with such do not pass.
        if type(each) is not DirectivesExtension:
            return f"The schema's extension {type(each).__name__} sees every field."
    return None


@dataclass(frozen=True, slots=True)
class _Place:
    """What an operation knows of the objects that a field leads to.

    Attributes:
        details: the field; kept, since the place is found by its identity.
        complete: makes the object of the answer from a row or a page; None where the executor visits the fields.
        cls: of the objects, or of the rows of a connection.
        paged: whether the field leads to a connection.
        counted: as in `Cover`.
        path: of the place, for the report.
    """

    details: Any
    complete: Completer | None = None
    cls: Any = None
    paged: bool = False
    counted: bool = False
    path: str = ""

    def one(self, found: Any) -> dict[str, Any]:
        """The object of the answer for one that a resolver gave."""
        complete = cast("Completer", self.complete)
        if self.counted:
            return complete(_total(found))
        return complete(_page(found, self.cls) if self.paged else _row(found, self.cls))

    def many(self, found: list[Any]) -> list[dict[str, Any]]:
        """The objects of the answer for a list that a resolver gave."""
        complete, cls = cast("Completer", self.complete), self.cls
        return [complete(_row(each, cls)) for each in found]


def _row(found: Any, cls: Any) -> dict[str, Any]:
    if type(found) is not cls:
        raise Unfit
    row: dict[str, Any] = found.__dict__
    return row


def _total(found: Any) -> int:
    if type(found) is not CountOfRows:
        raise Unfit
    return found.total_count


def _page(found: Any, cls: Any) -> dict[str, Any]:
    """A page as a plan reads it; of the edges that are there now, since an extension may have left some out."""
    if type(found) is not PageOfRows or any(type(edge) is not PageEdge for edge in found.edges):
        raise Unfit
    return {
        "items": [_row(edge.node, cls) for edge in found.edges],
        "cursors": _Cursors(found.edges),
        "total": found.total_count,
        "has_next": found.has_next_page,
        "has_previous": found.has_previous_page,
        "start_cursor": found.start_cursor,
        "end_cursor": found.end_cursor,
    }


class _Cursors:
    """The cursors of edges, each made when it is asked for."""

    __slots__ = ("_edges",)

    def __init__(self, edges: Sequence[PageEdge]) -> None:
        self._edges = edges

    def __getitem__(self, index: int) -> str:
        return self._edges[index].cursor


class _Asked(NamedTuple):
    """What look-ahead takes from a resolver's info."""

    schema: Any
    fragments: Any
    variable_values: Any
    operation: Any


class Passing:
    """What is in front of a schema's own executor.

    Attributes:
        refusal: why nothing passes in this schema; None where something may.
        in_parts: whether clients may have answers in parts, by ``@defer`` and ``@stream``.
    """

    refusal: str | None
    in_parts: bool

    @property
    def why_not(self) -> str | None:
        """Why nothing passes in this operation; None where something may."""
        own: Any = self
        return self.refusal or why_not_operation(own.middleware_manager)

    def execute_operation(self, *given: Any, **named: Any) -> Any:
        """Run the operation, whose root fields may ask for its executor."""
        operation = current_operation.get()
        if operation is not None:
            operation.kept[EXECUTOR] = self
        own: Any = super()
        return own.execute_operation(*given, **named)

    def complete_object_value(
        self,
        return_type: Any,
        field_details_list: Any,
        info: Any,
        path: Any,
        result: Any,
        position_context: Any,
    ) -> Any:
        """An object, which may be completed already."""
        if type(result) is Completed:
            return result.value
        own: Any = super()
        return own.complete_object_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def collect_and_execute_subfields(
        self, return_type: Any, field_details_list: Any, path: Any, result: Any, position_context: Any
    ) -> Any:
        """An object of the answer, made of its row where that is enough."""
        place = self._place(return_type, field_details_list, path)
        if place is not None:
            try:
                return place.one(result)
            except Exception:  # noqa: BLE001  whatever it was: the executor meets it again, in its place
                _misfit(place)
        own: Any = super()
        return own.collect_and_execute_subfields(
            return_type, field_details_list, path, result, position_context
        )

    def complete_list_value(
        self,
        return_type: Any,
        field_details_list: Any,
        info: Any,
        path: Any,
        result: Any,
        position_context: Any,
    ) -> Any:
        """A list of objects of the answer, made of their rows where these are enough."""
        if type(result) is Completed:
            return result.value
        item = return_type.of_type
        item = item.of_type if is_non_null_type(item) else item
        if type(result) is list and result and isinstance(item, GraphQLObjectType):
            place = self._place(item, field_details_list, path)
            if place is not None and not place.paged:
                try:
                    return place.many(result)
                except Exception:  # noqa: BLE001  as above
                    _misfit(place)
        own: Any = super()
        return own.complete_list_value(return_type, field_details_list, info, path, result, position_context)

    def _place(self, object_type: GraphQLObjectType, details: Any, path: Path) -> _Place | None:
        """How the objects pass that a field leads to; None where the executor visits their fields."""
        operation = current_operation.get()
        if operation is None or operation.passed is None:
            return None
        key = "passing", id(object_type), id(details)
        found: _Place | None = operation.kept.get(key)
        if found is None:
            found = operation.kept[key] = self._made(operation, operation.passed, object_type, details, path)
        return found if found.complete is not None else None

    def _made(
        self, operation: Operation, notes: Notes, object_type: GraphQLObjectType, details: Any, path: Path
    ) -> _Place:
        paged = is_connection(object_type)
        of_rows = node_type_of(object_type) if paged else object_type
        kind = type_of(of_rows) if of_rows is not None else None
        if kind is None:
            return _Place(details)
        own: Any = self
        refusal = self.why_not
        if refusal is not None:
            notes.refused(refusal)
            return _Place(details)
        where = ".".join(step for step in path.as_list() if isinstance(step, str))
        if any(each.defer_usage or each.fragment_variable_values for each in details):
            notes.place(where, {"": "@defer or a fragment with arguments is more than the plan follows."})
            return _Place(details)
        nodes = [each.node for each in details]
        asked: Any = _Asked(own.schema, own.fragment_definitions, own.variable_values, own.operation)
        found = lookahead_of(operation.scope.reading).remembered(
            asked,
            ("passing", operation.look_ahead, id(object_type), *map(id, nodes)),
            (object_type, [nodes]),
            operation.scope,
            lambda planning: cover(planning, object_type, nodes),
            deep=operation.look_ahead,
        )
        notes.place(where, found.why_not)
        return _Place(details, found.complete, kind.cls, paged, found.counted, where)


def _misfit(place: _Place) -> None:
    operation = current_operation.get()
    if operation is not None and operation.passed is not None:
        operation.passed.misfit(place.path)
