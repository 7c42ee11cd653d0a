"""What checkers must see in FastAPI endpoints: `Provide[X]` is an X."""

from __future__ import annotations

from typing import assert_type

import strawberry
from fastapi import FastAPI

from batchrepo import Scope
from batchrepo.integrations.fastapi import Provide
from batchrepo.integrations.strawberry import scope_of
from examples.chinook.models import Album, Artist
from examples.chinook.repositories import AlbumRepository, ArtistRepository
from examples.chinook.views import AlbumView

app = FastAPI()


@app.get("/")
async def endpoint(
    albums: Provide[AlbumRepository], artists: Provide[ArtistRepository], scope: Provide[Scope]
) -> list[AlbumView]:
    """Repositories and the scope have their own types, and so has what they read."""
    assert_type(albums, AlbumRepository)
    assert_type(artists, ArtistRepository)
    assert_type(scope, Scope)
    assert_type(await albums.get(1), Album)
    assert_type(await artists.find(), list[Artist])
    assert_type(await scope.related(await albums.get(1), Album.artist), Artist)
    albums.no_such_method()  # type: ignore[attr-defined]
    return await albums.find(AlbumView)


async def resolver(info: strawberry.Info) -> int:
    """So it is in GraphQL."""
    scope = scope_of(info)
    assert_type(scope, Scope)
    artist = await ArtistRepository(scope).get(1)
    count = await scope.related(artist, ArtistRepository.album_count)
    assert_type(count, int)
    return count
