"""Where one scope reads: one endpoint for all of its reads, until it writes or the endpoint fails."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

from batchrepo.errors import DatabaseUnavailable, InvalidArgument, PrimaryUnavailable
from batchrepo.events import RouteEvent
from batchrepo.executing.border import reason as reason_of
from batchrepo.routing.failures import AWAY, NEVER_RAN, failure_of
from batchrepo.routing.pools import pool_use

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from batchrepo.events import EventLog
    from batchrepo.executing import Isolation
    from batchrepo.routing.consistency import Consistency
    from batchrepo.routing.endpoints import Endpoint
    from batchrepo.routing.failures import Failure
    from batchrepo.routing.policies import RoutingPolicy
    from batchrepo.routing.router import Router

T = TypeVar("T")


class Route:
    """The choice of one scope, and of those that see the same rows.

    Args:
        router: the endpoints.
        policy: chooses among them.
        consistency: what must be seen.
        events: the log of the scope.
    """

    def __init__(
        self, router: Router, policy: RoutingPolicy, consistency: Consistency, events: EventLog
    ) -> None:
        self._router = router
        self._policy = policy
        self._consistency = consistency
        self._events = events
        self._endpoint: Endpoint | None = None
        self._replica: Endpoint | None = None
        self._version = 0
        self._choosing = asyncio.Lock()
        self._decisions = 0
        self._refused: tuple[int, Endpoint | None, PrimaryUnavailable] | None = None

    @property
    def router(self) -> Router:
        """The endpoints."""
        return self._router

    @property
    def current(self) -> Endpoint | None:
        """Where the scope reads at this moment."""
        return self._endpoint

    async def for_reading(self) -> Endpoint:
        """Where the next read goes.

        Raises:
            PrimaryUnavailable: only the primary would do, and it is away.
        """
        return self._settled or await self._agree(None, "")

    def with_policy(self, policy: RoutingPolicy) -> Route:
        """Another route, of a scope that is made of this one: it must see the same writes."""
        return Route(self._router, policy, self._consistency, self._events)

    async def for_primary(self, reason: str) -> Endpoint:
        """The primary, for something that no other endpoint can do.

        Raises:
            PrimaryUnavailable: it is away.
        """
        primary = self._router.primary
        self._check_primary(reason)
        if self._endpoint is not primary:
            self._tell(primary, reason)
        return primary

    async def begin(
        self, open_on: Callable[[Endpoint], Awaitable[T]], isolation: Isolation | None, read_only: bool
    ) -> T:
        """Begin a transaction where it may run, or where another endpoint gives a connection.

        Args:
            open_on: begins it on an endpoint; as long as it has no connection, nothing was run.
            isolation: of the transaction.
            read_only: whether it writes nothing.

        Raises:
            PrimaryUnavailable: it needs the primary, which is away.
            DatabaseUnavailable: no endpoint that may be used has a connection, or the error is not about the endpoint.
        """
        movable = read_only and isolation != "SERIALIZABLE"
        if movable:
            endpoint = await self.for_reading()
        else:
            endpoint = await self.for_primary(
                "SERIALIZABLE, which a standby does not have" if read_only else "a transaction that may write"
            )
        left = len(self._router.endpoints)
        while True:
            try:
                return await open_on(endpoint)
            except DatabaseUnavailable as error:
                left -= 1
                failure = self.failed(endpoint, error)
                if failure is not None and movable and left > 0:
                    endpoint = await self.elsewhere(endpoint, failure)
                    continue
                if endpoint.role == "primary":
                    self.refuse_primary(error, failure)
                raise

    def served(self, endpoint: Endpoint) -> None:
        """An endpoint has answered a read: from now on the scope knows how far it was."""
        endpoint.reads += 1
        if endpoint.role == "replica":
            self._replica = endpoint

    def failed(self, endpoint: Endpoint, error: BaseException) -> Failure | None:
        """An endpoint did not answer.

        Returns:
            What it means; None if the error is the caller's.
        """
        failure = failure_of(error)
        if failure in AWAY:
            self._router.failed(endpoint, error)
        return failure

    def refuse_primary(self, error: BaseException, failure: Failure | None) -> None:
        """What needs the primary did not get an answer from it.

        Raises:
            PrimaryUnavailable: it is away; if it is not, the error is the caller's.
        """
        if failure in AWAY:
            raise self.primary_lost(error, failure) from error

    def primary_lost(self, error: BaseException, failure: Failure | None) -> PrimaryUnavailable:
        """What somebody is told whom the primary failed."""
        done = "Nothing was done" if failure in NEVER_RAN else "Whether it did something is not known"
        return PrimaryUnavailable(
            f"The primary is away: {reason_of(error)}. {done}; try again later.",
            retry_after=self._router.checks.interval,
        )

    async def elsewhere(self, endpoint: Endpoint, failure: Failure) -> Endpoint:
        """Where a read goes that an endpoint did not answer.

        Raises:
            PrimaryUnavailable: only the primary would do, and it is away.
        """
        reason = f"{endpoint.name}: {_WORDS[failure]}"
        if failure == "read only":
            return await self.for_primary(reason)
        return await self._agree(endpoint, reason)

    # --- choosing ---------------------------------------------------------------------------------

    @property
    def _settled(self) -> Endpoint | None:
        """Where the scope reads; None where that must be decided anew."""
        endpoint = self._endpoint
        if endpoint is None or not endpoint.up or self._version != self._consistency.version:
            return None
        return endpoint

    async def _agree(self, left: Endpoint | None, before: str) -> Endpoint:
        """One decision for all tasks that ask at once, though it may be to refuse.

        Args:
            left: what must not be chosen, since it has just failed.
            before: what happened, for the report.
        """
        came = self._decisions + (0 if self._choosing.locked() else 1)
        async with self._choosing:
            if left is not None and self._endpoint is left:
                self._endpoint = None
            # A commit, or an endpoint that goes down, while the decision is made makes it an old one.
            while (endpoint := self._settled) is None:
                refused = self._refused
                if refused is not None and refused[0] >= came and refused[1] is left:
                    raise _again(refused[2])
                self._decisions += 1
                try:
                    await self._choose(left, before)
                except PrimaryUnavailable as error:
                    self._refused = (self._decisions, left, error)
                    raise
            return endpoint

    async def _choose(self, left: Endpoint | None, before: str) -> None:
        started = perf_counter()
        await self._router.looked()
        self._version = self._consistency.version
        replicas = [replica for replica in self._router.usable() if replica is not left]
        seen = self._replica
        if seen in replicas:
            replicas = [seen]
        elif seen is not None and self._keep_on(seen, replicas, left, before):
            return
        read = _Read(self._router, replicas, self._consistency, self._events)
        chosen = await self._policy.choose(read)
        if chosen is not read.primary and chosen not in replicas:
            raise InvalidArgument(
                f"{type(self._policy).__name__}.choose() must return read.primary or one of read.replicas; got "
                f"{chosen!r:.200}."
            )
        reason = read.reason or f"policy {type(self._policy).__name__}"
        if chosen is left or (chosen is read.primary and not chosen.up):
            raise self._primary_away(reason, before)
        self._settle(chosen, f"{before}; {reason}" if before else reason, perf_counter() - started)

    def _keep_on(
        self, seen: Endpoint, replicas: Sequence[Endpoint], left: Endpoint | None, before: str
    ) -> bool:
        """Settle where time goes on, in place of a replica that the scope has read from and that is gone.

        Another replica may be behind that one, so that is the primary. Where it is away too, whoever has come farthest is
        nearest to what was seen.
        """
        primary = self._router.primary
        reason = before or f"{seen.name}, which was read from, is {seen.state}: {seen.reason}"
        if primary.up and primary is not left:
            self._settle(primary, reason)
        elif replicas and not self._consistency.has_writes:
            self._settle(max(replicas, key=_progress), reason)
        else:
            return False
        return True

    def _settle(self, endpoint: Endpoint, reason: str, waited: float = 0.0) -> None:
        changed = endpoint is not self._endpoint
        self._endpoint = endpoint
        if changed:
            self._tell(endpoint, reason, waited)

    def _tell(self, endpoint: Endpoint, reason: str, waited: float = 0.0) -> None:
        self._events.emit(RouteEvent(endpoint.name, endpoint.role, reason, waited, pool_use(endpoint.engine)))

    def _check_primary(self, reason: str) -> None:
        if not self._router.primary.up:
            raise self._primary_away(reason)

    def _primary_away(self, reason: str, before: str = "") -> PrimaryUnavailable:
        why = self._router.primary.reason or before
        return PrimaryUnavailable(
            f"The primary is away{f' ({why})' if why else ''}, and it was needed: {reason}. Try again later; reads that need "
            f"not see the latest writes are answered by replicas.",
            retry_after=self._router.checks.interval,
        )


class _Read:
    """What a policy is asked about."""

    def __init__(
        self, router: Router, replicas: Sequence[Endpoint], consistency: Consistency, events: EventLog
    ) -> None:
        self._router = router
        self._consistency = consistency
        self._events = events
        self.replicas = tuple(replicas)
        self.reason = ""

    @property
    def primary(self) -> Endpoint:
        return self._router.primary

    @property
    def has_writes(self) -> bool:
        return self._consistency.has_writes

    @property
    def token_seconds(self) -> float:
        return self._router.tokens.seconds

    def lag(self, replica: Endpoint) -> float | None:
        return self._router.lag(replica)

    async def replayed(self, replicas: Sequence[Endpoint], *, within: float) -> Endpoint | None:
        token = await self._consistency.token(self._router, self._events)
        if token is None or token.expired(self._router.tokens.seconds):
            return replicas[0] if replicas else None
        if token.position is None:
            return None
        return await self._router.replayed(replicas, token.position, within)

    def because(self, reason: str) -> None:
        self.reason = reason


_WORDS: dict[str, str] = {
    "unreachable": "no connection could be had",
    "full": "it takes no more connections",
    "lost": "it went away under the statement",
    "conflict": "it cancelled the statement, which looked at rows that the primary has removed",
    "read only": "it refused the statement, which writes",
}


def _progress(endpoint: Endpoint) -> tuple[int, int]:
    position = endpoint.position
    return (position.timeline, position.lsn) if position is not None else (0, 0)


def _again(error: PrimaryUnavailable) -> PrimaryUnavailable:
    """The same for somebody else, with a traceback of his own."""
    return PrimaryUnavailable(*error.args, retry_after=error.retry_after)
