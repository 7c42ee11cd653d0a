"""Compiles a read plan for the batched strategy: which lookups share a statement, and on which level."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, NoReturn
from weakref import WeakKeyDictionary

from batchrepo.declare.orders import parse_order
from batchrepo.errors import MissingRelated
from batchrepo.plan.read import (
    AggregateField,
    ColumnField,
    FetchedField,
    FlatField,
    Include,
    PageSpec,
    ReadPlan,
)
from batchrepo.sql.rows import Lookup
from batchrepo.strategies.assemble import Nested, make_assembler
from batchrepo.strategies.compiled import (
    AggregateFetch,
    Attach,
    CompiledPlan,
    Fetch,
    Flattened,
    Level,
    ServiceFetch,
    Source,
    Use,
)
from batchrepo.strategies.included_pages import PagedInclude, PageTotal
from batchrepo.strategies.inline import InlineColumns, inline_value, own_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchrepo.declare.computed import Aggregate, Fetched
    from batchrepo.declare.orders import OrderTerm
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.plan.leaf_types import LeafType
    from batchrepo.sql.keys import Key
    from batchrepo.strategies.inline import Inlining
    from batchrepo.strategies.reading import PagedOrder


def compile_plan(
    plan: ReadPlan,
    *,
    guarded: Callable[[EntityInfo], bool],
    name_of: Callable[[ReadPlan, str], str],
    paged: Callable[[EntityInfo, Sequence[OrderTerm]], PagedOrder],
    cursors: bool,
    inlining: Inlining | None = None,
) -> CompiledPlan:
    """Compile a plan.

    Args:
        plan: what to read.
        guarded: whether an entity has row criteria, so that even a key must be looked up.
        name_of: the name of a field in the output (its own, or its alias).
        paged: how an order is paged by.
        cursors: whether pages have the cursors of all their items.
        inlining: what may be read inside of statements where few rows are asked for; None for nothing.
    """

    def compiled(heaviest: int) -> CompiledPlan:
        return _Compiler(guarded, name_of, paged, cursors, inlining, heaviest).compile(plan)

    found = compiled(0)
    if inlining is not None:
        found._lookups, found._heavier = inlining.lookups, compiled
    return found


def missing_related(required: str, key: Key) -> MissingRelated:
    """The error for a field that needs a row, whose key has none.

    Args:
        required: view and field.
        key: of the row.
    """
    return MissingRelated(
        f"{required} does not allow None, but its row with key {key!r} does not exist, or this scope "
        f"may not see it. Let the field be None, or mend the data."
    )


class _Compiler:
    def __init__(
        self,
        guarded: Callable[[EntityInfo], bool],
        name_of: Callable[[ReadPlan, str], str],
        paged: Callable[[EntityInfo, Sequence[OrderTerm]], PagedOrder],
        cursors: bool,
        inlining: Inlining | None,
        heaviest: int,
    ) -> None:
        self.guarded = guarded
        self.name_of = name_of
        self.paged = paged
        self.cursors = cursors
        self.inlining = inlining
        self.heaviest = heaviest
        self.weights: set[int] = set()
        self.inlined: list[str] = []
        self.levels: list[Level] = []
        self.by_key: dict[EntityInfo, Source] = {}
        self.flattened: list[Flattened] = []
        self.totals: list[tuple[Use, PageTotal]] = []

    def compile(self, plan: ReadPlan) -> CompiledPlan:
        root = self._use(plan, Source(), 0, 1)
        if not root.source.columns:  # nothing is asked for that is read, but there is an answer for each row
            for column in plan.entity.key:
                root.source.place(column.attribute, column)
        weights = tuple(sorted(self.weights))
        return CompiledPlan(
            plan, root, self.levels, self.flattened, self.totals, weights, tuple(self.inlined)
        )

    def _use(self, plan: ReadPlan, source: Source, depth: int, rows: int | None) -> Use:
        """A use whose statement gives so many rows for each row of the root, or any number."""
        names = [self.name_of(plan, f.name) for f in plan.fields]
        positions: list[int | Nested | None] = [
            source.place(f.expression, f.column) if isinstance(f, ColumnField) else None for f in plan.fields
        ]
        for i, f in enumerate(plan.fields):
            if isinstance(f, Include | FlatField) and self._is_inline(f, plan, rows):
                positions[i] = self._inline(f, plan, source)
                self.inlined.append(f.name)
        use = Use(plan, source, make_assembler(names, positions))
        for f, name, position in zip(plan.fields, names, positions, strict=True):
            if position is not None:
                continue
            match f:
                case Include(page=PageSpec() as spec):
                    self._page(use, f, spec, name, depth + 1, rows)
                case Include():
                    self._include(use, f, name, depth + 1, rows)
                case FlatField(path=path):
                    self._include(use, nested_include(f), name, depth + 1, None)
                    self.flattened.append(Flattened(use, name, len(path)))
                case AggregateField(aggregate=aggregate):
                    self._aggregate(use, aggregate, name, depth + 1)
                case FetchedField(fetched=fetched):
                    self._service(use, fetched, name, depth + 1)
                case ColumnField():
                    pass
        return use

    def _level(self, depth: int) -> Level:
        while len(self.levels) < depth:
            self.levels.append(Level())
        return self.levels[depth - 1]

    def _is_inline(self, f: Include | FlatField, plan: ReadPlan, rows: int | None) -> bool:
        if self.inlining is None or rows is None:
            return False
        if isinstance(f, Include):
            weight = None if f.page is not None else self.inlining.weight(f, plan)
        else:
            weight = self.inlining.weight_of_flat(f, plan)
        if weight is None or key_answers(f if isinstance(f, Include) else nested_include(f), self.guarded):
            return False
        self.weights.add(weight * rows)
        return weight * rows <= self.heaviest

    def _inline(self, f: Include | FlatField, plan: ReadPlan, source: Source) -> int | Nested:
        if isinstance(f, FlatField):
            return source.place(inline_value(f.path, f.column), None)
        relation = f.relation
        keys = {
            key.name: source.place(own.attribute, own)
            for own, key in zip(own_key(relation), relation.target.key, strict=True)
        }
        columns = [inner.column for inner in f.plan.columns if inner.column is not None]
        inline = InlineColumns(relation, columns)
        read = [source.place(inline_value([relation], column), None) for column in inline.read]
        places = keys | {
            column.name: place
            for column, place in zip(inline.read, read, strict=True)
            if column.name not in keys
        }
        missing = _refusing(_required_by(plan, f), itemgetter(*keys.values())) if f.required else None
        return Nested(
            [self.name_of(f.plan, inner.name) for inner in f.plan.fields],
            [places[column.name] for column in columns],
            read[inline.present],
            missing,
        )

    def _include(self, parent: Use, include: Include, name: str, depth: int, rows: int | None) -> None:
        relation = include.relation
        level = self._level(depth)
        key, plain = _key_getter(parent, relation, relation.key_order)
        kind: Literal["many", "one"] = "many" if include.many else "one"
        if key_answers(include, self.guarded):
            child = _from_key(include, relation, self.name_of)
            level.answered.append(Attach(parent, name, key, plain, child, kind))
            return
        lookup, by_key = include_lookup(include)
        fetch = next((f for f in level.fetches if f.lookup.same == lookup.same), None)
        if fetch is None:
            # Rows found by primary key are remembered through the whole read, so all of its levels
            # select the same columns of them.
            source = self.by_key.setdefault(lookup.entity, Source()) if by_key else Source()
            fetch = Fetch(lookup, source)
            level.fetches.append(fetch)
        # What is read by key is remembered for all levels, however many rows they have.
        inside = None if by_key else self._rows_inside(relation, rows, include.first)
        child = self._use(include.plan, fetch.source, depth, inside)
        required = _required_by(parent.plan, include) if include.required else None
        fetch.attaches.append(Attach(parent, name, key, plain, child, kind, required=required))

    def _rows_inside(self, relation: RelationInfo, rows: int | None, first: int | None) -> int | None:
        """How many rows of a relation are read for each row of the root, if that is known and no more are looked at."""
        if self.inlining is None or not self.inlining.lateral or rows is None or first is None:
            return None
        return rows * first if relation.indexed and not relation.may_repeat else None

    def _page(
        self, parent: Use, include: Include, spec: PageSpec, name: str, depth: int, rows: int | None
    ) -> None:
        relation = include.relation
        key, plain = _key_getter(parent, relation, None)
        order = self.paged(relation.target, include.order)
        keyset = order.keyset.backward() if spec.backward else order.keyset
        lookup = Lookup(relation.target, (), relation, include.where, keyset.order_terms, spec.size + 1)
        fetch = Fetch(lookup, Source())
        self._level(depth).fetches.append(fetch)
        inside = self._rows_inside(relation, rows, spec.size + 1)
        child = self._use(include.plan, fetch.source, depth, inside)
        places = tuple(fetch.source.place(value, None) for value in order.values)
        paged = PagedInclude(spec, relation.target, order, include.where, places, self.cursors)
        fetch.attaches.append(Attach(parent, name, key, plain, child, "page", paged=paged))
        if spec.total is not None:
            total = PageTotal(name, f"{name} (total)")
            self._aggregate(parent, spec.total, total.counted, depth)
            self.totals.append((parent, total))

    def _aggregate(self, parent: Use, aggregate: Aggregate[Any], name: str, depth: int) -> None:
        relation = aggregate.relation
        level = self._level(depth)
        fetch = next((f for f in level.aggregates if f.lookup.relation is relation), None)
        if fetch is None:
            fetch = AggregateFetch(Lookup(relation.target, relation=relation))
            level.aggregates.append(fetch)
        key, plain = _key_getter(parent, relation, None)
        index = fetch.place(aggregate)
        fetch.attaches.append(
            Attach(parent, name, key, plain, None, "value", index=index, default=aggregate.empty)
        )

    def _service(self, parent: Use, fetched: Fetched[Any], name: str, depth: int) -> None:
        level = self._level(depth)
        found = next((s for s in level.services if s.fetched is fetched), None)
        if found is None:
            found = ServiceFetch(fetched)
            level.services.append(found)
        column = parent.plan.entity.column(fetched.key)
        place = parent.source.place(column.attribute, column)
        found.attaches.append(Attach(parent, name, itemgetter(place), True, None, "value"))


def _refusing(required: str, key_of: Callable[[Sequence[Any]], Key]) -> Callable[[Sequence[Any]], NoReturn]:
    """Raises for a row of the parent that leads nowhere."""

    def missing(row: Sequence[Any]) -> NoReturn:
        raise missing_related(required, key_of(row))

    return missing


def _required_by(plan: ReadPlan, include: Include) -> str:
    """View and field, for the message."""
    return f"{plan.view.__name__ if plan.view is not None else plan.entity.name}.{include.name}"


def lookup_of(relation: RelationInfo) -> Lookup:
    """The lookup for all rows of a relation, in its own order; by primary key where that is enough."""
    if relation.key_order is not None:
        return Lookup(relation.target, columns=relation.target.key)
    return Lookup(relation.target, relation=relation, order=_order_of(relation))


def _order_of(relation: RelationInfo) -> Any:
    # Parsed once, so that two lookups over one relation are recognised as the same.
    parsed = _orders.get(relation)
    if parsed is None:
        parsed = _orders[relation] = parse_order(relation.order_by)
    return parsed


_orders: WeakKeyDictionary[RelationInfo, Any] = WeakKeyDictionary()


def key_answers(include: Include, guarded: Callable[[EntityInfo], bool]) -> bool:
    """Whether the key of an include has all that is read of its row, which is surely there."""
    relation = include.relation
    if not relation.enforced or include.where or guarded(relation.target):
        return False
    keys = set(relation.target.key_names)
    return all(
        isinstance(f, ColumnField) and f.column is not None and f.column.name in keys
        for f in include.plan.fields
    )


def include_lookup(include: Include) -> tuple[Lookup, bool]:
    """How the rows of an include are looked up, and whether by primary key."""
    relation = include.relation
    if relation.key_order is not None and not include.where:
        return lookup_of(relation), True
    order = include.order or _order_of(relation)
    return Lookup(relation.target, (), relation, include.where, order, include.first), False


def _key_getter(parent: Use, relation: RelationInfo, order: Sequence[int] | None) -> tuple[Any, bool]:
    local = relation.local if order is None else [relation.local[i] for i in order]
    places = [parent.source.place(column.attribute, column) for column in local]
    return itemgetter(*places), len(places) == 1


def nested_include(flat: FlatField, leaf: LeafType | None = None) -> Include:
    """A flattened column as includes of one field each; `leaf` is how its value is written, if something decides so."""
    leaves = None if leaf is None else {flat.name: leaf}
    required = leaf is not None and leaf.required
    field: ColumnField | Include = ColumnField(flat.name, flat.column.attribute, flat.column)
    for relation in reversed(flat.path):
        field = Include(
            flat.name, relation, ReadPlan(relation.target, (field,), None, leaves), required=required
        )
    assert isinstance(field, Include)
    return field


def _from_key(include: Include, relation: RelationInfo, name_of: Callable[[ReadPlan, str], str]) -> Use:
    """The use that makes dicts from keys alone: a row is the key, as a tuple in the target's order."""
    names = relation.target.key_names
    positions = [names.index(f.column.name) for f in include.plan.columns if f.column is not None]
    labels = [name_of(include.plan, f.name) for f in include.plan.fields]
    return Use(include.plan, Source(), make_assembler(labels, positions))
