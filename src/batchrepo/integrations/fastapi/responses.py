"""JSON that goes out as it is: with an entity tag, so that what the client has is not sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.responses import Response

from batchrepo.integrations.conditional import CACHE_CONTROL, VARY, is_known
from batchrepo.integrations.links import link_header, number_links, page_links
from batchrepo.plan.pages import JsonNumberedPage, JsonPage, etag_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import Request


def json_response(
    request: Request,
    reply: JsonPage | JsonNumberedPage | bytes,
    *,
    links: Mapping[str, str] | None = None,
    cache_control: str | None = CACHE_CONTROL,
    vary: Sequence[str] = VARY,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A response with JSON that is bytes already, or 304 if the client has it.

    ::

        @app.get("/albums", response_model=Page[AlbumView])
        async def list_albums(request: Request, albums: Provide[AlbumRepository], after: str | None = None):
            return json_response(request, await albums.page_json(AlbumView, after=after))

    The answer to ``HEAD`` is that to ``GET``, whose body the server leaves out: what stands between, such as a
    middleware that compresses, makes the same headers of it.

    Args:
        request: what is answered. Only the answer to ``GET`` and ``HEAD`` may be 304.
        reply: the JSON, or a page of it, whose ``Link`` header names the pages beside it by the parameters
            ``first``, ``after``, ``last`` and ``before``, or by ``page`` and ``size``.
        links: targets of the ``Link`` header by relation, instead of those.
        cache_control: who may keep the answer, and how long. None for no header.
        vary: the request headers that the answer depends on. The default is right where it depends on who
            asks, and harmless where it does not; what anybody may keep (``public``) and depends on nobody
            goes with ``vary=()``.
        headers: more headers.
    """
    body, tag = (reply, etag_of(reply)) if isinstance(reply, bytes) else (reply.body, reply.etag)
    if links is None and not isinstance(reply, bytes):
        links = _beside(request, reply)
    told = {"ETag": tag, **(headers or {})}
    if cache_control is not None:
        told["Cache-Control"] = cache_control
    if vary:
        told["Vary"] = ", ".join(vary)
    if links:
        told["Link"] = link_header(links)
    if request.method in ("GET", "HEAD") and is_known(tag, request.headers.getlist("If-None-Match")):
        # What compresses adds this to answers with a body only, but caches take the headers of this one over.
        told["Vary"] = ", ".join(filter(None, (told.get("Vary"), "Accept-Encoding")))
        return Response(None, 304, told)
    return Response(body, 200, told, "application/json")


def _beside(request: Request, page: JsonPage | JsonNumberedPage) -> dict[str, str]:
    path, parameters = request.scope["path"], request.query_params.multi_items()
    if isinstance(page, JsonNumberedPage):
        return number_links(path, parameters, page)
    return page_links(path, parameters, page)
