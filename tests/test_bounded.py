"""A mapping of bounded size: what was not asked for the longest goes first."""

from __future__ import annotations

import gc
import weakref
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrepo import InvalidArgument
from batchrepo.bounded import Bounded


def test_it_keeps_what_was_asked_for_last():
    values: Bounded[str, int] = Bounded(2)
    values["a"], values["b"] = 1, 2
    assert values.get("a") == 1
    values["c"] = 3
    assert [values.get(key) for key in "abc"] == [1, None, 3]
    assert len(values) == 2
    assert "b" not in values
    assert repr(values) == "<Bounded 2 of 2>"


def test_a_value_that_is_set_again_is_new():
    values: Bounded[str, int] = Bounded(2)
    values["a"], values["b"] = 1, 2
    values["a"] = 3
    values["c"] = 4
    assert [values.get(key) for key in "abc"] == [3, None, 4]


def test_what_goes_is_let_go():
    class Value:
        pass

    values: Bounded[int, Value] = Bounded(1)
    value = Value()
    gone = weakref.ref(value)
    values[1] = value
    del value
    values[2] = Value()
    gc.collect()
    assert gone() is None


@given(st.integers(1, 5), st.lists(st.tuples(st.sampled_from(["get", "set"]), st.integers(0, 8))))
def test_any_calls(size: int, calls: list[tuple[str, int]]):
    values: Bounded[int, int] = Bounded(size)
    model: OrderedDict[int, int] = OrderedDict()
    for number, (call, key) in enumerate(calls, 1):
        if call == "set":
            values[key] = model[key] = number
            model.move_to_end(key)
            while len(model) > size:
                model.popitem(last=False)
        else:
            assert values.get(key) == model.get(key)
            if key in model:
                model.move_to_end(key)
        assert len(values) == len(model)


def test_threads_may_share_it():
    values: Bounded[int, int] = Bounded(3)

    def work(start: int) -> None:
        for number in range(20_000):
            key = (start + number) % 7
            values[key] = key
            assert values.get(key) in (key, None)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(values) == 3


@pytest.mark.parametrize("size", [0, -1])
def test_nothing_can_be_kept_in_no_place(size: int):
    with pytest.raises(InvalidArgument, match="keeps 1 or more values"):
        Bounded(size)
