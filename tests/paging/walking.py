"""Reading page after page, every page and flag held against the whole order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from batchrepo import Page

Read = Callable[..., Awaitable[Page[Any]]]
"""Reads a page: takes first, after, last, before."""


def ids(page: Page[Any]) -> list[Any]:
    """What identifies the items of a page."""
    return [item.id for item in page.items]


def check_page(page: Page[Any], whole: Sequence[Any], start: int, stop: int, of: Any = ids) -> None:
    """A page is this slice of the whole order, and says so."""
    assert of(page) == list(whole[start:stop])
    assert page.has_previous == (start > 0), "has_previous"
    assert page.has_next == (stop < len(whole)), "has_next"
    assert len(page.cursors) == stop - start
    ends = (page.cursors[0], page.cursors[-1]) if page.cursors else (None, None)
    assert (page.start_cursor, page.end_cursor) == ends


async def walk_forward(read: Read, whole: Sequence[Any], size: int, of: Any = ids) -> list[str]:
    """All pages from the start. Returns the cursors of all items."""
    cursors: list[str] = []
    after: str | None = None
    while True:
        page = await read(first=size, after=after)
        done = len(cursors)
        check_page(page, whole, done, min(done + size, len(whole)), of)
        cursors += page.cursors
        if not page.has_next:
            return cursors
        after = page.end_cursor


async def walk_backward(read: Read, whole: Sequence[Any], size: int, of: Any = ids) -> list[str]:
    """All pages from the end. Returns the cursors of all items, in order."""
    cursors: list[str] = []
    before: str | None = None
    while True:
        page = await read(last=size, before=before)
        end = len(whole) - len(cursors)
        check_page(page, whole, max(0, end - size), end, of)
        cursors = [*page.cursors, *cursors]
        if not page.has_previous:
            return cursors
        before = page.start_cursor


async def check_between(
    read: Read,
    whole: Sequence[Any],
    cursors: Sequence[str],
    places: tuple[int, int],
    size: int,
    of: Any = ids,
) -> None:
    """The rows between two cursors, from either end. `places` are those of the cursors' rows."""
    after, before = places
    between = list(whole[after + 1 : before])
    args = {"after": cursors[after], "before": cursors[before]}
    forward = await read(first=size, **args)
    assert of(forward) == between[:size]
    assert forward.has_previous, "the cursor's row is before"
    assert forward.has_next, "the other cursor's row is behind"
    backward = await read(last=size, **args)
    assert of(backward) == (between[-size:] if size else [])
    assert backward.has_previous
    assert backward.has_next
