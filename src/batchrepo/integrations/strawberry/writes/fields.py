"""What all fields that write have: a transaction, and what they give, read in it after the write."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from graphql import get_named_type
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import StrawberryOptional

from batchrepo.errors import BulkError, DeclarationError, NotFound, WriteError
from batchrepo.integrations.strawberry.operation.scopes import running
from batchrepo.integrations.strawberry.query.lookahead import lookahead_of
from batchrepo.integrations.strawberry.query.selections import (
    DEFINITION,
    Selections,
    field_named,
    field_of,
    object_type_of,
)
from batchrepo.integrations.strawberry.roots.fields import RootField
from batchrepo.integrations.strawberry.types.shapes import shape_of
from batchrepo.integrations.strawberry.writes.inputs import input_kind
from batchrepo.integrations.strawberry.writes.payloads import Deleted, Written
from batchrepo.integrations.strawberry.writes.references import hidden_references
from batchrepo.integrations.strawberry.writes.transactions import in_transaction
from batchrepo.repository.planned import Planned
from batchrepo.writing.refusals.naming import refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphql import GraphQLObjectType
    from graphql.language import FieldNode

    from batchrepo.integrations.strawberry.query.selections import ResolveInfo
    from batchrepo.integrations.strawberry.types.shapes import Shape
    from batchrepo.integrations.strawberry.writes.inputs import InputKind
    from batchrepo.mapping import EntityInfo


class WriteField(RootField):
    """A field of mutations that writes rows of a repository."""

    direct = False  # arguments are converted by Strawberry

    @cached_property
    def payload(self) -> Any:
        """The class of what the field gives where that is no row: `Written`, `Deleted`, ``bool`` or ``int``."""
        kind = self.resolve_type()
        kind = kind.of_type if isinstance(kind, StrawberryOptional) else kind
        definition: Any = getattr(kind, "__strawberry_definition__", None)
        generic = getattr(definition, "concrete_of", None)
        if generic is not None and generic.origin is Written:
            return Written
        return kind if kind in (Deleted, bool, int) else None

    @cached_property
    def shape(self) -> Shape:
        """What it gives; of a `Written` what its rows are."""
        if self.payload is not Written:
            return shape_of(self.resolve_type())
        kind: Any = self.resolve_type()
        definition: Any = getattr(getattr(kind, "of_type", kind), "__strawberry_definition__", None)
        (row,) = definition.type_var_map.values()
        return shape_of(row)

    @property
    def entity(self) -> EntityInfo:
        """Whose rows it writes."""
        return self.kind.entity

    @property
    def repository(self) -> type[Any]:
        """The repository that writes them."""
        return self.kind.repository

    @cached_property
    def input(self) -> InputKind | None:
        """What a row is made of; None where nothing but keys is given."""
        given = self.options.get("input")
        return None if given is None else input_kind(given, f"{self.where}: {self.what}()")

    def check(self) -> None:
        """As `RootField.check`."""
        if self.base_resolver is not None:
            raise DeclarationError(
                f"{self.where}: {self.what}() writes by itself, and takes no resolver. Write one with @mutation."
            )
        given = self.input
        if given is not None and given.entity is not self.kind.entity:
            raise DeclarationError(
                f"{self.where}: {given.cls.__name__} is of {given.entity.name}, but the field shows "
                f"{self.kind.entity.name}."
            )

    def _made_arguments(self) -> list[StrawberryArgument]:
        return dry_run_argument() if self.options.get("dry_run") else []

    async def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        """Write, and read what is selected of what was written."""
        raw = info._raw_info
        operation = running(raw.field_name)
        dry_run = bool(kwargs.pop("dry_run", False))
        try:
            return await in_transaction(
                operation, raw.field_name, lambda: self._write(raw, kwargs, deep=dry_run), dry_run=dry_run
            )
        except WriteError as error:
            raise self._told(error, raw) from error

    async def _write(self, info: ResolveInfo, given: dict[str, Any], *, deep: bool) -> Any:
        raise NotImplementedError

    # --- what was written -----------------------------------------------------------------------

    async def objects(self, info: ResolveInfo, keys: Sequence[Any], *, deep: bool) -> list[Any]:
        """The objects of rows, with what is selected of them, in the order of their keys.

        Raises:
            NotFound: one is not there.
        """
        operation = running(info.field_name)
        target, groups = self._selected(info)
        if not groups:
            return []
        plan = lookahead_of(operation.scope.reading).of_several(info, target, groups, deep=deep)
        reads = Planned(operation.scope, self.kind.repository)
        rows = await asyncio.gather(*(reads.by_key(plan, key) for key in keys))
        missing = [key for key, row in zip(keys, rows, strict=True) if row is None]
        if missing:
            raise NotFound(self.entity.name, missing)
        return self.kind.objects([row for row in rows if row is not None])

    def _selected(self, info: ResolveInfo) -> tuple[GraphQLObjectType, list[Sequence[FieldNode]]]:
        """The type of the rows, and the fields of the document that lead to them."""
        target = object_type_of(info.parent_type.fields[info.field_name])
        assert target is not None
        if self.payload is not Written:
            return target, [info.field_nodes]
        rows = field_named(target, "rows")
        assert rows is not None
        below = Selections(info).below(target, info.field_nodes)
        found = object_type_of(rows)
        assert found is not None
        return found, [group for group in below if field_of(target, group[0]) is rows]

    async def refuse_hidden(self, rows: Sequence[dict[str, Any]], info: ResolveInfo) -> None:
        """Refuse rows that refer to what the scope may not see.

        Raises:
            BulkError: there are such rows; it names them.
        """
        hidden = await hidden_references(running(info.field_name).scope, self.entity, rows)
        if hidden:
            raise refused(BulkError, self.entity.name, hidden)

    # --- what was refused -----------------------------------------------------------------------

    def name_in_graphql(self, info: ResolveInfo, attribute: str) -> str:
        """How clients call what sets an attribute."""
        if self.input is None:
            return attribute
        python_name = self.input.field_for(attribute)
        definition = self.input.cls.__strawberry_definition__
        for argument in info.parent_type.fields[info.field_name].args.values():
            kind: Any = get_named_type(argument.type)
            if (kind.extensions or {}).get(DEFINITION) is definition:
                for name, field in kind.fields.items():
                    if field.extensions[DEFINITION].python_name == python_name:
                        return str(name)
        return attribute

    def _told(self, error: WriteError, info: ResolveInfo) -> WriteError:
        """The same error, with columns as clients call them."""
        rows = [
            replace(row, columns=tuple(self.name_in_graphql(info, column) for column in row.columns))
            for row in error.rows
        ]
        return type(error)(str(error), error.entity, rows)


def dry_run_argument() -> list[StrawberryArgument]:
    """The argument by which clients try a mutation."""
    return [
        StrawberryArgument(
            "dry_run",
            None,
            StrawberryAnnotation(bool),
            default=False,
            description="Do everything, answer, and take it back.",
        )
    ]
