"""The leaf types of GraphQL that a database can write values of columns under."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa
from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLString,
    is_non_null_type,
)
from strawberry.schema.types.scalar import DEFAULT_SCALAR_REGISTRY

from batchrepo.integrations.strawberry.query.selections import DEFINITION
from batchrepo.integrations.strawberry.types.scalars import BigInt
from batchrepo.plan.leaf_types import LeafType
from batchrepo.plan.read import AggregateField, ColumnField, FlatField

if TYPE_CHECKING:
    from graphql import GraphQLOutputType

    from batchrepo.plan.leaf_types import Kind
    from batchrepo.plan.read import Field

_BUILT_IN: dict[Any, Kind] = {
    GraphQLBoolean: "Boolean",
    GraphQLFloat: "Float",
    GraphQLID: "ID",
    GraphQLInt: "Int",
    GraphQLString: "String",
}

_SCALARS: tuple[tuple[Any, Kind], ...] = (
    (BigInt._scalar_definition, "BigInt"),  # type: ignore[attr-defined]
    (DEFAULT_SCALAR_REGISTRY[Decimal], "Decimal"),
    (DEFAULT_SCALAR_REGISTRY[dt.datetime], "DateTime"),
    (DEFAULT_SCALAR_REGISTRY[dt.date], "Date"),
    (DEFAULT_SCALAR_REGISTRY[dt.time], "Time"),
    (DEFAULT_SCALAR_REGISTRY[UUID], "UUID"),
)
"""By the definitions themselves: a schema may have another one with the same name."""


def leaf_type_of(kind: GraphQLOutputType, field: Field) -> LeafType | None:
    """How a field of a plan is written under a type.

    Returns:
        None where only the type itself knows what it makes of the values.
    """
    required = is_non_null_type(kind)
    inner: Any = kind.of_type if required else kind  # type: ignore[union-attr]
    if isinstance(inner, GraphQLEnumType):
        members = _members(inner, field)
        return None if members is None else LeafType("Enum", required, members=members)
    found: Kind | None = _BUILT_IN.get(inner)
    if found is None:
        definition = (getattr(inner, "extensions", None) or {}).get(DEFINITION)
        found = next((name for known, name in _SCALARS if known is definition), None)
    if found is None or (found == "ID" and isinstance(field, AggregateField)):
        return None
    return LeafType(found, required)


def _members(kind: GraphQLEnumType, field: Field) -> tuple[tuple[str, str], ...] | None:
    """What an enum writes for each text that a column stores; None where nobody knows before it is read."""
    column = field.column if isinstance(field, ColumnField | FlatField) else None
    stored: Any = column.type if column is not None else None
    if not isinstance(stored, sa.Enum) or stored.values_callable is not None:
        return None
    of_class: Any = stored.enum_class
    try:
        return tuple(
            (name, str(kind.coerce_output_value(name if of_class is None else of_class[name])))
            for name in stored.enums
        )
    except Exception:  # noqa: BLE001  the type says it when a value is there
        return None
