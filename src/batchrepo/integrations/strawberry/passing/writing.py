"""The plan of a part of the answer that a database writes: what is read, under the keys of the answer, and its leaf types."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from batchrepo.integrations.strawberry.passing.completing import Constant, Leaf, Many, One, Page
from batchrepo.integrations.strawberry.passing.covering import GlobalIdOf
from batchrepo.integrations.strawberry.passing.leaf_types import leaf_type_of
from batchrepo.plan.leaf_types import LeafType
from batchrepo.plan.read import ColumnField, Include, ReadPlan

if TYPE_CHECKING:
    from batchrepo.integrations.strawberry.passing.completing import Part, Parts
    from batchrepo.plan.read import Field


class Unwritable(Exception):
    """A part of the answer that no database writes; the text says which one, and why."""


class WrittenPlans:
    """Makes plans of parts of answers; equal ones are one, whichever document they are from, and share their statement."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[Any, ReadPlan] = WeakValueDictionary()

    def plan(self, read: ReadPlan, parts: Parts, path: str) -> ReadPlan:
        """The same as a plan reads for its rows, under the keys of the answer.

        Args:
            read: the plan that reads the rows.
            parts: what the answer has of them.
            path: of them in the answer, for messages.

        Raises:
            Unwritable: a part is more than a value of a row.
        """
        by_name = {field.name: field for field in read.fields}
        fields: list[Field] = []
        leaves: dict[str, LeafType] = {}
        same: list[Any] = [read.entity]
        for part in parts:
            where = f"{path}{part.key}"
            match part:
                case One(below=below) | Many(below=below):
                    include = by_name[part.name]
                    assert isinstance(include, Include)
                    plan = self.plan(include.plan, below, f"{where}.")
                    required = isinstance(part, One) and not part.optional
                    fields.append(replace(include, name=part.key, plan=plan, required=required))
                    same.append((part.key, plan, required, *_identity(include)))
                case Constant(text=text):
                    column = read.entity.key[0]
                    fields.append(ColumnField(part.key, column.attribute, column))
                    leaves[part.key] = LeafType("Constant", text=text)
                    same.append((part.key, leaves[part.key]))
                case _:
                    field, leaf = _leaf(part, by_name, where)
                    fields.append(replace(field, name=part.key))
                    leaves[part.key] = leaf
                    same.append((part.key, field, leaf))
        return self._known.setdefault(tuple(same), ReadPlan(read.entity, tuple(fields), None, leaves))


def _identity(include: Include) -> tuple[Any, ...]:
    # The plan keeps what is only known by its identity.
    where, order = tuple(map(id, include.where)), tuple(map(id, include.order))
    return include.relation, where, order, include.first, include.many


def _leaf(part: Part, by_name: dict[str, Field], where: str) -> tuple[Field, LeafType]:
    match part:
        case Leaf(read=GlobalIdOf(names=names, type_name=type_name)):
            if len(names) > 1:
                raise Unwritable(f"{where}: an id of several columns is not made by a database.")
            return by_name[names[0]], LeafType("GlobalID", required=True, text=type_name)
        case Leaf(name=name, kind=kind, read=None):
            found = by_name[name]
            leaf = leaf_type_of(kind, found)
            if leaf is None:
                raise Unwritable(f"{where}: only {kind} itself knows what it makes of the values.")
            return found, leaf
        case Page():
            raise Unwritable(f"{where}: pages inside of rows are not written as GraphQL has them.")
    raise AssertionError(f"{part!r} is no part of a row")
