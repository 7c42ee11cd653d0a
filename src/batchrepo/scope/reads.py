"""What a caller reads with a scope: relations and their pages, batched functions, statements of one's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar, TypeVarTuple, overload

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy import inspect
from sqlalchemy.orm import Mapper

from batchrepo.errors import InvalidArgument
from batchrepo.loading import awaited, lazily
from batchrepo.scope.related_pages import PageArguments
from batchrepo.sql.guarding import guard_statement
from batchrepo.strategies.entities import OURS

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine, Iterable

    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import QueryableAttribute
    from sqlalchemy.sql.selectable import Select

    from batchrepo.declare.computed import Computed
    from batchrepo.declare.criteria import Guards
    from batchrepo.declare.elements import Condition
    from batchrepo.loading import Batched
    from batchrepo.plan.pages import Page
    from batchrepo.scope.loaders import Loaders
    from batchrepo.scope.peers import FetchMode, Peers
    from batchrepo.scope.related import Related
    from batchrepo.scope.related_pages import PagesOfRelated

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V", bound=BaseModel)
Ts = TypeVarTuple("Ts")


class ScopeReads(ABC):
    """The reading side of `Scope`, whose life and parts are its own."""

    guards: Guards
    mode: FetchMode
    _peers: Peers
    _joined: AsyncSession | None

    @cached_property
    @abstractmethod
    def _related(self) -> Related: ...

    @cached_property
    @abstractmethod
    def _related_pages(self) -> PagesOfRelated: ...

    @abstractmethod
    def check_open(self) -> None:
        """Raise unless the scope is open."""

    @property
    @abstractmethod
    def door(self) -> Any:
        """The way to the database."""

    @property
    @abstractmethod
    def session(self) -> AsyncSession:
        """The session in which the scope's entities live."""

    @property
    @abstractmethod
    def loaders(self) -> Loaders:
        """The loaders of the scope."""

    @abstractmethod
    def _unfiltered_session(self) -> AsyncSession:
        """Where rows live that were read without the criteria."""

    @overload
    async def related(self, entity: Any, attribute: Computed[T], *, mode: FetchMode | None = None) -> T: ...
    @overload
    async def related(
        self, entity: Any, attribute: QueryableAttribute[T], *, mode: FetchMode | None = None
    ) -> T: ...
    @overload
    async def related(
        self,
        entity: Any,
        attribute: QueryableAttribute[list[Any]],
        view: type[V],
        *,
        mode: FetchMode | None = None,
    ) -> list[V]: ...
    @overload
    async def related(
        self, entity: Any, attribute: QueryableAttribute[Any], view: type[V], *, mode: FetchMode | None = None
    ) -> V | None: ...
    @overload
    async def related(
        self, entity: Any, attribute: Computed[list[Any]], view: type[V], *, mode: FetchMode | None = None
    ) -> list[V]: ...
    @overload
    async def related(
        self, entity: Any, attribute: Computed[Any], view: type[V], *, mode: FetchMode | None = None
    ) -> V | None: ...
    async def related(
        self, entity: Any, attribute: Any, view: type[V] | None = None, *, mode: FetchMode | None = None
    ) -> Any:
        """What a relation or a computed attribute of an entity is.

        Concurrent calls share one batch, and so do the calls of a loop: the first one loads it for all
        entities that came from the same result.

        Args:
            entity: an entity that this scope read.
            attribute: a relationship, such as ``Album.tracks``, or a computed attribute, such as
                ``AlbumRepository.duration``.
            view: gives views instead of entities.
            mode: another fetch mode than the scope's, for this call.

        Returns:
            A list for a to-many relation, an entity (or view) or None for a to-one relation, the value
            of a computed attribute.

        Raises:
            InvalidArgument: the attribute does not belong to the entity.
            LazyLoad: the fetch mode, or the relation's policy, forbids loading.
            ScopeClosed: the scope has ended.
        """
        self.check_open()
        return await self._related.load(entity, attribute, view, mode or self.mode)

    @overload
    async def related_page(
        self,
        entity: Any,
        attribute: QueryableAttribute[list[T]],
        *where: Condition,
        order_by: Any = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        total: Literal["exact"] | None = None,
        mode: FetchMode | None = None,
    ) -> Page[T]: ...
    @overload
    async def related_page(
        self,
        entity: Any,
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
        mode: FetchMode | None = None,
    ) -> Page[V]: ...
    async def related_page(
        self,
        entity: Any,
        attribute: Any,
        *where: Any,
        order_by: Any = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        total: Literal["exact"] | None = None,
        mode: FetchMode | None = None,
    ) -> Any:
        """A page of what a to-many relation of an entity leads to.

        Concurrent calls share one statement, each parent with a cursor of its own; in a loop the first call
        loads the first page of all entities that came from the same result.

        Args:
            entity: an entity that this scope read.
            attribute: a to-many relationship, such as ``Album.tracks``.
            where: conditions on the related rows; the first one may be a view.
            order_by: default: the relationship's own order. The primary key is appended.
            first: at most so many rows from the start; default and bound are those of the rows' repository.
            after: the cursor of a row; only rows behind it.
            last: at most so many rows from the end.
            before: the cursor of a row; only rows before it.
            total: "exact" counts the rows of all pages, with one more statement for any number of parents.
            mode: another fetch mode than the scope's, for this call.

        Raises:
            InvalidCursor: a cursor is damaged, or was made for another order, filter or row criteria.
            InvalidArgument: the attribute is no to-many relationship, or an argument cannot be used.
            LazyLoad: the fetch mode, or the relation's policy, forbids loading.
            ScopeClosed: the scope has ended.
        """
        self.check_open()
        view, conditions = (where[0], where[1:]) if where and isinstance(where[0], type) else (None, where)
        arguments = PageArguments(conditions, order_by, first, after, last, before, total)
        return await self._related_pages.of_entity(entity, attribute, view, arguments, mode or self.mode)

    @awaited
    def load(self, source: Batched[K, T], key: K) -> Coroutine[Any, Any, T]:
        """The value of a batched function for one key, batched with concurrent calls.

        Await it, or give many of them to ``asyncio.gather``, which makes no task for any of them.
        """
        return lazily(_BatchedFunction(self, source), key)

    async def load_many(self, source: Batched[K, T], keys: Iterable[K]) -> list[T]:
        """The values of a batched function, in the order of the keys."""
        return await self.loaders.batched(source).load_many(list(keys))

    @overload
    async def fetch(self, statement: Select[T], *, unfiltered: str | None = None) -> list[T]: ...

    @overload
    async def fetch(
        self, statement: Select[T, K, *Ts], *, unfiltered: str | None = None
    ) -> list[tuple[T, K, *Ts]]: ...

    async def fetch(self, statement: Select[*tuple[Any, ...]], *, unfiltered: str | None = None) -> list[Any]:
        """Run a ``select`` of your own, with the row criteria put on it.

        Args:
            statement: a select of mapped classes or their columns. Of one entity or column: a list of it;
                of several: a list of tuples.
            unfiltered: why it is safe to run it without the row criteria.

        Raises:
            UnguardedStatement: criteria exist that cannot be put on it.
        """
        self.check_open()
        if not isinstance(statement, sa.Select):
            raise InvalidArgument(
                f"fetch() runs a select() of mapped classes or columns; got {type(statement).__name__}. "
                f"Other statements run in scope.session."
            )
        session = self.session
        guarded: Any = statement
        if unfiltered is None:
            guarded = guard_statement(statement, self.guards)
        elif self._joined is None:
            session = self._unfiltered_session()
        rows = await self.door.entities(session, guarded.execution_options(**{OURS: True}), cause="fetch")
        for i, described in enumerate(statement.column_descriptions):
            if unfiltered is None and isinstance(inspect(described["type"], raiseerr=False), Mapper):
                self._peers.register_loaded([row[i] for row in rows if row[i] is not None])
        return [row[0] for row in rows] if len(statement.column_descriptions) == 1 else rows


class _BatchedFunction:
    """A batched function in a scope, for the answers of `ScopeReads.load`."""

    def __init__(self, scope: ScopeReads, source: Batched[Any, Any]) -> None:
        self._scope = scope
        self._source = source

    def ask(self, key: Any, answer: asyncio.Future[Any]) -> None:
        self._scope.loaders.batched(self._source).load_into(key, answer)

    def __str__(self) -> str:
        return f"load of {self._source}"
