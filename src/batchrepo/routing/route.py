"""Where one scope reads: one endpoint for all of its reads, until it writes or the endpoint fails."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING

from batchrepo.errors import InvalidArgument, PrimaryUnavailable
from batchrepo.events import RouteEvent
from batchrepo.executing.border import reason as reason_of
from batchrepo.routing.endpoints import Endpoint
from batchrepo.routing.failures import failure_of
from batchrepo.routing.pools import pool_use

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.errors import DatabaseUnavailable
    from batchrepo.events import EventLog
    from batchrepo.executing import Isolation
    from batchrepo.routing.consistency import Consistency
    from batchrepo.routing.failures import Failure
    from batchrepo.routing.policies import RoutingPolicy
    from batchrepo.routing.router import Router


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
        self._commits = 0
        self._choosing = asyncio.Lock()

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
        if self._is_settled:
            return self._endpoint  # type: ignore[return-value]
        async with self._choosing:
            if not self._is_settled:
                await self._choose(self._candidates())
        assert self._endpoint is not None
        return self._endpoint

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

    async def for_transaction(self, isolation: Isolation | None, read_only: bool) -> Endpoint:
        """Where a transaction runs.

        Raises:
            PrimaryUnavailable: it needs the primary, which is away.
        """
        if not read_only:
            return await self.for_primary("a transaction that may write")
        if isolation == "SERIALIZABLE":
            return await self.for_primary("SERIALIZABLE, which a standby does not have")
        return await self.for_reading()

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
        if failure in {"lost", "unreachable"}:
            self._router.take_out(endpoint, error)
        return failure

    def refuse_primary(self, error: BaseException, failure: Failure | None) -> None:
        """What needs the primary did not get an answer from it.

        Raises:
            PrimaryUnavailable: it is away; if it is not, the error is the caller's.
        """
        if failure in {"lost", "unreachable"}:
            raise PrimaryUnavailable(
                f"The primary is away: {reason_of(error)}. Nothing was written; try again later.",
                retry_after=self._router.checks.interval,
            ) from error

    async def transaction_elsewhere(self, endpoint: Endpoint, error: DatabaseUnavailable) -> Endpoint:
        """Where a transaction that reads begins, which one endpoint gave no connection for.

        Raises:
            PrimaryUnavailable: it needs the primary.
            DatabaseUnavailable: no endpoint is left, or the error is not about the endpoint.
        """
        failure = self.failed(endpoint, error)
        if endpoint.role == "primary":
            self.refuse_primary(error, failure)
        if failure is None or endpoint.role == "primary":
            raise error
        return await self.elsewhere(endpoint, failure)

    async def elsewhere(self, endpoint: Endpoint, failure: Failure) -> Endpoint:
        """Where a read goes that an endpoint did not answer.

        A scope that has read from a replica goes to the primary: another replica may be behind that one, and the scope
        would see time run backwards.

        Raises:
            PrimaryUnavailable: only the primary would do, and it is away.
        """
        reason = f"{endpoint.name}: {_WORDS[failure]}"
        if failure == "read only":
            return await self.for_primary(reason)
        async with self._choosing:
            if self._endpoint is endpoint:
                self._endpoint = None
            if self._is_settled:
                return self._endpoint  # type: ignore[return-value]
            others = [other for other in self._router.usable() if other is not endpoint]
            primary = self._router.primary
            if self._replica is not None and primary.up and primary is not endpoint:
                self._settle(primary, reason)
            elif self._replica is not None and others and not self._consistency.has_writes:
                # The primary is away too, and whoever has come farthest is nearest to what was seen.
                self._settle(max(others, key=_progress), reason)
            else:
                await self._choose(others, reason)
        assert self._endpoint is not None
        return self._endpoint

    # --- choosing ---------------------------------------------------------------------------------

    @property
    def _is_settled(self) -> bool:
        endpoint = self._endpoint
        return endpoint is not None and endpoint.up and self._commits == self._consistency.commits

    def _candidates(self) -> list[Endpoint]:
        usable = self._router.usable()
        if self._replica is not None and self._replica in usable:
            return [self._replica]
        return usable

    async def _choose(self, replicas: Sequence[Endpoint], before: str = "") -> None:
        commits = self._consistency.commits
        started = perf_counter()
        read = _Read(self._router, replicas, self._consistency, self._events)
        chosen = await self._policy.choose(read)
        if not isinstance(chosen, Endpoint):
            raise InvalidArgument(
                f"{type(self._policy).__name__}.choose() must return read.primary or one of read.replicas; got "
                f"{chosen!r:.200}."
            )
        self._commits = commits
        reason = read.reason or f"policy {type(self._policy).__name__}"
        if chosen.role == "primary":
            self._check_primary(reason)
        self._settle(chosen, f"{before}; {reason}" if before else reason, perf_counter() - started)

    def _settle(self, endpoint: Endpoint, reason: str, waited: float = 0.0) -> None:
        changed = endpoint is not self._endpoint
        self._endpoint = endpoint
        if changed:
            self._tell(endpoint, reason, waited)

    def _tell(self, endpoint: Endpoint, reason: str, waited: float = 0.0) -> None:
        self._events.emit(RouteEvent(endpoint.name, endpoint.role, reason, waited, pool_use(endpoint.engine)))

    def _check_primary(self, reason: str) -> None:
        primary = self._router.primary
        if not primary.up:
            raise PrimaryUnavailable(
                f"The primary is away ({primary.reason}), and it was needed: {reason}. Try again later; reads that need "
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
    "lost": "it went away under the statement",
    "conflict": "it cancelled the statement, which looked at rows that the primary has removed",
    "read only": "it refused the statement, which writes",
}


def _progress(endpoint: Endpoint) -> tuple[int, int]:
    position = endpoint.position
    return (position.timeline, position.lsn) if position is not None else (0, 0)
