"""Resolvers: what the plan has read is an attribute of its object; what it has not read is loaded by the scope."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from graphql import OperationType, get_argument_values

from batchrepo.errors import InvalidArgument, NotFound
from batchrepo.integrations.strawberry.operation.scopes import running
from batchrepo.integrations.strawberry.query.lookahead import lookahead_of, nodes_at
from batchrepo.integrations.strawberry.query.planning import local_fields, slot_of
from batchrepo.integrations.strawberry.query.selections import Selections, object_type_of
from batchrepo.integrations.strawberry.types.connections import CountOfRows, PageOfRows
from batchrepo.integrations.strawberry.types.members import KEY, repository_type_of
from batchrepo.repository.planned import Planned

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchrepo.integrations.strawberry.query.selections import ResolveInfo
    from batchrepo.integrations.strawberry.types.members import Related, RepositoryType
    from batchrepo.integrations.strawberry.types.shapes import Shape
    from batchrepo.plan.pages import Total

Resolver: TypeAlias = "Callable[..., Any]"
"""As graphql-core calls it: with the object, the info and the arguments."""


def value_resolver(name: str) -> Resolver:
    """The resolver of a column or computed attribute."""

    def resolve(source: Any, info: ResolveInfo) -> Any:
        try:
            return source.__dict__[name]
        except KeyError:
            return _load_and(resolve, source, info)

    return resolve


def related_resolver(member: Related, shape: Shape) -> Resolver:
    """The resolver of a relation."""
    kind = repository_type_of(shape.cls)
    assert kind is not None
    local = tuple(field.name for field in local_fields(member.relation))
    if shape.paged:
        deliver: Callable[[Any], Any] = partial(_page, kind)
        load: Callable[..., Any] = _load_page
    else:
        deliver = kind.objects if shape.many else kind.object
        load = _load_list if shape.many else _load_one

    def resolve(source: Any, info: ResolveInfo, **arguments: Any) -> Any:
        values = source.__dict__
        try:
            found = values[slot_of(info.field_nodes[0])]
        except KeyError:
            if all(name in values for name in local):
                return load(member, kind, [values[name] for name in local], info, arguments)
            return _load_and(resolve, source, info, **arguments)
        return None if found is None else deliver(found)

    return resolve


def _page(kind: RepositoryType, found: dict[str, Any] | int) -> PageOfRows | CountOfRows:
    if isinstance(found, int):
        return CountOfRows(found)
    return PageOfRows(kind.objects(found["items"]), found)


async def _load_list(
    member: Related, kind: RepositoryType, values: list[Any], info: ResolveInfo, given: dict[str, Any]
) -> list[Any]:
    scope = running(info.field_name).scope
    target = object_type_of(info.parent_type.fields[info.field_name])
    assert target is not None
    ahead = lookahead_of(scope.reading)
    asked = ahead.arguments(info, given, kind.repository)
    plan = ahead.of_objects(info, target, info.field_nodes)
    rows = await Planned(scope, kind.repository).related(
        plan,
        member.relation,
        values,
        where=(*member.where, *asked.where),
        order=asked.order or member.order,
        first=member.first,
    )
    return kind.objects(rows)


async def _load_one(
    member: Related, kind: RepositoryType, values: list[Any], info: ResolveInfo, given: dict[str, Any]
) -> Any:
    found = await _load_list(member, kind, values, info, given)
    return found[0] if found else None


async def _load_page(
    member: Related, kind: RepositoryType, values: list[Any], info: ResolveInfo, given: dict[str, Any]
) -> PageOfRows | CountOfRows:
    """A page from a cursor, which no plan covers: loaded for all parents together."""
    scope = running(info.field_name).scope
    target = object_type_of(info.parent_type.fields[info.field_name])
    assert target is not None
    ahead = lookahead_of(scope.reading)
    asked = ahead.arguments(info, given, kind.repository)
    plan, selected = ahead.of_connection(info, target, info.field_nodes)
    total: Total = "exact" if selected.total else None
    arguments = asked.of_related(member.where, member.order, total, selected.flags)
    reads = Planned(scope, kind.repository)
    if selected.total and not selected.rows:
        return CountOfRows(await reads.related_total(member.relation, values, arguments))
    return _page(kind, await reads.related_page(plan, member.relation, values, arguments))


async def _load_and(resolve: Resolver, source: Any, info: ResolveInfo, **arguments: Any) -> Any:
    found = resolve(await load_object(source, info), info, **arguments)
    return await found if hasattr(found, "__await__") else found


async def load_object(source: Any, info: ResolveInfo) -> Any:
    """Read an object that stands for a row of which only the key is known: all that the query selects of it.

    Returns:
        Another object with what was read. The one that is given stays as it was: it may be given to other operations
        too, such as all subscriptions that wait for an event, which may see other rows.

    Raises:
        InvalidArgument: it is no such object.
        NotFound: there is no such row (that the scope may see).
    """
    kind = repository_type_of(type(source))
    if kind is None or KEY not in source.__dict__:
        raise InvalidArgument(
            f"{info.parent_type.name}.{info.field_name} was asked of {type(source).__name__!r}, which was not read for "
            f"it. A resolver that returns a {info.parent_type.name} writes to_type({info.parent_type.name}Type, row)."
        )
    operation = running(info.field_name)
    scope, kept = operation.scope, operation.kept
    target, nodes = nodes_at(info)
    plan = lookahead_of(scope.reading).of_objects(info, target, nodes)
    key = source.__dict__[KEY]
    row = await Planned(scope, kind.repository).by_key(plan, key)
    if row is None:
        raise NotFound(kind.entity.name, [key])
    # One for all fields of the object; it is kept with the given one, whose identity nothing else may have meanwhile.
    place = "object", id(source), id(plan), _mutation_of(info)
    if place not in kept:
        kept[place] = source, kind.object({**source.__dict__, **row})
    return kept[place][1]


def _mutation_of(info: ResolveInfo) -> str | int | None:
    """The mutation field that an object is selected below: the next one may have changed the row."""
    if info.operation.operation is not OperationType.MUTATION:
        return None
    path = info.path
    while path.prev is not None:
        path = path.prev
    return path.key


def arguments_of(info: ResolveInfo) -> dict[str, Any]:
    """The arguments of a field, as GraphQL has them."""
    field = info.parent_type.fields[info.field_name]
    return get_argument_values(field, info.field_nodes[0], Selections(info).variables)
