"""A caller's conditions, taken apart into their shape and the values in them.

Callers write conditions anew in every call, each time with other values. SQLAlchemy's cache keys tell which of them
have the same shape; the values can then travel as named parameters of a statement that was built once.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy.sql import visitors

from batchrepo.bounded import Bounded
from batchrepo.declare.cursors import digest
from batchrepo.declare.elements import forget_original
from batchrepo.sql.identity import bind_text, clause_of, digest_parts

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.cache_key import CacheKey
    from sqlalchemy.sql.elements import BindParameter

NAME = "batchrepo_where_"
"""What the names of the parameters begin with, so that they are no caller's; the number of the value follows."""


class Shape:
    """What conditions have in common that differ in their values only; always the same object, and so quickly compared.

    Attributes:
        texts: the SQL of each condition, once it was asked for.
        placed: the conditions with parameters in place of the values, once they were asked for; None if that cannot
            be done.
    """

    __slots__ = ("placed", "texts", "tried")

    def __init__(self) -> None:
        self.texts: tuple[str, ...] | None = None
        self.placed: tuple[Any, ...] | None = None
        self.tried = False


class Conditions(tuple[Any, ...]):  # noqa: SLOT001 - tuples have no room for slots
    """Conditions of a caller as they are, looked at once. Made by `Shapes.of`."""

    shape: Shape | None
    """None where SQLAlchemy cannot compare one of them with others."""

    _dialect: Dialect
    _binds: tuple[Sequence[BindParameter[Any]], ...]
    _digest: bytes | None

    @property
    def values(self) -> Mapping[str, Any]:
        """The values, by the names that they have in `placed`."""
        binds = [bind for group in self._binds for bind in group]
        return {f"{NAME}{i}": bind.value for i, bind in enumerate(binds)}

    @property
    def placed(self) -> Sequence[Any] | None:
        """The conditions with named parameters in place of the values: the same for all of this shape.

        None where a value cannot be taken out: somebody else gives it, or knows it only when the statement runs, or it
        belongs into the text.
        """
        shape = self.shape
        if shape is None or not all(_is_movable(bind) for group in self._binds for bind in group):
            return None
        if not shape.tried:
            shape.placed, shape.tried = self._place(), True
        return shape.placed

    def _place(self) -> tuple[Any, ...] | None:
        placed: list[Any] = []
        taken = 0
        for condition, binds in zip(self, self._binds, strict=True):
            names = {bind.key: f"{NAME}{taken + i}" for i, bind in enumerate(binds)}
            taken += len(binds)
            rename = partial(_rename, names=names)
            made: Any = visitors.cloned_traverse(
                clause_of(condition), {"maintain_key": True}, {"bindparam": rename}
            )
            key = made._generate_cache_key()
            # A value that stays where no traversal comes would show every caller the rows of the first one.
            if key is None or [bind.key for bind in key.bindparams] != list(names.values()):
                return None
            placed.append(made)
        return tuple(placed)

    @property
    def digest(self) -> bytes:
        """Tells conditions from others, their values included; the same in every process."""
        if self._digest is None:
            self._digest = digest(*self._parts())
        return self._digest

    def _parts(self) -> Iterable[str]:
        shape = self.shape
        if shape is None:
            for condition in self:
                yield from digest_parts(condition, self._dialect)
            return
        if shape.texts is None:
            shape.texts = tuple(str(clause_of(each).compile(dialect=self._dialect)) for each in self)
        for text, binds in zip(shape.texts, self._binds, strict=True):
            yield text
            for bind in binds:
                yield bind_text(bind, self._dialect)


class Shapes:
    """The shapes of conditions in one database.

    Args:
        dialect: of the database.
        size: how many are remembered.
    """

    def __init__(self, dialect: Dialect, size: int) -> None:
        self._dialect = dialect
        self._shapes: Bounded[Hashable, Shape] = Bounded(size)
        self._none = self._looked_at(Conditions())

    def of(self, where: Sequence[Any]) -> Conditions:
        """Conditions of a caller; what is looked at already is given back."""
        if isinstance(where, Conditions):
            return where
        return self._looked_at(Conditions(where)) if where else self._none

    def _looked_at(self, conditions: Conditions) -> Conditions:
        keys: list[CacheKey] = []
        for condition in conditions:
            key = clause_of(condition)._generate_cache_key()
            if key is None:
                break
            keys.append(key)
        whole = len(keys) == len(conditions)
        conditions.shape = self._shape(tuple([key.key for key in keys])) if whole else None
        conditions._binds = tuple([key.bindparams for key in keys]) if whole else ()
        conditions._dialect, conditions._digest = self._dialect, None
        return conditions

    def _shape(self, key: Hashable) -> Shape:
        found = self._shapes.get(key)
        if found is None:
            found = self._shapes[key] = Shape()
        return found

    def __len__(self) -> int:
        return len(self._shapes)


def _is_movable(bind: BindParameter[Any]) -> bool:
    """Whether a value is there, and no more than a value."""
    return bind.unique and bind.callable is None and not bind.required and not bind.literal_execute


def _rename(bind: BindParameter[Any], names: Mapping[str, str]) -> None:
    """Make a parameter that is given by name of a copy that has a value; its type and place stay as they are."""
    name = names.get(bind.key)
    if name is None:
        return
    forget_original(bind)
    bind.key = bind._orig_key = bind._identifying_key = name
    bind._anon_map_key = None
    bind.unique, bind.required, bind.value = False, True, None
