"""Plans by shape: a view is planned once for each entity that it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from batchrepo.errors import DeclarationError
from batchrepo.mapping.entity import shown
from batchrepo.plan.slots import affinity, unmarked_paths
from batchrepo.plan.views import complete, plan_view

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batchrepo.declare.repository_info import Catalog, RepositoryInfo
    from batchrepo.mapping import EntityInfo
    from batchrepo.plan.read import ReadPlan


class PlanCache:
    """The plans of a Database, made at start-up for registered views and at first use for others."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._plans: dict[tuple[type[BaseModel], EntityInfo, RepositoryInfo | None], ReadPlan] = {}

    def plan(
        self, view: type[BaseModel], entity: EntityInfo, repository: RepositoryInfo | None = None
    ) -> ReadPlan:
        """The plan of a view over an entity.

        Raises:
            DeclarationError: the view does not fit the entity.
        """
        key = (view, entity, repository)
        found = self._plans.get(key)
        if found is None:
            found = self._plans[key] = plan_view(view, entity, self.catalog, repository)
        return found

    def fitting(self, view: Any) -> list[RepositoryInfo]:
        """The repositories that a view fits.

        Raises:
            DeclarationError: it is no view, or fits none.
        """
        if not (isinstance(view, type) and issubclass(view, BaseModel)):
            raise DeclarationError(f"Expected a view, which is a Pydantic model; got {shown(view)}.")
        repositories = list(self.catalog.by_class.values())
        if not repositories:
            raise DeclarationError(f"{view.__name__} was given as a view, but there are no repositories.")
        complete(view)
        paths = unmarked_paths(view)
        candidates = [info for info in repositories if self._has(info, paths)]
        # Refusals are written, with the names that are meant, only where one is shown.
        fitting = [info for info in candidates if self._refusal(view, info) is None]
        if fitting:
            return fitting
        nearest = max(repositories, key=lambda info: affinity(view, info.entity, info.computed))
        raise DeclarationError(
            f"{self._refusal(view, nearest)} ({view.__name__} fits no repository; {nearest.name} is the nearest.)"
        )

    def _has(self, repository: RepositoryInfo, paths: Iterable[Sequence[tuple[str, ...]]]) -> bool:
        """Whether an entity has a name of each field; without one, no plan need be tried."""
        entity = repository.entity
        names = {*entity.columns, *entity.relations, *entity.expressions}
        names.update(self.catalog.computed(entity, repository))
        return all(any(path[0] in names for path in ways) for ways in paths)

    def _refusal(self, view: type[BaseModel], repository: RepositoryInfo) -> DeclarationError | None:
        try:
            self.plan(view, repository.entity, repository)
        except DeclarationError as error:
            return error
        return None
