"""What the tests of loading share: a batch function that records its calls and can be held at a gate."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from batchrepo.events import BatchEvent, EventLog, RoundEvent
from batchrepo.loading import BatchLoader


class Source:
    """A batch function: the value of a key is ``(name, key)``, unless ``answer`` says otherwise.

    ``calls`` holds the keys of every call, in order. ``hold()`` makes calls wait until ``release()``;
    ``await entered()`` waits until a call is being held.
    """

    def __init__(
        self, name: str = "source", answer: Callable[[list[Any]], Awaitable[Any]] | None = None
    ) -> None:
        self.name = name
        self.answer = answer
        self.calls: list[list[Any]] = []
        self.ended: list[list[Any]] = []
        self.cancelled: list[list[Any]] = []
        self._gate = asyncio.Event()
        self._gate.set()
        self._entered = asyncio.Event()

    def hold(self) -> None:
        self._gate.clear()
        self._entered.clear()

    def release(self) -> None:
        self._gate.set()

    async def entered(self) -> None:
        await self._entered.wait()
        self._entered.clear()

    async def __call__(self, keys: list[Any]) -> Any:
        self.calls.append(list(keys))
        self._entered.set()
        try:
            await self._gate.wait()
            if self.answer is not None:
                return await self.answer(keys)
            return [(self.name, key) for key in keys]
        except asyncio.CancelledError:
            self.cancelled.append(keys)
            raise
        finally:
            self.ended.append(keys)

    def loader(self, **settings: Any) -> BatchLoader[Any, Any]:
        return BatchLoader(self, name=settings.pop("name", self.name), **settings)


async def hops(count: int) -> None:
    """Let the event loop turn this many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def after(count: int, future: Callable[[], Awaitable[Any]]) -> Any:
    """Await what the function makes, but only after some turns of the loop."""
    await hops(count)
    return await future()


def rounds(log: EventLog) -> list[RoundEvent]:
    return [event for event in log.events if isinstance(event, RoundEvent)]


def batches(log: EventLog) -> list[BatchEvent]:
    return [event for event in log.events if isinstance(event, BatchEvent)]
