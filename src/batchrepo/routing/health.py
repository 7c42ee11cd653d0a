"""Looking after the endpoints in the background: who is there, who is how far, who may come back."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from batchrepo.errors import BatchRepoError, DeclarationError
from batchrepo.executing.border import reason

if TYPE_CHECKING:
    from batchrepo.routing.endpoints import Endpoint
    from batchrepo.routing.prober import Prober
    from batchrepo.routing.probing import Answer
    from batchrepo.routing.router import Router

logger = logging.getLogger(__name__)

HEAD_START = 0.05
"""Seconds by which the primary is asked before the replicas: what they are compared with is then just known."""


@dataclass(frozen=True, slots=True)
class HealthChecks:
    """How endpoints are looked after.

    Attributes:
        interval: seconds between two looks; each is made a quarter sooner or later at random, so that many processes
            do not ask in step.
        timeout: seconds that an answer may take.
        proofs: how many times in a row a replica that was away must answer before it is read from again.
        primary_reads: how many reads at once the primary answers in place of replicas that are all down; None: half of
            the connections to it.
    """

    interval: float = 1.0
    timeout: float = 1.0
    proofs: int = 2
    primary_reads: int | None = None

    def __post_init__(self) -> None:
        for name in ("interval", "timeout"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
                raise DeclarationError(f"HealthChecks({name}=) expects seconds, more than 0; got {value!r}.")
        for name in ("proofs", "primary_reads"):
            value = getattr(self, name)
            if value is None and name == "primary_reads":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise DeclarationError(f"HealthChecks({name}=) expects a number of 1 or more; got {value!r}.")


class Monitor:
    """Asks all endpoints again and again, and says what it finds to the router."""

    def __init__(self, router: Router, checks: HealthChecks) -> None:
        self._router = router
        self._checks = checks
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._missed: dict[Endpoint, int] = {}
        self._proofs: dict[Endpoint, int] = {}

    def start(self) -> None:
        """Begin, if it does not run in this event loop."""
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done() or self._loop is not loop:
            self._loop = loop
            self._task = loop.create_task(self._run(), name="batchrepo health checks")

    async def aclose(self) -> None:
        """End it."""
        task, self._task = self._task, None
        if task is not None and self._loop is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait({task})

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:  # a listener to events may raise anything
                logger.exception("A look at the endpoints failed; they are looked at again.")
            await asyncio.sleep(self._checks.interval * random.uniform(0.75, 1.25))  # noqa: S311  it only spreads them

    async def look(self) -> None:
        """Ask every endpoint once."""
        primary, *replicas = self._router.probers
        first = asyncio.create_task(self._look_at(primary))
        try:
            await asyncio.wait({first}, timeout=HEAD_START)
            await asyncio.gather(first, *map(self._look_at, replicas))
        finally:
            first.cancel()

    async def _look_at(self, prober: Prober) -> None:
        endpoint = prober.endpoint
        started = monotonic()
        try:
            answer = await prober.ask()
        except TimeoutError:
            self._missed[endpoint] = self._missed.get(endpoint, 0) + 1
            # A primary is given a second chance: one slow answer must not make all writes fail.
            if endpoint.role == "replica" or self._missed[endpoint] > 1:
                self._lost(endpoint, f"no answer within {self._checks.timeout:g} s")
        except (SQLAlchemyError, BatchRepoError, OSError) as error:
            self._lost(endpoint, reason(error))
        else:
            self._missed.pop(endpoint, None)
            self._answered(endpoint, answer, started)

    def _lost(self, endpoint: Endpoint, why: str) -> None:
        self._proofs.pop(endpoint, None)
        self._router.change(endpoint, "down", why)

    def _answered(self, endpoint: Endpoint, answer: Answer, started: float) -> None:
        if endpoint.role == "primary":
            if answer.recovering:
                self._lost(endpoint, "it is a standby, which takes no writes")
                return
            self._router.primary_seen(started, answer.position)
            self._router.change(endpoint, "up")
            return
        latest = self._router.positions.latest
        if (
            answer.position
            and latest
            and answer.recovering is False
            and _was_promoted(answer, latest.timeline, latest.system)
        ):
            self._lost(endpoint, "it was promoted, and does not follow the primary any more")
            return
        if endpoint.up:
            return
        proofs = self._proofs.get(endpoint, 0) + 1
        self._proofs[endpoint] = proofs
        if proofs >= self._checks.proofs:
            del self._proofs[endpoint]
            self._router.change(endpoint, "up")
        else:
            self._router.change(endpoint, "proving", f"answered {proofs} of {self._checks.proofs} times")


def _was_promoted(answer: Answer, timeline: int, system: int) -> bool:
    position = answer.position
    return position is not None and position.system == system and position.timeline > timeline
