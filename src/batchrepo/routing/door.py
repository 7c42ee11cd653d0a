"""A scope's way to several servers: every read goes where its route says, and once more elsewhere where that fails."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import DBAPIError

from batchrepo.errors import ScopeClosed
from batchrepo.executing import Door, Hold, PinnedDoor, PooledDoor
from batchrepo.executing.door import CLOSED
from batchrepo.routing.failures import NEVER_RAN
from batchrepo.routing.statements import is_plain_select, remember_writing

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from sqlalchemy import Executable
    from sqlalchemy.ext.asyncio import AsyncSession

    from batchrepo.events import EventLog
    from batchrepo.executing import Rows
    from batchrepo.executing.door import Call, Work
    from batchrepo.routing.endpoints import Endpoint
    from batchrepo.routing.route import Route

T = TypeVar("T")


class RoutedDoor(Door):
    """A `PooledDoor` for each endpoint that the scope uses, most often one.

    Args:
        route: where the scope reads.
        events: one event for each statement goes here.
        read_connections: how many connections the scope may use at once on one endpoint.
        max_statements: how many statements the scope may run, or None.
    """

    def __init__(
        self,
        route: Route,
        events: EventLog,
        *,
        read_connections: int,
        max_statements: int | None,
    ) -> None:
        super().__init__(route.router.primary.dialect, events, max_statements)
        self._route = route
        self._events = events
        self._read_connections = read_connections
        self._max_statements = max_statements
        self._doors: dict[Endpoint, PooledDoor] = {}
        self._holders = 0

    @property
    def parallel(self) -> int:  # type: ignore[override]
        """How many statements to run at once, where the scope reads at this moment."""
        endpoint = self._route.current
        door = self._doors.get(endpoint) if endpoint is not None else None
        return door.parallel if door is not None else 1

    def __repr__(self) -> str:
        names = ", ".join(endpoint.name for endpoint in self._doors)
        return f"<RoutedDoor {names or 'not used yet'}{' closed' if self._closed else ''}>"

    async def rows(
        self,
        statement: Executable,
        params: Mapping[str, Any] | None = None,
        *,
        cause: str,
        keys: int | None = None,
    ) -> Rows:
        """As `Door.rows`, where the route says."""
        return await self._read(statement, lambda door: door.rows(statement, params, cause=cause, keys=keys))

    async def entities(
        self,
        session: AsyncSession,
        statement: Executable,
        params: Mapping[str, Any] | None = None,
        *,
        cause: str,
        keys: int | None = None,
    ) -> Rows:
        """As `Door.entities`, where the route says."""
        return await self._read(
            statement, lambda door: door.entities(session, statement, params, cause=cause, keys=keys)
        )

    async def _read(self, statement: Executable, run: Callable[[Door], Coroutine[Any, Any, T]]) -> T:
        if self._closed:
            raise ScopeClosed(CLOSED)
        route = self._route
        movable = is_plain_select(statement)
        if movable:
            endpoint = await route.for_reading()
        else:
            endpoint = await route.for_primary("a statement that may do more than read")
        ran, failed = False, Exception()
        for _ in route.router.endpoints:
            try:
                async with self._bounded(endpoint):
                    answer = await run(self._door_to(endpoint))
            except Exception as error:
                failure = route.failed(endpoint, error)
                if failure is None:
                    raise
                sent = failure not in NEVER_RAN
                # It is sent twice at most. What the primary has begun is not sent again, since a function in it may write.
                if sent and ran:
                    raise
                if endpoint.role == "primary" and (sent or not movable):
                    route.refuse_primary(error, failure)
                    raise
                ran = ran or sent
                if failure == "read only":
                    remember_writing(statement)
                    movable = False
                if sent and isinstance(error.__cause__ or error, DBAPIError):
                    self._allow_one_more()
                failed, endpoint = error, await route.elsewhere(endpoint, failure)
            else:
                route.served(endpoint)
                return answer
        raise failed

    def _allow_one_more(self) -> None:
        """What a server failed counts as a statement, and is not the scope's fault."""
        if self._max_statements is not None:
            self._max_statements += 1
            for door in self._doors.values():
                door.max_statements = self._max_statements

    def _bounded(self, endpoint: Endpoint) -> AbstractAsyncContextManager[None]:
        router = self._route.router
        if endpoint.role == "primary" and router.replicas_lost:
            return router.gate.entered()
        return nullcontext()

    def _door_to(self, endpoint: Endpoint) -> PooledDoor:
        if self._closed:
            raise ScopeClosed(CLOSED)
        door = self._doors.get(endpoint)
        if door is None:
            door = self._doors[endpoint] = PooledDoor(
                endpoint.reading,
                self._events,
                read_connections=self._read_connections,
                max_statements=self._max_statements,
                driver_path=endpoint.driver_path,
                endpoint=endpoint.name,
            )
            for _ in range(self._holders):
                door.keep()
        endpoint.doors.add(door)
        return door

    def hold(self) -> AbstractAsyncContextManager[None]:
        """Keep connections while anybody is inside; see ``Door.hold``."""
        return Hold(self)

    def keep(self) -> None:
        """Somebody is inside `hold`."""
        self._holders += 1
        for door in self._doors.values():
            door.keep()

    async def let_go(self) -> None:
        """He has left."""
        self._holders -= 1
        for door in tuple(self._doors.values()):
            await door.let_go()

    def interrupt(self, error: Exception) -> None:
        """End the calls that are waiting or running, on whichever server."""
        for door in self._doors.values():
            door.interrupt(error)

    async def quiet(self) -> None:
        """Wait for the calls that are inside at this moment."""
        for door in tuple(self._doors.values()):
            await door.quiet()

    async def aclose(self) -> None:
        """Return every connection to its server's pool."""
        self._closed = True
        async with AsyncExitStack() as every:  # an error with one does not keep the others
            for door in self._doors.values():
                every.push_async_callback(door.aclose)

    async def _run(self, work: Work[T], call: Call) -> T:
        raise NotImplementedError  # reads go to the doors of the endpoints as they are

    async def _release(self) -> None:
        """Nothing is open but what those doors have."""


class RoutedSnapshot(PinnedDoor):
    """One connection for the life of the scope, to the endpoint that its route says.

    Args:
        route: where the scope reads.
        events: one event for each statement goes here.
        max_statements: how many statements the scope may run, or None.
    """

    def __init__(self, route: Route, events: EventLog, *, max_statements: int | None) -> None:
        primary = route.router.primary
        super().__init__(primary.reading, events, snapshot=True, max_statements=max_statements)
        self._route = route
        self._endpoint: Endpoint | None = None

    async def _locate(self) -> None:
        self._go_to(self._endpoint or await self._route.for_reading())

    def _go_to(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._meter.endpoint = endpoint.name
        self._connect_to(endpoint.reading)
        endpoint.doors.add(self)

    async def _run(self, work: Work[T], call: Call) -> T:
        for _ in self._route.router.endpoints:
            try:
                answer = await super()._run(work, call)
            except Exception as error:
                endpoint = self._endpoint
                failure = None if endpoint is None else self._route.failed(endpoint, error)
                if endpoint is None or failure not in NEVER_RAN or self._connection is not None:
                    raise
                self._endpoint = await self._route.elsewhere(endpoint, failure)
            else:
                assert self._endpoint is not None
                self._route.served(self._endpoint)
                return answer
        return await super()._run(work, call)
