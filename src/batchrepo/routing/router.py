"""The endpoints of a Database: which are up, how far they are, and which of them come first."""

from __future__ import annotations

import asyncio
import logging
import random
from time import monotonic, perf_counter
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from batchrepo.errors import BatchRepoError, DatabaseUnavailable
from batchrepo.events import EndpointEvent, ReplicasLost, StatementEvent
from batchrepo.executing.border import reason
from batchrepo.routing.failures import AWAY, failure_of
from batchrepo.routing.gate import Gate
from batchrepo.routing.health import HealthChecks, Monitor
from batchrepo.routing.lag import PrimaryPositions
from batchrepo.routing.pools import pool_use
from batchrepo.routing.prober import Prober
from batchrepo.routing.probing import probe_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchrepo.events import Event, EventLog
    from batchrepo.routing.endpoints import Endpoint, State
    from batchrepo.routing.positions import Position
    from batchrepo.routing.tokens import TokenCodec

logger = logging.getLogger(__name__)

POLL = 0.002
"""Seconds between two questions to a replica that somebody waits for; each pause is half as long again."""

LONGEST_POLL = 0.025


class Router:
    """What the scopes of one Database know together of its endpoints.

    Args:
        primary: takes writes.
        replicas: follow it; there may be none.
        tokens: writes and reads consistency tokens.
        checks: how endpoints are looked after.
        tell: hears of what happens to endpoints.
    """

    def __init__(
        self,
        primary: Endpoint,
        replicas: Sequence[Endpoint],
        tokens: TokenCodec,
        checks: HealthChecks,
        tell: Callable[[Event], None],
    ) -> None:
        self.primary = primary
        self.replicas = tuple(replicas)
        self.tokens = tokens
        self.checks = checks
        self.positions = PrimaryPositions()
        self._tell = tell
        self.probers = [Prober(endpoint, checks.timeout) for endpoint in self.endpoints]
        self._prober_of = {prober.endpoint: prober for prober in self.probers}
        self._monitor = Monitor(self, checks)
        use = pool_use(primary.engine)
        self.gate = Gate(checks.primary_reads or max(1, (use.most or 20) // 2 if use else 1), wait=5.0)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The primary, then the replicas."""
        return (self.primary, *self.replicas)

    def start(self) -> None:
        """Look after the endpoints from now on, in the running event loop."""
        if self.replicas:
            self._monitor.start()

    async def looked(self) -> None:
        """Wait until the endpoints have been looked at once: before, nobody knows how far they are."""
        await self._monitor.looked()

    async def aclose(self) -> None:
        """End what runs in the background."""
        await self._monitor.aclose()
        for prober in self.probers:
            await prober.aclose()

    # --- who may be used ------------------------------------------------------------------------

    def usable(self) -> list[Endpoint]:
        """The replicas that are up, in a random order: each comes first as often as its weight says."""
        up = [replica for replica in self.replicas if replica.up]
        if len(up) < 2:
            return up
        # Efraimidis and Spirakis, "Weighted random sampling with a reservoir" (2006): sort by u ** (1 / weight).
        return sorted(up, key=lambda one: -(random.random() ** (1 / one.weight)) if one.weight else 1.0)  # noqa: S311

    @property
    def replicas_lost(self) -> bool:
        """Whether there are replicas, and all of them are down."""
        return bool(self.replicas) and not any(replica.up for replica in self.replicas)

    def failed(self, endpoint: Endpoint, error: BaseException) -> None:
        """An endpoint failed somebody.

        Nobody begins to use a replica until it has proven itself, and who uses it goes on until it was looked at. Of the
        primary nothing is concluded before: one connection that breaks must not make all writes fail.
        """
        if endpoint.role == "replica":
            self.change(endpoint, "down", reason(error), confirmed=False)
        self._monitor.look_soon()

    def change(
        self, endpoint: Endpoint, state: State, why: str | None = None, *, confirmed: bool = True
    ) -> None:
        """An endpoint is in another state now; see `Endpoint.change`."""
        lost = self.replicas_lost
        if not endpoint.change(state, why, confirmed=confirmed):
            return
        logger.log(
            logging.INFO if state == "up" else logging.WARNING,
            "%s is %s%s",
            endpoint.name,
            state,
            f": {why}" if why else "",
        )
        self._tell(EndpointEvent(endpoint.name, endpoint.role, state, why))
        if self.replicas_lost and not lost:
            logger.warning(
                "All replicas are down: the primary answers up to %d reads at once.", self.gate.most
            )
            self._tell(ReplicasLost(tuple(replica.name for replica in self.replicas)))

    # --- how far they are -----------------------------------------------------------------------

    def primary_seen(self, moment: float, position: Position | None) -> None:
        """The primary has answered a question that was sent at this moment."""
        if position is not None:
            self.positions.note(moment, position)

    def lag(self, replica: Endpoint) -> float | None:
        """How many seconds what a replica has may be old at most; None where nobody knows.

        While the primary is away it does not grow: nobody writes there then, as far as can be seen from here.
        """
        if replica.position is None:
            return None
        now = monotonic() if self.primary.up else self.primary.since
        return self.positions.age(replica.position, now)

    async def primary_position(self, events: EventLog) -> Position | None:
        """Where the primary is now, or a moment later; None where it does not say, or is away."""
        if self.primary.dialect.name != "postgresql":
            return None
        started, prober = perf_counter(), self._prober_of[self.primary]
        try:
            answer = await prober.ask()
        except (SQLAlchemyError, BatchRepoError, OSError) as error:
            logger.warning("The primary's position is not known: %s", reason(error))
            return None
        sql = probe_sql("postgresql")
        events.emit(
            StatementEvent(
                "consistency token", sql, None, 1, perf_counter() - started, endpoint=self.primary.name
            )
        )
        return answer.position

    async def replayed(
        self, replicas: Sequence[Endpoint], position: Position, within: float
    ) -> Endpoint | None:
        """The first of the replicas that has replayed a position, or does so within so many seconds."""
        latest = self.positions.latest
        if latest is not None and (latest.system, latest.timeline) != (position.system, position.timeline):
            return None  # from before a promotion: what became of it only the primary can say
        for replica in replicas:
            if replica.position is not None and replica.position.covers(position):
                return replica
        waiting = {
            asyncio.create_task(self._reach(replica, position)): replica for replica in replicas if replica.up
        }
        deadline, pending = monotonic() + within, set(waiting)
        try:
            while pending:
                done, pending = await asyncio.wait(
                    pending, timeout=max(0.0, deadline - monotonic()), return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    return None
                # One that failed is no reason not to wait for the others.
                found = next((waiting[task] for task in waiting if task in done and task.result()), None)
                if found is not None:
                    return found
            return None
        finally:
            for task in waiting:
                task.cancel()

    async def _reach(self, replica: Endpoint, position: Position) -> bool:
        """Ask a replica until it has replayed a position; whoever waits for it too hears the same answers."""
        pause, prober = POLL, self._prober_of[replica]
        while replica.up:
            try:
                await prober.ask()
            except (SQLAlchemyError, TimeoutError, DatabaseUnavailable) as error:
                if not isinstance(error, DatabaseUnavailable) or failure_of(error) in AWAY:
                    self.failed(replica, error)
                return False
            if replica.position is not None and replica.position.covers(position):
                return True
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_POLL)
        return False
