"""The report of a scope, as a tree for people."""

from __future__ import annotations

from batchrepo.events import BatchEvent, EventLog, RoundEvent, StatementEvent


class Report:
    """What a scope did.

    Attributes:
        statements: how many statements it ran.
        rounds: how many rounds its scheduler flushed (sub-rounds not counted).
        seconds: time spent in statements, in seconds; statements that ran side by side count each.
    """

    def __init__(self, events: EventLog) -> None:
        self._events = tuple(events.events)
        self.statements = events.statement_count
        self.by_cause = dict(events.statements_by_cause)

    @property
    def rounds(self) -> int:
        return sum(1 for e in self._events if isinstance(e, RoundEvent) and e.depth == 0)

    @property
    def seconds(self) -> float:
        return sum(e.seconds for e in self._events if isinstance(e, StatementEvent))

    @property
    def batches(self) -> tuple[BatchEvent, ...]:
        """Every call of a batch function, in order."""
        return tuple(e for e in self._events if isinstance(e, BatchEvent))

    def __str__(self) -> str:
        lines = [f"{self.statements} statements in {self.seconds * 1000:.1f} ms"]
        for event in self._events:
            if isinstance(event, StatementEvent):
                keys = f"{event.keys} keys -> " if event.keys is not None else ""
                lines.append(f"  {event.cause}: {keys}{event.rows} rows, {event.seconds * 1000:.1f} ms")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Report {self.statements} statements, {self.rounds} rounds>"
