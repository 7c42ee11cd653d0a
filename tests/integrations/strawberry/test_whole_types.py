"""Every type under leaf types of GraphQL: a database writes what these make of the values, or it is read as a row."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
import strawberry
from sqlalchemy.ext.asyncio import create_async_engine
from strawberry import auto, relay

from batchrepo import Database
from batchrepo.integrations.strawberry import ScopeExtension, attribute, many, repository_type
from batchrepo.integrations.strawberry.types.scalars import BigInt
from batchrepo.testing.counting import statement_counter
from tests.strategies.every_type import Child, ChildRepository, Parent, ParentRepository, fill
from tests.support.databases import EVERY_DRIVER

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("module_database_url", EVERY_DRIVER, indirect=True),
]


@pytest.fixture(autouse=True)
def quiet_strawberry(caplog):
    caplog.set_level(logging.CRITICAL, logger="strawberry.execution")


@repository_type(ChildRepository, name="Child")
class ChildType(relay.Node):
    number: auto
    small: int | None = attribute(Child.number)
    parent: ParentType


@repository_type(ParentRepository, name="Parent")
class ParentType:
    id: auto
    big: auto
    title: auto
    code: auto
    note: auto
    price: auto
    price_as_float: auto
    share: auto
    weight: auto
    flag: auto
    moment: auto
    zoned: auto
    day: auto
    hour: auto
    span: auto
    key: auto
    key_text: auto
    color: auto
    word: auto
    size: auto
    ratio: auto
    name: auto
    blob: auto
    data: auto
    title_length: auto
    heading: auto
    child_count: auto
    any_child: auto
    numbers: auto
    costs: auto
    mean: auto
    least: auto
    dearest: auto
    children: list[ChildType]
    first_two: list[ChildType]
    newest: ChildType | None
    as_id: strawberry.ID = attribute(Parent.id)
    title_id: strawberry.ID = attribute(Parent.title)
    small_big: int | None = attribute(Parent.big)
    big_id: BigInt = attribute(Parent.id)
    key_as_id: strawberry.ID = attribute(Parent.key)


@strawberry.type
class Query:
    parents: list[ParentType] = many()
    children: list[ChildType] = many()


class Schemas(NamedTuple):
    """The ways to answer; `driver` is the database's, by the name of its dialect for its usual one."""

    database: Database
    whole: strawberry.Schema
    visited: strawberry.Schema
    driver: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def schemas(module_database_url: str) -> AsyncIterator[Schemas]:
    making = create_async_engine(module_database_url)
    await fill(making)
    await making.dispose()
    async with Database(module_database_url, repositories=[ParentRepository, ChildRepository]) as database:
        dialect = database.engine.dialect
        driver = "psycopg" if dialect.driver == "psycopg" else dialect.name
        made = (
            strawberry.Schema(Query, extensions=[lambda options=options: ScopeExtension(database, **options)])
            for options in ({"strategy": "single"}, {"pass_through": False})
        )
        yield Schemas(database, *made, driver)


EVERYWHERE = {"sqlite", "postgresql", "psycopg"}
POSTGRESQL = {"postgresql", "psycopg"}
TYPED: dict[str, set[str]] = {
    "id": EVERYWHERE,
    "big": EVERYWHERE,
    "title": EVERYWHERE,
    "code": EVERYWHERE,
    "note": EVERYWHERE,
    "price": POSTGRESQL,
    "priceAsFloat": set(),
    "share": set(),
    "flag": EVERYWHERE,
    "moment": EVERYWHERE,
    "zoned": {"sqlite", "postgresql"},
    "day": EVERYWHERE,
    "hour": EVERYWHERE,
    "span": set(),
    "key": EVERYWHERE,
    "keyText": set(),
    "color": EVERYWHERE,
    "word": EVERYWHERE,
    "size": EVERYWHERE,
    "ratio": EVERYWHERE,
    "name": EVERYWHERE,
    "blob": set(),
    "data": set(),
    "titleLength": set(),
    "heading": EVERYWHERE,
    "childCount": EVERYWHERE,
    "anyChild": EVERYWHERE,
    "numbers": EVERYWHERE,
    "costs": set(),
    "mean": POSTGRESQL,
    "least": EVERYWHERE,
    "dearest": POSTGRESQL,
    "__typename": EVERYWHERE,
    "children { __typename small parent { __typename as: id } }": EVERYWHERE,
    "x: children { number } y: firstTwo { number small } newest { a: number b: number }": EVERYWHERE,
    "children { id }": POSTGRESQL,
    "asId": EVERYWHERE,
    "titleId": EVERYWHERE,
    "bigId": EVERYWHERE,
    "keyAsId": set(),
}
"""What is selected of a parent, and where one statement writes it."""

UNFIT: dict[str, set[str]] = {
    "weight": POSTGRESQL,  # one is no number
    "smallBig": EVERYWHERE,  # they have more than 32 bits
}
"""What only the values keep from being written, and where: a statement is tried, then rows are read."""


def kinds(data: Any) -> str:
    """An answer with the kinds of its numbers and the order of its keys."""
    return repr(data)


@pytest.mark.parametrize("selected", [*TYPED, *UNFIT])
async def test_a_type_is_written_as_graphql_writes_it_or_read(schemas: Schemas, selected: str):
    query = f"{{ parents {{ {selected} }} }}"
    expected = await schemas.visited.execute(query)
    with statement_counter(schemas.database.engine) as seen:
        found = await schemas.whole.execute(query)
    assert kinds(found.data) == kinds(expected.data)
    assert [(e.message, e.path) for e in found.errors or ()] == [
        (e.message, e.path) for e in expected.errors or ()
    ]
    json.dumps(found.data)
    texts = [statement for statement in seen.statements if "batchrepo_rows_" in statement]
    if schemas.driver in TYPED.get(selected, ()):
        assert (seen.count, len(texts)) == (1, 1)
    else:
        assert len(texts) == (schemas.driver in UNFIT.get(selected, ())), seen
        assert seen.count > len(texts)
