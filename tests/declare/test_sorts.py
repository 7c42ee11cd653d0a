"""Sorts: what a declaration allows, how callers say it, and that the rows come in that order."""

from __future__ import annotations

from collections.abc import Iterator
from types import new_class
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from batchrepo import Database, DeclarationError, InvalidSort, Repository, column, count, expression, top
from batchrepo.declare.orders import OrderTerm
from batchrepo.testing import assert_statements
from tests.declare.hotel import REPOSITORIES, Base, Booking, BookingRepository, Guest, Room, RoomRepository
from tests.support.playing import Play, playing

Row = dict[str, Any]


def read(repository: type[Repository[Any]]) -> Any:
    return (
        Database("sqlite+aiosqlite://", repositories=[repository]).reading.catalog.by_class[repository].sorts
    )


def declared(**attributes: Any) -> type[Repository[Any]]:
    return new_class("R", (Repository[Room],), exec_body=lambda body: body.update(attributes))


SORTS = read(RoomRepository)

NAMES = (
    "name",
    "id",
    "price",
    "floor",
    "quiet",
    "owner.name",
    "booking_count",
    "longest",
    "label",
)


def test_public_names():
    assert SORTS.names == NAMES
    assert SORTS.choices[:4] == ("name", "-name", "id", "-id")
    assert repr(SORTS) == f"<Sorts {', '.join(NAMES)}>"
    assert read(BookingRepository).names == ("room.owner.name", "start_at")


def test_without_a_declaration_there_is_nothing_to_sort_by():
    sorts = read(declared())
    assert (len(sorts), repr(sorts)) == (0, "<Sorts nothing>")
    with pytest.raises(InvalidSort, match=r"R cannot be sorted by 'name'. R.sortable is empty\."):
        sorts.parse("name")


WAYS: dict[str, tuple[Any, list[tuple[str, bool, str | None]]]] = {
    "one": ("name", [("room.name", False, None)]),
    "descending": ("-name", [("room.name", True, None)]),
    "ascending": ("+name", [("room.name", False, None)]),
    "a plus as query strings have it": (" name", [("room.name", False, None)]),
    "several": ("-price, id", [("room.price", True, "last"), ("room.id", False, None)]),
    "a place for NULLs in both directions": ("floor", [("room.floor", False, "first")]),
    "the other direction": ("-floor", [("room.floor", True, "first")]),
    "a list": (["-price", "id"], [("room.price", True, "last"), ("room.id", False, None)]),
    "nothing": ("", []),
    "only blanks": ("  ", []),
    "an empty list": ([], []),
}


@pytest.mark.parametrize("way", WAYS)
def test_ways_to_say_it(way: str):
    text, expected = WAYS[way]
    terms = SORTS.parse(text)
    assert [(str(term.expression), term.descending, term.nulls) for term in terms] == expected


REFUSED: dict[str, tuple[Any, str]] = {
    "an unknown name": ("nmae", "RoomRepository cannot be sorted by 'nmae'. Did you mean 'name'?"),
    "nothing like it": (
        "zzz",
        f"RoomRepository cannot be sorted by 'zzz'. It has: {', '.join(sorted(NAMES))}.",
    ),
    "a column that is not declared": ("secret", "RoomRepository cannot be sorted by 'secret'. It has: "),
    "a relationship": ("owner", "RoomRepository cannot be sorted by 'owner'. Did you mean 'owner.name'?"),
    "a method": ("find", "RoomRepository cannot be sorted by 'find'."),
    "a dunder": ("__class__", "RoomRepository cannot be sorted by '__class__'."),
    "SQL": ("name; DROP TABLE room", "RoomRepository cannot be sorted by 'name; DROP TABLE room'."),
    "twice": ("name,name", "The sort names 'name' twice; the second time decides nothing."),
    "in both directions": ("name,-name", "The sort names 'name' twice; the second time decides nothing."),
    "two signs": ("--name", "RoomRepository cannot be sorted by '-name'. Did you mean 'name'"),
    "an empty part": ("name,,id", "RoomRepository cannot be sorted by ''."),
    "only a sign": ("-", "RoomRepository cannot be sorted by ''."),
    "only a comma": (",", "RoomRepository cannot be sorted by ''."),
    "too long": ("n" * 1001, "A sort has at most 1000 characters; got 1001."),
    "too many": (["name"] * 300, "A sort has at most 1000 characters; got 1200."),
    "NUL": ("na\0me", "RoomRepository cannot be sorted by 'na\\x00me'. Did you mean 'name'?"),
    "a number": (3, "A sort is a text such as '-name'; got 3."),
    "nothing at all": (None, "A sort is a text such as '-name'; got None."),
    "numbers": ([3], "A sort is a text such as '-name'; got [3]."),
    "an expression": (Room.name, "A sort is a text such as '-name'; got Room.name."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_declared_is_refused(case: str):
    text, message = REFUSED[case]
    with pytest.raises(InvalidSort) as caught:
        SORTS.parse(text)
    assert str(caught.value).startswith(message)


def test_the_error_has_the_name():
    with pytest.raises(InvalidSort) as caught:
        SORTS.parse("id,-nmae")
    assert caught.value.name == "nmae"


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no tuple": ({"sortable": Room.name}, "R.sortable expects a tuple, such as (Album.title, Album.id); got Room.name."),
    "a name": ({"sortable": ("name",)}, "R.sortable: Expected a mapped attribute such as Room.id, a column(...), or a computed attribute; got 'name'. Give any other expression a name in the repository: name = expression(...)."),
    "a direction": ({"sortable": (Room.name.desc(),)}, "R.sortable: room.name DESC has a direction, which is the caller's to choose (-name is descending). Leave it away; a place for NULLs may stay."),
    "a direction of a computed attribute": ({"sortable": (RoomRepository.booking_count.asc(),)}, "R.sortable: RoomRepository.booking_count.asc() has a direction"),
    "a direction and a place": ({"sortable": (Room.price.desc().nulls_last(),)}, "R.sortable: room.price DESC has a direction"),
    "a relationship": ({"sortable": (Room.owner,)}, "R.sortable: Room.owner is a relationship, which has no value."),
    "another entity": ({"sortable": (Guest.name,)}, "R.sortable: Guest.name is not an attribute of Room. One of a related entity is written column(Room.relation, Guest.name)."),
    "an expression": ({"sortable": (sa.func.lower(Room.name),)}, "R.sortable: Expected a mapped attribute"),
    "a negative value": ({"sortable": (-Room.price,)}, "R.sortable: Expected a mapped attribute"),
    "an expression with a place": ({"sortable": (sa.func.lower(Room.name).nulls_last(),)}, "R.sortable: Expected a mapped attribute"),
    "rows": ({"x": (x := top(Room.bookings, 1)), "sortable": (x,)}, "R.sortable: R.x has no value in SQL: it is a list of rows."),
    "computed without a name": ({"sortable": (count(Room.bookings),)}, "R.sortable: aggregate has no name."),
    "JSON": ({"sortable": (Room.layout,)}, "R.sortable: layout has the type JSON(), which has no order."),
    "twice": ({"sortable": (Room.name, Room.name.nulls_last())}, "R.sortable has the name 'name' twice."),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_found_at_start_up_and_named(case: str):
    attributes, message = MISTAKES[case]
    with pytest.raises(DeclarationError) as caught:
        Database("sqlite+aiosqlite://", repositories=[declared(**attributes)])
    assert str(caught.value).startswith(message)


def test_declarations_are_inherited():
    class More(RoomRepository):
        pass

    class Fewer(RoomRepository):
        sortable = (Room.id,)

    assert read(More).names == NAMES
    assert read(Fewer).names == ("id",)


# --- in the database --------------------------------------------------------------------------------------

GUESTS = [{"id": 1, "name": "Ann"}, {"id": 2, "name": "Bob"}]

_room = st.fixed_dictionaries(
    {
        "name": st.sampled_from("abc"),
        "price": st.sampled_from([None, 1, 2]),
        "floor": st.sampled_from([None, 0, 1]),
        "owner_id": st.sampled_from([None, 1, 2]),
    }
)
_sorts = st.lists(
    st.sampled_from(["name", "price", "floor", "owner.name", "booking_count", "longest"]),
    unique=True,
    max_size=3,
)


def _expected(rows: list[Row], sort: list[str]) -> list[int]:
    """Sorted from the last term to the first, since sorting is stable; NULLs as the declaration has them."""
    ordered = sorted(rows, key=lambda row: row["id"])
    for part in reversed(sort):
        name = part.lstrip("-")
        present = [row for row in ordered if row[name] is not None]
        missing = [row for row in ordered if row[name] is None]
        present.sort(key=lambda row: row[name], reverse=part.startswith("-"))
        # `reverse=True` keeps the order of equal ones.
        ordered = missing + present if name == "floor" else present + missing
    return [row["id"] for row in ordered]


@pytest.fixture(scope="module")
def play(module_database_url: str) -> Iterator[Play]:
    with playing(module_database_url, Base.metadata, repositories=REPOSITORIES) as play:
        yield play


@given(
    rows=st.lists(_room, min_size=1, max_size=8),
    nights=st.lists(st.tuples(st.integers(1, 8), st.integers(1, 3)), max_size=8),
    names=_sorts,
    signs=st.lists(st.sampled_from(["", "-"]), min_size=3, max_size=3),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_come_in_that_order(
    play: Play,
    rows: list[Row],
    nights: list[tuple[int, int]],
    names: list[str],
    signs: list[str],
) -> None:
    rooms = [{"id": number, **row} for number, row in enumerate(rows, 1)]
    bookings = [{"room_id": room, "guest_id": 1, "nights": n} for room, n in nights if room <= len(rooms)]
    sort = [sign + name for sign, name in zip(signs, names, strict=False)]
    play(_check_order, rooms, bookings, sort)


async def _check_order(db: Database, rooms: list[Row], bookings: list[Row], sort: list[str]) -> None:
    await _fill(db.engine, rooms, bookings)
    names = {guest["id"]: guest["name"] for guest in GUESTS}
    known = [
        room
        | {
            "owner.name": names.get(room["owner_id"]),
            "booking_count": sum(b["room_id"] == room["id"] for b in bookings),
            "longest": max((b["nights"] for b in bookings if b["room_id"] == room["id"]), default=None),
        }
        for room in rooms
    ]
    async with db.scope() as scope:
        repository = RoomRepository(scope)
        order = (*repository.sorting(",".join(sort)), Room.id) if sort else Room.id
        with assert_statements(1, db):
            assert [room.id for room in await repository.find(order_by=order)] == _expected(known, sort)
        if sort:
            ids: list[int] = []
            cursor = None
            while True:
                page = await repository.page(order_by=repository.sorting(sort), first=3, after=cursor)
                ids += [room.id for room in page.items]
                cursor = page.end_cursor
                if not page.has_next:
                    break
            assert sorted(ids) == [room["id"] for room in rooms]
            values = [next(room for room in known if room["id"] == i)[sort[0].lstrip("-")] for i in ids]
            first = [
                next(room for room in known if room["id"] == i)[sort[0].lstrip("-")]
                for i in _expected(known, sort[:1])
            ]
            assert values == first


async def _fill(engine: AsyncEngine, rooms: list[Row], bookings: list[Row]) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        for table in reversed(Base.metadata.sorted_tables):
            await connection.execute(table.delete())
        for cls, rows in ((Guest, GUESTS), (Room, rooms), (Booking, bookings)):
            if rows:
                await connection.execute(sa.insert(cls), rows)


async def test_no_sort_is_the_default_order(database_url: str):
    async with Database(database_url, repositories=REPOSITORIES) as db:
        await _fill(db.engine, [{"id": i, "name": name} for i, name in enumerate("bab", 1)], [])
        async with db.scope() as scope:
            rooms = RoomRepository(scope)
            for nothing in ("", " ", []):
                found = await rooms.find(order_by=rooms.sorting(nothing))
                assert [room.id for room in found] == [2, 1, 3]
            (by_key,) = BookingRepository(scope).sorting("")  # without a default order
            assert str(by_key.expression) == "Booking.id"


async def test_an_order_is_taken_wherever_one_goes(database_url: str):
    async with Database(database_url, repositories=REPOSITORIES) as db:
        await _fill(db.engine, [{"id": i, "name": str(i)} for i in (1, 2)], [])
        async with db.scope() as scope:
            rooms = RoomRepository(scope)
            order = rooms.sorting("-booking_count,-id")
            assert [room.id for room in await rooms.find(order_by=order)] == [2, 1]
            first = await rooms.first(order_by=order)
            assert first is not None
            assert first.id == 2
            assert [room.id for room in await rooms.find(order_by=[*order, Room.name])] == [2, 1]


def test_a_place_for_nulls_without_a_direction_is_valid_sql():
    for element in (Room.price.nulls_last(), Room.price.nullslast(), RoomRepository.longest.nulls_last()):
        text = str(sa.select(Room.id).order_by(OrderTerm.parse(element).element))
        assert text.endswith("ASC NULLS LAST")


def test_a_path_and_an_expression_may_have_a_place_for_nulls():
    label = expression(Room.name + "?")
    sorts = read(declared(x=label, sortable=(label.nulls_first(), column(Room.name).nulls_last())))
    assert [(term.descending, term.nulls) for term in sorts.parse("-x,name")] == [
        (True, "first"),
        (False, "last"),
    ]
