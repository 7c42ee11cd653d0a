"""Order terms: an ``ORDER BY`` element as a value, and the tie-breaker that makes an order total."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import UnaryExpression

from batchrepo.declare.elements import sql_of, why_foreign, why_no_expression
from batchrepo.declare.values import nullable_of
from batchrepo.errors import DeclarationError, InvalidArgument
from batchrepo.mapping.entity import is_relationship

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.mapping import EntityInfo
    from batchrepo.mapping.entity import Sources


class Sortable:
    """Something with a value in SQL that may not be known yet: directions are put on it all the same.

    A class body may write ``default_order = (track_count.desc(),)`` before the mapped classes are complete.
    """

    def __clause_element__(self) -> Any:
        """The SQL expression."""
        raise NotImplementedError

    def asc(self) -> Ordering:
        """Ascending."""
        return Ordering(self, "asc")

    def desc(self) -> Ordering:
        """Descending."""
        return Ordering(self, "desc")

    def nulls_first(self) -> Ordering:
        """Rows without a value come first."""
        return Ordering(self, "nulls_first")

    def nulls_last(self) -> Ordering:
        """Rows without a value come last."""
        return Ordering(self, "nulls_last")

    nullsfirst, nullslast = nulls_first, nulls_last  # SQLAlchemy's older names


class Ordering(Sortable):
    """A `Sortable` with a direction or a place for NULLs."""

    def __init__(self, value: Sortable, how: Literal["asc", "desc", "nulls_first", "nulls_last"]) -> None:
        self.value = value
        self.how = how

    def __clause_element__(self) -> Any:
        """The SQL expression, with its direction."""
        element = self.value.__clause_element__()
        return getattr(element, self.how)()

    def __str__(self) -> str:
        return f"{self.value}.{self.how}()"


@dataclass(frozen=True, eq=False)
class OrderTerm:
    """One element of an order.

    Attributes:
        expression: what is sorted by.
        descending: direction.
        nulls: where NULLs go, or None for the database's own habit.
    """

    expression: ColumnElement[Any]
    descending: bool = False
    nulls: Literal["first", "last"] | None = None

    @classmethod
    def parse(cls, element: Any) -> OrderTerm:
        """Read ``Album.title``, ``Album.title.desc()`` or ``Album.title.desc().nulls_last()``.

        Raises:
            InvalidArgument: `element` is not a SQL expression.
        """
        if isinstance(element, OrderTerm):
            return element
        expression: Any = None if is_relationship(element) else sql_of(element)
        if expression is None:
            raise InvalidArgument(f"Cannot order by it: {why_no_expression(element)}.")
        descending = False
        nulls: Literal["first", "last"] | None = None
        while isinstance(expression, UnaryExpression):
            modifier = expression.modifier
            if modifier is operators.desc_op:
                descending = True
            elif modifier is operators.nulls_first_op:
                nulls = "first"
            elif modifier is operators.nulls_last_op:
                nulls = "last"
            elif modifier is not operators.asc_op:
                break
            expression = expression.element
        return cls(expression, descending, nulls)

    def on(self, expression: Any) -> ColumnElement[Any]:
        """The same direction and NULL place, for another expression."""
        element = expression.desc() if self.descending else expression.asc()
        if self.nulls == "first":
            element = element.nulls_first()
        elif self.nulls == "last":
            element = element.nulls_last()
        return element  # type: ignore[no-any-return]

    @property
    def nullable(self) -> bool:
        """Whether what is sorted by may be NULL; True where nobody knows."""
        return nullable_of(self.expression)

    @property
    def element(self) -> ColumnElement[Any]:
        """What goes into ``ORDER BY``."""
        return self.on(self.expression)


def parse_order(order_by: Any) -> tuple[OrderTerm, ...]:
    """Read one element, or a sequence of elements, or None."""
    return tuple(map(OrderTerm.parse, _elements(order_by)))


def _elements(order_by: Any) -> Sequence[Any]:
    if order_by is None:
        return ()
    return order_by if isinstance(order_by, tuple | list) else (order_by,)


def declared_order(order_by: Any, where: str, sources: Sources, what: str) -> tuple[OrderTerm, ...]:
    """Read an order that is part of a declaration.

    Args:
        order_by: one element, or a tuple or list of elements, or None.
        where: names the declaration, such as ``AlbumRepository.default_order``, for messages.
        sources: the tables whose columns it may name.
        what: whose tables they are, for messages.

    Raises:
        DeclarationError: an element is no SQL expression, or has columns of another table.
    """
    try:
        terms = parse_order(order_by)
    except InvalidArgument as error:
        raise DeclarationError(f"{where}: {error}") from None
    for element, term in zip(_elements(order_by), terms, strict=True):
        written = element if isinstance(element, Sortable) else term.expression
        refusal = why_foreign(written, sources, what, value=True)
        if refusal is not None:
            raise DeclarationError(f"{where}: {refusal}.")
    return terms


def total_order(terms: tuple[OrderTerm, ...], entity: EntityInfo) -> tuple[OrderTerm, ...]:
    """The order with the primary key appended (in the last term's direction), so that it has no ties."""
    sorted_by = {_identity(term.expression) for term in terms}
    descending = terms[-1].descending if terms else False
    missing = (
        OrderTerm(column.attribute, descending)
        for column in entity.key
        if _identity(column.attribute) not in sorted_by
    )
    return (*terms, *missing)


def unique_order(terms: tuple[OrderTerm, ...], entity: EntityInfo) -> tuple[OrderTerm, ...]:
    """As `total_order`, without what comes behind the whole primary key: it decides nothing."""
    wanted = {_identity(column.attribute) for column in entity.key}
    kept: list[OrderTerm] = []
    for term in total_order(terms, entity):
        kept.append(term)
        wanted.discard(_identity(term.expression))
        if not wanted:
            break
    return tuple(kept)


def _identity(expression: Any) -> Any:
    element = expression.__clause_element__() if hasattr(expression, "__clause_element__") else expression
    return element._deannotate()
