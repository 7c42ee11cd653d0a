"""Putting row criteria on SQL that somebody else wrote: conditions, expressions, whole statements.

Statements that batchrepo builds carry the criteria of their own entity. Anything that a condition or an
expression reaches beyond it (``Album.artist.has(...)``, a scalar subquery, an alias) is a SELECT of its
own inside; each of these gets the criteria of every guarded table among its FROMs. On a whole statement
SQLAlchemy's ``with_loader_criteria`` puts them, eager loads and outer joins included; what that does not
see (tables beside their classes, joins made by hand) is treated as in a condition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import with_loader_criteria
from sqlalchemy.sql import visitors
from sqlalchemy.sql.util import ClauseAdapter, extract_first_column_annotation

from batchrepo.errors import InvalidArgument, UnguardedStatement
from batchrepo.mapping import entity_info
from batchrepo.sql.literal import refuse_literal, refuse_literal_parts
from batchrepo.sql.sources import GuardedTables, sources_of, table_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from batchrepo.declare.criteria import Guards
    from batchrepo.mapping import ColumnInfo, EntityInfo


def guard(element: Any, guards: Guards, *, condition: bool = True) -> tuple[Any, tuple[EntityInfo, ...]]:
    """The same expression, with criteria in every SELECT inside it.

    Args:
        element: a SQL expression; classes and mapped attributes are given back as they are.
        guards: the row criteria.
        condition: whether it goes into a WHERE, where literal SQL with an OR in it would undo the criteria
            beside it. Elsewhere literal SQL may stand as long as it reads no table.

    Returns:
        The expression, and the entities whose criteria are now in it.

    Raises:
        UnguardedStatement: there is literal SQL in it, or a guarded table is outer-joined inside it, where a
            condition would change what the join gives.
    """
    if not guards.criteria or isinstance(element, type):
        return element, ()
    clause = element.__clause_element__() if hasattr(element, "__clause_element__") else element
    has_select = False
    for node in visitors.iterate(clause):
        if isinstance(node, sa.Select):
            has_select = True
            refuse_literal_parts(node, guards)
        else:
            refuse_literal(node, guards, condition=condition or has_select)
    if not has_select:
        return element, ()
    putting = _Putting(guards)
    # The ORM would take an annotated expression back to the mapper's own, without what is put on it here.
    # Parameters keep their keys, by which a relation's condition finds those that stand for its owner.
    guarded = visitors.cloned_traverse(
        clause._deannotate(), {"maintain_key": True}, {"select": putting.on_subquery}
    )
    return guarded, tuple(putting.reached)


def guard_all(
    elements: Iterable[Any], guards: Guards, *, conditions: bool = True
) -> tuple[list[Any], tuple[EntityInfo, ...]]:
    """`guard` for each of several expressions."""
    reached: dict[EntityInfo, None] = {}
    guarded: list[Any] = []
    for element in elements:
        made, entities = guard(element, guards, condition=conditions)
        guarded.append(made)
        reached |= dict.fromkeys(entities)
    return guarded, tuple(reached)


def loader_criteria(entities: Iterable[EntityInfo], guards: Guards) -> list[Any]:
    """SQLAlchemy options that put the criteria of `entities` on an ORM statement, joins and nested loads included."""
    return [
        with_loader_criteria(
            entity.cls,
            sa.and_(sa.true(), *(_by_key(entity, each) for each in guards.valued_conditions(entity))),
            include_aliases=True,
        )
        for entity in entities
        if guards.of(entity)
    ]


def _by_key(entity: EntityInfo, condition: Any) -> Any:
    """A criterion in a form that also holds where a table is joined to itself.

    In the ON of such a join SQLAlchemy takes the columns inside a criterion's subquery for those of the other
    side. A key that is looked up among the rows that meet the criterion has no such columns.
    """
    if not any(isinstance(node, sa.Select) for node in visitors.iterate(condition)) or not any(
        relation.mapper.base_mapper is entity.mapper.base_mapper
        for mapper in entity.mapper.self_and_descendants
        for relation in mapper.relationships
    ):
        return condition
    table = entity.mapper.local_table.alias()
    visible = sa.select(*table.primary_key).where(ClauseAdapter(table).traverse(condition))
    return _one(column.attribute for column in entity.key).in_(visible)


def _one(columns: Iterable[Any]) -> Any:
    """A column, or several as a row value."""
    several = tuple(columns)
    return several[0] if len(several) == 1 else sa.tuple_(*several)


def embedded(entity: EntityInfo, guards: Guards) -> list[EntityInfo]:
    """The guarded entities that subqueries in an entity's own mapping (``column_property``) reach.

    Raises:
        UnguardedStatement: one of them reads a guarded table beside its class, where the options of a statement
            that reads entities do not find it.
    """
    if not guards.criteria:
        return []
    putting = _Putting(guards)
    reached: dict[EntityInfo, None] = {}
    own = set(entity.mapper.tables)
    for column in _mapped_expressions(entity):
        for node in visitors.iterate(column.attribute.__clause_element__()):
            if isinstance(node, sa.Table):
                reached |= dict.fromkeys(putting.tables.entities(node))
            elif isinstance(node, sa.Select):
                # The entity's own tables are those of the statement around it.
                hidden = [source for source, _ in putting.beside_options(node) if source not in own]
                for other in (other for source in hidden for other in putting.tables.entities(source)):
                    raise UnguardedStatement(
                        f"{column.attribute} reads the table {table_of(hidden[0]).name!r} itself, on which the row "
                        f"criteria of {other.name} cannot be put when a {entity.name} is read. Write its subquery "
                        f"with the class {other.name}."
                    )
    return list(reached)


def _mapped_expressions(entity: EntityInfo) -> Iterator[ColumnInfo]:
    for mapper in entity.mapper.self_and_descendants:
        for column in entity_info(mapper.class_).columns.values():
            if not column.is_table_column:
                yield column


def guard_statement(statement: Any, guards: Guards) -> Any:
    """Put the criteria of all entities that it reads on a SELECT that a user wrote.

    Raises:
        InvalidArgument: it writes.
        MissingContext: the scope's context does not have what a criterion needs.
        UnguardedStatement: it reads a guarded table in a way that criteria cannot be put on: in literal SQL, or
            by an outer join that is not one of its own entities.
    """
    nodes = list(visitors.iterate(statement))
    for node in nodes:
        if isinstance(node, sa.UpdateBase):
            raise InvalidArgument(f"fetch() reads, but the statement has an {type(node).__name__} in it.")
    if not any(guards.of(entity) for entity in guards.criteria):
        return statement
    putting = _Putting(guards, valued=True)
    selects = [node for node in nodes if isinstance(node, sa.Select)]
    for node in nodes:
        refuse_literal(node, guards, condition=True)
    for select in selects:
        refuse_literal_parts(select, guards)
        putting.check_outer_joins(select)
    if any(map(putting.beside_options, selects)):
        statement = visitors.cloned_traverse(statement, {}, {"select": putting.on_part})
    return statement.options(*loader_criteria(_read_by(nodes, selects, putting), guards))


def _read_by(nodes: Sequence[Any], selects: Sequence[Any], putting: _Putting) -> Iterable[EntityInfo]:
    """The guarded entities that a statement reads, as far as that can be told, or else all of them."""
    guards = putting.guards
    if any(select._with_options for select in selects):
        return guards.criteria
    reached: dict[EntityInfo, None] = {}
    for select in selects:
        for source, _ in sources_of(select.get_final_froms()):
            reached |= dict.fromkeys(putting.tables.entities(source))
    mapped: list[Any] = [
        node._annotations["parententity"] for node in nodes if "parententity" in node._annotations
    ]
    for cls in dict.fromkeys(inspected.mapper.class_ for inspected in mapped):
        entity = entity_info(cls)
        if entity.has_eager:
            return guards.criteria
        reached |= dict.fromkeys(embedded(entity, guards))
    return reached


class _Putting:
    """Puts criteria into SELECTs.

    Args:
        guards: the row criteria.
        valued: the values of ``match`` are put inside; otherwise they travel as parameters.

    Attributes:
        reached: the entities whose criteria were put, in order.
    """

    def __init__(self, guards: Guards, *, valued: bool = False) -> None:
        self.guards = guards
        self.tables = GuardedTables(guards)
        self.valued = valued
        self.reached: dict[EntityInfo, None] = {}

    def on_subquery(self, select: Any) -> None:
        """Put criteria on every guarded table among the FROMs of a SELECT."""
        sources = list(sources_of(select.get_final_froms()))
        for source, is_outer in sources:
            if is_outer:
                for entity in self.tables.entities(source):
                    raise UnguardedStatement(
                        f"A subquery outer-joins {entity.name}, where its row criteria would change what the join "
                        f"gives. Use has() or any(), or an inner join."
                    )
        self._put(select, sources)

    def on_part(self, select: Any) -> None:
        """The same for a part of a whole statement, as far as options do not do it."""
        self._put(select, self.beside_options(select))

    def beside_options(self, select: Any) -> list[tuple[Any, bool]]:
        """The sources of a SELECT on which SQLAlchemy may not put the criteria of its options.

        It does so for the entities and columns that are selected as they are; of an expression it looks at the
        first column, and of tables and joins made by hand at nothing. Outer joins are `check_outer_joins`'s.
        """
        entities: list[Any] = []
        if select._propagate_attrs.get("compile_state_plugin") == "orm":
            first: Any = extract_first_column_annotation
            entities += [first(column, "parententity") for column in select._raw_columns]
            entities += [source._annotations.get("parententity") for source in select._from_obj]
        by_options = {
            source
            for entity in entities
            if entity is not None
            for source, _ in sources_of([entity.selectable])
        }
        return [
            (source, is_outer)
            for source, is_outer in sources_of(select.get_final_froms())
            if not is_outer
            and source not in by_options
            and (self.tables.entities(source) or self.tables.namesake(source))
        ]

    def _put(self, select: Any, sources: Sequence[tuple[Any, bool]]) -> None:
        tables = [table_of(source) for source, _ in sources]
        for source, _ in sources:
            namesake = self.tables.namesake(source)
            if namesake is not None:
                raise UnguardedStatement(
                    f"The statement reads a table called {table_of(source).name!r} that is not the one of "
                    f"{namesake.name}. Use the class {namesake.name}."
                )
            for entity in self.tables.entities(source):
                base = entity.mapper.local_table
                self.reached[entity] = None
                if table_of(source) is base:
                    select._where_criteria += tuple(self._conditions(entity, source, base))
                elif base not in tables:
                    # A subclass's own table, without the one in which the criteria's columns are.
                    select._where_criteria += (self._among_visible(entity, source),)

    def _conditions(self, entity: EntityInfo, source: Any, table: Any) -> Sequence[Any]:
        conditions: Sequence[Any] = (
            self.guards.valued_conditions(entity) if self.valued else self.guards.conditions(entity)
        )
        if source is table:
            return conditions
        adapter = ClauseAdapter(source)
        return [adapter.traverse(condition) for condition in conditions]

    def _among_visible(self, entity: EntityInfo, source: Any) -> Any:
        base = entity.mapper.local_table.alias()
        visible = sa.select(*base.primary_key).where(
            *self._conditions(entity, base, entity.mapper.local_table)
        )
        return _one(source.c[column.key] for column in table_of(source).primary_key).in_(visible)

    def check_outer_joins(self, select: Any) -> None:
        """Refuse outer joins into which options do not put criteria, or beside which they would be in vain."""
        for source in select._from_obj:
            for table, is_outer in sources_of([source]):
                if is_outer:
                    self._refuse_outer_join(table, "select_from(outerjoin(...))")
        for target, _, _, flags in select._setup_joins:
            if flags["full"]:
                for table, _ in sources_of(select.get_final_froms()):
                    self._refuse_outer_join(table, "a full outer join")
            elif flags["isouter"] and isinstance(target, sa.FromClause):
                for table, _ in sources_of([target]):
                    if "parententity" not in table._annotations:
                        self._refuse_outer_join(table, "an outer join of its table")

    def _refuse_outer_join(self, source: Any, how: str) -> None:
        for entity in self.tables.entities(source):
            raise UnguardedStatement(
                f"The statement reads {entity.name} by {how}, on which its row criteria cannot be put. Write "
                f"select(...).outerjoin({entity.name}, ...), or pass unfiltered='why this is safe'."
            )
