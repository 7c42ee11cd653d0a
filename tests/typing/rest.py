"""What checkers must see where a repository becomes endpoints, and below them."""

from __future__ import annotations

from typing import Any, assert_type

from fastapi import APIRouter, Depends, FastAPI, Request, Response

from batchrepo import Database, JsonNumberedPage, JsonPage, Page, Scope, capped, current_scope
from batchrepo.integrations.asgi import ScopeMiddleware, request_scope
from batchrepo.integrations.fastapi import (
    Provide,
    RefusedRow,
    install,
    json_response,
    lifespan,
    problems,
    related,
    resource,
)
from examples.chinook.forms import AlbumCreate, AlbumUpdate
from examples.chinook.models import Album
from examples.chinook.repositories import REPOSITORIES, AlbumRepository, TrackRepository
from examples.chinook.views import AlbumItem, AlbumView, ArtistView, TrackView

db = Database("sqlite+aiosqlite://", repositories=REPOSITORIES)
app = FastAPI(lifespan=lifespan(db))
install(app, db, context=lambda: 1, problems=False)


def allowed() -> None: ...


router = resource(
    AlbumRepository,
    view=AlbumView,
    list_view=AlbumItem,
    prefix="/albums",
    operations=("list", "one", "many", "count"),
    related={
        "tracks": related(Album.tracks, TrackView, repository=TrackRepository),
        "artist": related(Album.artist, ArtistView),
    },
    totals={"exact": "exact", "about": "estimated", "1000": capped(1_000)},
    cache_control="public, max-age=60",
    vary=(),
    tags=["music"],
    names=("album", "albums"),
    dependencies=[Depends(allowed)],
)
assert_type(router, APIRouter)
app.include_router(router)
writing = resource(
    AlbumRepository,
    view=AlbumView,
    prefix="/shelf",
    operations=("list", "create", "update", "delete", "bulk"),
    create=AlbumCreate,
    update=AlbumUpdate,
    upsert_on=(Album.title, Album.artist_id),
    bulk_size=500,
    require_if_match=True,
    dry_run=True,
)
assert_type(writing, APIRouter)
resource(AlbumRepository, view=AlbumView, prefix="/albums", create=Album)  # type: ignore[arg-type]
resource(AlbumRepository, view=AlbumView, prefix="/albums", operations=["lists"])  # type: ignore[list-item]
resource(Album, view=AlbumView, prefix="/albums")  # type: ignore[arg-type]
resource(AlbumRepository, view=Album, prefix="/albums")  # type: ignore[arg-type]


@app.get("/by-hand", response_model=Page[AlbumView], responses=problems(400))
async def by_hand(request: Request, albums: Provide[AlbumRepository], after: str | None = None) -> Response:
    """An endpoint of one's own."""
    page = await albums.page_json(AlbumView, after=after, fields="id")
    assert_type(page, JsonPage)
    numbered = await albums.numbered_page_json(AlbumView, number=2)
    assert_type(numbered, JsonNumberedPage)
    json_response(request, numbered, vary=["X-Tenant"])
    json_response(request, b"[]", links={"about": "/"}, cache_control=None)
    json_response(request, "[]")  # type: ignore[arg-type]
    return json_response(request, page)


@app.post("/singles", status_code=201)
async def write_by_hand(scope: Provide[Scope], albums: Provide[AlbumRepository]) -> list[RefusedRow]:
    """An endpoint of one's own that writes."""
    async with scope.transaction(dry_run=True):
        scope.add(Album(title="Live", artist_id=1))
        found = await albums.insert_many([{"title": "Live", "artist_id": 1}], on_error="collect")
    return [RefusedRow.of(error, index=error.index + 1) for error in found.errors]


async def any_framework(asgi_scope: dict[str, Any]) -> None:
    """Without FastAPI."""
    assert_type(await request_scope(asgi_scope), Scope)
    assert_type(current_scope(), Scope | None)
    ScopeMiddleware(app, db, context=lambda scope: scope["user"], lazy=True)
