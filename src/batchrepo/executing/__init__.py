"""The one door to connections: engines, doors, the reading session, health."""

from __future__ import annotations

from batchrepo.executing.direct import DriverPath
from batchrepo.executing.door import Door, Rows
from batchrepo.executing.engines import PoolOptions, describe, make_engine, read_engine, writer_engine
from batchrepo.executing.health import Health, check
from batchrepo.executing.joined import JoinedDoor
from batchrepo.executing.pinned import PinnedDoor
from batchrepo.executing.pooled import PooledDoor
from batchrepo.executing.session import ReadSession, lent

__all__ = [
    "Door",
    "DriverPath",
    "Health",
    "JoinedDoor",
    "PinnedDoor",
    "PoolOptions",
    "PooledDoor",
    "ReadSession",
    "Rows",
    "check",
    "describe",
    "lent",
    "make_engine",
    "read_engine",
    "writer_engine",
]
