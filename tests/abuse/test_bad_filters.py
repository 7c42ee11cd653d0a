"""Filters that make no sense are an InvalidFilter that names parameter, value and what exists; nothing is read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchrepo import Database, InvalidArgument, InvalidFilter
from batchrepo.declare.filter_groups import parse_filter
from batchrepo.testing import assert_statements
from tests.declare.hotel import REPOSITORIES, Base, BookingRepository, Room, RoomRepository

in_one_loop = pytest.mark.asyncio(loop_scope="module")

DEEP: dict[str, Any] = {"name": "x"}
for _ in range(6):
    DEEP = {"not": DEEP}

FILTERS: dict[str, tuple[Any, str]] = {
    # names
    "an unknown name": ({"nmae": "x"}, "RoomRepository has no filter 'nmae'. Did you mean 'name'"),
    "a column that is not declared": ({"secret": "x"}, "RoomRepository has no filter 'secret'. It has: "),
    "a relationship": ({"owner": 1}, "RoomRepository has no filter 'owner'. Did you mean"),
    "a method": ({"find": 1}, "RoomRepository has no filter 'find'."),
    "something of Python": ({"__class__": 1}, "RoomRepository has no filter '__class__'."),
    "the metadata of the model": ({"metadata": 1}, "RoomRepository has no filter 'metadata'."),
    "an operator that is not allowed": ({"id__ge": 1}, "RoomRepository has no filter 'id__ge'. Those of id: id, id__any_of."),
    "an operator that does not exist": ({"name__regex": "x"}, "RoomRepository has no filter 'name__regex'. Those of name: name, name__ne, name__any_of"),
    "an operator without a name": ({"__eq": "x"}, "RoomRepository has no filter '__eq'."),
    "the operator of equality": ({"name__eq": "x"}, "RoomRepository has no filter 'name__eq'. Those of name: name,"),
    "equality that is not allowed": ({"layout": "{}"}, "RoomRepository has no filter 'layout'. Those of layout: layout__is_null."),
    "a path that is not declared": ({"owner.id": 1}, "RoomRepository has no filter 'owner.id'."),
    "a number for a name": ({3: "x"}, "The name of a filter is a text; got 3."),
    "a very long name": ({"n" * 10_000: "x"}, f"RoomRepository has no filter '{'n' * 100}'. It has"),
    "no mapping": (["name"], "A filter is a mapping from parameters to values; got ['name']."),
    "a text": ("name=x", "A filter is a mapping from parameters to values; got 'name=x'."),
    "None": (None, "A filter is a mapping from parameters to values; got None."),
    # values
    "no value": ({"name": None}, "The filter 'name' cannot be None: there is no value. Leave it away, or use name__is_null."),
    "a list for one value": ({"name": ["x", "y"]}, "The filter 'name' cannot be ['x', 'y']: it takes one value. Several are given to name__any_of."),
    "a mapping for a value": ({"name": {"x": 1}}, "The filter 'name' cannot be {'x': 1}: Input should be a valid string."),
    "a number for a text": ({"name": 3}, "The filter 'name' cannot be 3: Input should be a valid string."),
    "a text for a number": ({"floor": "first"}, "The filter 'floor' cannot be 'first': Input should be a valid integer, unable to parse string as an integer."),
    "an empty text for a number": ({"floor": ""}, "The filter 'floor' cannot be '': Input should be a valid integer"),
    "a fraction for an integer": ({"floor": "1.5"}, "The filter 'floor' cannot be '1.5': Input should be a valid integer"),
    "an integer of more than 64 bits": ({"floor": 2**63}, "The filter 'floor' cannot be 9223372036854775808: expected an integer of at most 64 bits: no integer column holds more."),
    "as a text": ({"steps__le": str(2**63)}, "The filter 'steps__le' cannot be '9223372036854775808': expected an integer of at most 64 bits"),
    "for a count": ({"booking_count__ge": -(2**63) - 1}, "The filter 'booking_count__ge' cannot be -9223372036854775809: expected an integer of at most 64 bits"),
    "in a list": ({"id__any_of": [1, 2**70]}, "The filter 'id__any_of' cannot be [1, 1180591620717411303424]: expected an integer of at most 64 bits"),
    "thousands of digits": ({"floor": 10**5000}, "The filter 'floor' cannot be a number of that length:"),
    "thousands of digits as a text": ({"floor": "9" * 900}, "The filter 'floor' cannot be '9999"),
    "no number": ({"area": "nan"}, "The filter 'area' cannot be 'nan': Input should be a finite number."),
    "infinity": ({"price": "Infinity"}, "The filter 'price' cannot be 'Infinity': Input should be a finite number."),
    "a number out of all bounds": ({"price": "1e999999"}, "The filter 'price' cannot be '1e999999': "),
    "NUL": ({"name": "a\0b"}, "The filter 'name' cannot be 'a\\x00b': expected a text without NUL characters, which databases do not hold."),
    "NUL in a part of a text": ({"name__icontains": "\0"}, "The filter 'name__icontains' cannot be '\\x00': expected a text without NUL"),
    "NUL along a path": ({"owner.name": "\0"}, "The filter 'owner.name' cannot be '\\x00': expected a text without NUL"),
    "half of a pair of surrogates": ({"name__contains": "\ud800"}, "The filter 'name__contains' cannot be '\\ud800': "),
    "a text that is too long": ({"name": "x" * 1001}, "The filter 'name' cannot be 'xxx"),
    "a text in a list that is too long": ({"name__any_of": ["x" * 1001]}, "The filter 'name__any_of' cannot be ['xxx"),
    "too many values": ({"id__any_of": list(range(101))}, "The filter 'id__any_of' cannot be [0, 1, 2"),
    "a member of no enum": ({"size": "LARGE"}, "The filter 'size' cannot be 'LARGE': Input should be 's' or 'l'."),
    "another name": ({"side": "west"}, "The filter 'side' cannot be 'west': Input should be 'north' or 'south'."),
    "no truth": ({"quiet": "perhaps"}, "The filter 'quiet' cannot be 'perhaps': Input should be a valid boolean, unable to interpret input."),
    "no truth whether it is missing": ({"floor__is_null": "2"}, "The filter 'floor__is_null' cannot be '2': Input should be a valid boolean"),
    "no date": ({"built": "2026-02-30"}, "The filter 'built' cannot be '2026-02-30': Input should be a valid date"),
    "a date with a time": ({"built": "2026-01-01T10:00:00"}, "The filter 'built' cannot be '2026-01-01T10:00:00': "),
    "a zone that the column has not": ({"cleaned_at": "2026-01-01T10:00:00Z"}, "The filter 'cleaned_at' cannot be '2026-01-01T10:00:00Z': expected a datetime without a time zone, as the column has none."),
    "no UUID": ({"serial": "1234"}, "The filter 'serial' cannot be '1234': Input should be a valid UUID"),
    "half a range": ({"floor__between": "1"}, "The filter 'floor__between' cannot be '1': it takes two values, separated by a comma."),
    "an open range": ({"floor__between": "1,"}, "The filter 'floor__between' cannot be '1,': Input should be a valid integer"),
    "three ends": ({"floor__between": "1,2,3"}, "The filter 'floor__between' cannot be '1,2,3': it takes two values, separated by a comma."),
    "a range of numbers in a list of three": ({"floor__between": [1, 2, 3]}, "The filter 'floor__between' cannot be [1, 2, 3]: it takes two values"),
    "one end": ({"floor__between": 1}, "The filter 'floor__between' cannot be 1: it takes two values, separated by a comma."),
    "a range backwards": ({"floor__between": "2,1"}, "The filter 'floor__between' cannot be '2,1': the range ends before it begins."),
    "ends of two kinds": ({"cleaned_at__between": "2026-01-01T10:00:00,2026-01-01T10:00:00Z"}, "The filter 'cleaned_at__between' cannot be '2026-01-01T10:00:00,2026-01-01T10:00:00Z': expected a datetime without a time zone"),
    "a named filter's value": ({"for_nights": "many"}, "The filter 'for_nights' cannot be 'many': Input should be a valid integer"),
    "a named filter's list": ({"on_floors": list(range(101))}, "The filter 'on_floors' cannot be [0, 1"),
    "a named filter's missing value": ({"for_nights": None}, "The filter 'for_nights' cannot be None: there is no value."),
    # groups
    "a group that is no list": ({"or": {"name": "x"}}, "'or' expects a list of filters, at least one; got {'name': 'x'}."),
    "an empty group": ({"or": []}, "'or' expects a list of filters, at least one; got []."),
    "another empty group": ({"and": []}, "'and' expects a list of filters, at least one; got []."),
    "an empty part": ({"or": [{}]}, "'or' expects filters that are not empty, such as {'title': 'x'}; got {}."),
    "nothing to negate": ({"not": {}}, "'not' expects filters that are not empty, such as {'title': 'x'}; got {}."),
    "a negated list": ({"not": [{"name": "x"}]}, "'not' expects filters that are not empty, such as {'title': 'x'}; got [{'name': 'x'}]."),
    "a text in a group": ({"and": ["name"]}, "'and' expects filters that are not empty"),
    "a group in a text": ({"and": "name"}, "'and' expects a list of filters, at least one; got 'name'."),
    "too deep": (DEEP, "A filter may have groups 5 deep; this one has more."),
    "too many conditions": ({"or": [{"floor": n} for n in range(51)]}, "A filter may have 50 conditions; this one has more."),
    "an unknown name in a group": ({"or": [{"name": "x"}, {"not": {"secret": "x"}}]}, "RoomRepository has no filter 'secret'."),
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hotel_url(module_database_url: str) -> str:
    async with (
        Database(module_database_url, repositories=REPOSITORIES) as db,
        db.engine.begin() as connection,
    ):
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(sa.insert(Room), [{"id": 1, "name": "x"}])
    return module_database_url


@pytest_asyncio.fixture(loop_scope="module")
async def db(hotel_url: str) -> AsyncIterator[Database]:
    async with Database(hotel_url, repositories=REPOSITORIES) as opened:
        yield opened


@in_one_loop
@pytest.mark.parametrize("case", FILTERS)
async def test_it_is_refused(db: Database, case: str):
    filters, message = FILTERS[case]
    async with db.scope() as scope:
        with assert_statements(0, db), pytest.raises(InvalidFilter) as caught:
            RoomRepository(scope).filters(filters)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 600, "a message has not the whole input in it"


@in_one_loop
async def test_a_range_of_moments_that_ends_before_it_begins(db: Database):
    async with db.scope() as scope:
        with pytest.raises(InvalidFilter, match="the range ends before it begins"):
            BookingRepository(scope).filters({"busy__overlaps": "2026-02-01T00:00:00Z,2026-01-01T00:00:00Z"})


@in_one_loop
async def test_the_error_has_the_parameter(db: Database):
    async with db.scope() as scope:
        with pytest.raises(InvalidFilter) as caught:
            RoomRepository(scope).filters({"or": [{"name": "x"}, {"floor__ge": "x"}]})
    assert caught.value.parameter == "floor__ge"
    assert isinstance(caught.value, InvalidArgument)


@in_one_loop
async def test_as_much_as_is_allowed(db: Database):
    """The bounds themselves are within them."""
    deepest: dict[str, Any] = {"name": "x"}
    for _ in range(5):
        deepest = {"not": deepest}
    async with db.scope() as scope:
        rooms = RoomRepository(scope)
        assert await rooms.count(rooms.filters(deepest)) == 0
        assert await rooms.count(rooms.filters({"or": [{"name": "x"}] * 50})) == 1
        assert await rooms.count(rooms.filters({"id__any_of": [1] * 100})) == 1
        assert await rooms.count(rooms.filters({"name__icontains": "x" * 1000})) == 0
        assert await rooms.count(rooms.filters({"floor__le": 2**63 - 1, "floor__ge": -(2**63)})) == 0


_name = st.sampled_from(
    [
        *Database("sqlite+aiosqlite://", repositories=REPOSITORIES)
        .reading.catalog.by_class[RoomRepository]
        .filters.by_name,
        "secret",
        "",
    ]
)
_value = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-5, 5).map(str),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(
        ["\0", "true", "s", "north", "2026-01-01", "0001-01-01", "9999-12-31T23:59:59", "1,2", "1e400"]
    ),
    st.lists(st.integers() | st.text(max_size=2), max_size=3),
    st.uuids().map(str),
)
_given = st.recursive(
    st.dictionaries(_name, _value, max_size=3),
    lambda inner: st.dictionaries(
        st.sampled_from(["and", "or", "not"]), inner | st.lists(inner, max_size=3), max_size=2
    ),
    max_leaves=5,
)


@given(filters=st.lists(_given, min_size=40, max_size=40))
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
def test_whatever_comes_is_refused_or_read(hotel_url: str, filters: list[Any]):
    """No error of a driver, no error of the database: an InvalidFilter, or a number of rows."""

    async def read_all() -> None:
        async with Database(hotel_url, repositories=REPOSITORIES) as db, db.scope() as scope:
            rooms = RoomRepository(scope)
            for one in filters:
                try:
                    condition = rooms.filters(one)
                except InvalidFilter:
                    continue
                assert await rooms.count(condition) in (0, 1), one

    asyncio.run(read_all())


# --- as JSON ----------------------------------------------------------------------------------------------

TEXTS = {
    "nothing": ("", "A filter is a JSON object; got '': "),
    "no JSON": ("{name: x}", "A filter is a JSON object; got '{name: x}': "),
    "cut off": ('{"name": "x"', "A filter is a JSON object; got "),
    "a list": ("[]", "A filter is a JSON object; got '[]'."),
    "null": ("null", "A filter is a JSON object; got 'null'."),
    "too long": (json.dumps({"name": "x" * 20_000}), "A filter has at most 20000 characters; got 20012."),
    "too deep": ("[" * 19_000, "A filter is a JSON object; got "),
    "a very long number": ('{"floor": ' + "9" * 10_000 + "}", "A filter is a JSON object; got "),
    "a name twice": ('{"name": "x", "name": "y"}', "A filter names 'name' twice in one object. Use an 'and' of two objects."),
    "a name twice inside": ('{"or": [{"floor": 1, "floor": 2}]}', "A filter names 'floor' twice in one object."),
}  # fmt: skip


@pytest.mark.parametrize("case", TEXTS)
def test_a_text_that_is_no_filter(case: str):
    text, message = TEXTS[case]
    with pytest.raises(InvalidFilter) as caught:
        parse_filter(text)
    assert str(caught.value).startswith(message)


def test_a_text_that_is_one():
    assert parse_filter('{"or": [{"name": "x"}, {"floor__ge": 3}]}') == {
        "or": [{"name": "x"}, {"floor__ge": 3}]
    }
