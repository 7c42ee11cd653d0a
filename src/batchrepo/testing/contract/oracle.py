"""What SQLAlchemy's selectinload gives, and the comparison with what somebody else gave."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import InstanceState, class_mapper, selectinload, undefer

from batchrepo.testing.contract.cases import RelationCase, key_properties

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NOT_LOADED = "<not loaded>"
"""Stands for the value of an attribute that an entity does not have in memory."""


@dataclass(frozen=True)
class Child:
    """A related row, whatever form it was given in.

    Attributes:
        key: its primary key.
        fields: its other values by attribute name, as far as they were given.
        kind: the name of its class; None for a view, which has no mapped class.
    """

    key: tuple[Any, ...]
    fields: dict[str, Any] = field(compare=False)
    kind: str | None = field(default=None, compare=False)


Related = dict[tuple[Any, ...], list[Child]]
"""For each owner's primary key, what it is related to: at most one child where the relation is not a list."""


async def ask_oracle(engine: AsyncEngine, case: RelationCase) -> Related:
    """What selectinload gives for all owners, with deferred columns loaded.

    Where a link table holds a pair more than once, selectinload repeats the child; here each child is there
    once, at its first place.
    """
    undeferred = [undefer(getattr(case.target.class_, name)) for name in deferred_attributes(case)]
    loading = selectinload(case.attribute).options(*undeferred)
    async with AsyncSession(engine) as session:
        owners = (await session.scalars(select(case.owner).options(loading))).all()
        return {
            key_of(owner): list(dict.fromkeys(as_child(child) for child in as_list(getattr(owner, case.key))))
            for owner in owners
        }


def key_of(entity: Any) -> tuple[Any, ...]:
    """The primary key of an entity, always as a tuple."""
    return tuple(getattr(entity, prop.key) for prop in key_properties(class_mapper(type(entity))))


def as_list(value: Any) -> list[Any]:
    """What a relation holds, as a list: a list itself, one entity, or nothing."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def as_child(entity: Any) -> Child:
    """An entity with the columns that it has in memory; nothing is loaded by looking."""
    state: InstanceState[Any] = inspect(entity)
    loaded = {p.key: state.dict[p.key] for p in state.mapper.column_attrs if p.key in state.dict}
    return Child(key_of(entity), loaded, type(entity).__name__)


def deferred_attributes(case: RelationCase) -> list[str]:
    """The target's attributes that a plain load leaves out."""
    return [prop.key for prop in case.target.column_attrs if prop.deferred]


def require(condition: bool, message: str) -> None:
    """Raises AssertionError unless the condition holds, with `python -O` too."""
    if not condition:
        raise AssertionError(message)


def assert_entities(
    case: RelationCase, expected: Related, owners: Sequence[Any], given: Sequence[Any]
) -> None:
    """Asserts that entities are the ones that the oracle gave, of the same classes, with the same values.

    Args:
        case: the relation.
        expected: the oracle's answer.
        owners: the owners, in any order.
        given: for each owner, the value that was given for the relation.

    Raises:
        AssertionError: naming the first owner for which something differs.
    """
    deferred = deferred_attributes(case)
    assert_all_owners(case, expected, [key_of(owner) for owner in owners])
    for owner, value in zip(owners, given, strict=True):
        _assert_form(case, key_of(owner), value)
        wanted = expected[key_of(owner)]
        found = [as_child(child) for child in as_list(value)]
        assert_rows(case, key_of(owner), wanted, found)
        by_key = {child.key: child for child in found}
        for child in wanted:
            entity = by_key[child.key]
            seen = {
                name: entity.fields.get(name, NOT_LOADED) for name in child.fields if name not in deferred
            }
            wanted_fields = {name: child.fields[name] for name in seen}
            require(
                (entity.kind, seen) == (child.kind, wanted_fields),
                f"{case} of {key_of(owner)}: {child.kind} {child.key} has {entity.kind} {seen}, "
                f"where selectinload gives {wanted_fields}.",
            )


def assert_views(
    case: RelationCase, expected: Related, given: dict[tuple[Any, ...], Any], fields: Sequence[str]
) -> None:
    """Asserts that views hold the rows and values that the oracle gave.

    Args:
        case: the relation.
        expected: the oracle's answer.
        given: for each owner's key, the value that was given for the relation: views, a view, or None.
        fields: the attributes that each view has.

    Raises:
        AssertionError: naming the first owner for which something differs.
    """
    names = [prop.key for prop in key_properties(case.target)]
    assert_all_owners(case, expected, list(given))
    for owner_key, value in given.items():
        _assert_form(case, owner_key, value)
        found = [
            Child(tuple(getattr(view, n) for n in names), {n: getattr(view, n) for n in fields})
            for view in as_list(value)
        ]
        wanted = expected[owner_key]
        assert_rows(case, owner_key, wanted, found)
        by_key = {child.key: child for child in found}
        for child in wanted:
            wanted_fields = {name: child.fields[name] for name in fields}
            seen = by_key[child.key].fields
            require(
                seen == wanted_fields,
                f"{case} of {owner_key}: the view of {child.key} has {seen}, "
                f"where selectinload gives {wanted_fields}.",
            )


def assert_all_owners(case: RelationCase, expected: Related, owners: list[tuple[Any, ...]]) -> None:
    """Asserts that each owner was given once."""
    require(
        sorted(map(repr, owners)) == sorted(map(repr, expected)),
        f"{case}: the repository found the owners {owners}, where SQLAlchemy finds {list(expected)}.",
    )


def assert_rows(
    case: RelationCase, owner_key: tuple[Any, ...], wanted: list[Child], found: list[Child]
) -> None:
    """Asserts that one owner's children are the wanted ones, in the order that the relation declares."""
    require(
        _in_groups(case, found) == _in_groups(case, wanted),
        f"{case} of {owner_key} gives {[c.key for c in found]}, "
        f"where selectinload gives {[c.key for c in wanted]} "
        f"({'in any order' if case.order is None else 'in this order'}).",
    )


def _assert_form(case: RelationCase, owner_key: tuple[Any, ...], value: Any) -> None:
    expected = "a list" if case.is_list else "one entity or None"
    require(
        isinstance(value, list) == case.is_list,
        f"{case} of {owner_key}: {expected} expected, {value!r} came.",
    )


def _in_groups(case: RelationCase, children: list[Child]) -> list[list[str]]:
    """The children as groups whose order counts, of members whose order does not."""
    if case.order is None:
        return [_sorted_keys(children)]
    if not case.order:
        return [[repr(child.key)] for child in children]
    order = case.order
    groups = groupby(children, key=lambda child: [child.fields.get(name, NOT_LOADED) for name in order])
    return [_sorted_keys(group) for _, group in groups]


def _sorted_keys(children: Iterable[Child]) -> list[str]:
    return sorted(repr(child.key) for child in children)
