"""Checking what callers pass to a repository, before anything is read."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import sqlalchemy as sa
from pydantic import BaseModel

from batchrepo.declare.elements import why_no_condition
from batchrepo.declare.orders import parse_order
from batchrepo.errors import InvalidArgument, TransactionError, did_you_mean
from batchrepo.mapping.entity import attribute_owner, shown
from batchrepo.plan.pages import is_integer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.declare.orders import OrderTerm
    from batchrepo.mapping import ColumnInfo, EntityInfo
    from batchrepo.scope import Scope
    from batchrepo.strategies.entities import Lock

_LARGEST = 2**63 - 1


class PageBounds(Protocol):
    """What a repository says of its pages."""

    page_size: ClassVar[int]
    max_page_size: ClassVar[int]
    max_offset: ClassVar[int]


ForUpdate = bool | Literal["skip_locked", "nowait"]
"""Whether to lock rows until the transaction ends: True waits for rows that others have locked."""


def lock_of(for_update: Any, scope: Scope, view: Any = None) -> Lock | None:
    """How to lock rows, or None.

    Raises:
        InvalidArgument: `for_update` is something else, or views are read.
        TransactionError: the scope is not in a transaction, at whose end the locks would go.
    """
    if for_update is False:
        return None
    if for_update not in (True, "skip_locked", "nowait"):
        raise InvalidArgument(
            f'for_update= expects True, "skip_locked" or "nowait"; got {for_update!r:.100}.'
        )
    if view is not None:
        raise InvalidArgument(f"for_update= goes with entities; {shown(view)} is read to be shown.")
    if not scope.in_transaction:
        raise TransactionError(
            "for_update= locks rows until a transaction ends, and none is open: async with scope.transaction(): ..."
        )
    lock: Lock = "wait" if for_update is True else for_update
    return lock


def view_first(where: Sequence[Any]) -> tuple[type[BaseModel] | None, Sequence[Any]]:
    """The view, if the first argument is one, and the conditions.

    Raises:
        InvalidArgument: the first argument is a class but no view.
    """
    if where and isinstance(where[0], type):
        return check_view(where[0]), where[1:]
    return None, where


def check_view(view: Any) -> type[BaseModel]:
    """A view.

    Raises:
        InvalidArgument: `view` is something else than a Pydantic model.
    """
    if isinstance(view, type) and issubclass(view, BaseModel):
        return view
    raise InvalidArgument(f"Expected a view (a Pydantic model) or a condition; got {shown(view)}.")


def check_conditions(where: Sequence[Any], order_by: Any = None) -> tuple[OrderTerm, ...] | None:
    """Check the conditions and the order of a read.

    Returns:
        The order, or None where none is given.

    Raises:
        InvalidArgument: something is no condition or no order.
    """
    for condition in where:
        # A text is the caller's own affair: nothing is known about it.
        refusal = None if isinstance(condition, sa.TextClause) else why_no_condition(condition)
        if refusal is not None:
            raise InvalidArgument(f"{refusal}.")
    return None if order_by is None else parse_order(order_by)


def check_many(keys: Any) -> list[Any]:
    """The keys of a call that takes many.

    Raises:
        InvalidArgument: it is no iterable, or one text.
    """
    if isinstance(keys, str | bytes) or not isinstance(keys, Iterable):
        raise InvalidArgument(f"Expected keys, such as [1, 2]; got {shown(keys)}.")
    return list(keys)


def check_limit(limit: Any) -> None:
    """Check a limit.

    Raises:
        InvalidArgument: it is neither None nor an integer of 0 or more.
    """
    if limit is None or (is_integer(limit) and 0 <= limit <= _LARGEST):
        return
    raise InvalidArgument(f"limit= expects a number of rows, 0 or more, or None; got {limit!r:.100}.")


def check_chunk_size(size: Any, name: str = "size") -> None:
    """Check the size of chunks; `name` is the argument's.

    Raises:
        InvalidArgument: it is not an integer of 1 or more.
    """
    if not is_integer(size) or not 1 <= size <= _LARGEST:
        raise InvalidArgument(f"{name}= expects a number of rows, 1 or more; got {size!r:.100}.")


def check_numbered(number: Any, size: Any, total: Any, bounds: PageBounds) -> int:
    """Check what asks for a page by its number.

    Returns:
        The size of the page.

    Raises:
        InvalidArgument: it is no number, or a page that is too large or too deep.
    """
    size = bounds.page_size if size is None else size
    if not is_integer(number) or number < 1:
        raise InvalidArgument(f"number= expects the number of a page, 1 or more; got {number!r:.100}.")
    if not is_integer(size) or not 1 <= size <= bounds.max_page_size:
        raise InvalidArgument(
            f"size= expects a number of rows from 1 to {bounds.max_page_size}; got {size!r:.100}."
        )
    if (number - 1) * size > bounds.max_offset:
        raise InvalidArgument(
            f"Page {number} of {size} rows each leaves out more than {bounds.max_offset} rows (max_offset), which the "
            f"database would read for nothing. Use page(first=..., after=cursor), which stays fast at any depth."
        )
    if total not in (None, "exact"):
        raise InvalidArgument(f'total= of a page by number expects "exact" or None; got {shown(total)}.')
    return int(size)


def refuse_include(view: type[BaseModel], include: Any) -> None:
    """Refuse ``include=`` beside a view.

    Raises:
        InvalidArgument: there is one.
    """
    if include:
        raise InvalidArgument(
            f"include= goes with entities; {view.__name__} says itself which relations are read. "
            f"Add a field for the relation to it."
        )


def is_plain_function(value: Any) -> bool:
    """Whether it can be called, and returns nothing that would have to be awaited."""
    return callable(value) and not inspect.iscoroutinefunction(value)


def check_progress(progress: Any) -> None:
    """Check what is to be called with the number of rows.

    Raises:
        InvalidArgument: it is no function, or one that nobody would await.
    """
    if progress is not None and not is_plain_function(progress):
        raise InvalidArgument(f"progress= expects a plain function of a number; got {shown(progress)}.")


def check_include(entity: EntityInfo, include: Any) -> None:
    """Check the relations that are to be read with entities.

    Raises:
        InvalidArgument: it is not a sequence of relationships of the entity.
    """
    if not isinstance(include, tuple | list | set | frozenset):
        raise InvalidArgument(
            f"include= expects a list of relationships, such as [Album.artist]; got {shown(include)}."
        )
    for attribute in include:
        owner, name = attribute_owner(attribute, "include=", InvalidArgument)
        if owner not in entity.ancestors or name not in entity.relations:
            raise InvalidArgument(
                f"include= names {owner.name}.{name}, which is not a relationship of {entity.name}."
                f"{did_you_mean(name, entity.relations)}"
            )


def lookup_columns(entity: EntityInfo, columns: Any) -> list[ColumnInfo]:
    """The columns of a lookup: one attribute, or a tuple of them.

    Raises:
        InvalidArgument: there are none, or one is not a column of the entity.
    """
    given = columns if isinstance(columns, tuple | list) else (columns,)
    if not given:
        raise InvalidArgument(
            f"A lookup of {entity.name} needs a column, such as {entity.name}.{entity.key_names[0]}."
        )
    found: list[ColumnInfo] = []
    for attribute in given:
        owner, name = attribute_owner(attribute, f"A lookup of {entity.name}", InvalidArgument)
        if owner not in entity.ancestors:
            raise InvalidArgument(
                f"{owner.name}.{name} is not a column of {entity.name}, which this repository reads. "
                f"Ask the repository of {owner.name}."
            )
        found.append(entity.column(name, f"A lookup of {entity.name}", InvalidArgument))
    return found
