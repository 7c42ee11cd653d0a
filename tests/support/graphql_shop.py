"""The Chinook store as a GraphQL schema with filters, orders, renamed fields and several types of one entity."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from sqlalchemy import ColumnElement
from strawberry import auto

from batchrepo import (
    Database,
    Repository,
    any_of,
    between,
    column,
    count,
    eq,
    ge,
    icontains,
    is_null,
    le,
    named_filter,
    top,
    total,
)
from batchrepo.integrations.strawberry import (
    BigInt,
    Connection,
    ScopeExtension,
    attribute,
    connection,
    many,
    one,
    related,
    repository_type,
    scope_of,
)
from examples.chinook.models import Album, Artist, Employee, Playlist, Track


class ArtistRepository(Repository[Artist]):
    album_count = count(Artist.albums)
    default_order = (Artist.name,)
    sortable = (Artist.name, album_count)
    filterable = {Artist.name: (eq, icontains), album_count: (ge, le)}  # noqa: RUF012


class AlbumRepository(Repository[Album]):
    track_count = count(Album.tracks)
    duration = total(Album.tracks, Track.milliseconds)
    first_tracks = top(Album.tracks, 2)
    default_order = (Album.title,)
    sortable = (Album.title, track_count, column(Album.artist, Artist.name))
    filterable = {  # noqa: RUF012
        Album.id: (eq, any_of, between),
        Album.title: (eq, icontains),
        track_count: (ge, le),
        duration: ge,
        column(Album.artist, Artist.name): (eq, icontains),
    }
    max_page_size = 400

    @named_filter
    def seen_by_context(self, wanted: bool) -> ColumnElement[bool]:
        """Albums whose id is that of the scope's context."""
        same = Album.id == self.scope.context
        return same if wanted else ~same


class PublicAlbums(Repository[Album]):
    """The same albums, with less to filter by."""

    filterable = {Album.title: eq}  # noqa: RUF012


class TrackRepository(Repository[Track]):
    sortable = (Track.name, Track.milliseconds, Track.composer.nulls_last())
    filterable = {  # noqa: RUF012
        Track.name: (eq, icontains),
        Track.milliseconds: (ge, le),
        Track.composer: (icontains, is_null),
    }
    page_size = 5


class PlaylistRepository(Repository[Playlist]):
    filterable = {Playlist.name: icontains}  # noqa: RUF012


class EmployeeRepository(Repository[Employee]):
    report_count = count(Employee.reports)
    filterable = {report_count: ge, column(Employee.reports_to, Employee.last_name): eq}  # noqa: RUF012
    sortable = (Employee.last_name,)


REPOSITORIES = (
    ArtistRepository,
    AlbumRepository,
    PublicAlbums,
    TrackRepository,
    PlaylistRepository,
    EmployeeRepository,
)


@repository_type(ArtistRepository)
class ArtistType:
    """Who plays.

    Alone or in a band.
    """

    id: strawberry.ID
    name: Annotated[auto, strawberry.field(description="As the band writes it.")]
    albums: Connection[AlbumType]
    shown: list[PublicAlbumType] = related(Artist.albums)


@repository_type(AlbumRepository)
class AlbumType:
    id: auto
    display_title: str = attribute(Album.title, description="As on the cover.")
    renamed: str = attribute(Album.title, name="called", deprecation_reason="old")
    artist: Annotated[ArtistType, strawberry.lazy("tests.support.graphql_shop")]
    artist_name: str = attribute(column(Album.artist, Artist.name))
    track_count: auto = strawberry.field(description="How many.")
    length: BigInt = attribute(AlbumRepository.duration, name="lengthInMs")
    tracks: Connection[TrackType]
    all_tracks: list[TrackType] = related(Album.tracks)
    long_tracks: list[TrackType] = related(
        Album.tracks, where=Track.milliseconds > 300_000, order_by=Track.milliseconds.desc(), first=2
    )
    first_tracks: list[TrackType]


@repository_type(PublicAlbums)
class PublicAlbumType:
    title: auto


@repository_type(TrackRepository)
class TrackType:
    id: auto
    name: auto
    composer: str | None
    milliseconds: int
    playlists: list[PlaylistType]


@repository_type(PlaylistRepository)
class PlaylistType:
    name: auto


@repository_type(EmployeeRepository)
class EmployeeType:
    last_name: auto
    report_count: auto
    reports_to: EmployeeType | None
    reports: list[EmployeeType]


@strawberry.type
class Query:
    artist: ArtistType | None = one()
    album: AlbumType = one()
    albums: Connection[AlbumType] = connection()
    long_albums: Connection[AlbumType] = connection(
        where=AlbumRepository.track_count >= 20, order_by=AlbumRepository.duration.desc()
    )
    some_albums: list[AlbumType] = many(limit=10)
    public_albums: list[PublicAlbumType] = many()
    employees: list[EmployeeType] = many()
    tracks: Connection[TrackType] = connection()

    @connection("AlbumType")
    async def albums_of(self, info: strawberry.Info, artist: str) -> list[ColumnElement[bool]]:
        """Albums of one artist."""
        ids = await ArtistRepository(scope_of(info)).find(Artist.name == artist)
        return [Album.artist_id.in_([each.id for each in ids])]

    @many("TrackType", limit=3)
    def short_tracks(self) -> Any:
        return Track.milliseconds < 10_000


def make_shop(database: Database, *more: Any, **options: Any) -> strawberry.Schema:
    """The schema on a database; `options` are those of `ScopeExtension`."""
    return strawberry.Schema(Query, extensions=[*more, lambda: ScopeExtension(database, **options)])
