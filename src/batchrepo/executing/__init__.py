"""The one door to connections: engines, doors, the reading session, health."""

from __future__ import annotations

from batchrepo.executing.border import collision, sqlstate
from batchrepo.executing.direct import DriverPath
from batchrepo.executing.door import Door, Rows, note_read
from batchrepo.executing.engines import PoolOptions, describe, make_engine, read_engine
from batchrepo.executing.hanging_up import dispose
from batchrepo.executing.health import Health, check
from batchrepo.executing.joined import JoinedDoor
from batchrepo.executing.pinned import PinnedDoor
from batchrepo.executing.pooled import Hold, PooledDoor
from batchrepo.executing.read_only import refuse_writes
from batchrepo.executing.session import ReadSession, lent
from batchrepo.executing.transaction import Isolation, TransactionDoor
from batchrepo.executing.writer import Writer

__all__ = [
    "Door",
    "DriverPath",
    "Health",
    "Hold",
    "Isolation",
    "JoinedDoor",
    "PinnedDoor",
    "PoolOptions",
    "PooledDoor",
    "ReadSession",
    "Rows",
    "TransactionDoor",
    "Writer",
    "check",
    "collision",
    "describe",
    "dispose",
    "lent",
    "make_engine",
    "note_read",
    "read_engine",
    "refuse_writes",
    "sqlstate",
]
