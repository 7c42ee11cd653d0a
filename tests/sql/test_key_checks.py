"""Values of keys against their columns' types, without a database. tests/abuse/test_bad_keys.py has the drivers."""

from __future__ import annotations

import datetime as dt
import enum
import zoneinfo
from decimal import Decimal
from uuid import UUID

import pytest
import sqlalchemy as sa
from asyncpg.pgproto.pgproto import UUID as AsyncpgUUID
from sqlalchemy.dialects.postgresql import ARRAY, INET
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import dialect as sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator, UserDefinedType

from batchrepo import InvalidArgument
from batchrepo.mapping import entity_info
from batchrepo.sql.key_checks import Unusable, check_keys, value_check

DIALECTS = [asyncpg(), sqlite()]


class Color(enum.Flag):
    RED = 1
    BLUE = 2


class Word(enum.StrEnum):
    HELLO = "hello"


class Later(dt.datetime):
    """As libraries make them."""


class Span(dt.timedelta):
    pass


class Point(UserDefinedType[tuple[int, int]]):
    """A type of the user's own, which refuses what is no pair."""

    cache_ok = True

    def get_col_spec(self, **_):
        return "POINT"

    def bind_processor(self, dialect):
        def process(value):
            x, y = value
            return f"({x + 0},{y + 0})"

        return process


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda d: d.name)
@pytest.mark.parametrize(
    ("kind", "value", "plain"),
    [
        (sa.Integer(), enum.IntEnum("Level", {"FIVE": 5}).FIVE, 5),
        (sa.String(), Word.HELLO, "hello"),
        (sa.Numeric(), 0.1, Decimal("0.1")),
        (sa.Numeric(), 3, Decimal(3)),
        (sa.Float(), 3, 3.0),
        (sa.Date(), type("Day", (dt.date,), {})(2020, 1, 2), dt.date(2020, 1, 2)),
        (sa.DateTime(), Later(2020, 1, 2, 3, 4, 5, 6, fold=1), dt.datetime(2020, 1, 2, 3, 4, 5, 6, fold=1)),
        (sa.Interval(), Span(1, 2, 3), dt.timedelta(1, 2, 3)),
        (sa.Uuid(), AsyncpgUUID("00000000-0000-0000-0000-000000000005"), UUID(int=5)),
        (sa.LargeBinary(), bytearray(b"x"), b"x"),
        (sa.Enum(Color), Color.RED, Color.RED),
    ],
)
def test_values_become_plain(dialect, kind, value, plain):
    found = value_check(kind, dialect)(value)
    assert found == plain
    assert type(found) is type(plain)


def test_a_moment_of_a_subclass_keeps_its_zone():
    found = value_check(sa.DateTime(timezone=True), DIALECTS[0])(Later(2020, 1, 2, tzinfo=dt.UTC))
    assert type(found) is dt.datetime
    assert found.tzinfo is dt.UTC


def test_a_time_whose_zone_depends_on_the_day_has_no_offset():
    value = dt.time(1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
    with pytest.raises(Unusable, match="a time with a time zone"):
        value_check(sa.Time(timezone=True), DIALECTS[0])(value)


def test_members_of_a_flag_that_no_column_holds_are_refused():
    with pytest.raises(Unusable, match="a member of Color"):
        value_check(sa.Enum(Color), DIALECTS[1])(Color.RED | Color.BLUE)


def test_the_type_for_this_database_decides():
    kind = sa.String().with_variant(sa.Integer(), "sqlite")
    assert value_check(kind, DIALECTS[0])("5") == "5"
    assert value_check(kind, DIALECTS[1])(5) == 5
    with pytest.raises(Unusable):
        value_check(kind, DIALECTS[1])("5")


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda d: d.name)
@pytest.mark.parametrize("value", ["x", 5, (1, 2, 3), (1, "a"), [1, 2], {}])
def test_the_bind_processor_of_an_unknown_type_is_tried(dialect, value):
    check = value_check(Point(), dialect)
    assert check((1, 2)) == (1, 2)
    with pytest.raises(Unusable):
        check(value)


def test_values_of_unknown_types_are_hashable():
    for kind in (ARRAY(sa.Integer), INET()):
        with pytest.raises(Unusable, match="a hashable value"):
            value_check(kind, DIALECTS[0])([1])
    assert value_check(INET(), DIALECTS[0])("10.0.0.1") == "10.0.0.1"


def test_values_of_unknown_types_travel_as_json_on_sqlite():
    with pytest.raises(Unusable, match="it said: Object of type date is not JSON serializable"):
        value_check(sa.types.NULLTYPE, DIALECTS[1])(dt.date(2020, 1, 1))
    with pytest.raises(Unusable, match="it said: Out of range float values"):
        value_check(sa.types.NULLTYPE, DIALECTS[1])(float("nan"))


class Faulty(TypeDecorator[int]):
    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return {"text": "5", "null": None}.get(value, value)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda d: d.name)
def test_what_a_decorator_makes_of_a_value_is_checked(dialect):
    check = value_check(Faulty(), dialect)
    assert check(5) == 5
    assert check("null") == "null", "NULL equals no row, which is no error"
    with pytest.raises(Unusable) as caught:
        check("text")
    assert caught.value.expected == "a value of type int, after Faulty has converted it to '5'"


class Base(DeclarativeBase):
    pass


class Seat(Base):
    __tablename__ = "seat"

    row: Mapped[int] = mapped_column(primary_key=True)
    letter: Mapped[str] = mapped_column(primary_key=True)
    color: Mapped[Color]


@pytest.mark.parametrize(
    ("names", "key", "refusal"),
    [
        (["row"], "5", "row was looked up with '5' (str). Expected a value of type int. {such_as} int(...)."),
        (["row"], None, "row was looked up with None, which equals no row."),
        (
            ["letter"],
            b"a",
            "letter was looked up with b'a' (bytes). Expected a value of type str. {such_as} str(...).",
        ),
        (
            ["row", "letter"],
            (5, 6),
            "letter was looked up with 6 (int). Expected a value of type str. {such_as} str(...).",
        ),
        (
            ["color"],
            "RED",
            "color was looked up with 'RED' (str). Expected a member of Color. {such_as} Color(...).",
        ),
    ],
)
def test_a_refusal_says_what_where_and_the_way_out(names, key, refusal):
    entity = entity_info(Seat)
    with pytest.raises(InvalidArgument) as caught:
        check_keys("Seat", [entity.columns[name] for name in names], [key], DIALECTS[0])
    assert str(caught.value) == "Seat." + refusal.format(such_as="Convert the key first, such as")


def test_a_refusal_does_not_fail_on_a_value_that_python_refuses_to_print():
    with pytest.raises(
        InvalidArgument, match=r"^Seat\.row was looked up with a value that cannot be printed \(int\)"
    ):
        check_keys("Seat", [entity_info(Seat).columns["row"]], [10**5000], DIALECTS[0])


def test_good_keys_come_back_in_their_order():
    entity = entity_info(Seat)
    keys = [(2, "b"), {"letter": "a", "row": 1}]
    assert check_keys("Seat", entity.key, keys, DIALECTS[0]) == [(2, "b"), (1, "a")]
