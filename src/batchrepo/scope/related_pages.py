"""Pages of what a relation of an entity, or of a key, leads to; batched with concurrent callers and with peers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchrepo.declare.cursors import Cursors
from batchrepo.declare.elements import related_sources, tables_in, why_foreign, why_no_condition
from batchrepo.declare.orders import parse_order
from batchrepo.errors import InvalidArgument, NotFound
from batchrepo.plan.pages import JsonPage, Page, read_request
from batchrepo.scope.peers import ONE
from batchrepo.scope.related import Wanted, key_of, relation_names
from batchrepo.sql.pages import link_tables
from batchrepo.strategies.paging import NOTHING_FOUND

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pydantic import BaseModel
    from sqlalchemy.orm import InstanceState

    from batchrepo.declare.cursors import Purpose
    from batchrepo.declare.repository_info import RepositoryInfo
    from batchrepo.loading import BatchLoader
    from batchrepo.mapping import RelationInfo
    from batchrepo.plan.fieldsets import Fieldset
    from batchrepo.plan.pages import PageRequest, Total
    from batchrepo.scope.loaders import Loaders
    from batchrepo.scope.peers import FetchMode
    from batchrepo.scope.related import Related
    from batchrepo.scope.scope import Scope
    from batchrepo.strategies.compiled import CompiledPlan
    from batchrepo.strategies.paging import Found, Place
    from batchrepo.strategies.related_pages import RelatedPages


FLAGS = ("has_next", "has_previous")
"""What a page says of the rows around it."""


@dataclass(frozen=True, slots=True)
class PageArguments:
    """What a caller asked for, unchecked: as the parameters of ``related_page``.

    Attributes:
        alike: the same is asked for of other parents, with the same cursors, as of all objects of a GraphQL field.
        flags: which of those of `Page` anybody wants to know.
    """

    where: Sequence[Any]
    order_by: Any = None
    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None
    total: Total = None
    alike: bool = False
    flags: Collection[str] = FLAGS

    def probes(self, request: PageRequest) -> bool:
        """Whether to look for rows on the other side of the cursors."""
        ahead, behind = reversed(FLAGS) if request.backward else FLAGS
        return (
            self.flags == FLAGS
            or (request.start is not None and behind in self.flags)
            or (request.stop is not None and ahead in self.flags)
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    pages: RelatedPages
    purpose: Purpose
    start: Place | None
    stop: Place | None
    counted: bool


class PagesOfRelated:
    """Reads pages of relations in one scope."""

    def __init__(self, scope: Scope, loaders: Loaders, related: Related) -> None:
        self._scope = scope
        self._loaders = loaders
        self._related = related

    async def of_entity(
        self,
        entity: Any,
        attribute: Any,
        view: type[BaseModel] | None,
        arguments: PageArguments,
        mode: FetchMode,
    ) -> Page[Any]:
        """As `Scope.related_page`."""
        state, relation = self._related.relation_asked(entity, attribute)
        asked = self._asked(relation, arguments)
        loaders = self._related.loaders_of(state)
        loader = self._loader(asked, view, loaders)
        # Peers have the same first page to ask for; a cursor is one's own.
        mode = mode if asked.start is None and asked.stop is None else ONE
        wanted = Wanted(
            (asked.pages, view),
            str(asked.pages),
            relation_names(relation, by_key=False),
            loader,
            relation,
            lambda key: (key, asked.start, asked.stop),
        )
        found, total = await self._both(
            self._related.with_peers(state, wanted, mode), self._count(state, asked, mode)
        )
        return self._page(asked, view, found, total)

    async def of_key(
        self,
        info: RepositoryInfo,
        key: Any,
        attribute: Any,
        view: type[BaseModel] | None,
        arguments: PageArguments,
    ) -> Page[Any]:
        """As `Repository.related_page`; `key` is checked."""
        relation = self._related.relation_of_entity(info.entity, attribute)
        asked = self._asked(relation, arguments)
        found, total = await self._by_key(info, key, asked, self._loader(asked, view, self._loaders))
        return self._page(asked, view, found, total)

    async def json_of_key(
        self,
        info: RepositoryInfo,
        key: Any,
        attribute: Any,
        view: type[BaseModel],
        arguments: PageArguments,
        *,
        fields: str | Fieldset | None,
        by_alias: bool,
    ) -> JsonPage:
        """As `Repository.related_page_json`; `key` is checked."""
        relation = self._related.relation_of_entity(info.entity, attribute)
        asked = self._asked(relation, arguments)
        delivery, compiled, _ = self._scope.reading.json(
            view, relation.target, fields=fields, by_alias=by_alias
        )
        loader = self._loaders.pages(asked.pages, compiled)
        found, total = await self._by_key(info, key, asked, loader)
        dicts, page = found or ([], NOTHING_FOUND)
        values = self._values(asked, dicts, page, total)
        del values["cursors"]
        return JsonPage(**{**values, "items": delivery.json(dicts, by_alias=by_alias)})

    async def dicts_of_values(
        self,
        relation: RelationInfo,
        values: Sequence[Any],
        compiled: CompiledPlan,
        arguments: PageArguments,
    ) -> dict[str, Any]:
        """The page of a parent that is known by the values of the relation's local columns, as a dict.

        Args:
            relation: which is followed.
            values: of its local columns, in their order.
            compiled: what is read of each row.
            arguments: which page, unchecked.

        Returns:
            What `Page` has, with dicts as its items.
        """
        asked = self._asked(relation, arguments)
        found, total = await self._of_values(asked, values, self._loaders.pages(asked.pages, compiled))
        dicts, page = found or ([], NOTHING_FOUND)
        return self._values(asked, dicts, page, total)

    async def total_of_values(
        self, relation: RelationInfo, values: Sequence[Any], arguments: PageArguments
    ) -> int:
        """As `dicts_of_values`, the number of rows on all pages alone."""
        asked = self._asked(relation, arguments)
        key = key_of(relation, values)
        if key is None:
            return 0
        return int(await self._loaders.aggregates(relation).load((asked.pages.counted, key)))

    async def _by_key(
        self, info: RepositoryInfo, key: Any, asked: _Asked, loader: BatchLoader[Any, Any]
    ) -> tuple[Any, int | None]:
        local = relation_names(asked.pages.relation, by_key=False)
        row = await self._loaders.attributes(info.entity, local).load(key)
        if row is None:
            raise NotFound(info.entity.name, [key])
        return await self._of_values(asked, row, loader)

    async def _of_values(
        self, asked: _Asked, values: Sequence[Any], loader: BatchLoader[Any, Any]
    ) -> tuple[Any, int | None]:
        relation = asked.pages.relation
        key = key_of(relation, values)
        if key is None:
            return None, 0 if asked.counted else None
        counting = None
        if asked.counted:  # to call load() is to ask
            counting = self._loaders.aggregates(relation).load((asked.pages.counted, key))
        return await self._both(loader.load((key, asked.start, asked.stop)), counting)

    # --- what is asked for ----------------------------------------------------------------------

    def _asked(self, relation: RelationInfo, arguments: PageArguments) -> _Asked:
        request = self._request(relation, arguments)
        target, reading = relation.target, self._scope.reading
        sources = related_sources(relation)
        for condition in arguments.where:
            refusal = why_no_condition(condition) or why_foreign(condition, sources, target.name)
            if refusal is not None:
                raise InvalidArgument(f"{refusal}.")
        given = relation.order_by if arguments.order_by is None else arguments.order_by
        order = parse_order(given)
        for term in order:
            refusal = why_foreign(term.expression, sources, target.name, value=True)
            refusal = refusal or _why_many_places(term.expression, relation)
            if refusal is not None:
                raise InvalidArgument(f"{refusal}.")
        pages = reading.related_pages(
            relation,
            arguments.where,
            order,
            request.size,
            backward=request.backward,
            alike=arguments.alike,
            probes=arguments.probes(request),
        )
        purpose = reading.purpose(target, pages.order, arguments.where, self._scope.guards)

        def place(cursor: str | None) -> Place | None:
            if cursor is None:
                return None
            return pages.order.keyset.checked(reading.cursors.decode(cursor, purpose))

        return _Asked(pages, purpose, place(request.start), place(request.stop), request.total is not None)

    def _request(self, relation: RelationInfo, arguments: PageArguments) -> PageRequest:
        if not relation.many:
            raise InvalidArgument(
                f"{relation} leads to one {relation.target.name}, which has no pages. Use scope.related(...)."
            )
        default, largest = self._scope.reading.catalog.page_sizes(relation.target)
        if arguments.total not in (None, "exact"):
            raise InvalidArgument(
                f'total= of a relation\'s pages expects "exact" or None; got {arguments.total!r}.'
            )
        return read_request(
            first=arguments.first,
            after=arguments.after,
            last=arguments.last,
            before=arguments.before,
            total=arguments.total,
            default=default,
            largest=largest,
        )

    # --- reading --------------------------------------------------------------------------------

    def _loader(self, asked: _Asked, view: type[BaseModel] | None, loaders: Loaders) -> BatchLoader[Any, Any]:
        if view is None:
            return loaders.entity_pages(asked.pages)
        _, compiled = self._scope.reading.views(view, asked.pages.target)
        return loaders.pages(asked.pages, compiled)

    def _count(self, state: InstanceState[Any], asked: _Asked, mode: FetchMode) -> Any:
        if not asked.counted:
            return None
        return self._related.computed(state, asked.pages.counted, None, mode)

    async def _both(self, page: Any, total: Any) -> tuple[Any, int | None]:
        """A page and its total, in one round."""
        if total is None:
            return await page, None
        found, counted = await asyncio.gather(page, total)
        return found, int(counted or 0)

    # --- delivering -----------------------------------------------------------------------------

    def _values(self, asked: _Asked, items: list[Any], page: Found, total: int | None) -> dict[str, Any]:
        cursors = Cursors(self._scope.reading.cursors, asked.purpose, page.places)
        return page.page(items, cursors, total, None if total is None else "exact")

    def _page(self, asked: _Asked, view: type[BaseModel] | None, found: Any, total: int | None) -> Page[Any]:
        rows, page = found or ([], NOTHING_FOUND)
        kind: Any = asked.pages.target.cls
        if view is not None:
            delivery, _ = self._scope.reading.views(view, asked.pages.target)
            rows, kind = delivery.views(rows), view
        return Page[kind].model_construct(**self._values(asked, list(rows), page, total))


def _why_many_places(expression: Any, relation: RelationInfo) -> str | None:
    """Why an order by a link table's columns would give a row several places."""
    if not relation.may_repeat or not tables_in(expression) & link_tables(relation):
        return None
    return (
        f"Pages of {relation} cannot be ordered by {expression!s:.200}: its link table may hold a pair of rows more "
        f"than once, and so a row would have several places. Give the table a key of both, or order by columns of "
        f"{relation.target.name}"
    )
