"""The shape of a row: of which kind it is, which columns it has, and how their values are taken out of many at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from sqlalchemy.orm.attributes import instance_state

from batchrepo.errors import InvalidArgument
from batchrepo.mapping.entity import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from batchrepo.writing.rows.columns import WriteColumn, WriteColumns

Row = tuple[Any, ...]
"""The values of one row."""


class Shape:
    """Rows of one kind with one set of columns.

    Args:
        columns: those of the rows, by what the rows call them.
        order: the place of each attribute's name in the table.
        lenient: whether rows of this kind may differ in their columns.
    """

    def __init__(
        self, columns: Mapping[Any, WriteColumn], order: Sequence[str], lenient: bool = False
    ) -> None:
        keys = {column.name: key for key, column in columns.items()}
        self.names = frozenset(keys)
        self.ordered = tuple(name for name in order if name in keys)
        self.lenient = lenient
        self._keys = tuple(keys[name] for name in self.ordered)
        self._of: Callable[[Any], Row] = self._getter()

    def take(self, rows: Sequence[Any]) -> list[Row] | None:
        """The values of all rows, in the order of `ordered`; None where a row has another shape."""
        raise NotImplementedError

    def _getter(self) -> Callable[[Any], Row]:
        if len(self._keys) == 1:
            (key,) = self._keys
            return lambda row: (row[key],)
        return itemgetter(*self._keys) if self._keys else _nothing


class _Dicts(Shape):
    def take(self, rows: Sequence[Any]) -> list[Row] | None:
        if set(map(type, rows)) != {dict} or set(map(len, rows)) != {len(self._keys)}:
            return None
        try:
            return list(map(self._of, rows))
        except KeyError:
            return None


class _Mappings(Shape):
    def take(self, rows: Sequence[Any]) -> list[Row] | None:
        return [self._of(rows[0])] if len(rows) == 1 else None


class _Models(Shape):
    def __init__(
        self, kind: type[BaseModel], columns: Mapping[Any, WriteColumn], order: Sequence[str]
    ) -> None:
        super().__init__(columns, order)
        self._kind = kind
        self._given = set(columns)
        self._plain = self._given <= set(kind.model_fields)

    def take(self, rows: Sequence[Any]) -> list[Row] | None:
        kind, given = self._kind, self._given
        if any(type(row) is not kind or row.model_fields_set != given for row in rows):
            return None
        if self._plain:
            return list(map(self._of, [row.__dict__ for row in rows]))
        return [self._of({**row.__dict__, **(row.model_extra or {})}) for row in rows]


class _Objects(Shape):
    """Of dataclasses: all their fields."""

    def __init__(self, kind: type[Any], columns: Mapping[Any, WriteColumn], order: Sequence[str]) -> None:
        super().__init__(columns, order)
        self._kind = kind

    def take(self, rows: Sequence[Any]) -> list[Row] | None:
        return list(map(self._of, rows)) if set(map(type, rows)) == {self._kind} else None

    def _getter(self) -> Callable[[Any], Row]:
        if len(self._keys) > 1:
            return attrgetter(*self._keys)
        return lambda row: tuple(getattr(row, key) for key in self._keys)


class _Entities(Shape):
    def __init__(
        self,
        kind: type[Any],
        columns: Mapping[Any, WriteColumn],
        order: Sequence[str],
        writable: frozenset[str],
        relations: frozenset[str],
    ) -> None:
        super().__init__(columns, order, lenient=True)
        self._kind = kind
        self._writable = writable
        self._relations = relations

    def take(self, rows: Sequence[Any]) -> list[Row] | None:
        if set(map(type, rows)) != {self._kind}:
            return None
        names, writable, relations = self.names, self._writable, self._relations
        loaded = [row.__dict__ for row in rows]
        # One by one, relations are looked at, too.
        several = len(rows) > 1
        if any(
            writable.intersection(values) != names or (several and not relations.isdisjoint(values))
            for values in loaded
        ):
            return None
        return list(map(self._of, loaded))


class Shapes:
    """The shapes of the rows of one call.

    Args:
        columns: of the entity.
        where: the call, for messages.
    """

    def __init__(self, columns: WriteColumns, where: str) -> None:
        self._columns = columns
        self._where = where
        self._order = tuple(columns.columns)
        self._known: dict[Hashable, Shape] = {}
        self._entity_columns = {
            name: column for name, column in columns.columns.items() if column.refused is None
        }
        self._writable = frozenset(self._entity_columns)

    def of(self, row: Any, index: int) -> Shape:
        """The shape of a row.

        Raises:
            InvalidArgument: it is of no kind that has columns, or has a column that cannot be written.
        """
        kind = type(row)
        if isinstance(row, Mapping):
            return self._shape((kind is dict, *row), row, index, _Dicts if kind is dict else _Mappings)
        if isinstance(row, BaseModel):
            given = row.model_fields_set
            found = self._known.get((kind, frozenset(given)))
            if found is None:
                named = self._named(given, index)
                found = self._known[kind, frozenset(given)] = _Models(kind, named, self._order)
            return found
        if isinstance(row, self._columns.entity.cls):
            return self._entity(row, index)
        if dataclasses.is_dataclass(row) and not isinstance(row, type) and not _is_mapped(row):
            found = self._known.get((kind,))
            if found is None:
                named = self._named([each.name for each in dataclasses.fields(row)], index)
                found = self._known[(kind,)] = _Objects(kind, named, self._order)
            return found
        raise InvalidArgument(
            f"{self._where}: row {index} is {shown(row)} ({kind.__name__}). Rows are dicts, Pydantic models, "
            f"dataclasses, or {self._columns.entity.name} objects."
        )

    def _shape(self, key: Hashable, names: Any, index: int, make: type[Shape]) -> Shape:
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = make(self._named(names, index), self._order)
        return found

    def _entity(self, row: Any, index: int) -> Shape:
        kind = type(row)
        if kind is not self._columns.entity.cls:
            raise InvalidArgument(
                f"{self._where}: row {index} is a {kind.__name__}, whose rows have columns of their own. Write it "
                f"through the repository of {kind.__name__}."
            )
        present = self._writable.intersection(row.__dict__)
        self._refuse_relations(row, index)
        key = (kind, present)
        found = self._known.get(key)
        if found is None:
            named = {name: self._entity_columns[name] for name in present}
            found = self._known[key] = _Entities(
                kind, named, self._order, self._writable, frozenset(self._columns.entity.relations)
            )
        return found

    def _refuse_relations(self, row: Any, index: int) -> None:
        """A relation of a new entity that a bulk write would leave out silently."""
        entity = self._columns.entity
        if instance_state(row).key is not None:
            return
        for name in entity.relations.keys() & row.__dict__.keys():
            value = row.__dict__[name]
            local = entity.relations[name].local
            if not value or (local and all(row.__dict__.get(column.name) is not None for column in local)):
                continue
            raise InvalidArgument(
                f"{self._where}: row {index} has {entity.name}.{name} set, but a bulk write takes columns only. "
                f"Set its columns, or use scope.add(), which writes entities with their relations."
            )

    def _named(self, names: Any, index: int) -> dict[Any, WriteColumn]:
        named = {name: self._columns.named(name, f"{self._where}: row {index}") for name in names}
        if len({column.name for column in named.values()}) < len(named):
            raise InvalidArgument(f"{self._where}: row {index} has one column under two keys: {list(named)}.")
        return named


def _nothing(_row: Any) -> Row:
    return ()


def _is_mapped(row: Any) -> bool:
    return hasattr(type(row), "__mapper__")
