"""Reading the type annotation of a view field, and what values Pydantic makes of it."""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Strict, TypeAdapter, ValidationError

_LISTS = (list, tuple, set, frozenset, deque, Sequence, Collection, Iterable)

_SAMPLES: dict[Any, tuple[Any, ...]] = {
    bool: (True,),
    int: (0, 1),
    float: (0.0, 1.5),
    Decimal: (Decimal(0), Decimal("1.5")),
    str: ("0", "true", "2020-01-01", "2020-01-01T00:00:00", "12:00", "P1D", str(UUID(int=1))),
    bytes: (b"0", b"true", b"2020-01-01", b"2020-01-01T00:00:00", b"12:00", b"P1D", bytes(16)),
    datetime: (datetime(2020, 1, 1),),  # noqa: DTZ001  only its type matters
    date: (date(2020, 1, 1),),
    time: (time(1),),
    timedelta: (timedelta(1),),
    UUID: (UUID(int=1),),
    list: ([],),
    dict: ({},),
}
"""Values of each Python type; a field takes the type if Pydantic takes any of them."""


@dataclass(frozen=True)
class FieldType:
    """A field's type, taken apart.

    Attributes:
        item: the type without ``Optional`` and the list around it.
        many: whether it is a list (or tuple, set, ...) of `item`.
        optional: whether None is allowed.
        collection: ``list``, ``tuple``, ``set``, ... where it is `many`, else None.
        metadata: what ``Annotated`` puts around the type or any part of it.
    """

    item: Any
    many: bool
    optional: bool
    collection: Any = None
    metadata: tuple[Any, ...] = ()

    @property
    def model(self) -> type[BaseModel] | None:
        """The item, if it is a Pydantic model."""
        return self.item if isinstance(self.item, type) and issubclass(self.item, BaseModel) else None


@dataclass(frozen=True)
class Settings:
    """What a model's configuration and a field's metadata say about conversions.

    Attributes:
        strict: whether values must have the very type.
        numbers_as_text: whether numbers become texts.
    """

    strict: bool = False
    numbers_as_text: bool = False


def read_type(annotation: Any, metadata: Iterable[Any] = ()) -> FieldType:
    """Take a field's annotation apart; `metadata` is what Pydantic took off it already."""
    found = (*metadata, *_metadata(annotation, set()))
    inner, optional = _unwrapped(annotation)
    collection = get_origin(inner) or inner
    if collection not in _LISTS:
        return FieldType(inner, False, optional, None, found)
    arguments = get_args(inner)
    item = _unwrapped(arguments[0])[0] if arguments else inner
    return FieldType(item, True, optional, collection, found)


def settings_of(view: type[BaseModel], metadata: Iterable[Any]) -> Settings:
    """The settings that hold for a field of `view` with this metadata."""
    strict = bool(view.model_config.get("strict"))
    numbers_as_text = bool(view.model_config.get("coerce_numbers_to_str"))
    for item in metadata:
        if isinstance(item, Strict):
            strict = item.strict
        numbers_as_text = getattr(item, "coerce_numbers_to_str", None) or numbers_as_text
    return Settings(strict, numbers_as_text)


LAX = Settings()
"""What holds where nothing is configured."""


def can_hold(annotation: Any, python_type: type[Any] | None, settings: Settings = LAX) -> bool:
    """Whether a field of this type takes any values of a column's type. True where nobody can know."""
    if python_type is None or not isinstance(annotation, type):
        return True
    if issubclass(annotation, Enum) and not issubclass(python_type, Enum):
        values = [member.value for member in annotation]
        return python_type not in _SAMPLES or any(isinstance(value, python_type) for value in values)
    known = annotation in _SAMPLES or annotation in (tuple, set, frozenset, deque)
    known = known or issubclass(annotation, Enum)
    if not known or not (python_type in _SAMPLES or issubclass(python_type, Enum)):
        return True
    kinds: tuple[Any, Any] = annotation, python_type
    return _takes(*kinds, settings)


@lru_cache(maxsize=1024)
def _takes(annotation: Any, python_type: Any, settings: Settings) -> bool:
    samples = tuple(python_type) if issubclass(python_type, Enum) else _SAMPLES[python_type]
    config = ConfigDict(strict=settings.strict, coerce_numbers_to_str=settings.numbers_as_text)
    adapter = TypeAdapter(annotation, config=config)
    return any(_is_valid(adapter, sample) for sample in samples)


def _is_valid(adapter: TypeAdapter[Any], value: Any) -> bool:
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True


def _unwrapped(annotation: Any) -> tuple[Any, bool]:
    """The type inside of ``Annotated``, ``Optional``, aliases and ``NewType``; and whether it allows None."""
    optional = False
    while True:
        inner = _inside(annotation)
        if inner is None and get_origin(annotation) in (Union, types.UnionType):
            options = [option for option in get_args(annotation) if option is not type(None)]
            optional = optional or len(options) < len(get_args(annotation))
            inner = options[0] if len(options) == 1 else None
        if inner is None:
            break
        annotation = inner
    anything = any(annotation is kind for kind in (Any, object, type(None))) or isinstance(
        annotation, TypeVar
    )
    literal_none = get_origin(annotation) is Literal and None in get_args(annotation)
    return annotation, optional or anything or literal_none


def _inside(annotation: Any) -> Any:
    """What a wrapper with one meaning holds: ``Annotated``, a type alias, a ``NewType``; else None."""
    if get_origin(annotation) is Annotated:
        return get_args(annotation)[0]
    alias = get_origin(annotation) or annotation
    if hasattr(alias, "__value__"):  # TypeAliasType, of typing or of typing_extensions
        arguments = get_args(annotation)
        return alias.__value__[arguments] if arguments else alias.__value__
    return getattr(annotation, "__supertype__", None)


def _metadata(annotation: Any, aliases: set[int]) -> Iterator[Any]:
    alias = get_origin(annotation) or annotation
    if hasattr(alias, "__value__"):
        if id(alias) in aliases:  # an alias may name itself
            return
        aliases.add(id(alias))
    if alias is Annotated:
        yield from get_args(annotation)[1:]
    inner = _inside(annotation)
    for part in get_args(annotation) if inner is None else (inner,):
        if not isinstance(part, str | bytes | int | list):  # the values of a Literal, arguments of a Callable
            yield from _metadata(part, aliases)
