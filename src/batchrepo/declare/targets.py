"""What filters and sorts are declared for: an attribute with a public name, its SQL and its type."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace, UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from sqlalchemy.orm import Mapped, QueryableAttribute

from batchrepo.declare.computed import Computed
from batchrepo.declare.elements import sql_of, why_no_expression
from batchrepo.declare.markers import ColumnMarker
from batchrepo.errors import DeclarationError
from batchrepo.mapping.entity import attribute_owner, is_relationship, python_type_of, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.types import TypeEngine

    from batchrepo.mapping import ColumnInfo, EntityInfo, RelationInfo


@dataclass(frozen=True, eq=False)
class Target:
    """An attribute that outside callers may name.

    Attributes:
        name: the public one: of the attribute; with dots along relations.
        expression: its SQL.
        column: the mapped column that it is, or None; of a path the one at its end.
        path: the to-one relations that lead to it.
    """

    name: str
    expression: ColumnElement[Any]
    column: ColumnInfo | None = None
    path: tuple[RelationInfo, ...] = ()

    def where(self, build: Callable[[Any], ColumnElement[bool]], *, of_value: bool) -> ColumnElement[bool]:
        """A condition on it.

        Args:
            build: makes the condition of an expression.
            of_value: whether the condition can only hold for a value, never for a missing one. Along a path it is
                an EXISTS then, which a database can join, instead of a subquery that it runs for each row.
        """
        if (
            not of_value
            or not self.path
            or self.column is None
            or any(relation.key_order is None for relation in self.path)
        ):
            return build(self.expression)
        condition = build(self.column.attribute)
        for relation in reversed(self.path):
            condition = relation.attribute.has(condition)
        return condition

    @property
    def type(self) -> TypeEngine[Any]:
        """The SQL type of its values."""
        return self.expression.type

    @cached_property
    def python_type(self) -> Any:
        """The Python type of its values; None where neither SQLAlchemy nor the mapped class says it."""
        known = python_type_of(self.type)
        return known or (_annotated(self.column.attribute) if self.column is not None else None)


def read_target(
    element: Any, where: str, entity: EntityInfo, computed: Mapping[str, Computed[Any]]
) -> Target:
    """The target that an element of a declaration stands for.

    Args:
        element: a mapped attribute, a ``column(...)`` along to-one relations, or a computed attribute.
        where: names the declaration, such as ``AlbumRepository.sortable``, for messages.
        entity: of the repository.
        computed: its computed attributes by name.

    Raises:
        DeclarationError: it is none of these, or not of this entity, or has no single value.
    """
    if isinstance(element, Computed):
        return _of_computed(element, where, entity, computed)
    if isinstance(element, ColumnMarker):
        relations, column = element.resolve(entity, where)
        name = ".".join((*(relation.name for relation in relations), column.name))
        return Target(name, element.__clause_element__(), column, relations)
    if is_relationship(element):
        relation = attribute_owner(element, where)[1]
        raise DeclarationError(
            f"{where}: {element} is a relationship, which has no value. Use a column of it, such as "
            f"column({element}, ...), or a computed attribute over it, such as {relation}_count = count({element})."
        )
    if not isinstance(element, QueryableAttribute):
        raise DeclarationError(
            f"{where}: Expected a mapped attribute such as {entity.name}.{entity.key_names[0]}, a column(...), or a "
            f"computed attribute; got {shown(element)}. Give any other expression a name in the repository: "
            f"name = expression(...)."
        )
    owner, name = attribute_owner(element, where)
    if owner not in entity.ancestors:
        raise DeclarationError(
            f"{where}: {owner.name}.{name} is not an attribute of {entity.name}. "
            f"One of a related entity is written column({entity.name}.relation, {owner.name}.{name})."
        )
    column = entity.column(name, where)
    return Target(name, column.attribute.__clause_element__(), column)


def _of_computed(
    element: Computed[Any], where: str, entity: EntityInfo, computed: Mapping[str, Computed[Any]]
) -> Target:
    name = next((name for name, known in computed.items() if known is element), element.name)
    if not name:
        raise DeclarationError(
            f"{where}: {element} has no name. Declare it as an attribute of the repository first: name = {element}(...)."
        )
    element.check(entity)
    refusal = why_no_expression(element)
    if refusal is not None:
        raise DeclarationError(f"{where}: {refusal}.")
    found = sql_of(element)
    assert found is not None
    return Target(name, found)


def _annotated(attribute: QueryableAttribute[Any]) -> Any:
    """The type that the class gives a mapped attribute: ``Mapped[str]``. A type decorator says nothing of its values."""
    for base in attribute.class_.__mro__:
        annotation = inspect.get_annotations(base).get(attribute.key)
        if annotation is None:
            continue
        holder = SimpleNamespace(__annotations__={attribute.key: annotation})
        try:
            hint = get_type_hints(holder, vars(sys.modules[base.__module__]))[attribute.key]
        except Exception:  # noqa: BLE001  a class that is mapped by hand may name what only type checkers see
            return None
        return _only_type(get_args(hint)[0] if get_origin(hint) is Mapped else hint)
    return None


def _only_type(hint: Any) -> Any:
    """The class that a hint names, perhaps beside None."""
    if get_origin(hint) in (Union, UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        hint = options[0] if len(options) == 1 else None
    return hint if isinstance(hint, type) and hint not in (Any, object) else None
