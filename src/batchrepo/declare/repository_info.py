"""RepositoryInfo: one repository class as declared, and the catalog of all of a Database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from batchrepo.declare.computed import Aggregate, Computed, Expression, Fetched, Top
from batchrepo.declare.criteria import Criterion, Match, Predicate
from batchrepo.declare.orders import OrderTerm, parse_order
from batchrepo.errors import DeclarationError, did_you_mean
from batchrepo.mapping import EntityInfo, RelationInfo, entity_info
from batchrepo.mapping.entity import attribute_owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Policy = Literal["batch", "join", "select_in", "single", "forbid"]
"""How a relation is loaded with its parent: by the scope's loaders when asked for (batch, the default);
together with the parent by a join, or by one more statement (select_in); in one statement for the whole
view (single); or never (forbid)."""


@dataclass(frozen=True, eq=False)
class RepositoryInfo:
    """One repository as declared.

    Attributes:
        cls: the repository class.
        entity: of its rows.
        computed: its computed attributes by name, inherited ones included.
        criteria: its row criteria.
        policies: how its relations are loaded, by relation name.
        default_order: of `find` and `first`, where the caller gives none.
    """

    cls: type[Any]
    entity: EntityInfo
    computed: Mapping[str, Computed[Any]]
    criteria: tuple[Criterion, ...]
    policies: Mapping[str, Policy]
    default_order: tuple[OrderTerm, ...]

    @property
    def name(self) -> str:
        """The class's name."""
        return self.cls.__name__


def read_repository(cls: type[Any], base: type[Any]) -> RepositoryInfo:
    """Read and check the declarations of a repository class.

    Args:
        cls: the repository class.
        base: the class whose public attributes computed attributes may not replace.

    Raises:
        DeclarationError: something is declared wrongly; the message names class and attribute.
    """
    model = getattr(cls, "entity_class", None)
    if model is None:
        raise DeclarationError(
            f"{cls.__name__} does not name its entity. Write class {cls.__name__}(Repository[Album])."
        )
    entity = entity_info(model)
    computed = {name: value for name in dir(cls) if isinstance(value := getattr(cls, name, None), Computed)}
    for name, value in computed.items():
        _check_computed(cls, entity, name, value, base)
    criteria = tuple(cls.criteria)
    for criterion in criteria:
        _check_criterion(cls, entity, criterion)
    return RepositoryInfo(
        cls, entity, computed, criteria, _read_policies(cls, entity), parse_order(cls.default_order)
    )


def _check_computed(
    cls: type[Any], entity: EntityInfo, name: str, value: Computed[Any], base: type[Any]
) -> None:
    where = f"{cls.__name__}.{name}"
    if hasattr(base, name):
        raise DeclarationError(
            f"{where} would replace the method {base.__name__}.{name}. Give the computed attribute another "
            f"name, such as {name}_of_{entity.name.lower()}."
        )
    if name in entity.columns or name in entity.relations:
        raise DeclarationError(
            f"{where} has the name of an attribute of {entity.name}. Give the computed attribute another name."
        )
    owner = value.entity()
    if owner is not None and owner not in entity.ancestors:
        raise DeclarationError(
            f"{where} is computed from {owner.name}, but the repository's entity is {entity.name}. "
            f"Declare it on the repository of {owner.name}."
        )
    if isinstance(value, Aggregate | Top) and not value.relation.many:
        raise DeclarationError(
            f"{where}: {value.relation} leads to one {value.relation.target.name}, but a list is needed here. "
            f"Use a to-many relationship."
        )
    if isinstance(value, Aggregate) and value.column is not None:
        owner, column = attribute_owner(value.column)
        if (
            value.relation.target not in (owner, *owner.ancestors)
            and owner not in value.relation.target.ancestors
        ):
            raise DeclarationError(
                f"{where}: {owner.name}.{column} is not a column of {value.relation.target.name}, "
                f"to which {value.relation} leads."
            )
    if isinstance(value, Fetched):
        _ = value.key
    if isinstance(value, Top):
        _ = value.order


def _check_criterion(cls: type[Any], entity: EntityInfo, criterion: object) -> None:
    if not isinstance(criterion, Match | Predicate):
        raise DeclarationError(
            f"{cls.__name__}.criteria has {criterion!r}. Expected match(...) or predicate(...)."
        )
    if len(entity.ancestors) > 1:
        raise DeclarationError(
            f"{cls.__name__}.criteria: {entity.name} inherits from {entity.ancestors[-1].name}, so that its rows "
            f"are also read as {entity.ancestors[-1].name}. Declare criteria on the repository of "
            f"{entity.ancestors[-1].name}."
        )
    if isinstance(criterion, Match):
        owner, name = attribute_owner(criterion.attribute)
        if owner is not entity:
            raise DeclarationError(
                f"{cls.__name__}.criteria: {owner.name}.{name} is not a column of {entity.name}."
            )
        entity.column(name)


def _read_policies(cls: type[Any], entity: EntityInfo) -> dict[str, Policy]:
    policies: dict[str, Policy] = {}
    for key, policy in cls.loading.items():
        owner, name = attribute_owner(key)
        if owner not in entity.ancestors or name not in entity.relations:
            raise DeclarationError(
                f"{cls.__name__}.loading: {owner.name}.{name} is not a relationship of {entity.name}."
                f"{did_you_mean(name, entity.relations)}"
            )
        if policy not in get_args(Policy):
            raise DeclarationError(
                f"{cls.__name__}.loading: {policy!r} for {owner.name}.{name} is not a policy. "
                f"Expected one of {', '.join(get_args(Policy))}."
            )
        if policy == "single":
            raise DeclarationError(
                f"{cls.__name__}.loading: the policy 'single' for {owner.name}.{name} is not available yet. "
                f"Use 'batch', 'join' or 'select_in'."
            )
        if policy == "join" and entity.relations[name].many:
            raise DeclarationError(
                f"{cls.__name__}.loading: {owner.name}.{name} holds a list, and joining lists multiplies rows. "
                f"Use 'select_in' or 'batch'."
            )
        policies[name] = policy
    return policies


class Catalog:
    """All repositories of a Database, by class and by entity."""

    def __init__(self, repositories: Iterable[RepositoryInfo]) -> None:
        self.by_class: dict[type[Any], RepositoryInfo] = {}
        self.by_entity: dict[EntityInfo, tuple[RepositoryInfo, ...]] = {}
        for info in repositories:
            self.by_class[info.cls] = info
            self.by_entity[info.entity] = (*self.by_entity.get(info.entity, ()), info)

    @property
    def criteria(self) -> dict[EntityInfo, tuple[Criterion, ...]]:
        """The criteria of every entity that has any, from whichever of its repositories."""
        found = {
            entity: tuple(dict.fromkeys(criterion for info in infos for criterion in info.criteria))
            for entity, infos in self.by_entity.items()
        }
        return {entity: criteria for entity, criteria in found.items() if criteria}

    def computed(self, entity: EntityInfo, prefer: RepositoryInfo | None = None) -> dict[str, Computed[Any]]:
        """The computed attributes of an entity: those of `prefer` win, then those declared first."""
        found: dict[str, Computed[Any]] = {}
        for ancestor in reversed(entity.ancestors):
            for info in reversed(self.by_entity.get(ancestor, ())):
                found.update(info.computed)
        if prefer is not None:
            found.update(prefer.computed)
        return found

    def policy(self, relation: RelationInfo) -> Policy | None:
        """The declared policy of a relation, or None."""
        for ancestor in relation.parent.ancestors:
            for info in self.by_entity.get(ancestor, ()):
                if relation.name in info.policies:
                    return info.policies[relation.name]
        return None


__all__ = [
    "Aggregate",
    "Catalog",
    "Expression",
    "Fetched",
    "Policy",
    "RepositoryInfo",
    "Top",
    "read_repository",
]
