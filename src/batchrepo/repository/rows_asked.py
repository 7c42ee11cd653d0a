"""The answers of `get` and `get_or_none`: a row of one key, read when somebody waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from batchrepo.errors import NotFound
from batchrepo.loading import LazyFuture

if TYPE_CHECKING:
    import asyncio

    from pydantic import BaseModel

R = TypeVar("R")


class RowReader(Protocol):
    """A repository, as the answers see it."""

    def _read_into(self, key: Any, view: type[BaseModel] | None, answer: asyncio.Future[Any]) -> None: ...

    @property
    def _entity(self) -> Any: ...


class RowOrNone(LazyFuture[R]):
    """The row with a primary key, or None.

    Args:
        loop: in which it is awaited.
        name: what the caller called.
        reader: the repository.
        key: as the caller gave it.
        view: None for the entity.
    """

    __slots__ = ("_key", "_reader", "_view")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        name: str,
        reader: RowReader,
        key: Any,
        view: type[BaseModel] | None,
    ) -> None:
        super().__init__(loop, name)
        self._reader = reader
        self._key = key
        self._view = view

    def _ask(self) -> None:
        self._reader._read_into(self._key, self._view, self)


class Row(RowOrNone[R]):
    """The row with a primary key; without one it fails with `NotFound`."""

    __slots__ = ()

    def set_result(self, result: Any, /) -> None:
        """The loader has it, or None."""
        if result is None:
            self.set_exception(NotFound(self._reader._entity.name, [self._key]))
        else:
            super().set_result(result)
