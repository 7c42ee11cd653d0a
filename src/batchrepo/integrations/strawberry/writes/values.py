"""What a client has sent in an input, as the row that is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import strawberry
from strawberry.relay import GlobalID

from batchrepo.errors import InvalidArgument
from batchrepo.integrations.strawberry.roots.by_key import parsed
from batchrepo.integrations.strawberry.types.members import repository_type_of
from batchrepo.integrations.strawberry.types.scalars import plain_text
from batchrepo.integrations.strawberry.writes.ids import key_of_node
from batchrepo.integrations.strawberry.writes.inputs import input_kind
from batchrepo.mapping.entity import shown
from batchrepo.mapping.keys import key_values

if TYPE_CHECKING:
    from batchrepo.integrations.strawberry.query.selections import ResolveInfo
    from batchrepo.integrations.strawberry.writes.inputs import Setting


def sent(data: object, info: strawberry.Info[Any, Any]) -> dict[str, Any]:
    """What a client has sent in an input, by the attributes of the entity: a row for ``insert_many`` and the like.

    What was not sent is not in it; null is None; the global id of a node is the key that it stands for.

    Args:
        data: an instance of a class with ``@create_input`` or ``@update_input``.
        info: the resolver's ``info``.

    Raises:
        InvalidArgument: a global id is one of another type, or damaged.
    """
    return row_of(data, info._raw_info)


def row_of(data: object, info: ResolveInfo) -> dict[str, Any]:
    """As `sent`, for graphql-core's info."""
    kind = input_kind(type(data), "sent()")
    row: dict[str, Any] = {}
    for name, setting in kind.settings.items():
        value = getattr(data, name)
        if value is not strawberry.UNSET:
            row.update(_set(setting, name, value, info))
    return row


def _set(setting: Setting, name: str, value: Any, info: ResolveInfo) -> dict[str, Any]:
    if value is None:
        return dict.fromkeys(setting.names)
    if setting.node is not None:
        node = setting.node
        key = value
        if isinstance(value, GlobalID):
            key = key_of_node(info.schema, value, node, name)
        return dict(zip(setting.names, key_values(node.name, node.key, key), strict=True))
    (attribute,) = setting.names
    assert setting.column is not None
    return {attribute: parsed(setting.column, name, plain_text(value))}


def key_of(cls: type[Any], given: GlobalID, info: strawberry.Info[Any, Any]) -> Any:
    """The primary key that a global id stands for, in a resolver of one's own.

    Whether there is such a row is not looked at.

    Args:
        cls: a class with ``@repository_type``, whose row is meant.
        given: the id.
        info: the resolver's ``info``.

    Raises:
        InvalidArgument: the id is one of another type, or damaged; or the class is no repository type.
    """
    kind = repository_type_of(cls)
    if kind is None:
        raise InvalidArgument(f"key_of() expects a class with @repository_type(...); got {shown(cls)}.")
    return key_of_node(info._raw_info.schema, given, kind.entity, info.field_name)
