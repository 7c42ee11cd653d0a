"""Looking rows up in the transaction of a write, as many keys at a time as a statement takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchrepo.sql.keys import Key
    from batchrepo.sql.locate import Located
    from batchrepo.writing.context import WriteContext


async def look_up(
    located: Located,
    keys: Sequence[Key],
    context: WriteContext,
    *,
    cause: str,
    values: Mapping[str, Any] | None = None,
) -> dict[int, tuple[Any, ...]]:
    """What `located` selects, by the place of the key; keys without a row are not there.

    Args:
        located: the SELECT.
        keys: each a value, or a tuple for several columns.
        context: of the transaction.
        cause: what needs it, for the report.
        values: further parameters of the SELECT.
    """
    found: dict[int, tuple[Any, ...]] = {}
    size = located.limit or len(keys)
    for start in range(0, len(keys), size):
        some = keys[start : start + size]
        params = {**located.parameters(some), **(values or {})}
        rows = await context.write(
            lambda writer, params=params, some=some: writer.execute(  # type: ignore[misc]
                located.statement, params, cause=cause, keys=len(some)
            ).all()
        )
        found.update((start + at, row) for at, row in located.places(some, rows).items())
    return found
