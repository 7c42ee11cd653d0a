"""The life of one bulk write: rows in chunks, transactions around them, errors, and what comes back."""

from __future__ import annotations

from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from itertools import repeat
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from batchrepo.errors import BulkError, InvalidArgument, WriteError
from batchrepo.writing.refusals.naming import refused
from batchrepo.writing.results import BulkProgress, BulkResult
from batchrepo.writing.rows.intake import Reader, check_source, chunks, length_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence

    from batchrepo.errors import RowError
    from batchrepo.events import EventLog
    from batchrepo.writing.context import WriteContext, WriteScope
    from batchrepo.writing.refusals.applying import OnError
    from batchrepo.writing.rows.columns import WriteColumns
    from batchrepo.writing.rows.intake import Batch, Missing, RowSource

CHUNK = 10_000
"""Rows of an iterator that are held at once."""

LIST_CHUNK = 50_000
"""Rows of a list that are written at once: it is in memory anyway."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller says about a bulk write of rows.

    Attributes:
        wants_rows: whether the written rows, or their keys, are asked back.
        missing: what to do where rows have not the same keys.
        on_error: what a refused row does.
        commit_every: after how many rows to commit; None for one transaction.
        progress: called after each chunk.
        method: the way to write; None for the fastest.
    """

    wants_rows: bool = False
    missing: Missing = "error"
    on_error: OnError = "raise"
    commit_every: int | None = None
    progress: Callable[[BulkProgress], object] | None = None
    method: str | None = None


@dataclass(slots=True)
class Written:
    """What one chunk has done.

    Attributes:
        count: rows written.
        keys: primary keys of rows and the places of these in the input, where they are wanted.
        errors: rows that were refused.
        methods: the ways that were taken.
    """

    count: int = 0
    keys: list[tuple[Sequence[int], Sequence[Any]]] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)

    def by_place(self) -> dict[int, Any]:
        """The keys by the places of their rows."""
        return {index: key for indexes, keys in self.keys for index, key in zip(indexes, keys, strict=True)}

    def repeat(self, same: Mapping[int, int]) -> None:
        """Rows that others stand for have the keys of those.

        Args:
            same: by the place of a row, the place of the one that stands for it.
        """
        if same:
            known = self.by_place()
            places = [index for index, stands in same.items() if stands in known]
            self.keys.append((places, [known[same[index]] for index in places]))

    def in_order(self) -> Sequence[Any]:
        """The keys in the order of the input."""
        if len(self.keys) == 1 and isinstance(self.keys[0][0], range):
            return self.keys[0][1]  # all in order: the usual case
        found = self.by_place()
        return [found[index] for index in sorted(found)]


class ChunkWriter(Protocol):
    """Writes chunks: insert, upsert or update."""

    async def write(self, batches: Sequence[Batch], context: WriteContext) -> Written:
        """Write one chunk, or nothing of it."""
        ...


class BulkRun:
    """One call.

    Args:
        scope: where it happens.
        events: of the scope, in which statements are counted.
        columns: of the entity.
        where: the call's name, for messages.
        options: what the caller said.
        writer: writes the chunks.
        views: reads what is asked back, by keys; None where the keys themselves are.
        whole: whether all rows must be one chunk.
    """

    def __init__(
        self,
        scope: WriteScope,
        events: EventLog,
        columns: WriteColumns,
        where: str,
        options: Options,
        writer: ChunkWriter,
        views: Callable[[Sequence[Any]], Awaitable[Sequence[Any]]] | None = None,
        *,
        whole: bool = False,
    ) -> None:
        self._scope = scope
        self._events = events
        self._where = where
        self._columns = columns
        self._entity = columns.entity.name
        self._options = options
        self._writer = writer
        self._views = views
        self._whole = whole
        self._reader = Reader(columns, where, options.missing)
        self._count = 0
        self._read = 0
        self._rows: list[Any] = []
        self._errors: list[RowError] = []
        self._methods: dict[str, None] = {}

    async def run(self, rows: RowSource) -> BulkResult[Any]:
        """Write the rows."""
        check_source(rows, f"{self._where} of {self._entity}")
        total = length_of(rows)
        started = perf_counter()
        statements = self._events.statement_count
        committed = 0
        try:
            async with aclosing(chunks(rows, self._sizes(rows))) as pieces:
                while (piece := await anext(pieces, None)) is not None:
                    async with self._transaction(total, len(piece)) as context:
                        left = self._options.commit_every
                        while piece is not None:
                            await self._chunk(piece, context)
                            self._tell(total, started)
                            left = None if left is None else left - len(piece)
                            if left is not None and left <= 0:
                                break
                            piece = await anext(pieces, None)
                    committed = self._read
        except Exception as error:
            self._say_how_far(error, committed)
            raise
        return BulkResult(
            self._count,
            self._rows,
            tuple(sorted(self._errors, key=lambda error: error.index)),
            " + ".join(self._methods),
            self._events.statement_count - statements,
        )

    def _sizes(self, rows: RowSource) -> Iterator[int]:
        every = self._options.commit_every
        size = LIST_CHUNK if isinstance(rows, list | tuple) else CHUNK
        if self._whole:
            size = 2**62
        return repeat(size) if every is None else _bounded_sizes(size, every)

    @asynccontextmanager
    async def _transaction(self, total: int | None, first: int) -> AsyncIterator[WriteContext]:
        inside = self._scope.in_transaction
        if inside and self._options.commit_every is not None:
            raise InvalidArgument(
                f"{self._where}: commit_every= commits, which the transaction around it does at its end. Leave it out, "
                f"or call it outside of the transaction."
            )
        async with AsyncExitStack() as stack:
            context = await stack.enter_async_context(self._scope.writing())
            one = total == 1 and first == 1 and not context.guards.of(self._columns.entity)
            if inside and not one:
                await stack.enter_async_context(context.savepoint())
            yield context

    async def _chunk(self, piece: Sequence[Any], context: WriteContext) -> None:
        intake = self._reader.read(piece, self._read)
        self._read += len(piece)
        self._refuse(intake.errors)
        written = await self._writer.write(intake.batches, context)
        self._refuse(written.errors)
        self._count += written.count
        self._methods.update(dict.fromkeys(written.methods))
        if self._options.wants_rows and written.keys:
            keys = written.in_order()
            self._rows += keys if self._views is None else await self._views(keys)

    def _refuse(self, errors: Sequence[RowError]) -> None:
        if errors and self._options.on_error == "raise":
            raise refused(BulkError, self._entity, errors)
        self._errors += errors

    def _tell(self, total: int | None, started: float) -> None:
        if self._options.progress is not None:
            self._options.progress(BulkProgress(self._read, self._count, total, perf_counter() - started))

    def _say_how_far(self, error: Exception, committed: int) -> None:
        if self._options.commit_every is None:
            return
        if isinstance(error, WriteError):
            error.resume = committed
        error.add_note(
            f"{self._where} of {self._entity}: the first {committed} rows of the input are committed; go on from row "
            f"{committed}."
        )


def _bounded_sizes(size: int, every: int) -> Iterator[int]:
    """Sizes of chunks that never go over a commit."""
    while True:
        left = every
        while left > 0:
            yield min(size, left)
            left -= size


def check_options(where: str, options: Options) -> None:
    """Check what a caller says.

    Raises:
        InvalidArgument: something is not of its kind.
    """
    every: Any = options.commit_every
    if options.missing not in ("error", "default"):
        raise InvalidArgument(
            f'{where}: missing= expects "error" or "default"; got {options.missing!r:.100}.'
        )
    if options.on_error not in ("raise", "collect"):
        raise InvalidArgument(
            f'{where}: on_error= expects "raise" or "collect"; got {options.on_error!r:.100}.'
        )
    if every is not None and (not isinstance(every, int) or isinstance(every, bool) or every < 1):
        raise InvalidArgument(
            f"{where}: commit_every= expects a number of rows, 1 or more; got {every!r:.100}."
        )
