"""The end of a scope: waiters are told, batches are stopped and awaited, nothing can be queued any more."""

import asyncio

import pytest

from batchrepo.errors import ScopeClosed
from batchrepo.loading import BatchLoader, Scheduler
from tests.loading.helpers import Source, hops


async def test_closing_tells_all_who_wait():
    scheduler = Scheduler()
    source = Source("Album.artist")
    loader = source.loader(scheduler=scheduler)
    source.hold()
    running = [loader.load(1), loader.load_many([1, 2])]
    await source.entered()
    queued = [loader.load(3), loader.load_many([4, 1])]
    await scheduler.aclose()
    for future in (*running, *queued):
        with pytest.raises(ScopeClosed, match=r"ended while Album\.artist loaded key"):
            future.result()
    assert source.cancelled == [[1, 2]]
    assert source.calls == [[1, 2]]


async def test_afterwards_nothing_can_be_loaded_not_even_what_was_cached():
    scheduler = Scheduler()
    loader = Source().loader(scheduler=scheduler)
    await loader.load(1)
    await scheduler.aclose()
    await scheduler.aclose()
    for ask in (lambda: loader.load(1), lambda: loader.load(2), lambda: loader.load_many([1])):
        with pytest.raises(ScopeClosed):
            ask()


async def test_closing_waits_until_the_batches_have_unwound():
    scheduler = Scheduler()
    unwound = []

    async def load(keys):
        try:
            await asyncio.Event().wait()
        finally:
            await hops(20)  # such as giving a connection back
            unwound.append(keys)

    future = BatchLoader(load, scheduler=scheduler).load(1)
    await hops(8)
    await scheduler.aclose()
    assert unwound == [[1]]
    assert isinstance(future.exception(), ScopeClosed)


async def test_closing_stops_what_batches_wait_for():
    scheduler = Scheduler()
    inner = Source("inner")
    inner_loader = inner.loader(scheduler=scheduler)

    async def answer(keys):
        return await inner_loader.load_many(keys)

    outer = Source("outer", answer)
    inner.hold()
    future = outer.loader(scheduler=scheduler).load(1)
    await inner.entered()
    await scheduler.aclose()
    assert inner.cancelled == [[1]]
    assert isinstance(future.exception(), ScopeClosed)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_batch_that_loads_while_it_unwinds_is_refused():
    scheduler = Scheduler()
    refused = []

    async def answer(keys):
        try:
            await asyncio.Event().wait()
        finally:
            with pytest.raises(ScopeClosed):
                loader.load(99)
            refused.append(keys)

    source = Source("source", answer)
    loader = source.loader(scheduler=scheduler)
    future = loader.load(1)
    await source.entered()
    await hops(1)
    await scheduler.aclose()
    assert refused == [[1]]
    assert isinstance(future.exception(), ScopeClosed)


async def test_a_batch_may_close_its_own_scheduler_and_waits_for_the_others():
    scheduler = Scheduler()
    steps = []

    async def closes(keys):
        await hops(2)
        await scheduler.aclose()
        steps.append("closed")
        return keys

    async def unwinds(keys):
        try:
            await asyncio.Event().wait()
        finally:
            await hops(10)
            steps.append("unwound")

    closing = BatchLoader(closes, scheduler=scheduler).load(1)
    other = BatchLoader(unwinds, scheduler=scheduler).load(1)
    for future in (closing, other):
        with pytest.raises(ScopeClosed):
            await future
    await scheduler.aclose()
    assert steps == ["unwound", "closed"]
    assert scheduler.running == 0


async def test_closing_does_not_break_off_the_cleaning_up_of_an_abandoned_batch():
    scheduler = Scheduler()
    cleaning, cleaned = asyncio.Event(), []

    async def load(keys):
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await hops(10)
            cleaned.append(keys)

    future = BatchLoader(load, scheduler=scheduler).load(1)
    await hops(8)
    future.cancel()
    await cleaning.wait()
    await scheduler.aclose()
    assert cleaned == [[1]]


async def test_closing_ends_a_flush():
    scheduler = Scheduler(manual=True)
    source = Source()
    source.hold()
    future = source.loader(scheduler=scheduler).load(1)
    flushing = asyncio.create_task(scheduler.flush())
    await source.entered()
    await scheduler.aclose()
    await flushing
    assert isinstance(future.exception(), ScopeClosed)
    with pytest.raises(ScopeClosed):
        await scheduler.flush()


async def test_closing_what_was_never_used():
    await Scheduler().aclose()


async def test_closing_with_waiters_that_are_gone_logs_nothing():
    reports = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reports.append(context))
    scheduler = Scheduler()
    source = Source()
    loader = source.loader(scheduler=scheduler)
    source.hold()
    loader.load(1)
    await source.entered()
    loader.load(2).cancel()
    loader.load_many([3, 4])
    await scheduler.aclose()
    await hops(3)
    assert reports == []
