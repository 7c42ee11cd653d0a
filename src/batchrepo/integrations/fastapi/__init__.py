"""The FastAPI plug: repositories as dependencies, one scope per request, errors as problem details.

::

    database = Database("postgresql+asyncpg://...", repositories=[AlbumRepository])
    app = FastAPI(lifespan=lifespan(database))
    install(app, database)


    @app.get("/albums/{album_id}")
    async def album(album_id: int, albums: Provide[AlbumRepository]) -> AlbumView:
        return await albums.get(album_id, AlbumView)
"""

from __future__ import annotations

from batchrepo.integrations.extras import require

require("fastapi", name="FastAPI", extra="fastapi")

from batchrepo.integrations.fastapi.installing import install  # noqa: E402  the check comes first
from batchrepo.integrations.fastapi.lifespan import lifespan  # noqa: E402
from batchrepo.integrations.fastapi.openapi import problems  # noqa: E402
from batchrepo.integrations.fastapi.provide import Provide  # noqa: E402
from batchrepo.integrations.fastapi.resource import related, resource  # noqa: E402
from batchrepo.integrations.fastapi.responses import json_response  # noqa: E402
from batchrepo.integrations.problems import Problem, RefusedRow  # noqa: E402
from batchrepo.integrations.tokens import TokenTransport  # noqa: E402

__all__ = [
    "Problem",
    "Provide",
    "RefusedRow",
    "TokenTransport",
    "install",
    "json_response",
    "lifespan",
    "problems",
    "related",
    "resource",
]
