"""The batched strategy: Core rows, level by level, one statement for each different lookup of a level."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import nullcontext
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from batchrepo.sql.aggregates import keyed_aggregates
from batchrepo.sql.rows import Keyed, Lookup, keyed_rows, row_keys
from batchrepo.strategies.compile import missing_related

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from batchrepo.declare.repository_info import Catalog
    from batchrepo.mapping import EntityInfo
    from batchrepo.plan.planner import Output
    from batchrepo.plan.read import ReadPlan
    from batchrepo.sql.keys import Key
    from batchrepo.strategies.compiled import (
        AggregateFetch,
        Attach,
        CompiledPlan,
        Fetch,
        Level,
        ServiceFetch,
        Use,
    )
    from batchrepo.strategies.context import ReadContext
    from batchrepo.strategies.included_pages import PagedInclude

Row = tuple[Any, ...]
"""A row as the database gives it."""

Dicts = list[dict[str, Any]]
"""Rows as the view wants them."""

NO_VALUES: Mapping[str, Any] = MappingProxyType({})
"""For conditions without parameters."""


class BatchedStrategy:
    """Core rows, level by level. Runs every plan."""

    name = "batched"

    def why_not(self, plan: ReadPlan, output: Output, catalog: Catalog) -> str | None:
        """It refuses to make entities."""
        if output == "entities":
            return "it makes views, not entities"
        return None

    def avoids(self, plan: ReadPlan, output: Output, catalog: Catalog) -> str | None:
        """Nothing: it is the one to take where nothing else is preferred."""
        return None

    def prefers(self, plan: ReadPlan, output: Output, catalog: Catalog) -> str | None:
        """Nothing."""
        return None


async def complete(compiled: CompiledPlan, rows: Sequence[Row], context: ReadContext) -> Dicts:
    """Turn rows of the plan's root into dicts and fetch everything below them.

    Args:
        compiled: the plan.
        rows: of a statement that selected ``compiled.root.source.columns`` first.
        context: the scope's door, guards and batched functions.

    Returns:
        One dict for each row, in order.
    """
    dicts = compiled.root.assemble(rows)
    if compiled.levels and rows:
        await _Run(context).descend(compiled, rows, dicts)
    return dicts


def holding(plan: ReadPlan, context: ReadContext) -> AbstractAsyncContextManager[None]:
    """Keep connections for the next statement of a plan, unless it calls out to somebody slow in between."""
    return nullcontext() if plan.calls_out else context.door.hold()


async def find_by_keys(
    compiled: CompiledPlan, lookup: Lookup, keys: Sequence[Key], context: ReadContext
) -> tuple[Dicts, list[Key]]:
    """Read the plan for the rows that a batch of keys finds.

    Args:
        compiled: the plan; its entity is the lookup's.
        lookup: how the keys find rows.
        keys: each once.
        context: the scope's door, guards and batched functions.

    Returns:
        The dicts in the lookup's order, and for each the key that it belongs to.
    """
    if lookup.columns == compiled.plan.entity.key:
        compiled = compiled.for_rows(len(keys))
    async with holding(compiled.plan, context):
        rows, matched = await fetch_rows(lookup, compiled.root.source.columns, keys, context)
        return await complete(compiled, rows, context), matched


async def fetch_rows(
    lookup: Lookup,
    columns: Sequence[Any],
    keys: Sequence[Key],
    context: ReadContext,
    values: Mapping[str, Any] = NO_VALUES,
) -> tuple[Sequence[Row], list[Key]]:
    """Run one lookup for a batch of keys.

    Args:
        lookup: how the keys find rows.
        columns: what to select.
        keys: each once.
        context: the scope.
        values: of parameters in the lookup's conditions.

    Returns:
        The rows, and for each row the key that it belongs to.
    """
    keyed = keyed_statement(lookup, columns, context)
    return await run_keyed(keyed, keys, str(lookup), context, values)


def keyed_statement(lookup: Lookup, columns: Sequence[Any], context: ReadContext) -> Keyed:
    """The statement of a lookup, built once for all scopes with the same row criteria."""
    dialect = context.door.dialect
    cache_key = (lookup.same, tuple(map(id, columns)), dialect.name)
    cached = context.guards.statements.get(cache_key)
    if cached is None:
        # Lookup and columns stay referenced, so that the ids in the key stay theirs.
        cached = (keyed_rows(lookup, columns, context.guards, dialect), lookup, tuple(columns))
        context.guards.statements[cache_key] = cached
    return cached[0]


async def run_keyed(
    keyed: Keyed, keys: Sequence[Key], cause: str, context: ReadContext, values: Mapping[str, Any] = NO_VALUES
) -> tuple[Sequence[Row], list[Key]]:
    """Run the statement of a lookup for a batch of keys: its rows, and for each the key that it belongs to."""
    if keyed.single is not None and len(keys) == 1:
        keyed = keyed.single
    values = {**context.guards.values(keyed.entities), **values}
    size = keyed.filter.limit or len(keys)
    if len(keys) <= size:
        all_found = await context.door.rows(
            keyed.statement, {**keyed.filter.encode(keys), **values}, cause=cause, keys=len(keys)
        )
        return all_found, row_keys(keyed, keys, all_found)
    rows: list[Row] = []
    matched: list[Key] = []
    for start in range(0, len(keys), size):
        part = keys[start : start + size]
        found = await context.door.rows(
            keyed.statement, {**keyed.filter.encode(part), **values}, cause=cause, keys=len(part)
        )
        matched += row_keys(keyed, part, found)
        rows += found
    return rows, matched


class _Run:
    """One execution of a compiled plan."""

    def __init__(self, context: ReadContext) -> None:
        self.context = context
        self.rows: dict[Use, Sequence[Row]] = {}
        self.dicts: dict[Use, Dicts] = {}
        self.remembered: dict[EntityInfo, dict[Key, Row | None]] = defaultdict(dict)

    async def descend(self, compiled: CompiledPlan, rows: Sequence[Row], dicts: Dicts) -> None:
        self.rows[compiled.root] = rows
        self.dicts[compiled.root] = dicts
        async with holding(compiled.plan, self.context):
            for level in compiled.levels:
                await self._level(level)
        for flattened in compiled.flattened:
            flattened.unwrap(self.dicts.get(flattened.use, ()))
        for use, total in compiled.totals:
            total.move(self.dicts.get(use, ()))

    async def _level(self, level: Level) -> None:
        for attach in level.answered:
            self._answer(attach)
        work: list[Callable[[], Coroutine[Any, Any, None]]] = [
            *(partial(self._fetch, fetch) for fetch in level.fetches),
            *(partial(self._aggregate, fetch) for fetch in level.aggregates),
            *(partial(self._service, fetch) for fetch in level.services),
        ]
        await together(work, parallel=self.context.door.parallel > 1 or bool(level.services))

    async def _fetch(self, fetch: Fetch) -> None:
        wanted = {attach: self._keys(attach) for attach in fetch.attaches}
        keys = _distinct(wanted.values(), fetch.lookup)
        if fetch.by_key:
            await self._fetch_by_key(fetch, keys, wanted)
            return
        rows, matched = await self._rows(fetch, keys)
        shared = len(fetch.attaches) > 1
        for attach in fetch.attaches:
            if shared:
                mine = set(wanted[attach])
                pairs = [(row, key) for row, key in zip(rows, matched, strict=True) if key in mine]
                self._attach_groups(attach, wanted[attach], [p[0] for p in pairs], [p[1] for p in pairs])
            else:
                self._attach_groups(attach, wanted[attach], rows, matched)

    async def _rows(self, fetch: Fetch, keys: Sequence[Key]) -> tuple[Sequence[Row], list[Key]]:
        if not keys:
            return [], []
        return await fetch_rows(fetch.lookup, fetch.source.columns, keys, self.context)

    async def _fetch_by_key(self, fetch: Fetch, keys: Sequence[Key], wanted: dict[Attach, list[Key]]) -> None:
        remembered = self.remembered[fetch.lookup.entity]
        missing = [key for key in keys if key not in remembered] if remembered else keys
        rows, matched = await self._rows(fetch, missing)
        all_fresh = len(missing) == len(keys)
        remembered.update(zip(matched, rows, strict=True))
        if len(rows) < len(missing):
            for key in missing:
                remembered.setdefault(key, None)
        for attach in fetch.attaches:
            child = attach.child
            assert child is not None
            if all_fresh and len(fetch.attaches) == 1:
                child_keys, child_rows = matched, rows
            else:
                known = [(key, remembered.get(key)) for key in dict.fromkeys(wanted[attach])]
                child_keys = [key for key, row in known if row is not None]
                child_rows = [row for _, row in known if row is not None]
            child_dicts = child.assemble(child_rows)
            self.rows[child], self.dicts[child] = child_rows, child_dicts
            self._attach_one(attach, wanted[attach], dict(zip(child_keys, child_dicts, strict=True)))

    def _attach_groups(
        self, attach: Attach, wanted: list[Key], rows: Sequence[Row], matched: Sequence[Key]
    ) -> None:
        child = attach.child
        assert child is not None
        if attach.paged is not None:
            self._attach_pages(attach, attach.paged, wanted, rows, matched)
            return
        dicts = child.assemble(rows)
        self.rows[child], self.dicts[child] = rows, dicts
        if attach.kind != "many":
            # The first of several rows wins, as SQLAlchemy has it for a to-one relation.
            firsts: dict[Key, dict[str, Any]] = {}
            for key, item in zip(matched, dicts, strict=True):
                firsts.setdefault(key, item)
            self._attach_one(attach, wanted, firsts)
            return
        groups: defaultdict[Key, Dicts] = defaultdict(list)
        for key, item in zip(matched, dicts, strict=True):
            groups[key].append(item)
        name = attach.name
        for key, parent in zip(wanted, self.dicts[attach.parent], strict=True):
            parent[name] = groups.get(key) or []

    def _attach_pages(
        self,
        attach: Attach,
        paged: PagedInclude,
        wanted: list[Key],
        rows: Sequence[Row],
        matched: Sequence[Key],
    ) -> None:
        child = attach.child
        assert child is not None
        rows, matched, more = paged.split(rows, matched)
        dicts = child.assemble(rows)
        self.rows[child], self.dicts[child] = rows, dicts
        pages = paged.pages(rows, matched, dicts, more, self.context)
        for key, parent in zip(wanted, self.dicts[attach.parent], strict=True):
            parent[attach.name] = pages.get(key) or paged.empty()

    def _attach_one(self, attach: Attach, wanted: list[Key], found: dict[Key, dict[str, Any]]) -> None:
        name = attach.name
        get = found.get
        for key, parent in zip(wanted, self.dicts[attach.parent], strict=True):
            parent[name] = get(key)
        if attach.required is not None and len(found) < len(set(wanted)):
            key = next(key for key in wanted if key not in found)
            raise missing_related(attach.required, key)

    def _answer(self, attach: Attach) -> None:
        child = attach.child
        assert child is not None
        keys = self._keys(attach)
        rows = [((key,) if attach.plain else key) for key in keys if _complete(key, attach.plain)]
        dicts = iter(child.assemble(rows))
        name = attach.name
        for key, parent in zip(keys, self.dicts[attach.parent], strict=True):
            parent[name] = next(dicts) if _complete(key, attach.plain) else None

    async def _aggregate(self, fetch: AggregateFetch) -> None:
        wanted = {attach: self._keys(attach) for attach in fetch.attaches}
        keys = _distinct(wanted.values(), fetch.lookup)
        by_key = await aggregate_rows(fetch, keys, self.context)
        for attach in fetch.attaches:
            name, index, default = attach.name, attach.index, attach.default
            for key, parent in zip(wanted[attach], self.dicts[attach.parent], strict=True):
                row = by_key.get(key)
                parent[name] = default if row is None else row[index]

    async def _service(self, fetch: ServiceFetch) -> None:
        wanted = {attach: self._keys(attach) for attach in fetch.attaches}
        keys = list(dict.fromkeys(key for found in wanted.values() for key in found if key is not None))
        values = await self.context.load_fetched(fetch.fetched, keys)
        found = dict(zip(keys, values, strict=True))
        for attach in fetch.attaches:
            for key, parent in zip(wanted[attach], self.dicts[attach.parent], strict=True):
                parent[attach.name] = found.get(key)

    def _keys(self, attach: Attach) -> list[Key]:
        return list(map(attach.key, self.rows[attach.parent]))


async def aggregate_rows(fetch: AggregateFetch, keys: Sequence[Key], context: ReadContext) -> dict[Key, Row]:
    """Aggregates for a batch of keys: the row of each key that has related rows."""
    if not keys:
        return {}
    aggregates = tuple(fetch.aggregates)
    dialect = context.door.dialect
    cache_key = ("aggregates", fetch.lookup.relation, aggregates, dialect.name)
    keyed = context.guards.statements.get(cache_key)
    if keyed is None:
        keyed = keyed_aggregates(fetch.lookup, aggregates, context.guards, dialect)
        context.guards.statements[cache_key] = keyed
    cause = f"{aggregates[0].function if len(aggregates) == 1 else 'aggregates'} of {fetch.lookup.relation}"
    rows, matched = await run_keyed(keyed, keys, cause, context)
    return dict(zip(matched, rows, strict=True))


async def together(work: Sequence[Callable[[], Coroutine[Any, Any, None]]], *, parallel: bool) -> None:
    """Run work side by side, or one after the other; the first error ends all of it."""
    if not parallel or len(work) < 2:
        for start in work:
            await start()
        return
    try:
        async with asyncio.TaskGroup() as group:
            for start in work:
                group.create_task(start())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


def _distinct(wanted: Iterable[Sequence[Key]], lookup: Lookup) -> list[Key]:
    """Each key once, without those that can find no row: a NULL part equals nothing."""
    keys: dict[Key, None] = {}
    for found in wanted:
        keys.update(dict.fromkeys(found))
    if lookup.relation is not None and lookup.relation.remote is None:
        # Its condition is more than equality, and may hold for NULL.
        return list(keys)
    keys.pop(None, None)
    if keys and type(next(iter(keys))) is tuple:
        return [key for key in keys if None not in key]
    return list(keys)


def _complete(key: Key, plain: bool) -> bool:
    return key is not None if plain else None not in key
