"""Ways that a database has refused for a table: they are not tried again, and the next one is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from batchrepo.writing.copying import CopyRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import sqlalchemy as sa

    from batchrepo.writing.choosing import Choice, Method

_refused: WeakKeyDictionary[sa.Table, dict[Method, str]] = WeakKeyDictionary()
"""By table, with what the database said."""


def refused_ways(table: sa.Table) -> tuple[tuple[Method, str], ...]:
    """Ways that a database has refused for a table, with what it said."""
    return tuple(_refused.get(table, {}).items())


async def by_what_works(
    table: sa.Table, choose: Callable[[], Choice], run: Callable[[Method], Awaitable[Any]]
) -> Method:
    """Write by the way that is chosen; where the database refuses COPY into the table, by the next one.

    Args:
        table: that is written to.
        choose: the best way that was not refused yet.
        run: writes by a way.

    Returns:
        The way that worked.
    """
    while True:
        method = choose().method
        try:
            await run(method)
        except CopyRefused as error:
            _refused.setdefault(table, {})[method] = str(error)
        else:
            return method
