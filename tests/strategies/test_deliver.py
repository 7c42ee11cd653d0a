"""`find_json` gives, byte for byte, what Pydantic gives for the views that `find` gives."""

from __future__ import annotations

import datetime as dt
import re
import uuid
import warnings
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NewType, Optional, TypeVar

import pytest
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PositiveInt,
    PrivateAttr,
    SerializeAsAny,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WrapSerializer,
    computed_field,
    create_model,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)
from typing_extensions import TypeAliasType

from batchrepo import Database, column, include, unmapped
from tests.strategies.every_type import (
    Child,
    Color,
    Parent,
    ParentRepository,
    Ratio,
    Size,
    Word,
)
from tests.support.databases import EVERY_DRIVER

T = TypeVar("T")


pytestmark = pytest.mark.parametrize("module_database_url", EVERY_DRIVER, indirect=True)


def is_plain(db: Database, view: type[BaseModel]) -> bool:
    info = db.reading.catalog.by_class[ParentRepository]
    return db.reading.views(view, info.entity, info)[0].plain


async def assert_same(db: Database, view: type[BaseModel]) -> None:
    """The bytes are equal with and without aliases; each strategy gives equal views."""
    async with db.scope() as scope:
        parents = ParentRepository(scope)
        views = await parents.find(view)
        assert len(views) == 7
        for by_alias in (True, False):
            expected = TypeAdapter(list[view]).dump_json(views, by_alias=by_alias)
            assert await parents.find_json(view, by_alias=by_alias) == expected
        assert repr(await parents.find(view, strategy="eager")) == repr(views)
        assert await parents.find_json(view, strategy="eager") == await parents.find_json(view)


class ChildView(BaseModel):
    id: int
    name: str


class FrozenChild(BaseModel):
    model_config = ConfigDict(frozen=True)
    name: str


def shouted(value: str) -> str:
    return value.upper() + "!"


# --- what is written without Pydantic -----------------------------------------------------------------


class ChildWithParent(BaseModel):
    id: int
    parent_title: Annotated[str, column(Child.parent, Parent.title)]


class EveryPlainType(BaseModel):
    id: int
    big: int
    title: str
    code: str
    note: str | None
    price: Decimal
    share: Decimal
    weight: float | None
    flag: bool
    moment: dt.datetime
    zoned: dt.datetime
    day: dt.date
    hour: dt.time
    key: uuid.UUID
    key_text: str
    color: Color
    word: Word
    size: Size
    name: str


class Aggregates(BaseModel):
    child_count: int
    any_child: bool
    numbers: int
    mean: float | None
    least: int | None
    dearest: Decimal | None


class Relations(BaseModel):
    """Fields after relations: the order of names in the bytes is the view's."""

    children: list[ChildView]
    id: int
    first_two: list[ChildWithParent]
    newest: ChildView | None
    few: Annotated[list[ChildView], include(Parent.children, first=2, order_by=Child.id.desc())]
    title: str


class Aliased(BaseModel):
    model_config = ConfigDict(alias_generator=lambda name: "x_" + name, populate_by_name=True)
    id: int
    children: list[ChildView]


class SerializationAlias(BaseModel):
    id: int = Field(serialization_alias="ID")
    children: list[ChildView] = Field(serialization_alias="kids", validation_alias="anything")


class ValidationAlias(BaseModel):
    ident: int = Field(validation_alias="id")
    kids: list[ChildView] = Field(alias="children")
    caption: str = Field(validation_alias=AliasChoices("absent", "title"))


class Documented(BaseModel):
    """Titles, descriptions, defaults and examples change nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="T", json_schema_extra={"x": 1})
    id: int = Field(default=5, title="t", description="d", examples=[1], deprecated="no more")
    note: str | None = None
    children: list[ChildView] = Field(default_factory=list)
    first_two: Annotated[list[ChildView], "anything"]


class GenericView(BaseModel, Generic[T]):
    id: int
    children: list[T]


class Base(BaseModel):
    id: int


class Inherited(Base):
    title: str


ChildList = TypeAliasType("ChildList", list[ChildView])


class Wrapped(BaseModel):
    id: NewType("ParentId", int)
    note: Optional[Annotated[str, "anything"]]  # noqa: UP045
    children: ChildList


class Deferred(BaseModel):
    model_config = ConfigDict(defer_build=True)
    id: int
    children: list[ChildView]


PLAIN = [
    EveryPlainType, Aggregates, Relations, Aliased, SerializationAlias, ValidationAlias, Documented,
    GenericView[ChildView], Inherited, Wrapped, Deferred,
]  # fmt: skip


@pytest.mark.parametrize("view", PLAIN, ids=lambda view: view.__name__)
async def test_plain_views_are_written_without_pydantic_and_equal_it(db: Database, view: type[BaseModel]):
    assert is_plain(db, view)
    await assert_same(db, view)


# --- what goes through Pydantic -----------------------------------------------------------------------


def of(name: str, annotation: Any, default: Any = ...) -> type[BaseModel]:
    return create_model(f"Of_{name}", **{name: (annotation, default)})


def configured(**settings: Any) -> type[BaseModel]:
    return create_model(
        "Configured", __config__=ConfigDict(**settings), id=int, title=str, weight=float | None
    )


class FieldSerializer(BaseModel):
    title: str

    @field_serializer("title")
    def shout(self, value: str) -> str:
        return shouted(value)


class InheritsSerializer(FieldSerializer):
    id: int


class EverySerializer(BaseModel):
    id: int

    @field_serializer("*")
    def as_text(self, value: Any) -> str:
        return str(value)


class ModelSerializer(BaseModel):
    id: int

    @model_serializer
    def as_text(self) -> str:
        return str(self.id)


class Holder(BaseModel):
    children: list[InheritsModelSerializer]


class InheritsModelSerializer(ModelSerializer):
    pass


class ComputedField(BaseModel):
    id: int

    @computed_field
    @property
    def next(self) -> int:
        return self.id + 1


class Validated(BaseModel):
    title: str

    @field_validator("title")
    @classmethod
    def shout(cls, value: str) -> str:
        return shouted(value)


class ModelValidated(BaseModel):
    id: int

    @model_validator(mode="after")
    def add(self) -> ModelValidated:
        self.id += 1
        return self


class PostInit(BaseModel):
    id: int

    def model_post_init(self, context: Any) -> None:
        self.id += 1


class OwnInit(BaseModel):
    id: int

    def __init__(self, **values: Any) -> None:
        super().__init__(**{**values, "id": values["id"] + 1})


class OwnSchema(BaseModel):
    id: int

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(cls.more, handler(source))

    @classmethod
    def more(cls, value: OwnSchema) -> OwnSchema:
        value.id += 1
        return value


class Private(BaseModel):
    _own: int = PrivateAttr(3)
    id: int


class Unmapped(BaseModel):
    id: int
    extra: Annotated[int, unmapped()] = 5


class SameAlias(BaseModel):
    id: int = Field(serialization_alias="x")
    title: str = Field(serialization_alias="x")


class AliasedDecimal(BaseModel):
    price: Decimal = Field(serialization_alias="Price")


class Money(Decimal):
    pass


class Text(str):
    __slots__ = ()


def text_schema(source: Any, handler: Any) -> Any:
    from pydantic_core import core_schema

    return core_schema.no_info_after_validator_function(Text, core_schema.str_schema())


Text.__get_pydantic_core_schema__ = text_schema  # type: ignore[attr-defined]


class Nested(BaseModel):
    """A plain view with one that is not."""

    id: int
    children: list[ChildWithSerializer]


class ChildWithSerializer(BaseModel):
    name: Annotated[str, PlainSerializer(shouted)]


class PathAlias(BaseModel):
    titles: list[ChildOfTitle] = Field(validation_alias="children")


class ChildOfTitle(BaseModel):
    heading: str = Field(validation_alias=AliasPath("parent", "title"))
    name: Annotated[str, AfterValidator(shouted)]


def with_encoders() -> type[BaseModel]:
    with warnings.catch_warnings(action="ignore"):  # deprecated, and still in use
        return create_model("Encoders", __config__=ConfigDict(json_encoders={str: shouted}), title=str)


NOT_PLAIN = {
    "a serializer within Optional": of("note", Annotated[str, PlainSerializer(shouted)] | None),
    "a validator within Optional": of("note", Optional[Annotated[str, AfterValidator(shouted)]]),  # noqa: UP045
    "a validator around Optional": of("note", Annotated[str | None, AfterValidator(lambda v: v or "none")]),
    "a before validator": of("title", Annotated[str, BeforeValidator(shouted)]),
    "a wrapping serializer": of("title", Annotated[str, WrapSerializer(lambda v, handler: handler(v) + "!")]),
    "a serializer within a list": of("children", list[Annotated[ChildView, PlainSerializer(lambda v: v.name)]]),
    "a validator around a list": of("children", Annotated[list[ChildView], AfterValidator(lambda v: v[:1])]),
    "a serializer within an alias": of("title", TypeAliasType("Loud", Annotated[str, PlainSerializer(shouted)])),
    "optional set": of("children", Optional[set[FrozenChild]]),  # noqa: UP045
    "set": of("children", set[FrozenChild]),
    "frozenset": of("children", frozenset[FrozenChild]),
    "tuple": of("children", tuple[ChildView, ...]),
    "sequence": of("children", Sequence[ChildView]),
    "as any": of("children", list[SerializeAsAny[ChildView]]),
    "at most": of("children", Annotated[list[ChildView], Field(max_length=50)]),
    "excluded": create_model("Excluded", id=int, title=(str, Field(exclude=True))),
    "excluded if": create_model("ExcludedIf", id=int, note=(str | None, Field(exclude_if=lambda v: v is None))),
    "excluded within": create_model("Within", id=int, title=(Annotated[str, Field(exclude=True)], ...)),
    "validated default": of("title", Annotated[str, Field(validate_default=True, max_length=100)]),
    "constraint": of("id", PositiveInt),
    "strict": of("id", Annotated[int, Field(strict=True)]),
    "upper": of("title", Annotated[str, StringConstraints(to_upper=True)]),
    "literal": of("code", Literal["c0 ", "c1 ", "c2 ", "c3 ", "c4 ", "c5 ", "c6 ", "c0", "c1", "c2", "c3", "c4", "c5", "c6"]),
    "any": of("note", Any),
    "object": of("note", object),
    "union": of("note", int | str | None),
    "float of an int": of("id", float),
    "text of an enum": of("word", str),
    "enum of floats": of("ratio", Ratio),
    "another enum": of("name", Literal["x", "y"]),
    "date of a datetime": of("day", dt.datetime),
    "datetime of a decorator": of("utc", dt.datetime),
    "timedelta": of("span", dt.timedelta),
    "text of a uuid": of("key_text", uuid.UUID),
    "decimal of an int": of("id", Decimal),
    "float of a decimal": of("price", float),
    "float of an inexact type": of("price_as_float", float),
    "bytes": of("blob", bytes),
    "json": of("data", dict[str, Any]),
    "json as a model": of("data", create_model("Data", a=int, b=list[Any])),
    "a column property": of("title_length", int),
    "a nullable column property": of("note_length", int | None),
    "a synonym": of("heading", str),
    "a hybrid": of("twice", int),
    "an expression": of("beginning", str),
    "a total of decimals": of("costs", Decimal),
    "a text of its own": of("title", Text),
    "positional enum": of("size", int),
    "field serializer": FieldSerializer,
    "inherited field serializer": InheritsSerializer,
    "serializer of all fields": EverySerializer,
    "model serializer": ModelSerializer,
    "inherited model serializer": Holder,
    "computed field": ComputedField,
    "field validator": Validated,
    "model validator": ModelValidated,
    "post init": PostInit,
    "own init": OwnInit,
    "own schema": OwnSchema,
    "private attribute": Private,
    "unmapped": Unmapped,
    "one alias twice": SameAlias,
    "aliased decimal": AliasedDecimal,
    "nested": Nested,
    "path alias": PathAlias,
    "no default alias": GenericView[ChildWithSerializer],
    "use_enum_values": create_model("UseValues", __config__=ConfigDict(use_enum_values=True), color=Color, size=Size),
    "strip": configured(str_strip_whitespace=True),
    "upper config": configured(str_to_upper=True),
    "length config": configured(str_max_length=100),
    "numbers to text": create_model("Numbers", __config__=ConfigDict(coerce_numbers_to_str=True), id=str),
    "extra": configured(extra="allow"),
    "strict config": configured(strict=True),
    "timedelta config": configured(ser_json_timedelta="float"),
    "temporal config": create_model("Temporal", __config__=ConfigDict(ser_json_temporal="seconds"), moment=dt.datetime),
    "bytes config": configured(ser_json_bytes="base64"),
    "inf config": configured(ser_json_inf_nan="strings"),
    "inf constants": configured(ser_json_inf_nan="constants"),
    "json encoders": with_encoders(),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_PLAIN)
async def test_other_views_go_through_pydantic(db: Database, case: str):
    view = NOT_PLAIN[case]
    assert not is_plain(db, view)
    await assert_same(db, view)


# --- values that make a difference ---------------------------------------------------------------------


async def test_a_null_of_an_expression_is_refused_as_pydantic_refuses_it(db: Database):
    """The mapper cannot know that it may be NULL, so that only the values tell."""
    view = of("note_length", int)
    async with db.scope() as scope:
        parents = ParentRepository(scope)
        assert await parents.find_json(view, Parent.id == 2) == b'[{"note_length":1}]'
        with pytest.raises(ValidationError):
            await parents.find_json(view)


async def test_many_rows_of_one_parent_keep_their_order(db: Database):
    async with db.scope() as scope:
        text = await ParentRepository(scope).find_json(GenericView[ChildView], Parent.id == 2)
    assert re.findall(rb'"id":(\d+)', text) == [b"2", b"1", b"6", b"11"]
