"""Fields that the plan reads, and the functions that declare them where a name is not enough."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from strawberry.types.field import UNRESOLVED, StrawberryField

from batchrepo.errors import DeclarationError
from batchrepo.integrations.strawberry.operation.errors import SchemaMistake
from batchrepo.integrations.strawberry.query.resolving import (
    Resolver,
    arguments_of,
    related_resolver,
    value_resolver,
)
from batchrepo.integrations.strawberry.types.connections import page_arguments
from batchrepo.integrations.strawberry.types.fitting import check_field
from batchrepo.integrations.strawberry.types.inputs import selection_arguments
from batchrepo.integrations.strawberry.types.members import Value, repository_type_of
from batchrepo.integrations.strawberry.types.shapes import is_lazy, shape_of
from batchrepo.integrations.strawberry.types.sources import RelatedSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strawberry.types.arguments import StrawberryArgument

    from batchrepo.integrations.strawberry.types.members import Member


class RepositoryField(StrawberryField):
    """A field whose value is read by the plan.

    Attributes:
        where: class and field, for messages.
        source: what the field was given; None for what has its name.
        member: what is read.
    """

    where: str
    source: Any = None
    member: Member

    def __copy__(self) -> RepositoryField:
        copied = super().__copy__()
        copied.source = self.source
        if hasattr(self, "member"):
            copied.where, copied.member = self.where, self.member
        return copied

    @property
    def is_basic_field(self) -> bool:
        """Whether the value is an attribute of its object, and nothing else."""
        return False

    @cached_property
    def is_async(self) -> bool:
        """Whether it may have to be awaited, which extensions of the field ask."""
        return True

    def check(self, *, early: bool = False) -> None:
        """Check the type.

        Args:
            early: only where all of its names are known, and nothing has to be imported for it.

        Raises:
            DeclarationError: it does not fit what is read.
        """
        kind = self.resolve_type()
        if not early or (kind is not UNRESOLVED and not is_lazy(kind)):
            check_field(self.where, self.member, kind)

    @property
    def arguments(self) -> list[StrawberryArgument]:
        """The arguments in GraphQL; Strawberry asks for them when it builds a schema."""
        if self._arguments is None:
            with in_schema():
                self.check()
                self._arguments = self._made_arguments()
        return self._arguments

    @arguments.setter
    def arguments(self, value: list[StrawberryArgument]) -> None:
        self._arguments = value

    def _made_arguments(self) -> list[StrawberryArgument]:
        if isinstance(self.member, Value) or not self.member.many or self.member.declared is not None:
            return []
        shape = shape_of(self.resolve_type())
        kind = repository_type_of(shape.cls)
        assert kind is not None
        return [*(page_arguments() if shape.paged else ()), *selection_arguments(kind.repository)]

    @cached_property
    def resolver(self) -> Resolver:
        """Gives the value, as graphql-core asks for it."""
        if isinstance(self.member, Value):
            return value_resolver(self.member.name)
        return related_resolver(self.member, shape_of(self.resolve_type()))

    async def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        """The value, where the field has permissions, extensions or exception handlers, which wait for it."""
        raw = info._raw_info
        found = self.resolver(source, raw, **(arguments_of(raw) if self.arguments else {}))
        return await found if hasattr(found, "__await__") else found


@contextmanager
def in_schema() -> Iterator[None]:
    """Let a DeclarationError come out of the making of a schema as what it is."""
    try:
        yield
    except SchemaMistake:
        raise
    except DeclarationError as error:
        raise SchemaMistake(str(error)) from error


def attribute(source: Any, *, name: str | None = None, **options: Any) -> Any:
    """A field for a column or a computed attribute under another name, or for a column of a related entity.

    ::

        display_title: str = attribute(Album.title, description="As on the cover.")
        artist_name: str = attribute(column(Album.artist, Artist.name))
        length: BigInt = attribute(AlbumRepository.duration, deprecation_reason="Use minutes.")

    A field that has the name of what it shows needs none; Strawberry's own ``strawberry.field(description=...)``
    describes it.

    Args:
        source: a mapped attribute, a computed one, or a ``column(...)`` along to-one relations.
        name: of the field in GraphQL. Default: the attribute's, as the schema converts names.
        options: those of ``strawberry.field``: ``description``, ``deprecation_reason``, ``permission_classes``,
            ``directives``, ``extensions``, ``metadata``.
    """
    field = RepositoryField(graphql_name=name, **options)
    field.source = source
    return field


def related(
    relation: Any,
    *,
    where: Any = None,
    order_by: Any = None,
    first: int | None = None,
    name: str | None = None,
    **options: Any,
) -> Any:
    """A field for what a relation leads to, under another name, or with a filter, an order or a limit for each parent.

    ::

        long_tracks: list["TrackType"] = related(Album.tracks, where=Track.milliseconds > 300_000, first=5)

    Args:
        relation: the relationship, such as ``Album.tracks``; or a ``top``, ``latest`` or ``earliest`` of a repository.
        where: a condition on the related rows, or a sequence of conditions. Callers' filters come on top.
        order_by: where callers ask for none. Default: the relationship's own order.
        first: at most so many rows for each parent, 1 or more; None for all.
        name: as for `attribute`.
        options: as for `attribute`.
    """
    field = RepositoryField(graphql_name=name, **options)
    field.source = RelatedSource(relation, where, order_by, first)
    return field
