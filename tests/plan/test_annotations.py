"""Taking annotations apart, and asking Pydantic what it makes of which values."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Deque, List, Literal, NewType, Optional, Set, TypeVar, Union  # noqa: UP035
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, Strict
from typing_extensions import TypeAliasType

from batchrepo.plan.annotations import Settings, can_hold, read_type, settings_of


class View(BaseModel):
    id: int


class Color(enum.Enum):
    RED = "r"


class Word(enum.StrEnum):
    YES = "y"


class Size(enum.IntEnum):
    SMALL = 1


T = TypeVar("T")
Views = TypeAliasType("Views", list[View])
Many = TypeAliasType("Many", list[T], type_params=(T,))
Maybe = TypeAliasType("Maybe", Optional[str])  # noqa: UP045
Tree = TypeAliasType("Tree", "dict[str, Tree] | int")
ViewId = NewType("ViewId", int)


@pytest.mark.parametrize(
    ("annotation", "item", "many", "optional"),
    [
        (int, int, False, False),
        (int | None, int, False, True),
        (Optional[Annotated[int, "x"]], int, False, True),  # noqa: UP045
        (Annotated[int | None, "x"], int, False, True),
        (Annotated[Optional[Annotated[int, "x"]], "y"], int, False, True),  # noqa: UP045
        (Union[None, int], int, False, True),  # noqa: UP007
        (int | str, int | str, False, False),
        (list[View], View, True, False),
        (List[View], View, True, False),  # noqa: UP006
        (list[View] | None, View, True, True),
        (list[Annotated[View, "x"] | None], View, True, False),
        (set[View], View, True, False),
        (Set[View], View, True, False),  # noqa: UP006
        (Deque[View], View, True, False),  # noqa: UP006
        (tuple[View, ...], View, True, False),
        (Sequence[View], View, True, False),
        (list, list, True, False),
        (dict[str, int], dict[str, int], False, False),
        (Views, View, True, False),
        (Optional[Views], View, True, True),  # noqa: UP045
        (Many[View], View, True, False),
        (Maybe, str, False, True),
        (list[Maybe], str, True, False),
        (ViewId, int, False, False),
        (ViewId | None, int, False, True),
        (Any, Any, False, True),
        (object, object, False, True),
        (T, T, False, True),
        (Literal["a", None], Literal["a", None], False, True),  # noqa: PYI061
        (Literal["a"], Literal["a"], False, False),
    ],
    ids=str,
)
def test_a_type_is_taken_apart(annotation, item, many, optional):
    found = read_type(annotation)
    assert (found.item, found.many, found.optional) == (item, many, optional)


@pytest.mark.parametrize(
    ("annotation", "metadata"),
    [
        (int, ["given"]),
        (Annotated[int, "a", "b"], ["given", "a", "b"]),
        (Annotated[int, "a"] | None, ["given", "a"]),
        (Annotated[Annotated[int, "a"] | None, "b"], ["given", "b", "a"]),
        (list[Annotated[View, "a"]], ["given", "a"]),
        (dict[str, list[Annotated[int, "a"]]], ["given", "a"]),
        (TypeAliasType("Aliased", Annotated[int, "a"]), ["given", "a"]),
        (Many[Annotated[int, "a"]], ["given", "a"]),
        (Literal["a"], ["given"]),
        (Tree, ["given"]),
    ],
    ids=str,
)
def test_metadata_is_found_anywhere(annotation, metadata):
    assert list(read_type(annotation, ["given"]).metadata) == metadata


def test_a_model_is_an_item():
    assert read_type(list[View]).model is View
    assert read_type(list[int]).model is None
    assert read_type(View | int).model is None


NUMBERS = {bool, int, float, Decimal}
MOMENTS = {dt.datetime, dt.date, dt.time, dt.timedelta}
SCALARS = NUMBERS | MOMENTS | {str, bytes, UUID}


@pytest.mark.parametrize(
    ("python_type", "fields"),
    [
        (str, SCALARS),
        (int, NUMBERS | MOMENTS),
        (float, NUMBERS | MOMENTS),
        (Decimal, NUMBERS | MOMENTS),
        (bool, {bool, int, float, dt.timedelta}),
        (dt.datetime, {dt.datetime, dt.date}),
        (dt.date, {dt.date, dt.datetime}),
        (dt.time, {dt.time}),
        (dt.timedelta, {dt.timedelta}),
        (UUID, {UUID}),
        (list, set()),
        (dict, set()),
    ],
)
def test_a_field_holds_what_pydantic_makes_something_of(python_type, fields):
    assert {kind for kind in SCALARS if can_hold(kind, python_type)} == fields


@pytest.mark.parametrize("collection", [list, tuple, set, frozenset, dict])
@pytest.mark.parametrize("python_type", sorted(SCALARS, key=str))
def test_no_collection_is_made_of_a_single_value(collection, python_type):
    assert not can_hold(collection, python_type)


@pytest.mark.parametrize(
    ("python_type", "fields"),
    [(int, {int, float}), (Decimal, {Decimal, float}), (str, {str}), (dt.date, {dt.date}), (bool, {bool})],
)
def test_a_strict_field_holds_its_own_type(python_type, fields):
    assert {kind for kind in SCALARS if can_hold(kind, python_type, Settings(strict=True))} == fields


def test_numbers_become_texts_where_that_is_configured():
    assert not can_hold(str, int)
    assert can_hold(str, int, Settings(numbers_as_text=True))
    assert not can_hold(str, dt.date, Settings(numbers_as_text=True))


@pytest.mark.parametrize(
    ("annotation", "python_type", "holds"),
    [
        (Color, Color, True),
        (Color, Word, False),
        (Color, str, True),
        (Color, int, False),
        (Size, int, True),
        (Size, str, False),
        (str, Word, True),
        (int, Size, True),
        (dt.datetime, Size, True),
        (dt.date, Color, False),
        (list, Color, False),
    ],
)
def test_enums_hold_their_members_and_values(annotation, python_type, holds):
    assert can_hold(annotation, python_type) is holds


@pytest.mark.parametrize(
    ("annotation", "python_type"), [(Any, int), (int, None), (Literal["a"], int), (View, int), (int, View)]
)
def test_what_nobody_knows_is_allowed(annotation, python_type):
    assert can_hold(annotation, python_type)


def test_settings_are_the_models_unless_the_field_has_its_own():
    class Strictly(BaseModel):
        model_config = ConfigDict(strict=True)
        a: int
        b: Annotated[int, Strict(False)]
        c: int = Field(strict=False)

    class Loosely(BaseModel):
        model_config = ConfigDict(coerce_numbers_to_str=True)
        a: int
        b: int = Field(strict=True)

    class Neither(BaseModel):
        a: str = Field(coerce_numbers_to_str=True)

    def read(view, name):
        return settings_of(view, view.model_fields[name].metadata)

    assert [read(Strictly, name).strict for name in "abc"] == [True, False, False]
    assert [read(Loosely, name) for name in "ab"] == [Settings(False, True), Settings(True, True)]
    assert read(Neither, "a") == Settings(False, True)
