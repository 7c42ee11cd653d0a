"""Values of every kind under every type: what passes is what graphql-core's executor makes of them, or does not pass."""

from __future__ import annotations

import datetime as dt
import enum
import math
from typing import Any

import pytest
from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    Undefined,
    graphql_sync,
)
from hypothesis import given
from hypothesis import strategies as st

from batchrepo.integrations.strawberry.passing.completing import Leaf, make_completer
from batchrepo.integrations.strawberry.passing.leaves import Unfit


class Text(str):
    """A text of a class of its own."""

    __slots__ = ()


class Size(enum.StrEnum):
    """Members that are texts."""

    SMALL = "s"
    LARGE = "l"


class Unwritable:
    """Nothing takes it but what takes everything."""

    def __str__(self) -> str:
        return "unwritable"


SIZES = GraphQLEnumType("Size", {"SMALL": Size.SMALL, "LARGE": Size.LARGE})
TEXTS = GraphQLScalarType("Texts", coerce_output_value=str)
NOTHING = GraphQLScalarType("Nothing", coerce_output_value=lambda value: None)
STRICT = GraphQLScalarType("Strict", coerce_output_value=dt.date.isoformat)

LEAVES = (GraphQLString, GraphQLID, GraphQLInt, GraphQLFloat, GraphQLBoolean, SIZES, TEXTS, NOTHING, STRICT)

KINDS: dict[str, Any] = {
    str(kind): kind
    for leaf in LEAVES
    for kind in (
        leaf,
        GraphQLNonNull(leaf),
        GraphQLList(leaf),
        GraphQLNonNull(GraphQLList(GraphQLNonNull(leaf))),
        GraphQLList(GraphQLNonNull(GraphQLList(leaf))),
    )
}

PLAIN = st.one_of(
    st.none(),
    st.just(Undefined),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**31 - 1, 2**31, -(2**31), -(2**31) - 1]),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.dates(),
    st.sampled_from(
        [Text("t"), Size.SMALL, "s", "SMALL", ValueError("an error"), Unwritable(), {"a": 1}, "12", "1.5"]
    ),
)
VALUES = st.one_of(PLAIN, st.lists(PLAIN, max_size=3), st.lists(st.lists(PLAIN, max_size=2), max_size=2))


def visited(kind: Any, value: Any) -> tuple[Any, bool]:
    """What the executor makes of a value, and whether without errors."""
    row = GraphQLObjectType("Row", {"x": GraphQLField(kind, resolve=lambda *_: value)})
    query = GraphQLObjectType("Query", {"row": GraphQLField(row, resolve=lambda *_: {})})
    result = graphql_sync(GraphQLSchema(query), "{ row { x } }")
    return (result.data or {}).get("row"), result.errors is None


def passed(kind: Any, value: Any) -> tuple[Any, bool]:
    """What passes for a value, and whether anything does."""
    try:
        return make_completer([Leaf("x", "x", kind)])({"x": value}), True
    except Exception as error:  # noqa: BLE001  as the executor, which then visits the field
        return error, False


def same(one: Any, other: Any) -> bool:
    """Whether values are equal, and of equal types."""
    if isinstance(one, list | dict):
        return repr(one) == repr(other)
    return type(one) is type(other) and (one == other or (isinstance(one, float) and math.isnan(one)))


@pytest.mark.parametrize("name", KINDS)
@given(value=VALUES)
def test_what_passes_is_what_the_executor_makes(name: str, value: Any):
    kind = KINDS[name]
    expected, right = visited(kind, value)
    found, passes = passed(kind, value)
    assert passes == right, (value, found)
    assert not passes or same(found, expected), (found, expected)


async def test_a_value_that_would_be_awaited_does_not_pass():
    async def later() -> str:
        return "later"

    waiting = later()
    with pytest.raises(Unfit):
        make_completer([Leaf("x", "x", TEXTS)])({"x": waiting})
    assert await waiting == "later"
