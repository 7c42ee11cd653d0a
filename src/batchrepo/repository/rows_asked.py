"""The answers of `get` and `get_or_none`: rows by primary key, read when somebody waits for them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from batchrepo.errors import NotFound
from batchrepo.loading import Asked, LazyFuture
from batchrepo.repository.arguments import check_view
from batchrepo.sql.key_checks import key_check

if TYPE_CHECKING:
    from pydantic import BaseModel

    from batchrepo.loading import BatchLoader
    from batchrepo.repository.parts import RepositoryParts
    from batchrepo.scope import Scope

R = TypeVar("R")


class RowsByKey:
    """Reads rows of a repository by primary key, for any number of answers.

    Args:
        repository: in its scope.
        view: None for entities.
    """

    def __init__(self, repository: RepositoryParts[Any], view: type[BaseModel] | None) -> None:
        # Not the repository, which keeps this: together they would wait for the garbage collector.
        self._name = type(repository).__name__
        self._info = repository._info
        self._entity = repository._entity
        self._scope: Scope = repository.scope
        self._view = view
        self._check = key_check(self._entity.name, self._entity.key, self._scope.reading.engine.dialect)
        self._of_views: BatchLoader[Any, Any] | None = None

    def ask(self, key: Any, answer: asyncio.Future[Any]) -> None:
        """Read the row into a future; None where there is none."""
        checked = self._check(key)
        loaders = self._scope.loaders
        if self._of_views is not None:
            self._of_views.load_into(checked, answer)
        elif self._view is not None:
            view = check_view(self._view)
            delivery, compiled = self._scope.reading.views(view, self._entity, self._info)
            self._of_views = loaders.view_by_key(self._entity, compiled, delivery)
            self._of_views.load_into(checked, answer)
        elif (found := loaders.known(self._entity, checked)) is not None:
            answer.set_result(found)
        else:
            loaders.entity(self._entity).load_into(checked, answer)

    def missing(self, key: Any) -> NotFound:
        """The error for a key without a row."""
        return NotFound(self._entity.name, [key])

    def __str__(self) -> str:
        return f"{self._name}.get"


class RowAsked(Asked[R]):
    """The row with a primary key; without one it fails with `NotFound`."""

    __slots__ = ()
    _source: RowsByKey

    def set_result(self, result: Any, /) -> None:
        """The loader has it, or None."""
        if result is None:
            self.set_exception(self._source.missing(self._key))
        else:
            asyncio.Future.set_result(self, result)


class Row(RowAsked[R], LazyFuture[R]):
    """A row that is read when somebody waits for it."""

    __slots__ = ()
    _as_future = RowAsked
