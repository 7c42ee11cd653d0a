"""Root fields: one row, lists, and connections of all rows."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, overload

from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument

from batchrepo.declare.elements import declared_conditions
from batchrepo.declare.orders import declared_order
from batchrepo.errors import DeclarationError, InvalidArgument
from batchrepo.integrations.strawberry.operation.scopes import running
from batchrepo.integrations.strawberry.passing.whole import answer_of
from batchrepo.integrations.strawberry.query.arguments import Arguments, read_arguments
from batchrepo.integrations.strawberry.query.lookahead import lookahead_of
from batchrepo.integrations.strawberry.query.selections import object_type_of
from batchrepo.integrations.strawberry.roots.by_key import OneField
from batchrepo.integrations.strawberry.roots.fields import RootField, made_field
from batchrepo.integrations.strawberry.types.connections import (
    Connection,
    CountOfRows,
    PageOfRows,
    page_arguments,
)
from batchrepo.integrations.strawberry.types.inputs import selection_arguments
from batchrepo.plan.pages import is_integer
from batchrepo.repository.planned import Planned

if TYPE_CHECKING:
    from batchrepo.declare.orders import OrderTerm
    from batchrepo.integrations.strawberry.query.selections import ResolveInfo


class SeveralField(RootField):
    """A field that reads rows by conditions."""

    @cached_property
    def conditions(self) -> tuple[Any, ...]:
        """Those of the declaration.

        Raises:
            DeclarationError: one is no condition on the rows.
        """
        entity = self.kind.entity
        return declared_conditions(
            self.options["where"], f"{self.where}: where=", entity.sources, entity.name
        )

    @cached_property
    def order(self) -> tuple[OrderTerm, ...]:
        """That of the declaration; empty for the repository's.

        Raises:
            DeclarationError: it is no order of the rows.
        """
        entity = self.kind.entity
        return declared_order(
            self.options["order_by"], f"{self.where}: order_by=", entity.sources, entity.name
        )

    def check(self) -> None:
        """As `RootField.check`."""
        _ = self.kind, self.conditions, self.order

    async def _read(self, info: ResolveInfo, given: dict[str, Any], where: tuple[Any, ...]) -> Any:
        field = info.parent_type.fields[info.field_name]
        scope = running(info.field_name).scope
        asked = read_arguments(field, given, self.kind.repository, scope)
        conditions = (*self.conditions, *where, *asked.where)
        reads = Planned(scope, self.kind.repository)
        return await self._rows(info, asked, reads, conditions, asked.order or self.order or None)

    async def _rows(
        self,
        info: ResolveInfo,
        asked: Arguments,
        reads: Planned,
        where: tuple[Any, ...],
        order: tuple[OrderTerm, ...] | None,
    ) -> Any:
        raise NotImplementedError


class ManyField(SeveralField):
    """A field that reads a list of rows."""

    what = "many"
    expected = "a list"

    def check(self) -> None:
        """As `RootField.check`."""
        if not self.shape.many or self.shape.paged:
            raise DeclarationError(
                f"{self.where}: many() gives a list, but the field is none. Write list[...], or use one() or connection()."
            )
        super().check()
        limit = self.options["limit"]
        if limit is not None and (not is_integer(limit) or limit < 1):
            raise DeclarationError(
                f"{self.where}: limit= expects a number of rows, 1 or more; got {limit!r:.100}."
            )

    @property
    def limit(self) -> int:
        """The most rows that there may be."""
        limit = self.options["limit"]
        return int(self.kind.repository.max_page_size if limit is None else limit)

    def _made_arguments(self) -> list[StrawberryArgument]:
        limit = StrawberryArgument(
            "limit",
            None,
            StrawberryAnnotation(int | None),
            description=f"At most so many rows, up to {self.limit}, which is what null means.",
        )
        return [limit, *selection_arguments(self.kind.repository)]

    async def _rows(
        self,
        info: ResolveInfo,
        asked: Arguments,
        reads: Planned,
        where: tuple[Any, ...],
        order: tuple[OrderTerm, ...] | None,
    ) -> Any:
        limit, largest = asked.limit, self.limit
        if limit is not None and not 0 <= limit <= largest:
            raise InvalidArgument(f"limit expects a number of rows from 0 to {largest}; got {limit}.")
        target = object_type_of(info.parent_type.fields[info.field_name])
        assert target is not None
        most = largest if limit is None else limit
        answer = answer_of(self, info, target)
        found = await answer.rows(info, reads, where, order, most) if answer is not None else None
        if found is not None:
            return found
        plan = lookahead_of(reads.scope.reading).of_objects(info, target, info.field_nodes)
        return self.kind.objects(await reads.rows(plan, where, order, most))


class ConnectionField(SeveralField):
    """A field that reads all rows by pages."""

    what = "connection"
    expected = "a Connection"

    def check(self) -> None:
        """As `RootField.check`."""
        if not self.shape.paged:
            raise DeclarationError(
                f"{self.where}: connection() gives pages, but the field is no Connection. Write Connection[...], or use "
                f"one() or many()."
            )
        super().check()

    def _made_arguments(self) -> list[StrawberryArgument]:
        return [*page_arguments(), *selection_arguments(self.kind.repository)]

    async def _rows(
        self,
        info: ResolveInfo,
        asked: Arguments,
        reads: Planned,
        where: tuple[Any, ...],
        order: tuple[OrderTerm, ...] | None,
    ) -> Any:
        target = object_type_of(info.parent_type.fields[info.field_name])
        assert target is not None
        sizes = reads.info.page_size, reads.info.max_page_size
        answer = answer_of(self, info, target)
        if answer is not None:
            request = asked.request("exact" if answer.total else None, sizes)
            found = await answer.page(info, reads, where, order, request)
            if found is not None:
                return found
        plan, selected = lookahead_of(reads.scope.reading).of_connection(info, target, info.field_nodes)
        request = asked.request("exact" if selected.total else None, sizes)
        if selected.total and not selected.rows:
            return CountOfRows(await reads.total(where, order, request))
        page = await reads.page(plan, where, order, request)
        return PageOfRows(self.kind.objects(page["items"]), page)


def one(
    *,
    by: Any = None,
    missing: Literal["null", "error"] | None = None,
    name: str | None = None,
    **options: Any,
) -> Any:
    """A root field that gives one row by its primary key, or by other columns that are unique.

    All that a document asks for by one such field, under several aliases, is read together.

    ::

        album: AlbumType | None = one()
        album_of_title: AlbumType = one(by=Album.title)  # NOT_FOUND where there is none
        seat: SeatType | None = one(by=(Seat.row, Seat.number), missing="error")

    Args:
        by: a column or a tuple of columns that a unique constraint or index is on. Default: the primary key.
        missing: whether a row that is not there is ``"null"`` or an ``"error"`` with the code ``NOT_FOUND``. Default:
            null where the field's type allows None.
        name: of the field in GraphQL. Default: the attribute's, as the schema converts names.
        options: those of ``strawberry.field``, such as ``description`` and ``permission_classes``.
    """
    return made_field(OneField, None, name, options, by=by, missing=missing)


@overload
def many(
    of: None = None,
    *,
    where: Any = None,
    order_by: Any = None,
    limit: int | None = None,
    name: str | None = None,
    **options: Any,
) -> Any: ...
@overload
def many(
    of: type[Any] | str,
    *,
    where: Any = None,
    order_by: Any = None,
    limit: int | None = None,
    name: str | None = None,
    **options: Any,
) -> RootField: ...
def many(
    of: type[Any] | str | None = None,
    *,
    where: Any = None,
    order_by: Any = None,
    limit: int | None = None,
    name: str | None = None,
    **options: Any,
) -> Any:
    """A root field that gives a list of rows, with filter and order as the repository declares them.

    ::

        genres: list[GenreType] = many()


        @many("AlbumType", limit=50)
        def my_albums(self, info: strawberry.Info, year: int) -> list[ColumnElement[bool]]:
            return [Album.owner_id == info.context["user"], Album.year == year]

    Args:
        of: the type of the rows, where it decorates a resolver of one's own: a plain or async one that returns
            conditions, all of which hold besides what callers ask for.
        where: a condition that always holds, or a sequence of conditions.
        order_by: where callers ask for none. Default: the repository's ``default_order``.
        limit: the most rows that callers may ask for, and get where they do not say. Default: the repository's
            ``max_page_size``.
        name: as for `one`.
        options: as for `one`.
    """
    kind: Any = None if of is None else list[of]  # type: ignore[valid-type]
    return made_field(ManyField, kind, name, options, where=where, order_by=order_by, limit=limit)


@overload
def connection(
    of: None = None, *, where: Any = None, order_by: Any = None, name: str | None = None, **options: Any
) -> Any: ...
@overload
def connection(
    of: type[Any] | str, *, where: Any = None, order_by: Any = None, name: str | None = None, **options: Any
) -> RootField: ...
def connection(
    of: type[Any] | str | None = None,
    *,
    where: Any = None,
    order_by: Any = None,
    name: str | None = None,
    **options: Any,
) -> Any:
    """A root field that gives all rows by pages, with filter and order as the repository declares them.

    Args:
        of: as for `many`.
        where: as for `many`.
        order_by: as for `many`.
        name: as for `one`.
        options: as for `one`.
    """
    kind: Any = None if of is None else Connection[of]  # type: ignore[valid-type]
    return made_field(ConnectionField, kind, name, options, where=where, order_by=order_by)
