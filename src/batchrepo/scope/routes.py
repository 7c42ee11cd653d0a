"""What a caller says of servers: where the scope reads, and what others must be able to see."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from batchrepo.errors import InvalidArgument
from batchrepo.routing import check_policy

if TYPE_CHECKING:
    from batchrepo.declare.criteria import Guards
    from batchrepo.events import EventLog
    from batchrepo.routing import ConsistencyToken, Route, RoutingPolicy
    from batchrepo.scope.family import Family
    from batchrepo.scope.scope import Scope


class ScopeRoutes(ABC):
    """The routing side of `Scope`, whose life and parts are its own."""

    guards: Guards
    events: EventLog
    _route: Route
    _family: Family

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Whether the scope has ended."""

    @abstractmethod
    def check_open(self) -> None:
        """Raise unless the scope is open."""

    @abstractmethod
    def _inner(self, guards: Guards, route: Route) -> Scope:
        """A scope inside this one, which shares its transactions."""

    def routed(self, policy: RoutingPolicy) -> Scope:
        """Another scope, inside this one, whose reads go where another policy says.

        It has loaders and entities of its own, since what one endpoint answered is not what another would have; it
        sees what this one writes, and takes part in its transactions.

        ::

            async with scope.routed(Primary()) as fresh:
                stock = await ProductRepository(fresh).get(1)

        Args:
            policy: chooses among the endpoints.

        Raises:
            InvalidArgument: it is no policy.
        """
        self.check_open()
        check_policy(policy, InvalidArgument)
        return self._inner(self.guards, self._route.with_policy(policy))

    async def consistency_token(self) -> ConsistencyToken | None:
        """What the next request must be able to see: what this scope has written, and the token that it was given.

        After a commit this asks the primary for its position, once. Write it with ``db.tokens.write(token)`` and give
        it to the next request's scope: ``db.scope(token=text)``. It may be asked for when the scope has ended.

        Returns:
            None if nothing was written and none was given.
        """
        if not self.closed:
            self.check_open()
        return await self._family.consistency.token(self._route.router, self.events)

    @property
    def has_writes(self) -> bool:
        """Whether there is anything that later requests must be able to see."""
        return self._family.consistency.has_writes
