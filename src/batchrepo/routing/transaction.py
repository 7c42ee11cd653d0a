"""A transaction on one of several servers: whoever writes is told in one way that the primary is away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import DBAPIError

from batchrepo.executing import TransactionDoor

if TYPE_CHECKING:
    from batchrepo.events import EventLog
    from batchrepo.executing import Isolation
    from batchrepo.executing.door import Call, Work
    from batchrepo.routing.endpoints import Endpoint
    from batchrepo.routing.route import Route

T = TypeVar("T")


class RoutedTransaction(TransactionDoor):
    """As `TransactionDoor`, on an endpoint.

    Nothing is run again elsewhere: what was read and written before went with the connection.

    Args:
        route: is told of failures.
        endpoint: where it runs.
        events: one event for each statement goes here.
        isolation: another level than the database's default.
        read_only: the database refuses writes.
        max_statements: how many statements the scope may run, or None.
    """

    def __init__(
        self,
        route: Route,
        endpoint: Endpoint,
        events: EventLog,
        *,
        isolation: Isolation | None,
        read_only: bool,
        max_statements: int | None,
    ) -> None:
        super().__init__(
            endpoint.reading,
            events,
            isolation=isolation,
            read_only=read_only,
            max_statements=max_statements,
            endpoint=endpoint.name,
        )
        self._route = route
        self._endpoint = endpoint
        endpoint.doors.add(self)

    async def end(self, *, commit: bool) -> None:
        """As `TransactionDoor.end`.

        Raises:
            PrimaryUnavailable: the primary went away; if it was under the COMMIT, only the primary knows whether that stands.
        """
        try:
            await super().end(commit=commit)
        except DBAPIError as error:
            self._failed(error)
            raise

    def interrupt(self, error: Exception) -> None:
        """End the calls that are waiting or running; who writes is told what others are told."""
        if self._endpoint.role == "primary":
            error = self._route.primary_lost(error, "lost")
        super().interrupt(error)

    async def _run(self, work: Work[T], call: Call) -> T:
        opened: Any = self._session
        try:
            return await super()._run(work, call)
        except Exception as error:
            if opened is not None:  # whoever opens it may do so elsewhere
                self._failed(error)
            raise

    def _failed(self, error: Exception) -> None:
        failure = self._route.failed(self._endpoint, error)
        if self._endpoint.role == "primary":
            self._route.refuse_primary(error, failure)
