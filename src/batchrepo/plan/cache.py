"""Plans by shape: a view is planned once for each entity that it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrepo.plan.views import plan_view

if TYPE_CHECKING:
    from pydantic import BaseModel

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
