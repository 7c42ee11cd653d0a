"""Objects that resolvers of one's own give, and fields of one's own that need columns."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar, overload

from sqlalchemy.orm.attributes import instance_state
from strawberry.types.field import StrawberryField

from batchrepo.errors import DeclarationError, InvalidArgument
from batchrepo.integrations.strawberry.query.planning import local_name
from batchrepo.integrations.strawberry.query.resolving import load_object
from batchrepo.integrations.strawberry.types.members import KEY, Value, repository_type_of
from batchrepo.mapping.entity import shown
from batchrepo.plan.read import ColumnField

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


def to_type(cls: type[T], row: Any) -> T:
    """An object of a repository type, for a resolver of one's own to return.

    What the query selects of it is read when it is asked for, together with all objects of the same place.

    Args:
        cls: a class decorated with ``@repository_type``.
        row: an entity that was read, or a primary key.

    Raises:
        InvalidArgument: the class is no repository type, or the entity is of another one.
    """
    kind = repository_type_of(cls)
    if kind is None:
        raise InvalidArgument(f"to_type() expects a class with @repository_type(...); got {shown(cls)}.")
    if not hasattr(row, "_sa_instance_state"):
        return kind.object({KEY: row})  # type: ignore[no-any-return]
    if not isinstance(row, kind.entity.cls):
        raise InvalidArgument(
            f"{cls.__name__} shows {kind.entity.name}; got an entity of {type(row).__name__}."
        )
    loaded = instance_state(row).dict
    values = {
        name: loaded[member.field.column.name]
        for name, member in kind.members.items()
        if isinstance(member, Value)
        and isinstance(member.field, ColumnField)
        and member.field.column is not None
        and member.field.column.name in loaded
    }
    # What relations and the id start from, so that nothing is read twice for them.
    columns = kind.entity.columns.values()
    hidden = {local_name(column): loaded[column.name] for column in columns if column.name in loaded}
    return kind.object({KEY: kind.entity.key_of(row), **hidden, **values})  # type: ignore[no-any-return]


class RequiringField(StrawberryField):
    """A field with a resolver of one's own that needs columns.

    Attributes:
        requires: the fields of the type that it reads from ``self``.
    """

    requires: tuple[str, ...] = ()

    def __copy__(self) -> RequiringField:
        copied = super().__copy__()
        copied.requires = self.requires
        return copied

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        """What the resolver gives, after its columns were read."""
        if all(name in source.__dict__ for name in self.requires):
            return super().get_result(source, info, args, kwargs)
        return self._get_later(source, info, args, kwargs)

    async def _get_later(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        loaded = await load_object(source, info._raw_info)
        # The resolver has it as its self, or as its root or parent.
        args = [loaded if value is source else value for value in args]
        kwargs = {name: loaded if value is source else value for name, value in kwargs.items()}
        found = super().get_result(loaded, info, args, kwargs)
        return await found if inspect.isawaitable(found) else found


@overload
def field(resolver: None = None, *, requires: Sequence[str] = (), **options: Any) -> RequiringField: ...
@overload
def field(resolver: Callable[..., Any], *, requires: Sequence[str] = (), **options: Any) -> Any: ...
def field(resolver: Callable[..., Any] | None = None, *, requires: Sequence[str] = (), **options: Any) -> Any:
    """As ``strawberry.field``, for a resolver that needs columns of its object.

    ::

        @field(requires=("first_name", "last_name"))
        def full_name(self) -> str:
            return f"{self.first_name} {self.last_name}"

    Args:
        resolver: the function.
        requires: the names of columns and computed attributes that it reads from ``self``; they are read with the
            rest. The type need not show them: one that is ``strawberry.Private[...]`` is there for type checkers.
        options: those of ``strawberry.field``, such as ``name`` and ``description``.

    Raises:
        DeclarationError: ``requires`` is a text.
    """
    if isinstance(requires, str):
        raise DeclarationError(
            f"requires= expects names, such as ({requires!r},); got the text {requires!r}."
        )
    made = RequiringField(graphql_name=options.pop("name", None), type_annotation=None, **options)
    made.requires = tuple(requires)
    return made(resolver) if resolver is not None else made
