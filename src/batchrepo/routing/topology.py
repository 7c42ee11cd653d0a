"""From what a Database was given to its endpoints: engines are made, names given, and what does not fit is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncEngine

from batchrepo.errors import DeclarationError
from batchrepo.executing import DriverPath, make_engine, read_engine, refuse_writes
from batchrepo.routing.endpoints import Endpoint, Replica

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import URL

    from batchrepo.routing.endpoints import Role


def primary_endpoint(
    url_or_engine: str | URL | AsyncEngine, pool: Mapping[str, Any], *, driver_path: bool
) -> Endpoint:
    """The primary.

    Args:
        url_or_engine: an asynchronous URL, or an engine of the user's.
        pool: settings of the engine that is made for a URL.
        driver_path: whether statements may go to the driver as they were compiled.

    Raises:
        DeclarationError: the URL or a setting is wrong, or there are settings for an engine that exists.
    """
    return _endpoint("primary", "primary", url_or_engine, pool, driver_path=driver_path)


def replica_endpoints(
    declared: Sequence[Any], primary: Endpoint, pool: Mapping[str, Any], *, driver_path: bool
) -> list[Endpoint]:
    """The replicas.

    Args:
        declared: URLs, engines, and what `Replica` makes of them.
        primary: what they follow.
        pool: settings that engines get where a `Replica` has no other; those for an engine of the user's are left out.
        driver_path: whether statements may go to the driver as they were compiled.

    Raises:
        DeclarationError: one is no replica of this primary, or two have the same name.
    """
    found: list[Endpoint] = []
    for number, item in enumerate(declared, 1):
        replica = item if isinstance(item, Replica) else Replica(item)
        name = replica.name or f"replica-{number}"
        given = replica.url_or_engine
        settings = replica.pool if isinstance(given, AsyncEngine) else {**pool, **replica.pool}
        endpoint = _endpoint(name, "replica", given, settings, driver_path=driver_path)
        endpoint.weight = replica.weight
        _check(endpoint, [primary, *found])
        refuse_writes(endpoint.engine)
        found.append(endpoint)
    return found


def _endpoint(name: str, role: Role, given: Any, pool: Mapping[str, Any], *, driver_path: bool) -> Endpoint:
    owned = not isinstance(given, AsyncEngine)
    if not owned and pool:
        raise DeclarationError(
            f"{', '.join(pool)}: settings of an engine go with a URL; an engine of yours has its own."
        )
    engine = make_engine(given, **pool) if owned else given
    return Endpoint(
        name,
        role,
        engine,
        engine if owned else read_engine(engine),
        DriverPath.of(engine.sync_engine) if driver_path else None,
        owned=owned,
    )


def _check(endpoint: Endpoint, others: Sequence[Endpoint]) -> None:
    primary = others[0]
    if (endpoint.dialect.name, endpoint.dialect.driver) != (primary.dialect.name, primary.dialect.driver):
        raise DeclarationError(
            f"{endpoint.name} is {endpoint.dialect.name}+{endpoint.dialect.driver}, and the primary is "
            f"{primary.dialect.name}+{primary.dialect.driver}: statements are made for one of them. Use the same driver."
        )
    for other in others:
        if endpoint.engine.sync_engine.pool is other.engine.sync_engine.pool:
            raise DeclarationError(
                f"{endpoint.name} and {other.name} are the same engine. Give each server one of its own; a Database without "
                f"replicas needs no replicas=."
            )
        if endpoint.name == other.name:
            raise DeclarationError(
                f"Two endpoints are called {endpoint.name!r}. Name each: Replica(url, name=...)."
            )
