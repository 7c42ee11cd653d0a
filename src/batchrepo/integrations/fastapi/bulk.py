"""The endpoints of a resource that write many rows, and say of each what became of it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field

from batchrepo.errors import BulkError, RowError
from batchrepo.integrations.fastapi.actions import Action, Reply
from batchrepo.integrations.fastapi.bodies import BODY, InvalidRow, many_bodies
from batchrepo.integrations.fastapi.parameters import query
from batchrepo.integrations.problems import RefusedRow
from batchrepo.writing.refusals.naming import refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from inspect import Parameter

    from batchrepo.integrations.fastapi.actions import Asked
    from batchrepo.integrations.fastapi.writing import Writable
    from batchrepo.writing.results import BulkResult

K = TypeVar("K")

ON_ERROR, UPSERT = "on_error", "upsert"
"""The parameters: what a refused row does, and whether rows that are there already are changed."""

PATH = "/bulk"


class BulkAnswer(BaseModel, Generic[K]):
    """What became of many rows."""

    count: int = Field(description="How many were written.")
    keys: list[K | None] = Field(
        description="The key of each row, in the order of the request; null of a refused one."
    )
    errors: list[RefusedRow] = Field(description="The rows that were refused, in the order of the request.")


def create_many_action(to: Writable) -> Action:
    """Many new rows; or rows that may be there already."""
    bodies, create = to.bodies, to.bodies.create
    assert create is not None

    async def answer(asked: Asked) -> Reply:
        upsert = bool(asked.given.get(UPSERT))
        rows = _Rows(asked, bodies.sent if upsert else bodies.new)
        async with _tried(asked):
            if upsert:
                return rows.reply(
                    await asked.rows.upsert_many(
                        rows.good,
                        on=to.upsert_on,
                        missing="default",
                        returning="keys",
                        on_error=rows.on_error,
                    )
                )
            return rows.reply(
                await asked.rows.insert_many(rows.good, returning="keys", on_error=rows.on_error)
            )

    parameters = [many_bodies(create, to.bulk_size)]
    told = ""
    if to.upsert_on is not None:
        by = ", ".join(_names(to.upsert_on))
        parameters.append(
            query(UPSERT, bool, f"Change rows that are there already, by the same {by}.", examples=[True])
        )
        told = " With `upsert` rows that are there already are changed, in what was sent of them."
    return _action(to, "POST", "create", told, parameters, answer)


def update_many_action(to: Writable) -> Action:
    """New values of many rows."""
    bodies = to.bodies
    model = bodies.changed_row(to.require_if_match)
    key, version = bodies.columns.entity.key_names, bodies.version

    async def answer(asked: Asked) -> Reply:
        rows = _Rows(asked, bodies.sent, above={*key, *((version,) if version else ())})
        versioned = version is not None and any(row.get(version) is not None for row in rows.good)
        async with _tried(asked):
            return rows.reply(
                await asked.rows.update_many(
                    rows.good,
                    returning="keys",
                    missing="keep",
                    versions="checked" if versioned else "unchecked",
                    on_error=rows.on_error,
                )
            )

    told = " Each row has its key, and what is to be changed of it."
    if version is not None:
        told += f" Rows that say their {version} are refused where it is another by now."
    stale = () if version is None else (412,)
    return _action(to, "PATCH", "update", told, [many_bodies(model, to.bulk_size)], answer, 404, *stale)


def delete_many_action(to: Writable) -> Action:
    """Many rows that go."""

    async def answer(asked: Asked) -> Reply:
        keys = to.key.read_many(asked.given)
        rows = _Rows(asked, size=len(keys))
        async with _tried(asked):
            found = await asked.rows.delete_many(keys, absent="error", on_error=rows.on_error)
        refused = {keys[error.index] for error in found.errors}
        # A key that is there twice is one row.
        gone = {at: key for at, key in enumerate(keys) if key not in refused}
        return rows.told(found.count, gone, [RefusedRow.of(error) for error in found.errors])

    return _action(to, "DELETE", "delete", "", to.key.repeated(to.bulk_size), answer, 404)


def _tried(asked: Asked) -> AbstractAsyncContextManager[Any]:
    """The transaction of a try. Otherwise a bulk write has one of its own, which needs no savepoint inside."""
    return asked.rows.scope.transaction(dry_run=True) if asked.dry_run else nullcontext()


class _Rows:
    """The rows of a request: those to write, and those that are wrong by themselves.

    Args:
        asked: the request.
        read: the values of a row, from its model.
        above: names that are not to be set; a row with nothing else is wrong.
        size: how many rows there are, where the request has keys only.

    Raises:
        RequestValidationError: rows are wrong, and that fails the request.
        BulkError: rows have nothing to set, and that fails the request.
    """

    def __init__(
        self,
        asked: Asked,
        read: Callable[[BaseModel], dict[str, Any]] | None = None,
        *,
        above: set[str] | None = None,
        size: int = 0,
    ) -> None:
        self.on_error: Literal["raise", "collect"] = asked.given[ON_ERROR] or "raise"
        self.good: list[dict[str, Any]] = []
        self._places: list[int] = []
        self._errors: list[RowError] = []
        self._size = size
        if read is not None:
            self._read(asked, read, above or set())

    def _read(self, asked: Asked, read: Callable[[BaseModel], dict[str, Any]], above: set[str]) -> None:
        bodies: list[BaseModel | InvalidRow] = asked.given[BODY]
        self._size = len(bodies)
        wrong = [(at, body) for at, body in enumerate(bodies) if isinstance(body, InvalidRow)]
        if wrong and self.on_error == "raise":
            raise RequestValidationError(
                [{**each, "loc": (BODY, at, *each["loc"])} for at, row in wrong for each in row.errors]
            )
        for at, body in enumerate(bodies):
            if isinstance(body, InvalidRow):
                self._errors.append(RowError(at, "value", body.message, columns=body.columns))
                continue
            row = read(body)
            if above and set(row) <= above:
                self._errors.append(
                    RowError(at, "value", "It has nothing but its key: there is nothing to set.")
                )
                continue
            self.good.append(row)
            self._places.append(at)
        if self._errors and self.on_error == "raise":
            raise refused(BulkError, asked.rows.entity_class.__name__, self._errors)

    def reply(self, found: BulkResult[Any]) -> Reply:
        """What became of the rows that were to be written, and of the others."""
        refused = {error.index for error in found.errors}
        written = [place for at, place in enumerate(self._places) if at not in refused]
        errors = [
            *(RefusedRow.of(error) for error in self._errors),
            *(RefusedRow.of(error, self._places[error.index]) for error in found.errors),
        ]
        return self.told(found.count, dict(zip(written, found.rows, strict=True)), errors)

    def told(self, count: int, keys: Mapping[int, Any], errors: list[RefusedRow]) -> Reply:
        """The answer.

        Args:
            count: how many rows were written.
            keys: of those, by their places in the request.
            errors: the others.
        """
        answer = BulkAnswer[Any](
            count=count,
            keys=[keys.get(place) for place in range(self._size)],
            errors=sorted(errors, key=lambda row: row.index),
        )
        return Reply(answer.model_dump_json(exclude_unset=True).encode(), status=207 if errors else None)


def _action(
    to: Writable,
    method: str,
    verb: str,
    told: str,
    parameters: Sequence[Parameter],
    answer: Callable[[Asked], Awaitable[Reply]],
    *statuses: int,
) -> Action:
    model = BulkAnswer[to.key.type]  # type: ignore[name-defined]
    return Action(
        method,
        PATH,
        f"{verb}_many_{to.of.plural}",
        f"{verb.capitalize()} many {to.of.plural.replace('_', ' ')}",
        f"All of them, or with `on_error=collect` those that can be.{told}",
        model,
        [*parameters, _on_error_parameter(), *to.options],
        answer,
        responses={207: {"description": "Some were refused; `errors` says which, and why.", "model": model}},
        problems=to.problems(*statuses),
    )


def _on_error_parameter() -> Parameter:
    return query(
        ON_ERROR,
        Literal["raise", "collect"],
        "What a refused row does: fail the whole request (`raise`, as if nothing is said), or be left out and returned.",
        examples=["collect"],
    )


def _names(on: Any) -> list[str]:
    return [each.key for each in (on if isinstance(on, tuple | list) else (on,))]
