"""The questions to one server: on a connection of their own, one at a time, shared by all who ask."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

from sqlalchemy.util import greenlet_spawn

from batchrepo.executing.border import connecting
from batchrepo.routing.probing import Answer, ask, probe_engine

if TYPE_CHECKING:
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
        self._engine: Engine | None = None
        self._waiting: list[asyncio.Future[Answer]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self) -> Answer:
        """Ask, or take part in the next question.

        Raises:
            TimeoutError: no answer within the time.
            DatabaseUnavailable: no connection could be had.
            sqlalchemy.exc.DBAPIError: the server refuses to say.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve(), name=f"batchrepo asks {self.endpoint.name}")
        return await future

    async def _serve(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await greenlet_spawn(self._ask)
            except asyncio.CancelledError:
                for future in (*waiting, *self._waiting):
                    future.cancel()
                raise
            except Exception as error:  # noqa: BLE001  whoever asked gets it
                for future in waiting:
                    if not future.done():
                        future.set_exception(error)
            else:
                self.endpoint.position = answer.position or self.endpoint.position
                self.endpoint.asked = monotonic()
                for future in waiting:
                    if not future.done():
                        future.set_result(answer)

    def _ask(self) -> Answer:
        if self._engine is None:
            self._engine = self._make_engine()
        with connecting(self._engine):
            connection = self._engine.connect()
        with connection:
            return ask(connection)

    def _make_engine(self) -> Engine:
        engine = self.endpoint.engine.sync_engine
        if not hasattr(engine.dialect, "default_isolation_level"):
            # SQLAlchemy learns about a server on the first connection of a pool, or of a copy of it, and only connections
            # of the same pool wait for that: those of the other would use a dialect that is half there.
            with connecting(engine):
                engine.connect().close()
        return probe_engine(engine)

    async def aclose(self) -> None:
        """End the question that is on its way, and close the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._engine is not None:
            engine, self._engine = self._engine, None
            await greenlet_spawn(engine.dispose)
