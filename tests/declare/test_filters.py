"""Filters: what a declaration makes of attributes and operators, what it refuses at start-up, and groups."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import AsyncIterator, Callable
from types import new_class
from typing import TYPE_CHECKING, Annotated, Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column, relationship
from sqlalchemy.types import TypeDecorator, UserDefinedType

from batchrepo import (
    Database,
    DeclarationError,
    InvalidFilter,
    Repository,
    any_of,
    batched,
    between,
    column,
    contains,
    count,
    eq,
    expression,
    fetched,
    icontains,
    is_null,
    lt,
    named_filter,
    overlaps,
    period,
    startswith,
    top,
)
from batchrepo.declare.filter_groups import condition_of
from batchrepo.sql.filter_values import FilterValues
from batchrepo.testing import assert_statements
from tests.declare import hotel
from tests.declare.hotel import REPOSITORIES, Booking, BookingRepository, Guest, Room, RoomRepository

if TYPE_CHECKING:
    from decimal import Decimal


def read(repository: type[Repository[Any]]) -> Any:
    """The filters of a repository class, as a Database reads them."""
    return (
        Database("sqlite+aiosqlite://", repositories=[repository])
        .reading.catalog.by_class[repository]
        .filters
    )


def declared(entity: type[Any] = Room, **attributes: Any) -> type[Repository[Any]]:
    base: Any = Repository[entity]  # type: ignore[valid-type]
    return new_class("R", (base,), exec_body=lambda body: body.update(attributes))


# --- what a declaration makes ---------------------------------------------------------------------------


def test_each_attribute_and_operator_make_a_parameter():
    filters = read(
        declared(
            filterable={
                Room.name: (eq, icontains),
                Room.id: any_of,
                column(Room.owner, Guest.name): icontains,
                Room.built: [between],
            }
        )
    )
    assert [p.name for p in filters.parameters] == [
        "name",
        "name__icontains",
        "id__any_of",
        "owner.name__icontains",
        "built__between",
    ]
    assert (
        repr(filters) == "<Filters name, name__icontains, id__any_of, owner.name__icontains, built__between>"
    )
    assert [p.name for p in filters.of("name")] == ["name", "name__icontains"]


PARAMETERS: dict[str, tuple[str, bool, Any, Any]] = {
    "name": ("name is this.", False, {"type": "string", "maxLength": 1000}, "rock"),
    "name__icontains": (
        "name contains this, in capitals or small letters.",
        False,
        {"type": "string", "maxLength": 1000},
        "rock",
    ),
    "floor__ge": ("floor is this or greater.", False, {"type": "integer"}, 3),
    "floor__is_null": ("floor is missing (true) or there (false).", False, {"type": "boolean"}, True),
    "floor__any_of": (
        "floor is one of these.",
        True,
        {"type": "array", "items": {"type": "integer"}, "maxItems": 100},
        [3],
    ),
    "built__between": (
        "built is from the first to the second, both included.",
        False,
        {"type": "string"},
        "2026-01-31,2026-01-31",
    ),
    "cleaned_at": (
        "cleaned_at is this.",
        False,
        {"type": "string", "format": "date-time"},
        "2026-01-31T12:00:00",
    ),
    "side": ("side is this.", False, {"type": "string", "enum": ["north", "south"]}, "north"),
    "booked": ("booked is this.", False, {"type": "boolean"}, True),
    "booking_count__lt": ("booking_count is less than this.", False, {"type": "integer"}, 3),
    "owner.name__ne": (
        "owner.name is not this, or is missing.",
        False,
        {"type": "string", "maxLength": 1000},
        "rock",
    ),
    "for_nights": ("Rooms that somebody has booked for so many nights.", False, {"type": "integer"}, 3),
    "on_floors": ("on floors.", True, {"type": "array", "items": {"type": "integer"}}, None),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_what_a_parameter_says_of_itself(name: str):
    """All that OpenAPI needs: what it asks for, its type, an example, whether it is repeated."""
    parameter = read(RoomRepository).by_name[name]
    description, repeated, schema, example = PARAMETERS[name]
    assert (parameter.description, parameter.repeated) == (description, repeated)
    assert TypeAdapter(parameter.query_type).json_schema() == schema
    assert parameter.query_example == example


def test_a_period_takes_two_moments():
    parameter = read(BookingRepository).by_name["busy__overlaps"]
    assert (parameter.query_type, parameter.query_example) == (
        str,
        "2026-01-31T12:00:00Z,2026-01-31T12:00:00Z",
    )
    assert TypeAdapter(parameter.annotation).json_schema()["maxItems"] == 2


def test_parameters_and_operators_say_what_they_are():
    parameter = read(RoomRepository).by_name["name__icontains"]
    assert (repr(parameter), repr(parameter.operator)) == ("<FilterParameter name__icontains>", "icontains")


def test_every_example_is_one():
    """A client that sends the examples of the documentation gets no error."""
    for repository in (RoomRepository, BookingRepository):
        for parameter in read(repository).parameters:
            if parameter.example is not None:
                parameter.parse(parameter.example)


def test_examples_of_named_filters_are_those_that_their_types_name_or_take():
    def example(kind: Any) -> Any:
        named = _takes(kind)
        cls = new_class("R", (Repository[Room],), {}, lambda body: body.update(found=named))
        return read(cls).by_name["found"].example

    assert example(Annotated[int, Field(ge=2000, examples=[2009, 2010])]) == 2009
    assert example(Annotated[int, Field(ge=1)]) == 3
    assert example(Annotated[int, Field(ge=2000)]) is None
    assert example(Annotated[str, Field(pattern="^[0-9]+$")]) is None


def test_declarations_are_inherited_like_other_attributes():
    class More(RoomRepository):
        @named_filter
        def above(self, floor: int) -> sa.ColumnElement[bool]:
            """Higher up."""
            return Room.floor > floor

    class Fewer(RoomRepository):
        filterable = {Room.name: eq}  # noqa: RUF012
        on_floors = None  # type: ignore[assignment]

    assert [p.name for p in read(More).parameters] == [
        *(p.name for p in read(RoomRepository).parameters),
        "above",
    ]
    assert [p.name for p in read(Fewer).parameters] == ["name", "for_nights"]


def test_without_a_declaration_there_is_nothing_to_filter_by():
    """The mapped attributes are no allow-list: not columns, not relationships, not methods."""
    filters = read(declared())
    assert (len(filters), repr(filters)) == (0, "<Filters nothing>")


def test_a_named_filter_stays_a_method():
    assert str(RoomRepository.on_floors(None, [3])) == str(Room.floor.in_([3]))  # type: ignore[arg-type]


# --- what it refuses at start-up ------------------------------------------------------------------------


class Base(DeclarativeBase):
    pass


class Money(UserDefinedType[Any]):
    cache_ok = True


class Upper(TypeDecorator[str]):
    impl = sa.String
    cache_ok = True


class Sized(TypeDecorator[Any]):
    impl = sa.Integer
    cache_ok = True


class Thing(Base):
    __tablename__ = "thing"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Upper)
    size: Mapped[int | None] = mapped_column(Sized)
    parts: Mapped[list[int]] = mapped_column(Sized)
    either: Mapped[int | str] = mapped_column(Sized)
    bare = mapped_column(Sized)
    cost: Mapped[Any] = mapped_column(Money)
    tags: Mapped[Any] = mapped_column(sa.JSON)
    open: Mapped[bool]
    day: Mapped[dt.date]
    moment: Mapped[dt.datetime]
    kind: Mapped[str] = mapped_column(sa.Enum("a", "b"))
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("owner.id"))
    owner: Mapped[Owner] = relationship(back_populates="things")

    @hybrid_property
    def long_name(self) -> str:
        return sa.cast(self.id, sa.String) + "!"


class Owner(Base):
    __tablename__ = "owner"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    things: Mapped[list[Thing]] = relationship(back_populates="owner")


class Plain:
    """Mapped by hand, so that its annotations are nobody's but its own."""

    id: int
    size: int | None
    parts: list[int]
    elsewhere: Decimal


Base.registry.map_imperatively(
    Plain,
    sa.Table(
        "plain",
        Base.metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        *(sa.Column(name, Sized) for name in ("size", "parts", "elsewhere")),
    ),
)


@batched
async def found(keys: list[int]) -> dict[int, str]:
    return {}


class Unhashed:
    """A type that Pydantic does not know."""


async def _later(self: Any, value: int) -> Any:
    return Thing.id == value


def _takes(annotation: Any) -> Any:
    def method(self: Any, value: Any) -> Any:
        return Thing.id == value

    method.__annotations__ = {} if annotation is None else {"value": annotation}
    return named_filter(method)


OTHER = declared(Thing, other=count(Owner.things))

MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no mapping": ({"filterable": (Thing.id,)}, "R.filterable expects a mapping from attributes to operators, such as {Thing.id: (eq, any_of)}; got"),
    "a name": ({"filterable": {"name": eq}}, "R.filterable: Expected a mapped attribute such as Thing.id, a column(...), or a computed attribute; got 'name'."),
    "a relationship": ({"filterable": {Thing.owner: eq}}, "R.filterable: Thing.owner is a relationship, which has no value. Use a column of it, such as column(Thing.owner, ...)"),
    "a list": ({"filterable": {column(Owner.things, Thing.id): eq}}, "R.filterable: Owner.things is not a relationship of Thing."),
    "another entity": ({"filterable": {Owner.name: eq}}, "R.filterable: Owner.name is not an attribute of Thing. One of a related entity is written column(Thing.relation, Owner.name)."),
    "an alias": ({"filterable": {aliased(Thing).id: eq}}, "R.filterable: aliased(Thing).id belongs to an alias."),
    "an expression": ({"filterable": {sa.func.lower(Thing.name): eq}}, "R.filterable: Expected a mapped attribute such as Thing.id, a column(...), or a computed attribute; got"),
    "a path to nothing": ({"filterable": {column(): eq}}, "R.filterable: column() needs a column"),
    "no operator": ({"filterable": {Thing.id: "eq"}}, "R.filterable: 'eq' for Thing.id is no operator. Expected one of batchrepo's: eq, ne, lt, le, gt, ge, between, overlaps, any_of, is_null, contains, icontains, startswith."),
    "a function of Python": ({"filterable": {Thing.id: (eq, max)}}, "R.filterable: <built-in function max> for Thing.id is no operator."),
    "no operators": ({"filterable": {Thing.id: ()}}, "R.filterable: Thing.id has no operators. Write (eq,), or leave it away."),
    "text in a number": ({"filterable": {Thing.id: icontains}}, "R.filterable: icontains looks into texts, but id has the type Integer()."),
    "text in an enum": ({"filterable": {Thing.kind: contains}}, "R.filterable: contains looks into texts, but kind has the type Enum('a', 'b')."),
    "text in a date": ({"filterable": {Thing.day: startswith}}, "R.filterable: startswith looks into texts, but day has the type Date()."),
    "an order of booleans": ({"filterable": {Thing.open: lt}}, "R.filterable: lt needs values that have an order, but open has the type Boolean()."),
    "an order of enums": ({"filterable": {Thing.kind: between}}, "R.filterable: between needs values that have an order, but kind has the type Enum('a', 'b')."),
    "equality of JSON": ({"filterable": {Thing.tags: any_of}}, "R.filterable: any_of compares single values, but tags has the type JSON()."),
    "overlaps of a column": ({"filterable": {Thing.day: overlaps}}, "R.filterable: overlaps is for period(...), but day has the type Date()."),
    "an unknown type": ({"filterable": {Thing.cost: eq}}, "R.filterable: cost has the type Money(), and it is not known how its values are parsed. Give that type a python_type, or write a method with @named_filter"),
    "a decorator of parts": ({"filterable": {Thing.parts: eq}}, "R.filterable: parts has the type Sized(), and it is not known how its values are parsed."),
    "a decorator of either": ({"filterable": {Thing.either: eq}}, "R.filterable: either has the type Sized(), and it is not known"),
    "a decorator without a type": ({"filterable": {Thing.bare: eq}}, "R.filterable: bare has the type Sized(), and it is not known"),
    "a function's value": ({"x": fetched(found, key=Thing.id), "filterable": lambda x: {x: eq}}, "R.filterable: R.x has no value in SQL: it is made by a batched function."),
    "computed rows": ({"x": top(Thing.owner, 1), "filterable": {}}, "R.x: Thing.owner leads to one Owner"),
    "computed without a name": ({"filterable": {expression(Thing.id + 1): eq}}, "R.filterable: expression has no name. Declare it as an attribute of the repository first: name = expression(...)."),
    "computed for another entity": ({"filterable": {OTHER.other: eq}}, "R.other is computed from Owner, but the repository's entity is Thing."),
    "the same twice": ({"filterable": {Thing.id: eq, column(Thing.id): eq}}, "R.filterable: the filter 'id' is there twice. Each needs a name of its own."),
    "an operator twice": ({"filterable": {Thing.id: (eq, eq)}}, "R.filterable: the filter 'id' is there twice."),
    "a period's name": ({"filterable": {period(Thing.day, Thing.day, name="1x"): overlaps}}, "R.filterable: period(name=...) expects a name; got '1x'."),
    "a period with another operator": ({"filterable": {period(Thing.day, Thing.day, name="x"): (overlaps, eq)}}, "R.filterable: the period 'x' can only be filtered with overlaps."),
    "a period of two types": ({"filterable": {period(Thing.day, Thing.moment, name="x"): overlaps}}, "R.filterable: the period 'x' is from day, a Date(), to moment, a DateTime(). Both must have the same type."),
    "a period without order": ({"filterable": {period(Thing.open, Thing.open, name="x"): overlaps}}, "R.filterable: the period 'x': open has the type Boolean(), which has no order."),
    "a period of another entity": ({"filterable": {period(Thing.id, Owner.id, name="x"): overlaps}}, "R.filterable: Owner.id is not an attribute of Thing."),
    # named filters
    "a named filter that is async": ({"later": named_filter(_later)}, "R.later: named_filter expects a plain method, neither async nor static."),
    "a named filter that is static": ({"fixed": staticmethod(_takes(int))}, "R.fixed: named_filter expects a plain method, neither async nor static."),
    "a named filter without a value": ({"x": named_filter(lambda self: sa.true())}, "R.x: a named filter takes self and one value; got (self)."),
    "a named filter with two values": ({"x": named_filter(lambda self, a, b: sa.true())}, "R.x: a named filter takes self and one value; got (self, a, b)."),
    "a named filter with a keyword": ({"x": named_filter(lambda self, *, a: sa.true())}, "R.x: a named filter takes self and one value; got (self, *, a)."),
    "a named filter without a type": ({"x": _takes(None)}, "R.x: the parameter value has no type, by which its values would be parsed."),
    "a named filter of an unknown type": ({"x": _takes("Nowhere")}, "R.x: the type of value is not known where the method is: name 'Nowhere' is not defined. Import it there"),
    "a named filter of an impossible type": ({"x": _takes(Unhashed)}, "R.x: Pydantic cannot parse"),
    "a named filter that is hidden": ({"_x": _takes(int)}, "R._x starts with an underscore, so that nobody may call it. Rename it."),
    "a named filter that replaces a method": ({"count": _takes(int)}, "R.count would replace Repository.count. Give the named filter another name, such as with_count."),
    "a named filter with the name of another": ({"id": _takes(int), "filterable": {Thing.id: eq}}, "R.id: the filter 'id' is there twice."),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_found_at_start_up_and_named(case: str):
    attributes, message = MISTAKES[case]
    filterable = attributes.get("filterable")
    if callable(filterable):
        attributes = attributes | {"filterable": filterable(attributes["x"])}
    wrong = declared(Thing, **attributes)
    with pytest.raises(DeclarationError) as caught:
        Database("sqlite+aiosqlite://", repositories=[wrong])
    assert str(caught.value).startswith(message)


RIGHT: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a type decorator of what may be missing": ({"filterable": {Thing.size: (eq, lt)}}, ["size", "size__lt"]),
    "a hybrid": ({"filterable": {Thing.long_name: (eq, icontains)}}, ["long_name", "long_name__icontains"]),
    "a type decorator": ({"filterable": {Thing.name: contains}}, ["name__contains"]),
    "an unknown type that may be missing": ({"filterable": {Thing.cost: is_null}}, ["cost__is_null"]),
    "JSON that may be missing": ({"filterable": {Thing.tags: (is_null,)}}, ["tags__is_null"]),
    "an enum": ({"filterable": {Thing.kind: {eq}}}, ["kind"]),
    "a constrained value": ({"few": _takes(Annotated[int, Field(le=9)])}, ["few"]),
    "a period of dates": (
        {"filterable": {period(Thing.day, Thing.day, name="on"): overlaps}},
        ["on__overlaps"],
    ),
}


@pytest.mark.parametrize("case", RIGHT)
def test_what_is_right_is_accepted(case: str):
    attributes, names = RIGHT[case]
    assert [p.name for p in read(declared(Thing, **attributes)).parameters] == names


def test_the_types_of_a_class_that_is_mapped_by_hand():
    mapped: Any = Plain
    assert [p.name for p in read(declared(Plain, filterable={mapped.size: eq})).parameters] == ["size"]
    for attribute in (mapped.parts, mapped.elsewhere):
        with pytest.raises(DeclarationError, match=r"has the type Sized\(\), and it is not known"):
            read(declared(Plain, filterable={attribute: eq}))


# --- groups ---------------------------------------------------------------------------------------------

ROOMS = [
    {"id": i, "name": name, "floor": floor, "quiet": quiet}
    for i, (name, floor, quiet) in enumerate(itertools.product("ab", (None, 0, 1), (None, True, False)), 1)
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rooms_url(module_database_url: str) -> str:
    async with (
        Database(module_database_url, repositories=REPOSITORIES) as db,
        db.engine.begin() as connection,
    ):
        await connection.run_sync(hotel.Base.metadata.create_all)
        await connection.execute(sa.insert(Room), ROOMS)
        await connection.execute(sa.insert(Guest), [{"id": 1, "name": "Ann"}])
        await connection.execute(
            sa.insert(Booking), [{"room_id": i, "guest_id": 1, "nights": i} for i in (1, 2, 2)]
        )
    return module_database_url


@pytest_asyncio.fixture(loop_scope="module")
async def db(rooms_url: str) -> AsyncIterator[Database]:
    async with Database(rooms_url, repositories=REPOSITORIES) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def rooms(db: Database) -> AsyncIterator[RoomRepository]:
    async with db.scope() as scope:
        yield RoomRepository(scope)


_parameter = st.sampled_from(
    [
        ("name", "a"),
        ("name__ne", "b"),
        ("floor", "0"),
        ("floor__ne", "1"),
        ("floor__ge", 0),
        ("floor__is_null", "true"),
        ("quiet", "false"),
        ("quiet__ne", True),
        ("quiet__any_of", ["true"]),
        ("booking_count__ge", "1"),
    ]
)
MET: dict[str, Callable[[Any], bool]] = {
    "name": lambda row: row["name"] == "a",
    "name__ne": lambda row: row["name"] != "b",
    "floor": lambda row: row["floor"] == 0,
    "floor__ne": lambda row: row["floor"] != 1,
    "floor__ge": lambda row: row["floor"] is not None and row["floor"] >= 0,
    "floor__is_null": lambda row: row["floor"] is None,
    "quiet": lambda row: row["quiet"] is False,
    "quiet__ne": lambda row: row["quiet"] is not True,
    "quiet__any_of": lambda row: row["quiet"] is True,
    "booking_count__ge": lambda row: row["id"] in (1, 2),
}
_leaf = st.lists(_parameter, min_size=1, max_size=2).map(dict)
_groups = st.recursive(
    _leaf,
    lambda inner: st.one_of(
        st.builds(lambda part: {"not": part}, inner),
        st.builds(lambda parts: {"and": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"or": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda leaf, part: leaf | {"or": [part, leaf]}, _leaf, inner),
    ),
    max_leaves=6,
)


def _depth(given: dict[str, Any]) -> int:
    inner = [part for name in ("and", "or") for part in given.get(name, ())]
    inner += [given["not"]] if "not" in given else []
    return 1 + max(map(_depth, inner)) if inner else 0


def _met(given: dict[str, Any], row: dict[str, Any]) -> bool:
    parts = {
        "and": lambda value: all(_met(part, row) for part in value),
        "or": lambda value: any(_met(part, row) for part in value),
        "not": lambda value: not _met(value, row),
    }
    return all(parts[name](value) if name in parts else MET[name](row) for name, value in given.items())


@pytest.mark.asyncio(loop_scope="module")
async def test_groups(rooms: RoomRepository):
    """Whatever the nesting, as Python has it: `not` is true wherever the inner filter is not, NULLs included."""

    cases: list[dict[str, Any]] = []

    @given(groups=_groups)
    @settings(max_examples=60, database=None)
    def collect(groups: dict[str, Any]) -> None:
        if _depth(groups) <= 5:
            cases.append(groups)

    collect()
    for groups in cases:
        found_ids = [room.id for room in await rooms.find(rooms.filters(groups), order_by=Room.id)]
        assert found_ids == [row["id"] for row in ROOMS if _met(groups, row)], groups


@pytest.mark.asyncio(loop_scope="module")
async def test_nothing_given_is_everything(rooms: RoomRepository):
    assert await rooms.count(rooms.filters({})) == len(ROOMS)


class RoomView(BaseModel):
    id: int
    booking_count: int


@pytest.mark.asyncio(loop_scope="module")
async def test_every_way_to_read_takes_the_condition(db: Database, rooms: RoomRepository):
    condition = rooms.filters(
        {"booking_count__ge": "1", "floor__is_null": "true", "owner.name__is_null": True}
    )
    with assert_statements(1, db):
        assert [room.id for room in await rooms.find(condition, order_by=Room.id)] == [1, 2]
    assert await rooms.count(condition) == 2
    assert await rooms.exists(condition)
    assert not await rooms.exists(rooms.filters({"booking_count": 9}))
    first = await rooms.first(condition, order_by=Room.id.desc())
    assert first is not None
    assert first.id == 2
    assert [room.id async for room in rooms.stream(condition, chunk_size=1)] == [1, 2]
    for strategy in ("batched", "eager"):
        views = await rooms.find(RoomView, condition, order_by=Room.id, strategy=strategy)
        assert views == [RoomView(id=1, booking_count=1), RoomView(id=2, booking_count=2)]
    body = await rooms.find_json(RoomView, condition, order_by=Room.id)
    assert body == b'[{"id":1,"booking_count":1},{"id":2,"booking_count":2}]'
    page = await rooms.page(RoomView, condition, order_by=RoomRepository.booking_count.desc(), first=1)
    assert [view.id for view in page.items] == [2]
    page = await rooms.page(
        RoomView, condition, order_by=RoomRepository.booking_count.desc(), first=1, after=page.end_cursor
    )
    assert [view.id for view in page.items] == [1]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_named_filter_is_asked_with_the_parsed_value(rooms: RoomRepository):
    by_text = rooms.filters({"on_floors": ["0", "1"]})
    by_hand = rooms.on_floors([0, 1])
    assert await rooms.count(by_text) == await rooms.count(by_hand) == 12
    assert await rooms.count(rooms.filters({"on_floors": "0"})) == 6


@pytest.mark.asyncio(loop_scope="module")
async def test_a_named_filter_sees_the_scope(rooms_url: str):
    class Mine(Repository[Room]):
        @named_filter
        def mine(self, yes: bool) -> sa.ColumnElement[bool]:
            own = Room.name == self.scope.context
            return own if yes else ~own

    async with Database(rooms_url, repositories=[Mine]) as db, db.scope("a") as scope:
        mine = Mine(scope)
        assert {room.name for room in await mine.find(mine.filters({"mine": "true"}))} == {"a"}
        assert {room.name for room in await mine.find(mine.filters({"mine": "false"}))} == {"b"}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_named_filter_that_returns_no_condition_is_a_mistake_of_the_code(rooms_url: str):
    class Wrong(Repository[Room]):
        @named_filter
        def wrong(self, value: int) -> Any:
            return value == 3

    async with Database(rooms_url, repositories=[Wrong]) as db, db.scope() as scope:
        with pytest.raises(DeclarationError, match=r"Wrong.wrong returned no condition: True is not a SQL"):
            Wrong(scope).filters({"wrong": "3"})


@pytest.mark.asyncio(loop_scope="module")
async def test_an_error_of_a_named_filter_itself_goes_on_up(rooms_url: str):
    class Picky(Repository[Room]):
        @named_filter
        def picky(self, value: int) -> Any:
            raise InvalidFilter("Not today.", parameter="picky")

    async with Database(rooms_url, repositories=[Picky]) as db, db.scope() as scope:
        with pytest.raises(InvalidFilter, match=r"^Not today\.$"):
            Picky(scope).filters({"picky": "3"})


@pytest.mark.asyncio(loop_scope="module")
async def test_what_a_named_filter_cannot_use_is_a_mistake_of_the_caller(rooms_url: str):
    class Careless(Repository[Room]):
        @named_filter
        def share(self, of: int) -> sa.ColumnElement[bool]:
            return Room.floor < 100 // of

        @named_filter
        def before(self, year: int) -> sa.ColumnElement[bool]:
            return Room.built < dt.date(year, 1, 1)

        @named_filter
        def above(self, floor: int) -> sa.ColumnElement[bool]:
            return Room.floor > floor

        @named_filter
        def called(self, name: str) -> sa.ColumnElement[bool]:
            return Room.name.in_([name, "a"])

    wrong: list[tuple[str, Any, str]] = [
        ("share", 0, "integer division or modulo by zero"),
        ("before", 0, "year 0 is out of range"),
        ("above", 2**63, "expected an integer of at most 64 bits|expected an integer of at most 32 bits"),
        ("called", "\0", "expected a text without NUL characters"),
    ]
    async with Database(rooms_url, repositories=[Careless]) as db, db.scope() as scope:
        rooms = Careless(scope)
        if db.engine.dialect.name == "postgresql":  # which is told that the parameter has the column's type
            wrong.append(("above", 2**31, "expected an integer of at most 32 bits"))
        else:
            assert await rooms.count(rooms.filters({"above": 2**31})) == 0
        for name, value, told in wrong:
            with pytest.raises(
                InvalidFilter, match=rf"^The filter '{name}' cannot be .*: ({told})"
            ) as caught:
                await rooms.count(rooms.filters({"or": [{name: value}]}))
            assert caught.value.parameter == name
        assert await rooms.count(rooms.filters({"above": 2**31 - 1})) == 0
        assert (
            await rooms.count(rooms.filters({"called": "nobody"})) == await rooms.count(Room.name == "a") > 0
        )


async def test_an_index_serves_what_a_text_begins_with(sqlite_url: str):
    async with Database(sqlite_url, repositories=REPOSITORIES) as db:
        async with db.engine.begin() as connection:
            await connection.run_sync(hotel.Base.metadata.create_all)
            await connection.execute(sa.text("CREATE INDEX by_name ON room (name)"))
        async with db.scope() as scope:
            rooms = RoomRepository(scope)
            condition = rooms.filters({"name__startswith": "50%"})
            compiled = sa.select(Room.id).where(condition).compile(db.engine.sync_engine)
        async with db.engine.connect() as connection:
            plan = await connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {compiled}",
                tuple(compiled.params[name] for name in compiled.positiontup or ()),
            )
            assert "USING COVERING INDEX by_name (name>? AND name<?)" in str(plan.all())


def test_values_travel_unharmed_by_the_types_of_their_columns(postgres_url: str):
    """A cast to VARCHAR(4) would cut a longer text into a wrong match, one to NUMERIC(10, 2) would round."""
    db = Database(postgres_url, repositories=REPOSITORIES)
    filters = db.reading.catalog.by_class[RoomRepository].filters
    values = FilterValues(db.engine.dialect)
    text = str(
        condition_of(filters, {"code": "abcdef", "price__ge": "0.001", "floor": 2**40}, None, values).compile(
            db.engine.sync_engine
        )
    )
    assert "room.code = $1::VARCHAR AND room.price >= $2::NUMERIC AND room.floor = $3::BIGINT" in text
