"""The shape of a field's type: one object, a list, or a connection, and of which class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from strawberry.types.base import StrawberryList, StrawberryOptional
from strawberry.types.lazy_type import LazyType

from batchrepo.integrations.strawberry.types.connections import Connection


@dataclass(frozen=True, slots=True)
class Shape:
    """What a field of objects has.

    Attributes:
        cls: the class of the objects.
        many: they come in a list.
        paged: they come in a `Connection`.
        optional: there may be none.
    """

    cls: Any
    many: bool
    paged: bool
    optional: bool


def shape_of(kind: Any) -> Shape:
    """The shape of a resolved Strawberry type."""
    kind = _eager(kind)
    optional = isinstance(kind, StrawberryOptional)
    if optional:
        kind = _eager(kind.of_type)
    if isinstance(kind, StrawberryList):
        item = _eager(kind.of_type)
        return Shape(
            _eager(item.of_type) if isinstance(item, StrawberryOptional) else item, True, False, optional
        )
    definition: Any = getattr(kind, "__strawberry_definition__", None)
    generic = getattr(definition, "concrete_of", None)
    if generic is not None and generic.origin is Connection:
        (node,) = definition.type_var_map.values()
        return Shape(_eager(node), True, True, optional)
    return Shape(kind, False, False, optional)


def is_lazy(kind: Any) -> bool:
    """Whether a type has to be imported before it is known."""
    if isinstance(kind, StrawberryOptional | StrawberryList):
        return is_lazy(kind.of_type)
    definition: Any = getattr(kind, "__strawberry_definition__", None)
    inner = getattr(definition, "type_var_map", {}).values()
    return isinstance(kind, LazyType) or any(isinstance(each, LazyType) for each in inner)


def _eager(kind: Any) -> Any:
    return kind.resolve_type() if isinstance(kind, LazyType) else kind
