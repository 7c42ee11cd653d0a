"""Repository: what a user declares, and what a user calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, get_args, get_origin

from pydantic import BaseModel

from batchrepo.declare.filter_groups import condition_of
from batchrepo.declare.orders import total_order
from batchrepo.errors import DeclarationError, InvalidArgument
from batchrepo.mapping.entity import shown
from batchrepo.repository.by_condition import ReadsByCondition
from batchrepo.repository.by_page import ReadsByPage
from batchrepo.repository.finding import Finder
from batchrepo.repository.paging import Pager
from batchrepo.repository.updates import UpdatesAndDeletes
from batchrepo.repository.writes import Writes
from batchrepo.sql.filter_values import FilterValues

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.criteria import Criterion
    from batchrepo.declare.orders import OrderTerm
    from batchrepo.declare.repository_info import Policy, RepositoryInfo
    from batchrepo.scope import Scope

E = TypeVar("E")
V = TypeVar("V", bound=BaseModel)
C = TypeVar("C")


class Repository(Writes[E], UpdatesAndDeletes[E], ReadsByCondition[E], ReadsByPage[E]):
    """Reads and writes one entity. Subclass it with the entity: ``class AlbumRepository(Repository[Album])``.

    Every relationship of the mapper is batched without a declaration. A subclass may declare:

    - computed attributes: ``album_count = count(Artist.albums)``;
    - ``default_order``: of `find`, `first` and pages, such as ``(Album.title,)``; the primary key is appended;
    - ``criteria``: which rows a scope may see and write: ``(match(Album.tenant_id, lambda ctx: ctx.tenant),)``, and
      with ``soft_delete(Album.deleted_at)`` how rows are deleted that stay;
    - ``page_size``, ``max_page_size``, ``max_offset``: bounds of pages;
    - ``sortable`` and ``filterable``: what outside callers may sort and filter by; methods with ``@named_filter``
      are filters too;
    - ``loading``: how relations are loaded with their parents: ``{Album.artist: "join"}``.

    Args:
        scope: an open scope of a Database with which this class is registered.

    Raises:
        InvalidArgument: the class is not registered.
    """

    entity_class: ClassVar[type[Any]]
    """The entity, from the class's parameter."""

    default_order: ClassVar[Any] = ()
    """The order of `find` and `first` where the caller gives none."""

    sortable: ClassVar[Sequence[Any]] = ()
    """What outside callers may sort by: ``(Album.title, duration, Album.released.nulls_last())``; see `sorting`."""

    filterable: ClassVar[Mapping[Any, Any]] = {}
    """What outside callers may filter by, and with which operators: ``{Album.title: (eq, icontains)}``; see `filters`."""

    criteria: ClassVar[Sequence[Criterion]] = ()
    """Row criteria, made with ``match``, ``predicate`` and ``soft_delete``."""

    loading: ClassVar[Mapping[Any, Policy]] = {}
    """Policies by relationship: ``batch``, ``join``, ``select_in``, ``single``, ``forbid``."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for base in cls.__dict__.get("__orig_bases__", ()):
            origin, args = get_origin(base), get_args(base)
            if isinstance(origin, type) and issubclass(origin, Repository) and isinstance(args[0], type):
                _check_entity_class(cls, args[0])
                cls.entity_class = args[0]
        for base in cls.__bases__:
            inherited = getattr(base, "entity_class", None)
            if inherited is not None:
                _check_entity_class(cls, inherited)

    def __init__(self, scope: Scope) -> None:
        scope.check_open()
        info = scope.reading.catalog.by_class.get(type(self))
        if info is None:
            raise InvalidArgument(
                f"{type(self).__name__} is not registered. Name it in Database(..., repositories=[...])."
            )
        self.scope = scope
        self._info: RepositoryInfo = info
        self._entity = info.entity
        self._finder: Finder[E] = Finder(scope, info)
        self._pager: Pager[E] = Pager(self._finder)
        self._rows_by_key = {}

    def filters(self, given: Mapping[str, Any]) -> ColumnElement[bool]:
        """The condition for what a caller sent, checked against ``filterable`` and parsed by Pydantic.

        ``albums.find(albums.filters({"title__icontains": "rock", "track_count__ge": "10"}))``

        Args:
            given: values by parameter, all of which must hold, and groups: ``{"or": [{...}, {...}]}``, ``"and"``,
                ``"not": {...}``. Values may be texts, as in a query string, or of their own types. Nothing given
                is a condition that always holds.

        Raises:
            InvalidFilter: a parameter is not declared, a value is not of its kind, or there are too many; it names
                the parameter, those that exist, and the value.
        """
        values = FilterValues(self.scope.reading.engine.dialect)
        return condition_of(self._info.filters, given, self, values)

    def sorting(self, text: str | Sequence[str]) -> tuple[OrderTerm, ...]:
        """The order that a caller asked for, for any ``order_by=``: ``sorting("-released,title")``.

        Args:
            text: names that ``sortable`` declares, separated by commas or in a list; a ``-`` before a name is
                descending. Without any name it is the repository's ``default_order``, then the primary key.

        Raises:
            InvalidSort: a name is not declared, or is there twice.
        """
        return self._info.sorts.parse(text) or total_order(self._info.default_order, self._entity)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._entity.name}>"


def _check_entity_class(cls: type[Any], entity: type[Any]) -> None:
    """Refuse an ``entity_class`` that is neither the parameter's nor a subclass of it."""
    own = getattr(cls, "entity_class", None)
    written = "entity_class" in cls.__dict__
    if own is entity or (not written and own is None):
        return
    if not (isinstance(own, type) and issubclass(own, entity)):
        raise DeclarationError(
            f"{cls.__name__}.entity_class is {shown(own)}, but the class is a repository of {shown(entity)}. "
            f"Leave entity_class out."
        )


__all__ = ["DeclarationError", "Repository"]
