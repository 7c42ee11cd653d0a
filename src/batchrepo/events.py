"""What happened, as values: statements, batches and rounds, each with its cause.

Everything that tells a user about work (reports, budgets, test helpers, metrics) is built on these
events. They are made at one place each: statements in ``executing``, batches and rounds in ``loading``.
"""

from __future__ import annotations

from collections import Counter, deque
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

RoundReason = Literal["quiet", "cap", "manual", "immediate"]
"""Why a round was flushed: nothing new came, the hop cap was reached, a test asked, or a loader opted out."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The batch in whose context something happens.

    Attributes:
        round: number of the round, counted from 1 within the scope.
        depth: 0 for a round of the scope, 1 for a sub-round (loads made inside a batch function), and so on.
        loader: name of the loader whose batch it is.
        reads: what the values of the loader came from: statements, and other loaders. Whoever runs a statement in
            the batch adds it.
    """

    round: int
    depth: int
    loader: str
    reads: set[Any] = field(default_factory=set, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class StatementEvent:
    """One statement that went to the database.

    Attributes:
        cause: what needed it, such as ``Album.artist`` or ``find Album``.
        sql: the text as sent.
        keys: number of keys in the batch, or None where the statement is not keyed.
        rows: number of rows that came back.
        seconds: time from sending to the last row, in seconds.
        origin: the batch that ran it, or None when no batch did.
        direct: whether it took the driver path, past SQLAlchemy's execution.
        endpoint: the name of the server that answered, where a Database has several; else empty.
    """

    cause: str
    sql: str
    keys: int | None
    rows: int
    seconds: float
    origin: Origin | None = None
    direct: bool = field(default=False, compare=False)
    endpoint: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class BatchEvent:
    """One call of a batch function.

    Attributes:
        loader: name of the loader.
        size: number of keys (each key once).
        seconds: time that the batch function took, in seconds.
        origin: round and depth of the batch itself.
        failed: the error's class name, or None.
    """

    loader: str
    size: int
    seconds: float
    origin: Origin
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class RoundEvent:
    """One round: everything that was pending when the scope became quiet.

    Attributes:
        number: counted from 1 within the scope.
        depth: 0 for a round of the scope, 1 or more for sub-rounds.
        batches: (loader name, number of keys) for each batch.
        reason: why it was flushed at that moment.
        parent: number of the round in whose batches a sub-round's keys were asked for, or None.
    """

    number: int
    depth: int
    batches: tuple[tuple[str, int], ...]
    reason: RoundReason
    parent: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class TransactionEvent:
    """A transaction ended.

    Attributes:
        outcome: how. ``dry run``: everything was done and then rolled back, as asked for.
        changes: how many changes it made.
        seconds: from its beginning to its end, in seconds.
    """

    outcome: Literal["committed", "rolled back", "dry run"]
    changes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class CallbackFailed:
    """A function that was to run after a commit failed. The commit stands.

    Attributes:
        callback: its name.
        error: what it raised.
    """

    callback: str
    error: Exception


@dataclass(frozen=True, slots=True)
class RetryEvent:
    """A transaction is tried again, since it collided with another one.

    Attributes:
        attempt: number of the attempt that failed, counted from 1.
        reason: what the database said.
        seconds: how long it is waited before the next one.
    """

    attempt: int
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class PoolUse:
    """The connections to one server, at one moment.

    Attributes:
        in_use: those that somebody has.
        idle: those that wait in the pool.
        most: how many there may be; None for any number.
    """

    in_use: int
    idle: int
    most: int | None


@dataclass(frozen=True, slots=True)
class RouteEvent:
    """A scope goes to a server: to read there until it writes, for one statement, or with a transaction.

    Attributes:
        endpoint: the server's name.
        role: what it is.
        reason: why it was chosen.
        waited: how many seconds it was waited for a replica to come so far.
        pool: the connections to it.
    """

    endpoint: str
    role: Literal["primary", "replica"]
    reason: str
    waited: float = field(default=0.0, compare=False)
    pool: PoolUse | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class EndpointEvent:
    """A server of a Database went down, answers again, or is used again. Of no scope: for `Database.on_event`.

    Attributes:
        endpoint: its name.
        role: what it is.
        state: ``down``, ``proving`` (it answers, and must do so a few times) or ``up``.
        reason: why, in a line.
    """

    endpoint: str
    role: Literal["primary", "replica"]
    state: Literal["up", "down", "proving"]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ReplicasLost:
    """The last replica went down: until one is back, the primary answers what it can. Of no scope.

    Attributes:
        replicas: the names of all.
    """

    replicas: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LiftedEvent:
    """Row criteria were lifted with ``scope.without``.

    Attributes:
        criteria: their names.
        reason: why, in the caller's words.
    """

    criteria: tuple[str, ...]
    reason: str


Event = (
    StatementEvent
    | BatchEvent
    | RoundEvent
    | LiftedEvent
    | TransactionEvent
    | CallbackFailed
    | RetryEvent
    | RouteEvent
    | EndpointEvent
    | ReplicasLost
)
"""Any event."""


current_origin: ContextVar[Origin | None] = ContextVar("batchrepo_origin", default=None)
"""The batch in whose context the running code is, set by the scheduler."""


_observers: tuple[Callable[[Event], None], ...] = ()


def observe(observer: Callable[[Event], None]) -> Callable[[], None]:
    """Call `observer` with every event of every log in this process: of all scopes, and of loaders without one.

    For tests and tools; what belongs to one Database listens with ``Database.on_event``.

    Returns:
        A function that ends it.
    """
    global _observers  # noqa: PLW0603 - replaced and not changed, so that a loop over it stays whole
    _observers = (*_observers, observer)

    def end() -> None:
        global _observers  # noqa: PLW0603
        remaining = list(_observers)
        remaining.remove(observer)
        _observers = tuple(remaining)

    return end


def announce(event: Event, listeners: Iterable[Callable[[Event], None]]) -> None:
    """Pass an event on that belongs to no scope."""
    for listener in (*listeners, *_observers):
        listener(event)


class EventLog:
    """The events of one scope: the latest are kept whole, all are counted.

    Args:
        keep: how many events are kept whole; older ones are counted only.
        listeners: called with each event. An error in a listener is the caller's: it is not swallowed.
    """

    __slots__ = ("events", "keep", "listeners", "statement_count", "statements_by_cause")

    def __init__(self, *, keep: int = 10_000, listeners: tuple[Callable[[Event], None], ...] = ()) -> None:
        self.keep = keep
        self.events: deque[Event] = deque(maxlen=keep)
        self.listeners = listeners
        self.statement_count = 0
        self.statements_by_cause: Counter[str] = Counter()

    def emit(self, event: Event) -> None:
        """Record an event and pass it to the listeners, and to the observers of the process."""
        self.events.append(event)
        if type(event) is StatementEvent:
            self.statement_count += 1
            self.statements_by_cause[event.cause] += 1
        for listener in self.listeners:
            listener(event)
        for observer in _observers:
            observer(event)
