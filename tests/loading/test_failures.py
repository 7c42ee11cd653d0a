"""What goes wrong reaches exactly those who wait for it, is not kept, and leaves nobody hanging."""

import asyncio
import collections

import pytest

from batchrepo.errors import BatchContract, BatchTimeout, LoadError, NotFound
from batchrepo.events import BatchEvent, EventLog, RoundEvent
from batchrepo.loading import BatchLoader, Scheduler
from tests.loading.helpers import Source, batches, hops


def answering(values, **settings) -> BatchLoader:
    """A loader whose batch function returns this, whatever it is asked."""

    async def load(keys):
        return values

    return BatchLoader(load, name="Album.artist", **settings)


async def test_an_exception_fails_every_waiter_of_the_batch_and_no_other_batch():
    log = EventLog()
    scheduler = Scheduler(events=log)
    boom = ValueError("boom")

    async def fail(keys):
        raise boom

    bad, good = Source("bad", fail).loader(scheduler=scheduler), Source("good").loader(scheduler=scheduler)
    results = await asyncio.gather(bad.load(1), bad.load_many([2, 1]), good.load(1), return_exceptions=True)
    assert results == [boom, boom, ("good", 1)]
    assert [(event.loader, event.failed) for event in batches(log)] == [("bad", "ValueError"), ("good", None)]


async def test_an_exception_among_the_values_fails_its_key_only():
    error = ValueError("odd")

    async def answer(keys):
        return [error if key % 2 else key for key in keys]

    loader = Source("even", answer).loader()
    assert await asyncio.gather(loader.load(1), loader.load(2), return_exceptions=True) == [error, 2]


async def test_load_many_fails_with_the_first_failure_in_key_order():
    finish_first = asyncio.Event()

    async def answer(keys):
        if keys == [1]:
            await finish_first.wait()
        else:
            finish_first.set()
        return [ValueError(f"no {key}") for key in keys]

    loader = BatchLoader(answer, max_batch_size=1)
    loader.prime(0, "fine")
    with pytest.raises(ValueError, match="no 1"):
        await loader.load_many([0, 1, 2])


@pytest.mark.parametrize("whole_batch", [True, False])
async def test_failures_are_not_kept(whole_batch):
    async def answer(keys):
        if len(source.calls) > 1:
            return keys
        if whole_batch:
            raise ValueError
        return [ValueError()] * len(keys)

    source = Source("flaky", answer)
    loader = source.loader()
    with pytest.raises(ValueError):
        await loader.load(1)
    assert await loader.load(1) == 1


async def test_an_old_failing_batch_does_not_evict_a_newer_load():
    source = Source()
    fail, calls = asyncio.Event(), []

    async def answer(keys):
        calls.append(keys)
        if len(calls) == 1:
            await fail.wait()
            raise ValueError("old")
        return ["new"]

    source.answer = answer
    loader = source.loader(dispatch="immediate")
    old = loader.load(1)
    await source.entered()
    loader.clear(1)
    newer = loader.load(1)
    assert await newer == "new"
    fail.set()
    with pytest.raises(ValueError, match="old"):
        await old
    assert loader.peek(1) == "new"

    loader.clear(1)
    calls.clear()
    fail.clear()
    old = loader.load(1)
    await hops(6)
    loader.clear(1)
    newer = loader.load(1)  # still queued when the old one fails
    fail.set()
    with pytest.raises(ValueError, match="old"):
        await old
    assert await asyncio.gather(newer, loader.load(1)) == ["new", "new"]
    assert len(calls) == 2


# --- what may be returned -------------------------------------------------------------------------


async def test_a_mapping_is_read_by_key():
    assert await answering({2: "b", 1: "a", 3: "not asked"}).load_many([1, 2]) == ["a", "b"]


async def test_a_key_that_the_mapping_leaves_out_is_not_found():
    loader = answering({1: "a"})
    with pytest.raises(NotFound) as caught:
        await loader.load(2)
    assert (caught.value.entity, caught.value.keys) == ("Album.artist", (2,))


async def test_a_key_that_the_mapping_leaves_out_has_the_value_of_missing():
    loader = answering({1: "a"}, missing=None)
    assert await loader.load_many([1, 2]) == ["a", None]
    assert loader.peek(2) is None


async def test_a_defaultdict_does_not_invent_values():
    values = collections.defaultdict(list, {1: ["a"]})
    assert await answering(values, missing="none").load_many([1, 2]) == [["a"], "none"]
    assert list(values) == [1]


async def test_a_dict_is_never_read_as_its_keys():
    assert await answering({2: "b", 1: "a"}).load_many([2, 1]) == ["b", "a"]


@pytest.mark.parametrize(
    "values", [("a", "b"), iter(["a", "b"]), (letter for letter in "ab"), {1: "a", 2: "b"}.values()]
)
async def test_any_ordered_iterable_is_aligned(values):
    assert await answering(values).load_many([1, 2]) == ["a", "b"]


async def test_none_is_a_value():
    assert await answering([None]).load(1) is None


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ([1], "returned 1 values"),
        ([1, 2, 3], "returned 3 values"),
        (None, "returned NoneType"),
        ("ab", "returned str"),
        (b"ab", "returned bytes"),
        ({1, 2}, r"returned set \(a set has no order\)"),
        (2, "returned int"),
    ],
)
async def test_anything_else_breaks_the_contract(returned, message):
    loader = answering(returned)
    with pytest.raises(BatchContract, match=rf"Album\.artist got 2 keys and {message}.*[Rr]eturn"):
        await loader.load_many([1, 2])


async def test_a_function_that_is_not_async_breaks_the_contract():
    loader = BatchLoader(lambda keys: keys, name="plain")
    with pytest.raises(BatchContract, match=r"plain returned list where an awaitable.*async def"):
        await loader.load(1)


async def test_a_function_that_returns_an_awaitable_will_do():
    async def load(keys):
        return keys

    assert await BatchLoader(lambda keys: load(keys)).load(1) == 1  # noqa: PLW0108 - that it is a lambda is the case


async def test_a_function_may_do_what_it_likes_with_its_list():
    async def load(keys):
        values = {key: -key for key in keys}
        keys.clear()
        return values

    assert await BatchLoader(load).load_many([3, 1, 2]) == [-3, -1, -2]


# --- what is no ordinary exception ----------------------------------------------------------------


async def test_a_cancelled_error_of_the_function_itself_is_a_load_error_for_its_waiters():
    async def load(keys):
        raise asyncio.CancelledError

    loader = BatchLoader(load, name="Album.artist")
    for ask in (loader.load(1), loader.load_many([1, 2])):
        with pytest.raises(LoadError, match=r"Album\.artist ended with CancelledError") as caught:
            await ask
        assert isinstance(caught.value.__cause__, asyncio.CancelledError)
    assert not asyncio.current_task().cancelling()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_stops_the_program_fails_the_waiters_and_goes_on_up(error):
    loop = asyncio.new_event_loop()

    async def load(keys):
        if keys == [1]:
            raise error
        return keys

    loader = BatchLoader(load, name="Album.artist")
    waiting = []

    async def ask():
        waiting.append(asyncio.current_task())
        return await loader.load(1)

    try:
        with pytest.raises(error):
            loop.run_until_complete(ask())
        with pytest.raises(LoadError, match=error.__name__):
            loop.run_until_complete(waiting[0])

        async def again():
            return await loader.load(2)

        assert loop.run_until_complete(again()) == 2
    finally:
        loop.close()


async def test_another_base_exception_fails_the_waiters():
    class Stop(BaseException):
        pass

    async def load(keys):
        raise Stop

    with pytest.raises(LoadError, match="Stop"):
        await BatchLoader(load).load(1)


@pytest.mark.parametrize("value", [StopIteration(), asyncio.CancelledError(), KeyboardInterrupt()])
async def test_values_that_no_future_can_carry_become_load_errors(value):
    async def load(keys):
        return [value if key == 1 else key for key in keys]

    loader = BatchLoader(load, name="Album.artist")
    odd, fine = await asyncio.gather(loader.load(1), loader.load(2), return_exceptions=True)
    assert isinstance(odd, LoadError)
    assert odd.__cause__ is value
    assert fine == 2


# --- timeouts -------------------------------------------------------------------------------------


async def test_a_batch_that_takes_too_long():
    source = Source("Album.artist")
    source.hold()
    loader = source.loader(timeout=0.01)
    with pytest.raises(
        BatchTimeout, match=r"Album\.artist took longer than its timeout of 0\.01 seconds for 2 keys"
    ):
        await loader.load_many([1, 2])
    assert source.cancelled == [[1, 2]]
    source.release()
    assert await loader.load(1) == ("Album.artist", 1)


async def test_a_timeout_of_the_functions_own_is_its_own():
    async def load(keys):
        raise TimeoutError("of the service")

    with pytest.raises(TimeoutError, match="of the service") as caught:
        await BatchLoader(load, timeout=60).load(1)
    assert not isinstance(caught.value, BatchTimeout)


async def test_what_is_in_time_is_not_touched():
    assert await Source().loader(timeout=60).load(1) == ("source", 1)


# --- listeners and cache maps ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", [RoundEvent, BatchEvent])
async def test_an_error_of_a_listener_fails_those_who_wait_and_nobody_hangs(kind):
    def listen(event):
        if isinstance(event, kind):
            raise ValueError("over budget")

    log = EventLog(listeners=(listen,))
    source = Source()
    loader = source.loader(scheduler=Scheduler(events=log))
    with pytest.raises(ValueError, match="over budget"):
        await loader.load(1)
    log.listeners = ()
    assert await loader.load(1) == ("source", 1)


@pytest.mark.parametrize("kind", [RoundEvent, BatchEvent])
def test_a_listener_that_stops_the_program_leaves_nobody_hanging(kind):
    def listen(event):
        if isinstance(event, kind):
            raise KeyboardInterrupt

    log = EventLog(listeners=(listen,))
    source_loader = BatchLoader(Source(), name="source", scheduler=Scheduler(events=log))
    waiting = []

    async def ask():
        waiting.append(asyncio.current_task())
        return await source_loader.load(1)

    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(ask())
        with pytest.raises(LoadError, match="KeyboardInterrupt"):
            loop.run_until_complete(waiting[0])
    finally:
        loop.close()


async def test_an_error_of_the_cache_map_fails_those_who_wait():
    class Full(dict):
        def __setitem__(self, key, value):
            if key == 2:
                raise MemoryError("full")
            super().__setitem__(key, value)

    loader = Source().loader(cache_map=Full())
    first, second, third = await asyncio.gather(*map(loader.load, (1, 2, 3)), return_exceptions=True)
    assert first == ("source", 1)
    assert isinstance(second, MemoryError)
    assert isinstance(third, MemoryError)
    assert await loader.load(3) == ("source", 3)
