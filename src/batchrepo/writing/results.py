"""What bulk writes say: how many rows, what came back, how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from batchrepo.errors import RowError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BulkProgress:
    """How far a bulk write is.

    Attributes:
        read: rows taken from the input.
        written: rows written so far (in the transaction, or committed with ``commit_every``).
        total: rows of the input, where it says its length.
        seconds: since the beginning.
    """

    read: int
    written: int
    total: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class BulkResult(Generic[T]):
    """What a bulk write did.

    Attributes:
        count: rows inserted, updated or deleted. Of an upsert: rows inserted or updated.
        rows: what ``returning=`` asked for, in the order of the input; empty where nothing was. With
            ``on_error="collect"`` only of the rows that were written.
        errors: rows that were refused, with ``on_error="collect"``; in the order of the input.
        method: the way that was taken, such as ``copy``.
        statements: how many statements it took.
    """

    count: int
    rows: list[T] = field(default_factory=list)
    errors: tuple[RowError, ...] = ()
    method: str = ""
    statements: int = 0
