"""Every operator equals what Python makes of the same rows, on every database; NULLs and wildcards included."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from batchrepo import Database, Repository
from tests.declare.hotel import (
    REPOSITORIES,
    Base,
    Booking,
    BookingRepository,
    Guest,
    GuestRepository,
    Room,
    RoomRepository,
    Size,
)
from tests.support.playing import Play, playing

Row = dict[str, Any]

TEXTS = st.text(st.sampled_from("aAbB %_/\\*?[]^-.é!'\","), max_size=4)
UUIDS = [UUID(int=n) for n in (0, 7, 2**128 - 1)]
DATES = [dt.date(2020, 2, 29), dt.date(2026, 1, 1), dt.date(1900, 1, 1)]
MOMENTS = [dt.datetime(2026, 1, 1), dt.datetime(2026, 1, 1, 0, 0, 0, 1), dt.datetime(1999, 12, 31, 23, 59)]

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "name": TEXTS,
    "code": TEXTS,
    "floor": st.sampled_from([-1, 0, 1, 2, 2**31 - 1]),
    "steps": st.sampled_from([-(2**63), 0, 5, 2**63 - 1]),
    "price": st.sampled_from([Decimal("0.00"), Decimal("9.99"), Decimal("10.00"), Decimal("-5.50")]),
    "area": st.sampled_from([0.0, -1.5, 2.25, 1e300]),
    "quiet": st.booleans(),
    "size": st.sampled_from(Size),
    "side": st.sampled_from(["north", "south"]),
    "built": st.sampled_from(DATES),
    "cleaned_at": st.sampled_from(MOMENTS),
    "serial": st.sampled_from(UUIDS),
    "owner_id": st.sampled_from([1, 2]),
}
"""Values of each column of a room, which may also be missing (but for the name)."""

_room = st.fixed_dictionaries(
    {name: values if name == "name" else st.none() | values for name, values in VALUES.items()}
)

GUESTS = [{"id": 1, "name": "Ann%", "friend_id": None}, {"id": 2, "name": "bob_é", "friend_id": 1}]
OWNER_NAMES = {guest["id"]: guest["name"] for guest in GUESTS} | {None: None}

Test = Callable[[Any, Any], bool]
"""From a row's value and the filter's to whether it is met."""


def _lower(text: str) -> str:
    """Small letters of ASCII, which is what every database agrees on."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def _unless_missing(test: Test) -> Test:
    return lambda value, asked: value is not None and test(value, asked)


ONE: dict[str, Test] = {
    "": _unless_missing(operator.eq),
    "__ne": operator.ne,
    "__lt": _unless_missing(operator.lt),
    "__le": _unless_missing(operator.le),
    "__gt": _unless_missing(operator.gt),
    "__ge": _unless_missing(operator.ge),
}
TEXTUAL: dict[str, Test] = {
    "__contains": _unless_missing(lambda value, asked: asked in value),
    "__icontains": _unless_missing(lambda value, asked: _lower(asked) in _lower(value)),
    "__startswith": _unless_missing(lambda value, asked: value.startswith(asked)),
}
ORDERED = ("lt", "le", "gt", "ge")


@pytest.fixture(scope="module")
def play(module_database_url: str) -> Iterator[Play]:
    with playing(module_database_url, Base.metadata, repositories=REPOSITORIES) as play:
        yield play


async def _fill(engine: AsyncEngine, rooms: list[Row], bookings: list[Row] = []) -> None:  # noqa: B006
    async with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            await connection.execute(table.delete())
        for cls, rows in ((Guest, GUESTS), (Room, rooms), (Booking, bookings)):
            if rows:
                await connection.execute(sa.insert(cls), rows)


async def _ids(repository: Repository[Any], filters: dict[str, Any]) -> list[int]:
    condition = repository.filters(filters)
    found = [row.id for row in await repository.find(condition, order_by=repository.entity_class.id)]
    assert await repository.count(condition) == len(found)
    return found


def _as_text(value: Any) -> str:
    """As a query string has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Size):
        return value.value
    return value.isoformat() if isinstance(value, dt.date) else str(value)


@given(data=st.data(), rows=st.lists(_room, min_size=3, max_size=8))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_operators_on_columns(play: Play, data: st.DataObject, rows: list[Row]) -> None:
    rooms = [{"id": number, **row} for number, row in enumerate(rows, 1)]
    asked = {name: data.draw(values, label=name) for name, values in VALUES.items()}
    other = {name: data.draw(values, label=name) for name, values in VALUES.items()}
    play(_check_columns, rooms, asked, other)


async def _check_columns(db: Database, rows: list[Row], asked: Row, other: Row) -> None:
    await _fill(db.engine, rows)
    async with db.scope() as scope:
        rooms = RoomRepository(scope)
        declared = rooms._info.filters.by_name

        async def check(parameter: str, value: Any, met: Callable[[Any], bool]) -> None:
            name = parameter.partition("__")[0]
            expected = [row["id"] for row in rows if met(row[name])]
            assert await _ids(rooms, {parameter: value}) == expected, (parameter, value)

        for name, value in asked.items():
            for suffix, test in {**ONE, **TEXTUAL}.items():
                parameter = name + suffix
                # The order of texts is the collation's, which is not Python's.
                by_collation = name in ("name", "code") and suffix[2:] in ORDERED
                if parameter not in declared or by_collation:
                    continue
                met = lambda found, test=test, value=value: test(found, value)  # noqa: E731
                await check(parameter, value, met)
                await check(parameter, _as_text(value), met)
            pair = [value, other[name]]
            await check(f"{name}__any_of", pair, lambda found, pair=pair: found in pair)
            await check(f"{name}__any_of", _as_text(value), lambda found, value=value: found == value)
            await check(f"{name}__any_of", [], lambda found: False)
            await check(f"{name}__is_null", "true", lambda found: found is None)
            await check(f"{name}__is_null", False, lambda found: found is not None)
            if f"{name}__between" in declared and name not in ("name", "code"):
                low, high = sorted(pair)
                within = lambda found, low=low, high=high: found is not None and low <= found <= high  # noqa: E731
                await check(f"{name}__between", (low, high), within)
                await check(f"{name}__between", f"{_as_text(low)}, {_as_text(high)}", within)


@given(rows=st.lists(TEXTS, min_size=1, max_size=8), asked=TEXTS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_texts_are_taken_literally(play: Play, rows: list[str], asked: str) -> None:
    """Wildcards, the escape sign, and what GLOB would take for a set of letters stand for themselves."""
    play(_check_texts, rows, asked)


async def _check_texts(db: Database, rows: list[str], asked: str) -> None:
    await _fill(db.engine, [{"id": i, "name": name, "owner_id": 1} for i, name in enumerate(rows, 1)])
    async with db.scope() as scope:
        rooms = RoomRepository(scope)
        for suffix, test in TEXTUAL.items():
            expected = [i for i, name in enumerate(rows, 1) if test(name, asked)]
            assert await _ids(rooms, {f"name{suffix}": asked}) == expected
            expected = [i for i, name in enumerate(rows, 1) if test(f"{name}!", asked)]
            assert await _ids(rooms, {f"label{suffix}": asked}) == expected
            outside = [i for i, name in enumerate(rows, 1) if not test(name, asked)]
            assert await _ids(rooms, {"not": {f"name{suffix}": asked}}) == outside
            assert await _ids(rooms, {f"owner.name{suffix}": "ANN%"}) == (
                [*range(1, len(rows) + 1)] if suffix == "__icontains" else []
            )


@given(
    guests=st.lists(st.tuples(TEXTS, st.none() | st.integers(1, 5)), min_size=1, max_size=5),
    asked=TEXTS,
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_operators_along_a_self_reference(
    play: Play, guests: list[tuple[str, int | None]], asked: str
) -> None:
    """Friends of friends, perhaps of oneself; who has no friend has no name of one."""
    rows = [
        {"id": i, "name": name, "friend_id": friend if friend and friend <= len(guests) else None}
        for i, (name, friend) in enumerate(guests, 1)
    ]
    play(_check_friends, rows, asked)


async def _check_friends(db: Database, guests: list[Row], asked: str) -> None:
    by_id = {row["id"]: row for row in guests}

    def friend(row: Row | None) -> Row | None:
        return None if row is None or row["friend_id"] is None else by_id[row["friend_id"]]

    async with db.engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            await connection.execute(table.delete())
        await connection.execute(sa.insert(Guest), [row | {"friend_id": None} for row in guests])
        for row in guests:
            befriend = sa.update(Guest).where(Guest.id == row["id"]).values(friend_id=row["friend_id"])
            await connection.execute(befriend)
    async with db.scope() as scope:
        repository = GuestRepository(scope)
        for name, reached in (
            ("friend.name", friend),
            ("friend.friend.name", lambda row: friend(friend(row))),
        ):
            found = {row["id"]: reached(row) for row in guests}
            names = {key: None if row is None else row["name"] for key, row in found.items()}
            for suffix, test in {"": ONE[""], "__ne": operator.ne, **TEXTUAL}.items():
                expected = [key for key, known in names.items() if test(known, asked)]
                assert await _ids(repository, {name + suffix: asked}) == expected, name + suffix
                outside = [key for key, known in names.items() if not test(known, asked)]
                assert await _ids(repository, {"not": {name + suffix: asked}}) == outside, name + suffix
            missing = [key for key, known in names.items() if known is None]
            assert await _ids(repository, {f"{name}__is_null": True}) == missing
            several = [key for key, known in names.items() if known in (asked, "a")]
            assert await _ids(repository, {f"{name}__any_of": [asked, "a"]}) == several


NIGHTS = st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.integers(1, 3)), max_size=6)


@given(bookings=NIGHTS, asked=st.integers(0, 4), other=st.integers(0, 4))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_operators_on_computed_attributes(
    play: Play, bookings: list[tuple[int, int]], asked: int, other: int
) -> None:
    play(_check_computed, bookings, asked, other)


async def _check_computed(db: Database, pairs: list[tuple[int, int]], asked: int, other: int) -> None:
    rooms = [{"id": i, "name": str(i)} for i in (1, 2, 3)]
    bookings = [{"room_id": room, "guest_id": 1, "nights": nights} for room, nights in pairs]
    nights_of = {room: [nights for booked, nights in pairs if booked == room] for room in (1, 2, 3)}
    computed: dict[str, Callable[[list[int]], Any]] = {
        "booking_count": len,
        "nights": sum,
        "longest": lambda nights: max(nights, default=None),
    }
    low, high = sorted((asked, other))
    await _fill(db.engine, rooms, bookings)
    async with db.scope() as scope:
        repository = RoomRepository(scope)
        for name, value_of in computed.items():
            values = {room: value_of(nights) for room, nights in nights_of.items()}
            cases: dict[str, tuple[Any, Callable[[Any], bool]]] = {
                suffix: (str(asked), lambda v, test=test: test(v, asked)) for suffix, test in ONE.items()
            }
            cases["__between"] = (f"{low},{high}", lambda v: v is not None and low <= v <= high)
            cases["__any_of"] = ([asked, other], lambda v: v in (asked, other))
            cases["__is_null"] = (True, lambda v: v is None)
            for suffix, (value, met) in cases.items():
                expected = [room for room, known in values.items() if met(known)]
                assert await _ids(repository, {name + suffix: value}) == expected, name + suffix
        booked = [room for room, nights in nights_of.items() if nights]
        empty = [room for room, nights in nights_of.items() if not nights]
        assert await _ids(repository, {"booked": "yes"}) == booked
        assert await _ids(repository, {"booked": False}) == empty
        assert await _ids(repository, {"booked__ne": True}) == empty
        assert await _ids(repository, {"for_nights": str(asked)}) == [
            room for room, nights in nights_of.items() if max(nights, default=-1) >= asked
        ]


# --- overlaps -----------------------------------------------------------------------------------------


def _hour(hour: int) -> dt.datetime:
    return dt.datetime(2026, 1, 1, hour, tzinfo=dt.UTC)


_end = st.none() | st.integers(0, 9)


@given(
    spans=st.lists(st.tuples(st.none() | st.integers(0, 9), _end), max_size=8),
    since=st.integers(0, 9),
    length=st.integers(0, 5),
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_overlaps(play: Play, spans: list[tuple[int | None, int | None]], since: int, length: int) -> None:
    play(_check_overlaps, spans, since, since + length)


async def _check_overlaps(
    db: Database, spans: list[tuple[int | None, int | None]], since: int, until: int
) -> None:
    bookings = [
        {
            "id": i,
            "room_id": 1,
            "guest_id": 1,
            "nights": 1,
            "start_at": None if start is None else _hour(start),
            "end_at": None if end is None else _hour(end),
        }
        for i, (start, end) in enumerate(spans, 1)
    ]
    expected = [
        i
        for i, (start, end) in enumerate(spans, 1)
        if start is not None and start < until and (end is None or end > since)
    ]
    await _fill(db.engine, [{"id": 1, "name": "x"}], bookings)
    async with db.scope() as scope:
        repository = BookingRepository(scope)
        ends = _hour(since), _hour(until)
        for given_ends in (ends, ",".join(end.isoformat() for end in ends)):
            found = await repository.find(
                repository.filters({"busy__overlaps": given_ends}), order_by=Booking.id
            )
            assert [booking.id for booking in found] == expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (2, 4, True),  # inside
        (0, 9, True),  # around
        (1, 4, True),  # straddling the beginning
        (4, 7, True),  # straddling the end
        (0, 2, False),  # touching the beginning
        (5, 9, False),  # touching the end
        (3, None, True),  # without an end
        (5, None, False),
        (None, 4, False),  # without a beginning
    ],
)
def test_overlaps_by_example(play: Play, start: int | None, end: int | None, expected: bool):
    play(_check_overlaps, [(start, end)], 2, 5)
    assert (start is not None and start < 5 and (end is None or end > 2)) is expected
