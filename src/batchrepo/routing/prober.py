"""The questions to one server: on a connection of their own, one at a time, shared by all who ask."""

from __future__ import annotations

import asyncio
from contextvars import Context
from copy import copy
from time import monotonic
from typing import TYPE_CHECKING, Any

from sqlalchemy.util import greenlet_spawn

from batchrepo.errors import DatabaseUnavailable
from batchrepo.executing.border import CLEANUP_SECONDS, connecting
from batchrepo.routing.probing import Answer, ask, probe_engine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Engine

    from batchrepo.routing.endpoints import Endpoint


class Prober:
    """Asks one endpoint where it is.

    Whoever asks gets the answer to a question that was sent after he asked: a position that was on its way before a
    commit would not cover it.

    Args:
        endpoint: whom to ask.
        timeout: how many seconds it may take.
    """

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self.endpoint = endpoint
        self._timeout = timeout
        # A connection belongs to the event loop that made it.
        self._questions: dict[asyncio.AbstractEventLoop, _Questions] = {}

    async def ask(self) -> Answer:
        """Ask, or take part in the next question.

        Raises:
            TimeoutError: no answer within the time.
            DatabaseUnavailable: no connection could be had, or the Database was disposed of meanwhile.
            sqlalchemy.exc.DBAPIError: the server refuses to say.
        """
        loop = asyncio.get_running_loop()
        questions = self._questions.get(loop)
        if questions is None:
            questions = self._questions[loop] = _Questions(self.endpoint, self._timeout)
            await self._leave_closed_loops()
        return await questions.ask()

    async def aclose(self) -> None:
        """End the question that is on its way, and close the connection."""
        questions = self._questions.pop(asyncio.get_running_loop(), None)
        if questions is not None:
            await questions.aclose()
        await self._leave_closed_loops()

    async def _leave_closed_loops(self) -> None:
        for loop in [loop for loop in self._questions if loop.is_closed()]:
            await self._questions.pop(loop).aclose()


class _Questions:
    """Those that are asked in one event loop."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._engine: Engine | None = None
        self._waiting: list[asyncio.Future[Answer]] = []
        self._task: asyncio.Task[None] | None = None
        self._sent: set[asyncio.Task[Answer]] = set()

    async def ask(self) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if self._task is None or self._task.done():
            # In a context of its own: that of a request would live as long as the connection.
            self._task = asyncio.get_running_loop().create_task(
                self._serve(), name=f"batchrepo asks {self._endpoint.name}", context=Context()
            )
        return await future

    async def _serve(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            try:
                answer = await self._answer()
            except asyncio.CancelledError:
                _refuse((*waiting, *self._waiting), DatabaseUnavailable(_DISPOSED))
                self._waiting = []
                raise
            except Exception as error:  # noqa: BLE001  whoever asked gets it
                _refuse(waiting, error)
            else:
                self._endpoint.position = answer.position
                self._endpoint.asked = monotonic()
                for future in waiting:
                    if not future.done():
                        future.set_result(answer)

    async def _answer(self) -> Answer:
        sent = asyncio.ensure_future(greenlet_spawn(self._send))
        self._sent.add(sent)
        sent.add_done_callback(self._ended)
        done, _ = await asyncio.wait({sent}, timeout=self._timeout)
        if not done:
            # It is not waited for: a driver that closes a connection to a server that hangs takes seconds for it.
            sent.cancel()
            raise TimeoutError
        return sent.result()

    def _ended(self, sent: asyncio.Task[Answer]) -> None:
        self._sent.discard(sent)
        if not sent.cancelled():
            sent.exception()  # whoever asked may be gone

    def _send(self) -> Answer:
        if self._engine is None:
            self._engine = self._make_engine()
        with connecting(self._engine):
            connection = self._engine.connect()
        with connection:
            return ask(connection)

    def _make_engine(self) -> Engine:
        engine = self._endpoint.engine.sync_engine
        if not hasattr(engine.dialect, "default_isolation_level"):
            # SQLAlchemy learns about a server on the first connection of a pool, or of a copy of it, and only connections
            # of the same pool wait for that: those of the other would use a dialect that is half there.
            with connecting(engine):
                engine.connect().close()
        return probe_engine(engine)

    async def aclose(self) -> None:
        if self._task is not None and not _is_over(self._task):
            self._task.cancel()
            await asyncio.wait({self._task})
        sent = {one for one in self._sent if not _is_over(one)}
        if sent:
            # Stopped while it connects, a driver may lose the connection.
            _, late = await asyncio.wait(sent, timeout=self._timeout)
            for one in late:
                one.cancel()
        closing: set[asyncio.Future[Any]] = {one for one in sent if not one.done()}
        if self._engine is not None:
            engine, self._engine = self._engine, None
            closing.add(asyncio.ensure_future(_dispose(engine)))
        if closing:
            await asyncio.wait(closing, timeout=CLEANUP_SECONDS)


def _is_over(task: asyncio.Task[Any]) -> bool:
    return task.done() or task.get_loop().is_closed()


async def _dispose(engine: Engine) -> None:
    await greenlet_spawn(engine.dispose)


def _refuse(waiting: Iterable[asyncio.Future[Answer]], error: Exception) -> None:
    """Each gets an error of its own, with its own traceback."""
    for future in waiting:
        if not future.done():
            try:
                own = copy(error)
            except Exception:  # noqa: BLE001  somebody else's class; nobody may be left waiting for it
                own = error
            own.__cause__ = error.__cause__
            future.set_exception(own)


_DISPOSED = "The Database was disposed of while a server was asked for its position."
