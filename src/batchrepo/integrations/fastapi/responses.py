"""JSON that goes out as it is: with an entity tag, so that what the client has is not sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.responses import Response

from batchrepo.integrations.conditional import CACHE_CONTROL, VARY, entity_tag, is_known
from batchrepo.integrations.links import link_header

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import Request


def json_response(
    request: Request,
    body: bytes,
    *,
    etag: str | None = None,
    links: Mapping[str, str] | None = None,
    cache_control: str | None = CACHE_CONTROL,
    vary: Sequence[str] = VARY,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A response with JSON that is bytes already, or 304 if the client has it.

    ::

        @app.get("/albums", response_model=list[AlbumView])
        async def list_albums(request: Request, albums: Provide[AlbumRepository]) -> Response:
            return json_response(request, await albums.find_json(AlbumView))

    The answer to ``HEAD`` has the same headers and no body.

    Args:
        request: what is answered. Only the answer to ``GET`` and ``HEAD`` may be 304.
        body: the JSON.
        etag: its entity tag; computed from the body if not given.
        links: targets of the ``Link`` header by relation; see `cursor_links`.
        cache_control: who may keep the answer, and how long. None for no header.
        vary: the request headers that the answer depends on. The default is right where it depends on who
            asks, and harmless where it does not; what anybody may keep (``public``) and depends on nobody
            goes with ``vary=()``.
        headers: more headers.
    """
    tag = etag if etag is not None else entity_tag(body)
    told = {"ETag": tag, **(headers or {})}
    if cache_control is not None:
        told["Cache-Control"] = cache_control
    if vary:
        told["Vary"] = ", ".join(vary)
    if links:
        told["Link"] = link_header(links)
    if request.method in ("GET", "HEAD") and is_known(tag, request.headers.getlist("If-None-Match")):
        return Response(None, 304, told)
    if request.method == "HEAD":
        return Response(None, 200, {**told, "Content-Length": str(len(body))}, "application/json")
    return Response(body, 200, told, "application/json")
