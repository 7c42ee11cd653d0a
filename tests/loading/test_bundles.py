"""Keys that leave the others of their bundle: each goes with those who wait for it, and they get their own answers."""

import asyncio

import pytest

from batchrepo.loading import BatchLoader, Scheduler
from batchrepo.loading.waiting import Bundle, Many
from tests.loading.helpers import Source

KEYS = range(6)


class Waiting:
    """A bundle of six keys: each is waited for alone, some twice, and by two `load_many`."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        loader = BatchLoader(Source(), name="source")
        self.bundle = Bundle(loader, Scheduler().root)
        self.bundle.keys = {key: f"key {key}" for key in KEYS}
        self.alone = [(key, loop.create_future()) for key in (*KEYS, 1, 4)]
        for key, future in self.alone:
            self.bundle.wait(key, future)
        self.many = [Many(loop.create_future(), keys) for keys in ([5, 0, 5], [3])]
        for many in self.many:
            self.bundle.wait_for_many(many, list(dict.fromkeys(many.cache_keys)))

    def answered(self, *bundles: Bundle) -> None:
        for bundle in bundles:
            bundle.resolve({key: -key for key in bundle.keys}, failures=False)
        assert [future.result() for _, future in self.alone] == [-key for key, _ in self.alone]
        assert [many.future.result() for many in self.many] == [[-5, 0, -5], [-3]]


@pytest.mark.parametrize("keys", [[5], [3], [0, 5], [1, 2, 3], [], list(KEYS)], ids=str)
async def test_taken_keys_are_answered_apart(keys):
    waiting = Waiting()
    taken = waiting.bundle.take(keys)
    assert list(taken.keys) == keys
    assert list(waiting.bundle.keys) == [key for key in KEYS if key not in keys]
    waiting.answered(taken, waiting.bundle)


@pytest.mark.parametrize("size", [1, 2, 4, 5])
async def test_parts_are_answered_in_any_order(size):
    waiting = Waiting()
    parts = waiting.bundle.split(size)
    assert [list(part.keys) for part in parts] == [list(KEYS)[at : at + size] for at in range(0, 6, size)]
    assert not waiting.bundle.keys
    waiting.answered(*reversed(parts))


async def test_joined_bundles_are_answered_together():
    waiting = Waiting()
    taken = waiting.bundle.take([5])
    taken.join(waiting.bundle)
    assert list(taken.keys) == [5, 0, 1, 2, 3, 4]
    waiting.answered(taken)


async def test_each_waiter_of_a_failure_has_the_error_of_its_own_key():
    waiting = Waiting()
    for bundle in (waiting.bundle.take([3]), waiting.bundle):
        bundle.fail(KeyError)
    assert [str(future.exception()) for _, future in waiting.alone] == [
        repr(f"key {key}") for key, _ in waiting.alone
    ]
    assert [str(many.future.exception()) for many in waiting.many] == ["'key 5'", "'key 3'"]


async def test_keys_are_wanted_while_somebody_waits():
    waiting = Waiting()
    assert set(waiting.bundle.living()) == set(KEYS)
    for key, future in waiting.alone:
        if key in (0, 1, 3):
            future.cancel()
    assert set(waiting.bundle.living()) == {0, 2, 3, 4, 5}
    for many in waiting.many:
        many.future.cancel()
    assert set(waiting.bundle.living()) == {2, 4, 5}


async def test_a_thousand_keys_may_be_needed_one_after_the_other_by_a_running_batch():
    """Outside tasks have asked for all of them: the batch takes each out of their bundle, and they go with its round."""
    scheduler = Scheduler()
    inner = Source("inner")
    below = inner.loader(scheduler=scheduler)

    async def through(keys):
        begun.set()
        await entered.wait()
        return await asyncio.gather(*(below.load(key) for key in range(1_000)))

    async def outer_function(keys):
        return {key: await through(keys) for key in keys}

    begun, entered = asyncio.Event(), asyncio.Event()
    outer = BatchLoader(outer_function, name="outer", scheduler=scheduler)
    whole = outer.load("all")
    await begun.wait()
    outside = [below.load(key) for key in range(1_000)]
    entered.set()
    assert len(await whole) == 1_000
    assert await asyncio.gather(*outside) == [("inner", key) for key in range(1_000)]
    assert [len(call) for call in inner.calls] == [1_000]
