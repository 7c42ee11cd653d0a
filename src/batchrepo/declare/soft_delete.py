"""Soft delete: a row that is deleted stays, and says when; whoever reads does not see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.declare.criteria import Predicate
from batchrepo.errors import DeclarationError
from batchrepo.mapping.entity import attribute_owner

if TYPE_CHECKING:
    from batchrepo.mapping import EntityInfo

_NO_VALUE: Any = object()


@dataclass(frozen=True, eq=False)
class SoftDelete(Predicate):
    """Rows are deleted by an UPDATE of one column, and hidden by it. Made by `soft_delete`.

    Attributes:
        attribute: the column.
        given: what is written into it, as declared.
    """

    attribute: Any = None
    given: Any = _NO_VALUE

    @property
    def column(self) -> str:
        """The attribute's name."""
        return attribute_owner(self.attribute)[1]

    def value(self) -> Any:
        """What goes into the column of a row that is deleted now: a value or a SQL expression."""
        if self.given is not _NO_VALUE:
            return self.given() if _is_function(self.given) else self.given
        return _value_for(self.attribute.type)

    def check(self, entity: EntityInfo, where: str) -> None:
        """Check the declaration as one of the repository of `entity`; `where` names it, for messages.

        Raises:
            DeclarationError: it is no column of the entity's table, or its type does not say what to write.
        """
        owner, name = attribute_owner(self.attribute, f"{where}: soft_delete()")
        if owner is not entity:
            raise DeclarationError(f"{where}: {owner.name}.{name} is not a column of {entity.name}.")
        column = entity.column(name, f"{where}: soft_delete()")
        if not column.is_table_column:
            raise DeclarationError(
                f"{where}: soft_delete() expects a column of the table; {owner.name}.{name} is none."
            )
        if column in entity.key:
            raise DeclarationError(f"{where}: soft_delete() cannot write into the key {owner.name}.{name}.")
        if not column.nullable and not isinstance(column.type, sa.Boolean):
            raise DeclarationError(
                f"{where}: soft_delete() expects a column that is NULL in rows which are not deleted, or a "
                f"boolean; {owner.name}.{name} is never NULL."
            )
        if self.given is _NO_VALUE and _value_for(column.type) is None:
            raise DeclarationError(
                f"{where}: soft_delete() does not know what to write into {owner.name}.{name}, which is "
                f"{column.type!r}. Give it: soft_delete({owner.name}.{name}, value=...)."
            )


def soft_delete(attribute: Any, *, value: Any = _NO_VALUE, name: str = "soft_delete") -> SoftDelete:
    """A criterion for rows that are not deleted; with it, to delete a row is to write into `attribute`.

    ``criteria = (soft_delete(Album.deleted_at),)``. Rows without a value there (or with false, in a boolean column)
    are alive, the others are hidden from every read; ``scope.without(...)`` shows them.

    Args:
        attribute: a column, such as ``Album.deleted_at`` or ``Album.is_deleted``.
        value: what a deleted row has there: a value, a SQL expression, or a function that makes one. Default: the
            time of the transaction, the day, or true, by the column's type.
        name: used in messages.
    """
    alive: Any = attribute
    kind = getattr(attribute, "type", None)
    if hasattr(attribute, "is_"):
        alive = attribute.is_not(sa.true()) if isinstance(kind, sa.Boolean) else attribute.is_(None)
    return SoftDelete(alive, None, name, attribute, value)


def _value_for(kind: Any) -> Any:
    plain = kind.impl_instance if isinstance(kind, sa.TypeDecorator) else kind
    match plain:
        case sa.Boolean():
            return True
        case sa.DateTime():
            return sa.func.now()
        case sa.Date():
            return sa.func.current_date()
        case _:
            return None


def _is_function(value: Any) -> bool:
    return (
        callable(value)
        and not hasattr(value, "__clause_element__")
        and not isinstance(value, sa.ClauseElement)
    )
