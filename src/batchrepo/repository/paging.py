"""Reads by pages: keyset pages of entities, views and JSON, pages by number, and chunks of a whole table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from batchrepo.declare.cursors import Cursors
from batchrepo.declare.orders import unique_order
from batchrepo.plan.pages import JsonNumberedPage, JsonPage, NumberedPage, Page
from batchrepo.strategies.batched import complete, holding, together
from batchrepo.strategies.eager import joinable
from batchrepo.strategies.form import DecodedForm, ViewForm
from batchrepo.strategies.paging import Found, Walk, page_of_entities, page_of_rows
from batchrepo.strategies.single import array_of, page_of_texts, pays
from batchrepo.strategies.totals import count_rows, count_total

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from pydantic import BaseModel

    from batchrepo.declare.cursors import Purpose
    from batchrepo.declare.orders import OrderTerm
    from batchrepo.plan.fieldsets import Fieldset
    from batchrepo.plan.pages import PageRequest, Total, TotalKind
    from batchrepo.plan.read import ReadPlan
    from batchrepo.repository.finding import Finder
    from batchrepo.scope.loaders import Loaders
    from batchrepo.strategies.compiled import CompiledPlan
    from batchrepo.strategies.deliver import Delivery
    from batchrepo.strategies.reading import Names, PagedOrder

E = TypeVar("E")

Order: TypeAlias = "tuple[OrderTerm, ...] | None"
"""An order of the caller, or None for the repository's."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A page that is about to be read.

    Attributes:
        where: conditions of the caller.
        walk: which rows.
        purpose: what its cursors are made for.
        total: how all rows are counted.
        verb: for the report.
    """

    where: Sequence[Any]
    walk: Walk
    purpose: Purpose
    total: Total
    verb: str = "page"


@dataclass(slots=True)
class _Counted:
    total: int | None = None
    kind: TotalKind | None = None


class Pager(Generic[E]):
    """Reads pages of one repository in one scope."""

    def __init__(self, finder: Finder[E]) -> None:
        self.finder = finder
        self.scope = finder.scope
        self.entity = finder.entity

    async def entities(
        self, where: Sequence[Any], order: Order, request: PageRequest, include: Sequence[Any]
    ) -> Page[E]:
        """A page of entities."""
        asked = self._asked(where, order, request)
        found, counted = await self._with_total(asked, partial(self._entities, asked, include))
        return self._page(Page[self.entity.cls], found.rows, found, asked, counted)  # type: ignore[name-defined]

    async def views(
        self,
        view: type[BaseModel],
        where: Sequence[Any],
        order: Order,
        request: PageRequest,
        strategy: str | None,
    ) -> Page[Any]:
        """A page of views, by the strategy that the planner chooses."""
        asked = self._asked(where, order, request)
        delivery, compiled = self._delivery(view)
        (views, found), counted = await self._with_total(
            asked, partial(self._views, delivery, compiled, asked, strategy)
        )
        return self._page(Page[view], views, found, asked, counted)  # type: ignore[valid-type]

    async def json(
        self,
        view: type[BaseModel],
        where: Sequence[Any],
        order: Order,
        request: PageRequest,
        by_alias: bool,
        strategy: str | None,
        fields: str | Fieldset | None,
    ) -> JsonPage:
        """A page of views with all their fields or some, as bytes."""
        asked = self._asked(where, order, request)
        reading = self.scope.reading
        delivery, compiled, names = reading.json(
            view, self.entity, self.finder.info, fields=fields, by_alias=by_alias
        )
        read = partial(self._bytes, delivery, compiled, asked, names, by_alias, strategy)
        (body, found), counted = await self._with_total(asked, read)
        start, end = self._cursors(found, asked).ends
        return JsonPage(
            body,
            found.has_next,
            found.has_previous,
            start,
            end,
            counted.total,
            counted.kind,
        )

    async def dicts(
        self, compiled: CompiledPlan, where: Sequence[Any], order: Order, request: PageRequest
    ) -> dict[str, Any]:
        """A page of a plan that no view stands for, as a dict of what `Page` has."""
        asked = self._asked(where, order, request)
        read: tuple[list[dict[str, Any]], Found]
        read, counted = await self._with_total(asked, partial(self._dicts, compiled, asked, "field", None))
        dicts, found = read
        return found.page(dicts, self._cursors(found, asked), counted.total, counted.kind)

    async def texts(
        self, plan: ReadPlan, where: Sequence[Any], order: Order, request: PageRequest
    ) -> dict[str, Any] | None:
        """As `dicts`, whose items are the JSON of the rows, by one statement; None as `page_of_texts`."""
        asked = self._asked(where, order, request)
        read = partial(self._page_of_texts, plan, asked, ViewForm(by_alias=False))
        found: Found | None
        found, counted = await self._with_total(asked, read)
        if found is None:
            return None
        return found.page(found.rows, self._cursors(found, asked), counted.total, counted.kind)

    async def total(self, where: Sequence[Any], order: Order, request: PageRequest) -> int:
        """How many rows there are on all pages, where no page is read; its cursors are checked all the same."""
        return await count_rows(self.entity, self._asked(where, order, request).where, self.scope)

    async def numbered(
        self,
        view: type[BaseModel] | None,
        where: Sequence[Any],
        order: Order,
        number: int,
        size: int,
        total: Total,
    ) -> NumberedPage[Any]:
        """A page by its number."""
        unique, offset = self._unique(order), (number - 1) * size

        async def read() -> list[Any]:
            if view is None:
                return await self.finder.entities(where, unique, size, (), offset=offset, verb="page")
            return await self.finder.views(view, where, unique, size, None, offset=offset)

        items, counted, pages = await self._by_number(where, total, size, read)
        kind: Any = self.entity.cls if view is None else view
        return NumberedPage[kind].model_construct(
            items=items, number=number, size=size, total=counted, pages=pages
        )

    async def numbered_json(
        self,
        view: type[BaseModel],
        where: Sequence[Any],
        order: Order,
        number: int,
        size: int,
        total: Total,
        *,
        by_alias: bool,
        fields: str | Fieldset | None,
    ) -> JsonNumberedPage:
        """A page of views by its number, as bytes, with all their fields or some."""
        unique, offset = self._unique(order), (number - 1) * size

        async def read() -> bytes:
            return await self.finder.json(view, where, unique, size, by_alias, None, fields, offset=offset)

        items, counted, pages = await self._by_number(where, total, size, read)
        return JsonNumberedPage(items, number, size, counted, pages)

    async def _by_number(
        self, where: Sequence[Any], total: Total, size: int, read: Callable[[], Any]
    ) -> tuple[Any, int | None, int | None]:
        """What is read, how many rows there are, and how many pages."""
        found: list[Any] = []

        async def page() -> None:
            found.append(await read())

        counted = (await self._together(where, total, page)).total
        return found[0], counted, None if counted is None else -(-counted // size)

    def _unique(self, order: Order) -> Order:
        return unique_order(self.finder.order_terms(order), self.entity)

    async def chunks(
        self,
        view: type[BaseModel] | None,
        where: Sequence[Any],
        order: Order,
        after: str | None,
        size: int,
        progress: Callable[[int], None] | None,
    ) -> AsyncIterator[Page[Any]]:
        """The whole order, chunk by chunk; no connection is held between chunks."""
        paged = self._paged(order)
        where = self.scope.reading.conditions(where)
        purpose = self._purpose(paged, where)
        walk = Walk(paged.keyset, size, start=self._place(after, paged, purpose), probes=False)
        done = 0
        while True:
            asked = _Asked(where, walk, purpose, None, "stream")
            # Loaders of its own, so that what is loaded for a chunk goes with it.
            loaders = self.scope.loaders.for_chunk()
            page, found = await self._chunk(view, asked, loaders)
            count = len(page.items)
            if count:
                yield page
            # Nothing of this chunk may live on while the next one is read.
            del page, loaders
            done += count
            if progress is not None and count:
                progress(done)
            if not found.has_next:
                return
            walk = replace(walk, start=paged.keyset.as_place(found.places[-1]))
            del found

    async def _chunk(
        self, view: type[BaseModel] | None, asked: _Asked, loaders: Loaders
    ) -> tuple[Page[Any], Found]:
        if view is None:
            found = await self._entities(asked, ())
            self.scope.peers.register(found.rows, loaders)
            items, kind = found.rows, self.entity.cls
        else:
            delivery, compiled = self._delivery(view)
            dicts, found = await self._dicts(compiled, asked, "field", None)
            items, kind = delivery.views(dicts), view
        page = self._page(Page[kind], items, found, asked, _Counted())  # type: ignore[valid-type]
        return page, replace(found, rows=[])

    # --- which page -----------------------------------------------------------------------------

    def _asked(self, where: Sequence[Any], order: Order, request: PageRequest) -> _Asked:
        paged = self._paged(order)
        where = self.scope.reading.conditions(where)
        purpose = self._purpose(paged, where)
        walk = Walk(
            paged.keyset,
            request.size,
            request.backward,
            self._place(request.start, paged, purpose),
            self._place(request.stop, paged, purpose),
        )
        return _Asked(where, walk, purpose, request.total)

    def _paged(self, order: Order) -> PagedOrder:
        return self.scope.reading.paged(self.entity, self.finder.order_terms(order))

    def _purpose(self, paged: PagedOrder, where: Sequence[Any]) -> Purpose:
        return self.scope.reading.purpose(self.entity, paged, where, self.scope.guards)

    def _place(self, cursor: str | None, paged: PagedOrder, purpose: Purpose) -> tuple[Any, ...] | None:
        if cursor is None:
            return None
        return paged.keyset.checked(self.scope.reading.cursors.decode(cursor, purpose))

    # --- reading --------------------------------------------------------------------------------

    async def _entities(self, asked: _Asked, include: Sequence[Any]) -> Found:
        joined, others = self.finder.eager(include)
        found = await page_of_entities(
            self.entity,
            self.scope,
            asked.walk,
            where=asked.where,
            joined=joined,
            cause=f"{asked.verb} {self.entity.name}",
        )
        await self.finder.finish(found.rows, joined, others)
        return found

    async def _dicts(
        self, compiled: CompiledPlan, asked: _Asked, names: Names, strategy: str | None
    ) -> tuple[list[dict[str, Any]], Found]:
        reading = self.scope.reading
        if reading.planner.choose(compiled.plan, "views", strategy).strategy == "eager":
            return await self._eager_dicts(compiled.plan, asked, names)
        compiled = compiled.for_rows(asked.walk.size)
        async with holding(compiled.plan, self.scope):
            found = await page_of_rows(
                self.entity,
                compiled.root.source.columns,
                self.scope,
                asked.walk,
                where=asked.where,
                cause=f"{asked.verb} {self.entity.name}",
            )
            return await complete(compiled, found.rows, self.scope), found

    async def _bytes(
        self,
        delivery: Delivery[Any],
        compiled: CompiledPlan,
        asked: _Asked,
        names: Names,
        by_alias: bool,
        strategy: str | None,
    ) -> tuple[bytes, Found]:
        if self.scope.reading.choose_for_json(delivery, strategy).strategy == "single":
            texts = await self._texts(delivery, asked, ViewForm(by_alias), strategy)
            if texts is not None:
                return array_of(texts.rows), texts
            strategy = "batched"
        dicts, found = await self._dicts(compiled, asked, names, strategy)
        return delivery.json(dicts, by_alias=by_alias), found

    async def _views(
        self, delivery: Delivery[Any], compiled: CompiledPlan, asked: _Asked, strategy: str | None
    ) -> tuple[list[Any], Found]:
        if self.scope.reading.choose_for_views(delivery, strategy).strategy == "single":
            texts = await self._texts(delivery, asked, DecodedForm(), strategy)
            if texts is not None:
                return delivery.decoded(array_of(texts.rows)), texts
            strategy = "batched"
        dicts, found = await self._dicts(compiled, asked, "field", strategy)
        return delivery.views(dicts), found

    async def _texts(
        self, delivery: Delivery[Any], asked: _Asked, form: ViewForm, strategy: str | None
    ) -> Found | None:
        """A page whose rows are texts; None where the batched strategy has to read it."""
        where = self.scope.reading.conditions(asked.where)
        if strategy is not None or pays(delivery.plan, self.scope, where, asked.walk.size):
            return await self._page_of_texts(delivery.plan, asked, form)
        return None

    async def _page_of_texts(self, plan: ReadPlan, asked: _Asked, form: ViewForm) -> Found | None:
        return await page_of_texts(
            plan,
            self.scope,
            asked.walk,
            form=form,
            where=asked.where,
            cause=f"{asked.verb} {self.entity.name}",
        )

    async def _eager_dicts(
        self, plan: ReadPlan, asked: _Asked, names: Names
    ) -> tuple[list[dict[str, Any]], Found]:
        async with holding(plan, self.scope):
            found = await page_of_entities(
                self.entity,
                self.scope,
                asked.walk,
                where=asked.where,
                joined=joinable(plan, self.scope),
                cause=f"{asked.verb} {self.entity.name}",
            )
            return await self.finder.entity_dicts(plan, found.rows, names), found

    async def _with_total(self, asked: _Asked, read: Callable[[], Any]) -> tuple[Any, _Counted]:
        found: list[Any] = []

        async def page() -> None:
            found.append(await read())

        counted = await self._together(asked.where, asked.total, page)
        return found[0], counted

    async def _together(self, where: Sequence[Any], total: Total, read: Callable[[], Any]) -> _Counted:
        """Read, and count beside it."""
        counted = _Counted()

        async def count() -> None:
            counted.total, counted.kind = await count_total(self.entity, where, self.scope, total)

        work = [read] if total is None else [read, count]
        await together(work, parallel=self.scope.door.parallel > 1)
        return counted

    # --- delivering -----------------------------------------------------------------------------

    def _delivery(self, view: type[BaseModel]) -> tuple[Delivery[Any], CompiledPlan]:
        return self.scope.reading.views(view, self.entity, self.finder.info)

    def _cursors(self, found: Found, asked: _Asked) -> Cursors:
        return Cursors(self.scope.reading.cursors, asked.purpose, found.places)

    def _page(self, kind: Any, items: list[Any], found: Found, asked: _Asked, counted: _Counted) -> Page[Any]:
        values = found.page(items, self._cursors(found, asked), counted.total, counted.kind)
        return kind.model_construct(**values)  # type: ignore[no-any-return]


async def flattened(chunks: AsyncIterator[Page[Any]]) -> AsyncIterator[Any]:
    """The items of chunks, one by one. Nothing of a chunk lives on while the next one is read."""
    try:
        async for chunk in chunks:
            items = chunk.items
            del chunk
            for item in items:
                yield item
            del items
            item = None
    finally:
        await chunks.aclose()  # type: ignore[attr-defined]
