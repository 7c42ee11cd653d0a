"""Fields that write many rows: created, inserted or updated, updated, deleted.

The shape of the field's type says what happens to rows that are refused: with `Written` the others are written, and the
refused are named; with a list nothing is written, and the field is an error.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument

from batchrepo.errors import DeclarationError
from batchrepo.integrations.strawberry.operation.scopes import running
from batchrepo.integrations.strawberry.writes.by_key import check_creates
from batchrepo.integrations.strawberry.writes.fields import WriteField
from batchrepo.integrations.strawberry.writes.payloads import Outcome, Written, refusals
from batchrepo.integrations.strawberry.writes.references import hidden_references
from batchrepo.integrations.strawberry.writes.values import row_of

if TYPE_CHECKING:
    from batchrepo.errors import RowError
    from batchrepo.integrations.strawberry.query.selections import ResolveInfo
    from batchrepo.integrations.strawberry.writes.inputs import InputKind
    from batchrepo.writing.results import BulkResult


class ManyRowsField(WriteField):
    """A field that writes many rows."""

    expected = "a list or a Written"
    missing: ClassVar[str] = "default"
    """What happens to what a row leaves out."""

    def check(self) -> None:
        """As `RootField.check`."""
        if self.payload is not Written and (
            self.payload is not None or not self.shape.many or self.shape.paged
        ):
            raise DeclarationError(
                f"{self.where}: {self.what}() gives the rows that were written: Written[...], which names the rows that "
                f"were refused, or list[...], where one such row is an error and nothing is written."
            )
        super().check()
        self._check_input(self._given)

    def _check_input(self, given: InputKind) -> None:
        check_creates(self, given)

    @property
    def repository(self) -> type[Any]:
        """As `WriteField.repository`."""
        return self._given.repository

    @property
    def _given(self) -> InputKind:
        assert self.input is not None
        return self.input

    def _made_arguments(self) -> list[StrawberryArgument]:
        kind: Any = list[self._given.cls]  # type: ignore[name-defined]
        return [StrawberryArgument("rows", None, StrawberryAnnotation(kind)), *super()._made_arguments()]

    async def _write(self, info: ResolveInfo, given: dict[str, Any], *, deep: bool) -> Any:
        rows = [row_of(row, info) for row in given["rows"]]
        collects = self.payload is Written
        reads = bool(self._selected(info)[1])
        options: dict[str, Any] = {
            "returning": "keys" if reads else None,
            "missing": self.missing,
            "on_error": "collect" if collects else "raise",
        }
        scope = running(info.field_name).scope
        hidden: list[RowError] = []
        if collects:
            hidden = await hidden_references(scope, self.entity, rows)
        else:
            await self.refuse_hidden(rows, info)
        bad = {error.index for error in hidden}
        kept = [index for index in range(len(rows)) if index not in bad]
        result = await self._many(self.repository(scope), [rows[index] for index in kept], options)
        found = await self.objects(info, result.rows, deep=deep)
        if not collects:
            return found
        told = [*hidden, *(replace(error, index=kept[error.index]) for error in result.errors)]
        told.sort(key=lambda error: error.index)
        errors = refusals(told, lambda attribute: self.name_in_graphql(info, attribute))
        return Outcome(result.count, errors, found)

    async def _many(self, repository: Any, rows: list[Any], options: dict[str, Any]) -> BulkResult[Any]:
        raise NotImplementedError


class CreateManyField(ManyRowsField):
    """A field that inserts rows."""

    what = "create_many"

    async def _many(self, repository: Any, rows: list[Any], options: dict[str, Any]) -> BulkResult[Any]:
        found: BulkResult[Any] = await repository.insert_many(rows, **options)
        return found


class UpsertManyField(ManyRowsField):
    """A field that inserts rows, or updates those that are there."""

    what = "upsert_many"

    async def _many(self, repository: Any, rows: list[Any], options: dict[str, Any]) -> BulkResult[Any]:
        own = {name: self.options[name] for name in ("on", "where", "update", "duplicates")}
        found: BulkResult[Any] = await repository.upsert_many(rows, **own, **options)
        return found


class UpdateManyField(ManyRowsField):
    """A field that updates rows by their keys."""

    what = "update_many"
    missing = "keep"

    def _check_input(self, given: InputKind) -> None:
        if given.creates or not given.has_key:
            raise DeclarationError(
                f"{self.where}: update_many() takes an input with @update_input(...) that lists the primary key "
                f"({', '.join(given.entity.key_names)}), by which each row is found; {given.cls.__name__} does not."
            )

    async def _many(self, repository: Any, rows: list[Any], options: dict[str, Any]) -> BulkResult[Any]:
        found: BulkResult[Any] = await repository.update_many(rows, versions=self._given.versions, **options)
        return found
