"""Every server answers, equally, as the client of the benchmark asks; what is measured is a number of each run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from benchmarks.data import Dataset, fill
from benchmarks.http.client import Order, run
from benchmarks.http.instructions import count_http_instructions
from benchmarks.http.measure import check_equal_http, measure_http, serving
from benchmarks.http.report import http_records
from benchmarks.http.workload import HttpWorkload, Server
from benchmarks.instructions import valgrind_missing
from benchmarks.measure import Effort
from benchmarks.workloads.over_http import HTTP_WORKLOADS, http_workload
from tests.support.services import service_missing


@pytest_asyncio.fixture
async def dataset(postgres_url: str) -> Dataset:
    filled = Dataset(postgres_url, scale=0.001)
    await fill(filled)
    return filled


@pytest.mark.parametrize("item", HTTP_WORKLOADS, ids=lambda item: item.name)
async def test_all_servers_give_equal_answers_and_one_number_for_each_run(
    item: HttpWorkload, dataset: Dataset
) -> None:
    rounds: list[int] = []
    effort = Effort(runs=2, seconds=10, requests=25)
    measured = await asyncio.to_thread(measure_http, item, dataset, effort, rounds.append)
    assert rounds == [1, 2]
    assert measured.keys() == {server.name for server in item.servers}
    for load in measured.values():
        by_run = [load.rates, load.p50, load.p95, load.p99, load.cpu, load.client]
        assert [len(values) for values in by_run] == [2] * len(by_run)
        assert load.instructions is None
        assert all(
            0 < low <= middle <= high for low, middle, high in zip(load.p50, load.p95, load.p99, strict=True)
        )
    written = http_records(item, measured)
    assert [record["stack"] for record in written if "stack" in record] == [s.name for s in item.servers]
    assert len([record for record in written if "target" in record]) == len(item.targets)


async def test_pages_are_full_and_differ(dataset: Dataset) -> None:
    item = http_workload("list_http")
    server = item.server("fastapi_selectinload")

    def ask() -> list[list[dict[str, object]]]:
        with serving(item, server, dataset) as (port, _):
            return check_equal_http(item, dataset, {server.name: port})

    pages = await asyncio.to_thread(ask)
    assert {len(page) for page in pages} == {50}
    assert len({page[0]["id"] for page in pages}) > 1
    assert len(item.paths(dataset)) == 200
    assert {len(post["tags"]) for post in pages[0]} == set(range(6))


async def test_a_server_that_does_not_start_is_an_error(dataset: Dataset) -> None:
    item = http_workload("list_http")

    def start() -> None:
        with serving(item, Server("nobody", "", item.servers[0].app), dataset):
            pass

    with pytest.raises(RuntimeError, match="list_http/nobody did not start"):
        await asyncio.to_thread(start)


@asynccontextmanager
async def answering(respond: Callable[[str], bytes]) -> AsyncIterator[int]:
    """A server of a few lines, for what a real one does not do; gives its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                for part in respond(head.decode().split()[1]).split(b"|"):
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_the_client_makes_so_many_requests_and_takes_the_paths_in_turn() -> None:
    asked: list[str] = []

    def respond(path: str) -> bytes:
        asked.append(path)
        return b"HTTP/1.1 200 OK\r\nContent-|Length: 6\r\n\r\nabc|def"

    async with answering(respond) as port:
        outcome = await run(Order(port, ["/a", "/b"], clients=3, seconds=30, requests=7))
    assert len(outcome.times) == 7
    assert sorted(asked) == ["/a"] * 4 + ["/b"] * 3
    assert min(outcome.times) > 0
    assert outcome.seconds > 0


async def test_the_client_ends_after_its_time() -> None:
    async with answering(lambda _: b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") as port:
        outcome = await run(Order(port, ["/"], clients=2, seconds=0.05, requests=10**9))
    assert 0.05 <= outcome.seconds < 5
    assert outcome.times


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "Expected status 200; got 'HTTP/1.1 404"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "with Content-Length"),
    ],
)
async def test_the_client_refuses_what_it_cannot_measure(response: bytes, error: str) -> None:
    async with answering(lambda _: response) as port:
        with pytest.raises(ValueError, match=error):
            await run(Order(port, ["/"], clients=1, seconds=30, requests=1))


async def test_servers_that_answer_differently_stop_the_benchmark(dataset: Dataset) -> None:
    def body(value: int) -> bytes:
        return b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\n%d" % value

    servers = [Server("a", "", lambda _: None), Server("b", "", lambda _: None)]
    item = HttpWorkload("w", "", servers, "a", lambda _: ["/"], json.loads, ())
    async with answering(lambda _: body(1)) as first, answering(lambda _: body(2)) as second:
        with pytest.raises(AssertionError, match="w: b and a answer / differently"):
            await asyncio.to_thread(check_equal_http, item, dataset, {"a": first, "b": second})


async def test_instructions_of_a_server_do_not_depend_on_how_many_requests_are_counted(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing := valgrind_missing():
        service_missing("valgrind", missing)
    # Under valgrind a child takes fifty times as long: it is not measured for coverage too, and warms up less.
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    monkeypatch.setattr("benchmarks.http.instructions.WARM_UP", 12)
    item = http_workload("list_http")
    few, many = [
        await asyncio.to_thread(
            count_http_instructions, item, item.server("fastapi_empty"), dataset, requests
        )
        for requests in (20, 60)
    ]
    assert few == pytest.approx(many, rel=0.15)
    assert many > 0.5, "uvicorn and FastAPI alone take more"
