"""Counts the statements that really reach the database driver."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from batchrepo.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

_CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


class StatementCounter:
    """The statements that an engine sent to its driver, in order.

    It listens to the driver's cursors and not to batchrepo's own events, so that it can prove those right.
    BEGIN, COMMIT, ROLLBACK and savepoints are not statements in this sense.

    Attributes:
        statements: the SQL texts, as sent.
    """

    def __init__(self) -> None:
        self.statements: list[str] = []

    @property
    def count(self) -> int:
        """Number of statements so far."""
        return len(self.statements)

    def take(self) -> list[str]:
        """Returns the statements since the last call and begins anew."""
        taken, self.statements = self.statements, []
        return taken

    def __repr__(self) -> str:
        """One line for each statement, for failure messages."""
        listed = "".join(
            f"\n  {number}: {' '.join(s.split())}" for number, s in enumerate(self.statements, 1)
        )
        return f"<StatementCounter {self.count}{listed}>"


@contextmanager
def statement_counter(database: Database | AsyncEngine | Engine) -> Iterator[StatementCounter]:
    """Counts the statements of a database while the block runs, whoever sends them.

    Args:
        database: a Database, whose replicas count too, or the engine to listen to; connections that are open already
            are heard too.

    Yields:
        The counter, which can be read in the block and after it.
    """
    engines = database.engines if isinstance(database, Database) else (database,)
    listened = [engine.sync_engine if isinstance(engine, AsyncEngine) else engine for engine in engines]
    counter = StatementCounter()

    def note(_connection: Connection, _cursor: Any, statement: str, *_others: Any) -> None:
        if not statement.upper().startswith(_CONTROL):
            counter.statements.append(statement)

    for engine in listened:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield counter
    finally:
        for engine in listened:
            event.remove(engine, "before_cursor_execute", note)
