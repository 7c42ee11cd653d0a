"""Asking a server whether it is there, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from batchrepo.executing import sqlstate
from batchrepo.routing.positions import Position, end_of_record, read_lsn

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

POSTGRESQL = """\
SELECT pg_is_in_recovery() AS recovering,
    (SELECT system_identifier FROM pg_control_system()) AS system,
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END::text AS lsn,
    CASE WHEN pg_is_in_recovery() THEN coalesce(
        (SELECT received_tli FROM pg_stat_wal_receiver),
        (SELECT timeline_id FROM pg_control_checkpoint())
    ) ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int END AS timeline"""
"""Where a PostgreSQL server is. A primary's timeline is in the name of the file it writes, at once after a promotion; a
standby's is what it receives, or what its last checkpoint says: that may be too low for a while, and never too high."""

RECOVERING = "SELECT pg_is_in_recovery() AS recovering"
"""What is asked of a PostgreSQL that does not say where it is: the role may not know, or it has no such log (Aurora)."""

_REFUSALS = ("42", "0A", "55000")
"""SQLSTATEs that begin so: no right to a function or no such function; not supported; not with this ``wal_level``."""

_REFUSED = "batchrepo: does not say where it is"

OTHERS = "SELECT 1"
"""Databases without positions are asked whether they are there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said.

    Attributes:
        position: how far it has come; None where the database has no such positions, or does not tell them.
        recovering: whether it follows another server; None where the database does not say.
    """

    position: Position | None = None
    recovering: bool | None = None


def probe_sql(dialect_name: str) -> str:
    """What is asked."""
    return POSTGRESQL if dialect_name == "postgresql" else OTHERS


def ask(connection: Connection) -> Answer:
    """Ask a server, inside a greenlet.

    Raises:
        sqlalchemy.exc.DBAPIError: it is not there, or may not be asked.
    """
    if connection.dialect.name != "postgresql":
        connection.execute(text(OTHERS)).one()
        return Answer()
    # Once for each connection: the server logs what it refuses.
    if _REFUSED not in connection.info:
        try:
            return _read(connection.execute(text(POSTGRESQL)).one())
        except DBAPIError as error:
            if not (sqlstate(error) or "").startswith(_REFUSALS):
                raise
            connection.info[_REFUSED] = True
    return Answer(None, connection.execute(text(RECOVERING)).one().recovering)


def _read(row: Any) -> Answer:
    if row.lsn is None:  # a standby that has replayed nothing yet
        return Answer(None, row.recovering)
    lsn = read_lsn(row.lsn)
    return Answer(
        Position(row.timeline, lsn if row.recovering else end_of_record(lsn), row.system), row.recovering
    )


def probe_engine(engine: Engine) -> Engine:
    """An engine to the same server with connections of its own, so that a busy pool does not look like a dead server."""
    return Engine(engine.pool.recreate(), engine.dialect, engine.url).execution_options(
        isolation_level="AUTOCOMMIT"
    )
