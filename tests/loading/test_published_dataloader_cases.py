"""The cases that aiodataloader publishes as its own tests, told anew against ``BatchLoader``.

What we do otherwise, on purpose:

- Two loads of one key give two futures, not the same one. A shared future can be cancelled by whoever waits
  for it, and then fails everybody else; theirs stays in the cache, cancelled, for good.
- A failure that the batch function gave is not kept: the next load asks again. A momentary error (a timeout, a
  lost connection) would otherwise be the answer for the rest of the request. A failure that was primed stays.
- A dict is read by its keys. Theirs takes it for the sequence of its keys.
"""

import asyncio
from functools import partial

import pytest
from aiodataloader import DataLoader

from batchrepo.loading import BatchLoader


class Echo:
    """A batch function that gives every key back and keeps what it was called with."""

    def __init__(self):
        self.calls = []

    async def __call__(self, keys):
        self.calls.append(keys)
        return keys


@pytest.fixture
def echo():
    return Echo()


async def odd_keys_fail(keys):
    return [ValueError(f"{key} is odd") if key % 2 else key for key in keys]


class TestLoading:
    async def test_one_key(self, echo):
        assert await BatchLoader(echo).load(1) == 1

    async def test_it_is_an_aiodataloader(self, echo):
        assert isinstance(BatchLoader(echo), DataLoader)

    async def test_the_function_may_be_a_partial(self):
        async def look_up(names, keys):
            return [names.get(key) for key in keys]

        assert await BatchLoader(partial(look_up, {1: "one"})).load_many([1, 2]) == ["one", None]

    async def test_many_keys_and_none(self, echo):
        loader = BatchLoader(echo)
        assert await loader.load_many([1, 2]) == [1, 2]
        assert await loader.load_many([]) == []

    async def test_loads_of_one_moment_are_one_call(self, echo):
        loader = BatchLoader(echo)
        assert await asyncio.gather(loader.load(1), loader.load(2)) == [1, 2]
        assert echo.calls == [[1, 2]]

    async def test_a_call_has_at_most_max_batch_size_keys(self, echo):
        loader = BatchLoader(echo, max_batch_size=2)
        assert await asyncio.gather(*map(loader.load, (1, 2, 3))) == [1, 2, 3]
        assert echo.calls == [[1, 2], [3]]

    async def test_equal_keys_are_one_key_with_a_future_for_each_load(self, echo):
        loader = BatchLoader(echo)
        first, second = loader.load(1), loader.load(1)
        assert first is not second  # theirs: the same future
        assert [await first, await second] == [1, 1]
        assert echo.calls == [[1]]

    async def test_loads_from_coroutines_deeper_down_are_in_the_same_call(self, echo):
        loader = BatchLoader(echo)

        async def outer():
            return await inner()

        async def inner():
            return await loader.load("B")

        assert await asyncio.gather(loader.load("A"), outer()) == ["A", "B"]
        assert echo.calls == [["A", "B"]]


class TestCache:
    @pytest.fixture
    async def warm(self, echo):
        loader = BatchLoader(echo)
        assert await asyncio.gather(loader.load("A"), loader.load("B")) == ["A", "B"]
        assert echo.calls == [["A", "B"]]
        return loader

    async def test_what_was_loaded_is_not_asked_again(self, warm, echo):
        assert await asyncio.gather(warm.load("A"), warm.load("C")) == ["A", "C"]
        assert await asyncio.gather(*map(warm.load, "ABC")) == ["A", "B", "C"]
        assert echo.calls == [["A", "B"], ["C"]]

    async def test_clear_forgets_one_key(self, warm, echo):
        warm.clear("A")
        assert await asyncio.gather(*map(warm.load, "AB")) == ["A", "B"]
        assert echo.calls == [["A", "B"], ["A"]]

    async def test_clear_all_forgets_everything(self, warm, echo):
        warm.clear_all()
        assert await asyncio.gather(*map(warm.load, "AB")) == ["A", "B"]
        assert echo.calls == [["A", "B"], ["A", "B"]]

    async def test_clear_of_an_unknown_key_gives_the_loader_too(self, echo):
        loader = BatchLoader(echo)
        assert loader.clear("never loaded") is loader

    async def test_prime_saves_asking(self, echo):
        loader = BatchLoader(echo)
        loader.prime("A", "primed")
        assert await asyncio.gather(*map(loader.load, "AB")) == ["primed", "B"]
        assert echo.calls == [["B"]]

    async def test_prime_does_not_replace(self, echo):
        loader = BatchLoader(echo)
        loader.prime("A", "X")
        assert [await loader.load("A"), await loader.load("B")] == ["X", "B"]
        loader.prime("A", "Y")
        loader.prime("B", "Y")
        assert [await loader.load("A"), await loader.load("B")] == ["X", "B"]
        assert echo.calls == [["B"]]


class TestFailures:
    async def test_an_exception_as_a_value_fails_its_key(self):
        loader = BatchLoader(odd_keys_fail)
        with pytest.raises(ValueError, match="1 is odd"):
            await loader.load(1)
        assert await loader.load(2) == 2

    async def test_failures_and_values_in_one_call(self):
        loader = BatchLoader(odd_keys_fail)
        odd, even = loader.load(1), loader.load(2)
        with pytest.raises(ValueError, match="1 is odd"):
            await odd
        assert await even == 2

    async def test_a_failed_key_is_asked_again(self, echo):
        async def fail(keys):
            await echo(keys)
            return [ValueError("no")] * len(keys)

        loader = BatchLoader(fail)
        for _ in range(2):
            with pytest.raises(ValueError, match="no"):
                await loader.load(1)
        assert echo.calls == [[1], [1]]  # theirs: [[1]]

    async def test_a_primed_failure_is_kept(self, echo):
        loader = BatchLoader(echo)
        loader.prime(1, ValueError("primed"))
        for _ in range(2):
            with pytest.raises(ValueError, match="primed"):
                await loader.load(1)
        assert echo.calls == []

    async def test_an_exception_of_the_function_reaches_the_caller(self):
        error = ValueError("of the function")

        async def fail(keys):
            raise error

        with pytest.raises(ValueError, match="of the function") as caught:
            await BatchLoader(fail).load("A")
        assert caught.value is error

    async def test_a_cancelled_load_is_left_alone_when_the_value_comes(self):
        reports = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reports.append(context))
        answer = asyncio.Event()

        async def wait(keys):
            await answer.wait()
            return keys

        loader = BatchLoader(wait)
        cancelled, other = loader.load(1), loader.load(1)
        cancelled.cancel()
        answer.set()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert await other == 1
        assert reports == []

    @pytest.mark.parametrize("arguments", [(), (None,)])
    async def test_a_load_needs_a_key(self, echo, arguments):
        with pytest.raises(TypeError):
            BatchLoader(echo).load(*arguments)


class TestLoadersThatUseLoaders:
    async def test_batches_that_run_together_are_one_call_below(self, echo):
        deep = BatchLoader(echo)
        calls = {"a": [], "b": []}

        def loader(name):
            async def load(keys):
                calls[name].append(keys)
                return list(await deep.load(tuple(keys)))

            return BatchLoader(load)

        a, b = loader("a"), loader("b")
        values = await asyncio.gather(a.load("A1"), b.load("B1"), a.load("A2"), b.load("B2"))
        assert values == ["A1", "B1", "A2", "B2"]
        assert calls == {"a": [["A1", "A2"]], "b": [["B1", "B2"]]}
        assert echo.calls == [[("A1", "A2"), ("B1", "B2")]]
