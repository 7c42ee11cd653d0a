"""Loads made inside batch functions. Each test here would hang if such a load waited for the round it is in."""

import asyncio

from batchrepo.events import EventLog, Origin, RoundEvent
from batchrepo.loading import BatchLoader, Scheduler
from tests.loading.helpers import Source, batches, hops, rounds


def through(inner: BatchLoader, name: str = "outer", **settings) -> tuple[BatchLoader, Source]:
    """A loader whose batch function loads its keys from another one."""

    async def answer(keys):
        return dict(zip(keys, await inner.load_many(keys), strict=True))

    source = Source(name, answer)
    return source.loader(**settings), source


async def test_a_batch_function_may_load():
    log = EventLog()
    scheduler = Scheduler(events=log)
    inner = Source("inner")
    outer, _ = through(inner.loader(scheduler=scheduler), scheduler=scheduler)
    assert await outer.load_many([1, 2]) == [("inner", 1), ("inner", 2)]
    assert rounds(log) == [
        RoundEvent(1, 0, (("outer", 2),), "quiet"),
        RoundEvent(2, 1, (("inner", 2),), "quiet"),
    ]
    assert [event.origin for event in batches(log)] == [Origin(2, 1, "inner"), Origin(1, 0, "outer")]


async def test_three_levels_are_three_depths():
    log = EventLog()
    scheduler = Scheduler(events=log)
    lowest = Source("lowest").loader(scheduler=scheduler)
    middle, _ = through(lowest, "middle", scheduler=scheduler)
    top, _ = through(middle, "top", scheduler=scheduler)
    assert await top.load(1) == ("lowest", 1)
    assert [(event.number, event.depth) for event in rounds(log)] == [(1, 0), (2, 1), (3, 2)]


async def test_sibling_batches_share_a_sub_round():
    log = EventLog()
    scheduler = Scheduler(events=log)
    inner = Source("inner")
    inner_loader = inner.loader(scheduler=scheduler)
    first, _ = through(inner_loader, "first", scheduler=scheduler)
    second, _ = through(inner_loader, "second", scheduler=scheduler)
    await asyncio.gather(first.load(1), second.load(2), second.load(1))
    assert inner.calls == [[1, 2]]
    assert rounds(log)[1] == RoundEvent(2, 1, (("inner", 2),), "quiet")


async def test_a_key_that_an_outside_task_asked_first_moves_into_the_sub_round():
    scheduler = Scheduler()
    inner = Source("inner")
    inner_loader = inner.loader(scheduler=scheduler)
    ask = asyncio.Event()

    async def answer(keys):
        await ask.wait()
        return [await inner_loader.load(key) for key in keys]

    outer = Source("outer", answer)
    waiting = outer.loader(scheduler=scheduler).load(1)
    await hops(5)
    outside = inner_loader.load(1)  # waits at the root for the round of `outer`
    other = inner_loader.load(2)
    ask.set()
    assert await waiting == ("inner", 1)
    assert await outside == ("inner", 1)
    assert inner.calls == [[1]]
    assert await other == ("inner", 2)
    assert inner.calls == [[1], [2]]


async def test_load_many_moves_them_too():
    scheduler = Scheduler()
    inner = Source("inner")
    inner_loader = inner.loader(scheduler=scheduler)
    ask = asyncio.Event()

    async def answer(keys):
        await ask.wait()
        return [await inner_loader.load_many([1, 2, 3]) for _ in keys]

    waiting = Source("outer", answer).loader(scheduler=scheduler).load("x")
    await hops(5)
    outside = inner_loader.load_many([2, 3, 4])
    ask.set()
    assert await waiting == [("inner", key) for key in (1, 2, 3)]
    assert await outside == [("inner", key) for key in (2, 3, 4)]
    assert [sorted(call) for call in inner.calls] == [[1, 2, 3], [4]]


async def test_a_sub_queue_does_not_wait_for_running_sub_rounds():
    """A has a sub-round whose batch waits for something that B makes only after B's own nested load."""
    scheduler = Scheduler()
    made_by_b = asyncio.Event()

    async def needs_b(keys):
        await made_by_b.wait()
        return keys

    first_inner = Source("first inner", needs_b)
    first_loader = first_inner.loader(scheduler=scheduler)
    second_loader = Source("second inner").loader(scheduler=scheduler)

    async def a(keys):
        return await first_loader.load_many(keys)

    async def b(keys):
        while not first_inner.calls:
            await hops(1)
        values = await second_loader.load_many(keys)
        made_by_b.set()
        return values

    result = await asyncio.gather(
        BatchLoader(a, scheduler=scheduler).load(1), BatchLoader(b, scheduler=scheduler).load(1)
    )
    assert result == [1, ("second inner", 1)]


async def test_coroutines_gathered_in_a_batch_share_a_sub_round():
    scheduler = Scheduler()
    inner = Source("inner")
    inner_loader = inner.loader(scheduler=scheduler)

    async def one(key):
        await hops(key)
        return await inner_loader.load(key)

    async def answer(keys):
        return await asyncio.gather(*[one(key) for key in keys])

    outer = Source("outer", answer).loader(scheduler=scheduler)
    assert await outer.load_many([0, 1, 2]) == [("inner", 0), ("inner", 1), ("inner", 2)]
    assert inner.calls == [[0, 1, 2]]


async def test_sequential_loads_in_a_batch_are_sub_rounds_one_after_the_other():
    scheduler = Scheduler()
    inner = Source("inner")
    inner_loader = inner.loader(scheduler=scheduler)

    async def answer(keys):
        return [await inner_loader.load(key) for key in keys]

    outer = Source("outer", answer).loader(scheduler=scheduler)
    await outer.load_many([1, 2])
    assert inner.calls == [[1], [2]]


async def test_a_loader_may_use_itself_with_other_keys():
    """Climbing a tree: the batch of the children loads the parents from the same loader."""
    parents = {4: 3, 3: 2, 2: 1, 1: None}
    scheduler = Scheduler()
    loader: BatchLoader[int, list[int]]

    async def path(keys):
        above = [parents[key] for key in keys]
        upper = dict(zip(above, await loader.load_many([p for p in above if p is not None]), strict=False))
        return {key: [key, *upper.get(parents[key], [])] for key in keys}

    loader = BatchLoader(path, scheduler=scheduler)
    assert await loader.load(4) == [4, 3, 2, 1]


async def test_what_a_batch_spawned_queues_at_the_root_when_the_round_has_ended():
    log = EventLog()
    scheduler = Scheduler(events=log)
    inner = Source("inner")
    inner_loader = inner.loader(scheduler=scheduler)
    go_on = asyncio.Event()
    spawned = []

    async def background():
        await go_on.wait()
        return await inner_loader.load(7)

    async def answer(keys):
        spawned.append(asyncio.create_task(background()))
        return keys

    await Source("outer", answer).loader(scheduler=scheduler).load(1)
    go_on.set()
    outside = inner_loader.load(8)
    assert await spawned[0] == ("inner", 7)
    assert await outside == ("inner", 8)
    assert rounds(log)[1] == RoundEvent(2, 0, (("inner", 2),), "quiet")


async def test_what_a_sub_round_spawned_queues_at_the_round_that_still_runs():
    """The sub-round has ended, but its round has not, and waits for the task that the sub-round left behind."""
    scheduler = Scheduler()
    last = Source("last").loader(scheduler=scheduler)
    go_on = asyncio.Event()

    async def background(key):
        await go_on.wait()
        return await last.load(key)

    async def spawn(keys):
        return [asyncio.create_task(background(key)) for key in keys]

    spawner = BatchLoader(spawn, scheduler=scheduler)

    async def answer(keys):
        tasks = await spawner.load_many(keys)
        await hops(5)
        go_on.set()
        return await asyncio.gather(*tasks)

    assert await Source("outer", answer).loader(scheduler=scheduler).load(1) == ("last", 1)


async def test_what_a_batch_leaves_queued_goes_out_after_its_round_ended():
    scheduler = Scheduler()
    inner = Source("inner")
    inner_loader = inner.loader(scheduler=scheduler)
    left = []

    async def answer(keys):
        left.append(inner_loader.load(5))  # not awaited
        return keys

    outer = Source("outer", answer).loader(scheduler=scheduler)
    assert await outer.load(1) == 1
    assert await left[0] == ("inner", 5)
    assert await outer.load(2) == 2


async def test_a_round_loader_inside_an_immediate_batch_does_not_wait_for_a_round():
    """The root round waits for the immediate batch, which loads a key that is pending at the root."""
    scheduler = Scheduler()
    inner = Source("inner")
    inner_loader = inner.loader(scheduler=scheduler)
    ask = asyncio.Event()

    async def answer(keys):
        await ask.wait()
        return await inner_loader.load_many(keys)

    foreign = Source("foreign", answer)
    foreign_loader = foreign.loader(scheduler=scheduler, dispatch="immediate")
    outer, _ = through(foreign_loader, scheduler=scheduler)
    waiting = outer.load(1)
    await foreign.entered()
    outside = inner_loader.load(1)
    await hops(10)
    assert inner.calls == []
    ask.set()
    assert await waiting == ("inner", 1)
    assert await outside == ("inner", 1)


async def test_an_immediate_loader_inside_a_batch_goes_out_at_once():
    log = EventLog()
    scheduler = Scheduler(events=log)
    foreign = Source("foreign")
    outer, _ = through(foreign.loader(scheduler=scheduler, dispatch="immediate"), scheduler=scheduler)
    assert await outer.load(1) == ("foreign", 1)
    assert rounds(log)[1].reason == "immediate"


async def test_loaders_of_two_schedulers_may_use_each_other():
    """X (of A) waits for Y (of B), which loads from A: A's root must not wait for X's round."""
    a, b = Scheduler(), Scheduler()
    last = Source("last")
    from_a = last.loader(scheduler=a)
    y, _ = through(from_a, "y", scheduler=b)
    x, _ = through(y, "x", scheduler=a)
    assert await x.load(1) == ("last", 1)


async def test_a_key_pending_at_another_schedulers_root_is_moved_too():
    a, b = Scheduler(), Scheduler()
    inner, busy = Source("inner"), Source("busy")
    inner_loader, busy_loader = inner.loader(scheduler=b), busy.loader(scheduler=b)
    ask, asked = asyncio.Event(), asyncio.Event()

    async def answer(keys):
        await ask.wait()
        values = await inner_loader.load_many(keys)
        asked.set()
        return values

    waiting = Source("outer", answer).loader(scheduler=a).load(1)

    async def until_asked(keys):
        await asked.wait()  # B's round lasts until the batch of A has its key
        return keys

    busy.answer = until_asked
    held = busy_loader.load(1)
    await busy.entered()
    outside = inner_loader.load(1)
    ask.set()
    assert await waiting == ("inner", 1)
    assert await outside == ("inner", 1)
    assert await held == 1


async def test_loaders_without_a_scheduler_batch_what_others_ask_of_them():
    deep = Source("deep")
    deep_loader = deep.loader()
    first, _ = through(deep_loader, "first")
    second, _ = through(deep_loader, "second")
    await asyncio.gather(first.load(1), second.load(2))
    assert deep.calls == [[1, 2]]


async def test_sub_rounds_of_a_manual_flush_go_by_themselves():
    log = EventLog()
    scheduler = Scheduler(manual=True, events=log)
    inner, foreign = Source("inner"), Source("foreign")
    inner_loader = inner.loader(scheduler=scheduler)
    foreign_loader = foreign.loader(scheduler=scheduler, dispatch="immediate")
    ask = asyncio.Event()

    async def answer(keys):
        await ask.wait()
        return [[await inner_loader.load(key), await foreign_loader.load(key)] for key in keys]

    outer = Source("outer", answer)
    waiting = outer.loader(scheduler=scheduler).load(1)
    flushing = asyncio.create_task(scheduler.flush())
    await outer.entered()
    outside = [inner_loader.load(1), foreign_loader.load(1), inner_loader.load(2)]
    ask.set()
    await flushing
    assert waiting.result() == [("inner", 1), ("foreign", 1)]
    assert await asyncio.gather(*outside[:2]) == [("inner", 1), ("foreign", 1)]
    await hops(50)
    assert not outside[2].done()
    assert [event.reason for event in rounds(log)] == ["manual", "quiet", "immediate"]
    await scheduler.flush()
    assert outside[2].result() == ("inner", 2)


async def test_a_batch_joins_a_key_that_another_batch_is_loading():
    scheduler = Scheduler()
    inner = Source("inner")
    inner_loader = inner.loader(scheduler=scheduler)
    inner.hold()
    outer, source = through(inner_loader, scheduler=scheduler)
    outside = inner_loader.load(1)
    await inner.entered()
    waiting = outer.load(1)  # the next round: it starts when the key is there
    inner.release()
    assert await asyncio.gather(outside, waiting) == [("inner", 1)] * 2
    assert inner.calls == [[1]]
    assert source.calls == [[1]]
