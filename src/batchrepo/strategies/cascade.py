"""A read plan as one statement that gives the JSON of each row of its root as a text.

Downwards, every lookup of the batched strategy becomes a CTE that takes its keys from the CTE above it, for all rows at
once. Upwards, the rows of a list become one text for each parent, and the rows of to-one relations are joined where their
columns are written. No part refers to the row of another (but for LATERAL, where an index serves it), so that the work grows
with the rows, and an entity that leads to itself needs no aliases.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from functools import reduce
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.plan.read import AggregateField, ColumnField, FetchedField, FlatField, Include
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
from batchrepo.strategies.compile import Source, include_lookup, key_answers, nested_include
from batchrepo.strategies.root import Rooted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.types import TypeEngine

    from batchrepo.declare.computed import Aggregate
    from batchrepo.declare.criteria import Guards
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.plan.read import Field, ReadPlan
    from batchrepo.sql.rows import Keyed
    from batchrepo.sql.statement import Statement
    from batchrepo.strategies.form import Form

NUMBER = "batchrepo_number"
"""The column that numbers the rows of a part, in their order."""

MATCH = "batchrepo_match_"
"""What the columns begin with that tell to which parent a row belongs, as `keyed_rows` has them."""


@dataclass(eq=False)
class _Rows:
    """The rows that one part of the statement has.

    Attributes:
        plan: what is written of each.
        source: the places of the columns in `table`.
        table: the part.
        joins: what is joined to it for the texts of the rows, and on which condition.
    """

    plan: ReadPlan
    source: Source
    table: Any
    joins: list[tuple[Any, ColumnElement[bool]]] = dataclass_field(default_factory=list)

    @property
    def joined(self) -> Any:
        """The part with all that is joined to it."""
        return reduce(lambda left, right: left.outerjoin(*right), self.joins, self.table)

    def column(self, expression: Any, info: Any) -> Any:
        """A column of the rows."""
        return self.table.c[f"c{self.source.place(expression, info)}"]

    def key(self, relation: RelationInfo, order: Sequence[int] | None = None) -> list[Any]:
        """The columns with which a relation begins."""
        local = relation.local if order is None else [relation.local[i] for i in order]
        return [self.column(column.attribute, column) for column in local]

    @property
    def number(self) -> Any:
        """Tells them apart."""
        return self.table.c[NUMBER]


def selected_of(plan: ReadPlan) -> Source:
    """The columns that a part of the statement needs of the rows of a plan: for texts, and as keys of what is below."""
    source = Source()
    for field in plan.fields:
        match field:
            case ColumnField():
                source.place(field.expression, field.column)
            case Include(relation=relation):
                _place_key(source, relation)
            case FlatField(path=(relation, *_)):
                _place_key(source, relation)
            case AggregateField(aggregate=aggregate):
                _place_key(source, aggregate.relation)
            case FetchedField() | FlatField():
                pass
    if not source.columns:
        for column in plan.entity.key:
            source.place(column.attribute, column)
    return source


def _place_key(source: Source, relation: RelationInfo) -> None:
    for column in relation.local:
        source.place(column.attribute, column)


def labelled(columns: Sequence[Any]) -> list[Any]:
    """Columns under the names that the parts of the statement know them by."""
    return [column.label(f"c{i}") for i, column in enumerate(columns)]


class CascadeBuilder:
    """Builds the statement of one plan.

    Args:
        plan: what is read.
        guards: the row criteria.
        dialect: of the database.
        guarded: whether an entity has row criteria, so that even a key must be looked up.
        form: how the JSON looks.
    """

    def __init__(
        self,
        plan: ReadPlan,
        guards: Guards,
        dialect: Dialect,
        *,
        guarded: Callable[[EntityInfo], bool],
        form: Form,
    ) -> None:
        self.plan = plan
        self.source = selected_of(plan)
        self._guards = guards
        self._dialect = dialect
        self._guarded = guarded
        self._form = form
        self._entities: dict[EntityInfo, None] = {}
        self._parts = 0
        self._inexact = inexact(dialect)

    @property
    def columns(self) -> list[Any]:
        """What the statement of the root has to select first."""
        return labelled(self.source.columns)

    def build(self, root: Statement, entities: Sequence[EntityInfo], others: Sequence[int] = ()) -> Rooted:
        """The statement: one row for each row of the root, in their order, that begins with its JSON.

        Args:
            root: selects `columns`, and maybe more, in the order of the rows.
            entities: whose criteria are in it.
            others: the places of columns of `root` that are selected behind the JSON.
        """
        self._entities |= dict.fromkeys(entities)
        # Read once whoever refers to it: two executions of one LIMIT might give different rows.
        table: Any = self._numbered(root).prefix_with("MATERIALIZED")
        rows = _Rows(self.plan, self.source, table)
        text = self._text(rows)
        behind = [list(table.c)[place] for place in others]
        statement = sa.select(text.label("json"), *behind).select_from(rows.joined).order_by(rows.number)
        return Rooted(statement, tuple(self._entities))

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
        self, lookup: Lookup, plan: ReadPlan, parents: _Rows, key: Sequence[Any]
    ) -> tuple[_Rows, Keyed]:
        """The rows that a lookup finds for all parents."""
        source = selected_of(plan)
        keys = ParentKeys(self._dialect, parents.table, key, parents.number)
        keyed = keyed_rows(lookup, labelled(source.columns), self._guards, self._dialect, keys)
        self._entities |= dict.fromkeys(keyed.entities)
        table = self._numbered(keyed.statement)
        return _Rows(plan, source, table), keyed

    def _by_key(self, lookup: Lookup, plan: ReadPlan) -> _Rows:
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
        return _Rows(plan, source, table)

    # --- texts --------------------------------------------------------------------------------------

    def _text(self, rows: _Rows, *, flat: bool = False) -> ColumnElement[str]:
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
        self, rows: _Rows, field: Field, aggregates: dict[str, ColumnElement[str]]
    ) -> ColumnElement[str]:
        match field:
            case ColumnField(expression=expression, column=column) if column is not None:
                return self._value(rows.plan, field, rows.column(expression, column), column.type)
            case Include(page=None, many=True):
                return self._list(rows, field)
            case Include(page=None):
                return self._one(rows, field)
            case FlatField():
                return self._flat(rows, field)
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

    def _list(self, parents: _Rows, include: Include) -> ColumnElement[str]:
        lookup, _ = include_lookup(include)
        rows, keyed = self._keyed(lookup, include.plan, parents, parents.key(include.relation))
        text = self._text(rows)
        lists = self._joined(rows, text, _match(rows.table, keyed))
        parents.joins.append((lists, _belongs(lists, keyed, parents, include.relation)))
        return concatenated(["[", sa.func.coalesce(lists.c.text, written("")), "]"])

    def _joined(self, rows: _Rows, text: ColumnElement[str], match: Sequence[Any]) -> Any:
        """One text for the rows of each parent."""
        keys = [column.label(f"{MATCH}{i}") for i, column in enumerate(match)]
        lists = joined_texts(keys, text, rows.number, rows.joined, self._dialect)
        return lists.cte(self._name("lists"))

    def _flat(self, rows: _Rows, field: FlatField) -> ColumnElement[str]:
        return self._one(rows, nested_include(field, rows.plan.leaf_of(field)), flat=True)

    def _one(self, parents: _Rows, include: Include, *, flat: bool = False) -> ColumnElement[str]:
        relation = include.relation
        if key_answers(include, self._guarded):
            return self._of_key(parents, include, flat=flat)
        lookup, by_key = include_lookup(include)
        order = relation.key_order if by_key else None
        key = parents.key(relation, order)
        if by_key and self._joins_by_key(relation.target) and not self._looks_further(include.plan):
            rows = self._by_key(lookup, include.plan)
            match = [rows.table.c[f"{MATCH}{i}"] for i in range(len(key))]
            on = _equal(match, key)
        else:
            # The first of several rows wins, as SQLAlchemy has it for a to-one relation.
            lookup = lookup if by_key or lookup.first is not None else replace(lookup, first=1)
            rows, keyed = self._keyed(lookup, include.plan, parents, key)
            match = _match(rows.table, keyed)
            on = _belongs(rows.table, keyed, parents, relation, order)
        text = self._text(rows, flat=flat)
        parents.joins += [(rows.table, on), *rows.joins]
        return where_null(match[0], self._missing(include), text)

    def _missing(self, include: Include) -> ColumnElement[str]:
        return self._inexact if include.required else written("null")

    def _of_key(self, parents: _Rows, include: Include, *, flat: bool) -> ColumnElement[str]:
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

    def _joins_by_key(self, entity: EntityInfo) -> bool:
        """Whether the database looks up joined rows; SQLite would first read all rows of what is a join itself."""
        return self._dialect.name != "sqlite" or len(entity.mapper.tables) == 1

    def _looks_further(self, plan: ReadPlan) -> bool:
        """Whether something is looked up for the rows of a plan that is not joined by primary key."""
        for field in plan.fields:
            match field:
                case AggregateField() | Include(many=True):
                    return True
                case Include() | FlatField():
                    include = field if isinstance(field, Include) else nested_include(field)
                    by_key = key_answers(include, self._guarded) or (
                        include_lookup(include)[1] and self._joins_by_key(include.relation.target)
                    )
                    if not by_key or self._looks_further(include.plan):
                        return True
        return False

    def _aggregates(self, rows: _Rows) -> dict[str, ColumnElement[str]]:
        """The texts of the aggregates among the fields, by name; those over one relation are read together."""
        by_relation: dict[RelationInfo, list[AggregateField]] = {}
        for field in rows.plan.fields:
            if isinstance(field, AggregateField):
                by_relation.setdefault(field.aggregate.relation, []).append(field)
        texts: dict[str, ColumnElement[str]] = {}
        for relation, fields in by_relation.items():
            keys = ParentKeys(self._dialect, rows.table, rows.key(relation), rows.number)
            aggregates = [field.aggregate for field in fields]
            lookup = Lookup(relation.target, relation=relation)
            keyed = keyed_aggregates(lookup, aggregates, self._guards, self._dialect, keys)
            self._entities |= dict.fromkeys(keyed.entities)
            table = keyed.statement.cte(self._name("aggregates"))
            rows.joins.append((table, _belongs(table, keyed, rows, relation)))
            for i, field in enumerate(fields):
                default = json.dumps(field.aggregate.empty)
                texts[field.name] = self._value(
                    rows.plan, field, table.c[f"a{i}"], kind_of(field.aggregate), default
                )
        return texts


def kind_of(aggregate: Aggregate[Any]) -> TypeEngine[Any] | None:
    """The type of what an aggregate gives; None where it is not surely known."""
    match aggregate.function:
        case "count":
            return sa.BigInteger()
        case "exists":
            return sa.Boolean()
        case "average":
            return sa.Double()
        case "total":
            # The sum of integers is one, and so is that of none; of other numbers the sum of none has another form.
            return sa.BigInteger() if isinstance(aggregate.column.type, sa.Integer) else None
        case "minimum" | "maximum":
            column = aggregate.relation.target.columns.get(getattr(aggregate.column, "key", None) or "")
            return None if column is None else column.type


def _match(table: Any, keyed: Keyed) -> list[Any]:
    """The columns that tell to which parent the rows belong."""
    return [table.c[f"{MATCH}{i}"] for i in range(len(keyed.filter.match))]


def _belongs(
    table: Any, keyed: Keyed, parents: _Rows, relation: RelationInfo, order: Sequence[int] | None = None
) -> ColumnElement[bool]:
    """What is found for a parent belongs to it."""
    by_number = keyed.filter.first_ordinal is not None
    return _equal(_match(table, keyed), [parents.number] if by_number else parents.key(relation, order))


def _equal(some: Sequence[Any], others: Sequence[Any]) -> ColumnElement[bool]:
    return sa.and_(*(one == other for one, other in zip(some, others, strict=True)))
