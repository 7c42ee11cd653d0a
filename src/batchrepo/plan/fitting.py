"""Whether a view field's type fits what is read for it; every misfit is a DeclarationError at start-up."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from batchrepo.errors import DeclarationError
from batchrepo.plan.annotations import can_hold

if TYPE_CHECKING:
    from batchrepo.mapping import ColumnInfo, RelationInfo
    from batchrepo.plan.annotations import FieldType, Settings


def check_column(
    where: str, column: ColumnInfo, declared: FieldType, settings: Settings, *, nullable: bool
) -> None:
    """Check a field for the value of a column.

    Args:
        where: view and field, for messages.
        column: whose value it is.
        declared: the field's type.
        settings: of the field.
        nullable: whether the value may be NULL.

    Raises:
        DeclarationError: the field does not take the column's values, or not NULL.
    """
    check_value(where, repr(column.name), column.python_type, declared, settings)
    if nullable and not declared.optional:
        raise DeclarationError(
            f"{where}: {column.name!r} may be NULL, but the field does not allow None. "
            f"Write {shown(declared.item)} | None."
        )


def check_value(
    where: str, what: str, python_type: type[Any] | None, declared: FieldType, settings: Settings
) -> None:
    """Check a field for values of a Python type; None where nobody knows it.

    Raises:
        DeclarationError: Pydantic would refuse every value of that type.
    """
    is_value = python_type is not None and python_type not in (dict, list)
    if declared.model is not None and is_value:
        raise DeclarationError(
            f"{where}: {what} is a value of type {shown(python_type)}, but the field's type is a view."
        )
    kind = list if declared.many else declared.item
    if not can_hold(kind, python_type, settings):
        raise DeclarationError(
            f"{where}: {what} holds {shown(python_type)} values, but the field is {shape(declared)}, "
            f"which takes none of them{' in strict mode' if settings.strict else ''}."
        )


def check_list(where: str, declared: FieldType, settings: Settings) -> None:
    """Check a field for the views of related rows, which come as a list.

    Raises:
        DeclarationError: its collection takes no list, or no views.
    """
    if settings.strict and declared.collection in (tuple, set, frozenset, deque):
        raise DeclarationError(
            f"{where}: a field of type {shown(declared.collection)} takes no list in strict mode. Write a list."
        )
    if declared.collection in (set, frozenset) and getattr(declared.model, "__hash__", None) is None:
        raise DeclarationError(
            f"{where}: a {shown(declared.collection)} needs hashable views. Configure {shown(declared.model)} with "
            f"frozen=True, or write a list."
        )


def check_optional(where: str, why: str, declared: FieldType) -> None:
    """Check that a field allows None; `why` says when its value is None.

    Raises:
        DeclarationError: it does not.
    """
    if not declared.optional:
        raise DeclarationError(
            f"{where}: {why}, but the field does not allow None. Write {shown(declared.item)} | None."
        )


def why_none(relation: RelationInfo) -> str:
    """When a to-one relation is None, though its key may not be."""
    return (
        f"{relation} may be None (its key is nullable, or no foreign key promises a row of "
        f"{relation.target.name})"
    )


def why_hidden(relation: RelationInfo) -> str:
    """When a to-one relation is None although its row exists."""
    return f"{relation} is None where row criteria hide the {relation.target.name}"


def shown(kind: Any) -> str:
    """A type in messages."""
    return kind.__name__ if isinstance(kind, type) else str(kind)


def shape(declared: FieldType) -> str:
    """A field's type in messages: a list of what, or what."""
    return f"a list of {shown(declared.item)}" if declared.many else shown(declared.item)
