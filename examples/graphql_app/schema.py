"""The root fields and the schema."""

from __future__ import annotations

import strawberry
from graphql import GraphQLError
from sqlalchemy import func, select
from strawberry import relay
from strawberry.types import ExecutionContext

from batchrepo import Database, InvalidArgument, NotFound
from batchrepo.errors import WriteError
from batchrepo.integrations.strawberry import (
    Connection,
    ScopeExtension,
    connection,
    one,
    scope_of,
    to_type,
)
from examples.chinook.models import Invoice, InvoiceLine
from examples.graphql_app.music import AlbumType, ArtistType, GenreType, PlaylistType, TrackType
from examples.graphql_app.people import CustomerType, EmployeeType, InvoiceType
from examples.graphql_app.writing import StoreMutation

Info = strawberry.Info[None, None]
"""What resolvers get; the application needs no context of its own."""

MOST = 100
"""No list of best sellers is longer."""


@strawberry.type(description="A track, and how often one country bought it.")
class BestSeller:
    """A type by hand, with one of a repository inside."""

    quantity: int
    track: TrackType


async def best_sellers(info: Info, country: str, first: int = 10) -> list[BestSeller]:
    """A resolver of one's own, with a statement of its own."""
    if not 1 <= first <= MOST:
        raise InvalidArgument(f"first expects a number of tracks from 1 to {MOST}; got {first}.")
    sold = func.sum(InvoiceLine.quantity)
    query = (
        select(InvoiceLine.track_id, sold)
        .join(InvoiceLine.invoice)
        .where(Invoice.billing_country == country)
        .group_by(InvoiceLine.track_id)
        .order_by(sold.desc(), InvoiceLine.track_id)
        .limit(first)
    )
    # Of the tracks only the keys are known here. What the query selects of them is read for all together.
    return [
        BestSeller(quantity=quantity, track=to_type(TrackType, key))
        for key, quantity in await scope_of(info).fetch(query)
    ]


@strawberry.type
class Store:
    """Where a query begins."""

    artist: ArtistType | None = one(description="An artist by its `databaseId`; null where there is none.")
    artists: Connection[ArtistType] = connection(description="Artists, by name.")
    album: AlbumType = one(description="An album by its `databaseId`; NOT_FOUND where there is none.")
    albums: Connection[AlbumType] = connection(description="Albums, by title.")
    track: TrackType = one(description="A track by its `databaseId`; NOT_FOUND where there is none.")
    tracks: Connection[TrackType] = connection(description="Tracks, in the order of their keys.")
    genres: Connection[GenreType] = connection(description="Genres, by name.")
    playlists: Connection[PlaylistType] = connection(description="Playlists, by name.")

    employee: EmployeeType | None = one(
        description="An employee by their `databaseId`; null where there is none."
    )
    employees: Connection[EmployeeType] = connection(description="Those who work at the store.")
    customers: Connection[CustomerType] = connection(description="Customers, by last name.")
    invoices: Connection[InvoiceType] = connection(description="Invoices, the newest first.")

    best_sellers: list[BestSeller] = strawberry.field(
        resolver=best_sellers, description="The tracks that were sold most often to a country."
    )


class StoreSchema(strawberry.Schema):
    """The schema, which logs what goes wrong in the store."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Strawberry logs every error with its traceback; what clients ask for wrongly is no news here."""
        ours = [
            error
            for error in errors
            if error.original_error
            and not isinstance(error.original_error, InvalidArgument | NotFound | WriteError)
        ]
        super().process_errors(ours, execution_context)


def create_schema(database: Database) -> strawberry.Schema:
    """The schema, whose operations read from a Database.

    Whoever asks gets the report of the statements: this store has no secrets.
    """

    @strawberry.type(description="Where a query begins.")
    class Query(Store):
        # Strawberry's `relay.node()` serves one schema; tests make several.
        node: relay.Node | None = relay.node(description="Anything by its global id.")
        nodes: list[relay.Node | None] = relay.node(description="Many by their global ids, in this order.")

    return StoreSchema(Query, StoreMutation, extensions=[lambda: ScopeExtension(database, report=True)])
