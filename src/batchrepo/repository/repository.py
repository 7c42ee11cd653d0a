"""Repository: what a user declares, and what a user calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar, get_args, get_origin, overload

from pydantic import BaseModel

from batchrepo.declare.filter_groups import condition_of
from batchrepo.declare.orders import parse_order, total_order
from batchrepo.declare.repository_info import DEFAULT_SIZE, LARGEST_SIZE
from batchrepo.errors import DeclarationError, InvalidArgument, NotFound
from batchrepo.mapping.entity import shown
from batchrepo.mapping.keys import key_values
from batchrepo.plan.pages import read_request
from batchrepo.repository.arguments import (
    check_chunk_size,
    check_conditions,
    check_include,
    check_limit,
    check_many,
    check_numbered,
    check_progress,
    check_view,
    lookup_columns,
    refuse_include,
    view_first,
)
from batchrepo.repository.finding import Finder
from batchrepo.repository.paging import Pager, flattened
from batchrepo.scope.related_pages import PageArguments
from batchrepo.sql.filter_values import FilterValues
from batchrepo.sql.key_checks import check_keys
from batchrepo.sql.rows import Lookup

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

    from sqlalchemy.orm import QueryableAttribute
    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.criteria import Criterion
    from batchrepo.declare.orders import OrderTerm
    from batchrepo.declare.repository_info import Policy, RepositoryInfo
    from batchrepo.mapping import ColumnInfo
    from batchrepo.plan.fieldsets import Fieldset
    from batchrepo.plan.pages import JsonPage, NumberedPage, Page, PageRequest, Total
    from batchrepo.scope import Scope

E = TypeVar("E")
V = TypeVar("V", bound=BaseModel)
C = TypeVar("C")


class Repository(Generic[E]):
    """Reads one entity. Subclass it with the entity: ``class AlbumRepository(Repository[Album])``.

    Every relationship of the mapper is batched without a declaration. A subclass may declare:

    - computed attributes: ``album_count = count(Artist.albums)``;
    - ``default_order``: of `find`, `first` and pages, such as ``(Album.title,)``; the primary key is appended;
    - ``criteria``: which rows a scope may see: ``(match(Album.tenant_id, lambda ctx: ctx.tenant),)``;
    - ``page_size``, ``max_page_size``, ``max_offset``: bounds of pages;
    - ``sortable`` and ``filterable``: what outside callers may sort and filter by; methods with ``@named_filter``
      are filters too;
    - ``loading``: how relations are loaded with their parents: ``{Album.artist: "join"}``.

    Args:
        scope: an open scope of a Database with which this class is registered.

    Raises:
        InvalidArgument: the class is not registered.
    """

    entity_class: ClassVar[type[Any]]
    """The entity, from the class's parameter."""

    default_order: ClassVar[Any] = ()
    """The order of `find` and `first` where the caller gives none."""

    page_size: ClassVar[int] = DEFAULT_SIZE
    """Rows on a page where the caller gives no size."""

    max_page_size: ClassVar[int] = LARGEST_SIZE
    """The most rows that a page may be asked to have."""

    max_offset: ClassVar[int] = 10_000
    """How many rows a page by number may leave out before it."""

    sortable: ClassVar[Sequence[Any]] = ()
    """What outside callers may sort by: ``(Album.title, duration, Album.released.nulls_last())``; see `sorting`."""

    filterable: ClassVar[Mapping[Any, Any]] = {}
    """What outside callers may filter by, and with which operators: ``{Album.title: (eq, icontains)}``; see `filters`."""

    criteria: ClassVar[Sequence[Criterion]] = ()
    """Row criteria, made with ``match`` and ``predicate``."""

    loading: ClassVar[Mapping[Any, Policy]] = {}
    """Policies by relationship: ``batch``, ``join``, ``select_in``, ``forbid``."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for base in cls.__dict__.get("__orig_bases__", ()):
            origin, args = get_origin(base), get_args(base)
            if isinstance(origin, type) and issubclass(origin, Repository) and isinstance(args[0], type):
                _check_entity_class(cls, args[0])
                cls.entity_class = args[0]
        for base in cls.__bases__:
            inherited = getattr(base, "entity_class", None)
            if inherited is not None:
                _check_entity_class(cls, inherited)

    def __init__(self, scope: Scope) -> None:
        scope.check_open()
        info = scope.reading.catalog.by_class.get(type(self))
        if info is None:
            raise InvalidArgument(
                f"{type(self).__name__} is not registered. Name it in Database(..., repositories=[...])."
            )
        self.scope = scope
        self._info: RepositoryInfo = info
        self._entity = info.entity
        self._finder: Finder[E] = Finder(scope, info)
        self._pager: Pager[E] = Pager(self._finder)

    # --- by key ---------------------------------------------------------------------------------

    @overload
    async def get(self, key: Any) -> E: ...
    @overload
    async def get(self, key: Any, view: type[V]) -> V: ...
    async def get(self, key: Any, view: type[V] | None = None) -> E | V:
        """The row with this primary key; batched with concurrent calls.

        Args:
            key: the primary key; for a composite one a tuple in its columns' order.
            view: gives a view instead of the entity.

        Raises:
            NotFound: there is no such row (that this scope may see).
            InvalidArgument: the key has the wrong shape or type.
        """
        found = await self.get_or_none(key, view) if view is not None else await self.get_or_none(key)
        if found is None:
            raise NotFound(self._entity.name, [key])
        return found

    @overload
    async def get_or_none(self, key: Any) -> E | None: ...
    @overload
    async def get_or_none(self, key: Any, view: type[V]) -> V | None: ...
    async def get_or_none(self, key: Any, view: type[V] | None = None) -> E | V | None:
        """As `get`, but None where there is no such row."""
        (checked,) = self._checked([key])
        if view is not None:
            return await self._view_loader(view).load(checked)  # type: ignore[no-any-return]
        found: E | None = self.scope.loaders.known(self._entity, checked)
        if found is None:
            found = await self.scope.loaders.entity(self._entity).load(checked)
        return found

    @overload
    async def get_many(self, keys: Iterable[Any]) -> list[E]: ...
    @overload
    async def get_many(self, keys: Iterable[Any], view: type[V]) -> list[V]: ...
    async def get_many(self, keys: Iterable[Any], view: type[V] | None = None) -> list[E] | list[V]:
        """The rows with these primary keys, in the order of the keys, duplicates included.

        Raises:
            NotFound: some keys have no row; it names them all.
            InvalidArgument: a key has the wrong shape or type.
        """
        asked = check_many(keys)
        checked = self._checked(asked)
        found = await self._by_keys(checked, view)
        self._refuse_missing(checked, asked, found)
        return found

    @overload
    async def get_many_or_none(self, keys: Iterable[Any]) -> list[E | None]: ...
    @overload
    async def get_many_or_none(self, keys: Iterable[Any], view: type[V]) -> list[V | None]: ...
    async def get_many_or_none(
        self, keys: Iterable[Any], view: type[V] | None = None
    ) -> list[E | None] | list[V | None]:
        """As `get_many`, with None for each key that has no row."""
        return await self._by_keys(self._checked(check_many(keys)), view)

    async def get_json(
        self,
        key: Any,
        view: type[BaseModel],
        *,
        fields: str | Fieldset | None = None,
        by_alias: bool = True,
    ) -> bytes:
        """As `get` with a view, but the JSON object, as bytes.

        Args:
            key: the primary key; for a composite one a tuple in its columns' order.
            view: what is read.
            fields: only these fields of the view, as in `find_json`.
            by_alias: whether fields have their (serialization) aliases as names.

        Raises:
            NotFound: there is no such row (that this scope may see).
            InvalidArgument: the key has the wrong shape or type.
            InvalidFields: the view does not have one of the fields.
        """
        return (await self.get_many_json([key], view, fields=fields, by_alias=by_alias))[1:-1]

    async def get_many_json(
        self,
        keys: Iterable[Any],
        view: type[BaseModel],
        *,
        fields: str | Fieldset | None = None,
        by_alias: bool = True,
    ) -> bytes:
        """As `get_many` with a view, but the JSON array, as bytes; the arguments are those of `get_json`.

        Raises:
            NotFound: some keys have no row; it names them all.
            InvalidArgument: a key has the wrong shape or type.
            InvalidFields: the view does not have one of the fields.
        """
        asked = check_many(keys)
        checked = self._checked(asked)
        delivery, compiled, _ = self.scope.reading.json(
            check_view(view), self._entity, self._info, fields=fields, by_alias=by_alias
        )
        found = await self.scope.loaders.dicts_by_key(self._entity, compiled).load_many(checked)
        self._refuse_missing(checked, asked, found)
        return delivery.json(found, by_alias=by_alias)

    @overload
    async def find_by(
        self, columns: QueryableAttribute[Any] | tuple[QueryableAttribute[Any], ...], key: Any
    ) -> list[E]: ...
    @overload
    async def find_by(
        self, columns: QueryableAttribute[Any] | tuple[QueryableAttribute[Any], ...], key: Any, view: type[V]
    ) -> list[V]: ...
    async def find_by(self, columns: Any, key: Any, view: type[V] | None = None) -> list[E] | list[V]:
        """The rows whose columns equal a key; batched with concurrent calls.

        Args:
            columns: one column or a tuple of columns, unique or not: ``Album.title``.
            key: the value, or a tuple of values. A None in it equals no row.
            view: gives views instead of entities.

        Returns:
            The rows in the order of the primary key.
        """
        (rows,) = await self.find_by_many(columns, [key], view)
        return rows

    @overload
    async def find_by_many(self, columns: Any, keys: Iterable[Any], view: None = None) -> list[list[E]]: ...
    @overload
    async def find_by_many(self, columns: Any, keys: Iterable[Any], view: type[V]) -> list[list[V]]: ...
    async def find_by_many(
        self, columns: Any, keys: Iterable[Any], view: type[V] | None = None
    ) -> list[list[E]] | list[list[V]]:
        """As `find_by` for many keys: a list of rows for each, in the order of the keys."""
        infos = lookup_columns(self._entity, columns)
        values = [key_values(self._entity.name, infos, key) for key in check_many(keys)]
        complete = [all(part is not None for part in value) for value in values]
        present = [value for value, whole in zip(values, complete, strict=True) if whole]
        checked = self._checked([value[0] for value in present] if len(infos) == 1 else present, infos)
        found = iter(await self._column_loader(infos, view).load_many(checked))
        return [list(next(found)) if whole else [] for whole in complete]

    # --- by condition ---------------------------------------------------------------------------

    @overload
    async def find(
        self,
        *where: ColumnElement[bool],
        order_by: Any = None,
        limit: int | None = None,
        include: Sequence[QueryableAttribute[Any]] = (),
    ) -> list[E]: ...
    @overload
    async def find(
        self,
        view: type[V],
        /,
        *where: ColumnElement[bool],
        order_by: Any = None,
        limit: int | None = None,
        strategy: str | None = None,
    ) -> list[V]: ...
    async def find(
        self,
        *where: Any,
        order_by: Any = None,
        limit: int | None = None,
        include: Sequence[Any] = (),
        strategy: str | None = None,
    ) -> Any:
        """The rows that meet all conditions.

        Args:
            where: SQL conditions, such as ``Album.title.icontains("rock")``; the first argument may be a view.
            order_by: default: the repository's ``default_order``.
            limit: at most so many rows.
            include: relations to read with the entities.
            strategy: for a view, the name of a strategy instead of the planner's choice.
        """
        view, conditions = view_first(where)
        check_conditions(conditions, order_by)
        check_limit(limit)
        if view is None:
            if strategy is not None:
                raise InvalidArgument(f"strategy={strategy!r} goes with a view; entities have none.")
            check_include(self._entity, include)
            return await self._finder.entities(conditions, order_by, limit, include)
        refuse_include(view, include)
        return await self._finder.views(view, conditions, order_by, limit, strategy)

    async def find_json(
        self,
        view: type[BaseModel],
        /,
        *where: ColumnElement[bool],
        order_by: Any = None,
        limit: int | None = None,
        fields: str | Fieldset | None = None,
        by_alias: bool = True,
        strategy: str | None = None,
    ) -> bytes:
        """As `find` with a view, but the JSON array of the views, as bytes.

        Views whose values need no validation (plain fields of the columns' own types) are not made at all.

        Args:
            view: a Pydantic model.
            where: SQL conditions.
            order_by: default: the repository's ``default_order``.
            limit: at most so many rows.
            fields: only these fields of the view are read and in the answer, such as
                ``id,title,artist(name)``; the names are those of the answer. Default: all.
            by_alias: whether fields have their (serialization) aliases as names.
            strategy: the name of a strategy instead of the planner's choice.

        Raises:
            InvalidFields: `fields` cannot be read, or names what the view does not have.
        """
        check_conditions(where, order_by)
        check_limit(limit)
        check_view(view)
        return await self._finder.json(view, where, order_by, limit, by_alias, strategy, fields)

    @overload
    async def first(self, *where: ColumnElement[bool], order_by: Any = None) -> E | None: ...
    @overload
    async def first(
        self, view: type[V], /, *where: ColumnElement[bool], order_by: Any = None
    ) -> V | None: ...
    async def first(self, *where: Any, order_by: Any = None) -> Any:
        """The first row that meets all conditions, or None."""
        view, conditions = view_first(where)
        check_conditions(conditions, order_by)
        order = total_order(parse_order(order_by) or self._info.default_order, self._entity)
        if view is not None:
            rows: list[Any] = await self._finder.views(view, conditions, order, 1, None)
        else:
            rows = await self._finder.entities(conditions, order, 1, ())
        return rows[0] if rows else None

    async def count(self, *where: ColumnElement[bool]) -> int:
        """How many rows meet all conditions."""
        check_conditions(where)
        return await self._finder.count(where)

    async def exists(self, *where: ColumnElement[bool]) -> bool:
        """Whether any row meets all conditions."""
        check_conditions(where)
        return await self._finder.exists(where)

    # --- by pages -------------------------------------------------------------------------------

    @overload
    async def page(
        self,
        *where: ColumnElement[bool],
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
        *where: ColumnElement[bool],
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
        """A page of the rows that meet all conditions: as fast at row 1,000,000 as at the first one.

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
        *where: ColumnElement[bool],
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
        *where: ColumnElement[bool],
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
        *where: ColumnElement[bool],
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
        *where: ColumnElement[bool],
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
        *where: ColumnElement[bool],
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
        *where: ColumnElement[bool],
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

    @overload
    def chunks(
        self,
        *where: ColumnElement[bool],
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
        *where: ColumnElement[bool],
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
        *where: ColumnElement[bool],
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
        *where: ColumnElement[bool],
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

    # --- what outside callers ask for ------------------------------------------------------------

    def filters(self, given: Mapping[str, Any]) -> ColumnElement[bool]:
        """The condition for what a caller sent, checked against ``filterable`` and parsed by Pydantic.

        ``albums.find(albums.filters({"title__icontains": "rock", "track_count__ge": "10"}))``

        Args:
            given: values by parameter, all of which must hold, and groups: ``{"or": [{...}, {...}]}``, ``"and"``,
                ``"not": {...}``. Values may be texts, as in a query string, or of their own types. Nothing given
                is a condition that always holds.

        Raises:
            InvalidFilter: a parameter is not declared, a value is not of its kind, or there are too many; it names
                the parameter, those that exist, and the value.
        """
        values = FilterValues(self.scope.reading.engine.dialect)
        return condition_of(self._info.filters, given, self, values)

    def sorting(self, text: str | Sequence[str]) -> tuple[OrderTerm, ...]:
        """The order that a caller asked for, for any ``order_by=``: ``sorting("-released,title")``.

        Args:
            text: names that ``sortable`` declares, separated by commas or in a list; a ``-`` before a name is
                descending. Without any name it is the repository's ``default_order``.

        Raises:
            InvalidSort: a name is not declared, or is there twice.
        """
        return self._info.sorts.parse(text) or total_order(self._info.default_order, self._entity)

    def _checked(self, keys: Iterable[Any], columns: Sequence[ColumnInfo] | None = None) -> list[Any]:
        return check_keys(
            self._entity.name, columns or self._entity.key, keys, self.scope.reading.engine.dialect
        )

    async def _by_keys(self, checked: list[Any], view: type[BaseModel] | None) -> list[Any]:
        if view is not None:
            return await self._view_loader(view).load_many(checked)  # type: ignore[no-any-return]
        found: list[Any] = await self.scope.loaders.entity(self._entity).load_many(checked)
        return found

    def _refuse_missing(self, checked: Sequence[Any], asked: Sequence[Any], found: Sequence[Any]) -> None:
        missing = {key: given for key, given, row in zip(checked, asked, found, strict=True) if row is None}
        if missing:
            raise NotFound(self._entity.name, list(missing.values()))

    def _view_loader(self, view: type[BaseModel]) -> Any:
        check_view(view)
        delivery, compiled = self.scope.reading.views(view, self._entity, self._info)
        return self.scope.loaders.view_by_key(self._entity, compiled, delivery)

    def _column_loader(self, columns: Sequence[Any], view: type[BaseModel] | None) -> Any:
        if view is None:
            return self.scope.loaders.columns(self._entity, columns)
        check_view(view)
        delivery, compiled = self.scope.reading.views(view, self._entity, self._info)
        lookup = Lookup(self._entity, columns=tuple(columns), order=self._finder.key_order)
        return self.scope.loaders.view(lookup, compiled, delivery)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._entity.name}>"


def _check_entity_class(cls: type[Any], entity: type[Any]) -> None:
    """Refuse an ``entity_class`` that is neither the parameter's nor a subclass of it."""
    own = getattr(cls, "entity_class", None)
    written = "entity_class" in cls.__dict__
    if own is entity or (not written and own is None):
        return
    if not (isinstance(own, type) and issubclass(own, entity)):
        raise DeclarationError(
            f"{cls.__name__}.entity_class is {shown(own)}, but the class is a repository of {shown(entity)}. "
            f"Leave entity_class out."
        )


__all__ = ["DeclarationError", "Repository"]
