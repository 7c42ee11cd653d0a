"""Asserts how many statements reach the database driver, whoever sends them."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from batchrepo.errors import InvalidArgument
from batchrepo.events import StatementEvent, observe
from batchrepo.report import shorten_sql
from batchrepo.testing.counting import StatementCounter, statement_counter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from batchrepo.database import Database
    from batchrepo.events import Event

D = TypeVar("D")
T = TypeVar("T")


@contextmanager
def assert_statements(expected: int, database: Database | AsyncEngine | Engine) -> Iterator[StatementCounter]:
    """Asserts that exactly so many statements reach the database while the block runs.

    Counted is what the driver's cursors execute, by batchrepo or by anybody else; transaction control (BEGIN,
    COMMIT, savepoints) is not. If the block raises, that error goes on and nothing is asserted.

    Args:
        expected: the number of statements, 0 or more.
        database: a Database, or an engine.

    Yields:
        The counter, whose ``statements`` are the texts so far.

    Raises:
        AssertionError: another number ran; the message lists every statement with what caused it.
        InvalidArgument: `expected` is negative.
    """
    if expected < 0:
        raise InvalidArgument(f"assert_statements() expects a number of 0 or more; got {expected}.")
    with _recorded(database) as (counter, causes):
        yield counter
    if counter.count != expected:
        listed = "".join(
            f"\n  {number}. {causes.named(sql)}" for number, sql in enumerate(counter.statements, 1)
        )
        raise AssertionError(
            f"Expected {_statements(expected)}, {counter.count} ran{':' if listed else '.'}{listed}"
        )


@dataclass(frozen=True)
class ConstantStatements(Generic[T]):
    """What `assert_constant_statements` saw.

    Attributes:
        statements: how many statements the handler ran on the large data.
        small: what the handler returned for the small data.
        large: what it returned for the large data.
    """

    statements: int
    small: T
    large: T


async def assert_constant_statements(
    handler: Callable[[D], Awaitable[T]],
    database: Database | AsyncEngine | Engine,
    *,
    small: D,
    large: D,
    prepare: Callable[[D], Awaitable[object]] | None = None,
) -> ConstantStatements[T]:
    """Asserts that a handler runs no more statements on large data than on small data.

    ::

        async def list_albums(count: int) -> int:
            response = await client.get(f"/albums?limit={count}")
            return len(response.json())

        seen = await assert_constant_statements(list_albums, db, small=3, large=300)
        assert (seen.small, seen.large) == (3, 300)

    Check what the handler returned, as above: a handler that fails early runs few statements as well. The small
    number should be 2 or more, since a single key may be read by a statement of its own form.

    Args:
        handler: an async function of one argument; it is called with `small`, then with `large`.
        database: a Database, or an engine.
        small: what the handler gets first, such as a number of rows.
        large: what it gets then.
        prepare: called with the same argument before each, such as to make the rows; not counted.

    Returns:
        The number of statements and what the handler returned.

    Raises:
        AssertionError: more statements ran on the large data; the message names those that grew, with what
            caused them. Or none ran at all, which proves nothing.
    """
    if prepare is not None:
        await prepare(small)
    with _recorded(database) as (few, causes_of_few):
        small_result = await handler(small)
    if prepare is not None:
        await prepare(large)
    with _recorded(database) as (many, causes_of_many):
        large_result = await handler(large)
    if not few.count and not many.count:
        raise AssertionError(
            f"The handler ran no statement on this database, for {small!r} and for {large!r}: nothing is "
            f"proven. Does it use another engine, or a cache that was filled before?"
        )
    if many.count > few.count:
        before = Counter(causes_of_few.named(sql) for sql in few.statements)
        after = Counter(causes_of_many.named(sql) for sql in many.statements)
        grown = "".join(
            f"\n  {before[name]} -> {times} times: {name}"
            for name, times in after.most_common()
            if times > before[name]
        )
        raise AssertionError(
            f"The number of statements grows with the data: {few.count} for {small!r}, {many.count} for "
            f"{large!r}. What grew:{grown}"
        )
    return ConstantStatements(many.count, small_result, large_result)


class _Causes:
    """Which statements scopes say they sent, and why. Only names what was counted elsewhere."""

    def __init__(self) -> None:
        self._causes: defaultdict[str, dict[str, None]] = defaultdict(dict)

    def note(self, event: Event) -> None:
        if isinstance(event, StatementEvent):
            self._causes[event.sql][event.cause] = None

    def named(self, sql: str) -> str:
        causes = self._causes.get(sql)
        return f"{' or '.join(causes) if causes else 'not by a scope'}: {shorten_sql(sql, 200)}"


@contextmanager
def _recorded(database: Database | AsyncEngine | Engine) -> Iterator[tuple[StatementCounter, _Causes]]:
    causes = _Causes()
    end = observe(causes.note)
    try:
        with statement_counter(database) as counter:
            yield counter, causes
    finally:
        end()


def _statements(number: int) -> str:
    return f"{number} statement{'' if number == 1 else 's'}"
