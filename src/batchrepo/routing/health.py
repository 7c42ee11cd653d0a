"""Looking after the endpoints in the background: who is there, who is how far, who may come back."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from batchrepo.errors import DeclarationError
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
        self._watches: WeakKeyDictionary[asyncio.AbstractEventLoop, _Watch] = WeakKeyDictionary()
        self._missed: dict[Endpoint, int] = {}
        self._proofs: dict[Endpoint, int] = {}

    def start(self) -> None:
        """Begin, if it does not run in this event loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._watches:
            watch = self._watches[loop] = _Watch()
            # In a context of its own: that of the first request would live as long as the application.
            watch.task = loop.create_task(self._run(watch), name="batchrepo health checks", context=Context())

    def look_soon(self) -> None:
        """Something failed: look now, not when it is time."""
        watch = self._watches.get(asyncio.get_running_loop())
        if watch is not None:
            watch.hurry.set()

    async def looked(self) -> None:
        """Wait for the first look, but not longer than an answer may take."""
        watch = self._watches.get(asyncio.get_running_loop())
        if watch is not None and not watch.looked.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._checks.timeout):
                    await watch.looked.wait()

    async def aclose(self) -> None:
        """End it."""
        watch = self._watches.pop(asyncio.get_running_loop(), None)
        if watch is not None and watch.task is not None:
            watch.looked.set()
            watch.task.cancel()
            await asyncio.wait({watch.task})

    async def _run(self, watch: _Watch) -> None:
        while True:
            try:
                await self.look()
            except Exception:  # a listener to events may raise anything
                logger.exception("A look at the endpoints failed; they are looked at again.")
            watch.looked.set()
            pause = self._checks.interval * random.uniform(0.75, 1.25)  # noqa: S311  it only spreads them
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await watch.hurry.wait()
            watch.hurry.clear()

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
            else:
                self.look_soon()
        except Exception as error:  # noqa: BLE001  whatever it is, whoever cannot be asked cannot be read from
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
        why = self._misfit(answer)
        if why is not None:
            self._lost(endpoint, why)
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

    def _misfit(self, answer: Answer) -> str | None:
        """Why a server that answers is no replica of this primary. A logical one, which is no standby, always is."""
        position, latest = answer.position, self._router.positions.latest
        if position is None or latest is None:
            return None
        if answer.recovering:
            return None if position.system == latest.system else "it is a standby of another primary"
        if position.system == latest.system and position.timeline > latest.timeline:
            return "it was promoted, and does not follow the primary any more"
        return None


class _Watch:
    """What looks at the endpoints in one event loop."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.hurry = asyncio.Event()
        self.looked = asyncio.Event()
