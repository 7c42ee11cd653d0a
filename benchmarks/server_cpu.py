"""CPU time that the database spends on requests: of the processes of its connections, to the nanosecond."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

_BACKENDS = sa.text(
    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


class ServerCpu:
    """The processes of connections that are open now. What parallel workers spend is not in it."""

    def __init__(self, processes: list[Path]) -> None:
        self._processes = processes

    @classmethod
    async def of(cls, url: str) -> ServerCpu | None:
        """Of a server on this machine; None where the system does not tell, or nothing is connected.

        Args:
            url: of a PostgreSQL, for SQLAlchemy.
        """
        engine = create_async_engine(url)
        try:
            if engine.dialect.name != "postgresql":
                return None
            async with engine.connect() as connection:
                found = [Path(f"/proc/{pid}/schedstat") for pid in await connection.scalars(_BACKENDS)]
        finally:
            await engine.dispose()
        return cls(found) if found and all(each.exists() for each in found) else None

    def spent(self) -> float:
        """What all of them have spent since they were started, in ms."""
        total = 0
        for process in self._processes:
            try:
                total += int(process.read_bytes().split(maxsplit=1)[0])
            except OSError:  # it has ended
                continue
        return total / 1e6
