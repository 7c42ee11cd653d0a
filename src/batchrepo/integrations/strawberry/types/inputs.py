"""What clients may filter and sort by in GraphQL: inputs made of what repositories declare.

::

    albums(where: {title: {icontains: "rock"}, or: [{trackCount: {ge: 10}}, {not: {artistId: {eq: 7}}}]}
           orderBy: [TRACK_COUNT_DESC, TITLE_ASC])

Each repository has one filter and one order, shared by all types that show its rows. Values are parsed and bounded
as those of REST: see `batchrepo.declare.filter_groups`.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import sqlalchemy as sa
import strawberry
from graphql import GraphQLInputObjectType, GraphQLList, get_named_type, get_nullable_type
from strawberry.annotation import StrawberryAnnotation
from strawberry.scalars import JSON
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField

from batchrepo.declare.filter_groups import DEEPEST
from batchrepo.declare.repository_info import read_repository
from batchrepo.errors import DeclarationError, InvalidFilter, InvalidSort
from batchrepo.integrations.strawberry.query.selections import DEFINITION
from batchrepo.integrations.strawberry.types.scalars import annotation_of, plain_text, type_name
from batchrepo.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphql import GraphQLField

    from batchrepo.declare.filter_groups import Path
    from batchrepo.declare.filters import FilterParameter
    from batchrepo.declare.orders import OrderTerm
    from batchrepo.declare.repository_info import RepositoryInfo

_MARK = "batchrepo"
"""Where an input's field says which parameter or group it is."""


@cache
def declared(repository: Any) -> RepositoryInfo:
    """The declarations of a repository, for the schema; what is read goes by those of the Database."""
    return read_repository(repository, Repository)


# --- the types --------------------------------------------------------------------------------------


def selection_arguments(repository: Any) -> list[StrawberryArgument]:
    """The arguments of a list of rows: ``where`` and ``orderBy``, as far as the repository declares them."""
    filters, order = filter_input(repository), order_input(repository)
    found: list[StrawberryArgument] = []
    if filters is not None:
        found.append(_argument("where", filters, "Only rows for which all of this holds."))
    if order is not None:
        found.append(_argument("order_by", list[order], "The order: the first decides."))  # type: ignore[valid-type]
    return found


def _argument(name: str, kind: Any, description: str) -> StrawberryArgument:
    return StrawberryArgument(name, None, StrawberryAnnotation(kind | None), description=description)


@cache
def filter_input(repository: Any) -> Any:
    """The input for filters of a repository; None where it declares none.

    Raises:
        DeclarationError: two attributes would have one name in GraphQL.
    """
    filters = declared(repository).filters
    if not filters:
        return None
    name = f"{_name_of(repository)}Filter"
    fields: dict[str, StrawberryField] = {}
    for attribute in dict.fromkeys(parameter.attribute for parameter in filters.parameters):
        python_name = attribute.replace(".", "_")
        if python_name in fields:
            raise DeclarationError(
                f"{repository.__name__}.filterable: {attribute} would have the name {python_name} in GraphQL, which is "
                f"another's. Rename one of them."
            )
        fields[python_name] = _field_of(name, python_name, filters.of(attribute))
    names: dict[str, Any] = {}
    for group, kind, text in (
        ("and", f"list[{name}]", "All of these hold."),
        ("or", f"list[{name}]", "At least one of these holds."),
        ("not", name, "This does not hold."),
    ):
        annotation = StrawberryAnnotation(f"{kind} | None", namespace=names)
        fields[f"{group}_"] = _input_field(annotation, text, group, graphql_name=group)
    names[name] = _input(name, f"Which rows of {declared(repository).entity.name}.", fields)
    return names[name]


def _field_of(owner: str, python_name: str, parameters: tuple[FilterParameter, ...]) -> StrawberryField:
    """The field of an attribute, with its operators below it; of a named filter, with its value."""
    if parameters[0].operator is None:
        (named,) = parameters
        return _input_field(_optional(_type_of(named)), named.description, named.name)
    operators = {
        parameter.operator.name: _input_field(
            _optional(_type_of(parameter)), f"It {parameter.operator.meaning}.", parameter.name
        )
        for parameter in parameters
        if parameter.operator is not None
    }
    attribute = parameters[0].attribute
    kind = _input(
        f"{owner.removesuffix('Filter')}{type_name(python_name)}Filter",
        f"Conditions on {_plain(attribute)}.",
        operators,
    )
    return _input_field(_optional(kind), f"Conditions on {_plain(attribute)}, all of which hold.", None)


def _input(name: str, description: str, fields: Mapping[str, StrawberryField]) -> Any:
    annotations = {key: field.type_annotation for key, field in fields.items()}
    cls = type(name, (), {"__annotations__": annotations, "__module__": __name__, **fields})
    made: Any = strawberry.input(cls, name=name, description=description)
    for field in made.__strawberry_definition__.fields:
        # Strawberry has resolved what it could, without the names that are known here.
        field.type_annotation = annotations[field.python_name]
    return made


def _input_field(
    annotation: StrawberryAnnotation, description: str, mark: str | None, graphql_name: str | None = None
) -> StrawberryField:
    return StrawberryField(
        graphql_name=graphql_name,
        type_annotation=annotation,
        description=description,
        default=strawberry.UNSET,
        metadata={_MARK: mark},
    )


def _optional(kind: Any) -> StrawberryAnnotation:
    return StrawberryAnnotation(kind | None, namespace={})


def _type_of(parameter: FilterParameter) -> Any:
    """The type of what a parameter is given."""
    target = parameter.target[0] if isinstance(parameter.target, tuple) else parameter.target
    if target is None or parameter.takes in ("truth", "text"):
        return _type_of_annotation(parameter.annotation)
    item = annotation_of(target.type, target.python_type, type_name(target.name))
    item = item if item is not None else JSON
    return list[item] if parameter.takes in ("two", "many") else item  # type: ignore[valid-type]


def _type_of_annotation(annotation: Any) -> Any:
    """The type for what Pydantic parses by an annotation; JSON where GraphQL has no better."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_of_annotation(arguments[0])
    if origin in (list, set, frozenset) or (origin is tuple and len(set(arguments) - {...}) == 1):
        return list[_type_of_annotation(arguments[0])]  # type: ignore[misc]
    if origin in (Union, UnionType):
        options = [option for option in arguments if option is not type(None)]
        return _type_of_annotation(options[0]) if len(options) == 1 else JSON
    if origin is Literal:
        return str if all(isinstance(value, str) for value in arguments) else JSON
    return annotation_of(sa.types.NullType(), annotation, "") or JSON


@cache
def order_input(repository: Any) -> Any:
    """The enum of what clients may sort a repository's rows by, in both directions; None where there is nothing."""
    names = declared(repository).sorts.names
    if not names:
        return None
    members: dict[str, str] = {}
    for name in names:
        plain = name.replace(".", "_").upper()
        if f"{plain}_ASC" in members:
            raise DeclarationError(
                f"{repository.__name__}.sortable: {name} would have the name {plain} in GraphQL, which is another's. "
                f"Rename one of them."
            )
        members |= {f"{plain}_ASC": name, f"{plain}_DESC": f"-{name}"}
    title = f"{_name_of(repository)}Order"
    made: Any = Enum(title, members, module=__name__)  # type: ignore[misc]
    return strawberry.enum(
        made, name=title, description=f"What {declared(repository).entity.name} can be sorted by."
    )


def _plain(name: str) -> str:
    return name.replace("_", " ").replace(".", " ")


def _name_of(repository: type[Any]) -> str:
    return repository.__name__.removesuffix("Repository")


def check_inputs(where: str, field: GraphQLField, repository: Any) -> None:
    """Check that a field has the filter of its own repository: Strawberry takes one of two inputs with one name.

    Args:
        where: class and field, for messages.
        field: in the schema.
        repository: whose rows it shows.

    Raises:
        DeclarationError: it has another's.
    """
    for argument in field.args.values():
        if argument.extensions[DEFINITION].python_name == "where":
            _check_input(where, get_named_type(argument.type), filter_input(repository))


def _check_input(where: str, found: Any, expected: Any) -> None:
    if found.extensions[DEFINITION] is not expected.__strawberry_definition__:
        raise DeclarationError(
            f"{where}: two inputs have the name {found.name}: it is made of the name of the repository, and of an "
            f"attribute. Give one of the repositories another name."
        )
    for field in found.fields.values():
        definition = field.extensions[DEFINITION]
        if definition.metadata[_MARK] is None:
            _check_input(where, get_named_type(field.type), definition.resolve_type().of_type)


# --- what is given ----------------------------------------------------------------------------------


class GivenFilter:
    """A filter as a client gave it, by the names of REST, and where in the document each part of it is.

    Attributes:
        parameters: parameters and groups, for `Repository.filters`.
        names: for the path of each part in `parameters` its place in GraphQL: ``where.or[1].title.icontains``.
        scoped: whether the condition may depend on the scope: a method of the repository makes a part of it.

    Args:
        info: the repository's declarations.
        argument: the name of the argument in GraphQL.
        kind: its type in GraphQL.
        given: its value, as graphql-core has it.

    Raises:
        InvalidFilter: a part of it is null.
    """

    def __init__(
        self, info: RepositoryInfo, argument: str, kind: GraphQLInputObjectType, given: Mapping[str, Any]
    ) -> None:
        self._info = info
        self.names: dict[Path, str] = {(): argument}
        self.scoped = False
        self.parameters = self._group(kind, given, argument, (), 0)

    def name_of(self, path: Path) -> str:
        """The place in GraphQL of the part with a path."""
        return self.names[path]

    def _group(
        self, kind: GraphQLInputObjectType, given: Mapping[str, Any], name: str, path: Path, depth: int
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in given.items():
            field = kind.fields[key]
            here = f"{name}.{key}"
            if value is None:
                raise InvalidFilter(f"{here} is null, which is no condition. Leave it away.", parameter=here)
            mark = field.extensions[DEFINITION].metadata[_MARK]
            if mark is None:
                operators: Any = get_named_type(field.type)
                for operator, operand in value.items():
                    inner = operators.fields[operator].extensions[DEFINITION].metadata[_MARK]
                    self._parameter(found, inner, operand, f"{here}.{operator}", path)
            elif mark in ("and", "or", "not"):
                self.names[*path, mark] = here
                # What is too deep is refused by its depth, and need not be looked at.
                found[mark] = (
                    value if depth >= DEEPEST else self._groups(kind, field, value, here, path, mark, depth)
                )
            else:
                self._parameter(found, mark, value, here, path)
        return found

    def _groups(
        self,
        kind: GraphQLInputObjectType,
        field: Any,
        value: Any,
        name: str,
        path: Path,
        mark: str,
        depth: int,
    ) -> Any:
        if not isinstance(get_nullable_type(field.type), GraphQLList):
            return self._filled(kind, value, name, (*path, mark), depth + 1)
        groups: list[Any] = []
        for index, part in enumerate(value):
            here: Path = (*path, mark, index)
            self.names[here] = f"{name}[{index}]"
            groups.append(self._filled(kind, part, self.names[here], here, depth + 1))
        return groups

    def _filled(
        self, kind: GraphQLInputObjectType, given: Mapping[str, Any], name: str, path: Path, depth: int
    ) -> dict[str, Any]:
        found = self._group(kind, given, name, path, depth)
        if not found:
            raise InvalidFilter(
                f"{name} has no condition, so that its group would mean everything or nothing. Leave it away.",
                parameter=name,
            )
        return found

    def _parameter(self, found: dict[str, Any], parameter: str, value: Any, name: str, path: Path) -> None:
        if value is None:
            raise InvalidFilter(
                f"{name} is null, which is no value. Leave it away, or ask whether it is missing, where that is offered.",
                parameter=name,
            )
        found[parameter] = plain_text(value)
        self.names[*path, parameter] = name
        self.scoped = self.scoped or self._info.filters.by_name[parameter].operator is None


def order_of(info: RepositoryInfo, argument: str, given: list[Any]) -> tuple[OrderTerm, ...]:
    """The order that a client asks for.

    Args:
        info: the repository's declarations.
        argument: the name of the argument in GraphQL.
        given: members of the repository's enum.

    Raises:
        InvalidSort: it names an attribute twice, or too many.
    """
    try:
        return info.sorts.parse([member.value for member in given])
    except InvalidSort as error:
        raise InvalidSort(f"{argument}: {error}", name=error.name) from error
