"""How the endpoints of a Database are at this moment: values, and a table of them."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Literal

from batchrepo.routing.pools import pool_use

if TYPE_CHECKING:
    from batchrepo.events import PoolUse
    from batchrepo.routing.endpoints import Endpoint
    from batchrepo.routing.router import Router


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """One server.

    Attributes:
        name: as it is called in reports.
        role: what it is for.
        state: whether it is used.
        reason: why it is not, in a line.
        seconds: how long it has been so.
        weight: how many reads it gets, relative to the other replicas.
        lag: how many seconds what it has may be old at most; None where nobody knows, 0 for the primary.
        position: how far it had come when it was last asked, as ``timeline:LSN``; None where nobody knows.
        reads: statements that it has answered outside of transactions.
        failures: how often it was taken out.
        pool: its connections; None where its pool does not count them.
    """

    name: str
    role: Literal["primary", "replica"]
    state: Literal["up", "down", "proving"]
    reason: str | None
    seconds: float
    weight: float
    lag: float | None
    position: str | None
    reads: int
    failures: int
    pool: PoolUse | None


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """The servers of a Database; prints as a table.

    Attributes:
        endpoints: the primary, then the replicas.
    """

    endpoints: tuple[EndpointStatus, ...]

    @property
    def primary(self) -> EndpointStatus:
        """The primary."""
        return self.endpoints[0]

    @property
    def replicas(self) -> tuple[EndpointStatus, ...]:
        """The replicas."""
        return self.endpoints[1:]

    def __str__(self) -> str:
        head: tuple[str, ...] = ("endpoint", "state", "lag", "position", "reads", "failures", "pool")
        rows = [head, *map(_row, self.endpoints)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )


def status_of(router: Router) -> DatabaseStatus:
    """The servers of a router."""
    return DatabaseStatus(tuple(_status(endpoint, router) for endpoint in router.endpoints))


def _status(endpoint: Endpoint, router: Router) -> EndpointStatus:
    return EndpointStatus(
        endpoint.name,
        endpoint.role,
        endpoint.state,
        endpoint.reason,
        monotonic() - endpoint.since,
        endpoint.weight,
        0.0 if endpoint.role == "primary" else router.lag(endpoint),
        None if endpoint.position is None else str(endpoint.position),
        endpoint.reads,
        endpoint.failures,
        pool_use(endpoint.engine),
    )


def _row(endpoint: EndpointStatus) -> tuple[str, ...]:
    state = endpoint.state if endpoint.reason is None else f"{endpoint.state}: {endpoint.reason}"
    lag = "-" if endpoint.role == "primary" else "?" if endpoint.lag is None else f"{endpoint.lag:.1f} s"
    pool = endpoint.pool
    used = "-" if pool is None else f"{pool.in_use}/{pool.most or 'any'}, {pool.idle} idle"
    return (
        endpoint.name,
        state,
        lag,
        endpoint.position or "?",
        str(endpoint.reads),
        str(endpoint.failures),
        used,
    )
