"""Root fields that give one row: by its primary key, or by other columns that are unique."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from graphql import OperationType
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import StrawberryOptional

from batchrepo.declare.filter_values import Parser
from batchrepo.declare.filter_values import annotation_of as parsed_as
from batchrepo.errors import DeclarationError, InvalidArgument, NotFound
from batchrepo.integrations.strawberry.operation.scopes import running
from batchrepo.integrations.strawberry.passing.whole import answer_of
from batchrepo.integrations.strawberry.query.lookahead import lookahead_of
from batchrepo.integrations.strawberry.query.selections import DEFINITION, Selections, object_type_of
from batchrepo.integrations.strawberry.roots.fields import RootField
from batchrepo.integrations.strawberry.types.fields import RepositoryField
from batchrepo.integrations.strawberry.types.members import Value
from batchrepo.integrations.strawberry.types.scalars import automatic, plain_text, python_type_of_column
from batchrepo.mapping.entity import attribute_owner
from batchrepo.plan.read import ColumnField
from batchrepo.repository.planned import Planned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphql.language import FieldNode

    from batchrepo.integrations.strawberry.query.selections import ResolveInfo
    from batchrepo.integrations.strawberry.types.members import RepositoryType
    from batchrepo.mapping import ColumnInfo


class OneField(RootField):
    """A field that reads one row by a key."""

    what = "one"
    expected = "one object"

    @cached_property
    def columns(self) -> tuple[ColumnInfo, ...]:
        """What the row is found by.

        Raises:
            DeclarationError: it is not unique.
        """
        entity, by = self.kind.entity, self.options["by"]
        if by is None:
            return entity.key
        found: list[ColumnInfo] = []
        for attribute in by if isinstance(by, tuple | list) else (by,):
            owner, name = attribute_owner(attribute, f"{self.where}: by=")
            if owner not in entity.ancestors:
                raise DeclarationError(
                    f"{self.where}: by= has {owner.name}.{name}, but the field shows {entity.name}."
                )
            found.append(entity.column(name, f"{self.where}: by="))
        if not entity.is_unique(found):
            names = ", ".join(f"{entity.name}.{column.name}" for column in found)
            raise DeclarationError(
                f"{self.where}: by= expects columns that are unique; no primary key, unique constraint or unique index "
                f"says so of {names}. Declare it, or write a list with many()."
            )
        return tuple(found)

    @cached_property
    def gives_null(self) -> bool:
        """Whether a row that is not there is null, and no error."""
        chosen = self.options["missing"]
        return self.shape.optional if chosen is None else chosen == "null"

    def check(self) -> None:
        """As `RootField.check`."""
        if self.base_resolver is not None:
            raise DeclarationError(f"{self.where}: one() finds its row by a key, and takes no resolver.")
        if self.shape.many:
            raise DeclarationError(
                f"{self.where}: one() gives one row, but the field is a list. Use many() or connection()."
            )
        missing = self.options["missing"]
        if missing not in (None, "null", "error"):
            raise DeclarationError(
                f'{self.where}: one(missing=...) expects "null" or "error"; got {missing!r:.100}.'
            )
        if missing == "null" and not self.shape.optional:
            raise DeclarationError(
                f'{self.where}: missing="null" needs a field that allows None. '
                f"Write {self.kind.cls.__name__} | None."
            )
        _ = self.columns

    def _made_arguments(self) -> list[StrawberryArgument]:
        return [
            StrawberryArgument(column.name, None, StrawberryAnnotation(key_type(self.kind, column)))
            for column in self.columns
        ]

    async def _read(self, info: ResolveInfo, given: dict[str, Any], where: tuple[Any, ...]) -> Any:
        kind, columns = self.kind, self.columns
        scope = running(info.field_name).scope
        field = info.parent_type.fields[info.field_name]
        named = {field.args[name].extensions[DEFINITION].python_name: name for name in given}
        values = [parsed(column, named[column.name], given[named[column.name]]) for column in columns]
        key = values[0] if len(values) == 1 else tuple(values)
        target = object_type_of(field)
        assert target is not None
        reads, siblings = Planned(scope, kind.repository), _siblings(info)
        # Several aliases are read together.
        if columns == kind.entity.key and len(siblings) == 1:
            answer = answer_of(self, info, target)
            completed = await answer.by_key(info, reads, key) if answer is not None else None
            if completed is not None:
                return completed
        plan = lookahead_of(scope.reading).of_several(info, target, siblings)
        if columns == kind.entity.key:
            found = await reads.by_key(plan, key)
        else:
            found = await reads.by_columns(plan, columns, key)
        if found is not None:
            return kind.object(found)
        if self.gives_null:
            return None
        raise NotFound(kind.entity.name, [key])


def key_type(kind: RepositoryType, column: ColumnInfo) -> Any:
    """The type of a column as an argument: that of the field which shows it, or the column's own."""
    for field in kind.cls.__strawberry_definition__.fields:
        member = field.member if isinstance(field, RepositoryField) else None
        if isinstance(member, Value) and getattr(member.field, "column", None) is column:
            resolved = field.resolve_type()
            return resolved.of_type if isinstance(resolved, StrawberryOptional) else resolved
    made = automatic(ColumnField(column.name, column.attribute, column), f"{kind.entity.name}.{column.name}")
    resolved = StrawberryAnnotation(made, namespace={}).resolve()
    return resolved.of_type if isinstance(resolved, StrawberryOptional) else resolved


def parsed(column: ColumnInfo, name: str, value: Any) -> Any:
    """A key's value; an ID comes as a text, whatever the column holds."""
    value, python_type = plain_text(value), python_type_of_column(column)
    if not isinstance(value, str) or python_type in (str, None):
        return value
    try:
        return Parser(parsed_as(column.type, python_type))(value)
    except ValueError as error:
        raise InvalidArgument(f"{name} cannot be {value!r:.100}: {error}.") from error


def _siblings(info: ResolveInfo) -> Sequence[Sequence[FieldNode]]:
    """All selections of the root field that is resolved: what they ask for is read together."""
    if info.path.prev is not None or info.operation.operation is not OperationType.QUERY:
        return [info.field_nodes]
    kept = running(info.field_name).kept
    key = ("siblings", info.field_name)
    found: list[list[FieldNode]] | None = kept.get(key)
    if found is None:
        roots = Selections(info).roots(info.parent_type).values()
        found = kept[key] = [nodes for nodes in roots if nodes[0].name.value == info.field_name]
    return found
