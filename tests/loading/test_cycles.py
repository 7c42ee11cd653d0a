"""Batches that wait for themselves: the load that closes the cycle fails and names the path, the rest goes on."""

import asyncio

import pytest

from batchrepo.errors import LoaderCycle
from batchrepo.loading import BatchLoader, Scheduler
from tests.loading.helpers import Source, hops


class Ring:
    """Loaders whose batch functions load from each other, as ``needs`` says: (loader, key) -> (loader, key)."""

    def __init__(self, needs: dict[tuple[str, int], tuple[str, int]], **settings) -> None:
        self.needs = needs
        self.errors: list[LoaderCycle] = []
        scheduler = Scheduler()
        names = {name for pair in needs.items() for name, _ in pair}
        self.loaders = {name: self._loader(name, scheduler, **settings) for name in sorted(names)}

    def _loader(self, name, scheduler, **settings):
        async def value(key):
            needed = self.needs.get((name, key))
            if needed is None:
                return f"{name}{key}"
            try:
                return f"{name}{key} <- {await self.loaders[needed[0]].load(needed[1])}"
            except LoaderCycle as error:
                self.errors.append(error)
                raise

        async def load(keys):
            return await asyncio.gather(*[value(key) for key in keys], return_exceptions=True)

        return BatchLoader(load, name=name, scheduler=scheduler, **settings)


async def test_a_batch_that_asks_for_its_own_key():
    ring = Ring({("A", 1): ("A", 1)})
    with pytest.raises(LoaderCycle, match=r"A\.load\(1\) would wait for itself: A\[1\] -> A\[1\]\. "):
        await ring.loaders["A"].load(1)


async def test_two_batches_that_wait_for_each_other():
    ring = Ring({("A", 1): ("B", 7), ("B", 7): ("A", 1)})
    with pytest.raises(LoaderCycle, match=r"A\.load\(1\) .*: A\[1\] -> B\[7\] -> A\[1\]\. "):
        await ring.loaders["A"].load(1)
    assert len(ring.errors) == 2  # raised in B, passed on through A


async def test_a_cycle_through_three_batches_that_started_together():
    ring = Ring({("A", 1): ("B", 1), ("B", 1): ("C", 1), ("C", 1): ("A", 1)})
    results = await asyncio.gather(*[ring.loaders[name].load(1) for name in "ABC"], return_exceptions=True)
    assert all(isinstance(result, LoaderCycle) for result in results)
    assert len({id(result) for result in results}) == 1
    assert "A.load(1) would wait for itself: A[1] -> B[1] -> C[1] -> A[1]." in str(results[0])


async def test_other_keys_of_the_same_batches_go_on():
    ring = Ring({("A", 1): ("B", 1), ("B", 1): ("A", 1), ("A", 2): ("B", 2)})
    cycle, fine, plain = await asyncio.gather(
        ring.loaders["A"].load(1),
        ring.loaders["A"].load(2),
        ring.loaders["A"].load(3),
        return_exceptions=True,
    )
    assert isinstance(cycle, LoaderCycle)
    assert fine == "A2 <- B2"
    assert plain == "A3"


async def test_a_cycle_may_be_caught_and_answered_another_way():
    scheduler = Scheduler()
    loader: BatchLoader[int, str]

    async def load(keys):
        try:
            await loader.load(keys[0])
        except LoaderCycle:
            return ["answered"]
        raise AssertionError("the cycle was not seen")

    loader = BatchLoader(load, scheduler=scheduler)
    assert await loader.load(1) == "answered"
    assert await loader.load(1) == "answered"


@pytest.mark.parametrize("settings", [{"cache": False}, {"dispatch": "immediate"}, {"max_batch_size": 1}])
async def test_cycles_are_found_with_other_settings_too(settings):
    ring = Ring({("A", 1): ("B", 1), ("B", 1): ("A", 1)}, **settings)
    with pytest.raises(LoaderCycle, match=r"A\[1\] -> B\[1\] -> A\[1\]"):
        await ring.loaders["A"].load(1)


async def test_clearing_the_key_does_not_turn_a_cycle_into_endless_loading():
    loader: BatchLoader[int, int]
    calls = []

    async def load(keys):
        calls.append(keys)
        loader.clear(keys[0])
        return [await loader.load(keys[0])]

    loader = BatchLoader(load)
    with pytest.raises(LoaderCycle):
        await loader.load(1)
    assert calls == [[1]]


async def test_load_many_closes_a_cycle_for_one_of_its_keys():
    scheduler = Scheduler()
    inner = Source("inner").loader(scheduler=scheduler)
    outer: BatchLoader[int, object]

    async def load(keys):
        with pytest.raises(LoaderCycle, match=r"outer\.load\(1\)"):
            await outer.load_many([5, 1, 6])
        return [await inner.load(key) for key in keys]

    outer = BatchLoader(load, name="outer", scheduler=scheduler, max_batch_size=1)

    async def stop(keys):
        return keys

    others = BatchLoader(stop, scheduler=scheduler)
    outer.prime(5, "five").prime(6, "six")
    assert await asyncio.gather(outer.load(1), others.load(1)) == [("inner", 1), 1]


async def test_chunks_of_one_loader_that_wait_for_each_other():
    ring = Ring({("A", 1): ("A", 2), ("A", 2): ("A", 1)}, max_batch_size=1)
    first, second = await asyncio.gather(
        ring.loaders["A"].load(1), ring.loaders["A"].load(2), return_exceptions=True
    )
    assert isinstance(first, LoaderCycle)
    assert isinstance(second, LoaderCycle)
    assert "A[1] -> A[2] -> A[1]" in str(second)


async def test_what_waits_is_the_batch_and_not_the_key():
    """A1 needs B1 needs A2: no circle of keys. But A1 and A2 are answered together, so A2 would come too late."""
    needs = {("A", 1): ("B", 1), ("B", 1): ("A", 2)}
    together = Ring(needs)
    first, second = await asyncio.gather(
        together.loaders["A"].load(1), together.loaders["A"].load(2), return_exceptions=True
    )
    assert isinstance(first, LoaderCycle)
    assert second == "A2"
    apart = Ring(needs, max_batch_size=1)
    assert await apart.loaders["A"].load_many([1, 2]) == ["A1 <- B1 <- A2", "A2"]


async def test_a_cycle_across_two_schedulers():
    a, b = Scheduler(), Scheduler()
    loader_b: BatchLoader[int, object]

    async def load_a(keys):
        return await loader_b.load_many(keys)

    async def load_b(keys):
        return await loader_a.load_many(keys)

    loader_a = BatchLoader(load_a, name="A", scheduler=a)
    loader_b = BatchLoader(load_b, name="B", scheduler=b)
    with pytest.raises(LoaderCycle, match=r"A\[1\] -> B\[1\] -> A\[1\]"):
        await loader_a.load(1)


async def test_a_wait_that_was_given_up_closes_no_cycle():
    """A stops waiting for B before B asks for A's key: nobody waits in a circle any more."""
    scheduler = Scheduler()
    a_gave_up = asyncio.Event()
    loader_a: BatchLoader[int, object]

    async def load_b(keys):
        await a_gave_up.wait()
        return await loader_a.load_many(keys)

    loader_b = BatchLoader(load_b, name="B", scheduler=scheduler)

    async def load_a(keys):
        waiting = loader_b.load(1)
        await hops(10)
        waiting.cancel()
        a_gave_up.set()
        await hops(10)
        return keys

    loader_a = BatchLoader(load_a, name="A", scheduler=scheduler)
    assert await asyncio.gather(loader_a.load(1), loader_b.load(1)) == [1, 1]


async def test_two_batches_may_wait_for_the_same_third():
    ring = Ring({("A", 1): ("C", 1), ("B", 1): ("C", 1), ("C", 1): ("D", 1)})
    assert await asyncio.gather(ring.loaders["A"].load(1), ring.loaders["B"].load(1)) == [
        "A1 <- C1 <- D1",
        "B1 <- C1 <- D1",
    ]


async def test_a_task_left_behind_by_an_ended_batch_may_load_its_key():
    loader: BatchLoader[int, int]
    left, go_on = [], asyncio.Event()

    async def background(key):
        await go_on.wait()
        loader.clear(key)
        return await loader.load(key)

    async def load(keys):
        if not left:
            left.append(asyncio.create_task(background(keys[0])))
        return keys

    loader = BatchLoader(load)
    assert await loader.load(1) == 1
    go_on.set()
    assert await left[0] == 1


async def test_a_load_that_an_ended_batch_left_behind_closes_no_cycle():
    scheduler = Scheduler()
    outer: BatchLoader[int, object]
    outer_has_ended, left = asyncio.Event(), []

    async def load_inner(keys):
        await outer_has_ended.wait()
        return await outer.load_many(keys)

    inner = BatchLoader(load_inner, name="inner", scheduler=scheduler)

    async def load_outer(keys):
        if keys == [1] and not left:
            left.append(inner.load(1))  # not awaited
            await outer.load(2)
        return [("outer", key) for key in keys]

    outer = BatchLoader(load_outer, name="outer", scheduler=scheduler, cache=False)
    assert await outer.load(1) == ("outer", 1)
    outer_has_ended.set()
    assert await left[0] == ("outer", 1)
