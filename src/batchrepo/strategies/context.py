"""What strategies need of a scope. They know this, and not the scope itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncSession

    from batchrepo.declare.computed import Fetched
    from batchrepo.declare.criteria import Guards
    from batchrepo.executing import Door
    from batchrepo.mapping import RelationInfo
    from batchrepo.strategies.reading import Reading


class ReadContext(Protocol):
    """What reading rows needs."""

    @property
    def door(self) -> Door:
        """Where statements go."""
        ...

    @property
    def reading(self) -> Reading:
        """Plans and settings that all scopes share."""
        ...

    @property
    def guards(self) -> Guards:
        """The row criteria."""
        ...

    async def load_fetched(self, fetched: Fetched[Any], keys: Sequence[Any]) -> Sequence[Any]:
        """The values of a batched function, in the order of the keys."""
        ...


class EntityContext(ReadContext, Protocol):
    """What reading entities needs."""

    @property
    def session(self) -> AsyncSession:
        """Where entities live."""
        ...

    @property
    def joined(self) -> bool:
        """Whether somebody else reads into that session too, without the row criteria."""
        ...

    def is_stale(self, relation: RelationInfo) -> bool:
        """Whether what an entity has for a relation may be older than a write of this scope."""
        ...
