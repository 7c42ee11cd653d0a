"""Answers of single lookups: coroutines until somebody takes them for futures."""

import asyncio
import gc
import inspect
import subprocess
import sys
from collections.abc import Coroutine
from unittest.mock import AsyncMock, create_autospec

import anyio
import pytest

from batchrepo.errors import InvalidArgument
from batchrepo.loading import BatchLoader, LazyFuture, awaited, lazily
from tests.loading.helpers import Source, hops


class Doubling:
    """Answers after some hops of the loop, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def ask(self, key: int, answer: asyncio.Future[int]) -> None:
        self.asked.append(key)
        if key < 0:
            raise InvalidArgument("negative")
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self.answer, key, answer)

    def answer(self, key: int, answer: asyncio.Future[int]) -> None:
        if not answer.done():
            answer.set_result(2 * key)

    def __str__(self) -> str:
        return "double"


async def plain(lazy):
    return await lazy


async def in_a_task(lazy):
    return await asyncio.create_task(lazy)


async def in_a_task_of_the_loop(lazy):
    return await asyncio.get_running_loop().create_task(lazy)


async def in_a_group(lazy):
    async with asyncio.TaskGroup() as group:
        task = group.create_task(lazy)
    return task.result()


async def in_a_group_of_anyio(lazy):
    answers = []

    async def told():
        answers.append(await lazy)

    async with anyio.create_task_group() as group:
        group.start_soon(told)
    return answers[0]


async def started_by_anyio(lazy):
    """Whoever starts a lookup there waits for its end, and has no answer."""
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: lazy)
    return lazy.result()


async def within_a_second(lazy):
    return await asyncio.wait_for(lazy, 1)


async def in_a_timeout(lazy):
    async with asyncio.timeout(1):
        return await lazy


async def shielded(lazy):
    return await asyncio.shield(lazy)


async def gathered(lazy):
    (value,) = await asyncio.gather(lazy)
    return value


async def ensured(lazy):
    return await asyncio.ensure_future(lazy)


async def waited_for(lazy):
    (done,), pending = await asyncio.wait([asyncio.ensure_future(lazy)])
    assert not pending
    return done.result()


async def as_completed(lazy):
    (first,) = asyncio.as_completed([lazy])
    return await first


async def called_back(lazy):
    future = asyncio.ensure_future(lazy)
    done = asyncio.Event()
    future.add_done_callback(lambda _: done.set())
    await done.wait()
    return future.result()


WAYS = [
    plain,
    in_a_task,
    in_a_task_of_the_loop,
    in_a_group,
    in_a_group_of_anyio,
    started_by_anyio,
    within_a_second,
    in_a_timeout,
    shielded,
    gathered,
    ensured,
    waited_for,
    as_completed,
    called_back,
]
ways = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)


@ways
@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
async def test_everything_that_takes_coroutines_takes_it(way, debug):
    asyncio.get_running_loop().set_debug(debug)
    source = Doubling()
    assert await way(lazily(source, 4)) == 8
    assert source.asked == [4]


def test_futures_that_are_written_in_python_do_too():
    """As other interpreters have them."""
    program = """
import sys
sys.modules["_asyncio"] = None
import asyncio
from tests.loading.test_lazy_future import WAYS, Doubling, lazily

async def all_ways():
    assert asyncio.Future.__module__ == "asyncio.futures"
    return [await way(lazily(Doubling(), 4)) for way in WAYS]

print(asyncio.run(all_ways()))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.strip() == str([8] * len(WAYS)), done.stderr


@ways
async def test_what_asking_raises_is_the_answer(way):
    with pytest.raises((InvalidArgument, ExceptionGroup)) as caught:
        await way(lazily(Doubling(), -1))
    error = caught.value.exceptions[0] if isinstance(caught.value, ExceptionGroup) else caught.value
    assert str(error) == "negative"


async def test_nothing_is_asked_before_somebody_waits():
    source = Doubling()
    lazy = lazily(source, 4)
    await hops(5)
    assert source.asked == []
    assert isinstance(lazy, Coroutine)
    assert inspect.isawaitable(lazy)
    assert await lazy == 8


async def test_what_is_ensured_is_under_way():
    source = Doubling()
    future = asyncio.ensure_future(lazily(source, 4))
    assert source.asked == [4]
    await hops(5)
    assert future.result() == 8


async def test_what_is_gathered_makes_no_task():
    made = []

    def factory(loop, coroutine, **options):
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)
    source = Doubling()
    assert await asyncio.gather(*(lazily(source, key) for key in range(100))) == list(range(0, 200, 2))
    assert made == []


async def test_it_is_awaited_once():
    lazy = lazily(Doubling(), 4)
    assert await lazy == 8
    with pytest.raises(RuntimeError, match=r"^double\(\) is already awaited\. Call it again\.$"):
        await lazy


async def test_one_that_nobody_awaits_is_told_of_like_a_coroutine():
    source = Doubling()
    with pytest.warns(RuntimeWarning, match=r"^double\(\) was never awaited$"):
        lazily(source, 4)  # and it is gone
    assert source.asked == []


async def test_it_may_be_closed_before_it_begins():
    source = Doubling()
    lazily(source, 4).close()
    gc.collect()
    assert source.asked == []


async def test_it_may_be_closed_while_it_waits():
    lazy = lazily(Doubling(), 4)
    assert lazy.send(None) is lazy
    lazy.close()
    assert lazy.cancelled()


async def test_what_is_thrown_before_it_begins_comes_back():
    source = Doubling()
    with pytest.raises(KeyError):
        lazily(source, 4).throw(KeyError())
    assert source.asked == []


async def test_a_task_that_is_cancelled_before_its_first_step_asks_nothing():
    source = Doubling()
    task = asyncio.create_task(lazily(source, 4))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.asked == []


@pytest.mark.parametrize("taken", [asyncio.create_task, asyncio.ensure_future], ids=["task", "future"])
async def test_cancelling_one_leaves_the_others_of_its_key_alone(taken):
    source = Source()
    loader = source.loader()

    class Loading:
        def ask(self, key, answer):
            loader.load_into(key, answer)

    first, second = taken(lazily(Loading(), 1)), taken(lazily(Loading(), 1))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == ("source", 1)
    assert first.cancelled()
    assert source.calls == [[1]]


async def test_a_task_is_named_after_what_was_called():
    task = asyncio.create_task(lazily(Doubling(), 4))
    assert "coro=<double()" in repr(task)
    await task


def test_before_a_loop_runs_it_is_a_plain_coroutine():
    source = Doubling()
    lazy = lazily(source, 4)
    assert inspect.iscoroutine(lazy)
    assert asyncio.run(lazy) == 8
    assert source.asked == [4]


def test_functions_that_give_it_look_like_coroutine_functions():
    class Repository:
        @awaited
        def get(self, key):
            return lazily(Doubling(), key)

    assert asyncio.iscoroutinefunction(Repository().get)
    assert isinstance(create_autospec(Repository).get, AsyncMock)


async def test_who_waits_with_a_future_of_another_loop_is_told_so():
    lazy = LazyFuture(asyncio.new_event_loop(), Doubling(), 4)
    with pytest.raises(RuntimeError, match="attached to a different loop"):
        await asyncio.create_task(lazy)
    lazy.get_loop().close()


async def test_an_unhashable_key_is_the_answer_of_a_load_into_a_future():
    loader = BatchLoader(Source(), name="source")

    class Loading:
        def ask(self, key, answer):
            loader.load_into(key, answer)

    (error,) = await asyncio.gather(lazily(Loading(), []), return_exceptions=True)
    assert "is not hashable" in str(error)
