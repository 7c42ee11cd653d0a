"""Repository types: what their fields are made of, and what is refused when they are declared."""

from __future__ import annotations

import datetime as dt
import enum
import logging
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from uuid import UUID

import pytest
import pytest_asyncio
import sqlalchemy as sa
import strawberry
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship, synonym
from strawberry import auto
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission
from strawberry.scalars import Base64
from strawberry.schema_directive import Location

from batchrepo import (
    Database,
    DeclarationError,
    Repository,
    average,
    batched,
    column,
    count,
    earliest,
    exists,
    expression,
    fetched,
    latest,
    maximum,
    minimum,
    predicate,
    top,
    total,
)
from batchrepo.integrations.strawberry import (
    BigInt,
    Connection,
    Duration,
    ScopeExtension,
    attribute,
    check_schema,
    connection,
    field,
    many,
    one,
    related,
    repository_type,
)
from tests.support.graphql_store import answer, counting


@pytest.fixture(autouse=True)
def quiet_strawberry(caplog):
    caplog.set_level(logging.CRITICAL, logger="strawberry.execution")


class Base(DeclarativeBase):
    pass


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


class Reversed(sa.TypeDecorator[str]):
    """A text that is stored backwards."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return value and value[::-1]

    def process_result_value(self, value, dialect):
        return value and value[::-1]


class Box(Base):
    """A column of each type."""

    __tablename__ = "box"

    id: Mapped[int] = mapped_column(sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    note: Mapped[str | None]
    small: Mapped[int] = mapped_column(sa.SmallInteger)
    large: Mapped[int] = mapped_column(sa.BigInteger)
    ratio: Mapped[float]
    price: Mapped[Decimal] = mapped_column(sa.Numeric(10, 2))
    open: Mapped[bool]
    raw: Mapped[bytes]
    day: Mapped[dt.date]
    hour: Mapped[dt.time]
    moment: Mapped[dt.datetime]
    lasts: Mapped[dt.timedelta]
    serial: Mapped[UUID]
    data: Mapped[Any] = mapped_column(sa.JSON)
    color: Mapped[Color]
    state: Mapped[str] = mapped_column(sa.Enum("new", "old", name="box_state"))
    odd: Mapped[str] = mapped_column(sa.Enum("not yet", "42", name="odd_state"))
    tags: Mapped[list[str]] = mapped_column(sa.ARRAY(sa.String).with_variant(sa.JSON, "sqlite"))
    hidden: Mapped[str] = mapped_column(Reversed)
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("box.id"))

    parent: Mapped[Box | None] = relationship(remote_side=lambda: Box.id, back_populates="children")
    children: Mapped[list[Box]] = relationship(back_populates="parent", order_by=lambda: Box.id)
    things: Mapped[list[Thing]] = relationship(back_populates="box", order_by=lambda: Thing.id)
    nick = synonym("name")
    double = column_property(sa.literal_column("small * 2", sa.Integer))

    @hybrid_property
    def loud(self) -> str:
        return self.name + "!"

    @loud.inplace.expression
    @classmethod
    def _loud(cls) -> sa.ColumnElement[str]:
        return cls.name + sa.literal("!")

    @hybrid_property
    def only_here(self) -> int:
        return len(self.things)


class Thing(Base):
    __tablename__ = "thing"

    id: Mapped[int] = mapped_column(primary_key=True)
    box_id: Mapped[int] = mapped_column(sa.ForeignKey("box.id"))
    weight: Mapped[int]
    gone: Mapped[bool] = mapped_column(default=False)

    box: Mapped[Box] = relationship(back_populates="things")


@batched
async def ages(keys: list[str]) -> dict[str, int]:
    return {key: len(key) for key in keys}


class BoxRepository(Repository[Box]):
    shout = expression(Box.name + "?")
    thing_count = count(Box.things)
    filled = exists(Box.things)
    weight = total(Box.things, Thing.weight)
    least = minimum(Box.things, Thing.weight)
    most = maximum(Box.things, Thing.weight)
    mean = average(Box.things, Thing.weight)
    age = fetched(ages, key=Box.name)
    heavy = top(Box.things, 2, order_by=Thing.weight.desc())
    heaviest = latest(Box.things, by=Thing.weight)
    lightest = earliest(Box.things, by=Thing.weight)


class ThingRepository(Repository[Thing]):
    pass


REPOSITORIES = (BoxRepository, ThingRepository)


@repository_type(BoxRepository)
class BoxType:
    """A box."""

    id: auto
    name: auto
    note: auto
    small: auto
    large: auto
    ratio: auto
    price: auto
    open: auto
    raw: auto
    day: auto
    hour: auto
    moment: auto
    lasts: auto
    serial: auto
    data: auto
    color: auto
    state: auto
    odd: auto
    tags: auto
    hidden: auto
    nick: auto
    double: auto
    loud: auto
    shout: auto
    thing_count: auto
    filled: auto
    weight: auto
    least: auto
    most: auto
    mean: auto
    age: int
    parent_name: str | None = attribute(column(Box.parent, Box.name))
    heavy: list[ThingType]
    heaviest: ThingType | None
    lightest: ThingType | None
    parent: BoxType | None
    children: list[BoxType]
    things: Connection[ThingType]


@repository_type(ThingRepository)
class ThingType:
    id: strawberry.ID
    weight: auto
    box: BoxType
    box_name: auto = attribute(column(Thing.box, Box.name))


@strawberry.type
class Query:
    boxes: list[BoxType] = many(order_by=Box.id)
    box: BoxType | None = one()
    things: Connection[ThingType] = connection()


ROW: dict[str, Any] = {
    "id": 1,
    "name": "a",
    "note": None,
    "small": 3,
    "large": 2**60,
    "ratio": 1.5,
    "price": Decimal("9.90"),
    "open": True,
    "raw": b"\x00\xff",
    "day": dt.date(2026, 1, 31),
    "hour": dt.time(12, 30),
    "moment": dt.datetime(2026, 1, 31, 12, 30),
    "lasts": dt.timedelta(minutes=3, seconds=20),
    "serial": UUID("018f4e3a-7b5c-7d2e-9a41-3c6f0e8b1d27"),
    "data": {"a": [1, None]},
    "color": Color.RED,
    "state": "old",
    "odd": "not yet",
    "tags": ["x", "y"],
    "hidden": "abc",
    "parent_id": None,
}

WRITTEN = {
    "id": (1, "BigInt!"),
    "name": ("a", "String!"),
    "note": (None, "String"),
    "small": (3, "Int!"),
    "large": ("1152921504606846976", "BigInt!"),
    "ratio": (1.5, "Float!"),
    "price": ("9.90", "Decimal!"),
    "open": (True, "Boolean!"),
    "raw": ("AP8=", "Base64!"),
    "day": ("2026-01-31", "Date!"),
    "hour": ("12:30:00", "Time!"),
    "moment": ("2026-01-31T12:30:00", "DateTime!"),
    "lasts": ("PT3M20S", "Duration!"),
    "serial": ("018f4e3a-7b5c-7d2e-9a41-3c6f0e8b1d27", "UUID!"),
    "data": ({"a": [1, None]}, "JSON!"),
    "color": ("RED", "Color!"),
    "state": ("old", "BoxState!"),
    "odd": ("not yet", "String!"),
    "tags": (["x", "y"], "[String]!"),
    "hidden": ("abc", "String!"),
    "nick": ("a", "String"),
    "double": (6, "Int"),
    "loud": ("a!", "String"),
    "shout": ("a?", "String"),
    "thingCount": (2, "Int!"),
    "filled": (True, "Boolean!"),
    "weight": (7, "BigInt!"),
    "least": (2, "Int"),
    "most": (5, "Int"),
    "mean": (3.5, "Float"),
    "age": (1, "Int!"),
    "parentName": (None, "String"),
}


@pytest_asyncio.fixture
async def boxes(database_url):
    async with Database(database_url, repositories=REPOSITORIES) as database:
        async with database.engine.begin() as connected:
            await connected.run_sync(Base.metadata.create_all)
            await connected.execute(sa.insert(Box), ROW)
            await connected.execute(sa.insert(Box), {**ROW, "id": 2, "name": "b", "parent_id": 1})
            await connected.execute(
                sa.insert(Thing), [{"id": n, "box_id": 1, "weight": weight} for n, weight in ((1, 2), (2, 5))]
            )
        yield database


@pytest.mark.parametrize("pass_through", [True, False], ids=["passed", "visited"])
async def test_every_type_of_column_and_of_computed_attribute(boxes, pass_through):
    schema = strawberry.Schema(Query, extensions=[lambda: ScopeExtension(boxes, pass_through=pass_through)])
    with counting(boxes, 2):  # the box, and aggregates of its things; it has no parent to ask for
        found = (await answer(schema, f"{{ boxes(limit: 1) {{ {' '.join(WRITTEN)} }} }}"))["boxes"][0]
    assert found == {name: value for name, (value, _) in WRITTEN.items()}
    fields = schema._schema.get_type("Box").fields
    assert {name: str(fields[name].type) for name in WRITTEN} == {n: kind for n, (_, kind) in WRITTEN.items()}


@pytest.mark.parametrize("look_ahead", [True, False], ids=["planned", "loaded"])
async def test_relations_of_every_shape(boxes, look_ahead):
    schema = strawberry.Schema(Query, extensions=[lambda: ScopeExtension(boxes, look_ahead=look_ahead)])
    query = """{ boxes { name parent { name parentName } parentName children { name } heavy { id boxName }
        heaviest { weight } lightest { weight box { name } } things(first: 1) { totalCount edges { node { id } } } } }"""
    found = (await answer(schema, query))["boxes"]
    assert found == [
        {
            "name": "a",
            "parent": None,
            "parentName": None,
            "children": [{"name": "b"}],
            "heavy": [{"id": "2", "boxName": "a"}, {"id": "1", "boxName": "a"}],
            "heaviest": {"weight": 5},
            "lightest": {"weight": 2, "box": {"name": "a"}},
            "things": {"totalCount": 2, "edges": [{"node": {"id": "1"}}]},
        },
        {
            "name": "b",
            "parent": {"name": "a", "parentName": None},
            "parentName": "a",
            "children": [],
            "heavy": [],
            "heaviest": None,
            "lightest": None,
            "things": {"totalCount": 0, "edges": []},
        },
    ]


# --- what is refused --------------------------------------------------------------------------------


def refused_at_once(match, repository=BoxRepository, **annotations):
    """A class with these annotations is refused when it is declared."""
    values = {name: value[1] for name, value in annotations.items() if isinstance(value, tuple)}
    kinds = {name: value[0] if isinstance(value, tuple) else value for name, value in annotations.items()}
    cls = type("BadType", (), {"__annotations__": kinds, "__module__": __name__, **values})
    with pytest.raises(DeclarationError) as caught:
        repository_type(repository)(cls)
    assert str(caught.value) == match


WRONG: dict[str, tuple[Any, str]] = {
    "an unknown name": (
        {"nam": auto},
        (
            "BadType.nam: Box has no attribute 'nam', and BoxRepository computes none. Did you mean 'name'? Write a resolver "
            "of your own with @strawberry.field."
        ),
    ),
    "a hybrid without SQL": (
        {"only_here": auto},
        (
            "BadType.only_here: Box.only_here has no SQL form: it works on instances only. Give it an expression, or write a "
            "resolver with @field(requires=(...))."
        ),
    ),
    "another type": (
        {"small": str},
        "BadType.small: small holds values of type int, but the field is str. Write int, or auto.",
    ),
    "an int for a text": (
        {"name": int},
        "BadType.name: name holds values of type str, but the field is int. Write str, or auto.",
    ),
    "a list for a value": (
        {"name": list[str]},
        "BadType.name: name holds values of type str, but the field is list[str]. Write str, or auto.",
    ),
    "a date for a moment": (
        {"moment": dt.date},
        "BadType.moment: moment holds values of type datetime, but the field is date. Write datetime, or auto.",
    ),
    "a plain timedelta is a scalar that nobody has": (
        {"lasts": float},
        "BadType.lasts: lasts holds values of type Duration, but the field is float. Write Duration, or auto.",
    ),
    "an object for a value": (
        {"name": ThingType},
        "BadType.name: name holds values of type str, but the field is ThingType. Write str, or auto.",
    ),
    "no None where there may be NULL": (
        {"note": str},
        "BadType.note: 'note' may be NULL, but the field does not allow None. Write str | None, or auto.",
    ),
    "no None where an aggregate has none": (
        {"most": int},
        (
            "BadType.most: BoxRepository.most is None where Box.things is empty, but the field does not allow None. Write "
            "int | None, or auto."
        ),
    ),
    "no None along a relation": (
        {"up": (str, attribute(column(Box.parent, Box.name)))},
        (
            "BadType.up: Box.parent may be None (its key is nullable, or no foreign key promises a row of Box), but the field "
            "does not allow None. Write str | None, or auto."
        ),
    ),
    "auto for what a function finds": (
        {"age": auto},
        "BadType.age is auto, but the Python type of age=fetched(name) is not known. Write the type instead of auto.",
    ),
    "auto for a relation": (
        {"parent": auto},
        'BadType.parent leads to Box, of which there may be several types. Name one: parent: "BoxType".',
    ),
    "a value": (
        {"name": (str, "x")},
        "BadType.name has the value 'x', but it is read from the database. Leave the value away.",
    ),
    "None as a value": (
        {"note": (str | None, None)},
        (
            "BadType.note has the value None, but it is read from the database. Leave the value away; None is allowed by "
            "the type: note: ... | None."
        ),
    ),
    "one for a list": (
        {"things": ThingType},
        (
            "BadType.things: Box.things leads to a list of Thing, but the field is ThingType. Write "
            'list["ThingType"] or Connection["ThingType"].'
        ),
    ),
    "a list for one": (
        {"parent": list[BoxType]},
        'BadType.parent: Box.parent leads to one Box, but the field is list[BoxType]. Write "BoxType" | None.',
    ),
    "pages of one": (
        {"parent": Connection[BoxType]},
        'BadType.parent: Box.parent leads to one Box, but the field is Connection[BoxType]. Write "BoxType" | None.',
    ),
    "pages of the first few": (
        {"heavy": Connection[ThingType]},
        "BadType.heavy: BoxRepository.heavy has a fixed number of rows, so there are no pages to turn. Write list[...].",
    ),
    "no None for a nullable relation": (
        {"parent": BoxType},
        (
            "BadType.parent: Box.parent may be None (its key is nullable, or no foreign key promises a row of Box), but the "
            "field does not allow None. Write BoxType | None."
        ),
    ),
    "no None for the first of a list": (
        {"heaviest": ThingType},
        (
            "BadType.heaviest: BoxRepository.heaviest is None where Box.things is empty, but the field does not allow None. "
            "Write ThingType | None."
        ),
    ),
    "another entity": (
        {"things": list[BoxType]},
        "BadType.things: Box.things leads to Thing, but BoxType shows Box. Name a type of Thing.",
    ),
    "a value for a relation": (
        {"things": list[str]},
        (
            "BadType.things: Box.things leads to Thing, so the field needs a class with @repository_type(...) of Thing; "
            "got str."
        ),
    ),
    "attribute() of a relation": (
        {"x": (list[ThingType], attribute(Box.things))},
        "BadType.x: Box.things is a relationship. Write related(Box.things).",
    ),
    "attribute() of another entity": (
        {"x": (auto, attribute(Thing.weight))},
        (
            "BadType.x: Thing.weight is not an attribute of Box. One of a related entity is written "
            "column(Box.relation, Thing.weight)."
        ),
    ),
    "attribute() of nothing": (
        {"x": (auto, attribute("name"))},
        (
            "BadType.x: attribute() expects a mapped attribute such as Box.id, a column(...) or a computed attribute; "
            "got 'name'."
        ),
    ),
    "related() of another entity": (
        {"x": (BoxType, related(Thing.box))},
        "BadType.x: Thing.box is not a relationship of Box. It has: children, parent, things.",
    ),
    "a condition on another table": (
        {"x": (list[ThingType], related(Box.things, where=Box.id == 1))},
        (
            "BadType.x: box.id = :id_1 has columns of box, where only columns of Thing can be used. A condition on related "
            "rows is written with .has(...) or .any(...)."
        ),
    ),
    "a limit of one row": (
        {"x": (BoxType | None, related(Box.parent, first=1))},
        "BadType.x: Box.parent leads to one row, so first= and order_by= mean nothing.",
    ),
    "a limit on the first few": (
        {"x": (list[ThingType], related(BoxRepository.heavy, first=1))},
        (
            "BadType.x: BoxRepository.heavy has its own conditions, order and number of rows. Leave where=, order_by= and "
            "first= away, or follow Box.things instead."
        ),
    ),
    "a filter that may leave nothing": (
        {"x": (BoxType, related(Box.parent, where=Box.small > 1))},
        "BadType.x: where= may leave nothing, but the field does not allow None. Write BoxType | None.",
    ),
    "two fields in one": (
        {"name": (Annotated[str, strawberry.field(name="a")], strawberry.field(name="b"))},
        "BadType.name has several fields. Give it one: in Annotated, or as its value.",
    ),
}


@pytest.mark.parametrize(("annotations", "message"), WRONG.values(), ids=WRONG)
def test_mistakes_are_refused_when_the_class_is_declared(annotations, message):
    refused_at_once(message, **annotations)


def test_a_type_may_not_have_what_the_policy_of_its_repository_forbids():
    class Closed(Repository[Box]):
        loading = {Box.things: "forbid"}  # noqa: RUF012

    refused_at_once(
        "BadType.things: Box.things has the policy 'forbid' and may not be read. Remove the field or the policy.",
        Closed,
        things=list[ThingType],
    )


def test_a_type_says_none_where_row_criteria_may_hide_what_it_shows():
    class SomeBoxes(Repository[Box]):
        criteria = (predicate(Box.small > 0),)

    @repository_type(SomeBoxes)
    class SomeBoxType:
        id: auto

    refused_at_once(
        "BadType.box: Thing.box is None where row criteria hide the Box, but the field does not allow None. Write "
        "SomeBoxType | None.",
        ThingRepository,
        box=SomeBoxType,
    )


def test_objects_need_a_place_for_their_row():
    class Slotted:
        __slots__ = ()
        __annotations__ = {"id": auto}

    with pytest.raises(DeclarationError, match="Slotted has __slots__, but its objects have the row"):
        repository_type(BoxRepository)(Slotted)


def test_a_class_that_is_no_repository_is_refused():
    for given in (Box, None, BoxType):
        with pytest.raises(DeclarationError, match="@repository_type expects a repository class"):
            repository_type(given)  # type: ignore[arg-type]


# --- when the schema is made ------------------------------------------------------------------------


@repository_type(BoxRepository, name="Late")
class LateType:
    things: list[DefinedLater]  # noqa: F821


def test_a_type_that_is_defined_later_is_checked_when_the_schema_is_made():
    globals()["DefinedLater"] = BoxType

    @strawberry.type(name="Query")
    class Root:
        box: LateType | None = one()

    with pytest.raises(DeclarationError) as caught:
        strawberry.Schema(Root)
    assert str(caught.value) == (
        "LateType.things: Box.things leads to Thing, but BoxType shows Box. Name a type of Thing."
    )


@repository_type(ThingRepository, name="LazyThing")
class LazyThingType:
    box: Annotated["LazyBoxType", strawberry.lazy("tests.integrations.strawberry.test_types")]  # noqa: UP037


@repository_type(BoxRepository, name="LazyBox")
class LazyBoxType:
    things: list[Annotated[LazyThingType, strawberry.lazy("tests.integrations.strawberry.test_types")]]
    parent: LazyBoxType | None


@strawberry.type(name="Query")
class Lazy:
    box: LazyBoxType | None = one()


async def test_forward_references_quoted_lazy_and_mutual(boxes):
    schema = strawberry.Schema(Lazy, extensions=[lambda: ScopeExtension(boxes)])
    found = await answer(
        schema, "{ box(id: 1) { things { box { things { __typename } parent { __typename } } } } }"
    )
    assert found["box"]["things"][0]["box"] == {"things": [{"__typename": "LazyThing"}] * 2, "parent": None}


# --- several types, and inheritance -----------------------------------------------------------------


@strawberry.interface
class Named:
    name: str

    @strawberry.field
    def kind(self) -> str:
        return type(self).__name__


@repository_type(BoxRepository)
class PublicBoxType(Named):
    """What everybody may see."""

    small: strawberry.Private[int]
    count_of: ClassVar[int] = 0

    @field(requires=("small", "large", "thing_count"))
    def score(self) -> BigInt:
        own: Any = self
        return self.small + own.large + own.thing_count


class AdminBoxes(BoxRepository):
    """More of the same entity."""

    weight = total(Box.things, Thing.weight, where=Thing.weight > 2)


@repository_type(AdminBoxes, description="All of it.")
class AdminBoxType(PublicBoxType):
    weight: auto
    inner: list[AdminBoxType] = related(Box.children)


@strawberry.type(name="Query")
class Several:
    public: list[PublicBoxType] = many(order_by=Box.id)
    admin: list[AdminBoxType] = many(order_by=Box.id)


async def test_several_types_of_one_entity_inherit_fields_and_resolvers(database_url, boxes):
    async with Database(database_url, repositories=(*REPOSITORIES, AdminBoxes)) as database:
        schema = strawberry.Schema(Several, extensions=[lambda: ScopeExtension(database)])
        with counting(database, 5):  # each type: boxes and their aggregates; the inner ones
            found = await answer(
                schema,
                """{ public { ...named score } admin { ...named weight score inner { name } } }
                fragment named on Named { name kind }""",
            )
    assert found["public"][0] == {"name": "a", "kind": "PublicBoxType", "score": str(2**60 + 5)}
    assert found["admin"][0] == {
        "name": "a",
        "kind": "AdminBoxType",
        "weight": 5,
        "score": str(2**60 + 5),
        "inner": [{"name": "b"}],
    }
    assert schema._schema.get_type("AdminBox").description == "All of it."
    assert schema._schema.get_type("PublicBox").description == "What everybody may see."
    assert "small" not in schema._schema.get_type("PublicBox").fields


def test_inherited_fields_must_be_of_the_entity_of_the_class():
    class NoBoxType(BoxType):
        pass

    with pytest.raises(DeclarationError, match=r"NoBoxType\.name: Thing has no attribute 'name'"):
        repository_type(ThingRepository)(NoBoxType)


def test_what_a_resolver_requires_must_be_there_and_a_value():
    for names, message in (
        (("nam",), "BadType.x: requires=: Box has no attribute 'nam'"),
        (("things",), "BadType.x: requires= names things, a relation"),
    ):

        class BadType:
            @field(requires=names)
            def x(self) -> int:
                return 1

        with pytest.raises(DeclarationError) as caught:
            repository_type(BoxRepository)(BadType)
        assert str(caught.value).startswith(message)


# --- Strawberry's own around fields that are read ---------------------------------------------------


class Allowed(BasePermission):
    message = "Not for you."

    def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        return bool(info.context["admin"])


class Louder(FieldExtension):
    async def resolve_async(self, next_: Any, source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        return (await next_(source, info, **kwargs)).upper()


@strawberry.schema_directive(locations=[Location.FIELD_DEFINITION])
class Costly:
    points: int


@repository_type(BoxRepository)
class GuardedType:
    """Fields with all that Strawberry's fields may have."""

    shown: str = attribute(Box.name, extensions=[Louder()], directives=[Costly(points=3)])
    secret: str = attribute(Box.hidden, name="secretText", permission_classes=[Allowed])
    note: auto = strawberry.field(permission_classes=[Allowed], description="For some.")
    small: Annotated[auto, strawberry.field(name="little", deprecation_reason="use large")]
    things: Connection[ThingType] = strawberry.field(permission_classes=[Allowed])
    children: list[GuardedType] = related(Box.children, permission_classes=[Allowed])


@strawberry.type(name="Query")
class Guarded:
    boxes: list[GuardedType] = many(order_by=Box.id)
    box: GuardedType | None = one(permission_classes=[Allowed])


@pytest.mark.parametrize("look_ahead", [True, False], ids=["planned", "loaded"])
async def test_permissions_extensions_and_names_of_fields(boxes, look_ahead):
    schema = strawberry.Schema(Guarded, extensions=[lambda: ScopeExtension(boxes, look_ahead=look_ahead)])
    query = "{ boxes { shown secretText note little things(first: 1) { totalCount } children { shown } } }"
    result = await schema.execute(query, context_value={"admin": True})
    assert result.errors is None
    assert result.data == {
        "boxes": [
            {
                "shown": "A",
                "secretText": "abc",
                "note": None,
                "little": 3,
                "things": {"totalCount": 2},
                "children": [{"shown": "B"}],
            },
            {
                "shown": "B",
                "secretText": "abc",
                "note": None,
                "little": 3,
                "things": {"totalCount": 0},
                "children": [],
            },
        ]
    }
    for refused, path in (
        ("{ boxes { note } }", ["boxes", 0, "note"]),
        ("{ boxes { secretText } }", ["boxes", 0, "secretText"]),
        ("{ boxes { children { shown } } }", ["boxes", 0, "children"]),
        ("{ box(id: 1) { shown } }", ["box"]),
    ):
        result = await schema.execute(refused, context_value={"admin": False})
        assert result.errors is not None
        assert (result.errors[0].message, result.errors[0].path) == ("Not for you.", path)
    text = schema.as_str()
    assert 'little: Int! @deprecated(reason: "use large")' in text
    assert "@costly(points: 3)" in text
    assert "For some." in text


# --- against all repositories of a Database ---------------------------------------------------------


@pytest.mark.parametrize(
    ("repositories", "message"),
    [
        ((ThingRepository,), "Query.boxes: BoxRepository is not registered with the Database"),
        ("forbids", "BoxType.parent_name: Box.parent has the policy 'forbid'"),
        (
            "hides",
            "ThingType.box: Thing.box is None where row criteria hide the Box, but the field does not allow",
        ),
    ],
    ids=["unregistered", "forbidden", "hidden"],
)
async def test_what_another_repository_says_holds_too(tmp_path, repositories, message):
    class Forbids(Repository[Box]):
        loading = {Box.parent: "forbid"}  # noqa: RUF012

    class Hides(Repository[Box]):
        criteria = (predicate(Box.small > 0),)

    named = {"forbids": (Forbids, *REPOSITORIES), "hides": (*REPOSITORIES, Hides)}
    given = named[repositories] if isinstance(repositories, str) else repositories
    async with Database(f"sqlite+aiosqlite:///{tmp_path / 'x.db'}", repositories=given) as database:
        schema = strawberry.Schema(Query, extensions=[lambda: ScopeExtension(database)])
        with pytest.raises(DeclarationError, match=message):
            check_schema(schema, database)
        # Sizes of pages are known from repositories: what is missing is told before they are looked at.
        query = "{ boxes { id things { edges { cursor } } } }"
        with counting(database, 0):
            result = await schema.execute(query)
        assert result.errors is not None
        assert result.errors[0].extensions == {"code": "INTERNAL"}
        assert isinstance(result.errors[0].original_error, DeclarationError)


def test_scalars_of_our_own_take_what_they_give():
    """And nothing else."""

    @strawberry.type(name="Query")
    class Root:
        @strawberry.field
        def number(self, value: BigInt) -> BigInt:
            return value

        @strawberry.field
        def time(self, value: Duration) -> Duration:
            return value

        @strawberry.field
        def text(self, value: Base64) -> Base64:
            return value

    schema = strawberry.Schema(Root)
    for field_name, literal, given in (
        ("number", "9007199254740991", 9007199254740991),
        ("number", "9007199254740992", "9007199254740992"),
        ("number", '"-9223372036854775808"', "-9223372036854775808"),
        ("time", '"PT3M20S"', "PT3M20S"),
        ("time", '"-P1D"', "-P1D"),
    ):
        assert schema.execute_sync(f"{{ x: {field_name}(value: {literal}) }}").data == {"x": given}
    for field_name, literal in (
        ("number", "1.5"),
        ("number", "true"),
        ("number", "9223372036854775808"),
        ("number", '"1_0"'),
        ("number", '"x"'),
        ("time", "3"),
        ("time", '"3"'),
        ("time", '"Px"'),
    ):
        result = schema.execute_sync(f"{{ x: {field_name}(value: {literal}) }}")
        assert result.errors is not None, literal
        assert "cannot represent" in result.errors[0].message, literal
