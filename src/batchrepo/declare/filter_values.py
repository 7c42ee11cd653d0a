"""The Python types of filter values: how they are parsed, bounded, described and exemplified."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin
from uuid import UUID

import sqlalchemy as sa
from pydantic import AllowInfNan, Field, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

    from batchrepo.declare.operators import Takes

LONGEST_TEXT = 1_000
"""How many characters (or bytes) one value may have."""

MOST_VALUES = 100
"""How many values a list may have."""

_BOUNDED = Field(max_length=LONGEST_TEXT)

_EXAMPLES: dict[Any, Any] = {
    bool: True,
    int: 3,
    float: 1.5,
    Decimal: Decimal("9.99"),
    str: "rock",
    dt.datetime: dt.datetime(2026, 1, 31, 12, 0, tzinfo=dt.UTC),
    dt.date: dt.date(2026, 1, 31),
    dt.time: dt.time(12, 0),
    dt.timedelta: dt.timedelta(minutes=30),
    UUID: UUID("018f4e3a-7b5c-7d2e-9a41-3c6f0e8b1d27"),
}


def annotation_of(kind: TypeEngine[Any], python_type: Any) -> Any:
    """The annotation by which Pydantic parses values of a SQL and a Python type; None where nobody knows it."""
    if isinstance(kind, sa.Enum):
        return kind.enum_class or Literal[tuple(kind.enums)]
    if python_type in (str, bytes):
        return Annotated[python_type, _BOUNDED]
    if python_type in (float, Decimal):
        return Annotated[python_type, AllowInfNan(False)]
    return python_type


def taken_by(takes: Takes, item: Any) -> Any:
    """The annotation of what an operator is given.

    Args:
        takes: how much of it.
        item: the annotation of one value of the attribute.
    """
    if takes == "truth":
        return bool
    if takes == "text":
        return Annotated[str, _BOUNDED]
    if takes == "two":
        return tuple[item, item]
    return Annotated[list[item], Field(max_length=MOST_VALUES)] if takes == "many" else item


def example_of(annotation: Any, *, zoned: bool = True) -> Any:
    """A value of an annotation as JSON has it; None where there is no good one.

    It is the first of a ``Field(examples=...)`` in the annotation, or else one that the annotation takes.

    Args:
        annotation: a type, perhaps in ``Annotated``.
        zoned: whether a datetime has a time zone.
    """
    bare, *more = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
    named = [one for field in more if isinstance(field, FieldInfo) for one in field.examples or ()]
    if named:
        found: Any = named[0]
    elif isinstance(bare, type) and issubclass(bare, Enum):
        found = next(iter(bare))
    elif get_origin(bare) is Literal:
        found = get_args(bare)[0]
    else:
        found = _EXAMPLES.get(bare)
    if isinstance(found, dt.datetime) and not zoned:
        found = found.replace(tzinfo=None)
    return to_jsonable_python(found) if found is not None and _takes(annotation, found) else None


def _takes(annotation: Any, value: Any) -> bool:
    try:
        Parser(annotation)(value)
    except (TypeError, ValueError):
        return False
    return True


class Parser:
    """Parses values of one annotation.

    Raises:
        TypeError: Pydantic cannot parse it.
    """

    def __init__(self, annotation: Any) -> None:
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        except (PydanticSchemaGenerationError, PydanticUserError) as error:
            raise TypeError(str(error)) from error

    def __call__(self, value: Any) -> Any:
        """The value.

        Raises:
            ValueError: it cannot be one; the message says why, without the value.
        """
        try:
            return self._adapter.validate_python(value)
        except ValidationError as error:
            raise ValueError(error.errors(include_url=False)[0]["msg"]) from error
