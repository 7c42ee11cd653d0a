"""What the layers expect of each other, where they may not import each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.sql.base import Executable

    from batchrepo.declare.computed import Fetched
    from batchrepo.declare.criteria import Guards


class Door(Protocol):
    """The one way to the database that a scope has."""

    @property
    def dialect(self) -> Dialect:
        """The database's dialect."""

    @property
    def parallel(self) -> int:
        """How many statements it can run at once."""

    async def rows(
        self,
        statement: Executable,
        params: Mapping[str, Any] | None = None,
        *,
        cause: str,
        keys: int | None = None,
    ) -> list[tuple[Any, ...]]:
        """Run a statement and give all its rows as plain tuples."""

    async def entities(
        self,
        session: AsyncSession,
        statement: Executable,
        params: Mapping[str, Any] | None = None,
        *,
        cause: str,
        keys: int | None = None,
    ) -> list[tuple[Any, ...]]:
        """Run an ORM statement, its entities hydrated into `session`."""

    def hold(self) -> AbstractAsyncContextManager[None]:
        """Keep connections from one statement to the next."""


class ReadContext(Protocol):
    """What a strategy needs of a scope."""

    @property
    def door(self) -> Door:
        """Where statements go."""

    @property
    def guards(self) -> Guards:
        """The row criteria."""

    async def load_fetched(self, fetched: Fetched[Any], keys: Sequence[Any]) -> Sequence[Any]:
        """The values of a batched function, in the order of the keys."""
