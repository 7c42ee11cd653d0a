"""The eager strategy: entities with joins and select-in loads, then dicts from their attributes.

Slower than the batched strategy for views, since every row becomes an ORM entity; it is there for
relations whose declared policy is ``join`` or ``select_in``, and for those who ask for it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm.attributes import instance_state, set_committed_value

from batchrepo.plan.read import AggregateField, ColumnField, FetchedField, FlatField, Include, ReadPlan
from batchrepo.sql.rows import Lookup
from batchrepo.strategies.batched import aggregate_rows, fetch_rows
from batchrepo.strategies.compile import lookup_of
from batchrepo.strategies.compiled import AggregateFetch
from batchrepo.strategies.entities import entities_by_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchrepo.declare.computed import Aggregate
    from batchrepo.declare.repository_info import Catalog
    from batchrepo.mapping import RelationInfo
    from batchrepo.plan.planner import Output
    from batchrepo.strategies.context import EntityContext


class EagerStrategy:
    """Reads entities, with to-one relations joined and lists loaded by key."""

    name = "eager"

    def why_not(self, plan: ReadPlan, output: Output, catalog: Catalog) -> str | None:
        """It refuses relations that are read by pages."""
        for part in plan.walk():
            for include in part.includes:
                if include.page is not None:
                    return f"it does not read {include.relation} by pages"
        return None

    def avoids(self, plan: ReadPlan, output: Output, catalog: Catalog) -> str | None:
        """Nothing: it is taken where it is preferred."""
        return None

    def prefers(self, plan: ReadPlan, output: Output, catalog: Catalog) -> str | None:
        """For entities, and where a relation's policy asks for it."""
        if output == "entities":
            return "entities are asked for"
        for part in plan.walk():
            for include in part.includes:
                policy = catalog.policy(include.relation)
                if policy in ("join", "select_in"):
                    return f"{include.relation} has the policy {policy!r}"
        return None


def trusts(relation: RelationInfo, context: EntityContext) -> bool:
    """Whether what an entity has for a relation was read under the row criteria, by us, and is not old."""
    return (not context.joined or not context.guards.of(relation.target)) and not context.is_stale(relation)


def joinable(plan: ReadPlan, context: EntityContext) -> list[RelationInfo]:
    """The to-one relations of a plan that can be read by a join with its entity."""
    return list(
        dict.fromkeys(
            include.relation
            for include in plan.includes
            if not include.relation.many
            and not include.where
            and include.relation.key_order is not None
            and trusts(include.relation, context)
        )
    )


async def complete_entities(
    plan: ReadPlan,
    entities: Sequence[Any],
    context: EntityContext,
    name_of: Callable[[ReadPlan, str], str],
) -> list[dict[str, Any]]:
    """Dicts for entities that were read, with everything below them.

    Args:
        plan: what to read.
        entities: of the plan's entity; one may occur several times.
        context: the scope.
        name_of: the name of a field in the output.
    """
    dicts: list[dict[str, Any]] = [{} for _ in entities]
    for field in plan.fields:
        name = name_of(plan, field.name)
        values = await _values(plan, field, entities, context, name_of)
        for item, value in zip(dicts, values, strict=True):
            item[name] = value
    return dicts


async def _values(
    plan: ReadPlan,
    field: Any,
    entities: Sequence[Any],
    context: EntityContext,
    name_of: Callable[[ReadPlan, str], str],
) -> Sequence[Any]:
    match field:
        case ColumnField(column=column) if column is not None and column.is_table_column:
            return await _column(plan, column.name, column.attribute, entities, context)
        case ColumnField(expression=expression):
            return await _column(plan, None, expression, entities, context)
        case FlatField(path=path, column=column):
            return await _flat(path, column.name, entities, context)
        case AggregateField(aggregate=aggregate):
            return await _aggregate(aggregate, entities, context)
        case FetchedField(fetched=fetched):
            keys = [getattr(entity, fetched.key) for entity in entities]
            asked = list(dict.fromkeys(key for key in keys if key is not None))
            found = dict(zip(asked, await context.load_fetched(fetched, asked), strict=True))
            return [found.get(key) for key in keys]
        case Include():
            return await _include(field, entities, context, name_of)
    raise TypeError(f"unknown field {field!r}")


async def _column(
    plan: ReadPlan, name: str | None, expression: Any, entities: Sequence[Any], context: EntityContext
) -> Sequence[Any]:
    """A column that was read with the entity, or else one statement for all that lack it."""
    values = {
        id(entity): entity.__dict__[name]
        for entity in entities
        if name is not None and name in entity.__dict__
    }
    missing = {plan.entity.key_of(e): e for e in entities if id(e) not in values}
    if missing:
        lookup = Lookup(plan.entity, columns=plan.entity.key)
        rows, matched = await fetch_rows(lookup, [expression], list(missing), context)
        values |= {id(missing[key]): row[0] for key, row in zip(matched, rows, strict=True)}
    return [values.get(id(entity)) for entity in entities]


async def _flat(
    path: Sequence[RelationInfo], column: str, entities: Sequence[Any], context: EntityContext
) -> Sequence[Any]:
    current: list[Any] = list(entities)
    for relation in path:
        present = [entity for entity in current if entity is not None]
        found = {id(e): v for e, v in zip(present, await related(relation, present, context), strict=True)}
        current = [found.get(id(entity)) if entity is not None else None for entity in current]
    return [getattr(entity, column) if entity is not None else None for entity in current]


async def _aggregate(
    aggregate: Aggregate[Any], entities: Sequence[Any], context: EntityContext
) -> Sequence[Any]:
    keys = _keys(aggregate.relation, entities)
    fetch = AggregateFetch(Lookup(aggregate.relation.target, relation=aggregate.relation), [aggregate])
    rows = await aggregate_rows(fetch, _asked(aggregate.relation, keys), context)
    return [rows[key][0] if key in rows else aggregate.empty for key in keys]


async def _include(
    include: Include,
    entities: Sequence[Any],
    context: EntityContext,
    name_of: Callable[[ReadPlan, str], str],
) -> Sequence[Any]:
    relation = include.relation
    if include.where or include.order or include.first is not None:
        lookup = Lookup(relation.target, (), relation, include.where, include.order, include.first)
        found = await _looked_up(lookup, relation, entities, context)
        values: list[Any] = found if include.many else [group[0] if group else None for group in found]
    else:
        values = list(await related(relation, entities, context))
    if include.many:
        flat = [child for group in values for child in group]
        dicts = iter(await complete_entities(include.plan, flat, context, name_of))
        return [[next(dicts) for _ in group] for group in values]
    present = [child for child in values if child is not None]
    made = iter(await complete_entities(include.plan, present, context, name_of))
    return [next(made) if child is not None else None for child in values]


async def related(relation: RelationInfo, entities: Sequence[Any], context: EntityContext) -> Sequence[Any]:
    """What a relation of many entities is; one statement for those that do not have it, and it stays on them."""
    trusted = trusts(relation, context)
    distinct = {id(entity): entity for entity in entities}
    values = {
        key: entity.__dict__[relation.name]
        for key, entity in distinct.items()
        if trusted and relation.name in entity.__dict__
    }
    lacking = [entity for key, entity in distinct.items() if key not in values]
    if lacking:
        groups = await _looked_up(lookup_of(relation), relation, lacking, context)
        for entity, group in zip(lacking, groups, strict=True):
            value = group if relation.many else (group[0] if group else None)
            state = instance_state(entity)
            # What a user has changed in his own session stays as he has it.
            if state.session is not None and relation.name not in state.committed_state:
                set_committed_value(entity, relation.name, value)
                value = getattr(entity, relation.name)
            values[id(entity)] = value
    return [values[id(entity)] for entity in entities]


async def _looked_up(
    lookup: Lookup, relation: RelationInfo, entities: Sequence[Any], context: EntityContext
) -> list[list[Any]]:
    keys = _keys(relation, entities, by_key=lookup.relation is None)
    children: list[Any] = []
    matched: list[Any] = []
    asked = _asked(relation, keys)
    if asked:
        children, matched = await entities_by_keys(lookup, asked, context)
    groups: defaultdict[Any, list[Any]] = defaultdict(list)
    for key, child in zip(matched, children, strict=True):
        groups[key].append(child)
    return [list(groups.get(key, ())) for key in keys]


def _keys(relation: RelationInfo, entities: Sequence[Any], *, by_key: bool = False) -> list[Any]:
    """For each entity the key of a relation, or the primary key that it leads to."""
    order = relation.key_order if by_key else None
    local = relation.local if order is None else [relation.local[i] for i in order]
    names = [column.name for column in local]
    if len(names) == 1:
        return [getattr(entity, names[0]) for entity in entities]
    return [tuple(getattr(entity, name) for name in names) for entity in entities]


def _asked(relation: RelationInfo, keys: Sequence[Any]) -> list[Any]:
    """Each key once, without those that equal nothing because a part is NULL."""
    if relation.remote is None:
        return list(dict.fromkeys(keys))
    return [
        key for key in dict.fromkeys(keys) if key is not None and not (type(key) is tuple and None in key)
    ]
