"""From a view (a Pydantic model) to its ReadPlan, checked against the mapper and the repositories.

A field is resolved by its marker, else by its name: a column, a relation, a computed attribute, a
hybrid or synonym; else by a ``validation_alias`` that is such a name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrepo.declare.computed import Aggregate, Computed, Expression, Fetched, Top
from batchrepo.declare.orders import parse_order
from batchrepo.errors import DeclarationError, did_you_mean
from batchrepo.mapping.entity import attribute_owner
from batchrepo.plan.annotations import FieldType, can_hold, read_type
from batchrepo.plan.markers import ColumnMarker, IncludeMarker, Marker, UnmappedMarker
from batchrepo.plan.read import AggregateField, ColumnField, FetchedField, Field, FlatField, Include, ReadPlan

if TYPE_CHECKING:
    from pydantic import BaseModel
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
    return _Reader(catalog, ()).read(view, entity, repository)


class _Reader:
    def __init__(self, catalog: Catalog, above: tuple[type[BaseModel], ...]) -> None:
        self.catalog = catalog
        self.above = above

    def read(self, view: type[BaseModel], entity: EntityInfo, repository: RepositoryInfo | None) -> ReadPlan:
        if view in self.above:
            chain = " > ".join(v.__name__ for v in (*self.above, view))
            raise DeclarationError(
                f"{view.__name__} contains itself ({chain}), so that its plan has no end. "
                f"Write a view for each level, the last one without the relation."
            )
        if not view.__pydantic_complete__:
            view.model_rebuild()
        inner = _Reader(self.catalog, (*self.above, view))
        fields = [
            field
            for name, info in view.model_fields.items()
            if (field := inner._field(view, entity, name, info, repository)) is not None
        ]
        return ReadPlan(entity, tuple(fields), view)

    def _field(
        self,
        view: type[BaseModel],
        entity: EntityInfo,
        name: str,
        info: FieldInfo,
        repository: RepositoryInfo | None,
    ) -> Field | None:
        where = f"{view.__name__}.{name}"
        declared = read_type(info.annotation)
        markers = [item for item in info.metadata if isinstance(item, Marker)]
        if len(markers) > 1:
            raise DeclarationError(f"{where} has {len(markers)} markers. Expected at most one.")
        checked = not _has_validator(view, name, info)
        match markers[0] if markers else None:
            case UnmappedMarker():
                _check_filled(where, info)
                return None
            case ColumnMarker(path):
                return self._flat(where, name, entity, path, declared, checked)
            case IncludeMarker() as marker:
                relation = self._relation(where, entity, marker.relation)
                return self._include(where, name, relation, declared, checked, marker)
            case _:
                return self._by_name(where, name, info, entity, declared, checked, repository)

    def _by_name(
        self,
        where: str,
        name: str,
        info: FieldInfo,
        entity: EntityInfo,
        declared: FieldType,
        checked: bool,
        repository: RepositoryInfo | None,
    ) -> Field:
        computed = self.catalog.computed(entity, repository)
        names = [name]
        if isinstance(info.validation_alias, str):
            names.append(info.validation_alias)
        for candidate in names:
            found = entity.columns.get(candidate)
            if found is not None:
                return _column(where, name, found, declared, checked)
            if candidate in entity.relations:
                relation = entity.relations[candidate]
                return self._include(where, name, relation, declared, checked, None)
            if candidate in computed:
                return self._computed(where, name, computed[candidate], entity, declared, checked)
            if candidate in entity.expressions:
                return _column(where, name, entity.expressions[candidate], declared, checked)
        known = [*entity.columns, *entity.relations, *computed, *entity.expressions]
        raise DeclarationError(
            f"{where}: {entity.name} has no attribute {name!r}.{did_you_mean(name, known)} "
            f"(A field that is not read from the database is marked with unmapped().)"
        )

    def _computed(
        self,
        where: str,
        name: str,
        computed: Computed[Any],
        entity: EntityInfo,
        declared: FieldType,
        checked: bool,
    ) -> Field:
        match computed:
            case Expression(expression=sql):
                return ColumnField(name, sql, None)
            case Aggregate():
                may_be_none = computed.empty is None
                if checked and may_be_none and not declared.optional:
                    raise DeclarationError(
                        f"{where}: {computed} is None for a {entity.name} without {computed.relation.name}, but "
                        f"the field does not allow None. Write {_shown(declared.item)} | None."
                    )
                return AggregateField(name, computed)
            case Fetched():
                return FetchedField(name, computed)
            case Top():
                if checked and declared.many == computed.single:
                    raise DeclarationError(
                        f"{where}: {computed} gives {'one' if computed.single else 'a list of'} "
                        f"{computed.relation.target.name}, but the field is {_shape(declared)}."
                    )
                if checked and computed.single and not declared.optional:
                    raise DeclarationError(
                        f"{where}: {computed} is None for a {entity.name} without {computed.relation.name}, but "
                        f"the field does not allow None. Write {_shown(declared.item)} | None."
                    )
                plan = self._nested(where, computed.relation, declared)
                return Include(
                    name,
                    computed.relation,
                    plan,
                    computed.where,
                    computed.order,
                    computed.first,
                    not computed.single,
                )
        raise DeclarationError(f"{where}: {computed!r} cannot be read in a view.")

    def _include(
        self,
        where: str,
        name: str,
        relation: RelationInfo,
        declared: FieldType,
        checked: bool,
        marker: IncludeMarker | None,
    ) -> Include:
        if relation.refused:
            raise DeclarationError(f"{where}: {relation.refused}.")
        if self.catalog.policy(relation) == "forbid":
            raise DeclarationError(
                f"{where}: {relation} has the policy 'forbid' and may not be read. Remove the field or the policy."
            )
        if checked and declared.many != relation.many:
            expected = "a list" if relation.many else "one, not a list"
            raise DeclarationError(
                f"{where}: {relation} leads to {expected}, but the field is {_shape(declared)}."
            )
        if checked and not relation.many and relation.nullable and not declared.optional:
            raise DeclarationError(
                f"{where}: {relation} may be None (its key is nullable, or no foreign key promises the row), but "
                f"the field does not allow None. Write {_shown(declared.item)} | None."
            )
        plan = self._nested(where, relation, declared)
        if marker is None:
            required = checked and not relation.many and not declared.optional
            return Include(name, relation, plan, many=relation.many, required=required)
        conditions = marker.where
        if conditions is None:
            conditions = ()
        elif not isinstance(conditions, tuple | list):
            conditions = (conditions,)
        if not relation.many and (marker.first or marker.order_by is not None):
            raise DeclarationError(
                f"{where}: {relation} leads to one row, so first= and order_by= mean nothing."
            )
        if not relation.many and conditions and not declared.optional:
            raise DeclarationError(f"{where}: where= may leave nothing, so that the field must allow None.")
        order = parse_order(marker.order_by)
        return Include(name, relation, plan, tuple(conditions), order, marker.first, relation.many)

    def _nested(self, where: str, relation: RelationInfo, declared: FieldType) -> ReadPlan:
        if declared.model is None:
            raise DeclarationError(
                f"{where}: {relation} leads to {relation.target.name}, so the field's type must be a view (a "
                f"Pydantic model){' in a list' if relation.many else ''}; got {_shown(declared.item)}."
            )
        return self.read(declared.model, relation.target, None)

    def _flat(
        self,
        where: str,
        name: str,
        entity: EntityInfo,
        path: tuple[Any, ...],
        declared: FieldType,
        checked: bool,
    ) -> Field:
        relations: list[RelationInfo] = []
        current = entity
        for step in path[:-1]:
            relation = self._relation(where, current, step)
            if relation.many:
                raise DeclarationError(
                    f"{where}: {relation} leads to a list; column() follows to-one relations only. "
                    f"Use a list of views, or a computed attribute."
                )
            relations.append(relation)
            current = relation.target
        last = path[-1]
        if isinstance(last, Computed):
            raise DeclarationError(f"{where}: column() ends with a column; {last} is a computed attribute.")
        owner, attribute = attribute_owner(last)
        if owner not in current.ancestors:
            raise DeclarationError(
                f"{where}: {owner.name}.{attribute} is not an attribute of {current.name}."
            )
        found = current.column(attribute)
        if not relations:
            return _column(where, name, found, declared, checked)
        nullable = found.nullable or any(relation.nullable for relation in relations)
        _check_column(where, found, declared, checked, nullable)
        return FlatField(name, tuple(relations), found)

    def _relation(self, where: str, entity: EntityInfo, attribute: Any) -> RelationInfo:
        owner, name = attribute_owner(attribute)
        if owner not in entity.ancestors or name not in entity.relations:
            raise DeclarationError(
                f"{where}: {owner.name}.{name} is not a relationship of {entity.name}."
                f"{did_you_mean(name, entity.relations)}"
            )
        return entity.relations[name]


def _check_filled(where: str, info: FieldInfo) -> None:
    if info.is_required():
        raise DeclarationError(f"{where} is unmapped() and has no default, so nothing would fill it.")


def _column(where: str, name: str, column: ColumnInfo, declared: FieldType, checked: bool) -> ColumnField:
    _check_column(where, column, declared, checked, column.nullable and column.is_table_column)
    return ColumnField(name, column.attribute, column)


def _check_column(where: str, column: ColumnInfo, declared: FieldType, checked: bool, nullable: bool) -> None:
    if not checked:
        return
    if declared.model is not None and column.python_type not in (dict, list, None):
        raise DeclarationError(f"{where}: {column.name!r} is a column, but the field's type is a view.")
    if nullable and not declared.optional:
        raise DeclarationError(
            f"{where}: {column.name!r} may be NULL, but the field does not allow None. "
            f"Write {_shown(declared.item)} | None."
        )
    if not declared.many and not can_hold(declared.item, column.python_type):
        raise DeclarationError(
            f"{where}: {column.name!r} holds {_shown(column.python_type)} values, which a field of type "
            f"{_shown(declared.item)} does not take."
        )


def _has_validator(view: type[BaseModel], name: str, info: FieldInfo) -> bool:
    """Whether the user's own code turns the read value into something else first."""
    decorators = view.__pydantic_decorators__
    own = any(
        name in d.info.fields or "*" in d.info.fields
        for d in decorators.field_validators.values()
        if d.info.mode in ("before", "wrap", "plain")
    )
    wrapping = any(
        type(item).__name__ in ("BeforeValidator", "WrapValidator", "PlainValidator")
        for item in info.metadata
    )
    root = any(d.info.mode in ("before", "wrap") for d in decorators.model_validators.values())
    return own or wrapping or root


def _shown(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)


def _shape(declared: FieldType) -> str:
    return f"a list of {_shown(declared.item)}" if declared.many else _shown(declared.item)
