"""Errors as problem details (RFC 9457), without a word about SQL or the inside of the application."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError

from batchrepo.errors import RowErrorKind
from batchrepo.integrations.outcomes import outcome_of
from batchrepo.integrations.refusals import said

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchrepo.errors import RowError

MEDIA_TYPE = "application/problem+json"
"""The media type of problem details."""

logger = logging.getLogger("batchrepo")


class InvalidParameter(BaseModel):
    """One mistake in a request."""

    place: str = Field(alias="in", description="Where it is: `query`, `path`, `header`, `cookie` or `body`.")
    name: str = Field(description="The parameter; of a body the path to the value, such as `tracks.0.name`.")
    detail: str = Field(description="What was expected.")
    value: Any = Field(None, description="What came, shortened. Missing where nothing came.")


class RefusedRow(BaseModel):
    """One row of a request that was not written."""

    index: int = Field(description="Its place in the request, counted from 0.")
    kind: RowErrorKind = Field(description="Why, for programs.")
    message: str = Field(description="Why, for people.")
    columns: list[str] = Field(description="What it is about, as far as that is known.")
    constraint: str | None = Field(None, description="The rule that it breaks, where it has a name.")

    @classmethod
    def of(cls, row: RowError, index: int | None = None) -> RefusedRow:
        """What a client is told of a refused row.

        Args:
            row: the row.
            index: its place in the request, where that is another than in what was written.
        """
        more = {} if row.constraint is None else {"constraint": row.constraint}
        place = row.index if index is None else index
        return cls(index=place, kind=row.kind, message=said(row), columns=list(row.columns), **more)


class Problem(BaseModel):
    """The body of an error response, as RFC 9457 has it."""

    type: str = Field(description="What kind of problem; `about:blank` means: the status says it.")
    title: str = Field(description="The status, in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened, for people.")
    code: str = Field(description="What happened, for programs.")
    info: Any = Field(None, description="More about it, for programs, where the application says more.")
    errors: list[InvalidParameter | RefusedRow] | None = Field(
        None,
        description="Each mistake, where there may be several: in the request, or rows that were refused.",
    )

    @property
    def body(self) -> bytes:
        """The bytes of the response; what was not set is not in them."""
        return self.model_dump_json(by_alias=True, exclude_unset=True).encode()


def problem(status: int, code: str, detail: str, **more: Any) -> Problem:
    """A problem whose kind the status says."""
    return Problem(type="about:blank", title=phrase(status), status=status, detail=detail, code=code, **more)


def problem_of(
    error: Exception, request: str, *, debug: bool = False, log: bool = True
) -> tuple[Problem, Mapping[str, str]]:
    """What a client is told about an error, and the headers that go with it.

    An error that is not the client's goes to the log ``batchrepo`` with its traceback. So does, as a warning, a
    constraint that a statement of the application's own violated: the client may be at fault, or the application.

    Args:
        error: any error; all but those of batchrepo are the server's fault.
        request: the request, for the log, such as ``GET /albums``.
        debug: tell the client of the server's errors too.
        log: False where somebody else logs it.
    """
    outcome = outcome_of(error)
    detail = outcome.detail
    if not outcome.expected:
        if log:
            logger.error("%s failed: %s", request, error, exc_info=error)
        if debug:
            detail = str(error)
    elif log and isinstance(error, DBAPIError):
        logger.warning("%s was refused by the database: %s", request, error, exc_info=error)
    headers = {"Retry-After": str(outcome.retry_after)} if outcome.retry_after is not None else {}
    more = {"errors": [RefusedRow.of(row) for row in outcome.rows]} if outcome.rows else {}
    return problem(outcome.status, outcome.code, detail, **more), headers


def phrase(status: int) -> str:
    """A status in words."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Client Error" if status < 500 else "Server Error"
