"""Root fields: one row by its key, lists, and connections of all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField

from batchrepo.errors import NotFound
from batchrepo.integrations.strawberry.connections import PageOfRows, page_arguments
from batchrepo.integrations.strawberry.lookahead import lookahead_of
from batchrepo.integrations.strawberry.resolving import arguments_of
from batchrepo.integrations.strawberry.scopes import running
from batchrepo.integrations.strawberry.selections import object_type_of
from batchrepo.integrations.strawberry.shapes import shape_of
from batchrepo.plan.pages import read_request
from batchrepo.repository.planned import Planned

if TYPE_CHECKING:
    from batchrepo.integrations.strawberry.selections import ResolveInfo
    from batchrepo.integrations.strawberry.shapes import Shape


class RootField(StrawberryField):
    """A field that reads rows of a repository."""

    @property
    def is_basic_field(self) -> bool:
        """It is not: it reads."""
        return False

    @property
    def is_async(self) -> bool:
        """It is, which extensions of the field ask."""
        return True

    @property
    def shape(self) -> Shape:
        """What it gives."""
        return shape_of(self.resolve_type())

    @property
    def arguments(self) -> list[StrawberryArgument]:
        """The arguments in GraphQL."""
        if self._arguments is None:
            self._arguments = self._made_arguments()
        return self._arguments

    @arguments.setter
    def arguments(self, value: list[StrawberryArgument]) -> None:
        self._arguments = value

    def _made_arguments(self) -> list[StrawberryArgument]:
        shape = self.shape
        if shape.paged:
            return page_arguments()
        if shape.many:
            return []
        entity = shape.cls.__batchrepo_type__.entity
        return [
            StrawberryArgument(column.name, None, StrawberryAnnotation(column.python_type))
            for column in entity.key
        ]

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        """The value."""
        raw = info._raw_info
        return self.resolver(source, raw, **arguments_of(raw))

    async def resolver(self, _source: Any, info: ResolveInfo, **asked: Any) -> Any:
        """Gives the value, as graphql-core asks for it."""
        shape = self.shape
        kind = shape.cls.__batchrepo_type__
        scope = running(info.field_name).scope
        field = info.parent_type.fields[info.field_name]
        ahead = lookahead_of(scope.reading)
        reads = Planned(scope, kind.repository)
        target = object_type_of(field)
        assert target is not None
        if shape.paged:
            plan, selected = ahead.of_connection(info, target, info.field_nodes)
            size, largest = reads.info.page_size, reads.info.max_page_size
            request = read_request(
                first=asked.get("first"),
                after=asked.get("after"),
                last=asked.get("last"),
                before=asked.get("before"),
                total="exact" if selected.total else None,
                default=size,
                largest=largest,
            )
            page = await reads.page(plan, (), None, request)
            return PageOfRows(kind.objects(page["items"]), page)
        plan = ahead.of_objects(info, target, info.field_nodes)
        if shape.many:
            return kind.objects(await reads.rows(plan, (), None, None))
        # They come under their names in GraphQL, in the order in which they were declared.
        values = [asked[name] for name in field.args]
        key = values[0] if len(values) == 1 else tuple(values)
        found = await reads.by_key(plan, key)
        if found is None:
            if shape.optional:
                return None
            raise NotFound(kind.entity.name, [key])
        return kind.object(found)


def one(**options: Any) -> Any:
    """A root field that gives one row by its primary key."""
    return RootField(**options)


def many(**options: Any) -> Any:
    """A root field that gives a list of rows."""
    return RootField(**options)


def connection(**options: Any) -> Any:
    """A root field that gives all rows by pages."""
    return RootField(**options)
