"""The loaders of one scope: one for each (entity or relation, key columns, shape)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeVar

from batchrepo.declare.computed import Aggregate, Computed, Expression, Fetched, Top
from batchrepo.declare.orders import total_order
from batchrepo.errors import InvalidArgument
from batchrepo.loading import BatchLoader
from batchrepo.sql.rows import Lookup
from batchrepo.strategies.batched import aggregate_rows, fetch_rows, find_by_keys
from batchrepo.strategies.compile import AggregateFetch, CompiledPlan, lookup_of
from batchrepo.strategies.entities import entities_by_keys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from batchrepo.declare.computed import BatchSource
    from batchrepo.loading import Scheduler
    from batchrepo.mapping import ColumnInfo, EntityInfo, RelationInfo
    from batchrepo.scope.peers import Peers
    from batchrepo.strategies.context import EntityContext
    from batchrepo.strategies.deliver import Delivery

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

    def entity(self, entity: EntityInfo) -> BatchLoader[Any, Any]:
        """Entities by primary key; None for a key without a row."""

        async def load(keys: list[Any]) -> list[Any]:
            found = {key: known for key in keys if (known := self.known(entity, key)) is not None}
            missing = [key for key in keys if key not in found]
            if missing:
                lookup = Lookup(entity, columns=entity.key)
                entities, matched = await entities_by_keys(lookup, missing, self.context)
                self.peers.register(entities)
                found.update(zip(matched, entities, strict=True))
            return [found.get(key) for key in keys]

        return self._made(("entity", entity), entity.name, load)

    def known(self, entity: EntityInfo, key: Any) -> Any | None:
        """The entity with this key, if the scope has its full row already."""
        identity = entity.mapper.identity_key_from_primary_key(key if isinstance(key, tuple) else (key,))
        found = self.context.session.sync_session.identity_map.get(identity)
        if isinstance(found, entity.cls) and entity.row_names <= found.__dict__.keys():
            return found
        return None

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

    def computed(self, computed: Computed[Any]) -> BatchLoader[Any, Any]:
        """A computed attribute, by the values of the columns that `computed_key` names."""
        match computed:
            case Aggregate():
                return self._aggregate(computed)
            case Top():
                return self._top(computed)
            case Expression():
                raise InvalidArgument(f"{computed} needs its entity: use scope.related(entity, {computed}).")
            case Fetched():
                return self.batched(computed.source)
        raise InvalidArgument(f"{computed!r} is not a computed attribute that can be loaded.")

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

        return self._made(("attributes", entity, tuple(names)), f"{entity.name} {', '.join(names)}", load)

    def view(
        self, lookup: Lookup, compiled: CompiledPlan, delivery: Delivery[Any]
    ) -> BatchLoader[Any, list[Any]]:
        """Lists of views by the keys of any lookup."""

        async def load(keys: list[Any]) -> list[list[Any]]:
            groups = await find_by_keys(compiled, lookup, keys, self.context)
            views = iter(delivery.views([item for group in groups.values() for item in group]))
            made = {key: [next(views) for _ in group] for key, group in groups.items()}
            return [made.get(key, []) for key in keys]

        name = f"{lookup} as {delivery.view.__name__}"
        return self._made(("view", lookup.same, delivery), name, load)

    def batched(self, source: BatchSource) -> BatchLoader[Any, Any]:
        """The loader of a batched function."""
        found = self._loaders.get(source)
        if found is None:
            found = self._loaders[source] = source.make_loader(self.scheduler, self.context)
        return found

    def forget(self, entity: EntityInfo, entities: Sequence[Any]) -> None:
        """Drop what was loaded for these entities, so that a long stream does not fill the memory."""
        relations = [r for r in entity.relations.values() if r.refused is None]
        for item in entities:
            values = item.__dict__
            for relation in relations:
                loader = self._loaders.get(("relation", relation))
                if loader is not None:
                    loader.clear(_pick(values, [column.name for column in relation.local]))
                if relation.key_order is not None:
                    target = self._loaders.get(("entity", relation.target))
                    if target is not None:
                        target.clear(_pick(values, [relation.local[i].name for i in relation.key_order]))
        self.peers.forget(entities)

    async def _entities(self, lookup: Lookup, keys: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        entities, matched = await entities_by_keys(lookup, keys, self.context)
        self.peers.register(list(dict.fromkeys(entities)))
        return entities, matched

    def _aggregate(self, computed: Aggregate[Any]) -> BatchLoader[Any, Any]:
        async def load(keys: list[Any]) -> list[Any]:
            fetch = AggregateFetch(Lookup(computed.relation.target, relation=computed.relation), [computed])
            rows = await aggregate_rows(fetch, keys, self.context)
            return [rows[key][0] if key in rows else computed.empty for key in keys]

        return self._made(("computed", computed), str(computed), load)

    def _top(self, computed: Top[Any]) -> BatchLoader[Any, Any]:
        relation = computed.relation
        lookup = Lookup(relation.target, (), relation, computed.where, computed.order, computed.first)

        async def load(keys: list[Any]) -> list[Any]:
            groups = _grouped(keys, *await self._entities(lookup, keys))
            return [group[0] if group else None for group in groups] if computed.single else groups

        return self._made(("computed", computed), str(computed), load)

    def _made(
        self, identity: Any, name: str, load: Callable[[list[Any]], Awaitable[Any]]
    ) -> BatchLoader[Any, Any]:
        found = self._loaders.get(identity)
        if found is None:

            async def load_keys(keys: list[Any]) -> Any:
                return await load(
                    [None if key is NULL_KEY else key for key in keys] if NULL_KEY in keys else keys
                )

            found = self._loaders[identity] = BatchLoader(load_keys, name=name, scheduler=self.scheduler)
        return found

    def __len__(self) -> int:
        return len(self._loaders)


def _grouped(keys: Sequence[Any], entities: Sequence[Any], matched: Sequence[Any]) -> list[list[Any]]:
    groups: defaultdict[Any, list[Any]] = defaultdict(list)
    for key, entity in zip(matched, entities, strict=True):
        groups[key].append(entity)
    return [groups.get(key, []) for key in keys]


def _pick(values: dict[str, Any], names: Sequence[str]) -> Any:
    if len(names) == 1:
        return values.get(names[0])
    return tuple(values.get(name) for name in names)
