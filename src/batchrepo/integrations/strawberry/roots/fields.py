"""What all root fields have: a type of a repository, options, arguments, and perhaps a resolver of one's own."""

from __future__ import annotations

import inspect
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from strawberry.annotation import StrawberryAnnotation
from strawberry.types.field import StrawberryField

from batchrepo.declare.elements import why_foreign, why_no_condition
from batchrepo.errors import DeclarationError
from batchrepo.integrations.strawberry.query.resolving import arguments_of
from batchrepo.integrations.strawberry.types.fields import in_schema
from batchrepo.integrations.strawberry.types.members import repository_type_of
from batchrepo.integrations.strawberry.types.shapes import shape_of
from batchrepo.mapping.entity import shown

if TYPE_CHECKING:
    from strawberry.types.arguments import StrawberryArgument

    from batchrepo.integrations.strawberry.query.selections import ResolveInfo
    from batchrepo.integrations.strawberry.types.members import RepositoryType
    from batchrepo.integrations.strawberry.types.shapes import Shape


class RootField(StrawberryField):
    """A field that reads rows of a repository.

    Attributes:
        options: what its declaration was given.
    """

    options: dict[str, Any]
    what: ClassVar[str]
    """What declares it, for messages."""

    expected: ClassVar[str]
    """The type that it needs, for messages."""

    direct: ClassVar[bool] = True
    """Whether graphql-core may call the resolver without Strawberry, which converts arguments."""

    def __copy__(self) -> RootField:
        copied = super().__copy__()
        copied.options = self.options
        return copied

    @property
    def is_basic_field(self) -> bool:
        """It is not: it reads."""
        return False

    @cached_property
    def is_async(self) -> bool:
        """It is, which extensions of the field ask."""
        return True

    @property
    def where(self) -> str:
        """Class and field, for messages."""
        return f"{getattr(self.origin, '__name__', '')}.{self.python_name}".lstrip(".")

    @cached_property
    def shape(self) -> Shape:
        """What it gives."""
        return shape_of(self.resolve_type())

    @cached_property
    def kind(self) -> RepositoryType:
        """The type of its rows.

        Raises:
            DeclarationError: the field's type is none of a repository.
        """
        found = repository_type_of(self.shape.cls)
        if found is None:
            raise DeclarationError(
                f"{self.where}: {self.what}() reads rows, so the field's type must be {self.expected}, of a class with "
                f"@repository_type(...); got {shown(self.shape.cls)}."
            )
        return found

    @property
    def arguments(self) -> list[StrawberryArgument]:
        """The arguments in GraphQL; Strawberry asks for them when it builds a schema."""
        if self._arguments is None:
            with in_schema():
                self.check()
                made = self._made_arguments()
                own = self.base_resolver.arguments if self.base_resolver else []
                for argument in own:
                    if argument.python_name in self._made_names:
                        raise DeclarationError(
                            f"{self.where}: {self.what}() has an argument {argument.python_name!r} of its own. Give the "
                            f"resolver's another name."
                        )
                self._arguments = [*own, *made]
        return self._arguments

    @arguments.setter
    def arguments(self, value: list[StrawberryArgument]) -> None:
        self._arguments = value

    def check(self) -> None:
        """Check type and options.

        Raises:
            DeclarationError: they do not fit each other.
        """
        raise NotImplementedError

    @cached_property
    def _made_names(self) -> frozenset[str]:
        """The names of the arguments that a resolver of one's own is not given."""
        return frozenset(argument.python_name for argument in self._made_arguments())

    def _made_arguments(self) -> list[StrawberryArgument]:
        raise NotImplementedError

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        """The value, where the field has permissions, extensions or a resolver of one's own."""
        raw = info._raw_info
        given = arguments_of(raw)
        if self.base_resolver is None:
            return self.resolver(source, raw, **given)
        own = {name: value for name, value in kwargs.items() if name not in self._made_names}
        return self._read_where(self.base_resolver(*args, **own), raw, given)

    async def _read_where(self, found: Any, info: ResolveInfo, given: dict[str, Any]) -> Any:
        if inspect.isawaitable(found):
            found = await found
        conditions = () if found is None else tuple(found) if isinstance(found, list | tuple) else (found,)
        entity = self.kind.entity
        for condition in conditions:
            refusal = why_no_condition(condition) or why_foreign(condition, entity.sources, entity.name)
            if refusal is not None:
                raise DeclarationError(
                    f"{self.where}: the resolver of {self.what}() returns conditions on {entity.name}: {refusal}."
                )
        return await self._read(info, given, conditions)

    async def resolver(self, _source: Any, info: ResolveInfo, /, **given: Any) -> Any:
        """Gives the value, as graphql-core asks for it."""
        return await self._read(info, given, ())

    async def _read(self, info: ResolveInfo, given: dict[str, Any], where: tuple[Any, ...]) -> Any:
        raise NotImplementedError


def made_field(
    cls: type[RootField], kind: Any, name: str | None, options: dict[str, Any], **declared: Any
) -> RootField:
    """A field of a class, with what its declaration was given."""
    annotation = None if kind is None else StrawberryAnnotation(kind)
    made = cls(graphql_name=name, type_annotation=annotation, **options)
    made.options = declared
    return made
