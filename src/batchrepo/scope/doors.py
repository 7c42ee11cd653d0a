"""Which door a scope has: by what it was opened with, and how many servers there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrepo.executing import JoinedDoor, PinnedDoor, PooledDoor
from batchrepo.routing import RoutedDoor, RoutedSnapshot

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from batchrepo.events import EventLog
    from batchrepo.executing import Door
    from batchrepo.routing import Route
    from batchrepo.strategies.reading import Reading


def make_door(
    reading: Reading,
    route: Route,
    events: EventLog,
    *,
    session: AsyncSession | None,
    snapshot: bool,
    max_statements: int | None,
) -> Door:
    """The way of a scope to its rows, outside of transactions.

    Args:
        reading: what all scopes share.
        route: where the scope reads, if there are replicas.
        events: its log.
        session: the session of a user's that it joins.
        snapshot: whether all of its reads see one state.
        max_statements: how many statements it may run.
    """
    if session is not None:
        return JoinedDoor(session, events, max_statements=max_statements)
    if reading.connection is not None:
        return PinnedDoor(reading.connection, events, snapshot=False, max_statements=max_statements)
    if route.router.replicas:
        route.router.start()
        if snapshot:
            return RoutedSnapshot(route, events, max_statements=max_statements)
        return RoutedDoor(
            route, events, read_connections=reading.read_connections, max_statements=max_statements
        )
    if snapshot:
        return PinnedDoor(reading.engine, events, snapshot=True, max_statements=max_statements)
    return PooledDoor(
        reading.engine,
        events,
        read_connections=reading.read_connections,
        max_statements=max_statements,
        driver_path=reading.driver_path,
    )
