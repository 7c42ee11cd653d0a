"""`resource`: the endpoints of a repository, from one declaration."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from fastapi import APIRouter
from pydantic import BaseModel

from batchrepo.declare.repository_info import read_repository
from batchrepo.errors import DeclarationError, InvalidArgument, did_you_mean
from batchrepo.integrations.conditional import CACHE_CONTROL, VARY
from batchrepo.integrations.fastapi.actions import Action, add_action
from batchrepo.integrations.fastapi.bodies import read_bodies
from batchrepo.integrations.fastapi.bulk import create_many_action, delete_many_action, update_many_action
from batchrepo.integrations.fastapi.endpoints import Caching, add_endpoint
from batchrepo.integrations.fastapi.reading import (
    Readable,
    count_endpoint,
    list_endpoint,
    many_endpoint,
    numbered_endpoint,
    one_endpoint,
    related_list_endpoint,
    related_one_endpoint,
)
from batchrepo.integrations.fastapi.writing import Writable, create_action, delete_action, update_action
from batchrepo.mapping.entity import attribute_owner, shown
from batchrepo.plan.pages import is_integer
from batchrepo.repository import Repository
from batchrepo.writing.rows.columns import write_columns
from batchrepo.writing.upsert.conflicts import target_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from enum import Enum

    from fastapi.params import Depends

    from batchrepo.database import Database
    from batchrepo.declare.repository_info import RepositoryInfo
    from batchrepo.integrations.fastapi.endpoints import Endpoint
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.plan.pages import Total

Reading = Literal["list", "one", "many", "count"]
"""What can be done with a resource without changing it."""

Operation = Literal[Reading, "create", "update", "delete", "bulk"]
"""What can be done with a resource. ``bulk`` is what else there is of the last three, for many rows."""

READING: tuple[Operation, ...] = get_args(Reading)
"""All operations that read."""

OPERATIONS: tuple[Operation, ...] = (*READING, "create", "update", "delete", "bulk")
"""All operations."""

WRITING = OPERATIONS[len(READING) :]
"""All operations that write."""

_TOTALS: Mapping[str, Total] = {"exact": "exact"}


@dataclass(frozen=True)
class Related:
    """A relation that a resource shows below each of its rows. Made by `related`."""

    attribute: Any
    view: type[BaseModel]
    repository: type[Repository[Any]] | None


def related(
    attribute: Any, view: type[BaseModel], *, repository: type[Repository[Any]] | None = None
) -> Related:
    """A relation that `resource` shows below each row, such as ``related(Album.tracks, TrackView)``.

    Args:
        attribute: a relationship, to many or to one.
        view: how what it leads to is shown.
        repository: of what it leads to: how that may be filtered and sorted, and how large its pages are.
    """
    return Related(attribute, view, repository)


def resource(
    repository: type[Repository[Any]],
    *,
    view: type[BaseModel],
    prefix: str,
    list_view: type[BaseModel] | None = None,
    operations: Collection[Operation] | None = None,
    create: type[BaseModel] | None = None,
    update: type[BaseModel] | None = None,
    upsert_on: Any = None,
    bulk_size: int = 10_000,
    require_if_match: bool = False,
    dry_run: bool = False,
    related: Mapping[str, Related] | None = None,
    numbered: bool = False,
    totals: Mapping[str, Total] = _TOTALS,
    cache_control: str | None = CACHE_CONTROL,
    vary: Sequence[str] = VARY,
    tags: list[str | Enum] | None = None,
    names: tuple[str, str] | None = None,
    dependencies: Sequence[Depends] | None = None,
) -> APIRouter:
    """The endpoints of a repository, as a router.

    ::

        app.include_router(
            resource(
                AlbumRepository,
                view=AlbumView,
                prefix="/albums",
                related={"tracks": related(Album.tracks, TrackView, repository=TrackRepository)},
            )
        )

    ======================  ===========  ==============================================================
    ``/albums``             ``list``     pages by cursor, sorted and filtered as the repository declares
    ``/albums/{id}``        ``one``      one row; each column of a composite key is a part of the path
    ``/albums/by-ids``      ``many``     ``?id=3&id=1``: in this order, or an error that names the missing
    ``/albums/count``       ``count``    how many rows the same filters leave
    ``/albums/{id}/tracks`` ``related``  what belongs to one row, by pages
    ======================  ===========  ==============================================================

    What writes is there where it is declared, each in one transaction:

    ======================  ===========  ==============================================================
    ``POST /albums``        ``create``   a new row, as `create` has it
    ``PATCH /albums/{id}``  ``update``   exactly the fields that are sent, of those in `update`
    ``DELETE /albums/{id}`` ``delete``   one row
    ``/albums/bulk``        ``bulk``     many rows, for those of the three that there are
    ======================  ===========  ==============================================================

    Every answer that reads has an entity tag (304 for a client that has it), lists have ``Link`` headers, and each
    takes ``HEAD`` too. The views are checked when the application starts.

    Args:
        repository: what is read. What it does not declare as sortable or filterable is refused.
        view: how a row is shown.
        prefix: the path, such as ``/albums``.
        list_view: how rows are shown in the list; by default as one is.
        operations: which endpoints there are. By default all that read, and those whose model is given.
        create: the model of a new row. Its fields are columns of the entity.
        update: the model of a row's new values; what a client does not send stays as it is.
        upsert_on: by which columns of a unique constraint a row is told that is there already, such as
            ``Album.ref``: many rows may then be created or changed at once.
        bulk_size: how many rows one request may have.
        require_if_match: clients must say which state of a row a change is meant for (428 where they do not).
        dry_run: clients may try a write with ``?dry_run=true``, which is taken back at its end.
        related: relations to show below each row, by the last part of their path.
        numbered: page the list by numbers (``page``, ``size``) instead of cursors.
        totals: how a client may have all rows counted, by the value of ``total``, such as ``{"exact":
            "exact", "about": "estimated", "1000": capped(1_000)}``.
        cache_control: who may keep the answers, and how long. None for no header.
        vary: the request headers that the answers depend on.
        tags: of the endpoints in OpenAPI; by default the prefix.
        names: of one row and of many in the names of operations, such as ``("album", "albums")``; by default
            from the entity and the prefix.
        dependencies: of all endpoints, as ``APIRouter`` takes them.

    Raises:
        DeclarationError: an argument is wrong; the message says which.
    """
    info = _info_of(repository)
    entity = info.entity
    where = f"resource({repository.__name__}, ...)"
    asked = _operations(where, operations, create, update, upsert_on)
    _check_arguments(where, view, list_view, prefix, totals)
    if not is_integer(bulk_size) or bulk_size < 1:
        raise DeclarationError(f"{where}: bulk_size= expects a number of 1 or more; got {bulk_size!r:.100}.")
    shared = Readable(info, *(names or _names(entity, prefix)), totals)
    shown_in_list = list_view or view
    endpoints: list[Endpoint] = []
    if "list" in asked:
        make_list = numbered_endpoint if numbered else list_endpoint
        endpoints.append(make_list(shared, shown_in_list))
    # Fixed paths before those with a key, which would take them for one.
    if "count" in asked:
        endpoints.append(count_endpoint(shared))
    if "many" in asked:
        endpoints.append(many_endpoint(shared, view))
    if "one" in asked:
        endpoints.append(one_endpoint(shared, view))
    actions: list[Action] = []
    if asked & set(WRITING):
        bodies = read_bodies(where, info, shared.key, create, update)
        readable = "one" in asked
        to = Writable(shared, view, bodies, upsert_on, bulk_size, require_if_match, dry_run, readable)
        actions = _actions(to, asked)
    views = [(view, entity), (shown_in_list, entity)]
    for name, declared in (related or {}).items():
        relation = _relation(f"{where}: related[{name!r}]", entity, name, declared)
        views.append((declared.view, relation.target))
        if relation.many:
            target = _info_of(declared.repository) if declared.repository is not None else None
            endpoints.append(related_list_endpoint(shared, name, relation, declared.view, target))
        else:
            endpoints.append(related_one_endpoint(shared, name, relation, declared.view))
    router = APIRouter(
        prefix=prefix,
        tags=tags if tags is not None else [prefix.strip("/")],
        dependencies=dependencies,
        lifespan=_checking(repository, views, upsert_on),
    )
    for action in actions:
        add_action(router, repository, action)
    for endpoint in endpoints:
        add_endpoint(router, repository, endpoint, Caching(cache_control, vary))
    return router


def _actions(to: Writable, asked: Collection[str]) -> list[Action]:
    """The endpoints that write; fixed paths before those with a key."""
    actions: list[Action] = []
    if "bulk" in asked:
        if to.bodies.create is not None:
            actions.append(create_many_action(to))
        if to.bodies.update is not None:
            actions.append(update_many_action(to))
        if "delete" in asked:
            actions.append(delete_many_action(to))
    if "create" in asked:
        actions.append(create_action(to))
    if "update" in asked:
        actions.append(update_action(to))
    if "delete" in asked:
        actions.append(delete_action(to))
    return actions


def _operations(where: str, given: Any, create: Any, update: Any, upsert_on: Any) -> set[str]:
    """Which operations there are."""
    models = {"create": create, "update": update}
    if given is None:
        given = (*READING, *(name for name, model in models.items() if model is not None))
    if isinstance(given, str) or not set(given) <= set(OPERATIONS):
        raise DeclarationError(
            f"{where}: operations= expects some of {', '.join(OPERATIONS)}; got {given!r}."
        )
    asked = set(given)
    for name, model in models.items():
        if name in asked and model is None:
            raise DeclarationError(
                f"{where}: operations= has {name!r}, which needs a model: {name}=Album{name.capitalize()}."
            )
        if model is not None and not asked & {name, "bulk"}:
            raise DeclarationError(
                f"{where}: {name}= is given, but operations= has neither {name!r} nor 'bulk'."
            )
    if upsert_on is not None and (create is None or "bulk" not in asked):
        raise DeclarationError(
            f"{where}: upsert_on= is for create= and 'bulk' in operations=, which are not both there."
        )
    if "bulk" in asked and create is update is None and "delete" not in asked:
        raise DeclarationError(
            f"{where}: operations= has 'bulk': of what? Give create= or update=, or add 'delete'."
        )
    return asked


def _checking(
    repository: type[Repository[Any]],
    views: Sequence[tuple[type[BaseModel], EntityInfo]],
    upsert_on: Any,
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """A lifespan that finds a wrong view when the application starts: only then is the Database known."""

    @asynccontextmanager
    async def checked(app: Any) -> AsyncIterator[None]:
        database: Database | None = getattr(app.state, "batchrepo", None)
        if database is not None:
            info = database.reading.catalog.by_class.get(repository)
            if info is None:
                raise DeclarationError(
                    f"resource({repository.__name__}, ...): {repository.__name__} is not registered. Name it in "
                    f"Database(..., repositories=[...])."
                )
            if upsert_on is not None:
                _check_upsert(repository, upsert_on, database)
            for view, entity in views:
                database.reading.views(view, entity, info if entity is info.entity else None)
        yield

    return checked


def _check_upsert(repository: type[Repository[Any]], on: Any, database: Database) -> None:
    try:
        target_of(write_columns(_info_of(repository).entity), on, None, database.engine.dialect)
    except InvalidArgument as error:
        raise DeclarationError(f"resource({repository.__name__}, ...): upsert_on=: {error}") from error


def _info_of(repository: Any) -> RepositoryInfo:
    if not (isinstance(repository, type) and issubclass(repository, Repository)):
        raise DeclarationError(
            f"resource() expects a Repository class, such as AlbumRepository; got {shown(repository)}."
        )
    return read_repository(repository, Repository)


def _check_arguments(where: str, view: Any, list_view: Any, prefix: Any, totals: Any) -> None:
    _check_view(f"{where}: view=", view)
    if list_view is not None:
        _check_view(f"{where}: list_view=", list_view)
    if not isinstance(prefix, str) or not re.fullmatch(r"(/[^/{}]+)+", prefix):
        raise DeclarationError(
            f"{where}: prefix= expects a path without an end, such as '/albums'; got {prefix!r}."
        )
    if not totals:
        raise DeclarationError(
            f'{where}: totals= expects names for ways to count, such as {{"exact": "exact"}}.'
        )


def _check_view(place: str, view: Any) -> None:
    if not (isinstance(view, type) and issubclass(view, BaseModel)):
        raise DeclarationError(f"{place} expects a view, which is a Pydantic model; got {shown(view)}.")


def _relation(place: str, entity: EntityInfo, name: str, declared: Any) -> RelationInfo:
    if not isinstance(declared, Related):
        raise DeclarationError(f"{place} expects related(Album.tracks, TrackView); got {shown(declared)}.")
    if not re.fullmatch(r"[\w-]+", name):
        raise DeclarationError(f"{place}: expected a part of a path, such as 'tracks'.")
    _check_view(place, declared.view)
    owner, attribute = attribute_owner(declared.attribute, place)
    if owner not in entity.ancestors or attribute not in entity.relations:
        raise DeclarationError(
            f"{place}: {owner.name}.{attribute} is not a relationship of {entity.name}."
            f"{did_you_mean(attribute, entity.relations)}"
        )
    if (
        declared.repository is not None
        and _info_of(declared.repository).entity is not entity.relations[attribute].target
    ):
        raise DeclarationError(
            f"{place}: {declared.repository.__name__} is not a repository of {entity.relations[attribute].target.name}."
        )
    return entity.relations[attribute]


def _names(entity: EntityInfo, prefix: str) -> tuple[str, str]:
    """How one row and many are called in the names of operations: different ones for every prefix.

    Albums at ``/albums`` are ``album`` and ``albums``, at ``/admin/albums`` ``admin_album`` and ``admin_albums``,
    and at ``/records`` ``records_album`` and ``records``.
    """
    one = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", entity.name).lower()
    many = re.sub(r"\W+", "_", prefix).strip("_").lower()
    plural = re.sub("(?<=[^aeiou])y$", "ie", re.sub("(s|x|ch|sh)$", r"\1e", one)) + "s"
    return (many.removesuffix(plural) if many.endswith(plural) else f"{many}_") + one, many
