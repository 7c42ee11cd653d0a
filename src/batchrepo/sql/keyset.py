"""Keyset conditions: the rows behind (or up to) a place in an order, in a form that an index can serve.

An order is a sequence of terms without ties. The rows behind a place are those greater in the first term, or
equal in it and greater in the second, and so on. Written out so with ORs, no index serves it. Therefore:

- ``(a, b) > (:a, :b)`` where no column is nullable and all directions agree: a row value comparison;
- ``a >= :a AND (a > :a OR b < :b)`` otherwise: the first term alone bounds what an index has to read;
- a nullable first term makes two ranges, the NULLs and the others. They come one after the other in the order, so
  that each is read by itself, with its own limit.

Markus Winand describes the method ("We need tool support for keyset pagination", use-the-index-luke.com/no-offset).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from batchrepo.declare.orders import OrderTerm
from batchrepo.errors import InvalidArgument, InvalidCursor
from batchrepo.sql.key_checks import Unusable
from batchrepo.sql.order_values import order_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.sql.order_values import OrderValues

Place = Literal["first", "last"]
"""Where NULLs stand in an order."""


NULL = object()
"""Stands for a NULL among the values of a place: whether a value is NULL decides about the SQL."""


@dataclass(frozen=True, eq=False)
class KeysetTerm:
    """One term of an order, as a database sees it.

    Attributes:
        expression: what is sorted by.
        descending: direction.
        nullable: whether it may be NULL.
        nulls: where NULLs stand, said or not.
        explicit: whether that has to be said, since the database's own habit is another.
        values: how its values travel.
    """

    expression: Any
    descending: bool
    nullable: bool
    nulls: Place
    explicit: bool
    values: OrderValues

    @property
    def value(self) -> ColumnElement[Any]:
        """What to select for its value in a cursor."""
        return self.values.read(self.expression)

    def on(self, expression: Any) -> ColumnElement[Any]:
        """The same direction and NULL place, for another expression."""
        element = expression.desc() if self.descending else expression.asc()
        if self.nullable and self.explicit:
            element = element.nulls_first() if self.nulls == "first" else element.nulls_last()
        return element  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class Keyset:
    """An order without ties."""

    terms: tuple[KeysetTerm, ...]

    @property
    def order(self) -> list[ColumnElement[Any]]:
        """What goes into ``ORDER BY``."""
        return [term.on(term.expression) for term in self.terms]

    @property
    def values(self) -> list[ColumnElement[Any]]:
        """What to select for a cursor."""
        return [term.value for term in self.terms]

    @property
    def order_terms(self) -> tuple[OrderTerm, ...]:
        """The same order, for statements that know nothing of keysets."""
        return tuple(
            OrderTerm(
                term.expression, term.descending, term.nulls if term.nullable and term.explicit else None
            )
            for term in self.terms
        )

    def with_expressions(self, expressions: Sequence[Any]) -> Keyset:
        """The same order by other expressions, such as the same ones with row criteria in them."""
        return Keyset(
            tuple(replace(term, expression=e) for term, e in zip(self.terms, expressions, strict=True))
        )

    def backward(self) -> Keyset:
        """The order from its other end."""
        return Keyset(
            tuple(
                replace(
                    term, descending=not term.descending, nulls="last" if term.nulls == "first" else "first"
                )
                for term in self.terms
            )
        )

    def checked(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """The values of a cursor as they are sent to the database.

        Raises:
            InvalidCursor: their number or a type is not that of the order.
        """
        if len(values) != len(self.terms):
            raise InvalidCursor(
                f"The cursor has {len(values)} values instead of {len(self.terms)}.", reason="values"
            )
        return tuple(_checked(term, value) for term, value in zip(self.terms, values, strict=True))

    def as_place(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """The order's values of a row as a place to read from."""
        return tuple(NULL if value is None else value for value in values)

    def ranges(self, place: Sequence[Any], *, inclusive: bool = False) -> list[ColumnElement[bool]]:
        """Conditions for the rows behind a place, in the order in which their rows come.

        Args:
            place: for each term an expression with its value, or `NULL`.
            inclusive: the row at the place itself too.

        Returns:
            One condition, or two where NULLs of the first term come after the place. No row meets both.
            Each is served by an index on the order.
        """
        return _ranges(self.terms, place, inclusive)

    def condition(self, place: Sequence[Any], *, inclusive: bool = False) -> ColumnElement[bool]:
        """The rows behind a place, as one condition."""
        return sa.or_(*self.ranges(place, inclusive=inclusive))


def make_keyset(order: Sequence[OrderTerm], dialect: Dialect) -> Keyset:
    """How a database pages by an order, which must have no ties.

    Raises:
        InvalidArgument: it sorts by a value that no cursor can carry.
    """
    return Keyset(tuple(_term(term, dialect) for term in order))


def _term(term: OrderTerm, dialect: Dialect) -> KeysetTerm:
    habit: Place = "last"
    if dialect.name == "postgresql":
        habit = "first" if term.descending else "last"
    else:  # NULL is the smallest
        habit = "last" if term.descending else "first"
    nulls = term.nulls or habit
    return KeysetTerm(
        term.expression,
        term.descending,
        term.nullable,
        nulls,
        nulls != habit,
        order_values(term.expression, dialect),
    )


def _checked(term: KeysetTerm, value: Any) -> Any:
    if value is None:
        if not term.nullable:
            raise InvalidCursor(
                f"The cursor has no value for {term.expression}, which is never NULL.", reason="values"
            )
        return NULL
    try:
        return term.values.check(value)
    except (Unusable, InvalidArgument) as error:
        raise InvalidCursor(
            f"The cursor's value for {term.expression} is wrong. Expected {error}.", reason="values"
        ) from None


def _ranges(terms: Sequence[KeysetTerm], place: Sequence[Any], inclusive: bool) -> list[ColumnElement[bool]]:
    lead, value = terms[0], place[0]
    others = list(zip(terms[1:], place[1:], strict=True))
    if value is NULL:
        rest = _behind(others, inclusive)
        found = [] if rest is None else [_both(lead.expression.is_(None), rest)]
        return [*found, lead.expression.is_not(None)] if lead.nulls == "first" else found
    agree = all(term.descending == lead.descending and not term.nullable for term, _ in others)
    if others and agree:
        column = sa.tuple_(*(term.expression for term in terms))
        values = sa.tuple_(*place)
        found = [_beyond(column, values, lead.descending, inclusive)]
    else:
        rest = _behind(others, inclusive)
        bound = _beyond(lead.expression, value, lead.descending, inclusive=rest is not None)
        strictly = _beyond(lead.expression, value, lead.descending, inclusive=False)
        found = [bound if rest is None or rest is True else sa.and_(bound, sa.or_(strictly, rest))]
    return [*found, lead.expression.is_(None)] if lead.nullable and lead.nulls == "last" else found


def _behind(pairs: Sequence[tuple[KeysetTerm, Any]], inclusive: bool) -> Any:
    """Behind a place by the further terms; True for all rows (there is no further term), None for none."""
    if not pairs:
        return True if inclusive else None
    terms, place = zip(*pairs, strict=True)
    found = _ranges(terms, place, inclusive)
    return sa.or_(*found) if found else None


def _beyond(column: Any, value: Any, descending: bool, inclusive: bool) -> ColumnElement[bool]:
    if descending:
        return column <= value if inclusive else column < value  # type: ignore[no-any-return]
    return column >= value if inclusive else column > value  # type: ignore[no-any-return]


def _both(one: ColumnElement[bool], other: Any) -> ColumnElement[bool]:
    return one if other is True else sa.and_(one, other)
