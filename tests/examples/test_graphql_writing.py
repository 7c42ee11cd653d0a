"""The store's mutations write what they say, as plain SQLAlchemy finds it, and those that are tried leave nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
import strawberry
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from strawberry import relay

from batchrepo import Database
from examples.chinook.models import Invoice, InvoiceLine, Track
from examples.chinook.store import open_store
from examples.graphql_app.queries import WRITING
from examples.graphql_app.schema import create_schema


@pytest.fixture(params=["chinook_sqlite", "chinook_postgres_copy"])
def own_url(request: pytest.FixtureRequest) -> str:
    """A store of the test's own, which it may change."""
    return str(request.getfixturevalue(request.param))


@pytest_asyncio.fixture
async def store(own_url: str) -> AsyncIterator[Database]:
    async with open_store(own_url) as database:
        yield database


@pytest.fixture
def schema(store: Database) -> strawberry.Schema:
    return create_schema(store)


async def all_rows(store: Database) -> Any:
    """What the mutations could have changed."""
    async with AsyncSession(store.engine) as session:
        lines = await session.execute(
            select(func.count(), func.sum(InvoiceLine.quantity)).select_from(InvoiceLine)
        )
        invoices = await session.scalar(select(func.count()).select_from(Invoice))
        tracks = await session.execute(select(Track.id, Track.name, Track.unit_price).order_by(Track.id))
        return lines.all(), invoices, tracks.all()


async def ask(schema: strawberry.Schema, query: str, **variables: Any) -> Any:
    result = await schema.execute(query, variable_values=variables)
    assert result.errors is None, result.errors
    return result.data


async def test_what_is_tried_leaves_nothing(store, schema):
    before = await all_rows(store)
    for example in WRITING:
        result = await schema.execute(example.query, variable_values=dict(example.variables))
        assert result.data is not None, example.title
    assert await all_rows(store) == before


async def test_an_order_is_placed_wholly_or_not_at_all(store, schema):
    query = """mutation($customer: ID!, $lines: [OrderLine!]!) {
        placeOrder(customer: $customer, lines: $lines) {
            total lineCount billingCountry customer { firstName invoiceCount }
            lines { edges { node { quantity unitPrice track { name } } } }
        }
    }"""
    customer = relay.to_base64("Customer", "2")
    lines = [{"track": relay.to_base64("Track", str(key)), "quantity": 3} for key in (1, 2819)]
    before = await all_rows(store)
    for wrong in (
        [*lines, {"track": relay.to_base64("Track", "999999"), "quantity": 1}],
        [*lines, {"track": relay.to_base64("Track", "1"), "quantity": 0}],
        [*lines, {"track": relay.to_base64("Album", "1"), "quantity": 1}],
        [],
    ):
        result = await schema.execute(query, variable_values={"customer": customer, "lines": wrong})
        assert [error.extensions["code"] for error in result.errors] in (["NOT_FOUND"], ["INVALID_ARGUMENT"])
    assert await all_rows(store) == before
    placed = (await ask(schema, query, customer=customer, lines=lines))["placeOrder"]
    assert placed["total"] == "8.94"
    assert placed["lineCount"] == 2
    assert (placed["billingCountry"], placed["customer"]) == (
        "Germany",
        {"firstName": "Leonie", "invoiceCount": 8},
    )
    assert [edge["node"]["unitPrice"] for edge in placed["lines"]["edges"]] == ["0.99", "1.99"]
    counts, invoices, _ = await all_rows(store)
    assert invoices == before[1] + 1
    assert counts[0] == (before[0][0][0] + 2, before[0][0][1] + 6)


async def test_a_genre_is_repriced_and_no_other(store, schema):
    query = "mutation($genre: ID!) { repriceGenre(genre: $genre, percent: -50) { tracks(first: 1) { edges { node { unitPrice } } } } }"
    (_, _, before) = await all_rows(store)
    await ask(schema, query, genre=relay.to_base64("Genre", "1"))
    async with AsyncSession(store.engine) as session:
        prices = (
            await session.execute(
                select(Track.genre_id, Track.unit_price, func.count()).group_by(
                    Track.genre_id, Track.unit_price
                )
            )
        ).all()
    assert {price for genre, price, _ in prices if genre == 1} == {Decimal("0.50")}
    assert Decimal("0.50") not in {price for genre, price, _ in prices if genre != 1}
    assert sum(number for *_, number in prices) == len(before)


async def test_a_catalogue_is_taken_in(store, schema):
    (example,) = [example for example in WRITING if "Catalogue" in example.query]
    data = await ask(schema, example.query.replace(", dryRun: true", ""), **example.variables)
    assert data["upsertCatalogue"]["count"] == 2
    assert [error["index"] for error in data["upsertCatalogue"]["errors"]] == [2]
    (_, _, tracks) = await all_rows(store)
    names = {key: name for key, name, _ in tracks}
    assert (names[1], names[4001]) == ("For Those About to Rock", "A new song")
