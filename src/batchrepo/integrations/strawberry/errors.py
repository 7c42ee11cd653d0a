"""Errors with codes for programs, and without a word about SQL."""

from __future__ import annotations

from graphql import GraphQLError
from sqlalchemy.exc import SQLAlchemyError

from batchrepo.errors import BatchRepoError
from batchrepo.integrations.outcomes import GENERAL, Outcome, outcome_of


def typed(error: GraphQLError) -> GraphQLError:
    """The error as a client sees it.

    An error of batchrepo gets its code in ``extensions``, and the message that is meant for clients. One of
    SQLAlchemy is replaced, since its message holds the statement and its parameters. Others stay.
    """
    match error.original_error:
        case BatchRepoError() as original:
            return _told(error, outcome_of(original))
        case SQLAlchemyError():
            return _told(error, Outcome("INTERNAL", 500, GENERAL))
        case _:
            return error


def _told(error: GraphQLError, outcome: Outcome) -> GraphQLError:
    return GraphQLError(
        outcome.detail,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        original_error=error.original_error,
        extensions={**(error.extensions or {}), "code": outcome.code},
    )
