"""A read plan as one statement that gives the JSON of each row of its root as a text.

Downwards, every lookup of the batched strategy becomes a CTE that takes its keys from the CTE above it, for all rows at
once. Upwards, the rows of a list become one text for each parent, and the rows of to-one relations are joined where their
columns are written. No part refers to the row of another (but for LATERAL, where an index serves it), so that the work grows
with the rows, and an entity that leads to itself needs no aliases.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.plan.read import AggregateField, ColumnField, FlatField, Include, PageSpec
from batchrepo.sql.aggregates import keyed_aggregates
from batchrepo.sql.guarding import guard_all
from batchrepo.sql.json.texts import (
    as_object,
    concatenated,
    inexact,
    joined_texts,
    where_null,
    written,
)
from batchrepo.sql.parents import ParentKeys
from batchrepo.sql.rows import Lookup, keyed_rows
from batchrepo.strategies.cascaded import (
    FOUND,
    MATCH,
    NUMBER,
    RANK,
    PartRows,
    belongs,
    equal,
    joins_by_key,
    kind_of,
    labelled,
    match_of,
    selected_of,
)
from batchrepo.strategies.compile import include_lookup, key_answers, nested_include
from batchrepo.strategies.form import PageTexts
from batchrepo.strategies.root import Rooted
from batchrepo.strategies.spliced import marked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.criteria import Guards
    from batchrepo.declare.orders import OrderTerm
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.plan.read import Field, ReadPlan
    from batchrepo.sql.rows import Keyed
    from batchrepo.sql.statement import Statement
    from batchrepo.strategies.compiled import Source
    from batchrepo.strategies.form import Form
    from batchrepo.strategies.reading import PagedOrder


class CascadeBuilder:
    """Builds the statement of one plan.

    Args:
        plan: what is read.
        guards: the row criteria.
        dialect: of the database.
        guarded: whether an entity has row criteria, so that even a key must be looked up.
        paged: how an order is paged by.
        form: how the JSON looks.
    """

    def __init__(
        self,
        plan: ReadPlan,
        guards: Guards,
        dialect: Dialect,
        *,
        guarded: Callable[[EntityInfo], bool],
        paged: Callable[[EntityInfo, Sequence[OrderTerm]], PagedOrder],
        form: Form,
    ) -> None:
        self.plan = plan
        self.source = selected_of(plan)
        self._guards = guards
        self._dialect = dialect
        self._guarded = guarded
        self._paged = paged
        self._form = form
        self._pages = plan.pages
        self._entities: dict[EntityInfo, None] = {}
        self._parts = 0
        self._inexact = inexact(dialect)

    @property
    def columns(self) -> list[Any]:
        """What the statement of the root has to select first."""
        return labelled(self.source.columns)

    def each(self, root: Statement, entities: Sequence[EntityInfo], others: Sequence[int] = ()) -> Rooted:
        """The statement: one row for each row of the root, in their order, that begins with its JSON.

        Args:
            root: selects `columns`, and maybe more, in the order of the rows.
            entities: whose criteria are in it.
            others: the places of columns of `root` that are selected behind the JSON.
        """
        rows = self._root(root, entities)
        text = self._text(rows)
        behind = [list(rows.table.c)[place] for place in others]
        statement = sa.select(text.label("json"), *behind).select_from(rows.joined).order_by(rows.number)
        return Rooted(statement, tuple(self._entities))

    def whole(self, root: Statement, entities: Sequence[EntityInfo]) -> Rooted:
        """The statement: texts that are the JSON of all rows of the root once they are joined with commas.

        A server sends many values in pieces, each of which wakes the client, and a large one as a whole. So it is one text
        (NULL without any row), but for SQLite, which sends nothing and has one for each row.
        """
        if self._dialect.name == "sqlite":
            return self.each(root, entities)
        rows = self._root(root, entities)
        statement = joined_texts([], self._text(rows), rows.number, rows.joined, self._dialect)
        return Rooted(statement, tuple(self._entities))

    def page(
        self,
        root: Statement,
        entities: Sequence[EntityInfo],
        others: Sequence[int],
        most: ColumnElement[int],
        present: int,
        *,
        backward: bool,
    ) -> Rooted:
        """As `each`, with texts as those of `whole`: the first row has the JSON of all.

        Args:
            root: as for `each`, in the direction of reading.
            entities: as for `each`.
            others: as for `each`.
            most: JSON is needed of so many rows.
            present: the place of a column that is NULL only where there is no row.
            backward: the page has the last row first.
        """
        if self._dialect.name == "sqlite":
            return self.each(root, entities, others)
        rows = self._root(root, entities)
        number, text, columns = rows.number, self._text(rows), list(rows.table.c)
        whole = joined_texts([], text, number.desc() if backward else number, rows.joined, self._dialect)
        whole = whole.where(number <= most, columns[present].is_not(None))
        first = sa.case((number == sa.literal_column("1"), whole.scalar_subquery())).label("json")
        statement = sa.select(first, *(columns[place] for place in others)).order_by(number)
        return Rooted(statement, tuple(self._entities))

    def _root(self, root: Statement, entities: Sequence[EntityInfo]) -> PartRows:
        self._entities |= dict.fromkeys(entities)
        # Read once whoever refers to it: two executions of one LIMIT might give different rows.
        return PartRows(self.plan, self.source, self._numbered(root).prefix_with("MATERIALIZED"))

    # --- parts --------------------------------------------------------------------------------------

    def _name(self, what: str) -> str:
        self._parts += 1
        return f"batchrepo_{what}_{self._parts}"

    def _numbered(self, statement: Statement) -> Any:
        """A statement as a CTE, its rows numbered as they come."""
        rows = statement.subquery(self._name("ordered"))
        number = sa.func.row_number().over().label(NUMBER)
        return sa.select(*rows.c, number).cte(self._name("rows"))

    def _keyed(
        self,
        lookup: Lookup,
        plan: ReadPlan,
        parents: PartRows,
        key: Sequence[Any],
        source: Source | None = None,
    ) -> tuple[PartRows, Keyed]:
        """The rows that a lookup finds for all parents; `source` has what is selected if that is more than the plan's."""
        source = source or selected_of(plan)
        keys = ParentKeys(self._dialect, parents.table, key, parents.number)
        keyed = keyed_rows(lookup, labelled(source.columns), self._guards, self._dialect, keys)
        self._entities |= dict.fromkeys(keyed.entities)
        table = self._numbered(keyed.statement)
        return PartRows(plan, source, table), keyed

    def _by_key(self, lookup: Lookup, plan: ReadPlan) -> PartRows:
        """The rows of an entity to be joined by its primary key, where nothing is looked up for them in turn."""
        source = selected_of(plan)
        columns, reached = guard_all(labelled(source.columns), self._guards, conditions=False)
        match = [column.attribute.label(f"{MATCH}{i}") for i, column in enumerate(lookup.columns)]
        entity = lookup.entity
        self._entities |= dict.fromkeys((entity, *reached))
        table = (
            sa.select(*columns, *match)
            .select_from(entity.cls)
            .where(*self._guards.conditions(entity))
            .subquery(self._name("one"))
        )
        return PartRows(plan, source, table)

    # --- texts --------------------------------------------------------------------------------------

    def _text(self, rows: PartRows, *, flat: bool = False) -> ColumnElement[str]:
        """The JSON of a row; `flat` gives the value of its one field instead of an object."""
        if flat:
            (field,) = rows.plan.fields
            return (
                self._one(rows, field, flat=True)
                if isinstance(field, Include)
                else self._field(rows, field, {})
            )
        found = self._aggregates(rows)
        texts = {field.name: self._field(rows, field, found) for field in rows.plan.fields}
        return as_object(self._form.items(rows.plan, texts))

    def _field(
        self, rows: PartRows, field: Field, aggregates: dict[str, ColumnElement[str]]
    ) -> ColumnElement[str]:
        match field:
            case ColumnField(expression=expression, column=column) if column is not None:
                return self._value(rows.plan, field, rows.column(expression, column), column.type)
            case Include(page=PageSpec() as spec):
                return self._page(rows, field, spec, aggregates.get(_total(field)))
            case Include(many=True):
                return self._list(rows, field)
            case Include():
                return self._one(rows, field)
            case FlatField():
                return self._one(rows, nested_include(field, rows.plan.leaf_of(field)), flat=True)
            case AggregateField():
                return aggregates[field.name]
            case _:
                raise AssertionError(f"`why_not` lets no {field!r} pass")

    def _value(
        self, plan: ReadPlan, field: Field, value: Any, kind: Any, default: str = "null"
    ) -> ColumnElement[str]:
        encode = self._form.encoder(plan, field, kind, self._dialect)
        assert encode is not None, f"`why_not` lets no {kind!r} pass"
        leaf = plan.leaf_of(field)
        if leaf is not None and leaf.kind == "Constant":
            return encode(value)
        missing = leaf is not None and leaf.required and default == "null"
        return where_null(value, self._inexact if missing else written(default), encode(value))

    def _list(self, parents: PartRows, include: Include) -> ColumnElement[str]:
        lookup, _ = include_lookup(include)
        rows, keyed = self._keyed(lookup, include.plan, parents, parents.key(include.relation))
        text = self._text(rows)
        lists = self._joined(rows, text, match_of(rows.table, keyed))
        parents.joins.append((lists, belongs(lists, keyed, parents, include.relation)))
        return concatenated(["[", sa.func.coalesce(lists.c.text, written("")), "]"])

    def _joined(
        self,
        rows: PartRows,
        text: ColumnElement[str],
        match: Sequence[Any],
        place: Any = None,
        facts: Any = (),
    ) -> Any:
        """One text for the rows of each parent, in the order of `place`, by default that of the rows."""
        keys = [column.label(f"{MATCH}{i}") for i, column in enumerate(match)]
        place = rows.number if place is None else place
        lists = joined_texts(keys, text, place, rows.joined, self._dialect, facts)
        return lists.cte(self._name("lists"))

    def _page(
        self, parents: PartRows, include: Include, spec: PageSpec, total: ColumnElement[str] | None
    ) -> ColumnElement[str]:
        """A page of each parent; its cursors are for the client to make."""
        relation = include.relation
        order = self._paged(relation.target, include.order)
        directed = order.keyset.backward() if spec.backward else order.keyset
        lookup = Lookup(relation.target, (), relation, include.where, directed.order_terms, spec.size + 1)
        source = selected_of(include.plan)
        places = [source.place(value, None) for value in order.values]
        rows, keyed = self._keyed(lookup, include.plan, parents, parents.key(relation), source)
        ranked = self._ranked(rows, keyed)
        rows.table = sa.select(*ranked.c).where(ranked.c[RANK] <= spec.size).cte(self._name("page"))
        table = rows.table
        found = [table.c[f"c{place}"] for place in places]
        cursor = marked(self._pages.index(include), order.keyset, found, self._dialect)
        last = sa.case((table.c[FOUND] > spec.size, spec.size), else_=table.c[FOUND])
        ends = [
            sa.case((table.c[RANK] == place, cursor)).label(name)
            for place, name in ((sa.literal_column("1"), "near"), (last, "far"))
        ]
        place = rows.number.desc() if spec.backward else rows.number
        text = self._text(rows)
        facts = [*ends, table.c[FOUND].label("found")]
        lists = self._joined(rows, text, match_of(table, keyed), place, facts)
        parents.joins.append((lists, belongs(lists, keyed, parents, relation)))
        near, far = (sa.func.coalesce(lists.c[name], written("null")) for name in ("near", "far"))
        more = sa.case((lists.c.found > spec.size, written("true")), else_=written("false"))
        start, end = (far, near) if spec.backward else (near, far)
        ahead, behind = (written("false"), more) if spec.backward else (more, written("false"))
        items = concatenated(["[", sa.func.coalesce(lists.c.text, written("")), "]"])
        return self._form.page(include, PageTexts(items, ahead, behind, start, end, total))

    def _ranked(self, rows: PartRows, keyed: Keyed) -> Any:
        """Rows with their place among those of their parent, and how many it has."""
        match = match_of(rows.table, keyed)
        rank = sa.func.row_number().over(partition_by=match, order_by=rows.number).label(RANK)
        found = sa.func.count().over(partition_by=match).label(FOUND)
        return sa.select(*rows.table.c, rank, found).subquery(self._name("ranked"))

    def _one(self, parents: PartRows, include: Include, *, flat: bool = False) -> ColumnElement[str]:
        relation = include.relation
        if key_answers(include, self._guarded):
            return self._of_key(parents, include, flat=flat)
        lookup, by_key = include_lookup(include)
        order = relation.key_order if by_key else None
        key = parents.key(relation, order)
        if by_key and joins_by_key(relation.target, self._dialect) and not self._looks_further(include.plan):
            rows = self._by_key(lookup, include.plan)
            match = [rows.table.c[f"{MATCH}{i}"] for i in range(len(key))]
            on = equal(match, key)
        else:
            # The first of several rows wins, as SQLAlchemy has it for a to-one relation.
            lookup = lookup if by_key or lookup.first is not None else replace(lookup, first=1)
            rows, keyed = self._keyed(lookup, include.plan, parents, key)
            match = match_of(rows.table, keyed)
            on = belongs(rows.table, keyed, parents, relation, order)
        text = self._text(rows, flat=flat)
        parents.joins += [(rows.table, on), *rows.joins]
        return where_null(match[0], self._missing(include), text)

    def _missing(self, include: Include) -> ColumnElement[str]:
        return self._inexact if include.required else written("null")

    def _of_key(self, parents: PartRows, include: Include, *, flat: bool) -> ColumnElement[str]:
        """What the key itself has."""
        relation = include.relation
        key = parents.key(relation, relation.key_order)
        values = dict(zip(relation.target.key_names, key, strict=True))
        texts = {
            field.name: self._value(include.plan, field, values[field.column.name], field.column.type)
            for field in include.plan.columns
            if field.column is not None
        }
        (text, *_) = texts.values() if flat else [as_object(self._form.items(include.plan, texts))]
        return sa.case((sa.or_(*(part.is_(None) for part in key)), self._missing(include)), else_=text)

    def _looks_further(self, plan: ReadPlan) -> bool:
        """Whether something is looked up for the rows of a plan that is not joined by primary key."""
        for field in plan.fields:
            match field:
                case AggregateField() | Include(many=True):
                    return True
                case Include() | FlatField():
                    include = field if isinstance(field, Include) else nested_include(field)
                    by_key = key_answers(include, self._guarded) or (
                        include_lookup(include)[1] and joins_by_key(include.relation.target, self._dialect)
                    )
                    if not by_key or self._looks_further(include.plan):
                        return True
        return False

    def _aggregates(self, rows: PartRows) -> dict[str, ColumnElement[str]]:
        """The texts of the aggregates among the fields, by name; those over one relation are read together."""
        by_relation: dict[RelationInfo, list[AggregateField]] = {}
        for field in rows.plan.fields:
            match field:
                case AggregateField(aggregate=aggregate):
                    by_relation.setdefault(aggregate.relation, []).append(field)
                case Include(page=PageSpec(total=total)) if total is not None:
                    counted = AggregateField(_total(field), total)
                    by_relation.setdefault(field.relation, []).append(counted)
                case _:
                    pass
        texts: dict[str, ColumnElement[str]] = {}
        for relation, fields in by_relation.items():
            keys = ParentKeys(self._dialect, rows.table, rows.key(relation), rows.number)
            aggregates = [field.aggregate for field in fields]
            lookup = Lookup(relation.target, relation=relation)
            keyed = keyed_aggregates(lookup, aggregates, self._guards, self._dialect, keys)
            self._entities |= dict.fromkeys(keyed.entities)
            table = keyed.statement.cte(self._name("aggregates"))
            rows.joins.append((table, belongs(table, keyed, rows, relation)))
            for i, field in enumerate(fields):
                default = json.dumps(field.aggregate.empty)
                texts[field.name] = self._value(
                    rows.plan, field, table.c[f"a{i}"], kind_of(field.aggregate), default
                )
        return texts


def _total(include: Include) -> str:
    """What the total of a page is called among the aggregates: no field has such a name."""
    return f"{include.name} (total)"
