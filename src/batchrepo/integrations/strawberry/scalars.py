"""From the types of columns and computed attributes to those of GraphQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrepo.declare.elements import sql_of
from batchrepo.errors import DeclarationError
from batchrepo.mapping.entity import python_type_of
from batchrepo.plan.read import AggregateField, ColumnField

if TYPE_CHECKING:
    from batchrepo.mapping import ColumnInfo
    from batchrepo.plan.read import Field


def annotation_of_column(column: ColumnInfo, where: str) -> Any:
    """The annotation of a column, nullable as the mapper says.

    Args:
        column: the column.
        where: class and field, for messages.

    Raises:
        DeclarationError: the Python type of its values is not known.
    """
    kind = column.python_type
    if kind is None:
        raise DeclarationError(
            f"{where}: the Python type of {column.attribute} is not known. Write it instead of auto."
        )
    return kind | None if column.nullable else kind


def annotation_of_computed(field: Field, where: str) -> Any:
    """The annotation of a computed attribute."""
    match field:
        case AggregateField(aggregate=aggregate):
            fixed: dict[str, Any] = {"count": int, "exists": bool, "average": float}
            kind = fixed.get(aggregate.function) or python_type_of(sql_of(aggregate.column).type)  # type: ignore[union-attr]
            if kind is not None:
                return kind | None if aggregate.empty is None else kind
        case ColumnField(expression=sql):
            kind = python_type_of(sql_of(sql).type)  # type: ignore[union-attr]
            if kind is not None:
                return kind | None
    raise DeclarationError(f"{where}: the Python type of {field} is not known. Write it instead of auto.")
