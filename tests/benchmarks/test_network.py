"""The network between client and database: it delays each way, and does not throttle."""

from __future__ import annotations

import asyncio
from time import perf_counter

import asyncpg
import pytest
from sqlalchemy import make_url

from benchmarks.data import Dataset
from benchmarks.network.ground import behind_a_network

EACH_WAY_MS = 40


async def connected(dataset: Dataset) -> asyncpg.Connection:
    url = make_url(dataset.url)
    return await asyncpg.connect(
        host=url.host, port=url.port, user=url.username, password=url.password, database=url.database
    )


async def test_a_round_trip_is_twice_the_delay_and_many_at_once_take_no_longer(postgres_url: str):
    async with behind_a_network(Dataset(postgres_url), EACH_WAY_MS) as ground:
        connections = await asyncio.gather(*(connected(ground.dataset) for _ in range(20)))
        started = perf_counter()
        assert await connections[0].execute("SELECT 1") == "SELECT 1"
        alone = perf_counter() - started
        started = perf_counter()
        await asyncio.gather(*(each.execute("SELECT 1") for each in connections))
        together = perf_counter() - started
        await asyncio.gather(*(each.close() for each in connections))
    assert alone >= 2 * EACH_WAY_MS / 1e3
    assert together < 10 * 2 * EACH_WAY_MS / 1e3, "one after the other: twenty round trips"


async def test_a_large_answer_arrives_whole_and_its_pieces_wait_together(postgres_url: str):
    size = 16_000_000  # at least 60 pieces: each is at most 256 KiB
    async with behind_a_network(Dataset(postgres_url), EACH_WAY_MS) as ground:
        connection = await connected(ground.dataset)
        started = perf_counter()
        text = await connection.fetchval(f"SELECT repeat('x', {size})")
        took = perf_counter() - started
        await connection.close()
    assert text == "x" * size
    assert took < 60 * EACH_WAY_MS / 1e3, "each piece for itself would take that long"


async def test_a_server_without_a_socket_is_refused():
    with pytest.raises(TypeError, match="Expected a server on a Unix socket"):
        async with behind_a_network(Dataset("postgresql+asyncpg://somewhere/x")):
            pass
