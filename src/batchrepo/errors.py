"""Every error that batchrepo raises.

::

    BatchRepoError
    ├── DeclarationError            a repository, view or setting is wrong; raised when the Database is made
    ├── InvalidArgument             a call got something it cannot use (also a ValueError)
    │   ├── InvalidCursor           a cursor is damaged, or was made for something else
    │   ├── InvalidFields           a fieldset cannot be read, or asks for what a view does not have
    │   ├── InvalidFilter           a filter that is not declared, or a value that it does not take
    │   ├── InvalidSort             a sort by something that is not declared
    │   └── InvalidToken            a consistency token is damaged, foreign or too old
    ├── NotFound                    a key has no row that this scope may see (also a LookupError)
    ├── ScopeError
    │   ├── ScopeClosed             the scope was used after its end
    │   ├── NestedScope             a scope with another context was opened inside a scope
    │   ├── MissingContext          row criteria need a context that the scope was not given
    │   ├── UnsavedChanges          an entity was changed where nothing would save it
    │   └── TransactionError        a transaction was used by the wrong task, or after its end
    ├── WriteError                  something was not written; whatever was begun with it was taken back
    │   ├── BulkError               rows of a bulk write were refused; it names them
    │   ├── StaleRows               somebody else has changed the rows since they were read; it names them
    │   └── ForbiddenWrite          a row would be, or was, outside of what the scope may see; it names the rows
    ├── LoadError
    │   ├── MissingRelated          a view needs a related row that is not there, or that criteria hide
    │   ├── LazyLoad                an attribute was touched that nobody loaded
    │   ├── LoaderCycle             a batch waits, through other batches, for itself
    │   ├── BatchContract           a batch function returned something else than one value per key
    │   └── BatchTimeout            a batch function took longer than it may (also a TimeoutError)
    ├── RowsLocked                  somebody else has locked the rows, and it was not to be waited for
    ├── StatementBudgetExceeded     the scope ran more statements than it may
    ├── UnguardedStatement          row criteria cannot be put on a statement
    ├── StrategyRefused             a declared strategy cannot run a plan
    └── DatabaseUnavailable         no connection could be had (also a ConnectionError)
        ├── PrimaryUnavailable      the primary is away: what needs it can be tried again later
        └── EndpointDown            a server was taken out while a statement ran on it

Errors of the database about a statement itself (a violated constraint, a missing table) stay
SQLAlchemy's own ``DBAPIError`` family.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class BatchRepoError(Exception):
    """The root of all errors of batchrepo."""


class DeclarationError(BatchRepoError):
    """A repository, a view or a setting is declared wrongly. Raised at start-up, never in a request."""


class InvalidArgument(BatchRepoError, ValueError):
    """A call was given something that it cannot use."""


class InvalidCursor(InvalidArgument):
    """A cursor cannot be used here; the first page can always be had without one.

    Attributes:
        reason: ``malformed``, ``version``, ``signature``, ``values``, or what it was made for and is not used
            for: ``order``, ``filter``, ``criteria``.
    """

    def __init__(self, message: str, *, reason: str = "malformed") -> None:
        self.reason = reason
        super().__init__(message)


class InvalidFields(InvalidArgument):
    """A sparse fieldset cannot be read, or names a field that the view does not have.

    Attributes:
        position: of the character where its text goes wrong, counted from 0; None where the text is well formed.
    """

    def __init__(self, message: str, *, position: int | None = None) -> None:
        self.position = position
        super().__init__(message)


class InvalidFilter(InvalidArgument):
    """A filter is not declared, or its value is not of its kind.

    Attributes:
        parameter: the name of the parameter, such as ``title__icontains``; empty where a whole group is wrong.
    """

    def __init__(self, message: str, *, parameter: str = "") -> None:
        self.parameter = parameter
        super().__init__(message)


class InvalidSort(InvalidArgument):
    """A sort names something that is not declared.

    Attributes:
        name: what it names; empty where the whole text is wrong.
    """

    def __init__(self, message: str, *, name: str = "") -> None:
        self.name = name
        super().__init__(message)


class InvalidToken(InvalidArgument):
    """A consistency token cannot be used; a request without one reads what any replica has.

    Attributes:
        reason: ``malformed``, ``version``, ``signature`` or ``expired``.
    """

    def __init__(self, message: str, *, reason: str = "malformed") -> None:
        self.reason = reason
        super().__init__(message)


class NotFound(BatchRepoError, LookupError):
    """No row has this key, or the scope's row criteria hide it.

    Attributes:
        entity: the name of the entity class that was asked for.
        keys: the keys without a row, in the order asked.
    """

    def __init__(self, entity: str, keys: Sequence[Any]) -> None:
        self.entity = entity
        self.keys = tuple(keys)
        shown = ", ".join(repr(key) for key in self.keys[:10])
        more = f" and {len(self.keys) - 10} more" if len(self.keys) > 10 else ""
        what = "key" if len(self.keys) == 1 else "keys"
        super().__init__(f"{entity} has no row for {what} {shown}{more}.")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.entity, self.keys)


class ScopeError(BatchRepoError):
    """A scope was used in a way that its rules forbid."""


class ScopeClosed(ScopeError):
    """The scope has ended; its entities are detached and its loaders gone."""


class NestedScope(ScopeError):
    """A scope with another context was opened inside a scope."""


class MissingContext(ScopeError):
    """Row criteria of an entity need a context value that this scope does not have."""


class UnsavedChanges(ScopeError):
    """An entity was changed outside a transaction, where nothing would save it."""


RowErrorKind = Literal[
    "unique",
    "foreign_key",
    "not_null",
    "check",
    "value",
    "duplicate",
    "forbidden",
    "not_found",
    "stale",
    "other",
]
"""Why a row was refused: a constraint of the database; a value that its column does not take; a key that the input
has twice; a row outside of what the scope may write; a key without a row; a version that is not the row's any more."""


@dataclass(frozen=True, slots=True)
class RowError:
    """One row that was refused.

    Attributes:
        index: its place in the input, counted from 0.
        kind: why.
        message: the same in words, for people.
        key: its primary key, as far as the input has it; None otherwise.
        constraint: the name of the constraint, where the database says it.
        columns: the attributes that it is about, as far as they are known.
    """

    index: int
    kind: RowErrorKind
    message: str
    key: Any = None
    constraint: str | None = None
    columns: tuple[str, ...] = ()


class TransactionError(ScopeError):
    """A transaction was used by another task than its own, after its end, or where there can be none."""


class WriteError(BatchRepoError):
    """Something was not written, and what was begun with it was taken back.

    Attributes:
        entity: the name of the entity class.
        rows: the rows that were refused, in the order of the input; empty where it is not known which.
        resume: of a bulk write with ``commit_every``: how many rows of the input are committed; go on from there.
    """

    def __init__(self, message: str, entity: str = "", rows: Sequence[RowError] = ()) -> None:
        self.resume: int | None = None
        self.entity = entity
        self.rows = tuple(rows)
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (*self.args, self.entity, self.rows), {"resume": self.resume}


class BulkError(WriteError):
    """Rows of a bulk write were refused, and so nothing was written."""


class StaleRows(WriteError):
    """Rows have another version than the one that was read: somebody else has changed or deleted them."""


class ForbiddenWrite(WriteError):
    """A row is, or would become, one that the scope's row criteria hide."""


class LoadError(BatchRepoError):
    """A load could not be done."""


class MissingRelated(LoadError):
    """A field of a view needs a related row that does not exist, or that the scope may not see."""


class LazyLoad(LoadError):
    """An attribute that nobody loaded was touched where it cannot be loaded."""


class LoaderCycle(LoadError):
    """A batch waits, directly or through other batches, for its own result."""


class BatchContract(LoadError, TypeError):
    """A batch function returned something else than one value for each key."""


class BatchTimeout(LoadError, TimeoutError):
    """A batch function took longer than its timeout."""


class RowsLocked(BatchRepoError):
    """Rows that were to be locked are locked by somebody else; trying again later may succeed."""


class StatementBudgetExceeded(BatchRepoError):
    """The scope tried to run more statements than its budget allows."""


class UnguardedStatement(BatchRepoError):
    """Row criteria exist that cannot be put on this statement."""


class StrategyRefused(BatchRepoError):
    """A strategy that was asked for by name cannot run this plan; the message says why."""


class DatabaseUnavailable(BatchRepoError, ConnectionError):
    """No connection could be had: the pool is exhausted or the server does not answer."""


class PrimaryUnavailable(DatabaseUnavailable):
    """The primary is away, which writes need, and reads that must see what was just written. Try again later.

    Attributes:
        retry_after: in how many seconds it will have been looked for again.
    """

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class EndpointDown(DatabaseUnavailable):
    """A server was taken out while a statement ran on it."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence with the nearest right names, or the first few that exist.

    Returns a text that starts with a space, so that it can follow any sentence.
    """
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return " Did you mean " + " or ".join(repr(n) for n in near) + "?"
    if not names:
        return ""
    shown = ", ".join(names[:12])
    return f" It has: {shown}{', ...' if len(names) > 12 else ''}."
