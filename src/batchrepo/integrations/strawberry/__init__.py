"""The Strawberry plug: one scope per operation, and errors with codes.

::

    schema = strawberry.Schema(query=Query, extensions=[lambda: ScopeExtension(database)])


    @strawberry.type
    class Query:
        @strawberry.field
        async def album(self, info: strawberry.Info, id: int) -> AlbumType:
            return AlbumType.of(await AlbumRepository(scope_of(info)).get(id))
"""

from __future__ import annotations

from batchrepo.integrations.extras import require

require("strawberry", name="Strawberry", extra="strawberry")

from batchrepo.integrations.strawberry.extension import ScopeExtension, scope_of  # noqa: E402  the check comes first

__all__ = ["ScopeExtension", "scope_of"]
