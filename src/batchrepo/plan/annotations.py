"""Reading the type annotation of a view field."""

from __future__ import annotations

import types
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel

_LISTS = (list, tuple, set, frozenset, Sequence, Collection, Iterable)

_ACCEPTS: dict[type[Any], tuple[type[Any], ...]] = {
    bool: (bool, int, float, str),
    int: (int, float, Decimal, bool, datetime, timedelta),
    float: (float, Decimal, int, datetime, timedelta),
    Decimal: (Decimal, float, int),
    str: (str, bytes, int, float, Decimal, bool, datetime, date, time, timedelta, UUID),
    bytes: (bytes, str, UUID),
    datetime: (datetime, date, time),
    date: (date, datetime),
    time: (time,),
    timedelta: (timedelta,),
    UUID: (UUID,),
}
"""For a value of each Python type: what Pydantic can, at least for some values, make of it."""


@dataclass(frozen=True)
class FieldType:
    """A field's type, taken apart.

    Attributes:
        item: the type without ``Optional`` and the list around it.
        many: whether it is a list (or tuple, set, ...) of `item`.
        optional: whether None is allowed.
        model: `item` where that is a Pydantic model.
    """

    item: Any
    many: bool
    optional: bool

    @property
    def model(self) -> type[BaseModel] | None:
        """The item, if it is a Pydantic model."""
        return self.item if isinstance(self.item, type) and issubclass(self.item, BaseModel) else None


def read_type(annotation: Any) -> FieldType:
    """Take a field's annotation apart."""
    inner, optional = _without_none(_plain(annotation))
    origin = get_origin(inner)
    if origin is not None and origin in _LISTS and get_args(inner):
        item, _ = _without_none(_plain(get_args(inner)[0]))
        return FieldType(item, many=True, optional=optional)
    return FieldType(inner, many=inner in _LISTS, optional=optional)


def can_hold(annotation: Any, python_type: type[Any] | None) -> bool:
    """Whether a field of this type can take values of a column's type. True where nobody can know."""
    if python_type is None or not isinstance(annotation, type):
        return True
    if issubclass(python_type, Enum) or issubclass(annotation, Enum):
        return (
            not (issubclass(annotation, Enum) and issubclass(python_type, Enum)) or annotation is python_type
        )
    accepted = _ACCEPTS.get(python_type)
    if accepted is None or annotation not in _ACCEPTS:
        return True
    return annotation in accepted


def same_type(annotation: Any, python_type: type[Any] | None) -> bool:
    """Whether a column's values need no conversion to be what the field says."""
    exact = (int, str, bool, float, Decimal, datetime, date, time, UUID)
    return annotation is python_type and (
        python_type in exact or (isinstance(python_type, type) and issubclass(python_type, Enum))
    )


def _plain(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, annotation is Any or annotation is type(None)
    options = [option for option in get_args(annotation) if option is not type(None)]
    optional = len(options) < len(get_args(annotation))
    return (_plain(options[0]) if len(options) == 1 else annotation), optional
