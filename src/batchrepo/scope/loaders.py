"""The loaders of one scope: one for each (entity or relation, key columns, shape)."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from sqlalchemy.orm.attributes import instance_state

from batchrepo.declare.orders import total_order
from batchrepo.loading import BatchLoader
from batchrepo.scope.coherence import depends
from batchrepo.sql.rows import Lookup
from batchrepo.strategies.batched import aggregate_rows, complete, fetch_rows, find_by_keys, holding
from batchrepo.strategies.compile import lookup_of
from batchrepo.strategies.compiled import AggregateFetch, CompiledPlan
from batchrepo.strategies.entities import entities_by_keys
from batchrepo.strategies.related_pages import read_related_pages
from batchrepo.strategies.single import texts_by_keys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from batchrepo.declare.computed import Aggregate, BatchSource, Expression, Top
    from batchrepo.loading import Scheduler
    from batchrepo.mapping import ColumnInfo, EntityInfo, RelationInfo
    from batchrepo.plan.read import ReadPlan
    from batchrepo.scope.peers import Peers
    from batchrepo.sql.touched import Tables
    from batchrepo.strategies.context import EntityContext
    from batchrepo.strategies.deliver import Delivery
    from batchrepo.strategies.form import Form
    from batchrepo.strategies.paging import Found
    from batchrepo.strategies.related_pages import RelatedPages

T = TypeVar("T")

NULL_KEY = object()
"""Stands for a NULL where a relation's condition is more than equality, and may hold for NULL too."""


class Loaders:
    """Makes loaders on first use and keeps them for the life of the scope.

    Args:
        context: the scope, as strategies see it.
        scheduler: of the scope.
        peers: of the scope; what a batch loads together becomes peers.
    """

    def __init__(self, context: EntityContext, scheduler: Scheduler, peers: Peers) -> None:
        self.context = context
        self.scheduler = scheduler
        self.peers = peers
        self._loaders: dict[Any, BatchLoader[Any, Any]] = {}
        self._chunks: WeakSet[Loaders] | None = None

    def for_chunk(self) -> Loaders:
        """Loaders of the same scope that remember for one chunk of a stream only."""
        chunk = Loaders(self.context, self.scheduler, self.peers)
        if self._chunks is None:
            self._chunks = WeakSet()
        self._chunks.add(chunk)
        return chunk

    def close(self) -> None:
        """Let go of the loaders and of what they have. Those who know them would keep it for long.

        They refer to each other, which is a matter for the garbage collector. And drivers set timers while they prepare
        a statement, for minutes, in the context variables of the batch that ran it.
        """
        for loader in self._loaders.values():
            loader.close()
        self._loaders.clear()
        for chunk in self._chunks or ():
            chunk.close()

    def forget(self, written: Tables | None) -> None:
        """Answer from the database again what may have come from these tables; None for everything."""
        for loader in self._loaders.values():
            if depends(loader, written):
                loader.clear_all()
        for chunk in self._chunks or ():
            chunk.forget(written)

    def entity(self, entity: EntityInfo) -> BatchLoader[Any, Any]:
        """Entities by primary key; None for a key without a row."""
        identity = ("entity", entity)
        known = self._loaders.get(identity)  # each `get` asks for it
        if known is not None:
            return known

        async def load(keys: list[Any]) -> list[Any]:
            found = {key: known for key in keys if (known := self.known(entity, key)) is not None}
            missing = [key for key in keys if key not in found]
            if missing:
                lookup = Lookup(entity, columns=entity.key)
                entities, matched = await entities_by_keys(lookup, missing, self.context)
                self.peers.register(entities, self)
                found.update(zip(matched, entities, strict=True))
            return [found.get(key) for key in keys]

        return self._made(identity, entity.name, load, values=_WholeRows(entity.row_names), nulls=False)

    def known(self, entity: EntityInfo, key: Any) -> Any | None:
        """The entity with this key, if the scope has its full row already."""
        identity = entity.mapper.identity_key_from_primary_key(key if isinstance(key, tuple) else (key,))
        session = self.context.session.sync_session
        found = session.identity_map.get(identity)
        if not isinstance(found, entity.cls) or not entity.row_names <= found.__dict__.keys():
            return None
        if session._deleted or self.peers.doubted(instance_state(found)):
            # What is about to be deleted may take others along.
            return None
        if self.context.guards.of(entity) and not self.peers.checked(instance_state(found)):
            # Somebody else put it into the session, and nobody checked the criteria.
            return None
        return found

    def columns(self, entity: EntityInfo, columns: Sequence[ColumnInfo]) -> BatchLoader[Any, list[Any]]:
        """Lists of entities by any columns, in the order of the primary key."""
        names = tuple(column.name for column in columns)

        async def load(keys: list[Any]) -> list[list[Any]]:
            lookup = Lookup(entity, columns=tuple(columns), order=total_order((), entity))
            return _grouped(keys, *await self._entities(lookup, keys))

        return self._made(("columns", entity, names), f"{entity.name} by {', '.join(names)}", load)

    def relation(self, relation: RelationInfo) -> BatchLoader[Any, Any]:
        """What a relation leads to, by the values of its local columns: lists, or one entity or None."""
        if relation.key_order is not None:
            return self.entity(relation.target)

        async def load(keys: list[Any]) -> list[Any]:
            groups = _grouped(keys, *await self._entities(lookup_of(relation), keys))
            return groups if relation.many else [group[0] if group else None for group in groups]

        return self._made(("relation", relation), str(relation), load)

    def expression(self, entity: EntityInfo, expression: Expression[Any]) -> BatchLoader[Any, Any]:
        """A SQL expression over an entity's columns, by primary key."""

        async def load(keys: list[Any]) -> list[Any]:
            lookup = Lookup(entity, columns=entity.key)
            rows, matched = await fetch_rows(lookup, [expression.expression], keys, self.context)
            found = {key: row[0] for key, row in zip(matched, rows, strict=True)}
            return [found.get(key) for key in keys]

        return self._made(("expression", entity, expression), str(expression), load)

    def attributes(self, entity: EntityInfo, names: Sequence[str]) -> BatchLoader[Any, Any]:
        """Values of deferred columns by primary key; None for a row that is gone."""

        async def load(keys: list[Any]) -> list[Any]:
            lookup = Lookup(entity, columns=entity.key)
            columns = [entity.columns[name].attribute for name in names]
            rows, matched = await fetch_rows(lookup, columns, keys, self.context)
            found = {key: row[: len(names)] for key, row in zip(matched, rows, strict=True)}
            return [found.get(key) for key in keys]

        # Not remembered: what expires is asked for again.
        name = f"{entity.name} {', '.join(names)}"
        return self._made(("attributes", entity, tuple(names)), name, load, cache=False)

    def view(
        self, lookup: Lookup, compiled: CompiledPlan, delivery: Delivery[Any]
    ) -> BatchLoader[Any, list[Any]]:
        """Lists of views by the keys of any lookup."""

        async def load(keys: list[Any]) -> list[list[Any]]:
            dicts, matched = await find_by_keys(compiled, lookup, keys, self.context)
            return _grouped(keys, delivery.views(dicts), matched)

        name = f"{lookup} as {delivery.view.__name__}"
        return self._made(("view", lookup.same, delivery), name, load)

    def view_by_key(
        self, entity: EntityInfo, compiled: CompiledPlan, delivery: Delivery[Any]
    ) -> BatchLoader[Any, Any]:
        """Views by primary key; None for a key without a row."""
        identity = ("view", entity, delivery)
        known = self._loaders.get(identity)  # each `get` asks for it
        if known is not None:
            return known

        async def load(keys: list[Any]) -> list[Any]:
            lookup = Lookup(entity, columns=entity.key)
            dicts, matched = await find_by_keys(compiled, lookup, keys, self.context)
            found = dict(zip(matched, delivery.views(dicts), strict=True))
            return list(map(found.get, keys))

        name = f"{entity.name} as {delivery.view.__name__}"
        return self._made(identity, name, load, nulls=False)

    def dicts_of_all(self, entity: EntityInfo, compiled: CompiledPlan) -> BatchLoader[Any, Any]:
        """Dicts of a plan by tuples of primary keys, for JSON, in their order; None for a key without a row.

        Where one is missing nobody sees the others: what the plan reads below its rows is read for whole tuples
        only, and the rows of the others are empty.
        """

        async def load(asked: list[tuple[Any, ...]]) -> list[list[Any]]:
            lookup = Lookup(entity, columns=entity.key)
            keys = list(dict.fromkeys(chain.from_iterable(asked)))
            read = compiled.for_rows(len(keys))
            async with holding(compiled.plan, self.context):
                rows, matched = await fetch_rows(lookup, read.root.source.columns, keys, self.context)
                found: dict[Any, Any] = dict(zip(matched, rows, strict=True))
                if len(found) < len(keys):
                    asked_whole = (group for group in asked if all(key in found for key in group))
                    wanted = dict.fromkeys(chain.from_iterable(asked_whole))
                    matched, rows = list(wanted), [found[key] for key in wanted]
                    found = {key: {} for key in found}
                dicts = await complete(read, rows, self.context)
            found.update(zip(matched, dicts, strict=True))
            return [[found.get(key) for key in group] for group in asked]

        return self._made(("dicts", entity, compiled), f"{entity.name} as JSON", load)

    def texts_of_all(self, plan: ReadPlan, form: Form) -> BatchLoader[Any, Any]:
        """The JSON of a plan's rows by tuples of primary keys, in their order; None for a key without a row.

        One statement, whose texts may have what is not exact.
        """

        async def load(asked: list[tuple[Any, ...]]) -> list[list[str | None]]:
            keys = list(dict.fromkeys(chain.from_iterable(asked)))
            found = await texts_by_keys(plan, self.context, keys, form=form)
            return [list(map(found.get, group)) for group in asked]

        return self._made(("texts", plan, form), f"{plan.entity.name} as JSON of one statement", load)

    def dicts(self, lookup: Lookup, compiled: CompiledPlan) -> BatchLoader[Any, list[dict[str, Any]]]:
        """Lists of dicts of a plan by the keys of any lookup."""

        async def load(keys: list[Any]) -> list[list[dict[str, Any]]]:
            found, matched = await find_by_keys(compiled, lookup, keys, self.context)
            return _grouped(keys, found, matched)

        return self._made(("dicts", lookup.same, compiled), str(lookup), load)

    def pages(self, asked: RelatedPages, compiled: CompiledPlan) -> BatchLoader[Any, Any]:
        """Pages of a relation, as dicts of a plan and where they were found, by `PageKey`."""

        async def load(keys: list[Any]) -> list[tuple[list[dict[str, Any]], Found]]:
            async with holding(compiled.plan, self.context):
                found = await read_related_pages(
                    asked, compiled.root.source.columns, _page_keys(keys), self.context
                )
                rows = [row for page in found for row in page.rows]
                dicts = iter(await complete(compiled, rows, self.context))
            return [([next(dicts) for _ in page.rows], page) for page in found]

        return self._made(("pages", asked, compiled), str(asked), load)

    def entity_pages(self, asked: RelatedPages) -> BatchLoader[Any, Any]:
        """Pages of a relation, as entities and where they were found, by `PageKey`: two statements."""
        target = asked.target
        columns = [column.attribute for column in target.key]

        async def load(keys: list[Any]) -> list[tuple[list[Any], Found]]:
            found = await read_related_pages(asked, columns, _page_keys(keys), self.context)
            width = len(columns)
            wanted = [row[0] if width == 1 else tuple(row[:width]) for page in found for row in page.rows]
            entities = iter(await self.entity(target).load_many(wanted))
            return [([next(entities) for _ in page.rows], page) for page in found]

        return self._made(("pages", asked, None), str(asked), load)

    def batched(self, source: BatchSource) -> BatchLoader[Any, Any]:
        """The loader of a batched function."""
        found = self._loaders.get(source)
        if found is None:
            found = self._loaders[source] = source.make_loader(self.scheduler, self.context)
        return found

    async def _entities(self, lookup: Lookup, keys: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        entities, matched = await entities_by_keys(lookup, keys, self.context)
        self.peers.register(list({id(entity): entity for entity in entities}.values()), self)
        return entities, matched

    def aggregates(self, relation: RelationInfo) -> BatchLoader[Any, Any]:
        """Aggregates over one relation by (aggregate, key): all that are asked in a round share a statement."""

        async def load(asked: list[tuple[Aggregate[Any], Any]]) -> list[Any]:
            wanted = [(aggregate, None if key is NULL_KEY else key) for aggregate, key in asked]
            places = {aggregate: i for i, aggregate in enumerate(dict.fromkeys(a for a, _ in wanted))}
            keys = list(dict.fromkeys(key for _, key in wanted))
            fetch = AggregateFetch(Lookup(relation.target, relation=relation), list(places))
            rows = await aggregate_rows(fetch, keys, self.context)
            return [
                rows[key][places[aggregate]] if key in rows else aggregate.empty for aggregate, key in wanted
            ]

        return self._made(("aggregates", relation), f"aggregates of {relation}", load)

    def top(self, computed: Top[Any]) -> BatchLoader[Any, Any]:
        """The first related rows, or the one that comes first, by the relation's key."""
        relation = computed.relation
        lookup = Lookup(relation.target, (), relation, computed.where, computed.order, computed.first)

        async def load(keys: list[Any]) -> list[Any]:
            groups = _grouped(keys, *await self._entities(lookup, keys))
            return [group[0] if group else None for group in groups] if computed.single else groups

        return self._made(("computed", computed), str(computed), load)

    def _made(
        self,
        identity: Any,
        name: str,
        load: Callable[[list[Any]], Awaitable[Any]],
        *,
        cache: bool = True,
        values: dict[Any, Any] | None = None,
        nulls: bool = True,
    ) -> BatchLoader[Any, Any]:
        """The loader of this identity; `nulls` says whether its keys may be `NULL_KEY`."""
        found = self._loaders.get(identity)
        if found is None:

            async def load_keys(keys: list[Any]) -> Any:
                return await load(
                    [None if key is NULL_KEY else key for key in keys] if NULL_KEY in keys else keys
                )

            found = self._loaders[identity] = BatchLoader(
                load_keys if nulls else load,
                name=name,
                scheduler=self.scheduler,
                cache=cache,
                cache_map=values,
            )
        return found

    def __len__(self) -> int:
        return len(self._loaders)


class _WholeRows(dict[Any, Any]):
    """Entities by key, None for a key without a row. One whose row has expired meanwhile is not there."""

    def __init__(self, row_names: frozenset[str]) -> None:
        super().__init__()
        self._row_names = row_names

    def get(self, key: Any, default: Any = None) -> Any:
        found = super().get(key, default)
        if found is default or found is None or self._row_names <= found.__dict__.keys():
            return found
        return default


def _page_keys(keys: Sequence[Any]) -> list[Any]:
    return [(None, start, stop) if key is NULL_KEY else (key, start, stop) for key, start, stop in keys]


def _grouped(keys: Sequence[Any], entities: Sequence[Any], matched: Sequence[Any]) -> list[list[Any]]:
    groups: defaultdict[Any, list[Any]] = defaultdict(list)
    for key, entity in zip(matched, entities, strict=True):
        groups[key].append(entity)
    return [groups.get(key, []) for key in keys]
