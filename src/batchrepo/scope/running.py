"""Running a function in a transaction, again where the transaction collided with another one."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, TypeVar

from batchrepo.events import RetryEvent
from batchrepo.executing import collision

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from batchrepo.executing import Isolation
    from batchrepo.scope.scope import Scope

T = TypeVar("T")


async def run_again(
    open_scope: Callable[[], Scope],
    function: Callable[[Scope], Awaitable[T]],
    *,
    isolation: Isolation | None,
    retries: int,
    backoff: float,
) -> T:
    """What `Database.run` does.

    Args:
        open_scope: makes a scope for each attempt.
        function: takes the scope, which is in a transaction.
        isolation: of the transaction.
        retries: how many more times to try.
        backoff: seconds before the first new attempt; doubled for each further one, and varied at random.
    """
    attempt = 0
    while True:
        attempt += 1
        scope = open_scope()
        try:
            async with scope, scope.transaction(isolation=isolation):
                result = await function(scope)
        except Exception as error:
            said = collision(error)
            if said is None or attempt > retries:
                raise
            pause = backoff * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311  it only spreads them
            scope.events.emit(RetryEvent(attempt, said, pause))
            await asyncio.sleep(pause)
        else:
            return result
