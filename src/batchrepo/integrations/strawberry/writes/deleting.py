"""Fields that delete many rows."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from strawberry import relay
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument

from batchrepo.errors import DeclarationError
from batchrepo.integrations.strawberry.operation.scopes import running
from batchrepo.integrations.strawberry.roots.by_key import key_type, parsed
from batchrepo.integrations.strawberry.types.members import repository_type_of
from batchrepo.integrations.strawberry.writes.fields import WriteField
from batchrepo.integrations.strawberry.writes.ids import key_of_node
from batchrepo.integrations.strawberry.writes.payloads import Deleted, Outcome, refusals
from batchrepo.mapping.entity import shown

if TYPE_CHECKING:
    from batchrepo.integrations.strawberry.query.selections import ResolveInfo
    from batchrepo.integrations.strawberry.types.members import RepositoryType


class DeleteManyField(WriteField):
    """A field that deletes rows by their keys."""

    what = "delete_many"
    expected = "Deleted or int"

    @cached_property
    def kind(self) -> RepositoryType:
        """The type whose rows are deleted.

        Raises:
            DeclarationError: it is none of a repository.
        """
        found = repository_type_of(self.options["of"])
        if found is None:
            raise DeclarationError(
                f"{self.where}: delete_many() expects a class with @repository_type(...), such as AlbumType; got "
                f"{shown(self.options['of'])}."
            )
        return found

    @property
    def _argument(self) -> str:
        return "ids" if self._is_node else "keys"

    @property
    def _is_node(self) -> bool:
        return issubclass(self.kind.cls, relay.Node)

    def check(self) -> None:
        """As `RootField.check`."""
        if self.payload not in (Deleted, int):
            raise DeclarationError(
                f"{self.where}: delete_many() gives Deleted, which names the rows that were refused, or int, the number "
                f"of rows, where one such row is an error and nothing is deleted."
            )
        if len(self.kind.entity.key) > 1 and not self._is_node:
            raise DeclarationError(
                f"{self.where}: {self.kind.entity.name} has a key of several columns, which is one value in GraphQL only "
                f"as a global id. Make {self.kind.cls.__name__} a relay.Node."
            )
        super().check()

    def _made_arguments(self) -> list[StrawberryArgument]:
        item: Any = relay.GlobalID if self._is_node else key_type(self.kind, self.kind.entity.key[0])
        kind: Any = list[item]
        return [
            StrawberryArgument(self._argument, None, StrawberryAnnotation(kind)),
            *super()._made_arguments(),
        ]

    async def _write(self, info: ResolveInfo, given: dict[str, Any], *, deep: bool) -> Any:
        entity, name = self.entity, self._argument
        keys = [
            key_of_node(info.schema, item, entity, f"{name}[{index}]")
            if self._is_node
            else parsed(entity.key[0], f"{name}[{index}]", item)
            for index, item in enumerate(given[name])
        ]
        collects = self.payload is Deleted
        repository: Any = self.repository(running(info.field_name).scope)
        result = await repository.delete_many(
            keys, absent="error", on_error="collect" if collects else "raise"
        )
        if not collects:
            return result.count
        return Outcome(result.count, refusals(result.errors, str))
