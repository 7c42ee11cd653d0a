"""What the store sells: each router is one declaration, reads what its views show, and writes what its models have."""

from __future__ import annotations

from batchrepo import capped
from batchrepo.integrations.fastapi import related, resource
from examples.chinook.forms import AlbumCreate, AlbumUpdate, PlaylistCreate
from examples.chinook.models import Album, Artist, Genre, Playlist, Track
from examples.chinook.repositories import (
    AlbumRepository,
    ArtistRepository,
    GenreRepository,
    PlaylistRepository,
    TrackRepository,
)
from examples.chinook.views import (
    AlbumItem,
    AlbumPage,
    AlbumView,
    ArtistPage,
    ArtistView,
    GenreItem,
    GenrePage,
    PlaylistItem,
    PlaylistPage,
    TrackItem,
    TrackPage,
    TrackView,
)

artists = resource(
    ArtistRepository,
    view=ArtistPage,
    list_view=ArtistView,
    prefix="/artists",
    tags=["Artists"],
    related={"albums": related(Artist.albums, AlbumItem, repository=AlbumRepository)},
)

albums = resource(
    AlbumRepository,
    view=AlbumPage,
    list_view=AlbumView,
    prefix="/albums",
    tags=["Albums"],
    related={
        "tracks": related(Album.tracks, TrackView, repository=TrackRepository),
        "artist": related(Album.artist, ArtistView),
    },
    create=AlbumCreate,
    update=AlbumUpdate,
    dry_run=True,
)

tracks = resource(
    TrackRepository,
    view=TrackPage,
    list_view=TrackView,
    prefix="/tracks",
    tags=["Tracks"],
    totals={"exact": "exact", "1000+": capped(1_000)},  # counting stops where nobody looks any more
    related={
        "album": related(Track.album, AlbumItem),
        "playlists": related(Track.playlists, PlaylistItem, repository=PlaylistRepository),
    },
)

genres = resource(
    GenreRepository,
    view=GenrePage,
    list_view=GenreItem,
    prefix="/genres",
    tags=["Genres"],
    cache_control="public, max-age=60",  # the same for everybody, and seldom another
    vary=(),
    related={"tracks": related(Genre.tracks, TrackItem, repository=TrackRepository)},
)

playlists = resource(
    PlaylistRepository,
    view=PlaylistPage,
    list_view=PlaylistItem,
    prefix="/playlists",
    tags=["Playlists"],
    numbered=True,  # eighteen rows: page numbers do no harm
    operations=("list", "one", "many", "count", "create", "update", "delete", "bulk"),
    create=PlaylistCreate,
    update=PlaylistCreate,
    require_if_match=True,  # nobody overwrites what somebody else has written meanwhile
    dry_run=True,
    related={"tracks": related(Playlist.tracks, TrackItem, repository=TrackRepository)},
)

ROUTERS = (albums, artists, tracks, genres, playlists)
"""All routers of this module."""
