"""Whether a field's type in GraphQL fits what is read for it; every misfit is a DeclarationError at start-up."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, get_args, get_origin
from uuid import UUID

from strawberry.scalars import ID, JSON, Base16, Base32, Base64
from strawberry.types.base import StrawberryList, StrawberryOptional, has_object_definition
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.lazy_type import LazyType
from strawberry.types.union import StrawberryUnion

from batchrepo.declare.criteria import Predicate
from batchrepo.errors import DeclarationError
from batchrepo.integrations.strawberry.types.members import Related, Value, repository_type_of
from batchrepo.integrations.strawberry.types.scalars import BigInt, Duration, annotation_of_value, is_of_texts
from batchrepo.integrations.strawberry.types.shapes import shape_of
from batchrepo.plan.fitting import why_hidden, why_none
from batchrepo.plan.read import AggregateField, ColumnField, FlatField

if TYPE_CHECKING:
    from batchrepo.integrations.strawberry.types.members import Member
    from batchrepo.mapping import RelationInfo
    from batchrepo.plan.read import Field

_TAKES: dict[Any, tuple[Any, ...]] = {
    bool: (bool,),
    int: (int, BigInt),
    BigInt: (int, BigInt),
    float: (float, int, BigInt, Decimal),
    Decimal: (Decimal,),
    str: (str,),
    ID: (int, BigInt, str, UUID),
    UUID: (UUID,),
    dt.datetime: (dt.datetime,),
    dt.date: (dt.date,),
    dt.time: (dt.time,),
    Duration: (Duration,),
    **dict.fromkeys((Base16, Base32, Base64), (Base64,)),
    JSON: (JSON, bool, int, float, str),
}
"""For each scalar the annotations (as `annotation_of_value` has them) whose values it can write."""


def check_field(where: str, member: Member, kind: Any) -> None:
    """Check a field's type.

    Args:
        where: class and field, for messages.
        member: what is read for it.
        kind: its type, resolved by Strawberry.

    Raises:
        DeclarationError: it does not take the values, not None, or not the rows.
    """
    if isinstance(member, Value):
        _check_value(where, member.field, kind)
    else:
        _check_related(where, member, kind)


# --- values -----------------------------------------------------------------------------------------


def _check_value(where: str, field: Field, kind: Any) -> None:
    optional = isinstance(kind, StrawberryOptional)
    declared = kind.of_type if optional else kind
    expected = annotation_of_value(field)
    if expected is not None and not takes_values(declared, expected):
        raise DeclarationError(
            f"{where}: {field} holds values of type {text_of_type(expected)}, but the field is {shown_type(declared)}. "
            f"Write {text_of_type(expected)}, or auto."
        )
    reason = _why_null(field)
    if reason is not None and not optional:
        raise DeclarationError(
            f"{where}: {reason}, but the field does not allow None. Write {shown_type(declared)} | None, or auto."
        )


def _why_null(field: Field) -> str | None:
    """When a value is None; None where it never is, or where nobody can know."""
    match field:
        case ColumnField(column=column) if column is not None:
            return f"{column.name!r} may be NULL" if column.nullable and column.is_table_column else None
        case FlatField(path=path, column=column):
            reasons = (why_none(relation) for relation in path if relation.nullable)
            return f"{column.name!r} may be NULL" if column.nullable else next(reasons, None)
        case AggregateField(aggregate=aggregate) if aggregate.empty is None:
            return f"{aggregate} is None where {aggregate.relation} is empty"
    return None


def takes_values(declared: Any, expected: Any) -> bool:
    """Whether a type in GraphQL can write values of an annotation; True where nobody can know."""
    if isinstance(declared, LazyType):
        declared = declared.resolve_type()
    if isinstance(declared, StrawberryEnumDefinition):
        return _enum_takes(declared.wrapped_cls, expected)
    if isinstance(declared, StrawberryList):
        item = declared.of_type
        if get_origin(expected) is not list:
            return expected is JSON
        inner = next(each for each in get_args(get_args(expected)[0]) if each is not type(None))
        return takes_values(item.of_type if isinstance(item, StrawberryOptional) else item, inner)
    if has_object_definition(declared) or isinstance(declared, StrawberryUnion):
        return False
    try:
        known = _TAKES.get(declared)
    except TypeError:  # whatever cannot be a key is no scalar that we know
        known = None
    if known is None:
        return True  # a scalar of the application's own
    if expected in known:
        return True
    return declared in (str, JSON) and is_of_texts(expected)


def _enum_takes(declared: Any, expected: Any) -> bool:
    if not isinstance(expected, type):
        return False
    if not issubclass(expected, Enum):
        return any(isinstance(member.value, expected) for member in declared)
    texts = {member.value for member in expected}
    return declared is expected or (is_of_texts(expected) and texts <= {member.value for member in declared})


# --- relations --------------------------------------------------------------------------------------


def _check_related(where: str, member: Related, kind: Any) -> None:
    shape, relation = shape_of(kind), member.relation
    target = relation.target.name
    what = str(member.declared or relation)
    if member.many and not shape.many:
        raise DeclarationError(
            f"{where}: {what} leads to a list of {target}, but the field is {shown_type(kind)}. "
            f'Write list["{target}Type"] or Connection["{target}Type"].'
        )
    if shape.many and not member.many:
        raise DeclarationError(
            f"{where}: {what} leads to one {target}, but the field is {shown_type(kind)}. "
            f'Write "{target}Type"{" | None" if _why_missing(member) else ""}.'
        )
    if shape.paged and (member.declared is not None or member.first is not None):
        raise DeclarationError(
            f"{where}: {what} has a fixed number of rows, so there are no pages to turn. Write list[...]."
        )
    shown = repository_type_of(shape.cls)
    if shown is None:
        raise DeclarationError(
            f"{where}: {what} leads to {target}, so the field needs a class with @repository_type(...) of "
            f"{target}; got {shown_type(shape.cls)}."
        )
    if shown.entity is not relation.target:
        raise DeclarationError(
            f"{where}: {what} leads to {target}, but {shown.cls.__name__} shows {shown.entity.name}. "
            f"Name a type of {target}."
        )
    reason = None if member.many else _why_missing(member)
    if reason is None and not member.many and _may_hide(shown.repository):
        reason = why_hidden(relation)
    if reason is not None and not shape.optional:
        raise DeclarationError(
            f"{where}: {reason}, but the field does not allow None. Write {shown_type(shape.cls)} | None."
        )


def _why_missing(member: Related) -> str | None:
    relation: RelationInfo = member.relation
    if member.declared is not None:
        return f"{member.declared} is None where {relation} is empty"
    if member.where:
        return "where= may leave nothing"
    return why_none(relation) if relation.nullable else None


def _may_hide(repository: Any) -> bool:
    return any(isinstance(criterion, Predicate) for criterion in repository.criteria)


# --- in messages ------------------------------------------------------------------------------------


def shown_type(kind: Any) -> str:
    """A type that Strawberry resolved, as one would write it."""
    if isinstance(kind, StrawberryOptional):
        return f"{shown_type(kind.of_type)} | None"
    if isinstance(kind, StrawberryList):
        return f"list[{shown_type(kind.of_type)}]"
    if isinstance(kind, LazyType):
        return kind.type_name
    if isinstance(kind, StrawberryEnumDefinition):
        return kind.name
    definition: Any = getattr(kind, "__strawberry_definition__", None)
    if definition is not None and definition.concrete_of is not None:
        inner = ", ".join(map(shown_type, definition.type_var_map.values()))
        return f"{definition.concrete_of.name}[{inner}]"
    return str(getattr(kind, "__name__", kind))


def text_of_type(expected: Any) -> str:
    """An annotation, as one would write it."""
    if get_origin(expected) is list:
        return f"list[{' | '.join(text_of_type(part) for part in get_args(get_args(expected)[0]))}]"
    return "None" if expected is type(None) else str(getattr(expected, "__name__", expected))
