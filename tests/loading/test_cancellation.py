"""Each waiter is alone with its future: who stops waiting hurts nobody, and work ends when nobody waits."""

import asyncio

import pytest

from batchrepo.errors import LoadError
from batchrepo.events import EventLog
from batchrepo.loading import BatchLoader, Scheduler
from tests.loading.helpers import Source, batches, hops, rounds


async def test_every_waiter_of_a_key_has_its_own_future():
    loader = Source().loader()
    first, second, many = loader.load(1), loader.load(1), loader.load_many([1, 1])
    assert first is not second
    first.cancel()
    assert await second == ("source", 1)
    assert await many == [("source", 1), ("source", 1)]
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_cancelled_future_does_not_stay_in_the_cache():
    source = Source()
    loader = source.loader()
    source.hold()
    first, second = loader.load(1), loader.load(1)
    await source.entered()
    first.cancel()
    source.release()
    await second
    assert await loader.load(1) == ("source", 1)
    assert source.calls == [[1]]


async def test_a_key_that_nobody_waits_for_any_more_is_not_sent():
    source = Source()
    loader = source.loader()
    futures = [loader.load(key) for key in (1, 2, 3, 2)]
    futures[1].cancel()
    futures[2].cancel()
    assert await asyncio.gather(futures[0], futures[3]) == [("source", 1), ("source", 2)]
    assert source.calls == [[1, 2]]
    assert await loader.load(3) == ("source", 3)


async def test_a_round_without_a_waiter_does_not_go_out():
    log = EventLog()
    source = Source()
    loader = source.loader(scheduler=Scheduler(events=log))
    loader.load(1).cancel()
    loader.load_many([2, 3]).cancel()
    assert repr(loader) == "<BatchLoader source 0 pending, 0 cached>"
    await hops(10)
    assert source.calls == []
    assert rounds(log) == []
    assert await loader.load(4) == ("source", 4)


async def test_a_key_cancelled_in_the_queue_and_asked_again_is_sent_once():
    source = Source()
    loader = source.loader()
    loader.load(1).cancel()
    loader.load(1).cancel()
    again = loader.load(1)
    assert await again == ("source", 1)
    assert source.calls == [[1]]


async def test_a_running_batch_is_cancelled_when_its_last_waiter_goes():
    log = EventLog()
    source = Source()
    loader = source.loader(scheduler=Scheduler(events=log))
    source.hold()
    futures = [loader.load(1), loader.load(2), loader.load(1), loader.load_many([3, 4])]
    await source.entered()
    for future in futures[:-1]:
        future.cancel()
        await hops(3)
        assert source.cancelled == []
    futures[-1].cancel()
    await hops(3)
    assert source.cancelled == [[1, 2, 3, 4]]
    assert [event.failed for event in batches(log)] == ["CancelledError"]


async def test_an_abandoned_batch_leaves_nothing_behind():
    source = Source()
    loader = source.loader()
    source.hold()
    abandoned = loader.load(1)
    await source.entered()
    abandoned.cancel()
    await hops(1)
    source.release()
    assert await loader.load(1) == ("source", 1)
    assert source.calls == [[1], [1]]
    assert repr(loader) == "<BatchLoader source 0 pending, 1 cached>"


async def test_who_asks_before_the_loop_has_turned_saves_the_batch():
    source = Source()
    loader = source.loader()
    source.hold()
    first = loader.load(1)
    await source.entered()
    first.cancel()
    second = loader.load(1)
    source.release()
    assert await second == ("source", 1)
    assert source.calls == [[1]]


async def test_a_batch_abandoned_before_its_first_step_does_not_hold_up_the_next_round():
    source = Source()
    scheduler = Scheduler(manual=True)
    loader = source.loader(scheduler=scheduler)
    future = loader.load(1)
    flushing = asyncio.create_task(scheduler.flush())
    await hops(0)
    asyncio.get_running_loop().call_soon(future.cancel)
    await flushing
    assert scheduler.running == 0
    second = loader.load(1)
    await scheduler.flush()
    assert second.result() == ("source", 1)


async def test_an_abandoned_batch_that_does_not_listen_neither_fills_the_cache_nor_breaks_anything():
    release = asyncio.Event()
    calls = []

    async def stubborn(keys):
        calls.append(keys)
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return [f"call {len(calls)}"] * len(keys)

    loader = BatchLoader(stubborn)
    abandoned = loader.load(1)
    await hops(10)
    abandoned.cancel()
    await hops(3)
    newer = loader.load(1)
    release.set()
    assert await newer == "call 2"
    assert await loader.load(1) == "call 2"


async def test_a_key_of_a_running_batch_may_be_asked_again_after_its_waiter_went():
    source = Source()
    loader = source.loader()
    source.hold()
    first, other = loader.load(1), loader.load(2)
    await source.entered()
    first.cancel()
    await hops(3)
    again = loader.load(1)
    other.cancel()
    await hops(3)
    assert source.cancelled == []
    source.release()
    assert await again == ("source", 1)
    assert source.calls == [[1, 2]]


async def test_a_waiter_that_times_out_hurts_nobody():
    source = Source()
    loader = source.loader()
    source.hold()
    patient = loader.load(1)
    await source.entered()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(loader.load(1), 0)
    source.release()
    assert await patient == ("source", 1)


async def test_cancelling_load_many_releases_all_its_keys_and_nobody_elses():
    source = Source()
    loader = source.loader()
    many, other = loader.load_many([1, 2, 3]), loader.load_many([3, 4])
    many.cancel()
    assert await other == [("source", 3), ("source", 4)]
    assert source.calls == [[3, 4]]


async def test_cancelling_a_task_that_gathers_releases_its_keys():
    source = Source()
    loader = source.loader()
    source.hold()

    async def ask():
        await asyncio.gather(loader.load(1), loader.load_many([2, 3]))

    task = asyncio.create_task(ask())
    await source.entered()
    task.cancel()
    await hops(5)
    assert task.cancelled()
    assert source.cancelled == [[1, 2, 3]]


async def test_abandoning_a_batch_abandons_what_it_loads():
    scheduler = Scheduler()
    inner = Source("inner")
    inner_loader = inner.loader(scheduler=scheduler)
    inner.hold()

    async def answer(keys):
        return await inner_loader.load_many(keys)

    outer = Source("outer", answer)
    future = outer.loader(scheduler=scheduler).load(1)
    await inner.entered()
    future.cancel()
    await hops(10)
    assert inner.cancelled == [[1]]
    assert outer.cancelled == [[1]]
    assert scheduler.running == 0


async def test_what_an_abandoned_batch_shares_with_others_goes_on():
    scheduler = Scheduler()
    inner = Source("inner")
    inner_loader = inner.loader(scheduler=scheduler)
    inner.hold()

    async def answer(keys):
        return await inner_loader.load_many(keys)

    outer = Source("outer", answer).loader(scheduler=scheduler)
    future = outer.load(1)
    await inner.entered()
    outside = inner_loader.load(1)
    future.cancel()
    await hops(10)
    inner.release()
    assert await outside == ("inner", 1)


async def test_a_batch_cancelled_from_outside_fails_its_waiters_by_name():
    source = Source()
    loader = source.loader(name="Album.artist")
    source.hold()
    future = loader.load(1)
    await source.entered()
    (task,) = asyncio.all_tasks() - {asyncio.current_task()}
    task.cancel()
    with pytest.raises(
        LoadError, match=r"batch function of Album\.artist ended with CancelledError .* 1 key"
    ):
        await future
    assert task.cancelled()


async def test_a_batch_cancelled_from_outside_before_its_first_step_fails_its_waiters_too():
    source = Source()
    scheduler = Scheduler(manual=True)
    future = source.loader(scheduler=scheduler).load(1)
    flushing = asyncio.create_task(scheduler.flush())
    others = {asyncio.current_task(), flushing}

    def cancel_new_tasks():
        for task in asyncio.all_tasks() - others:
            task.cancel()

    asyncio.get_running_loop().call_soon(cancel_new_tasks)
    await flushing
    assert source.calls == []
    with pytest.raises(LoadError, match="CancelledError"):
        future.result()


async def test_flush_may_be_cancelled_without_the_round():
    scheduler = Scheduler(manual=True)
    source = Source()
    future = source.loader(scheduler=scheduler).load(1)
    source.hold()
    flushing = asyncio.create_task(scheduler.flush())
    await source.entered()
    flushing.cancel()
    source.release()
    assert await future == ("source", 1)
