"""Checking keys at the border, so that one bad key cannot fail the batch of others."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

from batchrepo.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.mapping.entity import ColumnInfo

_LARGEST = 2**63 - 1


def check_key(owner: str, columns: Sequence[ColumnInfo], key: Any) -> Any:
    """The key as loaders use it: a value, or a tuple with one value for each of several columns.

    Args:
        owner: the entity's name, for messages.
        columns: the key's columns.
        key: a value; for several columns a tuple in their order, or a dict by their names.

    Raises:
        InvalidArgument: the key has the wrong shape, or a value of the wrong type.
    """
    if len(columns) == 1:
        return _check_value(owner, columns[0], key)
    names = ", ".join(column.name for column in columns)
    if isinstance(key, dict):
        if set(key) != {column.name for column in columns}:
            raise InvalidArgument(f"A key of {owner} has the columns {names}; got {sorted(map(str, key))}.")
        key = tuple(key[column.name] for column in columns)
    if not isinstance(key, tuple | list) or len(key) != len(columns):
        raise InvalidArgument(f"A key of {owner} is a tuple ({names}); got {key!r}.")
    return tuple(_check_value(owner, column, value) for column, value in zip(columns, key, strict=True))


def _check_value(owner: str, column: ColumnInfo, value: Any) -> Any:
    expected: Any = column.checked_type
    if value is None:
        raise InvalidArgument(f"{owner}.{column.name} was looked up with None, which equals no row.")
    if expected is None or isinstance(value, expected):
        if type(value) is bool and expected is int:
            raise _wrong(owner, column, value)
        if type(value) is int and not -_LARGEST - 1 <= value <= _LARGEST:
            raise InvalidArgument(
                f"{owner}.{column.name} was looked up with {value}, which no integer column holds."
            )
        if type(value) is str and "\x00" in value:
            raise InvalidArgument(
                f"{owner}.{column.name} was looked up with a text that has a NUL character."
            )
        return value
    raise _wrong(owner, column, value)


def _wrong(owner: str, column: ColumnInfo, value: Any) -> InvalidArgument:
    name = getattr(column.checked_type, "__name__", "?")
    return InvalidArgument(
        f"{owner}.{column.name} holds {name} values; it was looked up with {value!r} ({type(value).__name__}). "
        f"Convert the key first, such as {name}(...)."
    )


def checked_python_type(python_type: Any) -> Any:
    """The type that keys are checked against; None where the database accepts several."""
    if python_type is None or issubclass(python_type, float | Decimal | Enum):
        return None
    return python_type
