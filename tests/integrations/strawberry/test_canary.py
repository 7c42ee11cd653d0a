"""What the plug relies on inside Strawberry and graphql-core: each line fails by its name where that has moved."""

from __future__ import annotations

import asyncio
import inspect
import tomllib
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import graphql
import pytest
import strawberry
from graphql import GraphQLError, GraphQLSyntaxError, parse, validate
from graphql.execution.collect_fields import FieldDetails
from packaging.requirements import Requirement
from strawberry import relay
from strawberry.annotation import StrawberryAnnotation
from strawberry.extensions import SchemaExtension
from strawberry.schema import schema as strawberrys
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import CustomGraphQLEnumType
from strawberry.schema.types.scalar import DEFAULT_SCALAR_REGISTRY
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField

from batchrepo.integrations.strawberry.passing.executor import STEPS

PROJECT = Path(__file__).parents[3] / "pyproject.toml"


@pytest.mark.parametrize("package", ["strawberry-graphql", "graphql-core"])
def test_the_extra_is_pinned_to_what_is_tested(package):
    extras = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]
    (required,) = [one for one in map(Requirement, extras["strawberry"]) if one.name == package]
    bounds = {specifier.operator: specifier.version for specifier in required.specifier}
    assert set(bounds) == {">=", "<"}, f"{package} needs a lower and an upper bound: {required}"
    assert required.specifier.contains(version(package)), f"the tests run with {package} {version(package)}"


@strawberry.type
class Child(relay.Node):
    id: relay.NodeID[int]


@strawberry.type
class Query:
    @strawberry.field
    def plain(self, info: strawberry.Info, number: int = 1) -> str:
        SEEN["info"] = info._raw_info
        SEEN["extension"].seen["context var"] = True
        return str(number)

    @strawberry.field
    def children(self) -> list[Child | None]:
        return []


@strawberry.type(name="Query")
class OfMoments:
    moment: datetime


MOMENTS = strawberry.Schema(OfMoments)


@strawberry.input
class Sent:
    id: relay.GlobalID | None = strawberry.UNSET
    number: int | None = strawberry.UNSET


class Writing(StrawberryField):
    """A field of a mutation without a resolver, with an argument of its own."""

    @property
    def is_basic_field(self) -> bool:
        return False

    @property
    def arguments(self) -> list[StrawberryArgument]:
        return [StrawberryArgument("sent", None, StrawberryAnnotation(Sent))]

    async def get_result(self, source: Any, info: Any, args: Any, kwargs: Any) -> Any:
        SEEN.setdefault("sent", []).append((kwargs["sent"], asyncio.current_task()))
        return 1


@strawberry.type
class Mutation:
    write: int = Writing()


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def events(self) -> int:
        yield 1


SEEN: dict[str, Any] = {}

COMPLETING = inspect.getsource(graphql.Executor.complete_object_value)
LEAF = inspect.getsource(graphql.Executor.complete_leaf_value)


class Watching(SchemaExtension):
    """Notes what there is in each hook."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}
        SEEN["extension"] = self

    def on_operation(self):
        self.seen["parse options"] = self.execution_context.parse_options
        yield
        self.seen["result"] = self.execution_context.result

    def on_parse(self):
        self.seen["query"] = self.execution_context.query
        self.seen["document before"] = self.execution_context.graphql_document
        yield
        self.seen["document"] = self.execution_context.graphql_document

    def on_validate(self):
        self.seen["rules"] = self.execution_context.validation_rules
        self.seen["errors before"] = self.execution_context.pre_execution_errors
        yield
        self.seen["errors"] = self.execution_context.pre_execution_errors

    def on_execute(self):
        self.seen["operation type"] = self.execution_context.operation_type
        yield
        if self.seen["operation type"].value == "mutation":
            self.execution_context.result.data = None

    def get_results(self):
        return {"mine": self.execution_context.operation_extensions}


@pytest.fixture
def schema():
    return strawberry.Schema(Query, Mutation, subscription=Subscription, extensions=[Watching])


@pytest.fixture
async def seen(schema):
    result = await schema.execute(
        "query Q($n: Int = 2) { x: plain(number: $n) }", operation_extensions={"a": 1}
    )
    assert result.errors is None, result.errors
    found = {**SEEN["extension"].seen, "answer": result, "info": SEEN["info"], "schema": schema}
    SEEN["sent"] = []
    document = f'mutation {{ a: write(sent: {{id: "{relay.to_base64("A", "1")}"}}) b: write(sent: {{number: null}}) }}'
    written = await schema.execute(document)
    return {**found, "written": written, "sent": SEEN["sent"], "task": asyncio.current_task()}


def graphql_field(seen: dict[str, Any]) -> Any:
    return seen["schema"]._schema.query_type.fields["plain"]


class Refusing:
    def __call__(self, context: Any) -> Any:
        context.report_error(GraphQLError("refused"))
        return graphql.ASTValidationRule(context)


def too_long(**options: Any) -> str:
    with pytest.raises(GraphQLSyntaxError) as caught:
        parse("{ a a a } # comment\n# comment\n" + "{ a " * 300, **options)
    return caught.value.message


RELIED_ON = {
    # --- Strawberry: fields
    "StrawberryField.get_result(source, info, args, kwargs)": lambda s: (
        list(inspect.signature(StrawberryField.get_result).parameters)
        == ["self", "source", "info", "args", "kwargs"]
    ),
    "StrawberryField.arguments is a property with a setter": lambda s: (
        isinstance(StrawberryField.arguments, property) and StrawberryField.arguments.fset is not None
    ),
    "StrawberryField.is_basic_field is a property": lambda s: isinstance(
        StrawberryField.is_basic_field, property
    ),
    "StrawberryField.__copy__ copies a field for a generic type": lambda s: (
        "__copy__" in vars(StrawberryField)
    ),
    "StrawberryField.resolve_type() gives list and optional as objects": lambda s: (
        type(s["schema"].get_field_for_type("children", "Query").resolve_type()).__name__ == "StrawberryList"
    ),
    "StrawberryField.extensions holds permissions and field extensions": lambda s: (
        s["schema"].get_field_for_type("plain", "Query").extensions == []
    ),
    'GraphQLField.extensions["strawberry-definition"] is the StrawberryField': lambda s: isinstance(
        graphql_field(s).extensions["strawberry-definition"], StrawberryField
    ),
    'GraphQLObjectType.extensions["strawberry-definition"].origin is the class': lambda s: (
        s["schema"]._schema.query_type.extensions["strawberry-definition"].origin is Query
    ),
    "Info._raw_info is what graphql-core gave": lambda s: s["info"].field_name == "plain",
    "Schema.schema_converter.exception_handlers": lambda s: (
        not s["schema"].schema_converter.exception_handlers
    ),
    "Schema.config.enable_experimental_incremental_execution": lambda s: (
        s["schema"].config.enable_experimental_incremental_execution is False
    ),
    "Schema.config.name_converter.from_type": lambda s: (
        s["schema"].config.name_converter.from_type(Child.__strawberry_definition__) == "Child"
    ),
    # --- Strawberry: operations
    "ExecutionContext.parse_options goes to the parser": lambda s: (
        s["parse options"] == {} and "**execution_context.parse_options" in inspect.getsource(strawberrys)
    ),
    "ExecutionContext.query and graphql_document in on_parse": lambda s: (
        s["query"].startswith("query Q") and s["document before"] is None and s["document"] is not None
    ),
    "ExecutionContext.validation_rules is a tuple of rules in on_validate": lambda s: (
        isinstance(s["rules"], tuple) and len(s["rules"]) > 20
    ),
    "ExecutionContext.pre_execution_errors: None before, a list after validation": lambda s: (
        s["errors before"] is None and s["errors"] == []
    ),
    "ExecutionContext.operation_type in on_execute": lambda s: s["operation type"].value == "query",
    "ExecutionContext.result at the end of on_operation": lambda s: s["result"].data == {"x": "2"},
    "SchemaExtension.get_results() is added to the answer": lambda s: (
        s["answer"].extensions == {"mine": {"a": 1}}
    ),
    "an exception in on_execute becomes a result": lambda s: "_coerce_error" in vars(strawberrys),
    "ExecutionContext.result can be changed at the end of on_execute": lambda s: (
        (s["written"].data, s["written"].errors) == (None, None)
    ),
    # --- Strawberry: mutations
    "get_result() of a field without a resolver has converted arguments": lambda s: (
        s["sent"][0][0].id == relay.GlobalID("A", "1") and s["sent"][1][0].number is None
    ),
    "a field of an input that was not sent has its default, UNSET": lambda s: (
        s["sent"][0][0].number is strawberry.UNSET
    ),
    "fields of a mutation run in the task of the operation": lambda s: (
        [task for _, task in s["sent"]] == [s["task"]] * 2
    ),
    # --- Strawberry: the pass-through
    "Schema.execution_context_class is asked when an operation runs": lambda s: (
        s["schema"].execution_context_class is StrawberryGraphQLCoreExecutionContext
        and inspect.getsource(strawberrys.Schema._execute_operation).count("self.execution_context_class")
        == 1
    ),
    "its own execution context is an Executor, with each of the steps": lambda s: (
        issubclass(StrawberryGraphQLCoreExecutionContext, graphql.Executor)
        and all(callable(getattr(StrawberryGraphQLCoreExecutionContext, step)) for step in STEPS)
    ),
    "Schema.config.default_resolver is getattr": lambda s: s["schema"].config.default_resolver is getattr,
    "StrawberryObjectDefinition.is_type_of and .concrete_of": lambda s: (
        (Child.__strawberry_definition__.is_type_of, Child.__strawberry_definition__.concrete_of)
        == (None, None)
    ),
    "StrawberryField.permission_classes": lambda s: (
        s["schema"].get_field_for_type("plain", "Query").permission_classes == []
    ),
    "DirectivesExtension alone is added for directives of the schema's own": lambda s: (
        "DirectivesExtensionSync() if sync else DirectivesExtension()"
        in inspect.getsource(strawberrys.Schema.get_extensions)
    ),
    "an enum of Strawberry's, and graphql-core's leaves, have coerce_output_value": lambda s: (
        callable(CustomGraphQLEnumType.coerce_output_value)
        and graphql.GraphQLInt.coerce_output_value("1") == 1
    ),
    # --- Strawberry: relay
    "relay.Node has its id as the field _id": lambda s: (
        [field.python_name for field in relay.Node.__strawberry_definition__.fields] == ["_id"]
    ),
    "relay.Node.resolve_nodes(info=, node_ids=, required=)": lambda s: (
        list(inspect.signature(relay.Node.resolve_nodes).parameters) == ["info", "node_ids", "required"]
    ),
    "relay.to_base64(type, key)": lambda s: relay.to_base64("Album", "1") == "QWxidW06MQ==",
    # --- graphql-core
    "GraphQLField.resolve and .subscribe can be replaced": lambda s: (
        callable(graphql_field(s).resolve)
        and callable(s["schema"]._schema.subscription_type.fields["events"].subscribe)
    ),
    "ResolveInfo.variable_values is a dict with defaults": lambda s: s["info"].variable_values == {"n": 2},
    "ResolveInfo.path has key, prev and the typename of the parent": lambda s: (
        (s["info"].path.key, s["info"].path.prev, s["info"].path.typename) == ("x", None, "Query")
    ),
    "ResolveInfo.field_nodes, .fragments, .operation, .parent_type, .schema": lambda s: (
        s["info"].field_nodes[0] is s["info"].operation.selection_set.selections[0]
        and s["info"].fragments == {}
        and s["info"].parent_type is s["info"].schema.query_type
    ),
    "nodes of a document can be referenced weakly": lambda s: parse("{a}").__weakref__ is None,
    "a validation rule may be an object that is called": lambda s: (
        [e.message for e in validate(s["schema"]._schema, parse("{plain}"), (Refusing(),))] == ["refused"]
    ),
    "Executor.collect_and_execute_subfields(type, details, path, result, position)": lambda s: (
        list(inspect.signature(graphql.Executor.collect_and_execute_subfields).parameters)
        == ["self", "return_type", "field_details_list", "path", "result", "position_context"]
    ),
    "Executor.complete_list_value(type, details, info, path, result, position)": lambda s: (
        list(inspect.signature(graphql.Executor.complete_list_value).parameters)
        == ["self", "return_type", "field_details_list", "info", "path", "result", "position_context"]
    ),
    "Executor.complete_object_value(type, details, info, path, result, position)": lambda s: (
        list(inspect.signature(graphql.Executor.complete_object_value).parameters)
        == ["self", "return_type", "field_details_list", "info", "path", "result", "position_context"]
    ),
    "an operation is run by Executor.execute_operation, of an event by an executor of its own": lambda s: (
        "executor.execute_operation(" in inspect.getsource(inspect.getmodule(graphql.execute))
    ),
    "scalars of a schema have the definitions of DEFAULT_SCALAR_REGISTRY": lambda s: (
        MOMENTS._schema.query_type.fields["moment"].type.of_type.extensions["strawberry-definition"]
        is DEFAULT_SCALAR_REGISTRY[datetime]
    ),
    "an object is completed by collect_and_execute_subfields, after is_type_of": lambda s: (
        "collect_and_execute_subfields" in COMPLETING
        and COMPLETING.index("return_type.is_type_of") < COMPLETING.index("collect_and_execute_subfields")
    ),
    "a leaf is completed by coerce_output_value, and neither None nor Undefined": lambda s: (
        "return_type.coerce_output_value(result)" in LEAF
        and "coerced is Undefined or coerced is None" in LEAF
    ),
    "Executor.schema, .fragment_definitions, .variable_values, .operation, .middleware_manager": lambda s: (
        {"schema", "fragment_definitions", "variable_values", "operation", "middleware_manager"}
        <= set(inspect.signature(graphql.Executor.__init__).parameters)
    ),
    "FieldDetails(node, defer_usage, fragment_variable_values)": lambda s: (
        FieldDetails._fields == ("node", "defer_usage", "fragment_variable_values")
    ),
    "details of a field are one list for all of its objects": lambda s: (
        "id(field_details_list)" in inspect.getsource(graphql.Executor.collect_subfields)
    ),
    "MiddlewareManager.middlewares": lambda s: graphql.MiddlewareManager("a", "b").middlewares == ("a", "b"),
    "a selection set may be empty": lambda s: (
        validate(
            s["schema"]._schema,
            graphql.DocumentNode(
                definitions=(
                    graphql.OperationDefinitionNode(
                        operation=graphql.OperationType.QUERY,
                        selection_set=graphql.SelectionSetNode(selections=()),
                    ),
                )
            ),
            (Refusing(),),
        )[0].message
        == "refused"
    ),
    "the parser's words about max_lexical_tokens": lambda s: (
        "Document contains more than 3 tokens." in too_long(max_lexical_tokens=3)
    ),
    "the parser's words about max_comments": lambda s: (
        "Document contains more than 1 comments." in too_long(max_comments=1)
    ),
    "the parser's words about max_source_length": lambda s: (
        "Source contains more than 9 code points." in too_long(max_source_length=9)
    ),
    "the parser's words about nesting": lambda s: "Document is nested too deeply" in too_long(),
}
"""What is relied on, in words, and whether it is so."""


@pytest.mark.parametrize("relied", RELIED_ON)
async def test_nothing_that_the_plug_relies_on_has_moved(seen, relied):
    try:
        holds = RELIED_ON[relied](seen)
    except Exception as error:
        raise AssertionError(f"{where()}: {relied}: {error!r}") from error
    assert holds, f"{where()}: {relied}"


def where() -> str:
    return f"strawberry-graphql {version('strawberry-graphql')}, graphql-core {version('graphql-core')} moved an internal"
