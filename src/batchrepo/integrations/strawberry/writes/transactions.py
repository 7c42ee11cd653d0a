"""The transaction of a field that writes: its own, or the whole operation's."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from batchrepo.integrations.strawberry.operation.whole import NotRun, TakenBack

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from batchrepo.integrations.strawberry.operation.scopes import Operation

T = TypeVar("T")


async def in_transaction(
    operation: Operation, field: str, work: Callable[[], Awaitable[T]], *, dry_run: bool = False
) -> T:
    """Do the work of a field in its transaction.

    Args:
        operation: that the field belongs to.
        field: its name, for messages.
        work: writes, and reads what was written.
        dry_run: take everything back afterwards.

    Raises:
        NotRun: all mutations of the operation are one transaction, and another one has failed.
    """
    whole = operation.whole
    if whole is None:
        return await _in_own(operation, work, dry_run=dry_run)
    if whole.failed is not None:
        raise NotRun(
            f"{field} was not run, since {whole.failed} has failed: all mutations here are one transaction."
        )
    try:
        return await (_taken_back(operation, work) if dry_run else work())
    except BaseException:
        whole.failed = field
        raise


async def _in_own(operation: Operation, work: Callable[[], Awaitable[T]], *, dry_run: bool) -> T:
    scope = operation.scope
    if dry_run and scope.in_transaction:  # of a session that the application has joined
        return await _taken_back(operation, work)
    async with scope.transaction(dry_run=dry_run):
        return await work()


async def _taken_back(operation: Operation, work: Callable[[], Awaitable[T]]) -> T:
    """A dry run inside of an open transaction: a savepoint."""
    found: list[T] = []
    try:
        async with operation.scope.transaction():
            found.append(await work())
            raise TakenBack  # noqa: TRY301  it has nothing to say
    except TakenBack:
        return found[0]
