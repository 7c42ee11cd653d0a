"""The Strawberry plug: types from repositories, scopes, limits, and errors with codes.

::

    @repository_type(AlbumRepository)
    class AlbumType:
        id: auto
        title: auto
        artist: "ArtistType"
        tracks: Connection["TrackType"]


    @strawberry.type
    class Query:
        album: AlbumType | None = one()
        albums: Connection[AlbumType] = connection()


    schema = strawberry.Schema(Query, extensions=[lambda: ScopeExtension(database)])
"""

from __future__ import annotations

from batchrepo.integrations.extras import require

require("strawberry", name="Strawberry", extra="strawberry")

# The check comes first.
from batchrepo.integrations.strawberry.limits.limits import Limits  # noqa: E402
from batchrepo.integrations.strawberry.operation.extension import ScopeExtension  # noqa: E402
from batchrepo.integrations.strawberry.operation.scopes import scope_of  # noqa: E402
from batchrepo.integrations.strawberry.roots.declaring import connection, many, one  # noqa: E402
from batchrepo.integrations.strawberry.types.checking import check_schema  # noqa: E402
from batchrepo.integrations.strawberry.types.connections import Connection, Edge  # noqa: E402
from batchrepo.integrations.strawberry.types.declaring import repository_type  # noqa: E402
from batchrepo.integrations.strawberry.types.fields import attribute, related  # noqa: E402
from batchrepo.integrations.strawberry.types.objects import field, to_type  # noqa: E402
from batchrepo.integrations.strawberry.types.scalars import BigInt, Duration  # noqa: E402

__all__ = [
    "BigInt",
    "Connection",
    "Duration",
    "Edge",
    "Limits",
    "ScopeExtension",
    "attribute",
    "check_schema",
    "connection",
    "field",
    "many",
    "one",
    "related",
    "repository_type",
    "scope_of",
    "to_type",
]
