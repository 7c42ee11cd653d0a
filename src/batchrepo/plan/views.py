"""From a view (a Pydantic model) to its ReadPlan, checked against the mapper and the repositories.

A field is resolved by its marker, else by its name: a column, a relation, a computed attribute, a
hybrid or synonym; else by a ``validation_alias`` that is such a name, or an ``AliasPath`` along to-one
relations to a column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, RootModel
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

from batchrepo.declare.computed import Aggregate, Computed, Expression, Fetched, Top
from batchrepo.declare.criteria import Predicate
from batchrepo.declare.elements import declared_conditions, declared_first, related_sources, sql_of
from batchrepo.declare.markers import (
    ColumnMarker,
    IncludeMarker,
    UnmappedMarker,
    relation_of,
)
from batchrepo.declare.orders import declared_order, parse_order
from batchrepo.errors import DeclarationError, did_you_mean
from batchrepo.mapping.entity import python_type_of
from batchrepo.plan.annotations import read_type
from batchrepo.plan.fitting import (
    check_column,
    check_list,
    check_optional,
    check_value,
    shape,
    shown,
    why_hidden,
    why_none,
)
from batchrepo.plan.pages import item_of
from batchrepo.plan.read import (
    AggregateField,
    ColumnField,
    FetchedField,
    Field,
    FlatField,
    Include,
    PageSpec,
    ReadPlan,
)
from batchrepo.plan.slots import Slot, alias_paths, marker_of, read_slot

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from batchrepo.declare.repository_info import Catalog, RepositoryInfo
    from batchrepo.mapping import ColumnInfo, EntityInfo, RelationInfo


def plan_view(
    view: type[BaseModel], entity: EntityInfo, catalog: Catalog, repository: RepositoryInfo | None = None
) -> ReadPlan:
    """The plan of a view over an entity.

    Args:
        view: a Pydantic model.
        entity: whose rows the view shows.
        catalog: the repositories of the Database, for computed attributes.
        repository: the one whose computed attributes win at the root.

    Raises:
        DeclarationError: a field of the view cannot be read; the message names view, field and the
            nearest right names.
    """
    hidden = frozenset(
        guarded
        for guarded, criteria in catalog.criteria.items()
        if any(isinstance(criterion, Predicate) for criterion in criteria)
    )
    return _Reader(catalog, hidden, ()).read(view, entity, repository)


class _Reader:
    def __init__(
        self, catalog: Catalog, hidden: frozenset[EntityInfo], above: tuple[type[BaseModel], ...]
    ) -> None:
        self.catalog = catalog
        self.hidden = hidden
        self.above = above

    def read(self, view: type[BaseModel], entity: EntityInfo, repository: RepositoryInfo | None) -> ReadPlan:
        if view in self.above:
            chain = " > ".join(v.__name__ for v in (*self.above, view))
            raise DeclarationError(
                f"{view.__name__} contains itself ({chain}), so that its plan has no end. "
                f"Write a view for each level, the last one without the relation."
            )
        if issubclass(view, RootModel):
            raise DeclarationError(
                f"{view.__name__} is a RootModel, which has no fields to read. Write a BaseModel, and lists as fields."
            )
        complete(view)
        inner = _Reader(self.catalog, self.hidden, (*self.above, view))
        fields = [
            field
            for name, info in view.model_fields.items()
            if (field := inner._field(view, entity, name, info, repository)) is not None
        ]
        if not fields:
            raise DeclarationError(f"{view.__name__} has no field that is read from {entity.name}. Add one.")
        return ReadPlan(entity, tuple(fields), view)

    def _field(
        self,
        view: type[BaseModel],
        entity: EntityInfo,
        name: str,
        info: FieldInfo,
        repository: RepositoryInfo | None,
    ) -> Field | None:
        slot = read_slot(view, name, info)
        match marker_of(slot):
            case UnmappedMarker():
                if info.is_required():
                    raise DeclarationError(
                        f"{slot.where} is unmapped() and has no default, so nothing would fill it."
                    )
                return None
            case ColumnMarker() as column:
                return self._flat(slot, entity, column)
            case IncludeMarker() as marker:
                relation = relation_of(slot.where, entity, marker.relation)
                return self._include(slot, relation, marker)
            case _:
                return self._by_name(slot, entity, repository)

    def _by_name(self, slot: Slot, entity: EntityInfo, repository: RepositoryInfo | None) -> Field:
        computed = self.catalog.computed(entity, repository)
        for path in ((slot.name,), *alias_paths(slot.info)):
            found = self._along(slot, entity, path, computed)
            if found is not None:
                return found
        known = [*entity.columns, *entity.relations, *computed, *entity.expressions]
        if slot.name in entity.mapper.all_orm_descriptors:
            raise DeclarationError(
                f"{slot.where}: {entity.name}.{slot.name} has no SQL form: it works on instances only. "
                f"Give it an expression, or compute it in the view."
            )
        raise DeclarationError(
            f"{slot.where}: {entity.name} has no attribute {slot.name!r}.{did_you_mean(slot.name, known)} "
            f"(A field that is not read from the database is marked with unmapped().)"
        )

    def _along(
        self, slot: Slot, entity: EntityInfo, path: tuple[str, ...], computed: dict[str, Computed[Any]]
    ) -> Field | None:
        """The field that a path of names leads to; nearly always it is one name."""
        name = path[0]
        relation = entity.relations.get(name)
        if len(path) > 1:
            steps = _attributes(entity, path)
            return None if steps is None else self._flat(slot, entity, ColumnMarker(steps))
        if name in entity.columns:
            return _column(slot, entity.columns[name])
        if relation is not None:
            return self._include(slot, relation, None)
        if name in computed:
            return self._computed(slot, computed[name], entity)
        if name in entity.expressions:
            return _column(slot, entity.expressions[name])
        return None

    def _computed(self, slot: Slot, computed: Computed[Any], entity: EntityInfo) -> Field:
        where, declared = slot.where, slot.declared
        match computed:
            case Expression(expression=sql):
                if slot.checked:
                    kind = python_type_of(sql_of(sql).type)  # type: ignore[union-attr]
                    check_value(where, str(computed), kind, declared, slot.settings)
                return ColumnField(slot.name, sql, None)
            case Aggregate():
                if slot.checked:
                    check_value(where, str(computed), _aggregate_type(computed), declared, slot.settings)
                    if computed.empty is None:
                        check_optional(
                            where, f"{computed} is None where {computed.relation} is empty", declared
                        )
                return AggregateField(slot.name, computed)
            case Fetched():
                return FetchedField(slot.name, computed)
            case Top(relation=relation, single=single):
                if slot.checked and declared.many == single:
                    raise DeclarationError(
                        f"{where}: {computed} gives {'one' if single else 'a list of'} "
                        f"{relation.target.name}, but the field is {shape(declared)}."
                    )
                if slot.checked and single:
                    check_optional(where, f"{computed} is None where {relation} is empty", declared)
                plan = self._nested(slot, relation)
                return Include(
                    slot.name, relation, plan, computed.where, computed.order, computed.first, not single
                )
        raise DeclarationError(f"{where}: {computed!r} cannot be read in a view.")

    def _include(self, slot: Slot, relation: RelationInfo, marker: IncludeMarker | None) -> Include:
        where, declared = slot.where, slot.declared
        if relation.refused:
            raise DeclarationError(f"{where}: {relation.refused}.")
        if self.catalog.policy(relation) == "forbid":
            raise DeclarationError(
                f"{where}: {relation} has the policy 'forbid' and may not be read. Remove the field or the policy."
            )
        if item_of(declared.model) is not None:
            return self._page(slot, relation, marker)
        if marker is not None and (marker.last is not None or marker.total is not None):
            raise DeclarationError(
                f"{where}: last= and total= go with a page. Write the field's type as Page[...] instead of a list."
            )
        if slot.checked and declared.many != relation.many:
            expected = "a list" if relation.many else "one, not a list"
            raise DeclarationError(
                f"{where}: {relation} leads to {expected}, but the field is {shape(declared)}."
            )
        if slot.checked and not relation.many:
            self._check_nullable(slot, relation)
        plan = self._nested(slot, relation)
        if marker is None:
            required = slot.checked and not relation.many and not declared.optional
            return Include(slot.name, relation, plan, many=relation.many, required=required)
        sources, target = related_sources(relation), relation.target.name
        conditions = declared_conditions(marker.where, where, sources, target)
        order = declared_order(marker.order_by, where, sources, target)
        first = None if marker.first is None else declared_first(marker.first, f"{where}: first=")
        if not relation.many and (first is not None or order):
            raise DeclarationError(
                f"{where}: {relation} leads to one row, so first= and order_by= mean nothing."
            )
        if not relation.many and conditions and slot.checked:
            check_optional(where, "where= may leave nothing", declared)
        return Include(slot.name, relation, plan, conditions, order, first, relation.many)

    def _page(self, slot: Slot, relation: RelationInfo, marker: IncludeMarker | None) -> Include:
        where, target = slot.where, relation.target
        if not relation.many or slot.declared.many:
            raise DeclarationError(
                f"{where}: a page shows the rows of a relation that leads to a list, but "
                f"{f'{relation} leads to one {target.name}' if not relation.many else 'the field is a list of pages'}."
            )
        item = item_of(slot.declared.model)
        model = read_type(item).model
        if model is None:
            raise DeclarationError(
                f"{where}: {relation} leads to {target.name}, so its pages need a view: Page[{target.name}View]; "
                f"got Page[{shown(item)}]."
            )
        sources = related_sources(relation)
        marker = marker or IncludeMarker(relation.attribute, None, None, None)
        conditions = declared_conditions(marker.where, where, sources, target.name)
        order = declared_order(marker.order_by, where, sources, target.name)
        if marker.first is not None and marker.last is not None:
            raise DeclarationError(
                f"{where}: first= and last= ask for two different pages. Give one of them."
            )
        if marker.total not in (None, "exact"):
            raise DeclarationError(
                f'{where}: total= of a relation\'s pages expects "exact" or None; got {marker.total!r}.'
            )
        asked = marker.first if marker.last is None else marker.last
        size = (
            self.catalog.page_sizes(target)[0]
            if asked is None
            else declared_first(asked, f"{where}: first= or last=")
        )
        total: Aggregate[int] | None = None
        if marker.total:
            total = Aggregate("count", relation.attribute, None, conditions)
        return Include(
            slot.name,
            relation,
            self.read(model, target, None),
            conditions,
            order or parse_order(relation.order_by),
            many=True,
            page=PageSpec(size, marker.last is not None, total),
        )

    def _check_nullable(self, slot: Slot, relation: RelationInfo) -> None:
        if relation.nullable:
            check_optional(slot.where, why_none(relation), slot.declared)
        if self._may_be_hidden(relation):
            check_optional(slot.where, why_hidden(relation), slot.declared)

    def _may_be_hidden(self, relation: RelationInfo) -> bool:
        return not self.hidden.isdisjoint(relation.target.ancestors)

    def _nested(self, slot: Slot, relation: RelationInfo) -> ReadPlan:
        model = slot.declared.model
        if model is None:
            raise DeclarationError(
                f"{slot.where}: {relation} leads to {relation.target.name}, so the field's type must be a view (a "
                f"Pydantic model){' in a list' if relation.many else ''}; got {shown(slot.declared.item)}."
            )
        if slot.checked and slot.declared.many:
            check_list(slot.where, slot.declared, slot.settings)
        return self.read(model, relation.target, None)

    def _flat(self, slot: Slot, entity: EntityInfo, marker: ColumnMarker) -> Field:
        where = slot.where
        relations, found = marker.resolve(entity, where)
        if not relations:
            return _column(slot, found)
        if slot.checked:
            check_column(where, found, slot.declared, slot.settings, nullable=found.nullable)
            for relation in relations:
                self._check_nullable(slot, relation)
        return FlatField(slot.name, relations, found)


def complete(view: type[BaseModel]) -> None:
    """Let Pydantic finish a model whose annotations name classes that were defined after it."""
    if view.__pydantic_complete__:
        return
    try:
        view.model_rebuild()
    except PydanticUndefinedAnnotation as error:
        raise DeclarationError(
            f"{view.__name__}: the type {error.name!r} of a field is not defined where the view is. "
            f"Define or import it there."
        ) from error
    except PydanticUserError as error:
        raise DeclarationError(f"{view.__name__} is no complete Pydantic model: {error.message}") from error


def _attributes(entity: EntityInfo, path: tuple[str, ...]) -> tuple[Any, ...] | None:
    """The attributes along to-one relations to a column, or None if the names lead elsewhere."""
    found: list[Any] = []
    current = entity
    for name in path[:-1]:
        relation = current.relations.get(name)
        if relation is None or relation.many:
            return None
        found.append(relation.attribute)
        current = relation.target
    last = current.columns.get(path[-1]) or current.expressions.get(path[-1])
    return None if last is None else (*found, last.attribute)


def _column(slot: Slot, found: ColumnInfo) -> ColumnField:
    if slot.checked:
        nullable = found.nullable and found.is_table_column
        check_column(slot.where, found, slot.declared, slot.settings, nullable=nullable)
    return ColumnField(slot.name, found.attribute, found)


def _aggregate_type(aggregate: Aggregate[Any]) -> type[Any] | None:
    fixed: dict[str, type[Any]] = {"count": int, "exists": bool, "average": float}
    found = fixed.get(aggregate.function)
    return found if found is not None else python_type_of(sql_of(aggregate.column).type)  # type: ignore[union-attr]
