"""Engines whose connections refuse writes, whatever is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from batchrepo.executing.pooler import pooler_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

_KEY = "batchrepo_refuses_writes"

_SQL = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "sqlite": "PRAGMA query_only = ON",
}


def refuse_writes(engine: AsyncEngine) -> None:
    """Let every new connection of an engine begin its transactions as read only, autocommitted statements included.

    Not through a pooler: the setting would stay on one of its connections to the server, for whoever gets that next.
    """
    sql = _SQL.get(engine.dialect.name)
    if sql is None or pooler_of(engine.sync_engine) is not None:
        return

    @event.listens_for(engine.sync_engine, "connect")
    def _connected(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(sql)
        cursor.close()
        connection.commit()
        record.info[_KEY] = True


def refuses_writes(connection: Connection) -> bool:
    """Whether a connection is one of those."""
    return _KEY in connection.info
