"""Policies: which endpoint answers a read.

::

    db = Database(primary=..., replicas=[...], routing=ReadYourWrites(wait=0.1))    # for all scopes
    async with db.scope(routing=MaxLag(5)) as scope: ...                            # for one
    async with scope.routed(Primary()) as fresh: ...                                # for some reads of it

A policy of one's own is one method.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from batchrepo.errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.errors import BatchRepoError
    from batchrepo.routing.endpoints import Endpoint


class Read(Protocol):
    """What a policy knows of the read that it decides about. The decision holds for the scope until it writes."""

    @property
    def primary(self) -> Endpoint:
        """The primary, whether it is up or not."""
        ...

    @property
    def replicas(self) -> Sequence[Endpoint]:
        """The replicas that are up, in an order that is random by their weights.

        Where the scope has read from one already, that one alone.
        """
        ...

    @property
    def has_writes(self) -> bool:
        """Whether there are writes that must be seen: the scope's own, or those of the token that it was given."""
        ...

    @property
    def token_seconds(self) -> float:
        """How long a consistency token holds."""
        ...

    def lag(self, replica: Endpoint) -> float | None:
        """How many seconds what a replica has may be old at most; None where nobody knows."""
        ...

    async def replayed(self, replicas: Sequence[Endpoint], *, within: float) -> Endpoint | None:
        """The first of the replicas that has what must be seen, or has it within so many seconds; None if none has."""
        ...

    def because(self, reason: str) -> None:
        """Say why, for the report."""
        ...


class RoutingPolicy(ABC):
    """Decides where a scope reads."""

    @abstractmethod
    async def choose(self, read: Read) -> Endpoint:
        """The primary, or one of the replicas of a read."""


@dataclass(frozen=True, slots=True)
class Primary(RoutingPolicy):
    """Reads go to the primary."""

    async def choose(self, read: Read) -> Endpoint:
        """The primary."""
        read.because("policy Primary")
        return read.primary


@dataclass(frozen=True, slots=True)
class AnyReplica(RoutingPolicy):
    """Reads go to any replica that is up, however far behind: for reports, searches, public pages."""

    async def choose(self, read: Read) -> Endpoint:
        """The first replica, or the primary if none is up."""
        if read.replicas:
            read.because("any replica")
            return read.replicas[0]
        read.because("no replica is up")
        return read.primary


@dataclass(frozen=True, slots=True)
class MaxLag(RoutingPolicy):
    """Reads go to a replica that is at most so far behind, else to the primary.

    Args:
        seconds: how old an answer may be. How far a replica is, is known as of the last look at it: less than two
            intervals of ``HealthChecks`` sends many reads to the primary that a replica could have answered.
    """

    seconds: float

    def __post_init__(self) -> None:
        _check_seconds("MaxLag(seconds)", self.seconds)

    async def choose(self, read: Read) -> Endpoint:
        """The first replica that is near enough, or the primary."""
        for replica in read.replicas:
            lag = read.lag(replica)
            if lag is not None and lag <= self.seconds:
                read.because(f"{lag:.2g} s behind, of at most {self.seconds:g} s")
                return replica
        read.because(f"no replica is known to be at most {self.seconds:g} s behind")
        return read.primary


@dataclass(frozen=True, slots=True)
class ReadYourWrites(RoutingPolicy):
    """Reads go to a replica that has replayed what this user has written; without writes to any.

    A replica that is known to be further behind than tokens live is left out: what was written before is in the others.

    Args:
        wait: how many seconds to wait for a replica to come so far, before the primary is asked.
    """

    wait: float = 0.1

    def __post_init__(self) -> None:
        _check_seconds("ReadYourWrites(wait=)", self.wait)

    async def choose(self, read: Read) -> Endpoint:
        """A replica that has what must be seen, or the primary."""
        near = [replica for replica in read.replicas if (read.lag(replica) or 0.0) <= read.token_seconds]
        if not near:
            read.because("no replica is up" if not read.replicas else "all replicas are too far behind")
            return read.primary
        if not read.has_writes:
            read.because("nothing was written")
            return near[0]
        found = await read.replayed(near, within=self.wait)
        if found is not None:
            read.because("it has replayed what was written")
            return found
        read.because(f"no replica has replayed what was written within {self.wait:g} s")
        return read.primary


def _check_seconds(name: str, value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
        raise DeclarationError(f"{name} expects seconds, 0 or more; got {value!r}.")


def check_policy(policy: object, error: type[BatchRepoError]) -> None:
    """Raise the error unless it is a policy."""
    if not isinstance(policy, RoutingPolicy):
        raise error(
            f"routing= expects a policy: Primary(), AnyReplica(), MaxLag(5), ReadYourWrites() or a RoutingPolicy of your own; "
            f"got {policy!r:.200}."
        )
