"""The shape of a key: one value for each of its columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from batchrepo.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.mapping.entity import ColumnInfo


def key_values(owner: str, columns: Sequence[ColumnInfo], key: Any) -> tuple[Any, ...]:
    """The values of a key, in the order of its columns.

    Args:
        owner: the entity's name, for messages.
        columns: the key's columns.
        key: a value; for several columns a tuple (or list) in their order, or a mapping by their names.

    Raises:
        InvalidArgument: a key of several columns has the wrong shape.
    """
    if len(columns) == 1:
        return (key,)
    names = [column.name for column in columns]
    if isinstance(key, Mapping):
        if set(key) != set(names):
            raise InvalidArgument(
                f"A key of {owner} has the columns {', '.join(names)}; got {', '.join(map(str, key)) or 'none'}."
            )
        return tuple(key[name] for name in names)
    if not isinstance(key, tuple | list) or len(key) != len(columns):
        raise InvalidArgument(f"A key of {owner} is a tuple ({', '.join(names)}); got {key!r:.200}.")
    return tuple(key)
