"""Any part of any view is, byte for byte, what the answer for the whole view has of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic_core import to_json

from batchrepo import Database
from batchrepo.strategies.deliver import Delivery
from tests.strategies.any_view import as_text, asked, has_pages, names_in_json, picked, views
from tests.strategies.every_type import ParentRepository
from tests.support.databases import EVERY_DATABASE


def delivered(db: Database, view: type[BaseModel], fields: str, *, by_alias: bool) -> Delivery[Any]:
    info = db.reading.catalog.by_class[ParentRepository]
    return db.reading.views(view, info.entity, info, fields=fields, by_alias=by_alias)[0]


@pytest.mark.parametrize("module_database_url", EVERY_DATABASE, indirect=True)
@settings(
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
        HealthCheck.too_slow,
    ],
)
@given(data=st.data(), view=views(), by_alias=st.booleans())
async def test_a_part_of_a_view_is_what_the_whole_has_of_it(
    db: Database, data: st.DataObject, view: type[BaseModel], by_alias: bool
):
    assume(names_in_json(view, by_alias=by_alias))
    tree = data.draw(asked(view, by_alias=by_alias), label="asked")
    fields = as_text(tree)
    async with db.scope() as scope:
        parents = ParentRepository(scope)
        whole = json.loads(await parents.find_json(view, by_alias=by_alias))
        part = await parents.find_json(view, fields=fields, by_alias=by_alias)
        assert part == to_json(picked(whole, tree), inf_nan_mode="constants")
        if not has_pages(view):  # the eager strategy refuses them
            assert await parents.find_json(view, fields=fields, by_alias=by_alias, strategy="eager") == part
    delivery = delivered(db, view, fields, by_alias=by_alias)
    assert delivery.narrowed is not None
    event("read whole" if delivery.narrowed.whole else "plain" if delivery.plain else "narrowed, by Pydantic")
