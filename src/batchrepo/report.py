"""The report of a scope: what it did as a tree of rounds, batches and statements, and what looks wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from batchrepo.events import (
    BatchEvent,
    CallbackFailed,
    LiftedEvent,
    RetryEvent,
    RoundEvent,
    RouteEvent,
    StatementEvent,
    TransactionEvent,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from batchrepo.events import EventLog, Origin

SUSPICIOUS = 3
"""So many times the same thing is no coincidence."""

SHOWN_STEPS = 50
"""Lines of a report are for reading: so many different steps are shown, the others are counted."""

WAITED = 0.001
"""Seconds from which on it is shown that a choice of a server had to wait."""

SHOWN_IN_FULL = 3
"""Of steps of one shape in a row, so many are shown in full; of more, the first."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that looks like a mistake in how the scope was used.

    Attributes:
        kind: ``split`` (one loader in several rounds), ``single`` (batches of one key, one after the other)
            or ``repeated`` (the same statement again and again, outside of any batch or inside of one).
        cause: the loader, or the cause of the statements.
        text: what happened and what to do about it, as a sentence.
    """

    kind: Literal["split", "single", "repeated"]
    cause: str
    text: str


@dataclass(slots=True)
class _Batch:
    """The batches of one loader in one round: one, or several where its ``max_batch_size`` cut them."""

    loader: str
    sizes: list[int] = field(default_factory=list)
    ended: list[BatchEvent] = field(default_factory=list)
    statements: list[StatementEvent] = field(default_factory=list)

    @property
    def seconds(self) -> float | None:
        """Of the slowest of them; None while one is running."""
        return max(e.seconds for e in self.ended) if len(self.ended) == len(self.sizes) else None

    @property
    def failed(self) -> list[str]:
        return sorted({e.failed for e in self.ended if e.failed is not None})


@dataclass(slots=True)
class _Round:
    event: RoundEvent
    batches: dict[str, _Batch] = field(default_factory=dict)
    children: list[_Round] = field(default_factory=list)

    def statements(self) -> Iterator[StatementEvent]:
        for batch in self.batches.values():
            yield from batch.statements
        for child in self.children:
            yield from child.statements()


_Remark = LiftedEvent | TransactionEvent | RetryEvent | CallbackFailed | RouteEvent
"""What is one line of a report."""

_Step = StatementEvent | _Remark | _Round


class Report:
    """What a scope did, up to the moment when the report was made. ``str()`` gives it as a tree.

    Of a very long job the log keeps the latest events only: the statements are counted all, the rest of the
    report is about those that were kept.

    Attributes:
        statements: how many statements the scope ran.
        by_cause: how many of them each cause had.
        by_endpoint: how many of those that were kept each server answered; empty where a Database has one.
        rounds: how many rounds its scheduler flushed; sub-rounds, inside a round, are not counted.
        batches: every call of a batch function that has ended, in order.
        seconds: time spent in statements, in seconds; of statements that ran side by side, each counts.
        slowest: the statement that took longest, or None.
        lifted: row criteria that ``scope.without`` took away, with the reasons.
        problems: what looks like a mistake.
    """

    def __init__(self, log: EventLog) -> None:
        events = tuple(log.events)
        kept = [e for e in events if isinstance(e, StatementEvent)]
        self.statements = log.statement_count
        self.by_cause: dict[str, int] = dict(log.statements_by_cause)
        self.by_endpoint = dict(Counter(e.endpoint for e in kept if e.endpoint))
        self.rounds = sum(isinstance(e, RoundEvent) and e.depth == 0 for e in events)
        self.batches: tuple[BatchEvent, ...] = tuple(e for e in events if isinstance(e, BatchEvent))
        self.seconds = sum(e.seconds for e in kept)
        self.slowest: StatementEvent | None = max(kept, key=lambda e: e.seconds, default=None)
        self.lifted: tuple[LiftedEvent, ...] = tuple(e for e in events if isinstance(e, LiftedEvent))
        self._forgotten = self.statements - len(kept)
        self._steps = _tree(events)
        self.problems: tuple[Problem, ...] = (
            *_split_or_single([e for e in events if isinstance(e, RoundEvent)]),
            *_repeated(kept),
        )

    def __str__(self) -> str:
        rounds = f", {_count(self.rounds, 'round')}" if self.rounds else ""
        servers = "".join(f", {number:,} on {name}" for name, number in self.by_endpoint.items())
        lines = [f"{_count(self.statements, 'statement')} in {_ms(self.seconds)}{rounds}{servers}"]
        if self._forgotten:
            lines.append(f"  ({_count(self._forgotten, 'earlier statement')}: counted, but not kept)")
        lines += _lines(self._steps, "  ")
        if self.slowest is not None and self.statements > 1:
            lines.append(f"slowest: {_outcome(self.slowest)}")
        lines += (f"{problem.kind}: {problem.text}" for problem in self.problems)
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Report {_count(self.statements, 'statement')}, {_count(self.rounds, 'round')}>"

    def to_dict(self, *, sql: bool = True) -> dict[str, Any]:
        """The report as plain values for JSON: for logs, or the extensions of a GraphQL response.

        Args:
            sql: False leaves the texts of the statements out, where outsiders read it.
        """
        return {
            "statements": self.statements,
            "rounds": self.rounds,
            "batches": len(self.batches),
            "seconds": self.seconds,
            "by_cause": dict(self.by_cause),
            **({"by_endpoint": dict(self.by_endpoint)} if self.by_endpoint else {}),
            "slowest": None if self.slowest is None else _statement_dict(self.slowest, sql),
            "problems": [{"kind": p.kind, "cause": p.cause, "text": p.text} for p in self.problems],
            "steps": [_step_dict(step, sql) for step in self._steps],
        }


def shorten_sql(sql: str, length: int = 110) -> str:
    """A statement in one line: a long list of selected columns, and what is behind `length`, become dots."""
    text = " ".join(sql.split())
    if text.startswith("SELECT "):
        commas, end = _select_list(text)
        if commas and end - commas[0] > 30:
            text = f"{text[: commas[0]]}, ...{text[end:]}"
    return text if len(text) <= length else f"{text[: length - 4].rstrip()} ..."


def _select_list(text: str) -> tuple[list[int], int]:
    """Where the commas between the columns of a SELECT are, and where its list of columns ends."""
    depth, commas = 0, []
    for index, letter in enumerate(text):
        if letter in "()":
            depth += 1 if letter == "(" else -1
        elif depth == 0 and letter == ",":
            commas.append(index)
        elif depth == 0 and text.startswith(" FROM ", index):
            return commas, index
    return [], len(text)


# --- the tree ---------------------------------------------------------------------------------------


def _tree(events: Iterable[object]) -> list[_Step]:
    """Put each batch and statement where it belongs, in the order of the events."""
    steps: list[_Step] = []
    # Scopes that share a log (`scope.without`) count their rounds each from 1: the latest is meant.
    rounds: dict[int, _Round] = {}

    def batch_of(origin: Origin | None) -> _Batch | None:
        # None also for a batch whose round is not kept any more, or is of another scope around this one.
        around = None if origin is None else rounds.get(origin.round)
        return None if around is None or origin is None else around.batches.get(origin.loader)

    for event in events:
        if isinstance(event, RoundEvent):
            made = rounds[event.number] = _Round(event)
            for loader, size in event.batches:
                made.batches.setdefault(loader, _Batch(loader)).sizes.append(size)
            parent = None if event.parent is None else rounds.get(event.parent)
            (steps if parent is None else parent.children).append(made)
        elif isinstance(event, BatchEvent):
            batch = batch_of(event.origin)
            if batch is not None:
                batch.ended.append(event)
        elif isinstance(event, StatementEvent):
            batch = batch_of(event.origin)
            (steps if batch is None else batch.statements).append(event)
        elif isinstance(event, _Remark):
            steps.append(event)
    return steps


# --- problems ---------------------------------------------------------------------------------------


def _split_or_single(rounds: Sequence[RoundEvent]) -> Iterator[Problem]:
    """Loaders whose keys came one by one, or in several rounds."""
    loaders: dict[str, list[tuple[RoundEvent, int]]] = {}
    for event in rounds:
        sizes: Counter[str] = Counter()
        for loader, size in event.batches:
            sizes[loader] += size
        for loader, size in sizes.items():
            loaders.setdefault(loader, []).append((event, size))
    for loader, went_out in loaders.items():
        alone = sum(size == 1 for _, size in went_out)
        if alone >= SUSPICIOUS:
            yield Problem(
                "single",
                loader,
                f"{alone:,} batches of one key for {loader}: a loop that awaits each. Ask for all at once: "
                f"asyncio.gather, load_many or get_many, or scope.related, which loads for all peers.",
            )
        # A loader that waits for nobody, and a test that flushes by hand, split on purpose.
        together = [size for event, size in went_out if size > 1 and event.reason in ("quiet", "cap")]
        if len(together) > 1:
            low, high = min(together), max(together)
            keys = f"{low:,} keys" if low == high else f"{low:,} to {high:,} keys"
            yield Problem(
                "split",
                loader,
                f"{loader} went out in {len(together):,} rounds of {keys}: the callers awaited at different "
                f"depths. Load it at the same point in all of them, or ask for all keys at once.",
            )


def _repeated(statements: Sequence[StatementEvent]) -> Iterator[Problem]:
    """The same statement without keys many times: no loader could have batched it."""
    # A stream reads chunk after chunk by design.
    same = Counter(
        (e.cause, e.origin, e.sql) for e in statements if e.keys is None and not e.cause.startswith("stream ")
    )
    for (cause, origin, _), times in same.items():
        if times >= SUSPICIOUS:
            where = "" if origin is None else f" in one batch of {origin.loader}"
            yield Problem(
                "repeated",
                cause,
                f"{cause} ran {times:,} times{where}: a loop that asks the database each time. {_instead_of(cause)}",
            )


def _instead_of(cause: str) -> str:
    if cause.startswith("page "):
        return "To walk through all rows, use chunks() or stream()."
    return "Ask once for all: get_many, find_by_many, a relation or a batched function."


# --- as text ----------------------------------------------------------------------------------------


def _lines(steps: Sequence[_Step], indent: str) -> Iterator[str]:
    runs = [list(run) for _, run in groupby(steps, key=_shape)]
    for run in runs[:SHOWN_STEPS]:
        for step in run if len(run) <= SHOWN_IN_FULL else run[:1]:
            yield from _step_lines(step, indent)
        if len(run) > SHOWN_IN_FULL:
            yield f"{indent}... and {len(run) - 1:,} more like it: {_sum(run[1:])}"
    hidden = [step for run in runs[SHOWN_STEPS:] for step in run]
    if hidden:
        yield f"{indent}... and {_count(len(hidden), 'more step')}: {_sum(hidden)}"


def _shape(step: _Step) -> Hashable:
    """What makes two steps look alike."""
    if isinstance(step, StatementEvent):
        return (step.cause, step.origin is None, step.sql, step.endpoint)
    if isinstance(step, _Remark):
        return step
    return (step.event.batches, step.event.reason, id(step) if step.children else None)


def _sum(steps: Iterable[_Step]) -> str:
    statements = [e for step in steps for e in _statements(step)]
    rows, seconds = sum(e.rows for e in statements), sum(e.seconds for e in statements)
    return f"{_count(len(statements), 'statement')}, {_count(rows, 'row')}, {_ms(seconds)}"


def _statements(step: _Step) -> Iterable[StatementEvent]:
    if isinstance(step, _Round):
        return step.statements()
    return (step,) if isinstance(step, StatementEvent) else ()


def _step_lines(step: _Step, indent: str) -> Iterator[str]:
    if isinstance(step, StatementEvent):
        yield from _statement_lines(step, indent)
        return
    if isinstance(step, _Remark):
        yield f"{indent}{_remark(step)}"
        return
    what = "round" if step.event.depth == 0 else "sub-round"
    yield f"{indent}{what} {step.event.number}, {step.event.reason}"
    for batch in step.batches.values():
        yield f"{indent}  {_batch_line(batch)}"
        for statement in batch.statements:
            yield from _statement_lines(statement, f"{indent}    ")
    yield from _lines(step.children, f"{indent}  ")


def _remark(step: _Remark) -> str:
    match step:
        case LiftedEvent():
            return f"without {', '.join(step.criteria)}: {step.reason}"
        case TransactionEvent():
            return f"{step.outcome}: {_count(step.changes, 'change')}, {_ms(step.seconds)}"
        case RetryEvent():
            return f"attempt {step.attempt} collided, next one in {_ms(step.seconds)}: {step.reason}"
        case RouteEvent():
            waited = f", waited {_ms(step.waited)}" if step.waited >= WAITED else ""
            return f"to {step.endpoint}: {step.reason}{waited}"
        case CallbackFailed():
            return f"after the commit {step.callback} failed: {step.error!r}"


def _batch_line(batch: _Batch) -> str:
    sizes = batch.sizes
    if len(sizes) == 1:
        what = f"batch of {_count(sizes[0], 'key')}"
    else:
        what = f"{len(sizes):,} batches of {min(sizes):,} to {max(sizes):,} keys, {sum(sizes):,} in all"
    seconds = batch.seconds
    time = "still running" if seconds is None else _ms(seconds)
    failed = f", failed: {', '.join(batch.failed)}" if batch.failed else ""
    return f"{batch.loader}: {what}, {time}{failed}"


def _statement_lines(event: StatementEvent, indent: str) -> Iterator[str]:
    yield f"{indent}{_outcome(event)}"
    yield f"{indent}  {shorten_sql(event.sql)}"


def _outcome(event: StatementEvent) -> str:
    keys = "" if event.keys is None else f"{_count(event.keys, 'key')} -> "
    at = f" on {event.endpoint}" if event.endpoint else ""
    return f"{event.cause}{at}: {keys}{_count(event.rows, 'row')}, {_ms(event.seconds)}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"


# --- as plain values --------------------------------------------------------------------------------


def _step_dict(step: _Step, sql: bool) -> dict[str, Any]:
    if isinstance(step, StatementEvent):
        return _statement_dict(step, sql)
    if isinstance(step, LiftedEvent):
        return {"without": list(step.criteria), "reason": step.reason}
    if isinstance(step, RouteEvent):
        return {"to": step.endpoint, "role": step.role, "reason": step.reason, "waited": step.waited}
    return {"remark": _remark(step)} if isinstance(step, _Remark) else _round_dict(step, sql)


def _statement_dict(event: StatementEvent, sql: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "cause": event.cause,
        "keys": event.keys,
        "rows": event.rows,
        "seconds": event.seconds,
    }
    if event.endpoint:
        found["endpoint"] = event.endpoint
    return {**found, "sql": event.sql} if sql else found


def _round_dict(step: _Round, sql: bool) -> dict[str, Any]:
    return {
        "round": step.event.number,
        "depth": step.event.depth,
        "reason": step.event.reason,
        "batches": [
            {
                "loader": batch.loader,
                "sizes": list(batch.sizes),
                "seconds": batch.seconds,
                "failed": batch.failed,
                "statements": [_statement_dict(e, sql) for e in batch.statements],
            }
            for batch in step.batches.values()
        ],
        "rounds": [_round_dict(child, sql) for child in step.children],
    }
