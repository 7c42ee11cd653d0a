"""Rounds: what is pending goes out together once the scope is quiet, and one root round runs at a time."""

import asyncio
import contextvars
import gc
import sys
import weakref

import pytest

from batchrepo.errors import InvalidArgument, ScopeError
from batchrepo.events import EventLog, Origin, RoundEvent, current_origin
from batchrepo.loading import BatchLoader, Scheduler
from tests.loading.helpers import Source, after, batches, hops, rounds


async def test_loads_after_different_numbers_of_awaits_share_one_batch():
    source = Source()
    loader = source.loader()
    values = await asyncio.gather(*[after(n % 4, lambda n=n: loader.load(n)) for n in range(60)])
    assert values == [("source", n) for n in range(60)]
    assert [sorted(call) for call in source.calls] == [list(range(60))]


@pytest.mark.parametrize(("quiet_hops", "sizes"), [(2, [30, 30]), (3, [30, 30]), (4, [60]), (8, [60])])
async def test_a_gap_longer_than_the_quiet_hops_splits_the_batch(quiet_hops, sizes):
    source = Source()
    loader = source.loader(scheduler=Scheduler(quiet_hops=quiet_hops))
    await asyncio.gather(*[after(n % 2 * 4, lambda n=n: loader.load(n)) for n in range(60)])
    assert [len(call) for call in source.calls] == sizes


async def test_a_key_that_comes_within_the_quiet_hops_of_another_joins_its_round():
    source = Source()
    loader = source.loader(scheduler=Scheduler(quiet_hops=3))
    future = loader.load(1)
    await hops(3)
    second = loader.load(2)
    await hops(3)
    assert source.calls == []
    await hops(2)  # the tick, and the first step of the batch's task
    assert source.calls == [[1, 2]]
    assert await future == ("source", 1)
    assert await second == ("source", 2)


async def test_all_loaders_of_a_scope_go_out_in_one_round():
    log = EventLog()
    scheduler = Scheduler(events=log)
    artists, albums = Source("artist"), Source("album")
    artist, album = artists.loader(scheduler=scheduler), albums.loader(scheduler=scheduler)
    await asyncio.gather(artist.load(1), album.load(1), after(1, lambda: artist.load(2)), album.load(2))
    assert artists.calls == [[1, 2]]
    assert albums.calls == [[1, 2]]
    assert rounds(log) == [RoundEvent(1, 0, (("artist", 2), ("album", 2)), "quiet")]


async def test_keys_that_keep_coming_are_flushed_at_the_cap():
    log = EventLog()
    source = Source()
    loader = source.loader(scheduler=Scheduler(max_hops=5, events=log))
    futures = []
    for key in range(12):
        futures.append(loader.load(key))
        await hops(1)
    await asyncio.gather(*futures)
    assert rounds(log)[0] == RoundEvent(1, 0, (("source", 5),), "cap")
    assert [key for call in source.calls for key in call] == list(range(12))


async def test_keys_that_come_while_a_round_runs_are_one_round_after_it():
    log = EventLog()
    source = Source()
    loader = source.loader(scheduler=Scheduler(events=log))
    source.hold()
    first = loader.load(1)
    await source.entered()
    later = []
    for key in (2, 3, 4):
        later.append(loader.load(key))
        await hops(10)
    assert source.calls == [[1]]
    source.release()
    await asyncio.gather(first, *later)
    assert source.calls == [[1], [2, 3, 4]]
    assert [event.reason for event in rounds(log)] == ["quiet", "quiet"]


async def test_after_a_round_the_scope_must_be_quiet_again():
    source = Source()
    loader = source.loader()

    async def chain(start):
        value = start
        for _ in range(3):
            (_, value) = await loader.load(value)
            await hops(1)  # woken, it loads only after another hop
            value += 100
        return value

    waiting = loader.load(999)
    assert await asyncio.gather(*[chain(n) for n in range(5)]) == [n + 300 for n in range(5)]
    assert await waiting == ("source", 999)
    assert [len(call) for call in source.calls] == [6, 5, 5]


async def test_a_round_ends_with_its_slowest_batch():
    scheduler = Scheduler()
    slow, fast = Source("slow"), Source("fast")
    slow_loader, fast_loader = slow.loader(scheduler=scheduler), fast.loader(scheduler=scheduler)
    slow.hold()
    waiting = slow_loader.load(1)
    assert await fast_loader.load(1) == ("fast", 1)
    next_one = fast_loader.load(2)
    await hops(10)
    assert fast.calls == [[1]]
    slow.release()
    assert await waiting == ("slow", 1)
    assert await next_one == ("fast", 2)


async def test_chunks_of_one_loader_run_concurrently_in_one_round():
    log = EventLog()
    both_run = asyncio.Barrier(2)

    async def load(keys):
        await both_run.wait()  # a chunk alone would wait here for ever
        return keys

    loader = BatchLoader(load, max_batch_size=2, name="chunked", scheduler=Scheduler(events=log))
    assert await loader.load_many([1, 2, 3]) == [1, 2, 3]
    assert rounds(log) == [RoundEvent(1, 0, (("chunked", 2), ("chunked", 1)), "quiet")]


async def test_batch_false_calls_the_function_once_for_each_key():
    source = Source()
    loader = source.loader(batch=False)
    assert await loader.load_many([1, 2]) == [("source", 1), ("source", 2)]
    assert source.calls == [[1], [2]]


async def test_a_batch_has_each_key_once_without_a_cache_too():
    source = Source()
    loader = source.loader(cache=False)
    values = await asyncio.gather(loader.load(1), loader.load(1), loader.load_many([2, 1, 2]))
    assert values == [("source", 1), ("source", 1), [("source", 2), ("source", 1), ("source", 2)]]
    assert source.calls == [[1, 2]]


async def test_sequential_awaits_are_a_batch_each():
    source = Source()
    loader = source.loader()
    for key in range(4):
        await loader.load(key)
    assert source.calls == [[0], [1], [2], [3]]


async def test_events_name_round_depth_and_loader():
    log = EventLog()
    scheduler = Scheduler(events=log)
    seen = []

    async def answer(keys):
        seen.append(current_origin.get())
        return keys

    loader = Source("album", answer).loader(scheduler=scheduler)
    await loader.load_many([1, 2])
    await loader.load(3)
    assert seen == [Origin(1, 0, "album"), Origin(2, 0, "album")]
    assert [(event.loader, event.size, event.origin, event.failed) for event in batches(log)] == [
        ("album", 2, Origin(1, 0, "album"), None),
        ("album", 1, Origin(2, 0, "album"), None),
    ]
    assert all(event.seconds >= 0 for event in batches(log))
    assert current_origin.get() is None


def test_taking_a_round_needs_no_running_loop():
    loop = asyncio.new_event_loop()
    try:
        scheduler = Scheduler()
        album = BatchLoader(Source(), name="album", scheduler=scheduler, loop=loop, max_batch_size=2)
        artist = BatchLoader(Source(), name="artist", scheduler=scheduler, loop=loop)
        album.load(1)
        artist.load(2).cancel()
        artist.load(3)
        album.load_many([4, 1, 5])
        round_ = scheduler._take_round(scheduler.root, "quiet")
        assert repr(round_) == "<Round 1 depth 0 quiet: album(2), album(1), artist(1)>"
        assert [list(batch.bundle.keys) for batch in round_.batches] == [[1, 4], [5], [3]]
        assert scheduler._take_round(scheduler.root, "quiet") is None
    finally:
        loop.close()


# --- immediate ------------------------------------------------------------------------------------


async def test_an_immediate_loader_does_not_wait_for_a_running_round():
    scheduler = Scheduler()
    slow, foreign = Source("slow"), Source("foreign")
    slow_loader = slow.loader(scheduler=scheduler)
    foreign_loader = foreign.loader(scheduler=scheduler, dispatch="immediate")
    slow.hold()
    waiting = slow_loader.load(1)
    await slow.entered()
    values = await asyncio.gather(
        foreign_loader.load(1), after(1, lambda: foreign_loader.load(2)), foreign_loader.load(1)
    )
    assert values == [("foreign", 1), ("foreign", 2), ("foreign", 1)]
    assert foreign.calls == [[1, 2]]
    slow.release()
    await waiting


async def test_rounds_do_not_wait_for_an_immediate_loader():
    log = EventLog()
    scheduler = Scheduler(events=log)
    normal, foreign = Source("normal"), Source("foreign")
    normal_loader = normal.loader(scheduler=scheduler)
    foreign_loader = foreign.loader(scheduler=scheduler, dispatch="immediate")
    foreign.hold()
    waiting = foreign_loader.load(1)
    await foreign.entered()
    assert await normal_loader.load(1) == ("normal", 1)
    assert await normal_loader.load(2) == ("normal", 2)
    second = foreign_loader.load(2)  # not held up by its own first batch either
    await foreign.entered()
    foreign.release()
    await asyncio.gather(waiting, second)
    assert [event.reason for event in rounds(log)] == ["immediate", "quiet", "quiet", "immediate"]


# --- manual ---------------------------------------------------------------------------------------


async def test_manual_dispatches_nothing_until_flushed_and_then_one_round():
    log = EventLog()
    scheduler = Scheduler(manual=True, events=log)
    source, foreign = Source(), Source("foreign")
    loader, immediate = (
        source.loader(scheduler=scheduler),
        foreign.loader(scheduler=scheduler, dispatch="immediate"),
    )
    futures = [loader.load(1), immediate.load(1)]
    await hops(100)
    futures.append(loader.load(2))
    await hops(100)
    assert source.calls == foreign.calls == []
    assert scheduler.pending == 3
    await scheduler.flush()
    assert [future.result() for future in futures] == [("source", 1), ("foreign", 1), ("source", 2)]
    assert rounds(log) == [RoundEvent(1, 0, (("source", 2), ("foreign", 1)), "manual")]
    await scheduler.flush()  # nothing to do
    assert len(rounds(log)) == 1


async def test_a_second_flush_does_not_wait_for_the_first():
    scheduler = Scheduler(manual=True)
    source, other = Source(), Source("other")
    loader, other_loader = source.loader(scheduler=scheduler), other.loader(scheduler=scheduler)
    source.hold()
    first = loader.load(1)
    flushing = asyncio.ensure_future(scheduler.flush())
    await source.entered()
    second = other_loader.load(2)
    await scheduler.flush()
    assert second.result() == ("other", 2)
    assert not flushing.done()
    source.release()
    await flushing
    assert first.result() == ("source", 1)


async def test_what_another_schedulers_batch_asks_waits_for_the_flush_too():
    scheduler = Scheduler(manual=True)
    inner = Source("inner")
    inner_loader = inner.loader(scheduler=scheduler)

    async def answer(keys):
        return await inner_loader.load_many(keys)

    outer = Source("outer", answer)
    waiting = outer.loader().load(1)
    await outer.entered()
    await hops(50)
    assert inner.calls == []
    await scheduler.flush()
    assert await waiting == ("inner", 1)


async def test_flush_is_refused_where_the_scheduler_dispatches_by_itself():
    with pytest.raises(ScopeError, match="manual=True"):
        await Scheduler().flush()


# --- context, tasks, representation ---------------------------------------------------------------

tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")


async def test_a_batch_runs_in_the_schedulers_context_not_in_the_first_callers():
    seen = []

    async def load(keys):
        seen.append(tenant.get())
        tenant.set("changed by a batch")
        return keys

    tenant.set("scope")
    captured, given = BatchLoader(load), None
    context = contextvars.copy_context()
    context.run(tenant.set, "given")
    given = BatchLoader(load, scheduler=Scheduler(context=context))
    tenant.set("first caller")
    await asyncio.gather(captured.load(1), given.load(1))
    await asyncio.gather(captured.load(2), given.load(2))
    assert sorted(seen) == ["given", "given", "scope", "scope"]
    assert context[tenant] == "given"
    assert tenant.get() == "first caller"


async def test_a_flushed_batch_runs_in_the_schedulers_context_too():
    seen = []

    async def load(keys):
        seen.append(tenant.get())
        return keys

    tenant.set("scope")
    scheduler = Scheduler(manual=True)
    tenant.set("who flushes")
    future = BatchLoader(load, scheduler=scheduler).load(1)
    await scheduler.flush()
    assert future.result() == 1
    assert seen == ["scope"]


async def test_listeners_hear_of_rounds_in_the_schedulers_context():
    heard = []
    log = EventLog(listeners=(lambda _event: heard.append(tenant.get()),))
    tenant.set("scope")
    loader = Source().loader(scheduler=Scheduler(events=log))
    tenant.set("first caller")
    await loader.load(1)
    assert heard == ["scope", "scope"]


def test_the_context_given_may_be_the_one_that_the_program_runs_in():
    context = contextvars.copy_context()

    async def ask():
        return await Source().loader(scheduler=Scheduler(context=context)).load(1)

    assert context.run(lambda: asyncio.run(ask())) == ("source", 1)


async def test_what_a_batch_spawned_does_not_keep_its_values_alive():
    class Value:
        pass

    background = []

    async def load(keys):
        background.append(asyncio.create_task(asyncio.Event().wait()))
        return [Value() for _ in keys]

    loader = BatchLoader(load)
    value = weakref.ref(await loader.load(1))
    loader.clear_all()
    await hops(2)
    gc.collect()
    assert value() is None
    background[0].cancel()


async def test_nobody_else_needs_to_keep_the_running_tasks_alive():
    async def load(keys):
        for _ in range(5):
            gc.collect()
            await hops(1)
        return keys

    assert await BatchLoader(load).load(1) == 1


async def test_a_task_factory_that_knows_no_context_argument_works():
    def factory(loop, coroutine):
        return asyncio.Task(coroutine, loop=loop)

    asyncio.get_running_loop().set_task_factory(factory)
    assert await Source().loader().load(1) == ("source", 1)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_eager_tasks_share_rounds_too():
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    log = EventLog()
    scheduler = Scheduler(events=log)
    inner, outer = Source("inner"), Source("outer")
    inner_loader, outer_loader = inner.loader(scheduler=scheduler), outer.loader(scheduler=scheduler)

    async def answer(keys):
        return await inner_loader.load_many(keys)

    outer.answer = answer
    values = await asyncio.gather(*[after(n % 3, lambda n=n: outer_loader.load(n)) for n in range(9)])
    assert values == [("inner", n) for n in range(9)]
    assert [event.batches for event in rounds(log)] == [(("outer", 9),), (("inner", 9),)]


async def test_representations_say_what_is_pending():
    scheduler = Scheduler()
    source = Source()
    loader = source.loader(name="Album.artist", scheduler=scheduler)
    await loader.load_many(range(12))
    source.hold()
    running = loader.load(100)
    await source.entered()
    futures = [loader.load(key) for key in (20, 21, 22)]
    assert repr(loader) == "<BatchLoader Album.artist 3 pending, 12 cached>"
    assert repr(scheduler) == "<Scheduler 3 pending, 1 running>"
    source.release()
    await asyncio.gather(running, *futures)
    assert repr(loader) == "<BatchLoader Album.artist 0 pending, 16 cached>"
    await scheduler.aclose()
    assert repr(scheduler) == "<Scheduler closed 0 pending, 0 running>"
    assert repr(Scheduler(manual=True)) == "<Scheduler manual 0 pending, 0 running>"


@pytest.mark.parametrize("settings", [{"quiet_hops": 0}, {"quiet_hops": 5, "max_hops": 4}])
def test_hop_counts_that_make_no_sense_are_refused(settings):
    with pytest.raises(InvalidArgument, match="quiet_hops"):
        Scheduler(**settings)
