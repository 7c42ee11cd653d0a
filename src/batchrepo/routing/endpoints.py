"""The servers of a Database: as they are declared, and as they are while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakSet

from batchrepo.errors import DeclarationError, EndpointDown
from batchrepo.routing.pools import outdate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import URL, Dialect
    from sqlalchemy.ext.asyncio import AsyncEngine

    from batchrepo.executing import Door, DriverPath
    from batchrepo.routing.positions import Position

Role = Literal["primary", "replica"]
"""The primary takes writes; replicas follow it."""

State = Literal["up", "down", "proving"]
"""``proving``: it answers again, and must do so a few times before it is read from."""


class Replica:
    """A replica as it is declared, where a URL alone does not say enough.

    Args:
        url_or_engine: an asynchronous URL, or an engine of yours.
        weight: how many reads it gets, relative to the other replicas; 0: those that no other replica can answer.
        name: how reports, events and `Database.status` call it; ``replica-1`` and so on where there is none.
        pool: settings of its engine that differ from those of the Database, by keyword.

    Raises:
        DeclarationError: the weight is negative, or no number; or the name is no text.
    """

    def __init__(
        self,
        url_or_engine: str | URL | AsyncEngine,
        *,
        weight: float = 1,
        name: str | None = None,
        **pool: Any,
    ) -> None:
        given: object = weight
        if not isinstance(given, int | float) or isinstance(given, bool) or not 0 <= given < float("inf"):
            raise DeclarationError(f"Replica(weight=) expects a number of 0 or more; got {weight!r}.")
        called: object = name
        if called is not None and (not isinstance(called, str) or not called):
            raise DeclarationError(f"Replica(name=) expects a text that is not empty; got {called!r}.")
        self.url_or_engine = url_or_engine
        self.weight = float(weight)
        self.name = name
        self.pool: Mapping[str, Any] = pool

    def __repr__(self) -> str:
        return f"<Replica {self.name or 'without a name'}, weight {self.weight:g}>"


@dataclass(eq=False)
class Endpoint:
    """One server, as a Database knows it at this moment.

    Attributes:
        name: as in reports and events.
        role: what it is for.
        engine: as it was made, or given.
        reading: the same connections, autocommitted.
        driver_path: what is known of statements that need no execution by SQLAlchemy; None where it executes all.
        weight: how many reads it gets, relative to the other replicas.
        owned: whether the Database made the engine, and disposes of it.
        state: whether it is used.
        reason: why it is not, in a line; None if it is.
        since: when the state began, on the monotonic clock.
        position: how far it had come when it was last asked; None as long as nobody knows.
        asked: when that was, on the monotonic clock.
        reads: statements that it has answered.
        failures: how often it was taken out.
        doors: through which scopes read from it at this moment.
    """

    name: str
    role: Role
    engine: AsyncEngine
    reading: AsyncEngine
    driver_path: DriverPath | None = None
    weight: float = 1.0
    owned: bool = False
    state: State = "up"
    reason: str | None = None
    since: float = field(default_factory=monotonic)
    position: Position | None = None
    asked: float | None = None
    reads: int = 0
    failures: int = 0
    doors: WeakSet[Door] = field(default_factory=WeakSet)

    @property
    def up(self) -> bool:
        """Whether it may be used."""
        return self.state == "up"

    @property
    def dialect(self) -> Dialect:
        """Of its engine."""
        return self.engine.dialect

    def change(self, state: State, reason: str | None = None, *, confirmed: bool = True) -> bool:
        """Go over to another state; False if it was in it already.

        Args:
            state: which one.
            reason: why, in a line.
            confirmed: whether that is what the server itself was found to be. Statements on one that is down are ended
                then: a server that does not answer would keep them waiting. What befell one connection is no reason to
                take the others away.
        """
        if state == "down" and confirmed:
            for door in tuple(self.doors):
                door.interrupt(EndpointDown(f"{self.name} went down while a statement ran on it: {reason}"))
        if state == self.state:
            self.reason = reason
            return False
        self.state, self.reason, self.since = state, reason, monotonic()
        if state != "proving":
            # Connections in the pool lead to the server as it was before it was away.
            outdate(self.engine)
        if state == "down":
            self.failures += 1
            # What is known says nothing of a server that comes back: it may have been set up anew.
            self.position = None
        return True

    def __repr__(self) -> str:
        return f"<Endpoint {self.name}, {self.role}, {self.state}>"
