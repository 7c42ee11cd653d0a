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

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from batchrepo.declare.cursors import MemberName
from batchrepo.declare.orders import OrderTerm
from batchrepo.errors import InvalidArgument, InvalidCursor
from batchrepo.sql.key_checks import Unusable, value_check
from batchrepo.sql.keys import widened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement


Place = Literal["first", "last"]
"""Where NULLs stand in an order."""


class Stored(UserDefinedType[Any]):
    """A value as the driver gives and takes it. Without a type of its own, SQLAlchemy would give it its column's."""

    cache_ok = True


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
        type: as which its values are read and sent back, exact to the last bit.
        same: whether reading the expression as it is gives these values too.
        widened: whether its values have to be made double to be read to the last bit.
        check: from a value that a cursor carries to the value to send; raises `Unusable`.
    """

    expression: Any
    descending: bool
    nullable: bool
    nulls: Place
    explicit: bool
    type: TypeEngine[Any]
    same: bool
    widened: bool
    check: Callable[[Any], Any]

    @property
    def value(self) -> ColumnElement[Any]:
        """What to select for its value in a cursor."""
        return self.read(self.expression)

    def read(self, expression: Any) -> ColumnElement[Any]:
        """What to select for its value, where another expression has it."""
        if self.widened:
            return sa.cast(expression, self.type)
        return sa.type_coerce(expression, self.type)

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
    kind = term.expression.type
    return KeysetTerm(
        term.expression,
        term.descending,
        term.nullable,
        nulls,
        nulls != habit,
        _exact(kind, dialect),
        _reads_alike(kind, dialect),
        _is_single(kind, dialect),
        _check(kind, dialect),
    )


def _exact(kind: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """As which a type's values lose nothing on their way to a cursor and back.

    SQLite gives what it stores, untouched: a decimal is a float there, and rounding it would skip rows. Elsewhere
    values travel as what a type decorator wraps.
    """
    if dialect.name == "sqlite":
        return Stored()
    impl: Any = kind.dialect_impl(dialect)
    while isinstance(impl, TypeDecorator):
        impl = impl.impl_instance
    if isinstance(impl, sa.Float):
        return sa.Double()
    return sa.Numeric() if isinstance(impl, sa.Numeric) else widened(impl)


def _is_single(kind: TypeEngine[Any], dialect: Dialect) -> bool:
    """Whether values have single precision, which a driver may give as the few digits that tell them apart."""
    if dialect.name == "sqlite":
        return False
    declared: Any = kind._variant_mapping.get(dialect.name, kind)
    while isinstance(declared, TypeDecorator):
        declared = declared.load_dialect_impl(dialect)
    digits = declared.precision if isinstance(declared, sa.Float) else None
    return isinstance(declared, sa.REAL) or (digits is not None and digits <= _SINGLE)


_SINGLE = 24
"""Binary digits up to which a FLOAT has single precision."""


_READ_ALIKE = (sa.Integer, sa.String, sa.DateTime, sa.Date, sa.Time, sa.Boolean)
"""Types whose values PostgreSQL's drivers give exactly, so that a column need not be read twice."""


def _reads_alike(kind: TypeEngine[Any], dialect: Dialect) -> bool:
    plain = isinstance(kind, _READ_ALIKE) and not isinstance(kind, sa.Enum) and not kind._variant_mapping
    if dialect.name == "sqlite":
        return plain and isinstance(kind, sa.Integer | sa.String)
    return plain and type(kind).__module__.startswith("sqlalchemy.")


_STORED: tuple[tuple[type[TypeEngine[Any]], tuple[type[Any], ...]], ...] = (
    (sa.Boolean, (int,)),
    (sa.Integer, (int,)),
    (sa.Numeric, (int, float)),
    (sa.Float, (int, float)),
    (sa.LargeBinary, (bytes,)),
    (sa.String, (str,)),
    (sa.DateTime, (str,)),
    (sa.Date, (str,)),
    (sa.Time, (str,)),
    (sa.Uuid, (str,)),
)
"""What SQLite stores for values of a type; of others nobody knows."""


def _check(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any]:
    if dialect.name == "sqlite":
        return _stored_check(kind)
    exact = _exact(kind, dialect)
    if isinstance(exact, sa.Enum):
        return _member_check(exact)
    if not type(exact).__module__.startswith("sqlalchemy."):
        return _primitive
    expected = value_check(exact, dialect)

    def check(value: Any) -> Any:
        if isinstance(value, float) and isinstance(exact, sa.Float):
            return value  # infinite ones have their place in an order
        if isinstance(value, Decimal) and isinstance(exact, sa.Numeric) and not value.is_finite():
            if value.is_infinite() or value.is_qnan():
                return value
            raise Unusable("a number")
        return expected(value)

    return check


def _stored_check(kind: TypeEngine[Any]) -> Callable[[Any], Any]:
    plain: Any = kind
    while isinstance(plain, TypeDecorator):
        plain = plain.impl_instance
    stored = next((types for base, types in _STORED if isinstance(plain, base)), None)

    def check(value: Any) -> Any:
        value = _primitive(value)
        if stored is not None and type(value) not in stored:
            raise Unusable(f"a value of type {stored[-1].__name__}")
        return value

    return check


def _primitive(value: Any) -> Any:
    if type(value) in (int, float, bytes, bool, Decimal, UUID, dt.datetime, dt.date, dt.time, dt.timedelta):
        return value
    if type(value) is str and value.isprintable():
        return value
    if type(value) is str:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Unusable("a text without lone surrogates") from None
        return value
    raise Unusable("a plain value")


def _member_check(kind: sa.Enum) -> Callable[[Any], Any]:
    members: Any = kind.enum_class

    def check(value: Any) -> Any:
        if members is None:
            if value in kind.enums:
                return value
        elif isinstance(value, MemberName) and value.name in members.__members__:
            return members[value.name]
        raise Unusable(f"a member of {kind.name or 'the enum'}")

    return check


def _checked(term: KeysetTerm, value: Any) -> Any:
    if value is None:
        if not term.nullable:
            raise InvalidCursor(
                f"The cursor has no value for {term.expression}, which is never NULL.", reason="values"
            )
        return NULL
    try:
        return term.check(value)
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
