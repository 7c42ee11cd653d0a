"""Rows that a database refuses are named: each write of several rows goes through `apply`.

::

    async def write(part: Part[Row]) -> list[Any]:          # writes these rows, by whichever statements
        return await context.write(lambda writer: ...)

    applied = await apply(Part.of(rows), write, context, entity, on_error="raise" | "collect",
                          value=value_in_tuple(batch.names))
    applied.results     # what `write` returned, for each part that was written, in the order of the input
    applied.written     # the parts, alongside
    applied.errors      # the rows that were refused; always empty with "raise"

`write` may be called again with parts of the rows, each time inside a savepoint, so it must do nothing else than
write. Errors of the database are turned into a `RowError` here. A `WriteError` that `write` itself raises with rows
(forbidden, stale, not found) passes through, or is collected, as it is. Where rows can only be told after what was
written is taken back, it raises `TakeBack`.

**Which row** it is, is told by the line of a COPY; by the values in the error, where they are those of rows beyond
doubt; otherwise by trying: a half that can be written stays written while the other is looked at, so that rows
which stand in each other's way are found, too. It takes log2 n statements, in savepoints that are taken back.

With ``on_error="collect"`` halves that can be written stay. k refused rows among n cost at most 2 k (1 + log2 n)
statements and their savepoints.

One row is written without a savepoint, unless errors are collected: one statement must stay one statement.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from sqlalchemy.exc import StatementError

from batchrepo.errors import WriteError
from batchrepo.writing.refusals.naming import MISSING, Naming

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from batchrepo.errors import BulkError, RowError
    from batchrepo.mapping import EntityInfo
    from batchrepo.writing.context import WriteContext

R = TypeVar("R")
T = TypeVar("T")

OnError = Literal["raise", "collect"]
"""What a refused row does: fail the whole write (``raise``), or be left out of it and returned (``collect``)."""


@dataclass(frozen=True, slots=True)
class Part(Generic[R]):
    """Some rows of the input.

    Attributes:
        rows: in the order of the input.
        indexes: the place of each in the input, counted from 0.
    """

    rows: Sequence[R]
    indexes: Sequence[int]

    @classmethod
    def of(cls, rows: Sequence[R], first: int = 0) -> Part[R]:
        """Rows that follow each other in the input, from the place `first`."""
        return cls(rows, range(first, first + len(rows)))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, some: slice) -> Part[R]:
        return Part(self.rows[some], self.indexes[some])

    def without(self, indexes: Collection[int]) -> Part[R]:
        """The same without the rows at these places of the input."""
        kept = [at for at, index in enumerate(self.indexes) if index not in indexes]
        return Part([self.rows[at] for at in kept], [self.indexes[at] for at in kept])

    def halves(self) -> tuple[Part[R], Part[R]]:
        """The first and the second half."""
        middle = (len(self) + 1) // 2
        return self[:middle], self[middle:]


@dataclass(slots=True)
class Applied(Generic[R, T]):
    """What became of rows.

    Attributes:
        written: the parts that were written, in the order of the input.
        results: what the writing of each gave.
        errors: the rows that were refused, in the order of the input.
    """

    written: list[Part[R]] = field(default_factory=list)
    results: list[T] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)


class TakeBack(Exception):
    """Raised by `write`: take back what it has written, and raise what `explain` then finds."""

    def __init__(self, explain: Callable[[], Awaitable[WriteError]]) -> None:
        self.explain = explain
        super().__init__()


def value_in_dict(row: Any, name: str) -> Any:
    """The value that a row, which is a dict by attribute names, has for an attribute."""
    return row.get(name, MISSING)


def value_in_tuple(names: Sequence[str]) -> Callable[[Any, str], Any]:
    """A getter for rows that are tuples of the values of these attributes."""
    places = {name: place for place, name in enumerate(names)}

    def value(row: Any, name: str) -> Any:
        place = places.get(name)
        return MISSING if place is None else row[place]

    return value


async def apply(
    part: Part[R],
    write: Callable[[Part[R]], Awaitable[T]],
    context: WriteContext,
    entity: EntityInfo,
    *,
    on_error: OnError = "raise",
    value: Callable[[R, str], Any] = value_in_dict,
) -> Applied[R, T]:
    """Write rows; those that are refused are named.

    Args:
        part: the rows, one or more.
        write: writes some of them.
        context: of the transaction.
        entity: of the rows.
        on_error: what a refused row does.
        value: gives what a row has for an attribute, by the attribute's name, or `MISSING`.

    Raises:
        BulkError: the database refused a row; nothing of `part` was written.
        WriteError: from `write`, with ``on_error="raise"``, or where it names no row.
        sqlalchemy.exc.DBAPIError: an error that is not about a row.
    """
    applying = _Applying(write, context, Naming(entity, value))
    if on_error == "collect":
        return await applying.collect(part)
    if len(part) > 1:
        return Applied([part], [await applying.all_or_none(part)])
    try:
        return Applied([part], [await write(part)])
    except TakeBack as asked:
        raise await asked.explain() from None
    except StatementError as error:
        raise applying.naming.error_for(part.rows, part.indexes, error) from error


@dataclass(frozen=True, slots=True)
class _Applying(Generic[R, T]):
    write: Callable[[Part[R]], Awaitable[T]]
    context: WriteContext
    naming: Naming[R]

    async def in_savepoint(self, part: Part[R]) -> T:
        try:
            async with self.context.savepoint():
                return await self.write(part)
        except TakeBack as asked:
            raise await asked.explain() from None

    async def all_or_none(self, part: Part[R]) -> T:
        try:
            return await self.in_savepoint(part)
        except StatementError as error:
            refusal = self.naming.read(error)
            if self.naming.find(part.rows, refusal) or len(part) == 1:
                raise self.naming.error_for(part.rows, part.indexes, error) from error
            async with self.context.savepoint():  # left with the error, so that the halves are taken back
                found = await self.search(part, error)
                raise found from found.__cause__
        raise AssertionError  # pragma: no cover  a savepoint lets errors through

    async def search(self, part: Part[R], error: StatementError) -> BulkError:
        """Find a row in a part that was refused as a whole, and leave the rows before it written."""
        first = error
        while len(part) > 1:
            left, right = part.halves()
            try:
                await self.in_savepoint(left)
            except StatementError as refused:
                error, part = refused, left
                if self.naming.find(part.rows, self.naming.read(refused)):
                    break
            else:
                part = right
        else:
            try:
                await self.in_savepoint(part)
            except StatementError as refused:
                error = refused
            else:
                # One by one they can be written: together they cannot, and no single row is to blame.
                return self.naming.unnamed(first)
        found = self.naming.error_for(part.rows, part.indexes, error)
        found.__cause__ = error
        return found

    async def collect(self, part: Part[R]) -> Applied[R, T]:
        applied: Applied[R, T] = Applied()
        waiting = [part]
        while waiting:
            part = waiting.pop()
            if not len(part):
                continue
            try:
                result = await self.in_savepoint(part)
            except WriteError as error:
                named = {row.index for row in error.rows}.intersection(part.indexes)
                if not named:
                    raise
                applied.errors += error.rows
                waiting.append(part.without(named))
            except StatementError as error:
                refused = self.naming.errors(part.rows, part.indexes, error)
                applied.errors += refused
                if len(part) > 1:
                    left, right = part.halves()
                    named = {row.index for row in refused}
                    waiting += [right.without(named), left.without(named)]
            else:
                applied.written.append(part)
                applied.results.append(result)
        applied.errors.sort(key=lambda row: row.index)
        return applied


__all__ = ["MISSING", "Applied", "OnError", "Part", "TakeBack", "apply", "value_in_dict", "value_in_tuple"]
