"""The root fields and the schema."""

from __future__ import annotations

import strawberry

from batchrepo import Database, InvalidArgument
from batchrepo.integrations.strawberry import ScopeExtension, scope_of
from examples.chinook.models import Album, Artist, Playlist
from examples.chinook.repositories import (
    AlbumRepository,
    ArtistRepository,
    PlaylistRepository,
    TrackRepository,
)
from examples.graphql_app.types import AlbumType, ArtistType, Info, PlaylistType, TrackType

MOST = 1_000
"""No list is longer."""


@strawberry.type
class Query:
    """Where a query begins."""

    @strawberry.field
    async def album(self, info: Info, id: int) -> AlbumType:  # noqa: A002  the argument's name in GraphQL
        """One album; an error with the code NOT_FOUND where there is none."""
        return AlbumType.of(await AlbumRepository(scope_of(info)).get(id))

    @strawberry.field
    async def albums(self, info: Info, first: int = 20, search: str | None = None) -> list[AlbumType]:
        """Albums by title."""
        where = [Album.title.icontains(search, autoescape=True)] if search else []
        albums = AlbumRepository(scope_of(info))
        rows = await albums.find(*where, order_by=(Album.title, Album.id), limit=_checked(first))
        return [AlbumType.of(row) for row in rows]

    @strawberry.field
    async def artist(self, info: Info, id: int) -> ArtistType | None:  # noqa: A002
        """One artist; null where there is none."""
        row = await ArtistRepository(scope_of(info)).get_or_none(id)
        return ArtistType.of(row) if row is not None else None

    @strawberry.field
    async def artists(self, info: Info, first: int = 20, search: str | None = None) -> list[ArtistType]:
        """Artists by name."""
        where = [Artist.name.icontains(search, autoescape=True)] if search else []
        artists = ArtistRepository(scope_of(info))
        rows = await artists.find(*where, order_by=(Artist.name, Artist.id), limit=_checked(first))
        return [ArtistType.of(row) for row in rows]

    @strawberry.field
    async def track(self, info: Info, id: int) -> TrackType:  # noqa: A002
        """One track; an error with the code NOT_FOUND where there is none."""
        return TrackType.of(await TrackRepository(scope_of(info)).get(id))

    @strawberry.field
    async def playlists(self, info: Info) -> list[PlaylistType]:
        """All playlists by name."""
        rows = await PlaylistRepository(scope_of(info)).find(order_by=(Playlist.name, Playlist.id))
        return [PlaylistType.of(row) for row in rows]


def create_schema(database: Database) -> strawberry.Schema:
    """The schema, whose operations read from a Database."""
    return strawberry.Schema(Query, extensions=[lambda: ScopeExtension(database)])


def _checked(first: int) -> int:
    if not 1 <= first <= MOST:
        raise InvalidArgument(f"first: {first} is out of range. Expected 1 to {MOST}.")
    return first
