"""Pages: what a caller asks for, and what he gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any, Generic, Literal

from pydantic import BaseModel, ConfigDict, Field, SkipValidation
from pydantic_core import to_json
from typing_extensions import TypeVar

from batchrepo.errors import InvalidArgument
from batchrepo.mapping.entity import shown

T = TypeVar("T", default=Any)

TotalKind = Literal["exact", "at_least", "estimated"]
"""How a total is meant: counted, counted up to a cap that was reached, or taken from the planner's statistics."""


class Page(BaseModel, Generic[T]):
    """A part of an ordered whole, with cursors to go on from.

    As the type of a view's field it pages a relation for each parent: ``tracks: Page[TrackView]``.

    Attributes:
        items: in the order that was asked for, also where the page was read backward.
        has_next: whether there are rows behind the last item.
        has_previous: whether there are rows before the first item.
        start_cursor: of the first item, for ``before=``; None for an empty page.
        end_cursor: of the last item, for ``after=``; None for an empty page.
        total: how many rows there are on all pages, or None where nobody asked.
        total_is: how `total` is meant.
        cursors: one for each item; not a part of the JSON.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    items: list[T]
    has_next: bool
    has_previous: bool
    start_cursor: str | None = None
    end_cursor: str | None = None
    total: int | None = None
    total_is: TotalKind | None = None
    cursors: Annotated[Sequence[str], SkipValidation] = Field(default=(), exclude=True, repr=False)


@dataclass(frozen=True)
class JsonPage:
    """A page as the bytes of a response.

    Attributes:
        items: the JSON array of the items.
        has_next: as `Page.has_next`.
        has_previous: as `Page.has_previous`.
        start_cursor: as `Page.start_cursor`.
        end_cursor: as `Page.end_cursor`.
        total: as `Page.total`.
        total_is: as `Page.total_is`.
    """

    items: bytes
    has_next: bool
    has_previous: bool
    start_cursor: str | None = None
    end_cursor: str | None = None
    total: int | None = None
    total_is: TotalKind | None = None

    @cached_property
    def body(self) -> bytes:
        """The JSON object of the whole page, as `Page` has it."""
        return _body_of(self, _BESIDE_ITEMS)

    @cached_property
    def etag(self) -> str:
        """A weak entity tag of the body: a response that is compressed on its way is still the same."""
        return etag_of(self.body)


_BESIDE_ITEMS = ("has_next", "has_previous", "start_cursor", "end_cursor", "total", "total_is")


def _body_of(page: JsonPage | JsonNumberedPage, beside_items: Sequence[str]) -> bytes:
    rest = {name: getattr(page, name) for name in beside_items}
    return b'{"items":' + page.items + b"," + to_json(rest)[1:]


def etag_of(body: bytes) -> str:
    """A weak entity tag of a representation (RFC 9110, section 8.8.3)."""
    # SHA-256, since most processors compute it themselves: half the time of BLAKE2.
    return f'W/"{sha256(body).hexdigest()[:32]}"'


class NumberedPage(BaseModel, Generic[T]):
    """A page by its number, for those who must have numbers; deep ones are slow.

    Attributes:
        items: the rows of the page.
        number: of the page, counted from 1.
        size: rows on a full page.
        total: how many rows there are, or None where nobody asked.
        pages: how many pages there are, or None where nobody asked.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    items: list[T]
    number: int
    size: int
    total: int | None = None
    pages: int | None = None


@dataclass(frozen=True)
class JsonNumberedPage:
    """A page by its number, as the bytes of a response.

    Attributes:
        items: the JSON array of the items.
        number: as `NumberedPage.number`.
        size: as `NumberedPage.size`.
        total: as `NumberedPage.total`.
        pages: as `NumberedPage.pages`.
    """

    items: bytes
    number: int
    size: int
    total: int | None = None
    pages: int | None = None

    @cached_property
    def body(self) -> bytes:
        """The JSON object of the whole page, as `NumberedPage` has it."""
        return _body_of(self, ("number", "size", "total", "pages"))

    @cached_property
    def etag(self) -> str:
        """A weak entity tag of the body."""
        return etag_of(self.body)


@dataclass(frozen=True, slots=True)
class Capped:
    """Count up to `limit` rows, and then say "at least so many". Made by `capped`."""

    limit: int


Total = Literal["exact", "estimated"] | Capped | None
"""How a total is asked for."""


def capped(limit: int) -> Capped:
    """A total that is counted up to `limit` rows: past it, ``total`` is the limit and ``total_is`` "at_least".

    Raises:
        InvalidArgument: it is no number of rows.
    """
    if not is_integer(limit) or not 1 <= limit <= _LARGEST:
        raise InvalidArgument(f"capped() expects a number of rows, 1 or more; got {limit!r:.100}.")
    return Capped(limit)


_LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is asked for.

    Attributes:
        size: at most so many items.
        backward: read from the end (``last``, ``before``) instead of from the start.
        after: only rows behind this cursor.
        before: only rows before this cursor.
        total: whether and how all rows are counted.
    """

    size: int
    backward: bool = False
    after: str | None = None
    before: str | None = None
    total: Total = None

    @property
    def start(self) -> str | None:
        """The cursor where reading starts."""
        return self.before if self.backward else self.after

    @property
    def stop(self) -> str | None:
        """The cursor where reading stops."""
        return self.after if self.backward else self.before


def read_request(
    *,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    total: Total,
    default: int,
    largest: int,
) -> PageRequest:
    """What ``first=, after=, last=, before=, total=`` ask for.

    Without a size, ``before`` alone pages backward and everything else forward, by the default size.

    Args:
        first: size of a page from the start.
        after: a cursor.
        last: size of a page from the end.
        before: a cursor.
        total: how to count.
        default: the size where none is given.
        largest: the greatest size.

    Raises:
        InvalidArgument: the arguments contradict each other, or one cannot be used.
    """
    if first is not None and last is not None:
        raise InvalidArgument("first= and last= ask for two different pages. Give one of them.")
    for name, size in (("first", first), ("last", last)):
        if size is not None and (not is_integer(size) or not 0 <= size <= largest):
            raise InvalidArgument(f"{name}= expects a number of rows from 0 to {largest}; got {size!r:.100}.")
    check_total(total)
    backward = last is not None or (first is None and before is not None and after is None)
    size = last if last is not None else first
    return PageRequest(default if size is None else size, backward, after, before, total)


def check_total(total: Any) -> None:
    """Check how a total is asked for.

    Raises:
        InvalidArgument: it is something else than None, "exact", "estimated" or ``capped(n)``.
    """
    if total is None or isinstance(total, Capped) or total in ("exact", "estimated"):
        return
    raise InvalidArgument(f'total= expects None, "exact", "estimated" or capped(1_000); got {shown(total)}.')


def item_of(model: type[Any] | None) -> Any:
    """What the items of a `Page` type are; None for any other type."""
    if isinstance(model, type) and issubclass(model, Page):
        arguments = model.__pydantic_generic_metadata__["args"]
        return arguments[0] if arguments else None
    return None


def is_integer(value: Any) -> bool:
    """Whether it is a whole number; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)
