"""What checkers must see where consistency tokens travel."""

from __future__ import annotations

from typing import Any, assert_type

from fastapi import FastAPI

from batchrepo import ConsistencyToken, Database
from batchrepo.integrations.asgi import ScopeMiddleware
from batchrepo.integrations.fastapi import TokenTransport, install
from batchrepo.integrations.strawberry import ScopeExtension
from batchrepo.routing import Consistency


async def carried(app: FastAPI, db: Database) -> None:
    """In requests."""
    transport = TokenTransport(cookie="seen", header=None)
    assert_type(transport.cookie, str | None)
    install(app, db, tokens=transport)
    ScopeMiddleware(app, db, tokens=transport)
    install(app, db, tokens=None)  # type: ignore[arg-type]
    TokenTransport(cookie=3)  # type: ignore[arg-type]
    transport.cookie = "other"  # type: ignore[misc]


async def token_of(context: dict[str, Any]) -> ConsistencyToken | str | None:
    """Of a GraphQL context."""
    found: str | None = context.get("token")
    return found


def operations(db: Database) -> ScopeExtension:
    """In GraphQL operations."""
    return ScopeExtension(db, token=token_of)


async def shared(db: Database) -> str | None:
    """By scopes that are not one another's."""
    consistency = Consistency()
    with db.sharing(consistency):
        async with db.scope() as scope:
            assert_type(scope.has_writes, bool)
    async with db.scope(token=consistency) as scope:
        token = await scope.consistency_token()
    assert_type(token, ConsistencyToken | None)
    return db.tokens.write(token) if token is not None else None
