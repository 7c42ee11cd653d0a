"""What is read for a fieldset: the plan of the fields that are asked for, and which parts are read whole and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    ValidationInfo,
    computed_field,
    create_model,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from batchrepo import Database, Page, column, include, parse_fields, unmapped
from batchrepo.plan.narrowing import Narrowed, narrow
from tests.strategies.every_type import Child, ChildRepository, Parent, ParentRepository

db = Database("sqlite+aiosqlite://", repositories=[ParentRepository, ChildRepository])


def narrowed(view: type[BaseModel], fields: str, *, by_alias: bool = True) -> Narrowed:
    info = db.reading.catalog.by_class[ParentRepository]
    delivery, compiled = db.reading.views(view, info.entity, info)
    return narrow(compiled.plan, delivery.schema, parse_fields(fields), by_alias=by_alias)


class ChildView(BaseModel):
    id: int
    name: str
    parent_title: Annotated[str, column(Child.parent, Parent.title)]


class ParentView(BaseModel):
    id: int
    title: str
    child_count: int
    twice: int = Field(serialization_alias="double")
    note: str | None
    children: list[ChildView]
    newest: ChildView | None
    few: Annotated[list[ChildView], include(Parent.children, first=2, where=Child.id > 3)]
    pages: Annotated[Page[ChildView], include(Parent.children, first=2)]
    data: dict[str, Any]
    remark: Annotated[str, unmapped()] = "none"


PLANS = [
    ("id", "{id}"),
    ("note,title,id", "{id, title, note}"),
    ("child_count", "{child_count=count(children)}"),
    ("double", "{twice}"),
    ("remark", "{}"),
    ("children(name)", "{} > (children{name})"),
    ("children", "{} > (children{id, name, parent_title=parent.title})"),
    ("id,children.parent_title", "{id} > (children{parent_title=parent.title})"),
    ("newest(id),few(name)", "{} > (newest=children(1){id}, few=children(2)?{name})"),
    ("pages(name)", "{} > (pages=children(first 2){name})"),
]


@pytest.mark.parametrize(("fields", "body"), PLANS)
def test_only_what_is_asked_for_is_in_the_plan(fields: str, body: str):
    """In the view's order, whatever the order they are asked for."""
    found = narrowed(ParentView, fields)
    assert found.plan.body() == body
    assert found.whole == ()
    assert found.plan.view is ParentView


def test_with_field_names():
    assert narrowed(ParentView, "twice,id", by_alias=False).plan.body() == "{id, twice}"


def test_the_plan_of_the_view_stays_as_it_is():
    info = db.reading.catalog.by_class[ParentRepository]
    plan = db.reading.plans.plan(ParentView, info.entity, info)
    before = plan.body()
    narrowed(ParentView, "id,children(name)")
    assert plan.body() == before


def test_a_schema_takes_only_the_definitions_that_it_needs():
    """`ChildView` is used in several places, so that Pydantic defines it once."""
    assert narrowed(ParentView, "id,children(name)").schema["type"] == "list"
    whole = narrowed(ParentView, "children,newest(id)").schema
    assert [definition["cls"] for definition in whole["definitions"]] == [ChildView]


# --- what is read whole ----------------------------------------------------------------------------------


class AfterModel(ChildView):
    @model_validator(mode="after")
    def look(self) -> Any:
        return self


class BeforeModel(ChildView):
    @model_validator(mode="before")
    @classmethod
    def look(cls, data: Any) -> Any:
        return data


class Serialized(ChildView):
    @model_serializer
    def write(self) -> dict[str, Any]:
        return {"id": self.id}


class Computed(ChildView):
    @computed_field
    @property
    def shout(self) -> str:
        return self.name.upper()


class Private(ChildView):
    _secret: int = PrivateAttr(1)


class PostInit(ChildView):
    def model_post_init(self, context: Any, /) -> None:
        pass


class OwnInit(ChildView):
    def __init__(self, **data: Any) -> None:
        super().__init__(**data)


class InfoValidator(ChildView):
    @field_validator("name")
    @classmethod
    def look(cls, value: str, info: ValidationInfo) -> str:
        return value


class MethodSerializer(ChildView):
    @field_serializer("name")
    def write(self, value: str) -> str:
        return value


class DefaultOfOthers(ChildView):
    remark: Annotated[str, unmapped()] = Field(default_factory=lambda data: data["name"])


class Extra(ChildView):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]


WHOLE = [
    (AfterModel, "id", "what is around AfterModel, such as a validator, may look at all of its fields"),
    (BeforeModel, "id", "a validator of BeforeModel may look at all of its fields"),
    (Serialized, "id", "a serializer of Serialized may look at all of its fields"),
    (Computed, "id,shout", "Computed.shout is computed from its other fields"),
    (Private, "id", "Private has code or private attributes that are initialised with all of its fields"),
    (PostInit, "id", "PostInit has code or private attributes that are initialised with all of its fields"),
    (OwnInit, "id", "OwnInit has code or private attributes that are initialised with all of its fields"),
    (InfoValidator, "name", "a validator of InfoValidator.name may look at its other fields"),
    (MethodSerializer, "name", "a serializer of MethodSerializer.name may look at its other fields"),
    (DefaultOfOthers, "remark", "the default of DefaultOfOthers.remark may look at its other fields"),
    (Extra, "id", "the schema of Extra has parts that are not known to leave its other fields alone"),
]


@pytest.mark.parametrize(
    ("child", "fields", "reason"), WHOLE, ids=lambda value: getattr(value, "__name__", None)
)
def test_a_part_that_may_look_at_fields_that_are_not_read_is_read_whole(
    child: type[BaseModel], fields: str, reason: str
):
    """The part only: what is around it is narrowed."""
    view = create_model("View", id=int, title=str, children=list[child])
    found = narrowed(view, f"id,children({fields})")
    assert found.plan.body() == "{id} > (children{id, name, parent_title=parent.title})"
    assert [str(whole) for whole in found.whole] == [f"children is read whole: {reason}"]


class InfoModel(ChildView):
    @model_validator(mode="wrap")
    @classmethod
    def look(cls, data: Any, handler: Any, info: ValidationInfo) -> Any:
        return handler(data)  # `info.data` are the fields of the view around it


@pytest.mark.parametrize("relations", [["children"], ["children", "newest"]])
def test_a_validator_of_a_model_may_look_at_the_fields_around_it(relations: list[str]):
    """With two uses Pydantic defines the model once, and refers to it."""
    kinds: dict[str, Any] = {"children": list[InfoModel], "newest": InfoModel | None}
    view = create_model("View", id=int, title=str, **{name: kinds[name] for name in relations})
    assert [str(whole) for whole in narrowed(view, "title,children(id)").whole] == [
        "the view is read whole: a validator of View.children may look at its other fields"
    ]


@pytest.mark.parametrize(("child", "fields"), [(Computed, "id"), (InfoValidator, "id"), (MethodSerializer, "id"),
                                                (DefaultOfOthers, "id")])  # fmt: skip
def test_what_nobody_asks_for_looks_at_nothing(child: type[BaseModel], fields: str):
    found = narrowed(create_model("View", children=list[child]), f"children({fields})")
    assert found.plan.body() == "{} > (children{id})"
    assert found.whole == ()


def test_the_view_itself_may_be_read_whole():
    class View(BaseModel):
        id: int
        title: str
        children: list[ChildView]

        @model_validator(mode="after")
        def look(self) -> Any:
            return self

    found = narrowed(View, "id,children(name)")
    assert found.plan.body() == "{id, title} > (children{id, name, parent_title=parent.title})"
    assert [whole.path for whole in found.whole] == [""]
    assert str(found.whole[0]).startswith("the view is read whole: what is around View")


def looked_at(rows: Any) -> Any:
    return rows


AROUND = [
    Annotated[list[ChildView], AfterValidator(looked_at)],
    Annotated[list[ChildView], PlainSerializer(looked_at)],
    list[Annotated[ChildView, AfterValidator(looked_at)]],
    list[Annotated[ChildView, PlainSerializer(looked_at)]],
    Sequence[ChildView],
    Annotated[Page[ChildView], AfterValidator(looked_at)],
]


@pytest.mark.parametrize("kind", AROUND)
def test_what_is_around_a_view_may_look_into_it(kind: Any):
    found = narrowed(create_model("View", id=int, children=kind), "id,children(name)")
    assert found.plan.body().endswith("{id, name, parent_title=parent.title})")
    assert [whole.path for whole in found.whole] == ["children"]


class Frozen(ChildView):
    model_config = ConfigDict(frozen=True)


def test_rows_of_a_set_are_compared_whole():
    """Two children with one name are two; of their names alone a set would keep one."""
    found = narrowed(create_model("View", children=frozenset[Frozen]), "children(name)")
    assert [whole.path for whole in found.whole] == ["children"]


TRANSPARENT = [
    list[ChildView],
    list[ChildView] | None,
    Annotated[list[ChildView], Field(max_length=100)],
    Annotated[list[ChildView], "anything"],
    tuple[ChildView, ...],
    Annotated[Page[ChildView] | None, include(Parent.children)],
]


@pytest.mark.parametrize("kind", TRANSPARENT)
def test_what_cannot_look_into_a_view_is_no_hindrance(kind: Any):
    found = narrowed(create_model("View", children=(kind, None)), "children(name)")
    assert found.plan.body().endswith("{name})")
    assert found.whole == ()


class Meta(BaseModel):
    a: int = 0
    b: int = 0


def test_a_value_that_is_a_model_is_read_whole():
    view = create_model("View", id=int, data=Meta, remark=(Annotated[Meta, unmapped()], Meta()))
    found = narrowed(view, "data(a),remark(b)")
    assert found.plan.body() == "{data}"
    reason = "it is one value, whose parts are not read from the database"
    assert {whole.path: whole.reason for whole in found.whole} == {"data": reason, "remark": reason}
