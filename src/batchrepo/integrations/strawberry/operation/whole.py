"""One transaction for all mutations of an operation, where the schema wants that."""

from __future__ import annotations

from dataclasses import dataclass

from batchrepo.errors import TransactionError


@dataclass(slots=True)
class WholeOperation:
    """The mutations of an operation that are committed together, or not at all.

    Attributes:
        failed: the name of the first field that failed; None as long as all went well.
    """

    failed: str | None = None


class NotRun(TransactionError):
    """A field was not run, since another one of the same transaction has failed."""


class TakenBack(Exception):
    """What was done is taken back."""
