"""Reading the rows that meet conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from pydantic import BaseModel

from batchrepo.declare.orders import parse_order, total_order
from batchrepo.errors import InvalidArgument
from batchrepo.repository.arguments import (
    ForUpdate,
    check_conditions,
    check_include,
    check_limit,
    check_view,
    lock_of,
    refuse_include,
    view_first,
)
from batchrepo.repository.parts import RepositoryParts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import QueryableAttribute

    from batchrepo.declare.elements import Condition
    from batchrepo.plan.fieldsets import Fieldset

E = TypeVar("E")
V = TypeVar("V", bound=BaseModel)
C = TypeVar("C")


class ReadsByCondition(RepositoryParts[E]):
    """Rows by condition: all of them, the first one, how many."""

    @overload
    async def find(
        self,
        *where: Condition,
        order_by: Any = None,
        limit: int | None = None,
        include: Sequence[QueryableAttribute[Any]] = (),
        for_update: ForUpdate = False,
    ) -> list[E]: ...
    @overload
    async def find(
        self,
        view: type[V],
        /,
        *where: Condition,
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
        for_update: ForUpdate = False,
    ) -> Any:
        """The rows that meet all conditions.

        Args:
            where: SQL conditions, such as ``Album.title.icontains("rock")``; the first argument may be a view.
            order_by: default: the repository's ``default_order``.
            limit: at most so many rows.
            include: relations to read with the entities.
            strategy: for a view, the name of a strategy instead of the planner's choice.
            for_update: lock the rows until the transaction ends, as in `get`: with ``"skip_locked"`` and a limit,
                workers take different rows of a queue. Relations are then not joined but read afterwards.

        Raises:
            TransactionError: ``for_update`` without a transaction.
            RowsLocked: others have locked a row, with ``"nowait"``.
        """
        view, conditions = view_first(where)
        order_by = check_conditions(conditions, order_by)
        check_limit(limit)
        lock = lock_of(for_update, self.scope, view)
        if view is None:
            if strategy is not None:
                raise InvalidArgument(f"strategy={strategy!r} goes with a view; entities have none.")
            check_include(self._entity, include)
            return await self._finder.entities(conditions, order_by, limit, include, lock=lock)
        refuse_include(view, include)
        return await self._finder.views(view, conditions, order_by, limit, strategy)

    async def find_json(
        self,
        view: type[BaseModel],
        /,
        *where: Condition,
        order_by: Any = None,
        limit: int | None = None,
        fields: str | Fieldset | None = None,
        by_alias: bool = True,
        strategy: str | None = None,
    ) -> bytes:
        """As `find` with a view, but the JSON array of the views, as bytes.

        Views whose values need no validation (plain fields of the columns' own types) are not made at all. Of those,
        PostgreSQL writes the JSON itself where there are relations or aggregates and a limit of at most 500 rows.

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
        order_by = check_conditions(where, order_by)
        check_limit(limit)
        check_view(view)
        return await self._finder.json(view, where, order_by, limit, by_alias, strategy, fields)

    @overload
    async def first(self, *where: Condition, order_by: Any = None) -> E | None: ...
    @overload
    async def first(self, view: type[V], /, *where: Condition, order_by: Any = None) -> V | None: ...
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

    async def count(self, *where: Condition) -> int:
        """How many rows meet all conditions."""
        check_conditions(where)
        return await self._finder.count(where)

    async def exists(self, *where: Condition) -> bool:
        """Whether any row meets all conditions."""
        check_conditions(where)
        return await self._finder.exists(where)
