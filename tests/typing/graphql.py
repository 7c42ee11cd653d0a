"""What checkers must see where repositories become a GraphQL schema."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Annotated, Any, assert_type

import strawberry
from sqlalchemy import ColumnElement
from strawberry import auto, relay

from batchrepo import Database, DeclarationError, Scope, column
from batchrepo.integrations.strawberry import (
    BigInt,
    Connection,
    Deleted,
    Duration,
    ScopeExtension,
    Written,
    attribute,
    check_schema,
    connection,
    create,
    create_input,
    create_many,
    delete,
    delete_many,
    field,
    key_of,
    many,
    mutation,
    one,
    related,
    repository_type,
    scope_of,
    sent,
    to_type,
    update,
    update_input,
    update_many,
    upsert_many,
)
from examples.chinook.models import Album, Artist, Track
from examples.chinook.repositories import REPOSITORIES, AlbumRepository, ArtistRepository, TrackRepository


@repository_type(ArtistRepository)
class ArtistType:
    id: strawberry.ID
    name: auto
    albums: Connection[AlbumType]


@repository_type(AlbumRepository, name="Album", description="An album.")
class AlbumType:
    id: auto
    display_title: str = attribute(Album.title, description="As on the cover.")
    artist_name: str = attribute(column(Album.artist, Artist.name), deprecation_reason="Ask for the artist.")
    length: BigInt = attribute(AlbumRepository.duration, name="lengthInMs")
    artist: Annotated[ArtistType, strawberry.lazy("tests.typing.graphql")]
    first_tracks: list[TrackType]
    long_tracks: list[TrackType] = related(
        Album.tracks, where=Track.milliseconds > 300_000, order_by=Track.milliseconds.desc(), first=5
    )
    track_count: strawberry.Private[int]

    @field(requires=("track_count",))
    def size(self) -> str:
        assert_type(self.track_count, int)
        return "large" if self.track_count > 20 else "small"


@repository_type(TrackRepository)
class TrackType:
    id: auto
    name: str


@strawberry.type
class Query:
    album: AlbumType | None = one()
    album_there: AlbumType = one(by=Album.id, missing="error")
    artists: list[ArtistType] = many(order_by=Artist.name, limit=100)
    albums: Connection[AlbumType] = connection(where=Album.id > 0)

    @connection("AlbumType")
    async def some_albums(self, info: strawberry.Info, title: str) -> list[ColumnElement[bool]]:
        assert_type(scope_of(info), Scope)
        return [Album.title == title]

    @strawberry.field
    async def best(self, info: strawberry.Info) -> AlbumType:
        album = await AlbumRepository(scope_of(info)).get(1)
        assert_type(to_type(AlbumType, album), AlbumType)
        return to_type(AlbumType, album)


@create_input(TrackRepository)
class TrackCreate:
    name: str
    album_id: int
    composer: str | None = strawberry.UNSET
    milliseconds: int = strawberry.field(description="How long it lasts.")
    media_type_id: auto
    genre_id: auto
    bytes: auto
    unit_price: Decimal


@update_input(TrackRepository, versions="unchecked", description="A change.")
class TrackChange:
    id: int
    name: str | None = strawberry.UNSET


@strawberry.type
class Mutation:
    create_track: TrackType | None = create(TrackCreate, dry_run=True, description="A new one.")
    create_tracks: Written[TrackType] = create_many(TrackCreate)
    upsert_tracks: list[TrackType] = upsert_many(
        TrackCreate, on=Track.id, update=(Track.name,), duplicates="last"
    )
    update_track: TrackType = update(TrackChange)
    update_tracks: Written[TrackType] = update_many(TrackChange, name="changeTracks")
    delete_track: TrackType = delete()
    delete_tracks: Deleted = delete_many(TrackType)

    @mutation
    async def rename(self, info: strawberry.Info, data: TrackChange) -> TrackType:
        assert_type(data.id, int)
        assert_type(sent(data, info), dict[str, Any])
        return to_type(TrackType, data.id)

    @mutation(dry_run=True)
    def drop(self, info: strawberry.Info, album: relay.GlobalID) -> bool:
        return bool(key_of(AlbumType, album, info))


new = TrackCreate(
    name="A", album_id=1, milliseconds=3, media_type_id=1, genre_id=1, bytes=1, unit_price=Decimal(1)
)
assert_type(new.composer, str | None)
anything = one(missing="nothing")  # type: ignore[arg-type]
with suppress(DeclarationError):
    repository_type(Album)  # type: ignore[arg-type]
assert_type(BigInt(1), BigInt)


def seconds(length: Duration) -> float:
    """A scalar is what it holds."""
    return length.total_seconds()


db = Database("sqlite+aiosqlite://", repositories=REPOSITORIES)
schema = strawberry.Schema(Query, Mutation, extensions=[lambda: ScopeExtension(db)])
check_schema(schema, db)
