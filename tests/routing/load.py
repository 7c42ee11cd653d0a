"""Users who read without pause while servers come and go, and the figures of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from batchrepo import Database
from batchrepo.events import EndpointEvent, Event, StatementEvent
from batchrepo.scope import Scope
from tests.support.cluster_servers import PATIENCE
from tests.writing.shop import AlbumRepository, AlbumView

Request = Callable[[Scope], Awaitable[object]]


async def read_an_album(scope: Scope) -> None:
    """A view with a relation and a computed attribute: three statements."""
    album = await AlbumRepository(scope).get(1, AlbumView)
    assert len(album.tracks) == 2


def endpoints_of(scope: Scope) -> list[str]:
    """Which servers answered its statements, in order; that a position was asked for does not count."""
    return [
        event.endpoint
        for event in scope.events.events
        if isinstance(event, StatementEvent) and event.cause != "consistency token"
    ]


class Load:
    """Users who make one request after the other, each in a scope of its own, as long as the block runs.

    Args:
        db: whom they ask.
        users: how many at once.
        request: what each request does.

    Attributes:
        made: how many requests were made.
        failed: the errors of those that failed.
        served: how many were answered by which server; by several, joined by `+`.
        slowest: seconds that the slowest took.
    """

    def __init__(self, db: Database, *, users: int = 6, request: Request = read_an_album) -> None:
        self.db = db
        self.made = 0
        self.failed: list[Exception] = []
        self.served: Counter[str] = Counter()
        self.slowest = 0.0
        self._request = request
        self._users = users
        self._tasks: list[asyncio.Task[None]] = []
        self._ended = False
        self._phase: Counter[str] = Counter()
        self._phase_of: dict[int, Counter[str]] = {}
        self._progress = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._user(number)) for number in range(self._users)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*self._tasks)
        print(self)  # noqa: T201  shown with -s

    def __str__(self) -> str:
        served = ", ".join(f"{count} by {name or 'nobody'}" for name, count in self.served.most_common())
        return (
            f"{self.made} requests, {len(self.failed)} failed, slowest {self.slowest:.3f} s; served {served}"
        )

    async def _user(self, number: int) -> None:
        while not self._ended:
            started, phase = time.perf_counter(), self._phase
            self._phase_of[number] = phase
            try:
                async with self.db.scope() as scope:
                    await self._request(scope)
                by = "+".join(sorted(set(endpoints_of(scope))))
                self.served[by] += 1
                phase[by] += 1
            except Exception as error:  # noqa: BLE001  counted
                self.failed.append(error)
            self.made += 1
            self.slowest = max(self.slowest, time.perf_counter() - started)
            async with self._progress:
                self._progress.notify_all()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds after a request."""
        async with asyncio.timeout(PATIENCE), self._progress:
            await self._progress.wait_for(holds)

    async def more(self, requests: int) -> Counter[str]:
        """Wait until so many requests that begin from now on are answered, and those that had begun before, too.

        Returns:
            Who served those that began from now on.
        """
        phase = self._phase = Counter()
        await self.until(
            lambda: phase.total() >= requests and all(of is phase for of in self._phase_of.values())
        )
        return phase


class Watched:
    """What happens to the endpoints of a Database, and waiting for it."""

    def __init__(self, db: Database) -> None:
        self.events: list[Event] = []
        self._changed = asyncio.Event()
        db.on_event(self._note)

    def _note(self, event: Event) -> None:
        if not isinstance(event, StatementEvent):
            self.events.append(event)
            self._changed.set()

    def states(self, endpoint: str) -> list[str]:
        """The states that an endpoint went through."""
        return [
            event.state
            for event in self.events
            if isinstance(event, EndpointEvent) and event.endpoint == endpoint
        ]

    async def until(self, endpoint: str, state: str, *, times: int = 1) -> None:
        """Wait until an endpoint has gone into a state so many times."""
        async with asyncio.timeout(PATIENCE):
            while self.states(endpoint).count(state) < times:
                self._changed.clear()
                await self._changed.wait()
