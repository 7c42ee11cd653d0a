"""The event loop is found at the first load, and may change while nothing is under way."""

import asyncio
import gc

import pytest

from batchrepo.errors import InvalidArgument, ScopeError
from batchrepo.loading import BatchLoader, Scheduler
from tests.loading.helpers import Source, hops


def test_a_loader_made_outside_a_loop_serves_one_loop_after_another():
    source = Source()
    loader = source.loader()

    async def ask(key):
        return await loader.load(key)

    assert asyncio.run(ask(1)) == ("source", 1)
    assert asyncio.run(ask(2)) == ("source", 2)
    assert asyncio.run(ask(1)) == ("source", 1)  # cached values are not bound to a loop
    assert source.calls == [[1], [2]]


def test_what_a_closed_loop_left_behind_is_dropped():
    calls = []

    async def load(keys):
        calls.append(keys)
        if len(calls) == 1:
            await asyncio.Event().wait()
        return keys

    loader = BatchLoader(load)

    async def leave():
        loader.load(1)
        await hops(8)
        loader.load_many([2, 3])  # waits for the round of the first

    async def ask():
        return await loader.load_many([1, 2])

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # asyncio reports the task that was never cancelled
    loop.run_until_complete(leave())
    loop.close()
    assert asyncio.run(ask()) == [1, 2]
    assert calls == [[1], [1, 2]]
    del loop
    gc.collect()
    assert asyncio.run(ask()) == [1, 2]


def test_a_second_loop_is_refused_while_keys_are_under_way_in_the_first():
    source = Source()
    loader = source.loader()
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()

    async def queue():
        return loader.load(1)

    async def ask(key):
        return await loader.load(key)

    async def the_value(future):
        return await future

    try:
        future = first.run_until_complete(queue())
        with pytest.raises(ScopeError, match="second event loop while 1 keys"):
            second.run_until_complete(ask(2))
        assert first.run_until_complete(the_value(future)) == ("source", 1)
        assert second.run_until_complete(ask(2)) == ("source", 2)
        assert first.run_until_complete(ask(3)) == ("source", 3)
    finally:
        first.close()
        second.close()


def test_where_no_loop_runs_a_load_says_so():
    loader = Source().loader(name="Album.artist")
    for ask in (lambda: loader.load(1), lambda: loader.load_many([1])):
        with pytest.raises(InvalidArgument, match=r"Album\.artist.*no event loop runs"):
            ask()


def test_a_loop_that_was_given_may_be_used_before_it_runs():
    loop = asyncio.new_event_loop()
    try:
        loader = Source().loader(loop=loop)
        futures = [loader.load(1), loader.load_many([2])]

        async def values():
            return await asyncio.gather(*futures)

        assert loop.run_until_complete(values()) == [("source", 1), [("source", 2)]]
    finally:
        loop.close()


def test_closing_after_the_loop_was_closed():
    scheduler = Scheduler(manual=True)
    loader = Source().loader(scheduler=scheduler)

    async def leave():
        async def wait():
            await loader.load(1)

        return asyncio.ensure_future(wait())

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # asyncio reports the task that was never cancelled
    task = loop.run_until_complete(leave())
    loop.run_until_complete(hops(2))
    loop.close()
    assert scheduler.pending == 1
    asyncio.run(scheduler.aclose())
    assert scheduler.pending == 0
    assert not task.done()
    del task
    gc.collect()
