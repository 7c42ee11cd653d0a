"""Many tasks that load, nest, wait, clear, prime and cancel at random: nobody hangs, nobody gets another key's value."""

import asyncio
import random
import sys

import pytest

from batchrepo.errors import LoaderCycle, LoadError
from batchrepo.events import EventLog
from batchrepo.loading import BatchLoader, Scheduler
from tests.loading.helpers import batches, hops, rounds

DEPTH = 4
KEYS = 12
SECONDS = 20


class OddKeyError(Exception):
    """What a batch function gives for some keys."""


class Program:
    """Loaders in layers: a batch of layer n may load from layer n + 1, or, rarely, from any layer.

    The value of a key is ``(layer, key)`` whichever way it came, so that every answer can be checked.
    """

    def __init__(self, seed: int, *, cycles: bool) -> None:
        self.random = random.Random(seed)
        self.cycles = cycles
        self.log = EventLog()
        self.scheduler = Scheduler(events=self.log, quiet_hops=self.random.choice([1, 2, 4]))
        self.other_scheduler = Scheduler()
        self.loaders = [self.loader(layer) for layer in range(DEPTH)]
        self.spawned: list[asyncio.Task[None]] = []
        self.answers = 0
        self.failures = 0

    def loader(self, layer: int) -> BatchLoader[int, tuple[int, int]]:
        choose = self.random.choice
        return BatchLoader(
            lambda keys: self.load(layer, keys),
            name=f"layer{layer}",
            scheduler=choose([self.scheduler, self.scheduler, self.other_scheduler]),
            max_batch_size=choose([None, None, 3]),
            dispatch=choose(["round", "round", "round", "immediate"]),
            cache=choose([True, True, False]),
            timeout=choose([None, SECONDS * 10]),
        )

    async def load(self, layer: int, keys: list[int]):
        assert len(set(keys)) == len(keys), f"duplicate keys: {keys}"
        await hops(self.random.randrange(4))
        if self.random.random() < 0.6:
            await self.nest(layer, keys)
        if self.random.random() < 0.1:
            self.spawned.append(asyncio.create_task(self.visit(hops_before=self.random.randrange(30))))
        chance = self.random.random()
        if chance < 0.03:
            raise OddKeyError
        if chance < 0.05:
            raise asyncio.CancelledError
        values = {key: OddKeyError() if self.random.random() < 0.02 else (layer, key) for key in keys}
        return values if self.random.random() < 0.5 else list(values.values())

    async def nest(self, layer: int, keys: list[int]) -> None:
        below = range(layer + 1, DEPTH) if not (self.cycles and self.random.random() < 0.15) else range(DEPTH)
        if not below:
            return
        wanted = [(self.random.choice(below), self.random.choice([*keys, *range(KEYS)])) for _ in range(3)]
        if self.random.random() < 0.5:
            await asyncio.gather(*[self.one(*pair) for pair in wanted])
        else:
            for pair in wanted:
                await self.one(*pair)

    async def one(self, layer: int, key: int) -> None:
        """Load one key, or some with it, and check what came."""
        loader = self.loaders[layer]
        await hops(self.random.randrange(3))
        try:
            if self.random.random() < 0.5:
                assert await loader.load(key) == (layer, key)
            else:
                keys = [key, *self.random.choices(range(KEYS), k=3), key]
                assert await loader.load_many(keys) == [(layer, k) for k in keys]
            self.answers += 1
        except (OddKeyError, LoaderCycle):
            self.failures += 1
        except LoadError as error:
            if "CancelledError" not in str(error):  # what a batch function raised; no other kind is made here
                raise

    async def visit(self, hops_before: int) -> None:
        """What one task of a request does."""
        await hops(hops_before)
        for _ in range(self.random.randrange(1, 5)):
            layer, key = self.random.randrange(DEPTH), self.random.randrange(KEYS)
            action = self.random.random()
            if action < 0.05:
                self.loaders[layer].clear_all()
            elif action < 0.15:
                self.loaders[layer].clear(key)
            elif action < 0.2:
                self.loaders[layer].prime(key, (layer, key))
            elif action < 0.3:
                self.loaders[layer].load(key).cancel()
            elif action < 0.4:
                future = self.loaders[layer].load_many([key, key + 1])
                await hops(self.random.randrange(6))
                future.cancel() or future.exception()
            else:
                await self.one(layer, key)

    async def run(self, tasks: int) -> list[BaseException]:
        running = [asyncio.create_task(self.visit(self.random.randrange(40))) for _ in range(tasks)]
        for task in running:
            if self.random.random() < 0.3:
                asyncio.get_running_loop().call_later(0, task.cancel)
            elif self.random.random() < 0.2:
                self.spawned.append(asyncio.create_task(self.cancel_later(task)))
        results = await asyncio.gather(*running, return_exceptions=True)
        while self.spawned:
            pending, self.spawned = self.spawned, []
            results += await asyncio.gather(*pending, return_exceptions=True)
        return [result for result in results if isinstance(result, BaseException)]

    async def cancel_later(self, task: asyncio.Task[None]) -> None:
        await hops(self.random.randrange(60))
        task.cancel()


@pytest.mark.parametrize("cycles", [False, True], ids=["layers", "cycles"])
@pytest.mark.parametrize("seed", range(60))
async def test_nobody_hangs_and_every_answer_is_right(seed, cycles):
    program = Program(seed, cycles=cycles)
    async with asyncio.timeout(SECONDS):
        failures = await program.run(tasks=60)
        assert [failure for failure in failures if not isinstance(failure, asyncio.CancelledError)] == []
        assert program.answers > 10
        for _ in range(200):
            if not program.scheduler.pending + program.scheduler.running + program.other_scheduler.running:
                break
            await hops(1)  # batches that nobody waits for unwind
        assert repr(program.scheduler) == "<Scheduler 0 pending, 0 running>"
        assert repr(program.other_scheduler) == "<Scheduler 0 pending, 0 running>"
        sizes = [(name, size) for event in rounds(program.log) for name, size in event.batches]
        assert len(sizes) == len(batches(program.log))
        await program.scheduler.aclose()
        await program.other_scheduler.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
@pytest.mark.parametrize("seed", range(20))
async def test_eager_tasks_change_nothing(seed):
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    program = Program(seed, cycles=True)
    async with asyncio.timeout(SECONDS):
        failures = await program.run(tasks=40)
        assert [failure for failure in failures if not isinstance(failure, asyncio.CancelledError)] == []
        await program.scheduler.aclose()
        await program.other_scheduler.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("seed", range(20))
async def test_closing_in_the_middle_ends_everything(seed):
    program = Program(seed, cycles=True)
    async with asyncio.timeout(SECONDS):
        running = asyncio.create_task(program.run(tasks=40))
        await hops(program.random.randrange(5, 60))
        await asyncio.gather(program.scheduler.aclose(), program.other_scheduler.aclose())
        await running
    assert asyncio.all_tasks() == {asyncio.current_task()}
