"""Any view at all: `find_json` equals Pydantic's dump of what `find` gives, and all strategies agree."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from contextlib import suppress
from decimal import Decimal
from typing import Annotated, Any, Optional

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, TypeAdapter, create_model

from batchrepo import Database, column, include
from batchrepo.errors import StrategyRefused
from tests.strategies.every_type import (
    Child,
    Color,
    Parent,
    ParentRepository,
    Size,
    Word,
)
from tests.support.databases import EVERY_DATABASE

PARENT_COLUMNS = {
    "id": int, "big": int, "title": str, "code": str, "note": str | None, "price": Decimal, "share": Decimal,
    "price_as_float": float, "weight": float | None, "flag": bool, "moment": dt.datetime, "zoned": dt.datetime,
    "utc": dt.datetime, "day": dt.date, "hour": dt.time, "span": dt.timedelta, "key": uuid.UUID, "key_text": str,
    "color": Color, "word": Word, "size": Size, "name": str, "blob": bytes, "data": dict[str, Any],
    "title_length": int, "note_length": int | None, "heading": str, "twice": int, "child_count": int,
    "any_child": bool, "numbers": int, "costs": Decimal, "mean": float | None, "least": int | None,
    "dearest": Decimal | None, "beginning": str,
}  # fmt: skip
CHILD_COLUMNS = {"id": int, "number": int | None, "cost": Decimal, "name": str}

WAYS = [
    lambda kind: kind,
    lambda kind: kind | None,
    lambda kind: Optional[Annotated[kind, "anything"]],  # noqa: UP045
    lambda kind: Annotated[kind, PlainSerializer(repr)],
    lambda kind: Annotated[kind, PlainSerializer(repr)] | None,
    lambda kind: Annotated[kind, AfterValidator(lambda value: value)],
    lambda kind: Any,
]
"""Ways to write a column's type in a view."""

CONFIGS = [
    {}, {"frozen": True}, {"extra": "forbid"}, {"extra": "allow"}, {"strict": True}, {"use_enum_values": True},
    {"str_to_upper": True}, {"ser_json_timedelta": "float"}, {"ser_json_inf_nan": "strings"},
    {"ser_json_temporal": "milliseconds"}, {"alias_generator": lambda name: f"{name}_"}, {"defer_build": True},
]  # fmt: skip


def mostly(first: Any, others: list[Any]) -> st.SearchStrategy[Any]:
    """The first three times out of four, so that whole views are plain often enough."""
    return st.integers(0, 3).flatmap(lambda n: st.sampled_from(others) if n == 0 else st.just(first))


@st.composite
def views(draw: st.DrawFn, columns: dict[str, Any], name: str) -> type[BaseModel]:
    """A view of some columns, each written in some way, with some configuration and some aliases."""
    names = draw(st.lists(st.sampled_from(list(columns)), min_size=1, max_size=5, unique=True))
    fields: dict[str, Any] = {}
    for field in names:
        way = draw(mostly(WAYS[0], WAYS[1:]))
        default = draw(
            mostly(..., [Field(serialization_alias=f"the_{field}"), Field(exclude=True), Field(...)])
        )
        fields[field] = (way(columns[field]), default)
    config = draw(mostly({}, CONFIGS[1:]))
    return create_model(name, __config__=ConfigDict(**config), **fields)


@st.composite
def parent_views(draw: st.DrawFn) -> type[BaseModel]:
    """A view of parents, with some of the relations before or after the columns."""
    base = draw(views(PARENT_COLUMNS, "OfParent"))
    child = draw(views(CHILD_COLUMNS, "OfChild"))
    relations = {
        "children": list[child],
        "first_two": list[child],
        "newest": child | None,
        "few": Annotated[list[child], include(Parent.children, first=1, where=Child.id > 3)],
        "some": Annotated[list[child] | None, include(Parent.children, order_by=Child.id.desc())],
        "texts": Annotated[tuple[child, ...], include(Parent.children)],
    }
    chosen = draw(st.lists(st.sampled_from(list(relations)), max_size=2, unique=True))
    if base.model_config.get("strict") and "texts" in chosen:
        chosen.remove("texts")
    flat = {"again": (Annotated[str, column(Parent.title)], ...)} if draw(st.booleans()) else {}
    more: dict[str, Any] = {name: (relations[name], ...) for name in chosen}
    return create_model("OfParents", __base__=base, **more, **flat)


@pytest.mark.parametrize("module_database_url", EVERY_DATABASE, indirect=True)
@settings(
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
        HealthCheck.too_slow,
    ]
)
@given(view=parent_views(), by_alias=st.booleans())
async def test_any_view_is_written_as_pydantic_writes_it(db: Database, view: type[BaseModel], by_alias: bool):
    async with db.scope() as scope:
        parents = ParentRepository(scope)
        found = await parents.find(view)
        expected = TypeAdapter(list[view]).dump_json(found, by_alias=by_alias)
        assert await parents.find_json(view, by_alias=by_alias) == expected
        assert await parents.find_json(view, by_alias=by_alias, strategy="eager") == expected
        with suppress(StrategyRefused):
            single = await parents.find_json(view, by_alias=by_alias, strategy="single")
            assert repr(json.loads(single)) == repr(json.loads(expected))
