"""Reading a plan that no view stands for: what plugs use that make their plans themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from batchrepo.declare.filter_groups import condition_of
from batchrepo.errors import DeclarationError
from batchrepo.repository.finding import Finder
from batchrepo.repository.paging import Pager
from batchrepo.scope.related import key_of
from batchrepo.sql.filter_values import FilterValues
from batchrepo.sql.key_checks import check_keys
from batchrepo.sql.rows import Lookup
from batchrepo.strategies.compile import lookup_of
from batchrepo.strategies.form import ViewForm
from batchrepo.strategies.single import exact_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.filter_groups import Path
    from batchrepo.declare.orders import OrderTerm
    from batchrepo.mapping import ColumnInfo, RelationInfo
    from batchrepo.plan.pages import PageRequest
    from batchrepo.plan.read import ReadPlan
    from batchrepo.scope import Scope
    from batchrepo.scope.related_pages import PageArguments

_FORM = ViewForm(by_alias=False)

Dicts = list[dict[str, Any]]
"""Rows, keyed by the names of the plan's fields."""


class Planned:
    """Reads rows of one repository in one scope, as dicts of any plan.

    Args:
        scope: where to read.
        repository: a registered class.

    Raises:
        DeclarationError: the class is not registered.
    """

    def __init__(self, scope: Scope, repository: type[Any]) -> None:
        self.scope = scope
        info = scope.reading.catalog.by_class.get(repository)
        if info is None:
            raise DeclarationError(
                f"{repository.__name__} is not registered. Name it in Database(..., repositories=[...])."
            )
        self.info = info
        self._finder: Finder[Any] = Finder(scope, self.info)
        self._pager: Pager[Any] = Pager(self._finder)

    def condition(self, given: Mapping[str, Any], named: Callable[[Path], str]) -> ColumnElement[bool]:
        """The condition for what a caller sent, as `Repository.filters`.

        Args:
            given: parameters and groups.
            named: what messages call the part with a path.

        Raises:
            InvalidFilter: it is not declared, or a value is not of its kind.
        """
        values = FilterValues(self.scope.reading.engine.dialect)
        return condition_of(self.info.filters, given, self.info.cls(self.scope), values, named)

    async def rows(
        self, plan: ReadPlan, where: Sequence[Any], order: tuple[OrderTerm, ...] | None, limit: int | None
    ) -> Dicts:
        """The rows that meet conditions."""
        compiled = self.scope.reading.compiled(plan)
        return await self._finder.dicts(compiled, where, order, limit, None, "field")

    async def page(
        self,
        plan: ReadPlan,
        where: Sequence[Any],
        order: tuple[OrderTerm, ...] | None,
        request: PageRequest,
    ) -> dict[str, Any]:
        """A page of them, as a dict of what `Page` has."""
        return await self._pager.dicts(self.scope.reading.compiled(plan), where, order, request)

    async def decoded(
        self, plan: ReadPlan, where: Sequence[Any], order: tuple[OrderTerm, ...] | None, limit: int | None
    ) -> list[Any] | None:
        """What the JSON of the rows says, which one statement makes.

        Args:
            plan: what is read, under the names that the JSON has, in the forms that its values have.
            where: as for `rows`, as all others.
            order: as for `rows`.
            limit: as for `rows`.

        Returns:
            None where a value has no exact JSON, or a row is missing: `rows` is right then.
        """
        texts = await self._finder.texts(plan, where, order, limit, _FORM, None, "single")
        return None if texts is None else _decoded(texts)

    async def decoded_page(
        self,
        plan: ReadPlan,
        where: Sequence[Any],
        order: tuple[OrderTerm, ...] | None,
        request: PageRequest,
    ) -> dict[str, Any] | None:
        """As `page`, with items as those of `decoded`; None as `decoded`."""
        page = await self._pager.texts(plan, where, order, request)
        if page is not None:
            page["items"] = _decoded(page["items"])
        return page

    async def decoded_by_key(self, plan: ReadPlan, key: Any) -> Any | None:
        """As `by_key`, as an item of `decoded`; None also where there is no row."""
        entity = self.info.entity
        (checked,) = check_keys(entity.name, entity.key, [key], self.scope.reading.engine.dialect)
        (text,) = await self.scope.loaders.texts_of_all(plan, _FORM).load((checked,))
        return None if text is None or exact_of([text]) is None else _decoded([text])[0]

    async def total(
        self, where: Sequence[Any], order: tuple[OrderTerm, ...] | None, request: PageRequest
    ) -> int:
        """How many rows there are on all pages, where no page is read; its cursors are checked all the same."""
        return await self._pager.total(where, order, request)

    async def by_key(self, plan: ReadPlan, key: Any) -> dict[str, Any] | None:
        """The row with a primary key, or None; batched with concurrent callers."""
        entity = self.info.entity
        (checked,) = check_keys(entity.name, entity.key, [key], self.scope.reading.engine.dialect)
        compiled = self.scope.reading.compiled(plan)
        (found,) = await self.scope.loaders.dicts_of_all(entity, compiled).load((checked,))
        return found  # type: ignore[no-any-return]

    async def by_columns(
        self, plan: ReadPlan, columns: Sequence[ColumnInfo], key: Any
    ) -> dict[str, Any] | None:
        """The row that has these values in unique columns, or None; batched with concurrent callers.

        Args:
            plan: what is read of the row.
            columns: which together are unique.
            key: their values: one, or a tuple in their order.
        """
        entity = self.info.entity
        (checked,) = check_keys(entity.name, columns, [key], self.scope.reading.engine.dialect)
        compiled = self.scope.reading.compiled(plan)
        rows = await self.scope.loaders.dicts(Lookup(entity, tuple(columns)), compiled).load(checked)
        return rows[0] if rows else None

    async def related(
        self,
        plan: ReadPlan,
        relation: RelationInfo,
        values: Sequence[Any],
        *,
        where: tuple[Any, ...] = (),
        order: tuple[OrderTerm, ...] = (),
        first: int | None = None,
    ) -> Dicts:
        """What a relation leads to; batched with concurrent callers.

        Args:
            plan: what is read of each row.
            relation: which is followed.
            values: of its local columns, in their order.
            where: conditions on the rows.
            order: of the rows; empty for the relation's own.
            first: at most so many, or None.
        """
        lookup = lookup_of(relation)
        if where or order or first is not None:
            lookup = Lookup(relation.target, (), relation, where, order or lookup.order, first)
        elif relation.key_order is not None:
            values = [values[i] for i in relation.key_order]
        key = key_of(relation, values)
        if key is None:
            return []
        compiled = self.scope.reading.compiled(plan)
        return await self.scope.loaders.dicts(lookup, compiled).load(key)

    async def related_page(
        self, plan: ReadPlan, relation: RelationInfo, values: Sequence[Any], arguments: PageArguments
    ) -> dict[str, Any]:
        """A page of what a relation leads to; batched with concurrent callers, each with a cursor of its own.

        Args:
            plan: what is read of each row.
            relation: which is followed.
            values: of its local columns, in their order.
            arguments: which page.
        """
        compiled = self.scope.reading.compiled(plan)
        return await self.scope.related_pages.dicts_of_values(relation, values, compiled, arguments)

    async def related_total(
        self, relation: RelationInfo, values: Sequence[Any], arguments: PageArguments
    ) -> int:
        """As `related_page`, where nothing but the total is asked for."""
        return await self.scope.related_pages.total_of_values(relation, values, arguments)


def _decoded(texts: Sequence[str]) -> Any:
    # Names come again and again, values hardly ever do.
    return from_json(f"[{','.join(texts)}]", cache_strings="keys")
