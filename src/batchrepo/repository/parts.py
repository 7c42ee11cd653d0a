"""What the parts of a repository share: the scope, what was declared, and checks of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from batchrepo.sql.key_checks import check_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batchrepo.declare.repository_info import RepositoryInfo
    from batchrepo.mapping import ColumnInfo, EntityInfo
    from batchrepo.repository.finding import Finder
    from batchrepo.repository.paging import Pager
    from batchrepo.repository.rows_asked import RowsByKey
    from batchrepo.scope import Scope

E = TypeVar("E")


class RepositoryParts(Generic[E]):
    """One repository in one scope.

    Attributes:
        scope: where it reads.
    """

    scope: Scope
    _info: RepositoryInfo
    _entity: EntityInfo
    _finder: Finder[E]
    _pager: Pager[E]
    _rows_by_key: dict[Any, RowsByKey]

    def _checked(self, keys: Iterable[Any], columns: Sequence[ColumnInfo] | None = None) -> list[Any]:
        return check_keys(
            self._entity.name, columns or self._entity.key, keys, self.scope.reading.engine.dialect
        )
