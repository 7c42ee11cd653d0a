"""``@mutation``: a resolver of one's own in a transaction, and what it gives, read in it."""

from __future__ import annotations

import asyncio
import inspect
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from strawberry.types.field import StrawberryField

from batchrepo.errors import DeclarationError
from batchrepo.integrations.strawberry.operation.scopes import running
from batchrepo.integrations.strawberry.query.lookahead import lookahead_of
from batchrepo.integrations.strawberry.query.selections import object_type_of
from batchrepo.integrations.strawberry.types.fields import in_schema
from batchrepo.integrations.strawberry.types.members import KEY, repository_type_of
from batchrepo.integrations.strawberry.types.shapes import shape_of
from batchrepo.integrations.strawberry.writes.fields import dry_run_argument
from batchrepo.integrations.strawberry.writes.transactions import in_transaction
from batchrepo.repository.planned import Planned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from strawberry.types.arguments import StrawberryArgument

    from batchrepo.integrations.strawberry.query.selections import ResolveInfo


class MutationField(StrawberryField):
    """A field with a resolver of one's own, which runs in a transaction.

    Attributes:
        dry_run: whether clients may try it.
    """

    dry_run: bool = False

    def __copy__(self) -> MutationField:
        copied = super().__copy__()
        copied.dry_run = self.dry_run
        return copied

    @cached_property
    def is_async(self) -> bool:
        """It is, whatever the resolver is."""
        return True

    @property
    def arguments(self) -> list[StrawberryArgument]:
        """Those of the resolver, and whether to try it only."""
        if self._arguments is None:
            own = list(self.base_resolver.arguments) if self.base_resolver else []
            if self.dry_run:
                with in_schema():
                    if any(argument.python_name == "dry_run" for argument in own):
                        raise DeclarationError(
                            f"{self.python_name}: @mutation(dry_run=True) has an argument dry_run of its own. Give the "
                            f"resolver's another name."
                        )
                own += dry_run_argument()
            self._arguments = own
        return self._arguments

    @arguments.setter
    def arguments(self, value: list[StrawberryArgument]) -> None:
        self._arguments = value

    async def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        """What the resolver gives, and what is selected of it."""
        raw = info._raw_info
        dry_run = bool(kwargs.pop("dry_run", False)) if self.dry_run else False

        async def work() -> Any:
            found = super(MutationField, self).get_result(source, info, args, kwargs)
            found = await found if inspect.isawaitable(found) else found
            return await self._read(found, raw, deep=dry_run)

        return await in_transaction(running(raw.field_name), raw.field_name, work, dry_run=dry_run)

    async def _read(self, found: Any, info: ResolveInfo, *, deep: bool) -> Any:
        """Objects that stand for rows, with what is selected of them."""
        shape = shape_of(self.resolve_type())
        kind = repository_type_of(shape.cls)
        if kind is None or shape.paged or found is None:
            return found
        objects: Sequence[Any] = list(found) if shape.many else [found]
        target = object_type_of(info.parent_type.fields[info.field_name])
        assert target is not None
        scope = running(info.field_name).scope
        plan = lookahead_of(scope.reading).of_several(info, target, [info.field_nodes], deep=deep)
        reads = Planned(scope, kind.repository)

        async def read(source: Any) -> Any:
            key = getattr(source, "__dict__", {}).get(KEY)
            row = None if key is None else await reads.by_key(plan, key)
            # One that was deleted stays what the resolver knows of it.
            return source if row is None else kind.object({**source.__dict__, **row})

        read_all = await asyncio.gather(*map(read, objects))
        return read_all if shape.many else read_all[0]


@overload
def mutation(resolver: None = None, *, dry_run: bool = False, **options: Any) -> MutationField: ...
@overload
def mutation(resolver: Callable[..., Any], *, dry_run: bool = False, **options: Any) -> Any: ...
def mutation(resolver: Callable[..., Any] | None = None, *, dry_run: bool = False, **options: Any) -> Any:
    """As ``strawberry.mutation``, in a transaction: committed when the resolver returns, rolled back when it raises.

    ::

        @mutation(dry_run=True)
        async def place_order(self, info: strawberry.Info, customer_id: int, lines: list[Line]) -> InvoiceType:
            scope = scope_of(info)
            invoice = Invoice(customer_id=customer_id, ...)
            scope.add(invoice)
            await scope.flush()
            return to_type(InvoiceType, invoice)

    What is selected of an object of `to_type`, or of a list of them, is read in the transaction, by one plan.

    Args:
        resolver: the function, plain or async.
        dry_run: give the field an argument ``dryRun``: everything is done and answered, and taken back.
        options: those of ``strawberry.mutation``, such as ``name`` and ``description``.
    """
    made = MutationField(graphql_name=options.pop("name", None), type_annotation=None, **options)
    made.dry_run = dry_run
    return made(resolver) if resolver is not None else made
