"""What an error of one endpoint means for a read: is the endpoint gone, or was it the statement?"""

from __future__ import annotations

from typing import Literal

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from batchrepo.errors import DatabaseUnavailable, EndpointDown
from batchrepo.executing import sqlstate

Failure = Literal["unreachable", "lost", "conflict", "read only"]
"""``unreachable``: no connection could be had, so the statement never ran. ``lost``: the server went away under it.
``conflict``: a standby cancelled it, since what it looks at was removed on the primary. ``read only``: the statement
writes, which a replica refuses."""

_GONE = frozenset({"57P01", "57P02", "57P03", "57P05"})
"""SQLSTATEs of a server that shuts down, crashed, starts up, or drops idle sessions."""


def failure_of(error: BaseException) -> Failure | None:
    """What happened to the endpoint; None if the error is about the statement, and would be the same elsewhere.

    A pool whose connections are all in use is no failure: what is too much here would be too much elsewhere.
    """
    if isinstance(error, EndpointDown):
        return "lost"
    if isinstance(error, DatabaseUnavailable):
        return None if isinstance(error.__cause__, PoolTimeout) else "unreachable"
    if not isinstance(error, DBAPIError):
        return None
    state = sqlstate(error)
    if state == "25006" or "readonly database" in str(error.orig):
        return "read only"
    if error.connection_invalidated or state in _GONE:
        return "lost"
    if state in {"40001", "40P01"}:
        return "conflict"
    return None
