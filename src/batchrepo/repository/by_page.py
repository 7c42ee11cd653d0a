"""Reading pages: of the rows themselves, of what a relation leads to, by number, chunk by chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, overload

from pydantic import BaseModel

from batchrepo.declare.repository_info import DEFAULT_SIZE, LARGEST_SIZE
from batchrepo.errors import InvalidArgument
from batchrepo.plan.pages import read_request
from batchrepo.repository.arguments import (
    check_chunk_size,
    check_conditions,
    check_include,
    check_numbered,
    check_progress,
    check_view,
    refuse_include,
    view_first,
)
from batchrepo.repository.paging import flattened
from batchrepo.repository.parts import RepositoryParts
from batchrepo.scope.related_pages import PageArguments

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from sqlalchemy.orm import QueryableAttribute

    from batchrepo.declare.elements import Condition
    from batchrepo.plan.fieldsets import Fieldset
    from batchrepo.plan.pages import JsonNumberedPage, JsonPage, NumberedPage, Page, PageRequest, Total

E = TypeVar("E")
V = TypeVar("V", bound=BaseModel)
C = TypeVar("C")


class ReadsByPage(RepositoryParts[E]):
    """Rows by pages."""

    page_size: ClassVar[int] = DEFAULT_SIZE
    """Rows on a page where the caller gives no size."""

    max_page_size: ClassVar[int] = LARGEST_SIZE
    """The most rows that a page may be asked to have."""

    max_offset: ClassVar[int] = 10_000
    """How many rows a page by number may leave out before it."""

    @overload
    async def page(
        self,
        *where: Condition,
        order_by: Any = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        total: Total = None,
        include: Sequence[QueryableAttribute[Any]] = (),
    ) -> Page[E]: ...
    @overload
    async def page(
        self,
        view: type[V],
        /,
        *where: Condition,
        order_by: Any = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        total: Total = None,
        strategy: str | None = None,
    ) -> Page[V]: ...
    async def page(
        self,
        *where: Any,
        order_by: Any = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        total: Total = None,
        include: Sequence[Any] = (),
        strategy: str | None = None,
    ) -> Any:
        """A page of the rows that meet all conditions: nearly as fast at row 1,000,000 as at the first one.

        One statement, and one more where a total is asked for.

        Args:
            where: SQL conditions; the first argument may be a view.
            order_by: default: the repository's ``default_order``. The primary key is appended, so that no
                two rows have the same place.
            first: at most so many rows from the start, by default ``page_size``.
            after: the cursor of a row; only rows behind it.
            last: at most so many rows from the end; they come in the same order.
            before: the cursor of a row; only rows before it.
            total: count the rows of all pages: "exact", ``capped(1_000)``, or "estimated" (PostgreSQL).
            include: relations to read with entities.
            strategy: for a view, the name of a strategy instead of the planner's choice.

        Raises:
            InvalidCursor: a cursor is damaged, or was made for another order, filter or row criteria.
            InvalidArgument: a size is greater than ``max_page_size``, or arguments contradict each other.
        """
        view, conditions = view_first(where)
        order = check_conditions(conditions, order_by)
        request = self._request(first, after, last, before, total)
        if view is None:
            if strategy is not None:
                raise InvalidArgument(f"strategy={strategy!r} goes with a view; entities have none.")
            check_include(self._entity, include)
            return await self._pager.entities(conditions, order, request, include)
        refuse_include(view, include)
        return await self._pager.views(view, conditions, order, request, strategy)

    async def page_json(
        self,
        view: type[BaseModel],
        /,
        *where: Condition,
        order_by: Any = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        total: Total = None,
        fields: str | Fieldset | None = None,
        by_alias: bool = True,
        strategy: str | None = None,
    ) -> JsonPage:
        """As `page` with a view, but as the bytes of a response, with an entity tag.

        With `fields`, such as ``"id,title,artist(name)"``, only these are read and delivered, as by `find_json`.
        """
        order = check_conditions(where, order_by)
        request = self._request(first, after, last, before, total)
        return await self._pager.json(check_view(view), where, order, request, by_alias, strategy, fields)

    @overload
    async def related_page(
        self,
        key: Any,
        attribute: QueryableAttribute[list[C]],
        *where: Condition,
        order_by: Any = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        total: Literal["exact"] | None = None,
    ) -> Page[C]: ...
    @overload
    async def related_page(
        self,
        key: Any,
        attribute: QueryableAttribute[Any],
        view: type[V],
        /,
        *where: Condition,
        order_by: Any = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        total: Literal["exact"] | None = None,
    ) -> Page[V]: ...
    async def related_page(
        self,
        key: Any,
        attribute: Any,
        *where: Any,
        order_by: Any = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        total: Literal["exact"] | None = None,
    ) -> Any:
        """A page of what a relation of the row with this primary key leads to.

        Batched with concurrent calls; `Scope.related_page` does the same for an entity that is there already.

        Args:
            key: the primary key.
            attribute: a to-many relationship, such as ``Album.tracks``.
            where: conditions on the related rows; the first one may be a view.
            order_by: default: the relationship's own order. The primary key is appended.
            first: at most so many rows from the start; default and bound are those of the rows' repository.
            after: the cursor of a row; only rows behind it.
            last: at most so many rows from the end.
            before: the cursor of a row; only rows before it.
            total: "exact" counts the rows of all pages, with one more statement.

        Raises:
            NotFound: there is no row with this key (that this scope may see).
            InvalidCursor: a cursor is damaged, or was made for another order, filter or row criteria.
            InvalidArgument: the attribute is no to-many relationship, or an argument cannot be used.
        """
        view, conditions = view_first(where)
        arguments = PageArguments(conditions, order_by, first, after, last, before, total)
        (checked,) = self._checked([key])
        return await self.scope.related_pages.of_key(self._info, checked, attribute, view, arguments)

    async def related_page_json(
        self,
        key: Any,
        attribute: QueryableAttribute[Any],
        view: type[BaseModel],
        /,
        *where: Condition,
        order_by: Any = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        total: Literal["exact"] | None = None,
        fields: str | Fieldset | None = None,
        by_alias: bool = True,
    ) -> JsonPage:
        """As `related_page` with a view, but as the bytes of a response, with an entity tag."""
        arguments = PageArguments(where, order_by, first, after, last, before, total)
        (checked,) = self._checked([key])
        return await self.scope.related_pages.json_of_key(
            self._info, checked, attribute, check_view(view), arguments, fields=fields, by_alias=by_alias
        )

    @overload
    async def numbered_page(
        self,
        *where: Condition,
        number: int = 1,
        size: int | None = None,
        order_by: Any = None,
        total: Literal["exact"] | None = "exact",
    ) -> NumberedPage[E]: ...
    @overload
    async def numbered_page(
        self,
        view: type[V],
        /,
        *where: Condition,
        number: int = 1,
        size: int | None = None,
        order_by: Any = None,
        total: Literal["exact"] | None = "exact",
    ) -> NumberedPage[V]: ...
    async def numbered_page(
        self,
        *where: Any,
        number: int = 1,
        size: int | None = None,
        order_by: Any = None,
        total: Literal["exact"] | None = "exact",
    ) -> Any:
        """A page by its number, for those who must have numbers.

        The database reads all rows before the page too, and rows that come or go meanwhile are seen twice or
        never: prefer `page`. How deep numbers go is bounded by ``max_offset``.

        Args:
            where: SQL conditions; the first argument may be a view.
            number: of the page, counted from 1.
            size: rows on a page, by default ``page_size``.
            order_by: default: the repository's ``default_order``; the primary key is appended.
            total: "exact" counts all rows, with one more statement; None does not.

        Raises:
            InvalidArgument: the page is too large, or too deep.
        """
        view, conditions = view_first(where)
        order = check_conditions(conditions, order_by)
        size = check_numbered(number, size, total, self)
        return await self._pager.numbered(view, conditions, order, number, size, total)

    async def numbered_page_json(
        self,
        view: type[BaseModel],
        /,
        *where: Condition,
        number: int = 1,
        size: int | None = None,
        order_by: Any = None,
        total: Literal["exact"] | None = "exact",
        fields: str | Fieldset | None = None,
        by_alias: bool = True,
    ) -> JsonNumberedPage:
        """As `numbered_page` with a view, but as the bytes of a response; `fields` as in `page_json`."""
        order = check_conditions(where, order_by)
        size = check_numbered(number, size, total, self)
        return await self._pager.numbered_json(
            check_view(view), where, order, number, size, total, by_alias=by_alias, fields=fields
        )

    @overload
    def chunks(
        self,
        *where: Condition,
        order_by: Any = None,
        after: str | None = None,
        size: int = 500,
        progress: Callable[[int], None] | None = None,
    ) -> AsyncIterator[Page[E]]: ...
    @overload
    def chunks(
        self,
        view: type[V],
        /,
        *where: Condition,
        order_by: Any = None,
        after: str | None = None,
        size: int = 500,
        progress: Callable[[int], None] | None = None,
    ) -> AsyncIterator[Page[V]]: ...
    def chunks(
        self,
        *where: Any,
        order_by: Any = None,
        after: str | None = None,
        size: int = 500,
        progress: Callable[[int], None] | None = None,
    ) -> AsyncIterator[Page[Any]]:
        """All rows that meet all conditions, chunk by chunk, in constant memory.

        As `stream`, with ``end_cursor`` on each chunk: keep it, and a job that was stopped goes on with
        ``after=``.

        Args:
            where: SQL conditions; the first argument may be a view.
            order_by: default: the primary key.
            after: the cursor of a row; only rows behind it.
            size: rows in a chunk, 1 or more.
            progress: a plain function, called with the number of rows so far, after each chunk.

        Raises:
            InvalidCursor: the cursor is damaged, or was made for another order, filter or row criteria.
        """
        view, conditions = view_first(where)
        order = check_conditions(conditions, order_by)
        check_chunk_size(size)
        check_progress(progress)
        return self._pager.chunks(view, conditions, order or (), after, size, progress)

    @overload
    def stream(
        self,
        *where: Condition,
        order_by: Any = None,
        after: str | None = None,
        chunk_size: int = 500,
        progress: Callable[[int], None] | None = None,
    ) -> AsyncIterator[E]: ...
    @overload
    def stream(
        self,
        view: type[V],
        /,
        *where: Condition,
        order_by: Any = None,
        after: str | None = None,
        chunk_size: int = 500,
        progress: Callable[[int], None] | None = None,
    ) -> AsyncIterator[V]: ...
    def stream(
        self,
        *where: Any,
        order_by: Any = None,
        after: str | None = None,
        chunk_size: int = 500,
        progress: Callable[[int], None] | None = None,
    ) -> AsyncIterator[Any]:
        """All rows that meet all conditions, in constant memory.

        Each chunk is one read that starts behind the last row of the chunk before, so no connection is
        held between chunks. Relations are batched for each chunk; what was loaded for the entities of a
        chunk is forgotten when the next one begins. `chunks` gives the chunks themselves.

        Args:
            where: SQL conditions; the first argument may be a view.
            order_by: default: the primary key.
            after: the cursor of a row; only rows behind it.
            chunk_size: rows in a chunk, 1 or more.
            progress: a plain function, called with the number of rows so far, after each chunk.

        Raises:
            InvalidCursor: the cursor is damaged, or was made for another order, filter or row criteria.
        """
        view, conditions = view_first(where)
        order = check_conditions(conditions, order_by)
        check_chunk_size(chunk_size, "chunk_size")
        check_progress(progress)
        return flattened(self._pager.chunks(view, conditions, order or (), after, chunk_size, progress))

    def _request(
        self,
        first: int | None,
        after: str | None,
        last: int | None,
        before: str | None,
        total: Total,
    ) -> PageRequest:
        return read_request(
            first=first,
            after=after,
            last=last,
            before=before,
            total=total,
            default=self.page_size,
            largest=self.max_page_size,
        )
