"""How SQLite writes values as JSON: the types that it stores as they are, and SQLAlchemy's texts for dates and times.

Not numbers with a fraction: its texts of them are rounded, and decimals are floats already. Texts that another program
has stored in a form of its own are left to SQLAlchemy.
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

_DIGIT = "[0-9]"
_DATE = f"{_DIGIT * 4}-{_DIGIT * 2}-{_DIGIT * 2}"
_TIME = f"{_DIGIT * 2}:{_DIGIT * 2}:{_DIGIT * 2}.{_DIGIT * 6}"
_HEX = "[0-9a-fA-F]" * 32


def sqlite_encoder(kind: Any, _: Dialect) -> Encoder | None:
    """The encoder for a type of SQLAlchemy's own, or None."""
    match kind:
        case sa.Boolean():
            return _truth
        case sa.Integer() | sa.String():
            return _quoted
        case sa.Date() if _is_generic(kind):
            return _date
        case sa.DateTime() if _is_generic(kind):
            return _moment
        case sa.Time() if _is_generic(kind):
            return _time
        case sa.Uuid():
            return _uuid
    return None


def _is_generic(kind: Any) -> bool:
    """Whether it is stored in SQLAlchemy's own format; types of the dialect may have another."""
    return type(kind).__module__ == "sqlalchemy.sql.sqltypes"


def _quoted(value: Any) -> ColumnElement[str]:
    return sa.func.json_quote(value, type_=sa.Text())


def _truth(value: Any) -> ColumnElement[str]:
    return sa.case((value, written("true")), else_=written("false"))


def _if_like(value: Any, pattern: str, parts: list[Any]) -> ColumnElement[str]:
    stored = _stored(value)
    return sa.case(
        (stored.op("GLOB")(written(pattern)), concatenated(['"', *parts, '"'])),
        else_=sa.func.char(sa.literal_column("1"), type_=sa.Text()),
    )


def _stored(value: Any) -> Any:
    return sa.type_coerce(value, sa.Text())


def _part(value: Any, start: int, length: int) -> ColumnElement[str]:
    numbers: list[Any] = [sa.literal_column(str(number)) for number in (start, length)]
    return sa.func.substr(_stored(value), *numbers, type_=sa.Text())


def _date(value: Any) -> ColumnElement[str]:
    return _if_like(value, _DATE, [_stored(value)])


def _time(value: Any) -> ColumnElement[str]:
    return _if_like(value, _TIME, [_part(value, 1, 8), _fraction(value, 9)])


def _moment(value: Any) -> ColumnElement[str]:
    date, time = _part(value, 1, 10), _part(value, 12, 8)
    return _if_like(value, f"{_DATE} {_TIME}", [date, "T", time, _fraction(value, 20)])


def _fraction(value: Any, start: int) -> ColumnElement[str]:
    """Six digits of a second or none, as Pydantic writes them."""
    found = _part(value, start, 7)
    return sa.case((found == written(".000000"), written("")), else_=found)


def _uuid(value: Any) -> ColumnElement[str]:
    parts: list[Any] = []
    for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12)):
        parts += ["-", sa.func.lower(_part(value, start, length), type_=sa.Text())]
    return _if_like(value, _HEX, parts[1:])
