"""The arguments of fields that read several rows: which of them, in which order, and which page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graphql import get_named_type

from batchrepo.integrations.strawberry.query.selections import DEFINITION
from batchrepo.integrations.strawberry.types.inputs import GivenFilter, order_of
from batchrepo.plan.pages import read_request
from batchrepo.repository.planned import Planned
from batchrepo.scope.related_pages import PageArguments

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from graphql import GraphQLField

    from batchrepo.declare.orders import OrderTerm
    from batchrepo.plan.pages import PageRequest, Total
    from batchrepo.scope import Scope


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a client asked for.

    Attributes:
        where: conditions, besides those of the field itself.
        order: replaces the field's own; empty for that.
        first: size of a page from the start, unchecked, as all that follows.
        after: a cursor.
        last: size of a page from the end.
        before: a cursor.
        limit: of a list.
        scoped: whether the conditions may depend on the scope, so that they hold in no other.
    """

    where: tuple[Any, ...] = ()
    order: tuple[OrderTerm, ...] = ()
    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None
    limit: int | None = None
    scoped: bool = False

    def request(self, total: Total, sizes: tuple[int, int]) -> PageRequest:
        """The page that is asked for.

        Args:
            total: how all rows are counted.
            sizes: the default and the greatest size of a page.

        Raises:
            InvalidArgument: there is no such page.
        """
        return read_request(
            first=self.first,
            after=self.after,
            last=self.last,
            before=self.before,
            total=total,
            default=sizes[0],
            largest=sizes[1],
        )

    def of_related(
        self, where: tuple[Any, ...], order: tuple[OrderTerm, ...], total: Total, flags: Collection[str]
    ) -> PageArguments:
        """As what `related_page` takes, for all objects that have the field.

        Args:
            where: conditions of the field itself.
            order: of the field itself, where the query gives none.
            total: how all rows are counted.
            flags: which of a page's are asked for.
        """
        return PageArguments(
            (*where, *self.where),
            self.order or order or None,
            self.first,
            self.after,
            self.last,
            self.before,
            total,
            alike=True,
            flags=flags,
        )


NOTHING = Arguments()
"""Nothing is asked for."""


def read_arguments(
    field: GraphQLField, given: Mapping[str, Any], repository: type[Any], scope: Scope
) -> Arguments:
    """The arguments of a field that were given.

    Args:
        field: in the schema.
        given: its arguments, as graphql-core has them.
        repository: whose rows the field shows.
        scope: where they are read.

    Raises:
        InvalidFilter: a filter cannot be used; the message has its place in the argument.
        InvalidSort: nor an order.
    """
    found: dict[str, Any] = {}
    for name, argument in field.args.items():
        value = given.get(name)
        if value is None:
            continue
        match argument.extensions[DEFINITION].python_name:
            case "where":
                reads = Planned(scope, repository)
                kind: Any = get_named_type(argument.type)
                asked = GivenFilter(reads.info, name, kind, value)
                found["where"] = (reads.condition(asked.parameters, asked.name_of),)
                found["scoped"] = asked.scoped
            case "order_by":
                found["order"] = order_of(Planned(scope, repository).info, name, value)
            case "first" | "after" | "last" | "before" | "limit" as plain:
                found[plain] = value
    return Arguments(**found) if found else NOTHING
