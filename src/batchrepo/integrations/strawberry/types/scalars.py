"""From the types of columns and computed attributes to those of GraphQL.

=====================  ==========================================================
In the mapper          In GraphQL, where the field says ``auto``
=====================  ==========================================================
``Integer``            ``Int``
``BigInteger``         `BigInt`, since an ``Int`` has 32 bits; so have sums of integers
``Float``, ``Numeric`` ``Float``, ``Decimal``
``LargeBinary``        ``Base64``
``Interval``           `Duration`
``JSON``               ``JSON``
``ARRAY``              a list
``Enum``               an enum: the Python class, or one made of the texts
=====================  ==========================================================

``strawberry.ID`` is never a guess: a field that shall be one says so.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, NewType
from uuid import UUID

import sqlalchemy as sa
import strawberry
from pydantic import TypeAdapter
from strawberry.scalars import JSON, Base64

from batchrepo.declare.elements import sql_of
from batchrepo.declare.targets import Target
from batchrepo.errors import DeclarationError
from batchrepo.mapping.entity import python_type_of
from batchrepo.plan.read import AggregateField, ColumnField, FlatField

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

    from batchrepo.declare.computed import Aggregate
    from batchrepo.mapping import ColumnInfo
    from batchrepo.plan.read import Field

_EXACT = 2**53 - 1
_LARGEST = 2**63 - 1
_durations: TypeAdapter[dt.timedelta] = TypeAdapter(dt.timedelta)


def _write_integer(value: Any) -> int | str:
    number = int(value)
    return number if -_EXACT <= number <= _EXACT else str(number)


def _read_integer(value: Any) -> int:
    plain = isinstance(value, int) and not isinstance(value, bool)
    if not plain and not (isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value)):
        raise ValueError(f"BigInt cannot represent {value!r:.100}: expected an integer, or a text of one.")
    number = int(value)
    if not -_LARGEST - 1 <= number <= _LARGEST:
        raise ValueError(f"BigInt cannot represent {value!r:.100}: it has more than 64 bits.")
    return number


def _write_duration(value: Any) -> str:
    return str(_durations.dump_python(value, mode="json"))


def _read_duration(value: Any) -> dt.timedelta:
    if not isinstance(value, str) or not value.lstrip("-+").startswith("P"):
        raise ValueError(f"Duration cannot represent {value!r:.100}: expected a text such as 'PT3M20S'.")
    try:
        return _durations.validate_python(value)
    except ValueError as error:
        raise ValueError(f"Duration cannot represent {value!r:.100}.") from error


BigInt = NewType("BigInt", int)
"""An integer of up to 64 bits: a number where JavaScript reads it exactly (up to 2^53 - 1), a text beyond."""

Duration = NewType("Duration", dt.timedelta)
"""A length of time, as ISO 8601 writes it: ``PT3M20S``."""

# Strawberry finds the definition here, unless the schema's scalar_map has another one for the type.
BigInt._scalar_definition = strawberry.scalar(  # type: ignore[attr-defined]
    name="BigInt",
    description="An integer of up to 64 bits: a number up to 2^53 - 1, a text beyond. Either is accepted.",
    serialize=_write_integer,
    parse_value=_read_integer,
)
Duration._scalar_definition = strawberry.scalar(  # type: ignore[attr-defined]
    name="Duration",
    description="A length of time as ISO 8601 writes it, such as `PT3M20S`.",
    specified_by_url="https://www.iso.org/iso-8601-date-and-time-format.html",
    serialize=_write_duration,
    parse_value=_read_duration,
)

_SCALARS: dict[Any, Any] = {
    **{kind: kind for kind in (bool, int, float, Decimal, str, dt.datetime, dt.date, dt.time, UUID)},
    bytes: Base64,
    dt.timedelta: Duration,
    dict: JSON,
    list: JSON,
}


def annotation_of(kind: TypeEngine[Any], python_type: Any, named: str) -> Any:
    """The annotation for values of a SQL and a Python type; None where nobody knows it.

    Args:
        kind: the SQL type.
        python_type: of its values, or None.
        named: the name for an enum that has none of its own.
    """
    if isinstance(kind, sa.Enum):
        return kind.enum_class or _enum_of_texts(kind, named)
    if isinstance(kind, sa.ARRAY):
        return _list_of(kind, named)
    if isinstance(kind, sa.JSON):
        return JSON
    if python_type is int and any(
        isinstance(each, sa.BigInteger) for each in (kind, *kind._variant_mapping.values())
    ):
        return BigInt
    if isinstance(python_type, type) and issubclass(python_type, Enum):
        return python_type
    return _SCALARS.get(python_type)


def _list_of(kind: sa.ARRAY[Any], named: str) -> Any:
    item = annotation_of(kind.item_type, python_type_of(kind.item_type), named)
    if item is None:
        return None
    # No constraint of a database keeps NULLs out of an array.
    for _ in range(kind.dimensions or 1):
        item = list[item | None]  # type: ignore[valid-type]
    return item


_made: dict[tuple[str, tuple[str, ...]], Any] = {}


def _enum_of_texts(kind: sa.Enum, named: str) -> Any:
    """An enum of the texts that a column may hold; ``str`` where they are no names in GraphQL."""
    texts = tuple(kind.enums)
    if not all(re.fullmatch(r"(?!__)[A-Za-z_][A-Za-z0-9_]*", text) for text in texts):
        return str
    if any(text in ("true", "false", "null", "mro") for text in texts):
        return str
    name = type_name(kind.name or named)
    found = _made.get((name, texts))
    if found is None:
        found = _made[name, texts] = Enum(name, {text: text for text in texts}, module=__name__)
    return found


def is_of_texts(kind: Any) -> bool:
    """Whether a type is an enum that was made of a column's texts: the values are those texts."""
    return isinstance(kind, type) and issubclass(kind, Enum) and kind.__module__ == __name__


def plain_text(value: Any) -> Any:
    """A member of an enum that was made of texts, as the text; any other value as it is."""
    if isinstance(value, list):
        return [plain_text(item) for item in value]
    return value.value if is_of_texts(type(value)) else value


def annotation_of_value(field: Field) -> Any:
    """The annotation of a column or computed attribute without regard to None; None where it is not known."""
    match field:
        case ColumnField(column=None, expression=sql):
            element: Any = sql_of(sql)
            return annotation_of(element.type, python_type_of(element.type), type_name(field.name))
        case ColumnField(column=column) | FlatField(column=column):
            assert column is not None
            return annotation_of(column.type, python_type_of_column(column), _name_of(column))
        case AggregateField(aggregate=aggregate):
            return _annotation_of_aggregate(aggregate, type_name(field.name))
    return None


def _annotation_of_aggregate(aggregate: Aggregate[Any], named: str) -> Any:
    fixed: dict[str, Any] = {"count": int, "exists": bool, "average": float}
    if aggregate.function in fixed:
        return fixed[aggregate.function]
    kind = sql_of(aggregate.column).type  # type: ignore[union-attr]
    python_type = python_type_of(kind)
    if aggregate.function == "total" and python_type is int:
        return BigInt
    return annotation_of(kind, python_type, named)


def python_type_of_column(column: ColumnInfo) -> Any:
    """The Python type of a column's values, as SQLAlchemy or the mapped class says it; None where neither does."""
    return Target(column.name, column.attribute.__clause_element__(), column).python_type


def _name_of(column: ColumnInfo) -> str:
    owner = getattr(column.attribute, "class_", None)
    return f"{getattr(owner, '__name__', '')}{type_name(column.name)}"


def type_name(name: str) -> str:
    """A name of an attribute as a part of the name of a type: ``ArtistName`` for ``artist.name``."""
    return "".join(part[:1].upper() + part[1:] for part in name.replace(".", "_").split("_"))


def automatic(field: Field, where: str) -> Any:
    """The annotation of a field that says ``auto``, nullable as the mapper says.

    Args:
        field: a column or computed attribute.
        where: class and field, for messages.

    Raises:
        DeclarationError: the Python type of its values is not known.
    """
    kind = annotation_of_value(field)
    if kind is None:
        raise DeclarationError(
            f"{where} is auto, but the Python type of {field} is not known. Write the type instead of auto."
        )
    return kind | None if _may_be_none(field) else kind


def _may_be_none(field: Field) -> bool:
    match field:
        case ColumnField(column=column):
            return column is None or column.nullable
        case FlatField(path=path, column=column):
            return column.nullable or any(relation.nullable for relation in path)
        case AggregateField(aggregate=aggregate):
            return aggregate.empty is None
    return True
