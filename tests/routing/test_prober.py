"""Questions to one server: sent after they were asked, shared, bounded in time, and never left without an answer."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from batchrepo import Database, DatabaseUnavailable
from batchrepo.routing import Endpoint
from batchrepo.routing import prober as module
from batchrepo.routing.prober import Prober
from batchrepo.routing.probing import Answer
from tests.routing.servers import SELDOM, NoteRepository, faulty, fill, made_endpoint
from tests.support.databases import sqlite_file_url


@pytest_asyncio.fixture
async def endpoint(tmp_path: Path) -> AsyncIterator[Endpoint]:
    fill(tmp_path / "replica.db", "replica")
    made = made_endpoint("replica", tmp_path)
    yield made
    await made.engine.dispose()


@pytest_asyncio.fixture
async def prober(endpoint: Endpoint) -> AsyncIterator[Prober]:
    made = Prober(endpoint, timeout=30)
    yield made
    await made.aclose()


class Held:
    """Questions that wait until the test answers them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent = 0
        self.arrived = asyncio.Semaphore(0)
        self._answers: asyncio.Queue[Answer | Exception] = asyncio.Queue()
        monkeypatch.setattr(module._Questions, "_send", lambda _: self._send())

    def _send(self) -> Answer:
        from sqlalchemy.util.concurrency import await_only

        self.sent += 1
        self.arrived.release()
        answer = await_only(self._answers.get())
        if isinstance(answer, Exception):
            raise answer
        return answer

    def answer(self, answer: Answer | Exception) -> None:
        self._answers.put_nowait(answer)


@pytest.fixture
async def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    return Held(monkeypatch)


async def test_a_server_is_asked_on_a_connection_of_its_own(endpoint: Endpoint, prober: Prober):
    async with endpoint.engine.connect() as one, endpoint.engine.connect() as other:
        assert one is not other
        assert await prober.ask() == Answer()
    assert endpoint.asked is not None
    assert endpoint.engine.sync_engine.pool.checkedout() == 0


async def test_who_asks_while_a_question_is_under_way_gets_the_answer_to_the_next(prober: Prober, held: Held):
    first = [asyncio.create_task(prober.ask()) for _ in range(3)]
    await held.arrived.acquire()
    late = [asyncio.create_task(prober.ask()) for _ in range(4)]
    await asyncio.sleep(0)
    held.answer(Answer(recovering=True))
    assert await asyncio.gather(*first) == [Answer(recovering=True)] * 3
    await held.arrived.acquire()
    assert not any(task.done() for task in late)
    held.answer(Answer(recovering=False))
    assert await asyncio.gather(*late) == [Answer(recovering=False)] * 4
    assert held.sent == 2


async def test_a_waiter_that_is_cancelled_leaves_the_others_alone(prober: Prober, held: Held):
    gone, stays = asyncio.create_task(prober.ask()), asyncio.create_task(prober.ask())
    await held.arrived.acquire()
    gone.cancel()
    held.answer(Answer())
    assert await stays == Answer()
    assert gone.cancelled()


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("SELECT 1", {}, Exception("gone"), connection_invalidated=True),
        DatabaseUnavailable("No connection"),
        RuntimeError("of a driver"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_error_goes_to_all_who_asked_each_with_its_own(prober: Prober, held: Held, error: Exception):
    tasks = [asyncio.create_task(prober.ask()) for _ in range(3)]
    await held.arrived.acquire()
    held.answer(error)
    async with asyncio.timeout(30):
        found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [(type(one), str(one)) for one in found] == [(type(error), str(error))] * 3
    assert len({id(one) for one in found}) == 3
    held.answer(Answer())
    assert await prober.ask() == Answer()


async def test_an_error_that_cannot_be_copied_goes_to_all_too(prober: Prober, held: Held):
    class Odd(Exception):
        def __init__(self, *, code: int) -> None:
            super().__init__(code)

    tasks = [asyncio.create_task(prober.ask()) for _ in range(2)]
    await held.arrived.acquire()
    held.answer(Odd(code=1))
    async with asyncio.timeout(30):
        assert [type(one) for one in await asyncio.gather(*tasks, return_exceptions=True)] == [Odd] * 2


async def test_no_answer_in_time_is_an_error_at_once_though_the_driver_takes_its_leave(endpoint: Endpoint):
    """The driver cannot be stopped here before the gate opens: nobody waits for that."""
    gate, reached = threading.Event(), threading.Event()
    engine = endpoint.engine.sync_engine

    def wait() -> int:
        reached.set()
        assert gate.wait(timeout=30)
        return 1

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        connection.create_function("wait", 0, wait)

    @event.listens_for(engine, "do_execute")
    def execute(cursor: Any, statement: str, *_: Any) -> bool:
        cursor.execute(statement.replace("SELECT 1", "SELECT wait()"))
        return True

    async with endpoint.engine.connect():  # the dialect knows the server then
        pass
    prober = Prober(endpoint, timeout=0.05)
    try:
        with pytest.raises(TimeoutError):
            await prober.ask()
        assert reached.is_set()
        assert not gate.is_set()
    finally:
        gate.set()
        await prober.aclose()


async def test_a_position_that_a_server_does_not_say_is_not_known_any_more(
    endpoint: Endpoint, prober: Prober, held: Held
):
    from batchrepo.routing import Position

    for position in (Position(1, 5, 7), None):
        held.answer(Answer(position))
        await prober.ask()
        assert endpoint.position == position


async def test_closing_while_somebody_waits_is_an_error_for_him_and_no_cancellation(
    endpoint: Endpoint, held: Held
):
    prober = Prober(endpoint, timeout=30)
    early = asyncio.create_task(prober.ask())
    await held.arrived.acquire()
    late = asyncio.create_task(prober.ask())
    await asyncio.sleep(0)
    await prober.aclose()
    for task in (early, late):
        with pytest.raises(DatabaseUnavailable, match="was disposed of while a server was asked"):
            await task
    held.answer(Answer())
    assert await prober.ask() == Answer()  # it can be used again, as an engine can
    await prober.aclose()
    await prober.aclose()


async def test_a_question_does_not_keep_the_context_of_whoever_asks_first(
    prober: Prober, monkeypatch: pytest.MonkeyPatch
):
    request = contextvars.ContextVar("request", default="none")
    seen: list[str] = []

    def send(_: Any) -> Answer:
        seen.append(request.get())
        return Answer()

    monkeypatch.setattr(module._Questions, "_send", send)
    request.set("the first one's")
    await prober.ask()
    assert seen == ["none"]


def test_every_event_loop_has_questions_of_its_own(tmp_path: Path):
    fill(tmp_path / "replica.db", "replica")
    endpoint = made_endpoint("replica", tmp_path)
    prober = Prober(endpoint, timeout=30)

    async def ask() -> Answer:
        answers = await asyncio.gather(prober.ask(), prober.ask())
        await prober.aclose()
        await endpoint.engine.dispose()
        return answers[0]

    assert [asyncio.run(ask()) for _ in range(3)] == [Answer()] * 3


def test_two_event_loops_at_once_keep_their_questions_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An engine serves one loop at a time; whoever uses one in two must not be left waiting in either."""
    monkeypatch.setattr(module._Questions, "_send", lambda _: Answer())
    prober = Prober(made_endpoint("replica", tmp_path), timeout=30)
    both, answers = threading.Barrier(2, timeout=30), []

    async def ask() -> None:
        for _ in range(20):
            both.wait()
            answers.append(await prober.ask())
        await prober.aclose()

    threads = [threading.Thread(target=asyncio.run, args=(ask(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert answers == [Answer()] * 40


async def test_a_server_that_refuses_connections(endpoint: Endpoint, prober: Prober):
    import sqlite3

    with faulty(endpoint.engine) as fault:
        fault.connecting = sqlite3.OperationalError("unable to open database file")
        with pytest.raises(DatabaseUnavailable, match=r"No connection to .*unable to open database file"):
            await prober.ask()
        fault.connecting = None
        assert await prober.ask() == Answer()


async def test_scopes_of_one_loop_are_watched_once(tmp_path: Path):
    fill(tmp_path / "a.db", "a")
    fill(tmp_path / "b.db", "b")
    url = [sqlite_file_url(tmp_path / name) for name in ("a.db", "b.db")]
    before = asyncio.all_tasks()
    async with Database(url[0], replicas=url[1:], health=SELDOM) as db:
        for _ in range(5):
            async with db.scope():
                pass
        watching = [task for task in asyncio.all_tasks() - before if task.get_name().endswith("checks")]
        assert len(watching) == 1
        await db.dispose()
        assert watching[0].cancelled()
        async with db.scope():  # as an engine, it can be used again
            pass
    await db.dispose()
    left = [task for task in asyncio.all_tasks() - before if not task.done()]
    assert left == []


def test_a_database_that_nobody_disposes_of_ends_with_its_loop(tmp_path: Path):
    fill(tmp_path / "a.db", "a")
    fill(tmp_path / "b.db", "b")
    url = [sqlite_file_url(tmp_path / name) for name in ("a.db", "b.db")]
    db = Database(url[0], replicas=url[1:], health=SELDOM, repositories=[NoteRepository])

    async def use() -> int:
        async with db.scope() as scope:
            return await NoteRepository(scope).count()

    assert [asyncio.run(use()) for _ in range(2)] == [6, 6]
    asyncio.run(db.dispose())
