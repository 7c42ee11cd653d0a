"""How PostgreSQL writes values as JSON.

Dates and times go through ``to_json``, since their own texts depend on the session's ``DateStyle``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.sql.json.texts import concatenated, written

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement

    Encoder = Callable[[Any], ColumnElement[str]]


def postgresql_encoder(kind: Any, dialect: Dialect) -> Encoder | None:
    """The encoder for a type of SQLAlchemy's own, or None."""
    match kind:
        case sa.Boolean() | sa.Integer():
            return _text
        case sa.Float() | sa.Numeric():
            return _number(kind)
        case sa.String():
            return _json
        case sa.Date() | sa.DateTime() | sa.Time():
            return _time_of(kind, dialect)
        case sa.Uuid() if kind.native_uuid:
            return _uuid
    return None


def _number(kind: Any) -> Encoder | None:
    if isinstance(kind, sa.Float):
        return None if kind.asdecimal or _is_single(kind) else _double
    # Of whole numbers without a scale asyncpg drops zeros: 120000 is Decimal('1.2E+5').
    return _numeric(kind.scale) if kind.asdecimal and kind.scale and kind.scale > 0 else None


def _time_of(kind: Any, dialect: Dialect) -> Encoder | None:
    if isinstance(kind, sa.Date):
        return _date(dialect)
    if isinstance(kind, sa.Time):
        return None if kind.timezone else _time
    if not kind.timezone:
        return moment_encoder(dialect)
    # Other drivers give the session's time zone, and Pydantic writes it.
    return moment_encoder(dialect, "Z") if dialect.driver == "asyncpg" else None


def _text(value: Any) -> ColumnElement[str]:
    return sa.cast(value, sa.Text())


def _json(value: Any) -> ColumnElement[str]:
    return _text(sa.func.to_json(value))


def _uuid(value: Any) -> ColumnElement[str]:
    return concatenated(['"', _text(value), '"'])


def _is_single(kind: sa.Float[Any]) -> bool:
    """Whether values have single precision, of which drivers give different digits."""
    return isinstance(kind, sa.REAL) or (kind.precision is not None and kind.precision <= _SINGLE)


_SINGLE = 24
"""Binary digits up to which a FLOAT has single precision."""


def _double(value: Any) -> ColumnElement[str]:
    """With a point or an exponent, so that it is a float for everybody who reads it; null if it is no number.

    From 1e15 on PostgreSQL writes an exponent.
    """
    number: Any = sa.cast(value, sa.Double())
    whole = sa.and_(number == sa.func.trunc(number), sa.func.abs(number) < sa.literal_column("1e15"))
    return sa.case(
        (whole, concatenated([_text(number), ".0"])),
        (sa.func.abs(number) > sa.literal_column("1.7976931348623157e308::float8"), written("null")),
        else_=_text(number),
    )


def _numeric(scale: int) -> Encoder:
    """As ``str(Decimal)`` writes it, with an exponent for what is tiny."""

    def encode(value: Any) -> ColumnElement[str]:
        plain = concatenated(['"', _text(value), '"'])
        no_number = (value - value != _ZERO, _INEXACT)
        if scale <= _PLAIN_DIGITS:
            return sa.case(no_number, else_=plain)
        return sa.case(
            no_number, (sa.func.abs(value) < sa.literal_column("0.000001"), _tiny(value)), else_=plain
        )

    return encode


_PLAIN_DIGITS = 6
"""Behind the point: ``str(Decimal)`` writes numbers below 1e-6 that have more with an exponent."""

_ZERO: Any = sa.literal_column("0")
_INEXACT: Any = sa.func.chr(sa.literal_column("1"), type_=sa.Text())


def _tiny(value: Any) -> ColumnElement[str]:
    """``1.2E-8``: the digits without leading zeros, and where the point was."""
    behind = sa.func.split_part(_text(value), written("."), sa.literal_column("2"))
    digits = sa.func.coalesce(sa.func.nullif(sa.func.ltrim(behind, written("0")), written("")), written("0"))
    first, others = sa.func.left(digits, 1), sa.func.substr(digits, 2)
    exponent = sa.func.length(digits) - 1 - sa.func.scale(value)
    return concatenated(
        [
            '"',
            sa.case((value < _ZERO, written("-")), else_=written("")),
            first,
            sa.case((others != written(""), concatenated([".", others])), else_=written("")),
            "E",
            _text(exponent),
            '"',
        ]
    )


def _within(
    value: Any, kind: str, text: ColumnElement[str], infinite: tuple[str, str] | None
) -> ColumnElement[str]:
    """Only of the years that Python has; infinite ones are what the driver makes of them, if that is known."""

    def constant(of: str) -> ColumnElement[Any]:
        return sa.literal_column(f"{kind} '{of}'")

    found: list[tuple[Any, Any]] = [
        (sa.and_(value >= constant("0001-01-01"), value < constant("10000-01-01")), text)
    ]
    if infinite is not None:
        low, high = infinite
        found += [
            (value == constant("-infinity"), written(f'"{low}"')),
            (value == constant("infinity"), written(f'"{high}"')),
        ]
    return sa.case(*found, else_=_INEXACT)


def _date(dialect: Dialect) -> Encoder:
    # asyncpg stores Python's first and last day as infinite ones, and gives them back.
    infinite = ("0001-01-01", "9999-12-31") if dialect.driver == "asyncpg" else None
    return lambda value: _within(value, "date", _json(value), infinite)


def moment_encoder(dialect: Dialect, zone: str = "") -> Encoder:
    """Six digits of a second or none, as Pydantic writes them; PostgreSQL leaves out trailing zeros."""
    infinite = ("0001-01-01T00:00:00", "9999-12-31T23:59:59.999999")  # asyncpg gives them without a zone

    def encode(value: Any) -> ColumnElement[str]:
        if zone:
            value = sa.func.timezone(written("UTC"), value)
        whole = concatenated([sa.func.left(_json(value), sa.literal_column("-1")), f'{zone}"'])
        exact = sa.func.to_char(value, written('YYYY-MM-DD"T"HH24:MI:SS.US'))
        is_whole = sa.func.date_trunc(written("second"), value) == value
        text = sa.case((is_whole, whole), else_=concatenated(['"', exact, f'{zone}"']))
        return _within(value, "timestamp", text, infinite if dialect.driver == "asyncpg" else None)

    return encode


def _time(value: Any) -> ColumnElement[str]:
    text = _text(value)
    digits = sa.case((sa.func.length(text) == 8, text), else_=sa.func.rpad(text, 15, written("0")))
    return sa.case(
        (value < sa.literal_column("time '24:00:00'"), concatenated(['"', digits, '"'])), else_=_INEXACT
    )
