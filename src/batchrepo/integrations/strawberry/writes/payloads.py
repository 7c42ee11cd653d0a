"""What fields that write many rows give: the rows that were written, and those that were refused with the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import strawberry

from batchrepo.integrations.refusals import said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchrepo.errors import RowError

T = TypeVar("T")


@strawberry.enum(description="Why a row was refused.")
class RefusalKind(Enum):
    """`RowErrorKind` in GraphQL."""

    UNIQUE = "unique"
    FOREIGN_KEY = "foreign_key"
    NOT_NULL = "not_null"
    CHECK = "check"
    VALUE = "value"
    DUPLICATE = "duplicate"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    STALE = "stale"
    OTHER = "other"


@strawberry.type(description="A row that was not written.")
class Refusal:
    """A row of the input that was not written."""

    index: int = strawberry.field(description="Its place in the input, counted from 0.")
    kind: RefusalKind = strawberry.field(description="Why.")
    message: str = strawberry.field(description="The same in words.")
    columns: list[str] = strawberry.field(
        description="The fields of the input that it is about, as far as it is known."
    )


@strawberry.type(description="What was written of many rows.")
class Written(Generic[T]):
    """As the type of a field that writes many rows: good rows are written, and those that were refused are named."""

    rows: list[T] = strawberry.field(description="The rows that were written, in the order of the input.")
    count: int = strawberry.field(description="How many rows were written.")
    errors: list[Refusal] = strawberry.field(description="The rows that were refused.")


@strawberry.type(description="What was deleted of many rows.")
class Deleted:
    """As the type of a field that deletes many rows: those that are not there, or referred to, are named."""

    count: int = strawberry.field(description="How many rows were deleted.")
    errors: list[Refusal] = strawberry.field(description="The rows that were not deleted.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A `Written` or `Deleted` as resolvers of fields see it.

    Attributes:
        count: how many rows were written.
        errors: the rows that were refused.
        rows: those that were written.
    """

    count: int
    errors: list[Refusal]
    rows: Sequence[Any] = ()


def refusals(errors: Sequence[RowError], named: Callable[[str], str]) -> list[Refusal]:
    """The refused rows as clients see them.

    Args:
        errors: of a bulk write.
        named: gives the name in GraphQL of an attribute.
    """
    return [
        Refusal(
            index=error.index,
            kind=RefusalKind(error.kind),
            message=said(error),
            columns=[named(column) for column in error.columns],
        )
        for error in errors
    ]
