"""Checking keys at the border, so that one bad key cannot fail the batch of others.

A batch of keys is one parameter of one statement: a value that the driver or the database refuses would
fail every caller of that batch. So each value is checked where it comes in, against its column's type:

- SQLAlchemy's own types say which Python values they take;
- a ``TypeDecorator`` converts the value once, here, and the type that it wraps checks the result;
- of any other type, the bind processor is tried, and the value must be hashable. A value that only the
  server refuses still fails its batch: such as a malformed address for an ``INET`` column.

Values become plain ones (an ``IntEnum`` an int), since drivers refuse batches of mixed types.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from batchrepo.errors import InvalidArgument
from batchrepo.mapping.entity import python_type_of
from batchrepo.mapping.keys import key_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

    from batchrepo.mapping import ColumnInfo
    from batchrepo.sql.keys import Key

ValueCheck = Callable[[Any], Any]
"""From a value that a caller gave to the value that is looked up; raises `Unusable`."""

_LARGEST = 2**63 - 1
_MOST_DIGITS = 4000
"""Of a decimal key: within what PostgreSQL's NUMERIC holds, and what Python turns into text."""


class Unusable(Exception):
    """A value cannot be a key of this type; `expected` says what can, `fix` how to get it."""

    def __init__(self, expected: str, fix: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.fix = fix


def check_keys(owner: str, columns: Sequence[ColumnInfo], keys: Iterable[Any], dialect: Dialect) -> list[Key]:
    """Keys as loaders use them: a value, or a tuple with one value for each of several columns.

    Args:
        owner: the entity's name, for messages.
        columns: the keys' columns.
        keys: each a value; for several columns a tuple in their order, or a mapping by their names.
        dialect: of the database.

    Raises:
        InvalidArgument: a key has the wrong shape, or a value that its column cannot hold.
    """
    if len(columns) == 1:
        (column,) = columns
        check, keys = _check_of(column, dialect), list(keys)
        if check is _integer and set(map(type, keys)) == {int} and _fits(min(keys)) and _fits(max(keys)):
            return keys  # nearly always: a look at all of them is faster than one at each
        return [_checked(owner, column, check, key) for key in keys]
    checks = [_check_of(column, dialect) for column in columns]
    return [
        tuple(
            _checked(owner, column, check, value)
            for column, check, value in zip(columns, checks, key_values(owner, columns, key), strict=True)
        )
        for key in keys
    ]


def key_check(owner: str, columns: Sequence[ColumnInfo], dialect: Dialect) -> Callable[[Any], Key]:
    """`check_keys` for one key at a time."""
    if len(columns) > 1:
        return lambda key: check_keys(owner, columns, [key], dialect)[0]
    (column,) = columns
    check = _check_of(column, dialect)
    return lambda key: _checked(owner, column, check, key)


def _checked(owner: str, column: ColumnInfo, check: ValueCheck, value: Any) -> Any:
    if value is None:
        raise InvalidArgument(f"{owner}.{column.name} was looked up with None, which equals no row.")
    try:
        return check(value)
    except Unusable as error:
        raise InvalidArgument(
            f"{owner}.{column.name} was looked up with {_shown(value)} ({type(value).__name__}). "
            f"Expected {error.expected}.{' ' + error.fix if error.fix else ''}"
        ) from error.__cause__


def _shown(value: Any) -> str:
    try:
        return f"{value!r:.200}"
    except Exception:  # noqa: BLE001  Python refuses to print very long integers
        return "a value that cannot be printed"


_checks: WeakKeyDictionary[Dialect, dict[ColumnInfo, ValueCheck]] = WeakKeyDictionary()


def _check_of(column: ColumnInfo, dialect: Dialect) -> ValueCheck:
    known = _checks.setdefault(dialect, {})
    found = known.get(column)
    if found is None:
        found = known[column] = value_check(column.type, dialect)
    return found


def value_check(kind: TypeEngine[Any], dialect: Dialect) -> ValueCheck:
    """What values of a type must pass to be keys in this database."""
    impl: Any = kind.dialect_impl(dialect)  # of a type with variants: the one for this database
    if isinstance(impl, TypeDecorator) and not isinstance(impl, sa.Interval):
        return _decorated(impl, dialect)
    if not type(impl).__module__.startswith("sqlalchemy."):
        return _unknown(impl, dialect)
    return _known(impl, dialect) or _unknown(impl, dialect)


def _known(impl: Any, dialect: Dialect) -> ValueCheck | None:  # noqa: C901, PLR0911  one line for each type
    # SQLite keeps no time zones: what was stored with one comes back without, and is a good key then.
    naive_too = dialect.name == "sqlite"
    match impl:
        case sa.Enum():
            return _enum(impl, dialect)
        case sa.String():
            return _text
        case sa.Integer():
            return _integer
        case sa.Boolean():
            return _exactly(bool, lambda value: value)
        case sa.Float():
            return _float
        case sa.Numeric():
            return _decimal if dialect.supports_native_decimal else _decimal_as_float
        case sa.DateTime():
            return _zoned(dt.datetime, impl.timezone, naive_too)
        case sa.Time():
            return _zoned(dt.time, impl.timezone, naive_too)
        case sa.Date():
            return _date
        case sa.Uuid():
            return _exactly(UUID, lambda value: UUID(int=value.int)) if impl.as_uuid else _uuid_text
        case sa.LargeBinary():
            return _bytes
    if python_type_of(impl) is dt.timedelta:
        return _interval(impl, dialect)
    return None


def _exactly(kind: type[Any], plain: Callable[[Any], Any]) -> ValueCheck:
    """Values of one Python type, those of subclasses made plain."""

    def check(value: Any) -> Any:
        if type(value) is kind:
            return value
        if isinstance(value, kind):
            return plain(value)
        raise _wrong(kind)

    return check


def _wrong(kind: type[Any]) -> Unusable:
    return Unusable(
        f"a value of type {kind.__name__}", f"Convert the key first, such as {kind.__name__}(...)."
    )


def _fits(value: int) -> bool:
    return -_LARGEST - 1 <= value <= _LARGEST


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(int)
    if not _fits(value):
        raise Unusable("an integer of at most 64 bits: no integer column holds more")
    return value if type(value) is int else int(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(str)
    if "\x00" in value:
        raise Unusable("a text without NUL characters, which databases do not hold")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise Unusable("a text without lone surrogates, which no encoding holds") from error
    return value if type(value) is str else str.__str__(value)


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, float | int | Decimal):
        raise _wrong(float)
    try:
        number = float(value)
    except (OverflowError, ValueError) as error:
        raise Unusable("a finite number") from error
    if not math.isfinite(number):
        raise Unusable("a finite number")
    return number


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, float | int | Decimal):
        raise _wrong(Decimal)
    # Decimal(0.1) would be 0.1000000000000000055...: a float means the number that it prints.
    number = Decimal(repr(float(value))) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        raise Unusable("a finite number")
    if not -_MOST_DIGITS <= number.adjusted() <= _MOST_DIGITS or len(number.as_tuple().digits) > _MOST_DIGITS:
        raise Unusable(f"a number of at most {_MOST_DIGITS} digits")
    return number


def _decimal_as_float(value: Any) -> Decimal:
    number = _decimal(value)
    if not math.isfinite(float(number)):
        raise Unusable("a number that a double holds, as this database has no decimals")
    return number


def _date(value: Any) -> dt.date:
    if isinstance(value, dt.datetime):
        raise Unusable("a date; a datetime is another value", "Convert the key first, with .date().")
    if not isinstance(value, dt.date):
        raise _wrong(dt.date)
    return value if type(value) is dt.date else dt.date(value.year, value.month, value.day)


def _zoned(kind: type[Any], timezone: bool, naive_too: bool) -> ValueCheck:
    """A datetime or time, with a time zone exactly where the column has one."""
    name = kind.__name__

    def check(value: Any) -> Any:
        if not isinstance(value, kind):
            raise _wrong(kind)
        moment: Any = value
        try:
            aware = moment.utcoffset() is not None
            if aware and kind is dt.datetime:
                moment.astimezone(dt.UTC)
        except (OverflowError, ValueError) as error:
            raise Unusable(f"a {name} that exists in UTC") from error
        if aware and not timezone:
            raise Unusable(f"a {name} without a time zone, as the column has none")
        if not aware and timezone and not naive_too:
            raise Unusable(f"a {name} with a time zone, as the column has one")
        return moment if type(moment) is kind else _plain_moment(moment)

    return check


def _plain_moment(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        day = dt.date(value.year, value.month, value.day)
        return dt.datetime.combine(day, _plain_moment(value.timetz()))
    return dt.time(value.hour, value.minute, value.second, value.microsecond, value.tzinfo, fold=value.fold)


def _interval(impl: Any, dialect: Dialect) -> ValueCheck:
    exactly = _exactly(dt.timedelta, lambda v: dt.timedelta(v.days, v.seconds, v.microseconds))
    processed = _unknown(impl, dialect)  # where intervals are stored as moments, long ones overflow

    def check(value: Any) -> Any:
        return processed(exactly(value))

    return check


def _uuid_text(value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(str)
    try:
        UUID(value)
    except ValueError as error:
        raise Unusable("the text of a UUID") from error
    return str.__str__(value)


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise _wrong(bytes)
    return value if type(value) is bytes else bytes(value)


def _enum(impl: Any, dialect: Dialect) -> ValueCheck:
    members = impl.enum_class
    if members is None:
        names = frozenset(impl.enums)
        expected = f"one of {', '.join(map(repr, impl.enums))}"

        def check_name(value: Any) -> str:
            if not isinstance(value, str) or value not in names:
                raise Unusable(expected)
            return str.__str__(value)

        return check_name

    process = impl.bind_processor(dialect)
    refused = f"a member of {members.__name__}", f"Convert the key first, such as {members.__name__}(...)."

    def check(value: Any) -> Any:
        if not isinstance(value, members):
            raise Unusable(*refused)
        try:
            process(value)  # a flag may have values that are no members
        except LookupError as error:
            raise Unusable(*refused) from error
        return value

    return check


def _decorated(impl: Any, dialect: Dialect) -> ValueCheck:
    """The decorator converts, the type that it wraps checks what came out; the value itself goes on."""
    wrapped = value_check(impl.impl_instance, dialect)
    if dialect.name == "sqlite" and isinstance(impl.impl_instance, sa.DateTime | sa.Time):
        wrapped = _unknown(impl.impl_instance, dialect)  # it takes both, with and without a time zone
    tried = _unknown(impl, dialect)
    name = type(impl).__name__

    def check(value: Any) -> Any:
        tried(value)
        try:
            sent = impl.process_bind_param(value, dialect)
        except NotImplementedError:  # it converts results only
            sent = value
        if sent is None:
            return value
        try:
            wrapped(sent)
        except Unusable as error:
            raise Unusable(f"{error.expected}, after {name} has converted it to {_shown(sent)}") from error
        return value

    return check


def _unknown(impl: Any, dialect: Dialect) -> ValueCheck:
    """A type whose values nobody knows: the bind processor is tried."""
    process = impl.bind_processor(dialect)
    name = type(impl).__name__
    as_json = dialect.name == "sqlite" and not isinstance(impl, sa.types.TypeDecorator)

    def check(value: Any) -> Any:
        try:
            hash(value)
        except TypeError as error:
            raise Unusable("a hashable value", "Use a tuple instead of a list.") from error
        try:
            sent = process(value) if process is not None else value
            if as_json:
                json.dumps(sent, allow_nan=False)
        except Exception as error:
            raise Unusable(f"a value that {name} takes; it said: {error}") from error
        return value

    return check
