"""The cache holds values, never failures, and never what was read before a clear."""

import asyncio

import pytest

from batchrepo.errors import InvalidArgument
from batchrepo.loading import MISSING, BatchLoader, InvalidKey, Scheduler
from tests.loading.helpers import Source, hops


async def test_a_cached_value_resolves_at_once_without_queueing():
    source = Source()
    scheduler = Scheduler()
    loader = source.loader(scheduler=scheduler)
    await loader.load_many([1, 2])
    assert loader.load(1).result() == ("source", 1)
    assert loader.load_many([2, 1, 2]).result() == [("source", 2), ("source", 1), ("source", 2)]
    assert loader.load_many([]).result() == []
    assert scheduler.pending == 0
    assert source.calls == [[1, 2]]


@pytest.mark.parametrize("value", [None, False, 0, "", []])
async def test_values_that_are_false_are_cached_too(value):
    async def load(keys):
        calls.append(keys)
        return [value]

    calls: list[list[int]] = []
    loader = BatchLoader(load)
    assert [await loader.load(1), await loader.load(1)] == [value, value]
    assert calls == [[1]]


async def test_load_many_asks_only_for_what_is_not_here():
    source = Source()
    loader = source.loader()
    await loader.load_many([1, 3])
    assert await loader.load_many([3, 2, 1, 2]) == [("source", key) for key in (3, 2, 1, 2)]
    assert source.calls == [[1, 3], [2]]


async def test_clear_in_flight_gives_the_waiters_their_value_and_the_cache_nothing():
    source = Source()
    loader = source.loader()
    source.hold()
    old = loader.load_many([1, 2])
    await source.entered()
    loader.clear(1)
    source.release()
    assert await old == [("source", 1), ("source", 2)]
    assert loader.peek(1) is MISSING
    assert loader.peek(2) == ("source", 2)
    await loader.load_many([1, 2])
    assert source.calls == [[1, 2], [1]]


async def test_a_load_that_began_before_a_clear_does_not_fill_the_cache_after_it():
    answers = iter(["before the change", "after the change"])

    async def answer(keys):
        value = next(answers)
        await gates[value].wait()
        return [value]

    gates = {name: asyncio.Event() for name in ("before the change", "after the change")}
    loader = BatchLoader(answer, dispatch="immediate")
    old = loader.load(1)
    await hops(6)
    loader.clear(1)
    newer = loader.load(1)
    await hops(6)
    gates["after the change"].set()
    assert await newer == "after the change"
    gates["before the change"].set()
    assert await old == "before the change"
    assert await loader.load(1) == "after the change"


@pytest.mark.parametrize("clear", [lambda loader: loader.clear(1), lambda loader: loader.clear_all()])
async def test_clearing_a_queued_key_asks_for_it_once(clear):
    source = Source()
    loader = source.loader()
    first = loader.load(1)
    assert clear(loader) is loader
    second = loader.load(1)
    assert await asyncio.gather(first, second) == [("source", 1)] * 2
    assert source.calls == [[1]]
    assert loader.peek(1) == ("source", 1)


async def test_clear_all_in_flight():
    source = Source()
    loader = source.loader()
    await loader.load(0)
    source.hold()
    old = loader.load_many([1, 2])
    await source.entered()
    loader.clear_all()
    source.release()
    await old
    assert repr(loader) == "<BatchLoader source 0 pending, 0 cached>"


async def test_without_a_cache_a_load_does_not_share_what_is_being_read():
    source = Source()
    loader = source.loader(cache=False, dispatch="immediate")
    source.hold()
    first = loader.load(1)
    await source.entered()
    second = loader.load(1)
    source.release()
    await asyncio.gather(first, second)
    assert source.calls == [[1], [1]]
    loader.prime(1, "primed")
    assert loader.peek(1) is MISSING
    assert await loader.load(1) == ("source", 1)


async def test_prime_gives_a_value_without_asking():
    source = Source()
    loader = source.loader()
    assert loader.prime(1, "one").prime_many({2: "two"}).prime_many([(3, "three")]) is loader
    assert await loader.load_many([1, 2, 3]) == ["one", "two", "three"]
    assert source.calls == []


async def test_prime_changes_nothing_where_a_value_is():
    loader = Source().loader()
    await loader.load(1)
    loader.prime(1, "other").prime(2, "first").prime(2, "second")
    assert await loader.load_many([1, 2]) == [("source", 1), "first"]
    loader.clear(1).prime(1, "replaced")
    assert await loader.load(1) == "replaced"


async def test_prime_answers_those_whose_key_is_only_queued():
    source = Source()
    loader = source.loader()
    one, many = loader.load(1), loader.load_many([1, 2])
    loader.prime(1, "primed")
    assert one.result() == "primed"
    assert await many == ["primed", ("source", 2)]
    assert source.calls == [[2]]


async def test_prime_while_a_key_is_loaded_leaves_the_load_alone():
    source = Source()
    loader = source.loader()
    source.hold()
    waiting = loader.load(1)
    await source.entered()
    loader.prime(1, "primed")
    source.release()
    assert await waiting == ("source", 1)
    assert loader.peek(1) == ("source", 1)


async def test_what_was_primed_after_a_clear_is_not_overwritten_by_the_older_load():
    source = Source()
    loader = source.loader()
    source.hold()
    old = loader.load(1)
    await source.entered()
    loader.clear(1).prime(1, "written")
    source.release()
    assert await old == ("source", 1)
    assert await loader.load(1) == "written"


async def test_a_primed_failure_stays_until_it_is_cleared():
    source = Source()
    loader = source.loader()
    waiting = loader.load(1)
    loader.prime(1, ValueError("forbidden"))
    for ask in (waiting, loader.load(1), loader.load_many([2, 1])):
        with pytest.raises(ValueError, match="forbidden"):
            await ask
    assert loader.peek(1) is MISSING
    assert await loader.clear(1).load(1) == ("source", 1)


async def test_peek_never_queues():
    source = Source()
    scheduler = Scheduler()
    loader = source.loader(scheduler=scheduler)
    assert loader.peek(1) is MISSING
    assert repr(loader.peek(1)) == "MISSING"
    future = loader.load(1)
    assert loader.peek(1) is MISSING
    await future
    assert loader.peek(1) == ("source", 1)
    assert source.calls == [[1]]


async def test_a_cache_map_of_the_users_own_holds_the_values():
    class LastTwo(dict):
        def __setitem__(self, key, value):
            super().__setitem__(key, value)
            while len(self) > 2:
                del self[next(iter(self))]

    cache_map = LastTwo()
    source = Source()
    loader = source.loader(cache_map=cache_map)
    await loader.load_many([1, 2, 3])
    assert cache_map == {2: ("source", 2), 3: ("source", 3)}
    await loader.load(1)
    assert source.calls == [[1, 2, 3], [1]]


async def test_keys_are_the_same_when_their_cache_keys_are():
    source = Source()
    loader = source.loader(get_cache_key=lambda key: key["id"])
    a, also_a = {"id": 1, "n": "a"}, {"id": 1, "n": "b"}
    assert await asyncio.gather(loader.load(a), loader.load(also_a)) == [("source", a)] * 2
    assert source.calls == [[a]]
    assert loader.peek(also_a) == ("source", a)
    loader.clear(also_a).prime(also_a, "primed")
    assert await loader.load(a) == "primed"


async def test_a_subclass_may_bring_function_settings_and_cache_key():
    class Users(BatchLoader[str, str]):
        max_batch_size = 1
        cache = False

        async def batch_load_fn(self, keys):
            calls.append(keys)
            return [key.upper() for key in keys]

        def get_cache_key(self, key):
            return key.lower()

    calls: list[list[str]] = []
    loader = Users()
    assert await loader.load_many(["a", "A", "b"]) == ["A", "A", "B"]
    assert calls == [["a"], ["b"]]
    assert repr(loader) == "<Users Users 0 pending, 0 cached>"


async def test_a_bad_key_among_many_leaves_nothing_queued():
    source = Source()
    scheduler = Scheduler()
    loader = source.loader(scheduler=scheduler)
    for keys in ([1, None], [1, [2]], [1, {"id": 2}]):
        with pytest.raises(InvalidKey):
            loader.load_many(keys)
    assert scheduler.pending == 0
    await hops(6)
    assert source.calls == []


@pytest.mark.parametrize("call", ["load", "clear", "peek"])
async def test_a_key_that_cannot_be_hashed_is_named(call):
    loader = Source().loader(name="Album.artist")
    with pytest.raises(InvalidKey, match=r"Album\.artist was asked for \[1\].*tuple.*get_cache_key"):
        getattr(loader, call)([1])
    with pytest.raises(InvalidKey):
        loader.prime([1], "value")


async def test_a_key_of_none_is_refused_as_type_error_and_as_ours():
    loader = Source().loader(name="Album.artist")
    for error in (TypeError, InvalidArgument):
        with pytest.raises(error, match=r"Album\.artist was asked for the key None"):
            loader.load(None)
    with pytest.raises(InvalidKey, match=r"iterable of keys, got 5"):
        loader.load_many(5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_batch_size": 0}, "max_batch_size"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": -1}, "timeout"),
        ({"dispatch": "later"}, "'round' or 'immediate', got 'later'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(InvalidArgument, match=rf"Album\.artist.*{message}"):
        BatchLoader(Source(), name="Album.artist", **settings)


@pytest.mark.parametrize("function", [None, 5])
def test_a_loader_needs_a_function(function):
    with pytest.raises(InvalidArgument, match="async function from a list of keys"):
        BatchLoader(function)
