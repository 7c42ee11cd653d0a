"""RepositoryInfo: one repository class as declared, and the catalog of all of a Database."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from batchrepo.declare.computed import Aggregate, Computed, Expression, Fetched, Top
from batchrepo.declare.criteria import Criterion, Match, Predicate
from batchrepo.declare.filters import Filters, read_filters
from batchrepo.declare.orders import OrderTerm, declared_order
from batchrepo.declare.soft_delete import SoftDelete
from batchrepo.declare.sorts import Sorts, read_sorts
from batchrepo.errors import DeclarationError, did_you_mean
from batchrepo.mapping import EntityInfo, RelationInfo, entity_info
from batchrepo.mapping.entity import attribute_owner, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_SIZE = 20
"""Rows on a page where nobody says how many."""

LARGEST_SIZE = 1_000
"""The most rows on a page where nobody says how many may be asked for."""

Policy = Literal["batch", "join", "select_in", "single", "forbid"]
"""How a relation is loaded with its parent: by the scope's loaders when asked for (batch, the default);
together with the parent by a join, or by one more statement (select_in); in one statement with all else of
a view or its JSON, where the database can write it (single); or never (forbid)."""


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
        page_size: rows on a page where the caller gives no size.
        max_page_size: the most rows that a page may be asked to have.
        max_offset: how many rows a page by number may leave out.
        filters: what outside callers may filter by.
        sorts: what they may sort by.
    """

    cls: type[Any]
    entity: EntityInfo
    computed: Mapping[str, Computed[Any]]
    criteria: tuple[Criterion, ...]
    policies: Mapping[str, Policy]
    default_order: tuple[OrderTerm, ...]
    page_size: int
    max_page_size: int
    max_offset: int
    filters: Filters
    sorts: Sorts

    @property
    def name(self) -> str:
        """The class's name."""
        return self.cls.__name__

    @property
    def soft_delete(self) -> SoftDelete | None:
        """How rows are deleted that stay, where the criteria say so."""
        return next((each for each in self.criteria if isinstance(each, SoftDelete)), None)


def read_repository(cls: type[Any], base: type[Any]) -> RepositoryInfo:
    """Read and check the declarations of a repository class.

    Args:
        cls: the repository class.
        base: the class whose public attributes computed attributes may not replace.

    Raises:
        DeclarationError: something is declared wrongly; the message names class and attribute.
    """
    entity = _entity_of(cls)
    computed = {name: value for name in dir(cls) if isinstance(value := getattr(cls, name, None), Computed)}
    for name, value in computed.items():
        _check_name(cls, entity, name, base)
        value.check(entity)
    order = declared_order(
        _listed(cls, "default_order", cls.default_order, "(Album.title,)", single=True),
        f"{cls.__name__}.default_order",
        entity.sources,
        entity.name,
    )
    return RepositoryInfo(
        cls,
        entity,
        computed,
        _read_criteria(cls, entity),
        _read_policies(cls, entity),
        order,
        *_read_bounds(cls),
        _read_filters(cls, entity, computed, base),
        read_sorts(
            _listed(cls, "sortable", cls.sortable, "(Album.title, Album.id)"), cls.__name__, entity, computed
        ),
    )


def _read_filters(
    cls: type[Any], entity: EntityInfo, computed: Mapping[str, Computed[Any]], base: type[Any]
) -> Filters:
    filters = read_filters(cls, entity, computed)
    for parameter in filters.parameters:
        if parameter.operator is None and hasattr(base, parameter.name):
            raise DeclarationError(
                f"{cls.__name__}.{parameter.name} would replace {base.__name__}.{parameter.name}. "
                f"Give the named filter another name, such as with_{parameter.name}."
            )
    return filters


def _entity_of(cls: type[Any]) -> EntityInfo:
    model = getattr(cls, "entity_class", None)
    if model is None:
        raise DeclarationError(
            f"{cls.__name__} does not name its entity. Write class {cls.__name__}(Repository[Album])."
        )
    try:
        return entity_info(model)
    except DeclarationError as error:
        raise DeclarationError(f"{cls.__name__}: {error}") from None


def _check_name(cls: type[Any], entity: EntityInfo, name: str, base: type[Any]) -> None:
    where = f"{cls.__name__}.{name}"
    if hasattr(base, name) or name in _INSTANCE_NAMES:
        raise DeclarationError(
            f"{where} would replace {base.__name__}.{name}. Give the computed attribute another "
            f"name, such as {name}_of_{entity.name.lower()}."
        )
    if name.startswith("_"):
        raise DeclarationError(
            f"{where} starts with an underscore; such names are the repository's own. Write {name.lstrip('_')}."
        )
    if name in entity.columns or name in entity.relations:
        raise DeclarationError(
            f"{where} has the name of an attribute of {entity.name}. Give the computed attribute another name."
        )


_INSTANCE_NAMES = frozenset({"scope"})
"""Public names that a repository has from its constructor."""


def _listed(cls: type[Any], name: str, value: Any, example: str, *, single: bool = False) -> Any:
    """A setting that is a tuple or list; with `single`, one element will do too."""
    if isinstance(value, tuple | list):
        return value
    if single and value is not None and not isinstance(value, str | AbstractSet | Mapping | Computed):
        return value
    raise DeclarationError(f"{cls.__name__}.{name} expects a tuple, such as {example}; got {shown(value)}.")


def _read_bounds(cls: type[Any]) -> tuple[int, int, int]:
    bounds: list[int] = []
    for name, least in (("page_size", 1), ("max_page_size", 1), ("max_offset", 0)):
        value = getattr(cls, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise DeclarationError(
                f"{cls.__name__}.{name} expects a number of rows, {least} or more; got {value!r:.100}."
            )
        bounds.append(value)
    size, largest, offset = bounds
    if size > largest:
        raise DeclarationError(
            f"{cls.__name__}.page_size is {size}, which is more than its max_page_size of {largest}."
        )
    return size, largest, offset


def _read_criteria(cls: type[Any], entity: EntityInfo) -> tuple[Criterion, ...]:
    example = f"(match({entity.name}.tenant_id, lambda context: context.tenant),)"
    criteria = tuple(_listed(cls, "criteria", cls.criteria, example))
    where = f"{cls.__name__}.criteria"
    for criterion in criteria:
        if not isinstance(criterion, Match | Predicate):
            raise DeclarationError(
                f"{where} has {shown(criterion)}. Expected match(...), predicate(...) or soft_delete(...)."
            )
        if len(entity.ancestors) > 1:
            root = entity.ancestors[-1].name
            raise DeclarationError(
                f"{where}: {entity.name} inherits from {root}, so that its rows are also read as {root}. "
                f"Declare criteria on the repository of {root}."
            )
        criterion.check(entity, where)
    if sum(isinstance(criterion, SoftDelete) for criterion in criteria) > 1:
        raise DeclarationError(f"{where} has soft_delete() twice. Name one column.")
    return criteria


def _read_policies(cls: type[Any], entity: EntityInfo) -> dict[str, Policy]:
    where = f"{cls.__name__}.loading"
    if not isinstance(cls.loading, Mapping):
        raise DeclarationError(
            f'{where} expects a mapping from relationships to policies, such as {{Album.artist: "join"}}; '
            f"got {cls.loading!r:.200}."
        )
    return dict(_read_policy(where, entity, key, policy) for key, policy in cls.loading.items())


def _read_policy(where: str, entity: EntityInfo, key: Any, policy: Any) -> tuple[str, Policy]:
    owner, name = attribute_owner(key, where)
    if owner not in entity.ancestors or name not in entity.relations:
        raise DeclarationError(
            f"{where}: {owner.name}.{name} is not a relationship of {entity.name}."
            f"{did_you_mean(name, entity.relations)}"
        )
    if policy not in get_args(Policy):
        raise DeclarationError(
            f"{where}: {policy!r} for {owner.name}.{name} is not a policy. "
            f"Expected one of {', '.join(get_args(Policy))}."
        )
    if policy == "join" and entity.relations[name].many:
        raise DeclarationError(
            f"{where}: {owner.name}.{name} holds a list, and joining lists multiplies rows. "
            f"Use 'select_in' or 'batch'."
        )
    return name, policy


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

    def soft_delete(self, entity: EntityInfo) -> SoftDelete | None:
        """How rows of an entity are deleted that stay, as any of its repositories says; None where they go."""
        return next(
            (
                info.soft_delete
                for ancestor in entity.ancestors
                for info in self.by_entity.get(ancestor, ())
                if info.soft_delete is not None
            ),
            None,
        )

    def computed(self, entity: EntityInfo, prefer: RepositoryInfo | None = None) -> dict[str, Computed[Any]]:
        """The computed attributes of an entity: those of `prefer` win, then those declared first."""
        found: dict[str, Computed[Any]] = {}
        for ancestor in reversed(entity.ancestors):
            for info in reversed(self.by_entity.get(ancestor, ())):
                found.update(info.computed)
        if prefer is not None:
            found.update(prefer.computed)
        return found

    def page_sizes(self, entity: EntityInfo) -> tuple[int, int]:
        """The default and the greatest size of pages of an entity, as its first repository says."""
        for ancestor in entity.ancestors:
            for info in self.by_entity.get(ancestor, ()):
                return info.page_size, info.max_page_size
        return DEFAULT_SIZE, LARGEST_SIZE

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
