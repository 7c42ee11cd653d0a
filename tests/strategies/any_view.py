"""Views of any shape, for hypothesis, and fieldsets of them: what narrowing must get right."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Optional

from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    ValidationInfo,
    WrapSerializer,
    WrapValidator,
    computed_field,
    create_model,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from batchrepo import Page, column, include, unmapped
from tests.strategies.every_type import Child, Color, Parent, Size, Word


def texts(view: BaseModel) -> list[str]:
    """Every field of a view as a text: fails for a view of which only some were read."""
    return [str(getattr(view, name)) for name in type(view).model_fields]


def seen(value: Any, rows: Sequence[BaseModel]) -> Any:
    """The value, when all of its rows have been looked at."""
    assert all(texts(row) for row in rows)
    return value


# --- what looks at all fields of a view ------------------------------------------------------------------


class Plain(BaseModel):
    pass


class AfterModel(BaseModel):
    @model_validator(mode="after")
    def look(self) -> Any:
        texts(self)
        return self


class BeforeModel(BaseModel):
    @model_validator(mode="before")
    @classmethod
    def look(cls, data: Any) -> Any:
        assert set(data) >= {name for name in cls.model_fields if name != "remark"}
        return data


class WrapModel(BaseModel):
    @model_validator(mode="wrap")
    @classmethod
    def look(cls, data: Any, handler: Any) -> Any:
        made = handler(data)
        texts(made)
        return made


class SerializedModel(BaseModel):
    @model_serializer(mode="wrap")
    def write(self, handler: Any) -> Any:
        return {**handler(self), "length": len(texts(self))}


class TextModel(BaseModel):
    @model_serializer
    def write(self) -> str:
        return " ".join(texts(self))


class ComputedModel(BaseModel):
    @computed_field(alias="sizeOfAll")
    @property
    def size_of_all(self) -> int:
        return len("".join(texts(self)))

    @computed_field
    @property
    def first_three(self) -> list[str]:
        return texts(self)[:3]


class PrivateModel(BaseModel):
    _secret: int = PrivateAttr(1)


class PostInit(BaseModel):
    def model_post_init(self, context: Any, /) -> None:
        texts(self)


class OwnInit(BaseModel):
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=False)

    def __init__(self, **data: Any) -> None:
        super().__init__(**data)
        texts(self)


class EveryInfoValidator(BaseModel):
    @field_validator("*")
    @classmethod
    def look(cls, value: Any, info: ValidationInfo) -> Any:
        names = list(cls.model_fields)
        assert set(info.data) >= set(names[: names.index(str(info.field_name))])
        return value


class EveryValidator(BaseModel):
    @field_validator("*")
    @classmethod
    def shorten(cls, value: Any) -> Any:
        return value[:2] if isinstance(value, str) and not isinstance(value, Enum) else value


class EverySerializer(BaseModel):
    @field_serializer("*")
    def write(self, value: Any) -> str:
        return f"{len(texts(self))} {value!r:.20}"


class StaticSerializer(BaseModel):
    @field_serializer("*")
    @staticmethod
    def write(value: Any) -> str:
        return f"{type(value).__name__}"


BASES = [
    AfterModel, BeforeModel, WrapModel, SerializedModel, TextModel, ComputedModel, PrivateModel, PostInit, OwnInit,
    EveryInfoValidator, EveryValidator, EverySerializer, StaticSerializer,
]  # fmt: skip


# --- fields and settings ---------------------------------------------------------------------------------

PARENT_COLUMNS: dict[str, Any] = {
    "id": int, "big": int, "title": str, "code": str, "note": str | None, "price": Decimal, "weight": float | None,
    "flag": bool, "moment": Any, "zoned": Any, "day": Any, "span": Any, "key": Any, "color": Color, "word": Word,
    "size": Size, "name": str, "data": dict[str, Any], "title_length": int, "twice": int, "heading": str,
    "child_count": int, "any_child": bool, "costs": Decimal, "mean": float | None, "least": int | None, "beginning": str,
}  # fmt: skip
CHILD_COLUMNS: dict[str, Any] = {"id": int, "number": int | None, "cost": Decimal, "name": str}

WAYS = [
    lambda kind: kind | None,
    lambda kind: Optional[Annotated[kind, "anything"]],  # noqa: UP045
    lambda kind: Annotated[kind, PlainSerializer(repr)],
    lambda kind: Annotated[kind, WrapSerializer(lambda value, _: [repr(value)])],
    lambda kind: Annotated[kind, AfterValidator(lambda value: value)],
    lambda kind: Annotated[kind, BeforeValidator(lambda value: value)],
    lambda kind: Annotated[kind, WrapValidator(lambda value, handler: handler(value))],
    lambda kind: Annotated[Any, "of", kind],
]
"""Ways to write the type of a column."""

DEFAULTS = [
    lambda name: Field(serialization_alias=f"the_{name}"),
    lambda name: Field(alias=f"{name}Alias", validation_alias=name),
    lambda name: Field(exclude=True),
    lambda name: Field(exclude_if=bool),
    lambda name: Field(default=None, description="never used"),
    lambda name: Field(default_factory=lambda data: sorted(data)[:1]),
    lambda name: Field(default_factory=list),
]

CONFIGS: list[dict[str, Any]] = [
    {"frozen": True}, {"extra": "forbid"}, {"extra": "allow"}, {"use_enum_values": True}, {"str_to_upper": True},
    {"ser_json_timedelta": "float"}, {"ser_json_inf_nan": "strings"}, {"ser_json_inf_nan": "constants"},
    {"ser_json_temporal": "milliseconds"}, {"alias_generator": lambda name: f"{name}_"}, {"defer_build": True},
    {"revalidate_instances": "always"}, {"validate_default": True}, {"title": "Another title"},
]  # fmt: skip


def rarely(others: list[Any], usual: Any, one_in: int = 5) -> st.SearchStrategy[Any]:
    """Now and then one of the others, so that whole views are plain often enough."""
    return st.integers(1, one_in).flatmap(lambda n: st.sampled_from(others) if n == 1 else st.just(usual))


@st.composite
def _fields(draw: st.DrawFn, columns: dict[str, Any]) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(list(columns)), min_size=1, max_size=5, unique=True))
    fields: dict[str, Any] = {}
    for name in names:
        way = draw(rarely(WAYS, lambda kind: kind))
        default = draw(rarely(DEFAULTS, lambda _: ...))
        fields[name] = (way(columns[name]), default(name))
    if draw(st.integers(1, 6)) == 1:
        fields["remark"] = (Annotated[str, unmapped()], "unmapped")
    return fields


@st.composite
def _model(draw: st.DrawFn, name: str, fields: dict[str, Any]) -> type[BaseModel]:
    ordered = dict(draw(st.permutations(list(fields.items()))))
    settings = create_model("Settings", __config__=ConfigDict(**draw(rarely(CONFIGS, {}))))
    # An `__init__` forgets how the views inside are to be validated: by the names of their fields.
    with_views = any(_view_in(kind) is not None for kind, _ in fields.values())
    base = draw(rarely([base for base in BASES if not (with_views and base is OwnInit)], Plain, 3))
    return create_model(name, __base__=(base, settings), **ordered)


@st.composite
def _child_view(draw: st.DrawFn, *, deeper: bool) -> type[BaseModel]:
    fields = draw(_fields(CHILD_COLUMNS))
    if draw(st.booleans()):
        fields["parent_title"] = (Annotated[str, column(Child.parent, Parent.title)], ...)
    if deeper and draw(st.booleans()):
        parent = draw(_model("OfChildsParent", draw(_fields(PARENT_COLUMNS))))
        fields["parent"] = (parent, ...)
    return draw(_model("OfChild", fields))


@st.composite
def views(draw: st.DrawFn) -> type[BaseModel]:
    """A view of `Parent`: columns, computed attributes and relations in any order, with anything that Pydantic has."""
    fields = draw(_fields(PARENT_COLUMNS))
    child = draw(_child_view(deeper=True))
    relations: dict[str, Any] = {
        "children": list[child],
        "first_two": Annotated[list[child], Field(max_length=2)],
        "newest": child | None,
        "few": Annotated[list[child], include(Parent.children, first=1, where=Child.id > 3)],
        "some": Annotated[list[child] | None, include(Parent.children, order_by=Child.id.desc())],
        "in_tuple": Annotated[tuple[child, ...], include(Parent.children)],
        "in_sequence": Annotated[Sequence[child], include(Parent.children)],
        "looked_at": Annotated[
            list[child], include(Parent.children), AfterValidator(lambda rows: seen(rows, rows))
        ],
        "written": Annotated[list[child], include(Parent.children), PlainSerializer(len)],
        "each_written": Annotated[list[Annotated[child, PlainSerializer(texts)]], include(Parent.children)],
        "paged": Annotated[Page[child], include(Parent.children, first=2)],
        "counted": Annotated[Page[child] | None, include(Parent.children, last=1, total="exact")],
        "page_looked_at": Annotated[
            Page[child],
            include(Parent.children),
            AfterValidator(lambda page: seen(page, page.items)),
        ],
    }
    chosen = draw(st.lists(st.sampled_from(list(relations)), max_size=3, unique=True))
    for name in chosen:
        alias = draw(rarely([Field(serialization_alias=f"{name}List")], ...))
        fields[name] = (relations[name], alias)
    return draw(_model("OfParent", fields))


# --- fieldsets, in the test's own words ------------------------------------------------------------------

Asked = dict[str, Any]
"""The names that are asked for, with what is asked for below each, or None."""


class OfItems(dict[str, Any]):
    """What is asked for of the items of a page."""


def has_pages(view: type[BaseModel]) -> bool:
    """Whether a view reads pages of its relations."""
    return any("Page[" in str(info.annotation) for info in view.model_fields.values())


def names_in_json(view: type[BaseModel], *, by_alias: bool) -> dict[str, type[BaseModel] | None]:
    """Each name in the JSON of a view, with the view that is below it."""
    names: dict[str, type[BaseModel] | None] = {}
    for name, info in view.model_fields.items():
        if not info.exclude:
            shown = info.serialization_alias if by_alias and info.serialization_alias else name
            names[shown] = _view_in(info.annotation)
    for name, computed in view.model_computed_fields.items():
        names[computed.alias if by_alias and computed.alias else name] = None
    return names


def _view_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [_view_in(part) for part in getattr(annotation, "__args__", ())]
    return next((view for view in found if view is not None), None)


@st.composite
def asked(draw: st.DrawFn, view: type[BaseModel], *, by_alias: bool) -> Asked:
    """Some of the names of a view."""
    names = names_in_json(view, by_alias=by_alias)
    chosen = draw(st.lists(st.sampled_from(list(names)), min_size=1, unique=True))
    found: Asked = {}
    for name in chosen:
        below = names[name]
        kind = dict
        if below is not None and issubclass(below, Page):
            kind, below = OfItems, _view_in(below.model_fields["items"].annotation)
        if below is not None and names_in_json(below, by_alias=by_alias) and draw(st.integers(1, 4)) > 1:
            found[name] = kind(draw(asked(below, by_alias=by_alias)))
        else:
            found[name] = None
    return found


def as_text(tree: Asked) -> str:
    """The fieldset as a client writes it."""
    return ", ".join(name if below is None else f"{name}({as_text(below)})" for name, below in tree.items())


def picked(value: Any, tree: Asked | None) -> Any:
    """What of a JSON value is asked for."""
    if tree is None:
        return value
    if isinstance(tree, OfItems) and isinstance(value, dict):
        return {**value, "items": picked(value["items"], dict(tree))}
    if isinstance(value, list):
        return [picked(item, tree) for item in value]
    if isinstance(value, dict):
        return {name: picked(item, tree[name]) for name, item in value.items() if name in tree}
    return value
