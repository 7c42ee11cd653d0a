"""Trying a connection when it is taken from the pool, but only if it has been idle.

SQLAlchemy's ``pool_pre_ping`` asks the server at every checkout: one more round trip for each request. A
connection that answered a moment ago is nearly always alive; one that sat for a while may not be.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine
    from sqlalchemy.pool import Pool

_RETURNED = "batchrepo_returned"

_limits: WeakKeyDictionary[Pool, float] = WeakKeyDictionary()


def ping_after(engine: Engine, idle: float) -> None:
    """Try connections that were idle for longer than `idle` seconds; a dead one empties the pool."""
    dialect = engine.dialect

    def on_checkin(_connection: Any, record: Any) -> None:
        record.info[_RETURNED] = monotonic()

    def on_checkout(connection: Any, record: Any, _proxy: Any) -> None:
        returned = record.info.get(_RETURNED)
        if returned is None or monotonic() - returned <= idle:
            return
        try:
            alive = dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            if not dialect.is_disconnect(error, connection, None):
                raise
            alive = False
        if not alive:
            # Whatever ended this connection has probably ended the other idle ones too.
            raise InvalidatePoolError

    event.listen(engine.pool, "checkin", on_checkin)
    event.listen(engine.pool, "checkout", on_checkout)
    _limits[engine.pool] = idle


def pings_after(pool: Pool) -> float | None:
    """After how many idle seconds a pool's connections are tried; None if they are not, or always."""
    return _limits.get(pool)


def pings_now(pool: Pool, record: Any) -> bool:
    """Whether a connection would be tried, were it taken from the pool now; True where that is not ours to say."""
    returned, idle = record.info.get(_RETURNED), _limits.get(pool)
    if idle is None:
        return bool(pool._pre_ping)
    return pool._pre_ping or returned is None or monotonic() - returned > idle / 2
