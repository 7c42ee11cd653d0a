"""Which of several servers answers: replicas for reads, without ever showing a user stale data."""

from __future__ import annotations

from batchrepo.routing.consistency import Consistency, surround, surrounding
from batchrepo.routing.door import RoutedDoor, RoutedSnapshot
from batchrepo.routing.endpoints import Endpoint, Replica
from batchrepo.routing.health import HealthChecks
from batchrepo.routing.policies import (
    AnyReplica,
    MaxLag,
    Primary,
    Read,
    ReadYourWrites,
    RoutingPolicy,
    check_policy,
)
from batchrepo.routing.positions import Position
from batchrepo.routing.route import Route
from batchrepo.routing.router import Router
from batchrepo.routing.status import DatabaseStatus, EndpointStatus, status_of
from batchrepo.routing.tokens import ConsistencyToken, TokenCodec
from batchrepo.routing.topology import primary_endpoint, replica_endpoints
from batchrepo.routing.transaction import RoutedTransaction

__all__ = [
    "AnyReplica",
    "Consistency",
    "ConsistencyToken",
    "DatabaseStatus",
    "Endpoint",
    "EndpointStatus",
    "HealthChecks",
    "MaxLag",
    "Position",
    "Primary",
    "Read",
    "ReadYourWrites",
    "Replica",
    "Route",
    "RoutedDoor",
    "RoutedSnapshot",
    "RoutedTransaction",
    "Router",
    "RoutingPolicy",
    "TokenCodec",
    "check_policy",
    "primary_endpoint",
    "replica_endpoints",
    "status_of",
    "surround",
    "surrounding",
]
