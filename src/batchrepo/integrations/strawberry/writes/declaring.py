"""Fields of mutations: create, update and delete rows of a repository, one or many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrepo.integrations.strawberry.roots.fields import made_field
from batchrepo.integrations.strawberry.writes.by_key import CreateField, DeleteField, UpdateField
from batchrepo.integrations.strawberry.writes.deleting import DeleteManyField
from batchrepo.integrations.strawberry.writes.many import CreateManyField, UpdateManyField, UpsertManyField

if TYPE_CHECKING:
    from batchrepo.writing.rows.duplicates import Policy
    from batchrepo.writing.upsert.conflicts import Columns, Updated


def create(input: type[Any], *, dry_run: bool = False, name: str | None = None, **options: Any) -> Any:  # noqa: A002  as in GraphQL
    """A field that inserts one row and gives it.

    ::

        create_album: AlbumType = create(AlbumCreate)

    The field has a transaction of its own, in which what is selected is read.

    Args:
        input: a class with ``@create_input``; the field's argument ``input``.
        dry_run: give the field an argument ``dryRun``: everything is done and answered, and taken back.
        name: of the field in GraphQL. Default: the attribute's, as the schema converts names.
        options: those of ``strawberry.mutation``, such as ``description`` and ``permission_classes``.
    """
    return made_field(CreateField, None, name, options, input=input, dry_run=dry_run)


def create_many(input: type[Any], *, dry_run: bool = False, name: str | None = None, **options: Any) -> Any:  # noqa: A002
    """A field that inserts rows, in few statements, and gives them.

    ::

        create_albums: Written[AlbumType] = create_many(AlbumCreate)  # good rows are written, the refused named
        import_albums: list[AlbumType] = create_many(AlbumCreate)  # all or nothing

    Args:
        input: a class with ``@create_input``; a list of it is the field's argument ``rows``.
        dry_run: as for `create`.
        name: as for `create`.
        options: as for `create`.
    """
    return made_field(CreateManyField, None, name, options, input=input, dry_run=dry_run)


def upsert_many(
    input: type[Any],  # noqa: A002
    *,
    on: Columns | None = None,
    where: Any = None,
    update: Updated = "all",
    duplicates: Policy = "error",
    dry_run: bool = False,
    name: str | None = None,
    **options: Any,
) -> Any:
    """A field that inserts rows, or updates those that are there already, and gives them.

    ::

        upsert_tracks: Written[TrackType] = upsert_many(TrackCreate, on=Track.isrc)

    What is not sent is not overwritten.

    Args:
        input: as for `create_many`.
        on: by which columns a row is told; see `Repository.upsert_many`, as for the next three.
        where: of a partial unique index: its condition.
        update: what is set in a row that is there.
        duplicates: what to do where the input has a row twice.
        dry_run: as for `create`.
        name: as for `create`.
        options: as for `create`.
    """
    own = {"on": on, "where": where, "update": update, "duplicates": duplicates}
    return made_field(UpsertManyField, None, name, options, input=input, dry_run=dry_run, **own)


def update(input: type[Any], *, dry_run: bool = False, name: str | None = None, **options: Any) -> Any:  # noqa: A002
    """A field that changes one row and gives it; ``NOT_FOUND`` where there is none, ``STALE`` where its version is another.

    ::

        update_album: AlbumType = update(AlbumUpdate)

    Args:
        input: a class with ``@update_input``; the field's argument ``input``. Where it does not list the primary key,
            the field has arguments for it: ``id`` of a ``relay.Node``, else the key's columns.
        dry_run: as for `create`.
        name: as for `create`.
        options: as for `create`.
    """
    return made_field(UpdateField, None, name, options, input=input, dry_run=dry_run)


def update_many(input: type[Any], *, dry_run: bool = False, name: str | None = None, **options: Any) -> Any:  # noqa: A002
    """A field that changes rows, each by its key, and gives them.

    Args:
        input: a class with ``@update_input`` that lists the primary key; a list of it is the field's argument ``rows``.
        dry_run: as for `create`.
        name: as for `create`.
        options: as for `create`.
    """
    return made_field(UpdateManyField, None, name, options, input=input, dry_run=dry_run)


def delete(*, dry_run: bool = False, name: str | None = None, **options: Any) -> Any:
    """A field that deletes one row and gives it as it was before; ``NOT_FOUND`` where there is none.

    ::

        delete_album: AlbumType = delete()

    Args:
        dry_run: as for `create`.
        name: as for `create`.
        options: as for `create`.
    """
    return made_field(DeleteField, None, name, options, dry_run=dry_run)


def delete_many(of: type[Any], *, dry_run: bool = False, name: str | None = None, **options: Any) -> Any:
    """A field that deletes rows by their keys, which are its argument ``ids`` (of a ``relay.Node``) or ``keys``.

    ::

        delete_albums: Deleted = delete_many(AlbumType)  # names those that were refused
        drop_albums: int = delete_many(AlbumType)  # all or nothing

    Args:
        of: the type of the rows.
        dry_run: as for `create`.
        name: as for `create`.
        options: as for `create`.
    """
    return made_field(DeleteManyField, None, name, options, of=of, dry_run=dry_run)
