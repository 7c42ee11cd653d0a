"""The cases of a test function, numbered: what needs not be done with all of them is done with the first ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import pytest

from tests.support.databases import EVERY_DRIVER


def numbered(items: Iterable[pytest.Item]) -> Iterator[tuple[pytest.Item, int]]:
    """Each test with its number among the cases of its function on its database, counted from 1.

    By what is collected, so that every worker counts the same.
    """
    seen = Counter[tuple[object, ...]]()
    for item in items:
        function = getattr(item, "function", None), getattr(item, "cls", None)
        callspec = getattr(item, "callspec", None)
        values = callspec.params.values() if callspec else ()
        case = (*function, *(value for value in values if isinstance(value, str) and value in EVERY_DRIVER))
        seen[case] += 1
        yield item, seen[case]
