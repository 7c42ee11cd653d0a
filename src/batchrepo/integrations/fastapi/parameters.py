"""The parameters of a resource's endpoints, typed for OpenAPI.

Each is a parameter of the endpoint's signature, as if it had been written by hand. None is the default of
all: a parameter that was left out, not a value that a client may send.
"""

from __future__ import annotations

import re
from inspect import Parameter
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin
from urllib.parse import quote

from fastapi import Path, Query, params
from pydantic import Field
from pydantic_core import to_jsonable_python

from batchrepo.declare.filter_values import example_of
from batchrepo.errors import InvalidArgument
from batchrepo.plan.naming import names_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import BaseModel

    from batchrepo.mapping import ColumnInfo, EntityInfo


def query(name: str, kind: Any, description: str, **more: Any) -> Parameter:
    """An optional query parameter.

    Args:
        name: as the client writes it.
        kind: the type of its values.
        description: what it means, for people.
        more: what ``Query`` takes, such as ``examples``.
    """
    if more.get("examples"):  # which the usual pages of documentation do not show
        description = f"{description} Example: `{name}={_in_query(more['examples'][0])}`."
    annotation = Annotated[kind, Query(alias=name, description=description, **more)]
    # A name of its own for the argument: the client's may be no identifier, or that of a part of the path.
    argument = re.sub(r"\W", lambda sign: f"_{ord(sign[0]):x}_", f"query_{name}")
    return Parameter(argument, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _in_query(example: Any) -> str:
    """An example as a client writes it; of several values the first."""
    value = example[0] if isinstance(example, list) else example
    return str(value).lower() if isinstance(value, bool) else str(value)


def injected(name: str, annotation: Any) -> Parameter:
    """What FastAPI puts in, such as the request or a dependency."""
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation)


def name_in_query(parameter: Parameter) -> str | None:
    """What clients write for it in the query; None for what is elsewhere."""
    marker = parameter.annotation.__metadata__[-1]
    return marker.alias if isinstance(marker, params.Query) else None


def takes_many(parameter: Parameter) -> bool:
    """Whether clients may repeat it."""
    return get_origin(get_args(parameter.annotation)[0]) in (list, tuple, set, frozenset)


def page_parameters(size: int, most: int) -> list[Parameter]:
    """Which page of a list: from its start or its end, behind or before a cursor."""
    bounds = {"ge": 0, "le": most, "examples": [size]}
    return [
        query("first", int, f"At most so many, from the start. {size} if nothing is said.", **bounds),
        query("after", str, "Only what comes behind this cursor: the `end_cursor` of the page before."),
        query("last", int, "At most so many, from the end.", **bounds),
        query("before", str, "Only what comes before this cursor: the `start_cursor` of the page after."),
    ]


def numbered_parameters(size: int, most: int) -> list[Parameter]:
    """Which page of a list, by its number."""
    return [
        query("page", int, "The number of the page, from 1.", ge=1, examples=[1]),
        query("size", int, f"At most so many. {size} if nothing is said.", ge=1, le=most, examples=[size]),
    ]


def total_parameter(names: Iterable[str]) -> Parameter:
    """Whether and how the rows of all pages are counted."""
    kinds = tuple(names)
    description = "Count the rows of all pages together, which takes one more statement."
    return query("total", Literal[kinds], description, examples=[kinds[0]])


def fields_parameter(view: type[BaseModel]) -> Parameter:
    """Which fields of a view the answer has."""
    names = names_of(view)
    below = {name: [one.model for one in found if one.model is not None] for name, found in names.items()}
    plain = [name for name in names if not below[name]]
    example = plain[:2]
    for name, models in below.items():
        if models:
            inner = next(
                (each for each, found in names_of(models[0]).items() if found[0].model is None), None
            )
            example += [f"{name}({inner})" if inner is not None else name]
            break
    return query(
        "fields",
        str,
        f"Only these fields are read, and in the answer; those of a related row stand in parentheses. There are: "
        f"{', '.join(f'{name}(...)' if below[name] else name for name in names)}.",
        examples=[",".join(example)],
    )


class Key:
    """The primary key in paths and queries: a parameter for each of its columns.

    Args:
        entity: whose key.
    """

    def __init__(self, entity: EntityInfo) -> None:
        self._entity = entity
        self._arguments = {column: f"key_{column.name}" for column in entity.key}

    @property
    def path(self) -> str:
        """The part of a path that names a row, such as ``/{id}``."""
        return "".join(f"/{{{column.name}}}" for column in self._arguments)

    @property
    def types(self) -> dict[ColumnInfo, Any]:
        """The types of its columns, for models."""
        return {column: _type_of(column) for column in self._arguments}

    @property
    def type(self) -> Any:
        """Its type in JSON: of several columns a list of their values."""
        kinds = tuple(self.types.values())
        return kinds[0] if len(kinds) == 1 else tuple[kinds]  # type: ignore[valid-type]

    def url(self, key: Any) -> str:
        """The part of a path that names the row with this key."""
        values = key if len(self._arguments) > 1 else (key,)
        return "".join(f"/{quote(str(to_jsonable_python(value)), safe='')}" for value in values)

    def values(self, key: Any) -> dict[str, Any]:
        """A key as values by the names of its columns."""
        values = key if len(self._arguments) > 1 else (key,)
        return {column.name: value for column, value in zip(self._arguments, values, strict=True)}

    def parameters(self) -> list[Parameter]:
        """Of a path that names one row."""
        return [
            injected(
                argument,
                Annotated[
                    _type_of(column),
                    Path(
                        alias=column.name,
                        description=f"The {column.name} of the {self._entity.name}.",
                        examples=_examples_of(column),
                    ),
                ],
            )
            for column, argument in self._arguments.items()
        ]

    def repeated(self, most: int) -> list[Parameter]:
        """Of a query that names many rows: each is repeated, once for each row."""
        others = ", in step with the others" if len(self._arguments) > 1 else ""
        return [
            injected(
                argument,
                Annotated[
                    list[_type_of(column)],  # type: ignore[misc]
                    Query(
                        alias=column.name,
                        min_length=1,
                        max_length=most,
                        description=f"The {column.name} of each {self._entity.name}: repeat it{others}, at most "
                        f"{most} times.",
                        examples=[examples] if (examples := _examples_of(column)) else None,
                    ),
                ],
            )
            for column, argument in self._arguments.items()
        ]

    def read(self, given: Mapping[str, Any]) -> Any:
        """The key that a path names, by the names of the arguments; a tuple if it has several columns."""
        values = tuple(given[argument] for argument in self._arguments.values())
        return values[0] if len(values) == 1 else values

    def read_many(self, given: Mapping[str, Any]) -> list[Any]:
        """The keys that a query names, by the client's names.

        Raises:
            InvalidArgument: not all columns were repeated equally often.
        """
        columns = [given[column.name] for column in self._arguments]
        if len({len(values) for values in columns}) > 1:
            counts = ", ".join(
                f"{column.name} {len(values)} times"
                for column, values in zip(self._arguments, columns, strict=True)
            )
            raise InvalidArgument(f"Each {self._entity.name} needs all columns of its key; got {counts}.")
        return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


def _examples_of(column: ColumnInfo) -> list[Any] | None:
    """A key as an example: of numbers the first, with which tables begin."""
    if column.python_type is int:
        return [1]
    example = example_of(column.python_type)
    return None if example is None else [example]


def _type_of(column: ColumnInfo) -> Any:
    kind = column.python_type or str
    # What no integer column can hold.
    return Annotated[int, Field(ge=-(2**63), lt=2**63)] if kind is int else kind
