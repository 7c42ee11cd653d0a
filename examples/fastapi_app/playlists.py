"""Playlists, and their tracks through the table between them."""

from __future__ import annotations

from fastapi import APIRouter

from batchrepo import Scope
from batchrepo.integrations.fastapi import Provide, problems
from examples.chinook.models import Playlist
from examples.chinook.repositories import PlaylistRepository
from examples.chinook.views import PlaylistItem, TrackItem
from examples.fastapi_app.parameters import Id

router = APIRouter(prefix="/playlists", tags=["playlists"])


@router.get("")
async def list_playlists(playlists: Provide[PlaylistRepository]) -> list[PlaylistItem]:
    """All playlists with the number and the length of their tracks."""
    return await playlists.find(PlaylistItem, order_by=(Playlist.name, Playlist.id))


@router.get("/{playlist_id}/tracks", responses=problems(404))
async def list_tracks(
    playlist_id: Id, playlists: Provide[PlaylistRepository], scope: Provide[Scope]
) -> list[TrackItem]:
    """The tracks of one playlist."""
    playlist = await playlists.get(playlist_id)
    return await scope.related(playlist, Playlist.tracks, TrackItem)
