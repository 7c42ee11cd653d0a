"""Written by hand: a response that is streamed, and reads the database while it is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from batchrepo.integrations.fastapi import Provide, problems
from examples.chinook.repositories import TrackRepository
from examples.chinook.views import TrackView

router = APIRouter(tags=["By hand"])

CHUNK = 500
"""Tracks that are read at a time."""


class JsonLines(StreamingResponse):
    """A JSON object in each line."""

    media_type = "application/jsonl"


@router.get(
    "/exports/tracks",
    summary="Export tracks",
    response_class=JsonLines,
    responses={
        200: {
            "description": "One track in each line, as JSON.",
            "content": {"application/jsonl": {"schema": {"type": "string"}}},
        },
        **problems(400),
    },
)
async def export_tracks(
    tracks: Provide[TrackRepository],
    genre: Annotated[
        str | None, Query(max_length=100, description="Only of this genre.", examples=["Jazz"])
    ] = None,
) -> JsonLines:
    """All tracks, or those of one genre, as JSON Lines.

    The table is walked in chunks of 500 while the answer is sent: no chunk is kept, and no connection is held while
    the client is slow.
    """
    where = [tracks.filters({"genre.name": genre})] if genre is not None else []

    async def lines() -> AsyncIterator[str]:
        async for chunk in tracks.chunks(TrackView, *where, size=CHUNK):
            yield "".join(f"{track.model_dump_json()}\n" for track in chunk.items)

    return JsonLines(lines())
