"""``@batched``: a declared batch function, checked when it is declared, a loader in each scope."""

import asyncio
import functools
from typing import assert_type

import pytest

from batchrepo.errors import BatchRepoError, BatchTimeout, DeclarationError, NotFound
from batchrepo.loading import MISSING, Batched, BatchLoader, Scheduler, batched
from tests.loading.helpers import hops


@batched
async def plain(keys: list[int]) -> dict[int, str]:
    return {key: f"value {key}" for key in keys}


@batched(name="calls", max_batch_size=2, timeout=60, missing=None)
async def with_scope(keys: list[str], scope: object) -> dict[str, object]:
    return {key: scope for key in keys if key != "absent"}


async def test_a_declared_function_is_a_loader_in_a_scope():
    scheduler = Scheduler()
    loader = plain.make_loader(scheduler, None)
    assert isinstance(loader, BatchLoader)
    assert await loader.load_many([1, 2]) == ["value 1", "value 2"]
    assert repr(loader) == "<BatchLoader plain 0 pending, 2 cached>"
    assert plain.name == "plain"
    assert repr(plain) == "<Batched plain>"


async def test_a_second_parameter_gets_the_scope():
    scope = object()
    loader = with_scope.make_loader(Scheduler(), scope)
    assert await loader.load("a") is scope
    assert with_scope.make_loader(Scheduler(), scope) is not loader


async def test_settings_reach_the_loader():
    calls = []

    @batched(
        name="details",
        max_batch_size=2,
        dispatch="immediate",
        cache=False,
        cache_key=str.lower,
        missing="none",
    )
    async def details(keys: list[str]) -> dict[str, str]:
        calls.append(keys)
        return {}

    loader = details.make_loader(Scheduler(), None)
    assert await loader.load_many(["a", "A", "b", "c"]) == ["none"] * 4
    assert calls == [["a", "b"], ["c"]]
    assert loader.peek("a") is MISSING
    assert loader.immediate is not None
    assert loader.name == "details"


async def test_a_declared_timeout_holds():
    @batched(timeout=0.01)
    async def slow(keys: list[int]) -> list[int]:
        await asyncio.Event().wait()
        return keys

    with pytest.raises(BatchTimeout, match="slow"):
        await slow.make_loader(Scheduler(), None).load(1)


async def test_absent_keys_are_not_found_unless_declared():
    @batched
    async def nothing(keys: list[int]) -> dict[int, str]:
        return {}

    with pytest.raises(NotFound, match="nothing has no row for key 1"):
        await nothing.make_loader(Scheduler(), None).load(1)
    assert await with_scope.make_loader(Scheduler(), 1).load("absent") is None


async def test_it_shares_rounds_with_the_other_loaders_of_the_scope():
    scheduler = Scheduler(manual=True)
    first, second = plain.make_loader(scheduler, None), with_scope.make_loader(scheduler, "scope")
    futures = [first.load(1), second.load("a")]
    await hops(20)
    await scheduler.flush()
    assert [future.result() for future in futures] == ["value 1", "scope"]


class Callable:
    async def __call__(self, keys: list[int]) -> list[int]:
        return keys


async def _partial(factor: int, keys: list[int]) -> list[int]:
    return [factor * key for key in keys]


async def _defaults(keys: list[int], *, page: int = 1, **more: int) -> list[int]:
    return keys


@pytest.mark.parametrize(
    ("function", "expected"),
    [(Callable(), [1, 2]), (functools.partial(_partial, 3), [3, 6]), (_defaults, [1, 2])],
)
async def test_whatever_can_be_awaited_with_the_keys_will_do(function, expected):
    assert await Batched(function).make_loader(Scheduler(), None).load_many([1, 2]) == expected


def not_async(keys):
    return keys


async def generator(keys):
    yield keys


async def no_parameter():
    return []


async def three(keys, scope, more):
    return keys


async def keyword_only(keys, *, scope):
    return keys


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (not_async, "not_async is not an async function.*async def"),
        (generator, "generator is an async generator"),
        (no_parameter, r"no_parameter takes \(\)"),
        (three, r"three takes \(keys, scope, more\).*default"),
        (keyword_only, r"keyword_only takes \(keys, \*, scope\)"),
        (5, "decorates an async function, got 5"),
    ],
)
def test_a_function_that_cannot_be_called_so_is_refused_when_declared(function, message):
    with pytest.raises(DeclarationError, match=message) as caught:
        batched(function)
    assert isinstance(caught.value, BatchRepoError)
    with pytest.raises(DeclarationError):
        batched(timeout=1)(function)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_batch_size": 0}, "calls: max_batch_size is at least 1, or None, got 0"),
        ({"timeout": 0}, "calls: timeout is more than 0 seconds, or None, got 0"),
        ({"dispatch": "now"}, "calls: dispatch is 'round' or 'immediate', got 'now'"),
    ],
)
def test_settings_that_make_no_sense_are_refused_when_declared(settings, message):
    with pytest.raises(DeclarationError, match=message):
        batched(name="calls", **settings)(_defaults)


def test_types_of_keys_and_values_are_kept():
    """A type checker reads these; at run time they only have to be there."""

    @batched
    async def mapping(keys: list[int]) -> dict[int, str]:
        return {}

    @batched(missing=None)
    async def optional(keys: list[int], scope: object) -> dict[int, str]:
        return {}

    @batched(timeout=1.0)
    async def aligned(keys: list[tuple[int, str]]) -> list[float]:
        return []

    assert_type(mapping, Batched[int, str])
    assert_type(optional, Batched[int, str | None])
    assert_type(aligned, Batched[tuple[int, str], float])
    assert {mapping.takes_scope, aligned.takes_scope} == {False}
    assert optional.takes_scope
