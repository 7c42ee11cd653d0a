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
from batchrepo.integrations.strawberry.writes.by_hand import mutation  # noqa: E402
from batchrepo.integrations.strawberry.writes.declaring import (  # noqa: E402
    create,
    create_many,
    delete,
    delete_many,
    update,
    update_many,
    upsert_many,
)
from batchrepo.integrations.strawberry.writes.inputs import create_input, update_input  # noqa: E402
from batchrepo.integrations.strawberry.writes.payloads import Deleted, Refusal, Written  # noqa: E402
from batchrepo.integrations.strawberry.writes.values import key_of, sent  # noqa: E402

__all__ = [
    "BigInt",
    "Connection",
    "Deleted",
    "Duration",
    "Edge",
    "Limits",
    "Refusal",
    "ScopeExtension",
    "Written",
    "attribute",
    "check_schema",
    "connection",
    "create",
    "create_input",
    "create_many",
    "delete",
    "delete_many",
    "field",
    "key_of",
    "many",
    "mutation",
    "one",
    "related",
    "repository_type",
    "scope_of",
    "sent",
    "to_type",
    "update",
    "update_input",
    "update_many",
    "upsert_many",
]
