"""What an error of one endpoint means for a read: is the endpoint gone, or was it the statement?"""

from __future__ import annotations

from typing import Literal

from sqlalchemy.exc import DBAPIError

from batchrepo.errors import DatabaseUnavailable, EndpointDown, PrimaryUnavailable
from batchrepo.executing import sqlstate
from batchrepo.executing.border import collision

Failure = Literal["unreachable", "full", "lost", "conflict", "read only"]
"""``unreachable``: no connection could be had. ``full``: the server is there, and takes no more connections. ``lost``: the
server went away under the statement. ``conflict``: a standby cancelled it, since what it looks at was removed on the
primary. ``read only``: the statement writes, which a replica refuses."""

NEVER_RAN: frozenset[Failure] = frozenset({"unreachable", "full"})
"""Failures that came before the statement was sent."""

AWAY: frozenset[Failure] = frozenset({"unreachable", "lost"})
"""Failures that say that the server is gone."""

_GONE = frozenset({"57P01", "57P02", "57P03", "57P05"})
"""SQLSTATEs of a server that shuts down, crashed, starts up, or drops idle sessions."""

_OUT_OF_TURN = "InternalClientError"
"""asyncpg's, on a connection that waits for the end of what the server said unasked: that it shuts down."""

_CONFLICT = frozenset({"40001", "40P01"})
_FULL = ("too many clients", "too many connections", "connection slots are reserved")


def failure_of(error: BaseException) -> Failure | None:
    """What happened to the endpoint; None if the error is about the statement, and would be the same elsewhere.

    A pool whose connections are all in use is no failure: what is too much here would be too much elsewhere. Neither
    is waiting in vain for a turn in this process, or for another process that writes to an SQLite file.
    """
    if isinstance(error, EndpointDown):
        return "lost"
    if isinstance(error, PrimaryUnavailable):
        return None
    if isinstance(error, DatabaseUnavailable):
        return _of_connecting(error.__cause__)
    if not isinstance(error, DBAPIError):
        return None
    state = sqlstate(error)
    if state == "25006" or "readonly database" in str(error.orig):
        return "read only"
    if (
        state in _CONFLICT
    ):  # some conflicts cost the connection too, which is no sign of a server that goes away
        return "conflict"
    if error.connection_invalidated or state in _GONE or type(error.orig).__name__ == _OUT_OF_TURN:
        return "lost"
    return None


def _of_connecting(cause: BaseException | None) -> Failure | None:
    if not isinstance(cause, DBAPIError | OSError) or collision(cause) is not None:
        return None
    # psycopg has no SQLSTATE of what fails a connection.
    full = sqlstate(cause) == "53300" or any(said in str(cause) for said in _FULL)
    return "full" if full else "unreachable"
