"""Values of columns as the answer has them: what the executor does with the values of leaf types."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, cast

from graphql import (
    GraphQLBoolean,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLString,
    Undefined,
    is_list_type,
    is_non_null_type,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from graphql import GraphQLLeafType, GraphQLOutputType


class Unfit(Exception):
    """A value is not what its type promises. The executor visits the fields then, and finds the error in its place."""


_PLAIN: dict[Any, str] = {
    GraphQLString: "type(v := {}) is str",
    GraphQLID: "type(v := {}) is str",
    GraphQLInt: "type(v := {}) is int and -2147483648 <= v <= 2147483647",
    GraphQLBoolean: "(v := {}) is True or v is False",
    GraphQLFloat: "type(v := {}) is float and isfinite(v)",
}

NAMES = {"isfinite": isfinite}
"""What `plain_test` needs."""

_NOT_AWAITED = (str, int, float, bool, dict, list)


def plain_test(kind: GraphQLOutputType, value: str) -> str | None:
    """An expression that makes ``v`` of another one, and is true where the answer has that value as it is.

    Args:
        kind: the type of the value.
        value: the expression for it.

    Returns:
        None for types whose values the answer never has as they are.
    """
    test = _PLAIN.get(cast("Any", kind).of_type if is_non_null_type(kind) else kind)
    return None if test is None else test.format(value)


def completion(kind: GraphQLOutputType) -> Callable[[Any], Any]:
    """A function from values of a leaf type, or lists of them, to what the answer has.

    The function raises `Unfit`, or what the type itself raises, where the executor would have an error.
    """
    required = is_non_null_type(kind)
    inner: Any = cast("Any", kind).of_type if required else kind
    make = _of_list(inner.of_type) if is_list_type(inner) else _of_leaf(inner)

    def completed(value: Any) -> Any:
        if value is not None and value is not Undefined:
            return make(value)
        if required:
            raise Unfit
        return None

    return completed


def _of_list(item: GraphQLOutputType) -> Callable[[Any], Any]:
    complete = completion(item)

    def made(value: Any) -> list[Any]:
        if type(value) not in (list, tuple):
            raise Unfit
        return [complete(one) for one in value]

    return made


def _of_leaf(kind: GraphQLLeafType) -> Callable[[Any], Any]:
    coerce = kind.coerce_output_value

    def made(value: Any) -> Any:
        if isinstance(value, Exception) or hasattr(value, "__await__"):
            raise Unfit
        found = coerce(value)
        if type(found) in _NOT_AWAITED:
            return found
        if found is None or found is Undefined or hasattr(found, "__await__"):
            raise Unfit
        return found

    return made
