"""Fields that write one row: created, updated, or deleted."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from strawberry import relay
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument

from batchrepo.errors import DeclarationError, InvalidArgument
from batchrepo.integrations.strawberry.operation.scopes import running
from batchrepo.integrations.strawberry.roots.by_key import key_type, parsed
from batchrepo.integrations.strawberry.writes.fields import WriteField
from batchrepo.integrations.strawberry.writes.ids import key_of_node
from batchrepo.integrations.strawberry.writes.values import row_of
from batchrepo.mapping.keys import key_values

if TYPE_CHECKING:
    from batchrepo.integrations.strawberry.query.selections import ResolveInfo
    from batchrepo.integrations.strawberry.types.members import RepositoryType
    from batchrepo.integrations.strawberry.writes.inputs import InputKind


class OneRowField(WriteField):
    """A field that writes one row."""

    expected = "one object"

    def check(self) -> None:
        """As `RootField.check`."""
        if self.payload is not None or self.shape.many:
            raise DeclarationError(
                f"{self.where}: {self.what}() writes one row, and gives it: the field's type is one object. For many "
                f"rows there is {self.what}_many()."
            )
        super().check()

    @property
    def _given(self) -> InputKind:
        assert self.input is not None
        return self.input

    def _input_argument(self) -> StrawberryArgument:
        return StrawberryArgument("input", None, StrawberryAnnotation(self._given.cls))


class CreateField(OneRowField):
    """A field that inserts one row."""

    what = "create"

    @property
    def repository(self) -> type[Any]:
        """As `WriteField.repository`."""
        return self._given.repository

    def check(self) -> None:
        """As `RootField.check`."""
        super().check()
        check_creates(self, self._given)

    def _made_arguments(self) -> list[StrawberryArgument]:
        return [self._input_argument(), *super()._made_arguments()]

    async def _write(self, info: ResolveInfo, given: dict[str, Any], *, deep: bool) -> Any:
        row = row_of(given["input"], info)
        await self.refuse_hidden([row], info)
        rows = self.repository(running(info.field_name).scope)
        written = await rows.insert_many([row], returning="keys")
        (found,) = await self.objects(info, written.rows, deep=deep)
        return found


class UpdateField(OneRowField):
    """A field that changes one row."""

    what = "update"

    @property
    def repository(self) -> type[Any]:
        """As `WriteField.repository`."""
        return self._given.repository

    def check(self) -> None:
        """As `RootField.check`."""
        super().check()
        if self._given.creates:
            raise DeclarationError(
                f"{self.where}: update() takes an input with @update_input(...), in which all may be left out; "
                f"{self._given.cls.__name__} has @create_input(...)."
            )

    @cached_property
    def key(self) -> KeyArguments | None:
        """The arguments that say which row; None where the input does."""
        return None if self._given.has_key else KeyArguments(self.kind)

    def _made_arguments(self) -> list[StrawberryArgument]:
        key = self.key.made() if self.key is not None else []
        return [*key, self._input_argument(), *super()._made_arguments()]

    async def _write(self, info: ResolveInfo, given: dict[str, Any], *, deep: bool) -> Any:
        row = row_of(given["input"], info)
        entity = self.entity
        if self.key is not None:
            key = self.key.read(given, info)
            row.update(zip(entity.key_names, key_values(entity.name, entity.key, key), strict=True))
        else:
            values = tuple(row[name] for name in entity.key_names)
            key = values[0] if len(values) == 1 else values
        version = self._given.version
        if not set(row) - set(entity.key_names) - {version}:
            raise InvalidArgument("input says nothing that is to be changed.")
        await self.refuse_hidden([row], info)
        rows = self.repository(running(info.field_name).scope)
        await rows.update_many([row], versions=self._given.versions)
        (found,) = await self.objects(info, [key], deep=deep)
        return found


class DeleteField(WriteField):
    """A field that deletes one row, and gives what it was."""

    what = "delete"
    expected = "one object"

    def check(self) -> None:
        """As `RootField.check`."""
        if self.payload is not None or self.shape.many:
            raise DeclarationError(
                f"{self.where}: delete() gives the row as it was before: the field's type is one object. For many rows "
                f"there is delete_many()."
            )
        super().check()

    @cached_property
    def key(self) -> KeyArguments:
        """The arguments that say which row."""
        return KeyArguments(self.kind)

    def _made_arguments(self) -> list[StrawberryArgument]:
        return [*self.key.made(), *super()._made_arguments()]

    async def _write(self, info: ResolveInfo, given: dict[str, Any], *, deep: bool) -> Any:
        key = self.key.read(given, info)
        # Wholly, since what it leads to cannot be found afterwards.
        (found,) = await self.objects(info, [key], deep=True)
        await self.repository(running(info.field_name).scope).delete_many([key], absent="error")
        return found


class KeyArguments:
    """The arguments of a field that say which row: the global id of a node, else the columns of the primary key.

    Args:
        kind: the type of the row.
    """

    def __init__(self, kind: RepositoryType) -> None:
        self._kind = kind
        self._is_node = issubclass(kind.cls, relay.Node)

    def made(self) -> list[StrawberryArgument]:
        """For the schema."""
        if self._is_node:
            return [StrawberryArgument("id", None, StrawberryAnnotation(relay.GlobalID))]
        return [
            StrawberryArgument(column.name, None, StrawberryAnnotation(key_type(self._kind, column)))
            for column in self._kind.entity.key
        ]

    def read(self, given: dict[str, Any], info: ResolveInfo) -> Any:
        """The primary key that was given.

        Raises:
            InvalidArgument: it is none.
        """
        entity = self._kind.entity
        if self._is_node:
            return key_of_node(info.schema, given["id"], entity, "id")
        values = tuple(parsed(column, column.name, given[column.name]) for column in entity.key)
        return values[0] if len(values) == 1 else values


def check_creates(field: WriteField, given: InputKind) -> None:
    """Refuse an input for changes where rows are created.

    Raises:
        DeclarationError: it is one.
    """
    if not given.creates:
        raise DeclarationError(
            f"{field.where}: {field.what}() takes an input with @create_input(...), which says what a new row must have; "
            f"{given.cls.__name__} has @update_input(...)."
        )
