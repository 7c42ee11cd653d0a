"""The endpoints of a resource that write one row: create, update, delete.

Each is one transaction, the check of what the client expects included, and the answer is read in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import HTTPException

from batchrepo.errors import BulkError, NotFound, RowError, StaleRows
from batchrepo.integrations.conditional import IfMatch, version_tag
from batchrepo.integrations.fastapi.actions import Action, Reply, dry_run_parameter, header_parameter
from batchrepo.integrations.fastapi.bodies import BODY, one_body
from batchrepo.plan.pages import etag_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from inspect import Parameter

    from pydantic import BaseModel

    from batchrepo.integrations.fastapi.actions import Asked
    from batchrepo.integrations.fastapi.bodies import Bodies
    from batchrepo.integrations.fastapi.parameters import Key
    from batchrepo.integrations.fastapi.reading import Readable
    from batchrepo.repository import Repository

TAG = {"description": "Send it as `If-Match` with what changes this.", "schema": {"type": "string"}}
_LOCATION = {"description": "Where the new row is.", "schema": {"type": "string"}}


@dataclass(frozen=True)
class Writable:
    """What the writing endpoints of a resource have in common.

    Attributes:
        of: the resource as it is read.
        view: how a row is shown.
        bodies: what clients send.
        upsert_on: by which columns a row is told that is there already; None where rows are only created.
        bulk_size: how many rows one request may have.
        require_if_match: whether clients must say what they expect.
        dry_run: whether clients may try without writing.
        readable: whether one row can be read at its own path.
    """

    of: Readable
    view: type[BaseModel]
    bodies: Bodies
    upsert_on: Any
    bulk_size: int
    require_if_match: bool
    dry_run: bool
    readable: bool

    @property
    def key(self) -> Key:
        """The primary key, in paths."""
        return self.of.key

    @property
    def options(self) -> list[Parameter]:
        """What every endpoint takes."""
        return [dry_run_parameter()] if self.dry_run else []

    def problems(self, *more: int) -> tuple[int, ...]:
        """The statuses of errors that any of them may have, and more."""
        return (400, 409, 503, *((403,) if self.of.info.criteria else ()), *more)

    @property
    def conditional(self) -> tuple[int, ...]:
        """The statuses of errors about what the client expects."""
        return (412, 428) if self.require_if_match else (412,)

    def expected(self, told: str) -> Parameter:
        """The header that says what the client expects; `told` is what else is to be said of it."""
        version = self.bodies.version
        number = f' or its {version}, such as `"1"`,' if version is not None else ""
        must = " It must be there." if self.require_if_match else ""
        about = f"The `ETag` of the whole row{number} as it was read: {told}.{must}"
        return header_parameter("If-Match", about, examples=["*" if version is None else '"1"'])


def create_action(to: Writable) -> Action:
    """A new row."""
    create = to.bodies.create
    assert create is not None
    words = to.of.singular.replace("_", " ")

    async def answer(asked: Asked) -> Reply:
        row = to.bodies.new(asked.given[BODY])
        async with asked.rows.scope.transaction(dry_run=asked.dry_run):
            try:
                made = await asked.rows.insert_many([row], returning="keys")
            except BulkError as error:
                if _is_there(error, to.bodies) and "".join(asked.header("If-None-Match")).strip() == "*":
                    raise HTTPException(412, f"There is such a {words} already.") from error
                raise
            (key,) = made.rows
            body = await asked.rows.get_json(key, to.view)
        headers = {"ETag": etag_of(body)}
        if to.readable and not asked.dry_run:
            headers["Location"] = f"{asked.request.scope['path'].rstrip('/')}{to.key.url(key)}"
        return Reply(body, headers=headers)

    parameters = [one_body(create), *to.options]
    if to.bodies.names_keys:
        told = f"`*`: only if there is no such {words} yet."
        parameters.append(header_parameter("If-None-Match", told, examples=["*"]))
    headers = {"ETag": TAG, **({"Location": _LOCATION} if to.readable else {})}
    return Action(
        "POST",
        "",
        f"create_{to.of.singular}",
        f"Create one {words}",
        "What is left out gets its default. The answer is the new row as it is read.",
        to.view,
        parameters,
        answer,
        status=201,
        responses={201: {"headers": headers}},
        problems=to.problems(*((412,) if to.bodies.names_keys else ())),
    )


def update_action(to: Writable) -> Action:
    """New values of a row."""
    update = to.bodies.update
    assert update is not None
    words = to.of.singular.replace("_", " ")

    async def answer(asked: Asked) -> Reply:
        key, row = to.key.read(asked.given), to.bodies.sent(asked.given[BODY])
        expected = _expected(to, asked, row)
        async with asked.rows.scope.transaction(dry_run=asked.dry_run):
            if expected is not None:
                may_defer = bool(row) and to.bodies.version not in row
                row |= await _check(to, asked.rows, key, expected, may_defer=may_defer)
            if row:
                await _update(to, asked.rows, key, row)
            body = await asked.rows.get_json(key, to.view)
        return Reply(body, headers={"ETag": etag_of(body)})

    return Action(
        "PATCH",
        to.key.path,
        f"update_{to.of.singular}",
        f"Change one {words}",
        "Only what is sent is changed; `null` means: no value. The answer is the row as it is then.",
        to.view,
        [
            *to.key.parameters(),
            one_body(update),
            to.expected("it is changed only if it is so still"),
            *to.options,
        ],
        answer,
        responses={200: {"headers": {"ETag": TAG}}},
        problems=to.problems(404, *to.conditional),
    )


def delete_action(to: Writable) -> Action:
    """A row that goes."""
    words = to.of.singular.replace("_", " ")

    async def answer(asked: Asked) -> Reply:
        key = to.key.read(asked.given)
        expected = _expected(to, asked, {})
        async with asked.rows.scope.transaction(dry_run=asked.dry_run):
            if expected is not None:
                await _check(to, asked.rows, key, expected, may_defer=False)
            try:
                await asked.rows.delete_many([key], absent="error")
            except BulkError as error:
                _refuse_absent(error, to, key)
                raise
        return Reply()

    return Action(
        "DELETE",
        to.key.path,
        f"delete_{to.of.singular}",
        f"Delete one {words}",
        "Rows that refer to it and do not go with it are a conflict.",
        None,
        [*to.key.parameters(), to.expected("it is deleted only if it is so still"), *to.options],
        answer,
        status=204,
        problems=to.problems(404, *to.conditional),
    )


def _expected(to: Writable, asked: Asked, row: Mapping[str, Any]) -> IfMatch | None:
    """What the client expects of the row; None where it says nothing, or so in the row itself.

    Raises:
        HTTPException: it must say something.
    """
    found = IfMatch.read(asked.header("If-Match"))
    if found is None and to.require_if_match and to.bodies.version not in row:
        raise HTTPException(
            428, "Say which state this is meant for: send the ETag that it was read with as If-Match."
        )
    return None if found is None or found.anything else found


async def _check(
    to: Writable, rows: Repository[Any], key: Any, expected: IfMatch, *, may_defer: bool
) -> Mapping[str, Any]:
    """Compare what the client expects with the row, which nobody else changes until the transaction ends.

    Args:
        to: the resource.
        rows: its repository.
        key: of the row.
        expected: by the client.
        may_defer: whether an update follows that can compare the version by itself, without a statement more.

    Returns:
        The version for the update to compare, by its attribute; nothing where it has been.

    Raises:
        NotFound: there is no such row.
        StaleRows: it is another than expected.
    """
    version = to.bodies.columns.version
    if may_defer and version is not None and version.type.python_type is int:
        number = expected.number()
        if number is not None:
            return {version.name: number}
    row = await rows.get(key, for_update=True)
    if version is not None and expected.holds(version_tag(getattr(row, version.name))):
        return {}
    if expected.holds(etag_of(await rows.get_json(key, to.view))):
        return {}
    entity = to.of.info.entity.name
    message = f"{entity} is not any more as it was read. Read it again, and decide again."
    raise StaleRows(message, entity, [RowError(0, "stale", message, key)])


async def _update(to: Writable, rows: Repository[Any], key: Any, row: Mapping[str, Any]) -> None:
    version = to.bodies.version
    if set(row) == {version}:
        return  # nothing is to be written
    try:
        await rows.update_many(
            [{**row, **to.key.values(key)}], versions="checked" if version in row else "unchecked"
        )
    except BulkError as error:
        _refuse_absent(error, to, key)
        raise


def _refuse_absent(error: BulkError, to: Writable, key: Any) -> None:
    """Raise the error for the path of a row that is not there, as reading it gives, if that is what went wrong."""
    if any(row.kind == "not_found" for row in error.rows):
        raise NotFound(to.of.info.entity.name, [key]) from error


def _is_there(error: BulkError, bodies: Bodies) -> bool:
    """Whether a row was refused for its primary key."""
    (row, *_) = error.rows or (None,)
    return (
        row is not None and row.kind == "unique" and set(row.columns) == set(bodies.columns.entity.key_names)
    )
