"""Plans by shape: a view is planned once for each entity that it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from batchrepo.errors import DeclarationError
from batchrepo.mapping.entity import shown
from batchrepo.plan.slots import affinity
from batchrepo.plan.views import plan_view

if TYPE_CHECKING:
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
        fitting: list[RepositoryInfo] = []
        errors: list[tuple[float, RepositoryInfo, DeclarationError]] = []
        for info in self.catalog.by_class.values():
            try:
                self.plan(view, info.entity, info)
            except DeclarationError as error:
                errors.append((affinity(view, info.entity, info.computed), info, error))
            else:
                fitting.append(info)
        if fitting:
            return fitting
        if not errors:
            raise DeclarationError(f"{view.__name__} was given as a view, but there are no repositories.")
        _, nearest, refusal = max(errors, key=lambda item: item[0])
        raise DeclarationError(
            f"{refusal} ({view.__name__} fits no repository; {nearest.name} is the nearest.)"
        )
