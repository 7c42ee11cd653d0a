"""The SQL of declared values: aggregates over a relation, the value of its first row, a column along a path.

Each is a scalar subquery that is correlated to the tables of the entity it is declared for, so that it can
stand wherever a column of that entity can: in a condition, an order, another value. What it reads is always
aliased, which keeps self-references and values inside of values apart. Row criteria are put into these
subqueries as into a user's own, when the statement around them is built.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.sql.elements import Cast, Grouping, Label, TypeCoerce
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.util import ClauseAdapter

from batchrepo.declare.elements import tables_in
from batchrepo.mapping.entity import entity_info

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.sql.selectable import FromClause

    from batchrepo.mapping import RelationInfo

AggregateFunction = Literal["count", "exists", "total", "minimum", "maximum", "average"]
"""What an aggregate does with the related rows."""


def aggregated(function: AggregateFunction, column: Any, where: Sequence[Any] = ()) -> ColumnElement[Any]:
    """The aggregate of a column over the rows of a statement, or over those of them that meet `where`."""
    value: Any
    if function in ("count", "exists"):
        value = sa.func.count()
    elif function == "total":
        value = sa.func.sum(column)
    elif function == "average":
        value = sa.func.avg(sa.cast(column, sa.Double()), type_=sa.Double())
    else:
        value = sa.func.min(column) if function == "minimum" else sa.func.max(column)
    if where:
        value = value.filter(*where)
    if function == "exists":
        return value > 0  # type: ignore[no-any-return]
    if function == "total":
        # The sum of BIGINTs is NUMERIC in PostgreSQL; a sum has its column's type here.
        if isinstance(column.type, sa.Integer):
            value = sa.cast(value, sa.BigInteger())
        return sa.func.coalesce(value, sa.literal(0, column.type))
    return value  # type: ignore[no-any-return]


def aggregate_value(
    relation: RelationInfo, function: AggregateFunction, column: Any, where: Sequence[Any]
) -> ColumnElement[Any]:
    """The aggregate over the rows that are related to the row the statement around it looks at.

    Args:
        relation: a to-many relation.
        function: what to do with its rows.
        column: what is added up or compared; None for ``count`` and ``exists``.
        where: conditions on the related rows.

    Returns:
        What `aggregated` gives for these rows. A ``count``, ``exists`` or ``total`` is never NULL.
    """
    reached = _Reached(relation, None, [*where] if column is None else [*where, column])
    conditions = [reached.adapt(condition) for condition in where]
    if function == "exists":
        return reached.select([sa.literal(1)], conditions).exists()
    value = None if column is None else reached.adapt(column)
    if relation.may_repeat and function in ("count", "total", "average"):
        # A child that is linked twice counts once.
        key = [reached.adapt(info.attribute).label(f"key_{i}") for i, info in enumerate(relation.target.key)]
        values = [] if value is None else [value.label("value")]
        linked = reached.select([*key, *values], conditions).distinct().subquery()
        over = linked.c.value if values else None
        return sa.select(aggregated(function, over)).select_from(linked).scalar_subquery()
    return reached.select([aggregated(function, value)], conditions).scalar_subquery()


def extreme_value(
    relation: RelationInfo, column: Any, where: Sequence[Any], *, greatest: bool
) -> ColumnElement[Any]:
    """The greatest or smallest value of a column over the related rows; NULL where no row has one.

    Unlike ``max()`` it exists for every type that can be sorted, and an index can give it.
    """
    reached = _Reached(relation, None, [*where, column])
    value = reached.adapt(column)
    conditions = [*map(reached.adapt, where), value.is_not(None)]
    order = value.desc() if greatest else value.asc()
    return reached.select([value], conditions).order_by(order).limit(1).scalar_subquery()


def value_along(path: Sequence[RelationInfo], column: Any) -> ColumnElement[Any]:
    """A column of the row to which to-one relations lead; NULL where there is none.

    Args:
        path: at least one relation.
        column: of the last relation's target.
    """
    return _along(path, None, column)


def _along(path: Sequence[RelationInfo], parent: _Reached | None, column: Any) -> ColumnElement[Any]:
    relation, *further = path
    reached = _Reached(relation, parent, ())
    value = _along(further, reached, column) if further else reached.adapt(column)
    found = reached.select([value], ())
    if relation.key_order is None:
        # Nothing says that there is one row only; a loader takes the first of several, too.
        order = (*relation.order_by, *(info.attribute for info in relation.target.key))
        found = found.order_by(*map(reached.adapt, order)).limit(1)
    return found.scalar_subquery()


class _Reached:
    """The rows of a relation, as aliases that a subquery reads.

    Args:
        relation: which to follow.
        parent: whose aliases it starts from, or None for the tables of its entity.
        written: what is going to be adapted, as far as it may name columns of subclasses.
    """

    def __init__(self, relation: RelationInfo, parent: _Reached | None, written: Sequence[Any]) -> None:
        target = relation.target
        self._relation = relation
        plain = target.mapper.persist_selectable._from_objects
        own = target.sources.own
        of_subclasses = any(
            table in own and table not in plain for element in written for table in tables_in(element)
        )
        # A mapping that is given its own selectable (a union of concrete classes) is read through that.
        given = target.mapper.with_polymorphic and target.mapper.with_polymorphic[1] is not None
        self.alias: Any = (
            orm.aliased(target.cls, flat=True)
            if of_subclasses or given
            else orm.with_polymorphic(target.cls, [target.cls], selectable=None, flat=True)
        )
        owner = relation.parent.cls if parent is None else parent.alias
        self._condition = getattr(owner, relation.name).of_type(self.alias).__clause_element__()
        self._outer = relation.parent.sources.own if parent is None else frozenset(parent.tables)

    @property
    def _source(self) -> FromClause:
        return sa.inspect(self.alias).selectable  # type: ignore[no-any-return]

    @cached_property
    def tables(self) -> tuple[FromClause, ...]:
        """The aliases of its tables."""
        return tuple(_tables(self._source))

    @cached_property
    def _adapters(self) -> list[ClauseAdapter]:
        # One for each table: a subquery that names what it correlates to gets the alias, not a join with it.
        secondary = self._relation.secondary
        links = [
            source
            for source in self._condition._from_objects
            if isinstance(source, sa.Alias) and source.element is secondary
        ]
        return [ClauseAdapter(table) for table in (*self.tables, *links)]

    def adapt(self, element: Any) -> Any:
        """The same expression over the aliases."""
        sql = element.__clause_element__() if hasattr(element, "__clause_element__") else element
        for adapter in self._adapters:
            sql = adapter.traverse(sql)
        return sql

    def select(self, columns: Sequence[Any], conditions: Sequence[Any]) -> sa.Select[*tuple[Any, ...]]:
        """Select from the related rows that meet adapted conditions."""
        outer = [table for table in self._outer if not isinstance(table, sa.Join)]
        return (
            sa.select(*columns)
            .select_from(self._source)
            .where(self._condition, *conditions)
            .correlate(*outer)
        )


def _tables(source: Any) -> Iterator[FromClause]:
    if isinstance(source, sa.Join):
        yield from _tables(source.left)
        yield from _tables(source.right)
    else:
        yield source


# --- what is known of a value -------------------------------------------------------------------------

_AGGREGATES = frozenset({"avg", "count", "max", "min", "sum"})


def nullable_of(expression: Any) -> bool:
    """Whether a SQL expression may be NULL; True where nobody knows."""
    element = expression.__clause_element__() if hasattr(expression, "__clause_element__") else expression
    match element:
        case Label() | Grouping() | Cast() | TypeCoerce():
            inner = element.element if isinstance(element, Label | Grouping) else element.clause
            return nullable_of(inner)
        case sa.BindParameter():
            return element.value is None
        case sa.Exists() | sa.True_() | sa.False_():
            return False
        case sa.Column():
            return _column_nullable(element)
        case sa.ScalarSelect():
            return _subquery_nullable(element.element)
        case FunctionElement() if element.name == "coalesce":
            return all(map(nullable_of, element.clauses))
        case FunctionElement() if element.name == "count":
            return False
    return True


def _column_nullable(column: Any) -> bool:
    mapper = column._annotations.get("parentmapper")
    if mapper is None:
        return True
    if any(above.with_polymorphic for above in mapper.iterate_to_root() if above is not mapper):
        # A read of the base class outer-joins the tables of its subclasses.
        return True
    info = entity_info(mapper.class_).columns.get(column._annotations.get("proxy_key"))
    return info is None or info.nullable


def _subquery_nullable(select: Any) -> bool:
    """Whether a subquery may give no row, or NULL: not if it is an aggregate over whatever there is."""
    if not isinstance(select, sa.Select) or len(select.selected_columns) != 1:
        return True
    if select._group_by_clauses or select._having_criteria or select._has_row_limiting_clause:
        return True
    (column,) = select.selected_columns
    return nullable_of(column) or not _aggregates(column)


def _aggregates(element: Any) -> bool:
    if isinstance(element, FunctionElement) and element.name in _AGGREGATES:
        return True
    if isinstance(element, sa.ScalarSelect | sa.Exists):
        return False
    return any(map(_aggregates, element.get_children()))
