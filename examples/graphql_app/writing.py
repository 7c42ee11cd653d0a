"""The mutations: place an order, re-price a genre, take in a catalogue.

Each field has a transaction of its own, and what is selected of what it gives is read in there. `dryRun` takes all of it
back after it was answered.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import strawberry
from sqlalchemy import func
from strawberry import auto, relay

from batchrepo import InvalidArgument
from batchrepo.integrations.strawberry import (
    Written,
    attribute,
    create_input,
    key_of,
    mutation,
    scope_of,
    sent,
    to_type,
    upsert_many,
)
from examples.chinook.models import Invoice, Track
from examples.chinook.repositories import (
    CustomerRepository,
    GenreRepository,
    InvoiceLineRepository,
    TrackRepository,
)
from examples.graphql_app.music import GenreType, TrackType
from examples.graphql_app.people import CustomerType, InvoiceType


@create_input(InvoiceLineRepository)
class OrderLine:
    """How many of which track."""

    track: auto
    quantity: auto


@create_input(TrackRepository)
class CatalogueTrack:
    """A track as a catalogue has it; what is known by its `databaseId` is updated."""

    database_id: int = attribute(Track.id)
    name: auto
    album: auto
    genre: auto
    media_type_id: auto
    composer: auto
    milliseconds: auto
    bytes: auto
    unit_price: auto


@strawberry.type(name="Mutation", description="What can be written.")
class StoreMutation:
    """What can be written."""

    upsert_catalogue: Written[TrackType] | None = upsert_many(
        CatalogueTrack,
        dry_run=True,
        description="Insert tracks, or update those that are there; bad rows are named.",
    )

    @mutation(dry_run=True, description="An invoice for a customer, at today's prices.")
    async def place_order(
        self, info: strawberry.Info, customer: relay.GlobalID, lines: list[OrderLine]
    ) -> InvoiceType | None:
        """An entity, and rows in bulk, in the transaction that the field has."""
        scope = scope_of(info)
        wanted = [sent(line, info) for line in lines]
        if not wanted or any(line["quantity"] < 1 for line in wanted):
            raise InvalidArgument("lines expects one or more, each with a quantity of 1 or more.")
        buyer = await CustomerRepository(scope).get(key_of(CustomerType, customer, info))
        tracks = await TrackRepository(scope).get_many([line["track_id"] for line in wanted])
        invoice = Invoice(
            customer_id=buyer.id,
            invoice_date=dt.datetime.now(dt.UTC).replace(tzinfo=None),
            billing_address=buyer.address,
            billing_city=buyer.city,
            billing_state=buyer.state,
            billing_country=buyer.country,
            billing_postal_code=buyer.postal_code,
            total=sum(
                (track.unit_price * line["quantity"] for track, line in zip(tracks, wanted, strict=True)),
                Decimal(0),
            ),
        )
        scope.add(invoice)
        await scope.flush()
        await InvoiceLineRepository(scope).insert_many(
            [
                {**line, "invoice_id": invoice.id, "unit_price": track.unit_price}
                for track, line in zip(tracks, wanted, strict=True)
            ]
        )
        return to_type(InvoiceType, invoice)

    @mutation(dry_run=True, description="Make the tracks of a genre dearer, or cheaper, by so many percent.")
    async def reprice_genre(
        self, info: strawberry.Info, genre: relay.GlobalID, percent: int
    ) -> GenreType | None:
        """One UPDATE for all rows that meet a condition."""
        if not -90 <= percent <= 100:
            raise InvalidArgument(f"percent expects a number from -90 to 100; got {percent}.")
        scope, key = scope_of(info), key_of(GenreType, genre, info)
        await GenreRepository(scope).get(key)
        factor = 1 + Decimal(percent) / 100
        price = func.round(Track.unit_price * factor, 2, type_=Track.unit_price.type)
        await TrackRepository(scope).update_many(Track.genre_id == key, set={Track.unit_price: price})
        return to_type(GenreType, key)
