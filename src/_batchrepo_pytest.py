"""Fixtures for tests of applications that use batchrepo; pytest finds them by itself.

They live outside of the package because pytest imports each installed plugin at every start, and importing
the package takes half a second: nothing of it is imported until a fixture is used.

- ``batchrepo_batches``: the batches that went out during the test, as from ``capture_batches()``.
- ``batchrepo_rollback``: runs the test inside a transaction that is rolled back at its end.

PYTEST_DONT_REWRITE: it asserts nothing.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy.ext.asyncio import AsyncSession

    from batchrepo import Database
    from batchrepo.testing import Batches


@pytest.fixture
def batchrepo_batches() -> Iterator[Batches]:
    """The batches that went out during the test: ``assert batchrepo_batches.sizes == [60]``."""
    from batchrepo.testing import capture_batches

    with capture_batches() as seen:
        yield seen


def async_fixture(function: Any) -> Any:
    """Make a fixture of an async generator function.

    Without pytest-asyncio, another plugin runs plain fixtures that are async, such as anyio's; or nobody asks
    for it.
    """
    try:
        import pytest_asyncio
    except ImportError:
        return pytest.fixture(function)
    return pytest_asyncio.fixture(function)


class Rollback(Protocol):
    """What the fixture ``batchrepo_rollback`` is."""

    async def __call__(self, database: Database, **session_options: Any) -> AsyncSession:
        """Begin; at the end of the test it is rolled back. As ``batchrepo.testing.rolled_back``.

        Returns:
            A session on the connection that all scopes of the Database use from now on.
        """
        ...


@async_fixture
async def batchrepo_rollback() -> AsyncIterator[Rollback]:
    """Runs the rest of the test inside a transaction that is rolled back at its end.

    In a test: ``session = await batchrepo_rollback(db)``. For all tests, in your conftest::

        @pytest_asyncio.fixture(autouse=True)
        async def session(db, batchrepo_rollback):
            return await batchrepo_rollback(db)
    """
    from batchrepo.errors import InvalidArgument
    from batchrepo.testing import rolled_back

    own_loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:

        async def roll_back(database: Database, **session_options: Any) -> AsyncSession:
            if asyncio.get_running_loop() is not own_loop:
                raise InvalidArgument(
                    "batchrepo_rollback was called in another event loop than the fixture's, which rolls back. Set "
                    "asyncio_default_fixture_loop_scope to the loop scope of the test, or write a fixture with "
                    "that scope around `async with batchrepo.testing.rolled_back(db) as session`."
                )
            return await stack.enter_async_context(rolled_back(database, **session_options))

        yield roll_back
