"""The CPU time of the database is that of its connections' processes."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.server_cpu import ServerCpu

WORK = sa.text("SELECT sum(i) FROM generate_series(1, 300000) i")


async def test_what_a_connection_spends_is_seen(postgres_url: str):
    engine = create_async_engine(postgres_url)
    try:
        async with engine.connect() as connection:
            server = await ServerCpu.of(postgres_url)
            assert server is not None
            idle = server.spent()
            assert server.spent() == idle
            await connection.execute(WORK)
            worked = server.spent() - idle
    finally:
        await engine.dispose()
    assert 5 < worked < 5_000
    server.spent()  # its connection is closed: that is no error


async def test_databases_in_this_process_have_none():
    assert await ServerCpu.of("sqlite+aiosqlite://") is None
