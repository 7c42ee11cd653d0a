"""Statements that read rows of one entity for a batch of keys, whole or a few for each key."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BindParameter

from batchrepo.declare.orders import OrderTerm, total_order
from batchrepo.errors import InvalidArgument
from batchrepo.mapping.entity import column_of
from batchrepo.sql.guarding import guard, guard_all
from batchrepo.sql.keys import KeyFilter, KeyTable, key_dialect
from batchrepo.sql.lateral import per_key
from batchrepo.sql.limits import limit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.criteria import Guards
    from batchrepo.mapping import ColumnInfo, EntityInfo, RelationInfo
    from batchrepo.sql.keys import Key, KeyDialect
    from batchrepo.sql.statement import Statement


@dataclass(frozen=True, eq=False)
class Lookup:
    """Which rows a batch of keys finds: rows of `entity` by some of its columns, or through a relation.

    Attributes:
        entity: whose rows are read.
        columns: looked up by these columns (None for a relation).
        relation: looked up through this relation (None for columns); the key is the values of its
            `local` columns.
        where: further conditions.
        order: within the rows of one key.
        first: at most so many rows for each key, or None for all.
    """

    entity: EntityInfo
    columns: tuple[ColumnInfo, ...] = ()
    relation: RelationInfo | None = None
    where: tuple[ColumnElement[bool], ...] = ()
    order: tuple[OrderTerm, ...] = ()
    first: int | None = None

    @cached_property
    def same(self) -> tuple[Any, ...]:
        """Equal for two lookups that find the same rows for the same key.

        Holds as long as both exist: expressions are told apart by their ids.
        """
        return (
            self.entity,
            tuple(column.name for column in self.columns),
            self.relation,
            tuple(id(condition) for condition in self.where),
            tuple((id(term.expression), term.descending, term.nulls) for term in self.order),
            self.first,
        )

    def __str__(self) -> str:
        if self.relation is not None:
            return str(self.relation)
        return f"{self.entity.name} by {', '.join(column.name for column in self.columns)}"


@dataclass(frozen=True, eq=False)
class Keyed:
    """A built statement for a batch of keys.

    Attributes:
        statement: selects what was asked for, then the match columns that are not among it.
        match: the places of the match columns in a row.
        filter: how keys go in and how rows are matched to them.
        entities: whose criteria are in it.
        single: a simpler statement for a batch of one key, or None.
    """

    statement: Statement
    match: tuple[int, ...]
    filter: KeyFilter
    entities: tuple[EntityInfo, ...]
    single: Keyed | None = None

    def mapped(self, change: Callable[[Statement], Statement]) -> Keyed:
        """The same with its statements changed."""
        single = self.single.mapped(change) if self.single is not None else None
        return replace(self, statement=change(self.statement), single=single)


def source_of(
    lookup: Lookup, guards: Guards, keys: KeyDialect
) -> tuple[KeyFilter, tuple[ColumnElement[bool], ...], tuple[EntityInfo, ...]]:
    """How keys limit a lookup.

    Args:
        lookup: which rows.
        guards: the row criteria.
        keys: where the keys come from.

    Returns:
        The limit, the conditions that do not depend on the keys, and the entities whose criteria are in
        subqueries of the relation's condition.

    Raises:
        InvalidArgument: a relation without plain equality has key types that the database cannot take
            as a table.
    """
    relation = lookup.relation
    if relation is None:
        return keys.filter([column.attribute for column in lookup.columns]), (), ()
    if relation.remote is not None:
        fixed, reached = guard_all(relation.extra, guards)
        return keys.filter(relation.remote), tuple(fixed), reached
    table = keys.table([column.type for column in relation.local])
    if table is None:
        raise InvalidArgument(
            f"{relation} has a join condition that is not a plain equality, and {keys.dialect.name} cannot take its "
            f"key columns ({', '.join(c.name for c in relation.local)}) as a table."
        )
    condition, reached = on_key_table(relation, table, guards)
    key_filter = KeyFilter((condition,), (table.ordinal,), table.first_ordinal, table.encode, table=table)
    return key_filter, (), reached


def on_key_table(
    relation: RelationInfo, table: KeyTable, guards: Guards
) -> tuple[ColumnElement[bool], tuple[EntityInfo, ...]]:
    """The relation's condition with the parent's values taken from a key table, and whose criteria are in it."""
    placed, reached = on_columns(relation, table.columns, guards)

    def correlate(select: Any) -> None:
        # A subquery that names what it correlates to means the owner, whose place the keys take.
        if select._correlate:
            select._correlate = (*select._correlate, table.source)

    visitors.traverse(placed, {}, {"select": correlate})
    return placed, reached


def on_columns(
    relation: RelationInfo, columns: Sequence[Any], guards: Guards
) -> tuple[ColumnElement[bool], tuple[EntityInfo, ...]]:
    """The relation's condition with other columns (or parameters) in the place of the parent's."""
    places = dict(zip(relation.binds, columns, strict=True))

    def place(element: Any, **_: Any) -> Any:
        return places.get(element.key) if isinstance(element, BindParameter) else None

    clause, reached = guard(relation.clause, guards)
    return visitors.replacement_traverse(clause, {}, place), reached


def keyed_rows(
    lookup: Lookup,
    selected: Sequence[Any] | None,
    guards: Guards,
    dialect: Dialect,
    keys: KeyDialect | None = None,
) -> Keyed:
    """Read columns of the looked-up entity for a batch of keys.

    Args:
        lookup: which rows.
        selected: the columns, or None for whole entities (an ORM statement).
        guards: the row criteria.
        dialect: of the database.
        keys: where the keys come from; by default a parameter.

    Each child of a link table is given once, also where a pair is linked twice.
    """
    keys = keys or key_dialect(dialect)
    key_filter, fixed, in_relation = source_of(lookup, guards, keys)
    where, in_where = guard_all(lookup.where, guards)
    conditions = (*where, *guards.conditions(lookup.entity))
    relation = lookup.relation
    lookup, in_order = _guarded_order(lookup, guards)
    in_columns: tuple[EntityInfo, ...] = ()
    if selected is not None:
        selected, in_columns = guard_all(selected, guards, conditions=False)
    whole = [lookup.entity.cls] if selected is None else list(selected)
    entities = (lookup.entity, *in_relation, *in_where, *in_order, *in_columns)
    if relation is not None and relation.may_repeat:
        statement = _each_once(lookup, selected, key_filter, (*fixed, *conditions))
        return Keyed(statement, behind(len(whole), key_filter), key_filter, entities)
    match, extra = _places(whole, key_filter)
    plain = (
        sa.select(*whole, *extra)
        .where(*key_filter.conditions, *fixed, *conditions)
        .select_from(lookup.entity.cls)
    )
    if lookup.first is None:
        statement = plain.order_by(*(term.element for term in lookup.order))
        return Keyed(statement, match, key_filter, entities)
    order = total_order(lookup.order, lookup.entity)
    for_one = plain.order_by(*(term.element for term in order)).limit(limit_of(lookup.first))
    single = Keyed(for_one, match, key_filter, entities)
    if dialect.name == "postgresql" and relation is not None and relation.indexed:
        statement, key_filter = _lateral(lookup, relation, selected, conditions, guards, keys)
    else:
        statement = _ranked(lookup, selected, key_filter, (*fixed, *conditions))
    return Keyed(statement, behind(len(whole), key_filter), key_filter, entities, single)


def _places(selected: Sequence[Any], key_filter: KeyFilter) -> tuple[tuple[int, ...], list[Any]]:
    """Where the match columns are in a row, and those that must be selected besides."""
    known = {column_of(column): i for i, column in enumerate(selected) if not isinstance(column, type)}
    places: list[int] = []
    extra: list[Any] = []
    for i, column in enumerate(key_filter.match):
        found = known.get(column_of(column))
        if found is None:
            found = len(selected) + len(extra)
            extra.append(column.label(f"batchrepo_match_{i}"))
        places.append(found)
    return tuple(places), extra


def _guarded_order(lookup: Lookup, guards: Guards) -> tuple[Lookup, tuple[EntityInfo, ...]]:
    expressions, reached = guard_all((term.expression for term in lookup.order), guards, conditions=False)
    if not reached:
        return lookup, ()
    order = tuple(
        replace(term, expression=expression)
        for term, expression in zip(lookup.order, expressions, strict=True)
    )
    return replace(lookup, order=order), reached


def _ranked(
    lookup: Lookup, selected: Sequence[Any] | None, key_filter: KeyFilter, conditions: Sequence[Any]
) -> Statement:
    """The first rows of each key by ROW_NUMBER over the rows of these keys only."""
    assert lookup.first is not None
    order = [term.element for term in total_order(lookup.order, lookup.entity)]
    place = sa.func.row_number().over(partition_by=list(key_filter.match), order_by=order).label("place")
    inner = (
        sa.select(*_inner(lookup, selected), *_labelled(key_filter.match), place)
        .where(*key_filter.conditions, *conditions)
        .select_from(lookup.entity.cls)
        .subquery("batchrepo_ranked")
    )
    outer = _outer(lookup, selected, inner, _matched(inner, key_filter), inner)
    return outer.where(inner.c.place <= limit_of(lookup.first)).order_by(inner.c.place)


def _lateral(
    lookup: Lookup,
    relation: RelationInfo,
    selected: Sequence[Any] | None,
    conditions: Sequence[Any],
    guards: Guards,
    keys: KeyDialect,
) -> tuple[Statement, KeyFilter]:
    """The first rows of each key by a sub-select per key, which an index on the key columns serves."""
    table = keys.table([column.type for column in relation.local])
    assert table is not None
    assert lookup.first is not None
    condition, _ = on_key_table(relation, table, guards)
    terms = total_order(lookup.order, lookup.entity)
    sorted_by = [term.expression.label(f"order_{i}") for i, term in enumerate(terms)]
    firsts = (
        sa.select(*_inner(lookup, selected), *sorted_by)
        .where(condition, *conditions)
        .select_from(lookup.entity.cls)
        .order_by(*(term.element for term in terms))
        .limit(limit_of(lookup.first))
        .correlate(table.source)
    )
    inner = per_key(firsts, "batchrepo_firsts")
    order = [term.on(inner.c[f"order_{i}"]) for i, term in enumerate(terms)]
    source = table.source.join(inner, sa.true())
    outer = _outer(lookup, selected, inner, [table.ordinal.label("batchrepo_match_0")], source)
    by_ordinal = KeyFilter((), (table.ordinal,), table.first_ordinal, table.encode, table=table)
    return outer.order_by(table.ordinal, *order), by_ordinal


def _each_once(
    lookup: Lookup, selected: Sequence[Any] | None, key_filter: KeyFilter, conditions: Sequence[Any]
) -> Statement:
    """Through a link table that may repeat a pair: rank the repetitions away, then read."""
    terms = total_order(lookup.order, lookup.entity)
    key = [column.attribute for column in lookup.entity.key]
    repetition = sa.func.row_number().over(
        partition_by=[*key_filter.match, *key], order_by=[term.element for term in terms]
    )
    sorted_by = [term.expression.label(f"order_{i}") for i, term in enumerate(terms)]
    inner: Any = (
        sa.select(
            *_inner(lookup, selected),
            *_labelled(key_filter.match),
            *sorted_by,
            repetition.label("repetition"),
        )
        .where(*key_filter.conditions, *conditions)
        .select_from(lookup.entity.cls)
        .subquery("batchrepo_linked")
    )
    order = [term.on(inner.c[f"order_{i}"]) for i, term in enumerate(terms)]
    if lookup.first is None:
        outer = _outer(lookup, selected, inner, _matched(inner, key_filter), inner)
        return outer.where(inner.c.repetition == 1).order_by(*order)
    place = sa.func.row_number().over(partition_by=_matched(inner, key_filter), order_by=order).label("place")
    ranked = sa.select(*inner.c, place).where(inner.c.repetition == 1).subquery("batchrepo_ranked")
    outer = _outer(lookup, selected, ranked, _matched(ranked, key_filter), ranked)
    return outer.where(ranked.c.place <= limit_of(lookup.first)).order_by(ranked.c.place)


def _inner(lookup: Lookup, selected: Sequence[Any] | None) -> list[Any]:
    columns = [column.attribute for column in lookup.entity.key] if selected is None else selected
    return [column.label(f"c{i}") for i, column in enumerate(columns)]


def _outer(
    lookup: Lookup, selected: Sequence[Any] | None, inner: Any, match: Sequence[Any], source: Any
) -> Statement:
    """Select from a sub-select: its columns, or the entities whose keys it has."""
    if selected is not None:
        columns = [inner.c[f"c{i}"] for i in range(len(selected))]
        return sa.select(*columns, *match).select_from(source)
    on = sa.and_(*(column.attribute == inner.c[f"c{i}"] for i, column in enumerate(lookup.entity.key)))
    return sa.select(lookup.entity.cls, *match).select_from(source).join(lookup.entity.cls, on)


def _labelled(match: Sequence[ColumnElement[Any]]) -> list[Any]:
    return [column.label(f"batchrepo_match_{i}") for i, column in enumerate(match)]


def _matched(inner: Any, key_filter: KeyFilter) -> list[Any]:
    return [inner.c[f"batchrepo_match_{i}"] for i in range(len(key_filter.match))]


def match_rows(keyed: Keyed, keys: Sequence[Key], rows: Sequence[Sequence[Any]]) -> dict[Key, list[Any]]:
    """Rows by key; a key without rows is absent. The order of rows is kept."""
    groups: dict[Key, list[Any]] = {}
    for key, row in zip(row_keys(keyed, keys, rows), rows, strict=True):
        if key in groups:
            groups[key].append(row)
        else:
            groups[key] = [row]
    return groups


def row_keys(keyed: Keyed, keys: Sequence[Key], rows: Sequence[Sequence[Any]]) -> list[Key]:
    """For each row, the key that it belongs to."""
    first = keyed.filter.first_ordinal
    if first is not None:
        (place,) = keyed.match
        return [keys[row[place] - first] for row in rows]
    # One place gives values, several give tuples: what a key is in either case.
    return list(map(itemgetter(*keyed.match), rows))


def behind(width: int, key_filter: KeyFilter) -> tuple[int, ...]:
    """The places of match columns that come after `width` selected ones."""
    return tuple(range(width, width + len(key_filter.match)))
