"""The cases of a test function, numbered: what needs not be done with all of them is done with the first ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator

import pytest

from tests.support.databases import EVERY_DRIVER


def function_of(item: pytest.Item) -> Hashable:
    """The test function, whatever its parameters are."""
    return getattr(item, "function", None), getattr(item, "cls", None)


def database_of(item: pytest.Item) -> Hashable:
    """The databases and drivers among the parameters of a test."""
    callspec = getattr(item, "callspec", None)
    values = callspec.params.values() if callspec else ()
    return tuple(value for value in values if isinstance(value, str) and value in EVERY_DRIVER)


def numbered(items: Iterable[pytest.Item]) -> Iterator[tuple[pytest.Item, int]]:
    """Each test with its number among the cases of its function on its database, counted from 1.

    By what is collected, so that every worker counts the same.
    """
    seen = Counter[Hashable]()
    for item in items:
        case = function_of(item), database_of(item)
        seen[case] += 1
        yield item, seen[case]


def one_database_each(items: Iterable[pytest.Item]) -> Iterator[pytest.Item]:
    """The cases of each test function on one of its databases: the first of them, the second, and so on in turn."""
    functions: dict[Hashable, dict[Hashable, list[pytest.Item]]] = {}
    for item in items:
        functions.setdefault(function_of(item), {}).setdefault(database_of(item), []).append(item)
    for turn, databases in enumerate(functions.values()):
        yield from list(databases.values())[turn % len(databases)]
