"""The garbage collector waits while views are made, and is as it was afterwards."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from batchrepo.strategies.collector import MANY, making_many
from batchrepo.strategies.deliver import Delivery


class Line(BaseModel):
    id: int
    names: list[str]


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": id_, "names": ["a", "b"]} for id_ in range(count)]


@pytest.fixture
def collected() -> Iterator[list[int]]:
    """The generations of what is collected meanwhile."""
    seen: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            seen.append(info["generation"])

    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)


def test_nothing_is_collected_while_views_are_made(collected: list[int]):
    delivery: Delivery[Line] = Delivery(Line, None)  # type: ignore[arg-type]
    dicts = rows(20_000)
    collected.clear()
    views = delivery.views(dicts)
    inside = len(collected)
    assert len(views) == 20_000
    assert inside <= 1, "once, when they are all there"
    assert gc.isenabled()


def test_it_is_on_again_after_an_error():
    delivery: Delivery[Line] = Delivery(Line, None)  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        delivery.views([*rows(MANY), {"id": "x", "names": []}])
    assert gc.isenabled()


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="from Python 3.12 on the collector waits by itself")
def test_it_waits_for_many_rows_only():
    with making_many(MANY - 1):
        assert gc.isenabled()
    with making_many(MANY):
        assert not gc.isenabled()
    assert gc.isenabled()


def test_who_has_turned_it_off_keeps_it_off():
    gc.disable()
    try:
        with making_many(MANY):
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
