"""The shop of `tests.writing` as a GraphQL schema with mutations of every kind."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry import auto, relay

from batchrepo import Database
from batchrepo.integrations.strawberry import (
    Connection,
    Deleted,
    ScopeExtension,
    Written,
    connection,
    create,
    create_input,
    create_many,
    delete,
    delete_many,
    many,
    mutation,
    one,
    repository_type,
    scope_of,
    sent,
    to_type,
    update,
    update_input,
    update_many,
    upsert_many,
)
from tests.writing.shop import (
    Album,
    AlbumRepository,
    Artist,
    ArtistRepository,
    CounterRepository,
    Label,
    LabelRepository,
    TrackRepository,
)


@repository_type(ArtistRepository)
class ArtistType(relay.Node):
    name: auto
    album_count: auto
    albums: Connection[AlbumType]


@repository_type(AlbumRepository)
class AlbumType(relay.Node):
    title: auto
    price: auto
    stock: auto
    artist_id: auto
    duration: auto
    artist: ArtistType
    tracks: list[TrackType]
    longest: TrackType | None


@repository_type(TrackRepository)
class TrackType:
    id: auto
    name: auto
    seconds: auto
    album: AlbumType


@repository_type(LabelRepository)
class LabelType:
    id: auto
    name: auto


@repository_type(CounterRepository)
class CounterType:
    id: auto
    value: auto
    version: auto


@create_input(AlbumRepository)
class AlbumCreate:
    """A new album."""

    title: auto
    artist: auto
    price: auto = strawberry.field(description="In cents.", name="cents")


@update_input(AlbumRepository)
class AlbumChange:
    title: auto
    price: auto
    artist_id: relay.GlobalID | None


@update_input(AlbumRepository)
class AlbumRow:
    id: relay.GlobalID
    title: auto
    price: auto


@create_input(TrackRepository)
class TrackCreate:
    name: auto
    seconds: auto
    album_id: strawberry.ID


@create_input(LabelRepository)
class LabelCreate:
    id: auto
    name: auto


@update_input(LabelRepository)
class LabelChange:
    name: auto


@update_input(CounterRepository)
class CounterChange:
    id: auto
    version: auto
    value: auto


@strawberry.type
class Query:
    album: AlbumType | None = one()
    albums: list[AlbumType] = many(order_by=Album.id)
    artist: ArtistType | None = one()
    artists: Connection[ArtistType] = connection()
    labels: list[LabelType] = many()


SAME: Any = to_type(AlbumType, 1)
"""An object that a resolver gives again and again."""


@strawberry.type
class Mutation:
    create_album: AlbumType = create(AlbumCreate, dry_run=True)
    create_track: TrackType | None = create(TrackCreate)
    create_albums: Written[AlbumType] = create_many(AlbumCreate, dry_run=True)
    add_albums: list[AlbumType] | None = create_many(AlbumCreate)
    upsert_labels: Written[LabelType] = upsert_many(LabelCreate, on=Label.name)
    update_album: AlbumType | None = update(AlbumChange, dry_run=True)
    update_albums: Written[AlbumType] = update_many(AlbumRow)
    update_label: LabelType | None = update(LabelChange)
    update_counter: CounterType | None = update(CounterChange)
    delete_album: AlbumType | None = delete(dry_run=True)
    delete_label: LabelType | None = delete()
    delete_albums: Deleted = delete_many(AlbumType)
    delete_labels: int | None = delete_many(LabelType)

    @mutation(dry_run=True)
    async def release(
        self, info: strawberry.Info, artist: str, titles: list[str], fail: bool = False
    ) -> AlbumType | None:
        """A new artist with albums; gives the first."""
        scope = scope_of(info)
        made = Artist(name=artist, albums=[Album(title=title) for title in titles])
        scope.add(made)
        await scope.flush()
        if fail:
            raise RuntimeError("after the flush")
        return to_type(AlbumType, made.albums[0])

    @strawberry.mutation
    async def rename(self, info: strawberry.Info, data: AlbumRow) -> AlbumType:
        """Without a transaction around it: the bulk write has its own."""
        row = sent(data, info)
        await AlbumRepository(scope_of(info)).update_many([row])
        return SAME if row["id"] == 1 else to_type(AlbumType, row["id"])


def make_schema(database: Database, **options: Any) -> strawberry.Schema:
    """The schema on a database; `options` are those of `ScopeExtension`."""

    # A class of its own: Strawberry's node fields work in one schema only.
    @strawberry.type(name="Query")
    class Root(Query):
        node: relay.Node | None = relay.node()

    return strawberry.Schema(Root, Mutation, extensions=[lambda: ScopeExtension(database, **options)])
